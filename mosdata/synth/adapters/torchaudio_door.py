"""torchaudio as these engines need it, on every machine: its Python, and a reader of files.

The engines use torchaudio for mel spectrograms, for resampling and to read prompts. The first two
are plain Python on torch. But the package loads native libraries that are linked to CUDA before
anything else, so it cannot be imported next to a torch for the CPU; and since 2.9 its ``load``
needs torchcodec and FFmpeg. None of the native functions is used here, so:

- where the libraries load, torchaudio is imported as it is;
- where they do not, its Python is imported without them. A function that needs them then fails
  by its name, as it does in a torchaudio that was built without extensions;
- in both cases ``torchaudio.load`` reads through soundfile: the same samples everywhere.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

from mosdata.synth.adapters.kit import LoadFailed

EXTENSION = "torchaudio._extension"


def open_torchaudio() -> Any:
    """Import torchaudio, without its native libraries where they do not load.

    Returns:
        The module; ``torchaudio.load`` reads through soundfile from now on.

    Raises:
        LoadFailed: the package is missing, or its Python does not fit this torch either.
    """
    importlib.import_module("torch")
    try:
        torchaudio: Any = importlib.import_module("torchaudio")
    except (ImportError, OSError, RuntimeError) as error:
        torchaudio = _without_libraries(error)
    torchaudio.load = read_audio
    return torchaudio


def read_audio(uri: Any, *_: Any, **__: Any) -> tuple[Any, int]:
    """What ``torchaudio.load`` returns of a whole file: float32 of shape (channels, time), rate."""
    import soundfile
    import torch

    samples_tc, sample_rate_hz = soundfile.read(str(uri), dtype="float32", always_2d=True)
    return torch.from_numpy(samples_tc.T.copy()), int(sample_rate_hz)


def _without_libraries(error: Exception) -> Any:
    _forget()
    sys.modules[EXTENSION] = _no_extension()
    try:
        return importlib.import_module("torchaudio")
    except (ImportError, OSError, RuntimeError, AttributeError) as second:
        _forget()
        raise LoadFailed(
            f"torchaudio cannot be imported ({error}), and not without its native libraries "
            f"either ({second}). Install the torchaudio that belongs to this torch."
        ) from second


def _forget() -> None:
    """Take back a half-done import, so that the next one starts from nothing."""
    for name in [n for n in sys.modules if n == "torchaudio" or n.startswith("torchaudio.")]:
        del sys.modules[name]


def _no_extension() -> types.ModuleType:
    """What the module that loads the libraries says of itself where there are none to load."""
    module: Any = types.ModuleType(EXTENSION)
    module._IS_TORCHAUDIO_EXT_AVAILABLE = False  # noqa: SLF001 - upstream's own names
    module._IS_ALIGN_AVAILABLE = False  # noqa: SLF001
    module._check_cuda_version = lambda: None  # noqa: SLF001
    module.fail_if_no_align = _fails_by_name
    return module  # type: ignore[no-any-return]


def _fails_by_name(function: Any) -> Any:
    def absent(*_: Any, **__: Any) -> Any:
        raise RuntimeError(f"torchaudio's {function.__name__} needs its native libraries")

    return absent
