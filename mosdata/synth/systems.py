"""The table of systems: one line each; an engine's packages load when it is built, not before.

To add a system, write one file in this room, one line here, one name at the end of
``mosdata/manifests/systems.py`` and one row in ``docs/systems.md``. Your own engine needs none of
that: ``build_system("my_module:MyEngine")`` takes it by import path, and ``engines.toml`` takes a
command line, an adapter in an environment of its own, or your own weights of an engine that is
known here (``docs/engines.md``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from mosdata.errors import InvalidValue, UnknownName, UsageError
from mosdata.manifests.systems import SYSTEM_NAMES
from mosdata.synth.base import Cloning, Synthesizer
from mosdata.synth.engines import SYSTEM_ENGINES
from mosdata.synth.hosting.configured import build_configured, num_gpus_of, why_not_configured
from mosdata.synth.hosting.settings import Engines, EngineSettings, find_engines

SYSTEMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "espeak-formant": "mosdata.synth.espeak:formant",
        "espeak-klatt": "mosdata.synth.espeak:klatt",
        "espeak-formant-griffinlim": "mosdata.synth.griffinlim:formant",
        "espeak-formant-lpc": "mosdata.synth.lpc:formant",
        "espeak-formant-world": "mosdata.synth.world:formant",
        "espeak-formant-sinusoidal": "mosdata.synth.sinusoidal:formant",
        "espeak-klatt-griffinlim": "mosdata.synth.griffinlim:klatt",
        "espeak-klatt-lpc": "mosdata.synth.lpc:klatt",
        "espeak-klatt-world": "mosdata.synth.world:klatt",
        "espeak-klatt-sinusoidal": "mosdata.synth.sinusoidal:klatt",
        "flite-diphone": "mosdata.synth.commands:flite_diphone",
        "flite-clustergen": "mosdata.synth.commands:flite_clustergen",
        "festival-diphone": "mosdata.synth.commands:festival_diphone",
        "festival-hts": "mosdata.synth.commands:festival_hts",
        "tone": "mosdata.synth.tone:Tone",
    }
)
"""Name -> ``module:factory``. A factory takes nothing and returns a :class:`Synthesizer`.

A module may have a function ``why_unavailable(name) -> str | None`` that says what is missing
without loading it; a module without one is always available.
"""

TEST_SYSTEMS: Final = frozenset({"tone"})
"""Systems that do not speak; never built unless asked for by name."""


def build_system(name: str, *, engines: Engines | None = None) -> Synthesizer:
    """Load a system by its name, or your own engine by its import path.

    Args:
        name: a key of :data:`SYSTEMS`, a system of ``engines.toml``, or ``"module:factory"`` where
            the factory is a class or function that takes no argument.
        engines: settings to use in place of those that are found here.

    Raises:
        UnknownName: no system of this name.
        MissingExtra: a package that it needs is not installed.
        UsageError: it cannot be started here; the message says what is missing.
        InvalidValue: what the factory made is not a :class:`Synthesizer`.

    Example:
        >>> build_system("tone").info.family
        'test'
    """
    if name in SYSTEMS or ":" in name:
        return _checked(_factory(_path_of(name))(), name)
    settings = _settings_of(name, find_engines() if engines is None else engines)
    return _checked(build_configured(settings), name)


def is_available(name: str) -> bool:
    """Whether :func:`build_system` can load this system here.

    Raises:
        UnknownName: no system of this name.
    """
    return why_unavailable(name) is None


def why_unavailable(name: str, *, engines: Engines | None = None) -> str | None:
    """None where a system can be built, else what is missing and how to get it.

    Nothing is started: whether an engine really speaks is for ``mosdata engines doctor``.

    Raises:
        UnknownName: no system of this name.
    """
    if name in SYSTEMS or ":" in name:
        module = _import(_path_of(name))
        ask: Callable[[str], str | None] | None = getattr(module, "why_unavailable", None)
        return ask(name) if ask else None
    found = find_engines() if engines is None else engines
    if name in SYSTEM_ENGINES and name not in found.systems:
        return _not_configured(name)
    return why_not_configured(_settings_of(name, found))


def known_systems(engines: Engines | None = None) -> list[str]:
    """All names that can be asked for: in the order of the class list, then the user's own."""
    found = find_engines() if engines is None else engines
    committed = [name for name in SYSTEM_NAMES if name in SYSTEMS or name in SYSTEM_ENGINES]
    return [*committed, *(name for name in found.systems if name not in committed)]


def available_systems() -> list[str]:
    """Names that can be built here, in the order of :func:`known_systems`."""
    engines = find_engines()
    known = known_systems(engines)
    return [name for name in known if why_unavailable(name, engines=engines) is None]


def default_systems(*, reaches_gpus: bool | None = None) -> list[str]:
    """What a build takes where nobody named systems: all available ones that speak.

    Args:
        reaches_gpus: whether engines that need a GPU will find one; None to look for one here.
    """
    has_gpu = sees_gpu() if reaches_gpus is None else reaches_gpus
    engines = find_engines()
    return [
        name
        for name in available_systems()
        if name not in TEST_SYSTEMS and (has_gpu or not num_gpus(name, engines=engines))
    ]


def num_gpus(name: str, *, engines: Engines | None = None) -> float:
    """Share of a GPU that a configured system takes; 0 for all others."""
    found = find_engines() if engines is None else engines
    return num_gpus_of(found.systems[name]) if name in found.systems else 0.0


def sees_gpu() -> bool:
    """Whether an NVIDIA GPU is visible to this process; no driver is asked."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1", "NoDevFiles"):
        return False
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/dxg").exists()


def _settings_of(name: str, engines: Engines) -> EngineSettings:
    if name in engines.systems:
        return engines.systems[name]
    if name in SYSTEM_ENGINES:
        raise UsageError(_not_configured(name))
    raise UnknownName("system", name, known_systems(engines))


def _not_configured(name: str) -> str:
    return (
        f"{name} lives in an environment of its own: 'mosdata engines install "
        f"{SYSTEM_ENGINES[name]}' makes it, and engines.toml says where its model is "
        "(docs/engines.md)"
    )


def _path_of(name: str) -> str:
    return name if ":" in name else SYSTEMS[name]


def _import(path: str) -> Any:
    module = path.partition(":")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        # A package that the user's own module lacks is theirs to see, with the traceback.
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise UsageError(
            f"There is no module {module!r} for the engine {path!r}. Install it, or put its "
            f"folder on the path, as in: PYTHONPATH=. mosdata ..."
        ) from error


def _factory(path: str) -> Callable[[], object]:
    module, attribute = _import(path), path.partition(":")[2]
    factory = getattr(module, attribute, None)
    if not callable(factory):
        names = [key for key, value in vars(module).items() if isinstance(value, type)]
        raise UnknownName(f"engine in {path.partition(':')[0]}", attribute, names)
    made: Callable[[], object] = factory
    return made


def _checked(engine: object, name: str) -> Synthesizer:
    """An engine with all that the protocol asks for, or an error that names what it lacks."""
    if not isinstance(engine, Synthesizer):
        asked = ("info", "voices", "revision", "synthesize")
        lacks = [member for member in asked if not hasattr(engine, member)]
        raise InvalidValue(
            f"Engine {name!r}",
            type(engine).__name__,
            "a Synthesizer, see docs/systems.md",
            f"It lacks: {', '.join(lacks)}.",
        )
    clones = isinstance(engine, Cloning) and engine.prompt_limits is not None
    if not clones and not engine.voices():
        raise InvalidValue(f"Engine {name!r}", "without a voice", "at least one voice")
    return engine
