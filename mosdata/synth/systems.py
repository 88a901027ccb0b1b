"""The table of systems: one line each; an engine's packages load when it is built, not before.

To add a system, write one file in this room, one line here, one name at the end of
``mosdata/manifests/systems.py`` and one row in ``docs/systems.md``. Your own engine needs none of
that: ``build_system("my_module:MyEngine")`` takes it by import path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final

from mosdata.errors import InvalidValue, UnknownName, UsageError
from mosdata.manifests.systems import SYSTEM_NAMES
from mosdata.synth.base import Synthesizer

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


def build_system(name: str) -> Synthesizer:
    """Load a system by its name, or your own engine by its import path.

    Args:
        name: a key of :data:`SYSTEMS`, or ``"module:factory"`` where the factory is a class or
            function that takes no argument.

    Raises:
        UnknownName: no system of this name.
        MissingExtra: a package that it needs is not installed.
        InvalidValue: what the factory made is not a :class:`Synthesizer`.

    Example:
        >>> build_system("tone").info.family
        'test'
    """
    factory = _factory(_path_of(name))
    return _checked(factory(), name)


def is_available(name: str) -> bool:
    """Whether :func:`build_system` can load this system here.

    Raises:
        UnknownName: no system of this name.
    """
    return why_unavailable(name) is None


def why_unavailable(name: str) -> str | None:
    """None where a system can be built, else what is missing and how to get it.

    Raises:
        UnknownName: no system of this name.
    """
    module = _import(_path_of(name))
    ask: Callable[[str], str | None] | None = getattr(module, "why_unavailable", None)
    return ask(name) if ask else None


def available_systems() -> list[str]:
    """Names that can be built here, in the order of the class list."""
    return [name for name in SYSTEM_NAMES if name in SYSTEMS and is_available(name)]


def default_systems() -> list[str]:
    """What a build takes where nobody named systems: all available ones that speak."""
    return [name for name in available_systems() if name not in TEST_SYSTEMS]


def _path_of(name: str) -> str:
    if ":" in name:
        return name
    if name not in SYSTEMS:
        raise UnknownName("system", name, SYSTEMS)
    return SYSTEMS[name]


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
    if not engine.voices():
        raise InvalidValue(f"Engine {name!r}", "without a voice", "at least one voice")
    return engine
