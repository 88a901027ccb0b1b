"""DNSMOS: a network's guess at what listeners would say, without the clean source.

Two models that ship in the ``speechmos`` wheel (MIT) run here in onnxruntime:

* ``p808``: overall quality as in P.808 (Reddy, Gopal, Cutler: DNSMOS, ICASSP 2021), on log-mels;
* ``sig``, ``bak``, ``ovrl``: speech, background, overall as in P.835 (Reddy, Gopal, Cutler:
  DNSMOS P.835, ICASSP 2022), on samples, then a polynomial fitted to listeners.

Windows, features and polynomials are our own code and agree with ``speechmos.dnsmos.run``. The
P.835 model costs many times as much as the other, so only what was asked for is loaded and run.
Windows go through one at a time: batches are no faster, and their memory grows with each window.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from numpy.polynomial.polynomial import polyval
from numpy.typing import NDArray

from mosdata.audio import Clip, Samples
from mosdata.errors import MissingExtra
from mosdata.labels.base import MetricInfo
from mosdata.labels.guards import check_clip, require
from mosdata.labels.mel import p808_features

CODE_VERSION: Final = "1"
"""Goes up with every change here that changes scores."""

SAMPLE_RATE_HZ: Final = 16_000
WINDOW_S: Final = 9.01
WINDOW: Final = 144_160

P808_FILE: Final = "model_v8.onnx"
P835_FILE: Final = "sig_bak_ovr.onnx"

P835_POLYNOMIALS: Final = {
    "sig": (0.0052439, 1.22083953, -0.08397278),
    "bak": (-0.39604546, 1.60915514, -0.13166888),
    "ovrl": (0.04602535, 1.11546468, -0.06766283),
}
"""Raw output -> MOS, coefficients of rising powers; in the order of the model's outputs."""

INFO: Final = MetricInfo(
    kind="dnsmos",
    dimensions=dict.fromkeys(("p808", *P835_POLYNOMIALS), "acr_1_5"),
    sample_rate_hz=SAMPLE_RATE_HZ,
    needs_reference=False,
    license="MIT",
)


@dataclass(frozen=True, slots=True)
class _Windows:
    """A clip laid out for the models: windows of ``signal`` by the second they start at.

    ``counts`` says how often each window counts in the mean.
    """

    signal: Samples
    counts: dict[int, int]

    def samples(self) -> Iterator[Samples]:
        for second in self.counts:
            yield self.signal[second * SAMPLE_RATE_HZ :][:WINDOW]

    def mean(self, outputs: Sequence[float] | NDArray[np.float64]) -> float:
        return float(np.average(outputs, weights=list(self.counts.values())))


class Dnsmos:
    """DNSMOS at 16 kHz; see the module.

    Args:
        dimensions: some of ``p808``, ``sig``, ``bak``, ``ovrl``; all for none.

    Raises:
        UnknownName: no such dimension.
        MissingExtra: onnxruntime, or the wheel with the weights, is not installed.

    Example:
        >>> from mosdata.testing import speechlike
        >>> sorted(Dnsmos(["p808"]).score(speechlike(3.0), None))
        ['p808']
    """

    packages: ClassVar[tuple[str, ...]] = ("onnxruntime", "speechmos")
    extra: ClassVar[str] = "metrics"

    info: MetricInfo = INFO

    def __init__(self, dimensions: Sequence[str] = ()) -> None:
        self.info = INFO.only(dimensions)
        require(INFO.kind, packages=self.packages, extra=self.extra)
        self._folder = _weights_folder()
        asked = self.info.dimensions.keys()
        self._p808 = _session(self._folder / P808_FILE) if "p808" in asked else None
        self._p835 = _session(self._folder / P835_FILE) if asked - {"p808"} else None

    def revision(self) -> str:
        """Versions of this code and of onnxruntime, and a digest of both models."""
        return self._revision

    @cached_property
    def _revision(self) -> str:
        digest = hashlib.sha256()
        for name in (P808_FILE, P835_FILE):
            digest.update((self._folder / name).read_bytes())
        runtime = version("onnxruntime")
        return f"{CODE_VERSION}+onnxruntime-{runtime}+weights-{digest.hexdigest()[:12]}"

    def score(self, clip: Clip, reference: Clip | None = None) -> dict[str, float]:
        """MOS by dimension, the mean over windows of 9.01 s; ``reference`` is not used.

        Raises:
            RecordRejected: empty, not finite, shorter than 0.25 s, or silent.
        """
        del reference
        check_clip(clip, self.info)
        windows = _windows(clip.samples)
        scores: dict[str, float] = {}
        if self._p808 is not None:
            scores["p808"] = _p808(self._p808, windows)
        if self._p835 is not None:
            scores |= _p835(self._p835, windows)
        return {name: scores[name] for name in self.info.dimensions}


def _p808(session: Any, windows: _Windows) -> float:
    features = p808_features(windows.signal, windows.counts)
    return windows.mean([_run(session, window)[0] for window in features])


def _p835(session: Any, windows: _Windows) -> dict[str, float]:
    raw = np.array([_run(session, window) for window in windows.samples()])
    columns = zip(P835_POLYNOMIALS.items(), raw.T, strict=True)
    return {name: windows.mean(polyval(column, terms)) for (name, terms), column in columns}


def _run(session: Any, window: NDArray[np.float32]) -> NDArray[np.float64]:
    """The model's outputs for one window."""
    output: NDArray[np.float32] = session.run(None, {"input_1": window[np.newaxis]})[0][0]
    return output.astype(np.float64)


def _windows(samples: Samples) -> _Windows:
    """Lay a clip out: doubled until it fills a window, then one window for every second.

    A clip of whole seconds meets the same windows again and again once it is repeated; each is
    run once and counted as often as it occurs.
    """
    length = len(samples)
    while length < WINDOW:
        length *= 2
    whole_seconds, rest = divmod(len(samples), SAMPLE_RATE_HZ)
    period = length if rest else whole_seconds
    used = filter(_is_used, range(max(1, length // SAMPLE_RATE_HZ - 9)))
    counts = Counter(second % period for second in used)
    return _Windows(np.resize(samples, max(counts) * SAMPLE_RATE_HZ + WINDOW), dict(counts))


def _is_used(second: int) -> bool:
    """Whether the published code uses the window that starts there.

    It takes the window's end from a product of floats, which for some windows (the first are 7
    to 23) is one sample too low, and drops what is shorter than a window. Scores that others
    publish are made so; ours would not compare with them otherwise.
    """
    return int((second + WINDOW_S) * SAMPLE_RATE_HZ) - second * SAMPLE_RATE_HZ >= WINDOW


def _weights_folder() -> Path:
    """Folder of the models in the wheel, found without importing it (it would import librosa)."""
    spec = find_spec("speechmos")
    places = [] if spec is None else spec.submodule_search_locations or []
    for place in places:
        folder = Path(place) / "dnsmos_models"
        if all((folder / name).is_file() for name in (P808_FILE, P835_FILE)):
            return folder
    raise MissingExtra(INFO.kind, [f"speechmos with {P808_FILE} and {P835_FILE}"], "metrics")


def _session(path: Path) -> Any:
    """A model on one thread: workers are processes, and one thread gives the same bytes."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        path.as_posix(), sess_options=options, providers=["CPUExecutionProvider"]
    )
