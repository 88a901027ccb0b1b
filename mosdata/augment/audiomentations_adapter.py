"""Every waveform transform of audiomentations as a corruption: ``am:<Class>(argument=literal)``.

The library draws from the global generators of ``random`` and ``numpy``; they are seeded from
the record inside the call and put back after it. Calls of ours wait for each other; no other thread
of the process may draw from them meanwhile, or the bytes are not those of the row.

A transform has no ladder: only level 0 (the clip itself) and level 1 (the transform with its
arguments) have a meaning. Its strength is set by arguments; where ``min_*`` and ``max_*`` differ,
the library draws between them. What it makes longer is cut, what it makes shorter is padded with
silence.
"""

from __future__ import annotations

import inspect
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from typing import Any, Final

import numpy as np

from mosdata.audio import Clip, Samples, check_samples
from mosdata.augment.ladder import LadderCorruption, check_level, draw_seed, number
from mosdata.augment.transform_spec import TransformSpec
from mosdata.errors import InvalidValue, MissingExtra, UnknownName, UsageError
from mosdata.manifests.ids import JSON
from mosdata.manifests.rows import Applied

_ONE_AT_A_TIME: Final = Lock()
"""Transforms keep their parameters on themselves and share global generators."""

FOUND_FILES: Final = ("sound_file_paths", "ir_files")
"""Where transforms keep what they found in a folder, in the order of the file system, and draw by
the place in it."""


class Transform(LadderCorruption):
    """One transform of audiomentations with fixed arguments."""

    def __init__(self, spec: TransformSpec) -> None:
        self.name = str(spec)
        self._transform = _transform_class(spec.class_name)(**spec.arguments, p=1.0)
        for found in FOUND_FILES:
            if found in vars(self._transform):
                setattr(self._transform, found, sorted(getattr(self._transform, found)))

    def ladder(self, level: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - arguments, not rates
        """Nothing: the arguments in the name say it all.

        Raises:
            InvalidValue: a level between 0 and 1.
        """
        if check_level(level) not in (0, 1):
            do = "Its strength is set by its arguments."
            raise InvalidValue(f"level of {self.name}", level, "0 or 1", do)
        return {}

    def scale(self, position: float, sample_rate_hz: int) -> dict[str, float]:  # noqa: ARG002 - there is none
        """Nothing, as :meth:`ladder`."""
        return {}

    def draw_params(self, clip: Clip, rng: np.random.Generator) -> dict[str, JSON]:  # noqa: ARG002 - a seed fits every clip
        """``seed`` and the ``audiomentations`` version that gave it a meaning."""
        version = sys.modules["audiomentations"].__version__
        return {"seed": draw_seed(rng) % 2**32, "audiomentations": version}

    def corrupt(self, clip: Clip, applied: Applied) -> Samples:
        """Run the transform under its own seed; cut or pad to the length of the clip."""
        with _seeded(int(number(applied, "seed"))):
            made = self._transform(clip.samples.copy(), clip.sample_rate_hz)
        made = np.asarray(made, dtype=np.float32)[: clip.num_samples]
        samples = np.pad(made, (0, clip.num_samples - len(made)))
        return check_samples(Clip(samples, clip.sample_rate_hz)).samples


@lru_cache(maxsize=64)
def build_transform(name: str) -> Transform:
    """The transform of a name, tried once on noise so that a missing package shows at once.

    Raises:
        UnknownName: audiomentations has no such waveform transform.
        UsageError: the arguments do not fit, or some that it needs were not given.
        MissingExtra: an optional package is not installed.
    """
    spec = TransformSpec.parse(name)
    check_given(spec)
    try:
        transform = Transform(spec)
        noise = np.random.Generator(np.random.SFC64(0)).standard_normal(8_000, dtype=np.float32)
        with _seeded(0):
            transform._transform(0.1 * noise, 16_000)  # noqa: SLF001 - same module
    except UsageError:
        raise
    except ImportError as error:
        raise MissingExtra(str(spec), [error.name or str(error)], "audiomentations") from error
    except Exception as error:  # a library may raise anything for arguments it does not like
        why = f"{type(error).__name__}: {error}".rstrip(": ")
        takes = ", ".join(arguments_of(spec.class_name))
        raise UsageError(f"{spec} cannot be used ({why}). It takes: {takes}.") from error
    return transform


def transform_names() -> tuple[str, ...]:
    """Every waveform transform of the installed audiomentations, by name."""
    return tuple(sorted(_transform_classes()))


def arguments_of(class_name: str) -> dict[str, inspect.Parameter]:
    """What a transform takes beside ``p``."""
    taken = inspect.signature(_transform_class(class_name)).parameters.values()
    several = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    return {one.name: one for one in taken if one.name != "p" and one.kind not in several}


def check_given(spec: TransformSpec) -> None:
    """Refuse a transform without the arguments that have no default.

    Raises:
        UsageError: some are missing; the message says how to give them.
    """
    needed = {
        name: parameter
        for name, parameter in arguments_of(spec.class_name).items()
        if parameter.default is inspect.Parameter.empty and name not in spec.arguments
    }
    if "transform" in needed:
        raise UsageError(f"{spec} takes a function, and a name cannot hold one.")
    if needed:
        example = ", ".join(f"{name}={_example(name)}" for name in needed)
        raise UsageError(f"{spec} needs {', '.join(needed)}: write am:{spec.class_name}({example})")


def _example(argument: str) -> str:
    return "'folder or file.wav'" if "path" in argument else "..."


def _transform_classes() -> dict[str, Any]:
    import audiomentations
    from audiomentations.core.transforms_interface import BaseWaveformTransform

    return {
        key: value
        for key, value in vars(audiomentations).items()
        if isinstance(value, type) and issubclass(value, BaseWaveformTransform)
    }


def _transform_class(name: str) -> Any:
    known = _transform_classes()
    if name not in known:
        raise UnknownName("waveform transform of audiomentations", name, known)
    return known[name]


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the global generators that transforms draw from, and put them back."""
    rooms = sys.modules.get("pyroomacoustics")
    with _ONE_AT_A_TIME:
        states = random.getstate(), np.random.get_state()  # noqa: NPY002 - the library's own
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - the library's own
        if rooms is not None and hasattr(rooms, "random"):
            rooms.random.seed(seed)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002 - the library's own
