"""``build --recipe``: the clips that a recipe deals out, each system at the rates that it says."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from mosdata.builders.casting import Cast, Casting
from mosdata.builders.licences import strictest_terms
from mosdata.builders.recipe import Recipe, Take
from mosdata.builders.speech import (
    FLAC_BYTES_PER_SECOND_AT_16K,
    identities_of,
    inputs_of,
    origins_of,
    terms_of,
)
from mosdata.builders.stage import Estimate, Record, StageSpec
from mosdata.builders.transcripts import Transcript
from mosdata.errors import InvalidValue, UnknownName, UsageError
from mosdata.manifests.ids import JSON, seed_for, stable_id
from mosdata.manifests.splits import SPLITS, SplitRule
from mosdata.manifests.systems import SYSTEM_NAMES, class_names
from mosdata.synth.base import Prompt, Voice
from mosdata.synth.hosting.settings import Engines, find_engines
from mosdata.synth.recognisers import revision_of
from mosdata.synth.speak import method_of
from mosdata.synth.systems import known_systems, why_unavailable
from mosdata.synth.text.tidy import tidy

MISSING: Final = "missing"
"""What ``--stand-in`` takes in place of names: everybody whom this machine does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A take, who makes it, by whose voices, and in whose place, if anybody's."""

    take: Take
    system: str
    slot: str = ""
    voices: tuple[str, ...] = ()
    again: int = 0
    """How many takes before this one are of the same system, place, rate and language."""

    @property
    def readings(self) -> list[tuple[int, str, int]]:
        """Place of the text, voice and number of the reading of each clip."""
        return [*self.take.readings(self.voices)]


class RecipeStage:
    """Plans the build of a recipe; where takes have several rates, so has the dataset."""

    def __init__(
        self,
        recipe: Recipe,
        *,
        stand_ins: Mapping[str, str] | None = None,
        prompts: Sequence[Prompt] = (),
        asr: str = "",
    ) -> None:
        """Find the systems and ask them what they are.

        Args:
            recipe: what is to be made.
            stand_ins: who speaks in whose place, by the name that the recipe has; the key
                :data:`MISSING` lets those that the recipe suggests speak for all that is missing.
            prompts: recordings of voices to clone, for the systems that can; they come first.
            asr: recogniser that listens to every clip, or none.

        Raises:
            UnknownName: the recipe has no such system, or a system has no such voice.
            UsageError: a system cannot be had here, and nobody stands in for it.
        """
        self.recipe = recipe
        self._prompts = tuple(prompts)
        self._asr_spec = asr
        self._asr = revision_of(asr) if asr else ""
        self._engines = find_engines()
        self._texts = [_split_text(text, recipe.split) for text in recipe.texts]
        parts, self.left_out = _dealt(recipe, dict(stand_ins or {}), self._engines)
        self._cast, self._parts, notes = _with_voices(parts, self._prompts)
        self.notes = (*recipe.notes, *notes, *self._said_of_others())
        rates = {part.take.sample_rate_hz for part in self._parts}
        self._rate = rates.pop() if len(rates) == 1 else None

    def _said_of_others(self) -> Iterator[str]:
        """Who speaks for whom, and who does not speak at all."""
        if self.stand_ins:
            named = ", ".join(f"{name} for {slot}" for slot, name in self.stand_ins.items())
            yield f"stand-ins speak, under their own names: {named}"
        if self.left_out:
            yield (
                f"left out, since its clips are imported: {', '.join(self.left_out)}. 'mosdata "
                f"import' makes a dataset of them; --stand-in {MISSING} lets others speak"
            )

    @property
    def needs_gpu(self) -> bool:
        """Whether one of the systems does."""
        return any(member.info.needs_gpu for member in self._cast)

    @property
    def systems(self) -> list[str]:
        """Names of the systems, as they appear in the rows."""
        return [member.info.name for member in self._cast]

    @property
    def stand_ins(self) -> dict[str, str]:
        """Who speaks in whose place."""
        return {part.slot: part.system for part in self._parts if part.slot}

    @property
    def spec(self) -> StageSpec:
        """Identity: the systems with their revisions, and the recipe; its records are the rest."""
        names = {member.name: member.info.name for member in self._cast}
        stand_ins: dict[str, JSON] = {slot: names[name] for slot, name in self.stand_ins.items()}
        config: dict[str, JSON] = {
            "recipe": self.recipe.name,
            "seed": self.recipe.seed,
            "split": list(self.recipe.split.shares),
            "stand_ins": stand_ins,
            "systems": identities_of(self._cast),
            **({"asr": self._asr} if self._asr else {}),
        }
        return StageSpec(
            name="build",
            table="clips",
            config=config,
            class_names=tuple(class_names(self.systems)),
            sample_rate_hz=self._rate,
            inputs=inputs_of(self._cast, self._engines, prompts=self._prompts, asr=self._asr_spec),
        )

    def records(self) -> Iterator[Record]:
        """By split, then system, then take, so that a worker keeps one engine busy."""
        for split in SPLITS:
            for member in self._cast:
                for part in self._parts:
                    if part.system == member.name:
                        yield from self._spoken(part, member, split)

    def _spoken(self, part: _Part, member: Cast, split: str) -> Iterator[Record]:
        rate = part.take.sample_rate_hz
        place = f" in place of {part.slot}" if part.slot else ""
        voices = {voice.name: voice for voice in member.all_voices}
        for text_place, voice, reading in part.readings:
            text, sentence, its_split = self._texts[text_place]
            if its_split != split:
                continue
            key: dict[str, JSON] = {
                "text": text,
                "system": member.info.name,
                "revision": member.revision,
                "voice": voice,
                "take": reading,
                "seed": self.recipe.seed,
                "sample_rate_hz": rate,
                "recipe": self.recipe.name,
                "slot": part.slot,
                **({"again": part.again} if part.again else {}),
                **({"asr": self._asr} if self._asr else {}),
                "language": part.take.language,
                **({"prompt": prompt.identity} if (prompt := voices[voice].prompt) else {}),
                **method_of(member.info, tidy(text), part.take.language),
            }
            record_id = stable_id("clip", key)
            payload: dict[str, JSON] = {
                "text": text,
                "sentence": sentence,
                "language": part.take.language,
                "voice": voice,
                "seed": seed_for(self.recipe.seed, record_id, "synth", bits=32),
                "sample_rate_hz": rate,
                "dataset": f"{self.recipe.name}{place}",
            }
            yield Record(id=record_id, split=split, group=member.info.name, payload=payload)

    def estimate(self) -> Estimate:
        """Counts, hours and bytes per system, from typical speaking rates."""
        details: list[dict[str, JSON]] = []
        num_bytes = 0.0
        for member in self._cast:
            parts = [part for part in self._parts if part.system == member.name]
            lengths = [self._seconds(part, member) for part in parts]
            num_bytes += sum(
                seconds * FLAC_BYTES_PER_SECOND_AT_16K * part.take.sample_rate_hz / 16_000
                for part, seconds in zip(parts, lengths, strict=True)
            )
            terms = terms_of(member)
            details.append(
                {
                    "system": member.info.name,
                    "clips": sum(len(part.readings) for part in parts),
                    "voices": ", ".join(voice.name for voice in member.all_voices),
                    "duration_s": sum(lengths),
                    "license": ", ".join(dict.fromkeys(licence for licence, _ in terms)),
                    "output_terms": strictest_terms(one for _, one in terms),
                    "gpu": member.info.needs_gpu,
                }
            )
        return Estimate(
            num_records=sum(len(part.readings) for part in self._parts),
            duration_s=sum(float(str(detail["duration_s"])) for detail in details),
            num_bytes=int(num_bytes),
            details=tuple(details),
        )

    def _seconds(self, part: _Part, member: Cast) -> float:
        chars = sum(len(self._texts[place][0]) for place, _, _ in part.readings)
        return chars * member.info.seconds_per_char

    def split_counts(self) -> dict[str, int]:
        """Texts per split."""
        counts = Counter(split for _, _, split in self._texts)
        return {split: counts[split] for split in SPLITS}

    def provenance(self) -> dict[str, JSON]:
        """The recipe, who stands in for whom, and each system with its licence and terms."""
        stand_ins: dict[str, JSON] = {**self.stand_ins}
        return {
            "recipe": {
                "name": self.recipe.name,
                "about": self.recipe.about,
                "stand_ins": stand_ins,
                "left_out": list(self.left_out),
            },
            "systems": origins_of(self._cast),
        }


def _dealt(
    recipe: Recipe, stand_ins: dict[str, str], engines: Engines
) -> tuple[list[_Part], tuple[str, ...]]:
    """Each take with who makes it; and the imported systems that nobody stands in for."""
    slots = {take.system for take in recipe.takes}
    suggested = MISSING in stand_ins
    for slot in [*stand_ins]:
        if slot != MISSING and slot not in slots:
            raise UnknownName(f"system of the recipe {recipe.name}", slot, slots)
    parts: list[_Part] = []
    left_out: dict[str, None] = {}
    lacking: dict[str, str] = {}
    for take in recipe.takes:
        why = "it is imported" if take.imported else _why_not(take.system, engines)
        other = stand_ins.get(take.system) or (take.stand_in if suggested and why else "")
        if other:
            if reason := _why_not(other, engines):
                lacking[f"{other}, in place of {take.system}"] = reason
            parts.append(_Part(take=take, system=other, slot=take.system))
        elif take.imported:
            left_out[take.system] = None
        elif why:
            lacking[take.system] = why
        else:
            parts.append(_Part(take=take, system=take.system))
    if lacking:
        named = "; ".join(f"{name}: {why}" for name, why in lacking.items())
        raise UsageError(
            f"The recipe {recipe.name} asks for systems that cannot speak here. {named}. Set them "
            "up, or let offline systems speak in their place, under their own names: --stand-in "
            f"{MISSING}, or --stand-in {next(iter(lacking)).split(', in place of ')[-1]}=SYSTEM."
        )
    if not parts:
        raise UsageError(
            f"All clips of the recipe {recipe.name} are imported: there is nothing to build."
        )
    return parts, tuple(left_out)


def _why_not(system: str, engines: Engines) -> str:
    """Why a system cannot be built here; empty where it can."""
    known = known_systems(engines)
    if ":" not in system and system not in known:
        if system in SYSTEM_NAMES:
            return "this version of mosdata has no engine for it"
        raise UnknownName("system", system, known)
    return why_unavailable(system, engines=engines) or ""


def _with_voices(
    parts: Sequence[_Part], prompts: tuple[Prompt, ...]
) -> tuple[list[Cast], list[_Part], list[str]]:
    """The systems, each with all voices that it needs; the parts with theirs; and what was odd."""
    casts, voiced = [], []
    by_system: dict[str, list[_Part]] = defaultdict(list)
    for part in parts:
        by_system[part.system].append(part)
    languages = tuple(dict.fromkeys(part.take.language for part in parts))
    casting = Casting(languages=languages, voices=0, prompts=prompts)
    for cast in casting.chosen(by_system):
        mine = by_system[cast.name]
        used: dict[str, dict[str, Voice]] = defaultdict(dict)
        seen: Counter[tuple[str, int, str]] = Counter()
        for part in mine:
            language = part.take.language
            chosen = _voices_of(cast, part)
            used[language] |= {voice.name: voice for voice in chosen}
            kind = (part.slot, part.take.sample_rate_hz, language)
            names = tuple(voice.name for voice in chosen)
            voiced.append(replace(part, voices=names, again=seen[kind]))
            seen[kind] += 1
        voices = {language: tuple(found.values()) for language, found in used.items()}
        casts.append(replace(cast, voices=voices))
    return casts, voiced, casting.notes


def _voices_of(cast: Cast, part: _Part) -> list[Voice]:
    """Voices of a take: those it names, or the first that speak its language."""
    language, wanted = part.take.language, part.take.voices
    fitting = [*cast.voices.get(language, ())]
    if not fitting:
        raise UnknownName(f"language of {part.system}", language, cast.voices)
    if isinstance(wanted, int) or part.slot:  # a stand-in has other voices
        number = wanted if isinstance(wanted, int) else len(wanted)
        if number > len(fitting) and not part.slot:
            raise InvalidValue(
                f"voices of {part.system}", number, f"up to {len(fitting)} that speak {language}"
            )
        return fitting[:number] if number else fitting
    known = {voice.name: voice for voice in fitting}
    for name in wanted:
        if name not in known:
            raise UnknownName(f"voice of {part.system}", name, known)
    return [known[name] for name in wanted]


def _split_text(transcript: Transcript, rule: SplitRule) -> tuple[str, str, str]:
    """A text, its sentence group, and the split that follows from it."""
    sentence = transcript.sentence
    return transcript.text, sentence, rule.split_of(sentence)
