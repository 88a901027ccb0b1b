"""``engines.toml``: where engines, their environments and their weights lie on this machine.

Looked for in ``$MOSDATA_ENGINES``, then ``./engines.toml``, then
``~/.config/mosdata/engines.toml``; the first one that is there counts. Paths are relative to the
file. Nothing is downloaded, and a key that is not known is an error.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from mosdata.errors import InvalidValue, UsageError
from mosdata.manifests.ids import JSON, canonical_json
from mosdata.manifests.systems import SYSTEM_NAMES
from mosdata.synth.base import OUTPUT_TERMS, TEXT_FRONTENDS
from mosdata.synth.engines import ENGINES, SYSTEM_ENGINES
from mosdata.synth.hosting.variables import SECRET, secret_options

VARIABLE: Final = "MOSDATA_ENGINES"
FILE_NAME: Final = "engines.toml"

COMMAND: Final = "command"
"""``engine = "command"``: a program that reads a text and writes a WAV file."""

OWN: Final = "own"
"""``adapter = "my_adapter.py"``: an adapter of the user's own."""

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """One table ``[engines."NAME"]``; paths are absolute, empty strings mean "not given".

    What each key means is in ``docs/engines.md``.
    """

    system: str
    engine: str
    python: str = ""
    adapter: str = ""
    checkout: str = ""
    model_dir: str = ""
    device: str = ""
    dtype: str = ""
    prompts: str = ""
    base: str = ""
    num_gpus: float = 1.0
    threads: int = 1
    network: bool = False
    load_deadline_s: float = 0.0
    deadline_s: float = 60.0
    recycle_after: int = -1
    max_growth_mb: float = 2048.0
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    options: Mapping[str, JSON] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    version: str = ""
    voices: Mapping[str, str] = field(default_factory=dict)
    sample_rate_hz: int = 0
    languages: tuple[str, ...] = ()
    family: str = ""
    vocoder: str = ""
    max_chars: int = 0
    seconds_per_char: float = 0.065
    text_frontend: str = ""
    code_license: str = ""
    weights_license: str = ""
    license: str = ""
    output_terms: str = ""
    source_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """All systems that a file configures."""

    path: str = ""
    systems: Mapping[str, EngineSettings] = field(default_factory=dict)

    def to_json(self, names: Iterable[str]) -> str:
        """Those of some systems, to travel to workers that have no file of their own."""
        chosen = [asdict(self.systems[name]) for name in names if name in self.systems]
        return canonical_json(chosen)


def engines_from_json(text: str) -> Engines:
    """The inverse of :meth:`Engines.to_json`, in a worker; its own ``$MOSDATA_ENGINES`` wins."""
    if os.environ.get(VARIABLE):
        return find_engines()
    known = {each.name for each in fields(EngineSettings)}
    tables: list[dict[str, Any]] = json.loads(text)
    found = [
        EngineSettings(**{key: _tupled(value) for key, value in table.items() if key in known})
        for table in tables
    ]
    return Engines(systems={each.system: each for each in found})


def find_engines() -> Engines:
    """The settings that apply here; none where there is no file.

    Raises:
        UsageError: ``$MOSDATA_ENGINES`` names no file, or a file has a mistake.
    """
    if given := os.environ.get(VARIABLE):
        if not Path(given).is_file():
            raise UsageError(f"${VARIABLE} names {given!r}, and there is no such file.")
        return read_engines(Path(given))
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    for path in (Path(FILE_NAME), home / "mosdata" / FILE_NAME):
        if path.is_file():
            return read_engines(path)
    return Engines()


def read_engines(path: Path) -> Engines:
    """Read and check a file.

    Raises:
        UsageError: no TOML, an unknown key (with the nearest one), or a value out of range.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML: {error}.") from error
    for name in content:
        if name != "engines":
            raise _unknown_key(path, "the file", name, ["engines"])
    tables = content.get("engines", {})
    if not isinstance(tables, dict):
        raise InvalidValue(f"'engines' in {path}", tables, 'tables such as [engines."my-tts"]')
    systems = {name: _settings(path, name, table) for name, table in tables.items()}
    return Engines(path=str(path.absolute()), systems=systems)


def _settings(path: Path, system: str, table: object) -> EngineSettings:
    where = f"[engines.{json.dumps(system)}] in {path}"
    if not NAME.fullmatch(system) or system in SYSTEM_NAMES[:2]:
        raise InvalidValue(f"The name of {where}", system, "letters, digits and . _ + -")
    if not isinstance(table, dict):
        raise InvalidValue(where, table, "a table")
    for key in table:
        if key not in KEYS:
            raise _unknown_key(path, where, key, KEYS)
    values = {key: KEYS[key](path, f"{key} of {where}", value) for key, value in table.items()}
    engine = _engine_of(where, system, values)
    _refuse_useless(where, system, engine, values)
    voices = values.pop("voices", {})
    if isinstance(voices, tuple):
        languages = values.get("languages", ())
        if len(languages) != 1:
            needed = 'a table, as in voices = { ann = "en-GB" }, where there are several languages'
            raise InvalidValue(f"voices of {where}", list(voices), needed)
        voices = dict.fromkeys(voices, languages[0])
    return EngineSettings(**{**values, "system": system, "engine": engine, "voices": voices})


def _engine_of(where: str, system: str, values: Mapping[str, Any]) -> str:
    """The engine that is named, or that goes without saying."""
    given: str = values.get("engine", "")
    implied = SYSTEM_ENGINES.get(system) or (OWN if "adapter" in values else "")
    if system in SYSTEM_NAMES and system not in SYSTEM_ENGINES:
        raise UsageError(f"{where}: {system} is built in and needs no settings. Choose a new name.")
    if given and implied and given != implied:
        raise InvalidValue(f"engine of {where}", given, repr(implied), "Choose a new name.")
    engine = given or implied
    if engine not in {*ENGINES, COMMAND, OWN} or (engine == OWN and "adapter" not in values):
        known = [*ENGINES, COMMAND]
        near = get_close_matches(engine.lower(), known, n=1, cutoff=0.4)
        hint = f"Did you mean {near[0]!r}?" if near else "Or give an adapter of your own: adapter."
        raise InvalidValue(f"engine of {where}", engine, ", ".join(known), hint)
    return engine


def _refuse_useless(where: str, system: str, engine: str, values: Mapping[str, Any]) -> None:
    """Refuse keys that would change nothing, or facts that are not the user's to change."""
    allowed: set[str]
    lacking: set[str] = set()
    if engine == COMMAND:
        allowed = set(COMMAND_KEYS)
        lacking = {"command", "sample_rate_hz", "languages", "voices"}
        why = "is not for a command"
    elif engine == OWN:
        allowed, lacking = {*HOSTED_KEYS, *FACTS, "adapter"}, {"sample_rate_hz", "languages"}
        why = "is for commands only"
    elif system in SYSTEM_NAMES:
        allowed = set(HOSTED_KEYS)
        why = f"is a fact about {system} and stays; weights of your own get a name of their own"
    else:
        allowed = {*HOSTED_KEYS, *FACTS, "base"}
        why = f"is not for {engine}"
    for key in values:
        if key not in {*allowed, "engine"}:
            raise UsageError(f"{where}: '{key}' {why}.")
    if missing := sorted(lacking - set(values)):
        raise UsageError(f"{where} lacks {', '.join(missing)}; see docs/engines.md.")


def _unknown_key(path: Path, where: str, key: str, known: Iterable[str]) -> UsageError:
    names = sorted(known)
    near = get_close_matches(key.lower(), names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    place = "" if str(path) in where else f" in {path}"
    return UsageError(f"{where}{place} has no key {key!r}.{hint} Known: {', '.join(names)}.")


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _text(path: Path, what: str, value: object) -> str:
    del path
    if not isinstance(value, str) or not value:
        raise InvalidValue(what, value, "a string")
    return value


def _path(path: Path, what: str, value: object) -> str:
    """Absolute, with links kept: the Python of an environment is a link out of it."""
    given = Path(_text(path, what, value)).expanduser()
    return os.path.normpath(path.absolute().parent / given)


def _paths(path: Path, what: str, value: object) -> tuple[str, ...]:
    return tuple(_path(path, what, each) for each in _texts(path, what, value))


def _texts(path: Path, what: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise InvalidValue(what, value, "a list of strings")
    return tuple(_text(path, what, each) for each in value)


def _command(path: Path, what: str, value: object) -> tuple[str, ...]:
    """Parts that begin with a dot are files beside this one; the program runs elsewhere."""
    parts = _texts(path, what, value)
    return tuple(_path(path, what, p) if p.startswith(("./", "../", "~/")) else p for p in parts)


def _yes_or_no(path: Path, what: str, value: object) -> bool:
    del path
    if not isinstance(value, bool):
        raise InvalidValue(what, value, "true or false")
    return value


def _number(low: float, allowed: str, *, whole: bool = False) -> Callable[[Path, str, object], Any]:
    def check(path: Path, what: str, value: object) -> Any:
        del path
        is_number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not is_number or not low <= value < float("inf"):  # type: ignore[operator] # a number
            raise InvalidValue(what, value, allowed)
        return value if whole else float(value)  # type: ignore[arg-type] # a number

    return check


def _one_of(names: Iterable[str]) -> Callable[[Path, str, object], str]:
    known = tuple(names)

    def check(path: Path, what: str, value: object) -> str:
        if _text(path, what, value) not in known:
            raise InvalidValue(what, value, ", ".join(known))
        return str(value)

    return check


def _strings(path: Path, what: str, value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise InvalidValue(what, value, "a table of strings")
    return {key: _text(path, f"{key} in {what}", each) for key, each in value.items()}


def _variables(path: Path, what: str, value: object) -> dict[str, str]:
    """Variables with their values, which travel in plans: so none that looks like a secret."""
    found = _strings(path, what, value)
    if secret := [name for name in found if SECRET.search(name)]:
        names = ", ".join(map(json.dumps, secret))
        raise UsageError(
            f"{what} has {', '.join(secret)}, whose value would stand in the plan of a build. Take "
            f"it out, set it where mosdata runs, and name it: secrets = [{names}]."
        )
    return found


def _secrets(path: Path, what: str, value: object) -> tuple[str, ...]:
    names = _texts(path, what, value)
    for name in names:
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            raise InvalidValue(what, "something else", "names of variables, without their values")
    return names


def _options(path: Path, what: str, value: object) -> dict[str, JSON]:
    """Options stand in every row: so none that looks like a key."""
    found = _table(path, what, value)
    if secret := secret_options(found):
        raise UsageError(
            f"{what} has {', '.join(secret)}: options stand in every row. Let the adapter read a "
            "variable, and name that: secrets = [...]."
        )
    return found


def _table(path: Path, what: str, value: object) -> dict[str, JSON]:
    del path
    try:
        text = canonical_json(value)
    except (TypeError, ValueError) as error:
        raise InvalidValue(what, value, "a table of numbers, strings, lists and tables") from error
    if not isinstance(value, dict):
        raise InvalidValue(what, value, "a table")
    return dict(json.loads(text))


def _device(path: Path, what: str, value: object) -> str:
    given = _text(path, what, value)
    if given not in ("cpu", "cuda"):
        raise InvalidValue(what, given, "cpu, cuda", "Which GPU is said by CUDA_VISIBLE_DEVICES.")
    return given


def _voices(path: Path, what: str, value: object) -> tuple[str, ...] | dict[str, str]:
    return _strings(path, what, value) if isinstance(value, dict) else _texts(path, what, value)


def _gpus(path: Path, what: str, value: object) -> float:
    allowed = "a share of a GPU above 0, or a whole number of them"
    share = float(_number(0.01, allowed)(path, what, value))
    if share > 1 and share != int(share):
        raise InvalidValue(what, value, allowed)
    return share


FACTS: Final = {
    "sample_rate_hz": _number(1000, "a rate in Hz", whole=True),
    "languages": _texts,
    "family": _text,
    "vocoder": _text,
    "max_chars": _number(1, "1 or more", whole=True),
    "seconds_per_char": _number(0.001, "seconds, about 0.065"),
    "text_frontend": _one_of(TEXT_FRONTENDS),
    "code_license": _text,
    "weights_license": _text,
    "license": _text,
    "output_terms": _one_of(OUTPUT_TERMS),
    "source_url": _text,
}
"""What mosdata knows of its own systems, and users say of theirs."""

HOSTED_KEYS: Final = {
    "python": _path,
    "checkout": _path,
    "model_dir": _path,
    "device": _device,
    "dtype": _text,
    "prompts": _path,
    "num_gpus": _gpus,
    "threads": _number(1, "1 or more", whole=True),
    "network": _yes_or_no,
    "load_deadline_s": _number(1, "1 s or more"),
    "deadline_s": _number(1, "1 s or more"),
    "recycle_after": _number(0, "a number of utterances, 0 for never", whole=True),
    "max_growth_mb": _number(1, "1 MB or more"),
    "environment": _variables,
    "secrets": _secrets,
    "options": _options,
}
"""How an engine is run."""

COMMAND_KEYS: Final = {
    **FACTS,
    "command": _command,
    "voices": _voices,
    "files": _paths,
    "version": _text,
    "environment": _variables,
    "secrets": _secrets,
    "deadline_s": HOSTED_KEYS["deadline_s"],
}
"""How a program is run."""

KEYS: Final[Mapping[str, Callable[[Path, str, object], Any]]] = {
    "engine": _text,
    "adapter": _path,
    "base": _text,
    **HOSTED_KEYS,
    **COMMAND_KEYS,
}
