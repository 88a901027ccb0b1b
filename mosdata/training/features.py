"""One vector per clip from a frozen encoder, computed once.

Shapes: ``T`` frames, ``D`` features per frame, ``F = 2 D`` features per clip, ``N`` clips.

A clip is encoded alone and under one thread, so its vector depends on its samples and on the
encoder and on nothing else: not on a batch, its padding, or the machine's number of cores.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from mosdata.audio import Clip, resample
from mosdata.errors import InvalidValue, RecordRejected, UnknownName
from mosdata.manifests.audible import check_audible
from mosdata.manifests.durable import beside, sync_file
from mosdata.manifests.rows import Utterance
from mosdata.manifests.store import DataFile, Dataset, rows_of
from mosdata.training.backbone import SSLEncoder
from mosdata.training.spectra import MFCC, LogMel

Vector = NDArray[np.float32]
Advance = Callable[[int, int], None]
"""Called with the number of clips done and the number of all clips."""

POOLING: Final = "meanstd1"
"""How frames become a vector, and its revision; part of every cache key."""


class Encoder(Protocol):
    """Sound to frames. ``name`` and ``revision`` together stand for every number it gives."""

    @property
    def name(self) -> str:
        """What it is, layer included."""
        ...

    @property
    def revision(self) -> str:
        """Version of its weights or its maths."""
        ...

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the clips it takes."""
        ...

    @property
    def frame_rate_hz(self) -> float:
        """Frames per second."""
        ...

    @property
    def width(self) -> int:
        """Features per frame, ``D``."""
        ...

    def encode(self, clip: Clip) -> Tensor:
        """Frames of one clip at ``sample_rate_hz``: shape ``(T, D)``, float32, T >= 1."""
        ...


EMBEDDED: Final[Mapping[str, Callable[[], Encoder]]] = {"logmel": LogMel, "mfcc": MFCC}
"""Front ends that need no weights."""


def make_encoder(spec: str, *, device: str = "cpu") -> Encoder:
    """Build an encoder from what a user typed.

    Args:
        spec: ``logmel``, ``mfcc``, ``hf:FOLDER`` (last layer) or ``hf:FOLDER#LAYER``.
        device: where a backbone runs; the embedded front ends stay on the CPU.

    Raises:
        UnknownName: no such front end.
        InvalidValue: the layer is not a number.
        MissingExtra, NothingFound: the backbone cannot be loaded.

    Example:
        >>> make_encoder("mfcc").width
        40
    """
    if spec.startswith("hf:"):
        folder, _, layer = spec.removeprefix("hf:").partition("#")
        if not re.fullmatch(r"(-?\d+)?", layer):
            raise InvalidValue("The layer in --encoder", spec, "a number, as in hf:FOLDER#7")
        return SSLEncoder(folder, layer=int(layer or -1), device=device)
    if spec not in EMBEDDED:
        raise UnknownName("encoder", spec, [*EMBEDDED, "hf:FOLDER"])
    return EMBEDDED[spec]()


def encoder_key(encoder: Encoder) -> str:
    """Name of a cache and of a judge's input; same key, same numbers.

    Example:
        >>> encoder_key(make_encoder("logmel"))
        'logmel@1-meanstd1'
    """
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", encoder.name)
    return f"{safe}@{encoder.revision}-{POOLING}"


def pool(frames_TD: Tensor) -> Tensor:
    """Mean and standard deviation over time: shape ``(2 D,)``; one frame has deviation 0."""
    return torch.cat([frames_TD.mean(dim=0), frames_TD.std(dim=0, correction=0)])


def clip_vector(encoder: Encoder, clip: Clip) -> Vector:
    """The vector of one clip of any rate: shape ``(2 D,)``, float32."""
    at_rate = resample(clip, encoder.sample_rate_hz)
    with one_thread(), torch.inference_mode():
        pooled: Vector = pool(encoder.encode(at_rate)).numpy()
    return pooled


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread, then give the threads back.

    How work is cut into threads changes the last digit of a sum.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureTable:
    """Vectors by clip id; ``rejected`` names the reason of clips that have none."""

    width: int
    vectors: Mapping[str, Vector]
    rejected: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def matrix(self, clip_ids: Iterable[str]) -> Vector:
        """The vectors of some clips, in order: shape ``(N, F)``."""
        rows = [self.vectors[clip_id] for clip_id in clip_ids]
        return np.stack(rows) if rows else np.zeros((0, self.width), np.float32)


def dataset_features(
    dataset: Dataset,
    encoder: Encoder,
    *,
    cache_folder: Path | None = None,
    advance: Advance | None = None,
) -> FeatureTable:
    """Vectors of every clip of a dataset, from the cache where they were computed before.

    One cache file per data file, each written whole: a run that was killed goes on with the next
    file. A folder that cannot be written costs the cache, not the run.

    Args:
        dataset: opened dataset.
        encoder: a clip it rejects is listed in ``rejected`` and left out.
        cache_folder: ``<dataset>.run/features`` where None.
        advance: told after every clip.

    Raises:
        UsageError: no clip of the dataset has audio.
    """
    check_audible(dataset, wanted="A judge")
    root = cache_folder or dataset.folder.with_name(f"{dataset.folder.name}.run") / "features"
    folder = root / encoder_key(encoder) / dataset.content_id[:16]
    vectors: dict[str, Vector] = {}
    rejected: dict[str, str] = {}
    notes: list[str] = []
    for file in dataset.files:
        path = folder / f"{Path(file.path).stem}-{file.sha256[:12]}.parquet"
        table = _read(path)
        if table is None:
            start = len(vectors) + len(rejected)
            rows = _rows(dataset, file, start=start, advance=advance)
            table = _encode(rows, encoder)
            _write(path, table, notes)
        _collect(table, vectors, rejected)
        if advance:
            advance(len(vectors) + len(rejected), dataset.num_rows)
    return FeatureTable(
        width=2 * encoder.width, vectors=vectors, rejected=rejected, notes=tuple(notes)
    )


def _rows(
    dataset: Dataset, file: DataFile, *, start: int, advance: Advance | None
) -> Iterator[Utterance]:
    reader = pq.ParquetFile(dataset.folder / file.path)
    names = dataset.class_names
    for group in range(reader.num_row_groups):
        for row in rows_of(reader, group, names, ["id", "audio"]):
            yield row
            start += 1
            if advance:
                advance(start, dataset.num_rows)


def _encode(rows: Iterable[Utterance], encoder: Encoder) -> pa.Table:
    ids, vectors, reasons = [], [], []
    for row in rows:
        try:
            vector = clip_vector(encoder, row.clip())
            reason = None if np.isfinite(vector).all() else "features_not_finite"
        except RecordRejected as rejection:
            vector, reason = np.zeros(2 * encoder.width, np.float32), rejection.reason
        ids.append(row.id)
        vectors.append(vector)
        reasons.append(reason)
    flat = np.concatenate(vectors) if vectors else np.zeros(0, np.float32)
    features = pa.FixedSizeListArray.from_arrays(pa.array(flat), 2 * encoder.width)
    columns = [pa.array(ids, pa.string()), features, pa.array(reasons, pa.string())]
    return pa.table(columns, names=["clip_id", "features", "reason"])


def _collect(table: pa.Table, vectors: dict[str, Vector], rejected: dict[str, str]) -> None:
    # A copy: Arrow's memory is read-only, and torch warns about tensors over such memory.
    flat = table["features"].combine_chunks().flatten().to_numpy().copy()
    rows = flat.reshape(table.num_rows, -1) if table.num_rows else []
    labels = zip(table["clip_id"].to_pylist(), table["reason"].to_pylist(), strict=True)
    for (clip_id, reason), vector in zip(labels, rows, strict=True):
        if reason is None:
            vectors[clip_id] = vector
        else:
            rejected[clip_id] = reason


def _read(path: Path) -> pa.Table | None:
    """A cache file; None where there is none or where it cannot be read."""
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowInvalid):
        return None


def _write(path: Path, table: pa.Table, notes: list[str]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = beside(path)
        pq.write_table(table, partial, compression="zstd")
        sync_file(partial)
        partial.replace(path)
    except OSError as error:
        notes.append(f"The features were not cached: {error}.")
