"""Recipes: which texts, systems, voices and rates a build makes, and exactly how many clips.

A recipe is a TOML file (``docs/recipes.md``). Its takes are walked in order; each makes the first
``clips`` of its readings, texts fastest, then voices, then further readings of the same. So the
(text, voice, rate) of every clip is in the file, and nowhere else.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from itertools import count
from pathlib import Path
from typing import Any, Final

from mosdata.builders.recipes import RECIPES
from mosdata.builders.speech import SAMPLE_RATES_HZ
from mosdata.builders.transcripts import Transcript, normalise, read_transcripts
from mosdata.errors import InvalidValue, NothingFound, UnknownName, UsageError
from mosdata.manifests.splits import SplitRule

TAKE_KEYS: Final = frozenset(
    {
        "system", "sample_rate_hz", "texts", "first_text", "voices", "clips", "takes", "language",
        "imported", "stand_in", "about",
    }
)  # fmt: skip
RECIPE_KEYS: Final = frozenset(
    {"name", "about", "language", "seed", "split", "texts", "num_texts", "take"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """One line of a recipe: a system at one rate.

    Args:
        system: who speaks, or, where ``imported``, whose clips belong here.
        sample_rate_hz: rate of its clips in the dataset.
        texts: places of its texts, from 0, in the order in which they are read.
        voices: names, or how many of the first that speak the language; 0 for all.
        clips: how many are made; None for every text by every voice, ``takes`` times.
        takes: readings of each text by each voice, where ``clips`` does not say.
        language: of the texts.
        imported: these clips exist already: people import them, and no engine makes them.
        stand_in: an offline system that may speak in its place, where people ask for that.
        about: what this is, for people.
    """

    system: str
    sample_rate_hz: int
    texts: tuple[int, ...]
    voices: int | tuple[str, ...] = 1
    clips: int | None = None
    takes: int = 1
    language: str = "en"
    imported: bool = False
    stand_in: str = ""
    about: str = ""

    def readings(self, voices: Sequence[str]) -> Iterator[tuple[int, str, int]]:
        """Place of the text, voice and number of the reading of each clip, in order."""
        wanted = (
            self.clips if self.clips is not None else self.takes * len(voices) * len(self.texts)
        )
        made = 0
        for take in count():
            for voice in voices:
                for text in self.texts:
                    if made == wanted:
                        return
                    yield text, voice, take
                    made += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A recipe with its texts."""

    name: str
    about: str
    seed: int
    split: SplitRule
    texts: tuple[Transcript, ...]
    takes: tuple[Take, ...]
    notes: tuple[str, ...] = field(default=())


def read_recipe(source: str, *, transcripts: Path | None = None) -> Recipe:
    """Read a recipe that comes along, or one of your own.

    Args:
        source: a name of :data:`RECIPES`, or a TOML file.
        transcripts: texts in place of the recipe's own; as many as it asks for, or more.

    Raises:
        UnknownName: no recipe of this name.
        NothingFound: no such file.
        InvalidValue: a key that is unknown or missing, or a value outside what is allowed.
        InvalidTranscripts: its texts cannot be read.
    """
    path = _path_of(source)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NothingFound(f"There is no recipe {path}; docs/recipes.md shows one.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidValue("Recipe", path, "a TOML file in UTF-8", f"{error}.") from error
    return _recipe(values, path, transcripts)


def _path_of(source: str) -> Path:
    if source in RECIPES:
        return Path(str(resources.files("mosdata.builders") / "recipes" / f"{source}.toml"))
    if not source.endswith(".toml"):
        raise UnknownName("recipe", source, RECIPES)
    return Path(source)


def _recipe(values: Mapping[str, Any], path: Path, transcripts: Path | None) -> Recipe:
    _check_keys(values, RECIPE_KEYS, required=("name", "take"), where=str(path))
    texts, notes = _texts(values, path, transcripts)
    language = str(values.get("language", "en"))
    takes = []
    for number, take in enumerate(values["take"], 1):
        where = f"{path}, take {number}"
        _check_keys(take, TAKE_KEYS, required=("system", "sample_rate_hz"), where=where)
        takes.append(_take(take, num_texts=len(texts), language=language, where=where))
    seed = values.get("seed", 0)
    if not _is_count(seed, least=0):
        raise InvalidValue(f"seed of {path}", seed, "a whole number, 0 or more")
    return Recipe(
        name=str(values["name"]),
        about=str(values.get("about", "")).strip(),
        seed=seed,
        split=SplitRule.parse(str(values.get("split", "8:1:1")), option=f"split of {path}"),
        texts=texts,
        takes=tuple(takes),
        notes=notes,
    )


def _texts(
    values: Mapping[str, Any], path: Path, transcripts: Path | None
) -> tuple[tuple[Transcript, ...], tuple[str, ...]]:
    """The texts of a recipe, as many as it asks for."""
    given = values.get("texts")
    notes: tuple[str, ...] = ()
    if transcripts is None and isinstance(given, list):
        lines = [normalise(str(text)) for text in given]
        found = tuple(Transcript(text=text, line=i) for i, text in enumerate(lines, 1) if text)
    elif transcripts is None and not isinstance(given, str):
        raise UsageError(f"{path} has no texts: give --transcripts FILE.")
    else:
        place = path.parent / str(given) if transcripts is None else transcripts
        read = read_transcripts(place)
        found, notes = read.texts, read.notes
    wanted = values.get("num_texts", len(found))
    if not _is_count(wanted, least=1):
        raise InvalidValue(f"num_texts of {path}", wanted, "a whole number, 1 or more")
    if len(found) < wanted:
        raise InvalidValue(
            "The number of texts", len(found), f"{wanted} or more", f"{path} deals out so many."
        )
    if len(found) > wanted:
        notes = (*notes, f"the first {wanted} of {len(found)} texts are used")
    return found[:wanted], notes


def _take(values: Mapping[str, Any], *, num_texts: int, language: str, where: str) -> Take:
    for name, least in (("clips", 1), ("takes", 1), ("first_text", 1)):
        if name in values and not _is_count(values[name], least=least):
            raise InvalidValue(
                f"{name} of {where}", values[name], f"a whole number, {least} or more"
            )
    rate = values["sample_rate_hz"]
    if rate not in SAMPLE_RATES_HZ:
        allowed = ", ".join(map(str, SAMPLE_RATES_HZ))
        raise InvalidValue(f"sample_rate_hz of {where}", rate, allowed)
    return Take(
        system=str(values["system"]),
        sample_rate_hz=rate,
        texts=_places(values, num_texts, where),
        voices=_voices(values.get("voices", 1), where),
        clips=values.get("clips"),
        takes=values.get("takes", 1),
        language=str(values.get("language", language)),
        imported=bool(values.get("imported", False)),
        stand_in=str(values.get("stand_in", "")),
        about=str(values.get("about", "")),
    )


def _places(values: Mapping[str, Any], num_texts: int, where: str) -> tuple[int, ...]:
    """Which texts, from 0: those listed, or all; from ``first_text`` on, and around."""
    listed = values.get("texts", list(range(1, num_texts + 1)))
    allowed = f"numbers from 1 to {num_texts}"
    if not isinstance(listed, list) or not listed:
        raise InvalidValue(f"texts of {where}", listed, allowed)
    for number in listed:
        if not _is_count(number, least=1) or number > num_texts:
            raise InvalidValue(f"texts of {where}", number, allowed)
    first = (values.get("first_text", 1) - 1) % len(listed)
    return tuple(number - 1 for number in (*listed[first:], *listed[:first]))


def _voices(given: object, where: str) -> int | tuple[str, ...]:
    if isinstance(given, list) and given and all(isinstance(name, str) for name in given):
        return tuple(given)
    if isinstance(given, int) and _is_count(given, least=0):
        return given
    raise InvalidValue(f"voices of {where}", given, "a number (0 for all), or a list of names")


def _is_count(value: object, *, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _check_keys(
    values: Mapping[str, Any], known: frozenset[str], *, required: Sequence[str], where: str
) -> None:
    for key in values:
        if key not in known:
            raise UnknownName(f"key of {where}", key, known)
    for key in required:
        if not values.get(key):
            raise InvalidValue(key, "nothing", "a value", f"{where} needs one.")
