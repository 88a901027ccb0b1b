"""Recognisers that listen to a build: yours by import path, or a model folder of transformers.

Yours is any object with one method::

    class Mine:
        def transcribe(self, clip, language):  # a Clip, a BCP 47 tag
            return "what was heard"

``module:factory`` names what makes it. With a ``revision()`` beside it, you say which version it
is; without one, the source file of its module is its version. ``hf:FOLDER`` opens a speech
recogniser of ``transformers`` (CTC, Whisper) from a folder on this machine: nothing is ever
downloaded, no code of the folder runs, and only safetensors are read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np

from mosdata.audio import Clip, resample
from mosdata.errors import InvalidValue, MissingExtra, NothingFound, UsageError
from mosdata.synth.adapters.kit import weight_digest
from mosdata.synth.text.languages import primary_of

FOLDER_PREFIX: Final = "hf:"
ADAPTER_VERSION: Final = 1
LONGEST_S: Final = 30.0
"""Whisper hears half a minute at once; longer clips go to it in pieces of this length."""


@runtime_checkable
class Recogniser(Protocol):
    """Writes down what is said; the same clip gives the same text, in any process and order."""

    def transcribe(self, clip: Clip, language: str) -> str:
        """What is said in a clip, in a language that a BCP 47 tag names."""
        ...


def build_recogniser(spec: str) -> Recogniser:
    """Load a recogniser.

    Args:
        spec: ``module:factory``, or ``hf:FOLDER``.

    Raises:
        InvalidValue: neither of these, or what the factory made cannot transcribe.
        NothingFound: no such folder, or a file of it is missing.
        UsageError: no such module, or the folder cannot be read as a recogniser.
    """
    if spec.startswith(FOLDER_PREFIX):
        return FolderRecogniser(_folder_of(spec))
    made = _factory(spec)()
    if not isinstance(made, Recogniser):
        raise InvalidValue(
            "--asr", spec, "a factory of an object with transcribe(clip, language) -> str"
        )
    return made


def revision_of(spec: str) -> str:
    """The version of a recogniser, without loading a model: part of a build's identity.

    Raises:
        InvalidValue, NothingFound, UsageError: as :func:`build_recogniser`.
    """
    if spec.startswith(FOLDER_PREFIX):
        return _folder_revision(_folder_of(spec))
    made = build_recogniser(spec)
    ask: Callable[[], str] | None = getattr(made, "revision", None)
    if callable(ask):
        return str(ask())
    source = getattr(import_module(spec.partition(":")[0]), "__file__", None)
    content = Path(source).read_bytes() if source else b""
    return f"{spec} {hashlib.sha256(content).hexdigest()[:12]}"


def _factory(spec: str) -> Callable[[], object]:
    module, colon, attribute = spec.partition(":")
    if not (module and colon and attribute):
        raise InvalidValue("--asr", spec, "module:factory, or hf:FOLDER")
    try:
        loaded = import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise UsageError(
            f"There is no module {module!r} for --asr {spec}. Install it, or put its folder on "
            "the path, as in: PYTHONPATH=. mosdata ..."
        ) from error
    factory: Callable[[], object] | None = getattr(loaded, attribute, None)
    if not callable(factory):
        raise InvalidValue("--asr", spec, f"something to call in {module}")
    return factory


def _folder_of(spec: str) -> Path:
    folder = Path(spec.removeprefix(FOLDER_PREFIX)).expanduser().resolve()
    if not folder.is_dir():
        raise NothingFound(
            f"There is no folder {folder}. Give one that holds a speech recogniser of "
            "transformers; nothing is downloaded."
        )
    for pattern in ("config.json", "preprocessor_config.json", "*.safetensors"):
        if not any(folder.glob(pattern)):
            raise NothingFound(
                f"{folder} has no {pattern}: it is no speech recogniser of transformers that can "
                "be read here. Pickled weights (.bin) are never opened; convert them first."
            )
    return folder


def _folder_revision(folder: Path) -> str:
    """Weights by their digests, every other file whole, and the packages that run them."""
    from importlib.metadata import version

    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".safetensors", ".json", ".txt", ".model"):
            is_weights = path.suffix == ".safetensors"
            content = weight_digest(str(path), whole=not is_weights)
            digest.update(f"{path.name}\0{content}\0".encode())
    packages = ", ".join(f"{name} {version(name)}" for name in ("transformers", "torch"))
    return f"hf/{ADAPTER_VERSION} {digest.hexdigest()[:12]} ({packages})"


class FolderRecogniser:
    """A speech recogniser of ``transformers`` on this machine's CPU, without chance.

    Raises:
        MissingExtra: ``transformers`` or ``torch`` is not installed.
        UsageError: the folder cannot be read as one.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import torch  # noqa: F401 - transformers says less clearly that it is missing
            import transformers
        except ImportError as error:
            raise MissingExtra("--asr hf:FOLDER", ["transformers", "torch"], "all") from error
        self._revision = _folder_revision(folder)
        try:
            self._pipe: Any = _opened(transformers, folder)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise UsageError(
                f"{folder} cannot be read as a speech recogniser of transformers: {error}"
            ) from error
        extractor: Any = self._pipe.feature_extractor
        self._sample_rate_hz = int(extractor.sampling_rate)

    def revision(self) -> str:
        """Digest of the folder, and the packages that run it."""
        return self._revision

    def transcribe(self, clip: Clip, language: str) -> str:
        """What is heard: the likeliest reading, piece by piece of half a minute."""
        import torch

        samples = resample(clip, self._sample_rate_hz).samples
        size = round(LONGEST_S * self._sample_rate_hz)
        pieces = [samples[at : at + size] for at in range(0, len(samples), size)]
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # sums in another order may tip a word
        try:
            with torch.inference_mode():
                return " ".join(self._heard(piece, language) for piece in pieces).strip()
        finally:
            torch.set_num_threads(threads)

    def _heard(self, samples: np.ndarray, language: str) -> str:
        sound = {"raw": np.ascontiguousarray(samples), "sampling_rate": self._sample_rate_hz}
        found = self._pipe(sound, **self._options(language))
        return str(found["text"]).strip()

    def _options(self, language: str) -> dict[str, Any]:
        """How a model that writes word by word is to go: greedily, in this language."""
        model = self._pipe.model
        if not model.can_generate():
            return {}
        options: dict[str, Any] = {"do_sample": False, "num_beams": 1}
        if getattr(model.generation_config, "is_multilingual", False):
            options |= {"language": primary_of(language), "task": "transcribe"}
        return {"generate_kwargs": options}


def _opened(transformers: Any, folder: Path) -> Any:
    """A pipeline of what is in a folder, and of nothing else."""
    transformers.utils.logging.disable_progress_bar()
    how = {"local_files_only": True, "trust_remote_code": False}
    config = transformers.AutoConfig.from_pretrained(folder, **how)
    writes = any("ForConditionalGeneration" in name for name in config.architectures or ())
    kind = transformers.AutoModelForSpeechSeq2Seq if writes else transformers.AutoModelForCTC
    return transformers.pipeline(
        "automatic-speech-recognition",
        model=kind.from_pretrained(folder, use_safetensors=True, **how).eval(),
        tokenizer=transformers.AutoTokenizer.from_pretrained(folder, **how),
        feature_extractor=transformers.AutoFeatureExtractor.from_pretrained(folder, **how),
        device="cpu",
    )
