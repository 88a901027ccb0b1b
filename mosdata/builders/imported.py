"""``import``: a rated corpus, as it comes, made a dataset like any other.

The tables are read, the audio is found and hashed in the driver; workers take in one file a
record. A plan is named by what the tables say and by the bytes of every file, so it does not
matter where the corpus lies, and a file that changes makes another plan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from mosdata.builders.audio_folder import AudioFolder
from mosdata.builders.commit import RatingSet
from mosdata.builders.findings import findings_json, named
from mosdata.builders.import_splits import (
    CORPUS,
    SPLIT_KEYS,
    filled,
    key_to_split_by,
    split_findings,
    splits_of,
)
from mosdata.builders.licences import TERMS_STRICTEST_FIRST
from mosdata.builders.rated_clips import RatedClip, rated_clips, ratings_digest, unrated_clip
from mosdata.builders.stage import Estimate, Record, StageSpec
from mosdata.corpora.table import Finding, RatedCorpus
from mosdata.errors import InvalidRatings, InvalidValue, NothingFound, UnknownName
from mosdata.manifests.ids import JSON, canonical_json, stable_id
from mosdata.manifests.rows import UNKNOWN
from mosdata.manifests.splits import SPLITS, SplitRule
from mosdata.manifests.systems import class_names

FLAC_SHARE: Final = 0.6
"""Rough size of 16-bit speech as FLAC against its samples, for estimates only."""

MARKER_BYTES: Final = 64
"""A longer name does not fit where workers say what they are at; a digest stands for it there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportConfig:
    """How to import.

    Args:
        system_class: synthesizer class of every clip whose corpus names none.
        classes: class by system, for the systems whose class is known.
        license: SPDX id that applies to the clips.
        output_terms: open, non-commercial, restricted or unknown.
        split: shares of train, validation and test, and the salt of the draw.
        by: what stays on one side of a split; ``corpus`` keeps the corpus's own; None takes
            that where every clip has one, else ``sentence``.
        unrated: take in clips and files that nobody has scored.

    Raises:
        InvalidValue: terms or a split key that there is not.
    """

    system_class: str = UNKNOWN
    classes: Mapping[str, str] = field(default_factory=dict)
    license: str = "unknown"
    output_terms: str = "unknown"
    split: SplitRule = SplitRule()  # noqa: RUF009 - frozen, so sharing it is safe
    by: str | None = None
    unrated: bool = False

    def __post_init__(self) -> None:
        if self.output_terms not in TERMS_STRICTEST_FIRST:
            allowed = ", ".join(reversed(TERMS_STRICTEST_FIRST))
            raise InvalidValue("--output-terms", self.output_terms, allowed)
        if self.by not in (None, *SPLIT_KEYS):
            raise InvalidValue("--by", self.by, ", ".join(SPLIT_KEYS))
        if not self.license.strip():
            raise InvalidValue("--license", self.license, "an SPDX id, such as CC-BY-4.0")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    """A clip with its split, its class and the file that holds its sound."""

    clip: RatedClip
    split: str
    synthesizer: str
    path: str | None


class ImportStage:
    """Plans an import.

    Args:
        corpus: what the tables say.
        config: how to import.
        audio: folder of the audio; None makes a dataset of ratings alone.
        deep: whether folders below ``audio`` are looked into.
        on_file: called with files hashed and files in all.

    Raises:
        NothingFound: no such folder, or it has the file of no clip.
        InvalidRatings: audio that cannot be told apart, or nobody has scored anything.
        InvalidValue: a split key that some clips lack.
        UnknownName: a class for a system that the corpus does not have.
    """

    needs_gpu = False

    def __init__(
        self,
        corpus: RatedCorpus,
        config: ImportConfig,
        *,
        audio: Path | None = None,
        deep: bool = True,
        on_file: Callable[[int, int], None] = lambda *_: None,
    ) -> None:
        self.corpus = corpus
        self.config = config
        self._folder = AudioFolder(audio, deep=deep) if audio else None
        clips, self._findings = rated_clips(corpus)
        clips = self._chosen(clips)
        self._check_classes({str(clip.about["system"]) for clip in clips})
        self.by = key_to_split_by(clips, config.by)
        self.split = filled(config.split, clips, by=self.by)
        splits = splits_of(clips, by=self.by, rule=self.split)
        self._findings += split_findings(clips, self.by)
        paths = self._matched(clips)
        rows = [
            _Planned(clip=clip, split=split, synthesizer=self._class_of(clip), path=path)
            for clip, split, path in zip(clips, splits, paths, strict=True)
        ]
        self._rows = rows + self._leftover({row.path for row in rows}, clips)
        wanted = [row.path for row in self._rows if row.path is not None]
        self._files = self._folder.read(wanted, on_file) if self._folder else {}

    def _chosen(self, clips: list[RatedClip]) -> list[RatedClip]:
        """The clips that somebody has scored, or all; the others are reported.

        Raises:
            InvalidRatings: none is left.
        """
        unrated = [clip.name for clip in clips if not clip.is_rated]
        if unrated and not self.config.unrated:
            what = "clips of the tables have no score and were left out; --unrated takes them in."
            self._findings += named("unrated_clips", unrated, what, all_names=True)
            clips = [clip for clip in clips if clip.is_rated]
        if not clips:
            raise InvalidRatings("The tables score no clip at all; there is nothing to import.")
        return clips

    def _check_classes(self, systems: set[str]) -> None:
        for system in self.config.classes:
            if system not in systems:
                raise UnknownName("system of the corpus", system, systems)

    def _matched(self, clips: list[RatedClip]) -> list[str | None]:
        """The file of each clip.

        Raises:
            NothingFound: not one of them is in the folder.
        """
        if self._folder is None:
            return [None] * len(clips)
        paths = self._folder.match([(clip.name, clip.audio) for clip in clips])
        if not any(paths):
            raise NothingFound(
                f"None of the {len(clips):,} clips has a file in {self._folder.root}; looked for "
                f"{clips[0].audio or clips[0].name!r}, for example. Give another --audio folder, "
                "or none to import the ratings alone."
            )
        silent = [clip.name for clip, path in zip(clips, paths, strict=True) if path is None]
        what = "rated clips have no file; they are in the quarantine, their ratings stay."
        self._findings += named("no_audio", silent, what)
        return paths

    def _leftover(self, used: set[str | None], clips: list[RatedClip]) -> list[_Planned]:
        """Files that no table speaks of: reported, or taken in as train, for they test nothing."""
        if self._folder is None:
            return []
        left = [path for path in self._folder.paths if path not in used]
        if not self.config.unrated:
            what = "audio files are in no table and were left out; --unrated takes them in."
            self._findings += named("unrated_audio", left, what, all_names=True)
            return []
        self._check_names(left, {clip.name for clip in clips})
        dataset = str(clips[0].about["dataset"])
        found = [unrated_clip(path, dataset) for path in left]
        return [
            _Planned(clip=clip, split=SPLITS[0], synthesizer=self._class_of(clip), path=clip.name)
            for clip in found
        ]

    def _check_names(self, paths: list[str], names: set[str]) -> None:
        assert self._folder is not None
        for path in paths:
            if path in names:
                raise InvalidRatings(
                    f"The unrated file {path} has the name of another clip. Rename it, or leave "
                    "out --unrated."
                )
            if not self._folder.is_inside(path):
                raise InvalidRatings(
                    f"{path} is a link that leaves {self._folder.root}; it is not followed. "
                    "Copy the file into the folder, or leave out --unrated."
                )

    def _class_of(self, clip: RatedClip) -> str:
        """The clip's class as its corpus names it, else by its system, else the one for all."""
        named_class = clip.about["synthesizer"]
        system = str(clip.about["system"])
        return str(named_class or self.config.classes.get(system, self.config.system_class))

    @property
    def audio(self) -> Path | None:
        """The folder of the audio; None where only ratings are imported."""
        return self._folder.root if self._folder else None

    @property
    def num_matched(self) -> int:
        """Clips that have a file."""
        return sum(row.path is not None for row in self._rows)

    @property
    def spec(self) -> StageSpec:
        """Identity: the terms, the split, the ratings; where the audio lies is an input."""
        shares, salt = self.split.shares, self.split.salt
        config: dict[str, JSON] = {
            "audio": self._folder is not None,
            "license": self.config.license,
            "output_terms": self.config.output_terms,
            "ratings": self._ratings_digest,
            "split": {"by": self.by, "salt": salt, "shares": list(shares)},
        }
        inputs = {}
        if self._folder is not None:
            places = {file.sha256: path for path, file in self._files.items() if file.sha256}
            inputs = {"audio": str(self._folder.root), "files": canonical_json(places)}
        return StageSpec(
            name="import",
            table="clips",
            config=config,
            class_names=tuple(class_names(row.synthesizer for row in self._rows)),
            sample_rate_hz=self.sample_rate_hz,
            inputs=inputs,
        )

    @property
    def rates(self) -> Counter[int]:
        """Files by the rate that their header names."""
        headers = (file.header for file in self._files.values())
        return Counter(header.sample_rate_hz for header in headers if header is not None)

    @property
    def sample_rate_hz(self) -> int | None:
        """The one rate of all files; None where there are several, or no audio."""
        return next(iter(self.rates)) if len(self.rates) == 1 else None

    @cached_property
    def _ratings_digest(self) -> str:
        return ratings_digest(self.corpus.ratings)

    @property
    def ratings(self) -> RatingSet | None:
        """The corpus's scores as one set, in the order of its tables."""
        if not self.corpus.ratings.num_rows:
            return None
        name = f"human-{self._ratings_digest[:8]}"
        about: dict[str, JSON] = {"source": "tables", "layout": self.corpus.layout}
        return RatingSet(name=name, table=self.corpus.ratings, about=about)

    def records(self) -> Iterator[Record]:
        """By split, in the order of the tables; unrated files come last."""
        for split in dict.fromkeys([*SPLITS, *(row.split for row in self._rows)]):
            for row in self._rows:
                if row.split == split:
                    yield Record(
                        id=_record_id(row.clip.name),
                        split=split,
                        group="clips",
                        payload=self._payload(row),
                    )

    def _payload(self, row: _Planned) -> dict[str, JSON]:
        about: dict[str, JSON] = {**row.clip.about, "synthesizer": row.synthesizer}
        payload: dict[str, JSON] = {"name": row.clip.name, "about": about}
        if self._folder is not None:
            file = self._files.get(row.path) if row.path else None
            payload |= {"sha256": file.sha256 if file else None}
        return payload

    def estimate(self) -> Estimate:
        """Counts, hours and bytes, from the headers."""
        headers = [file.header for file in self._files.values() if file.header is not None]
        num_bytes = sum(2 * header.duration_s * header.sample_rate_hz for header in headers)
        return Estimate(
            num_records=len(self._rows),
            duration_s=sum(header.duration_s for header in headers),
            num_bytes=int(num_bytes * FLAC_SHARE) + 1000 * len(self._rows),
        )

    def split_counts(self) -> dict[str, int]:
        """Clips per split."""
        counts = Counter(row.split for row in self._rows)
        return {split: counts[split] for split in dict.fromkeys([*SPLITS, *sorted(counts)])}

    @property
    def findings(self) -> list[Finding]:
        """What was odd about tables and folder; what is odd about the sound is found later."""
        rated = [row.clip for row in self._rows if row.clip.is_rated]
        unnamed = [clip.name for clip in rated if not clip.has_system]
        what = "clips name no system: together they are the system 'unknown'."
        return [
            *self.corpus.findings,
            *self._findings,
            *named("no_system", unnamed, what),
            *self._empty_splits(),
            *self._salted(),
            *self._mixed_rates(),
        ]

    def _empty_splits(self) -> list[Finding]:
        counts = self.split_counts()
        shares = zip(SPLITS, self.config.split.shares, strict=True)
        empty = [name for name, share in shares if share and not counts[name]]
        what = f"splits have no clip: there are too few groups by {self.by}; try another --by."
        return [] if self.by == CORPUS else named("empty_split", empty, what)

    def _salted(self) -> list[Finding]:
        """A salt of our choice is said, so that a corpus that has grown can be split the same."""
        salt = self.split.salt
        if salt == self.config.split.salt:
            return []
        what = "salt was drawn so that no split is empty; give it again to keep the split."
        return named("salt_chosen", [f"--salt {salt}"], what)

    def _mixed_rates(self) -> list[Finding]:
        if len(self.rates) < 2:
            return []
        counts = ", ".join(f"{n:,} of {rate} Hz" for rate, n in sorted(self.rates.items()))
        message = f"rates in one corpus, which are kept: {counts}."
        return [Finding(code="mixed_rates", count=len(self.rates), message=message)]

    def provenance(self) -> dict[str, JSON]:
        """Where it comes from, under which terms, and what was odd."""
        datasets = sorted({str(row.clip.about["dataset"]) for row in self._rows})
        return {
            "corpus": {
                "layout": self.corpus.layout,
                "tables": [Path(source).name for source in self.corpus.sources],
                "datasets": [*datasets],
                "license": self.config.license,
                "output_terms": self.config.output_terms,
                "split_by": self.by,
            },
            "findings": findings_json(self.findings),
        }


def audio_beside(corpus: RatedCorpus, tables: Sequence[Path]) -> Path | None:
    """The folder of a table, where files of its clips lie right there or at the paths it gives.

    Nothing below is searched: a table may lie in somebody's home.
    """
    names = corpus.clips.select(["name", "audio"]).to_pylist()
    given = [(row["name"], row["audio"]) for row in names]
    for folder in dict.fromkeys(path if path.is_dir() else path.parent for path in tables):
        if AudioFolder(folder, deep=False).has_any(given):
            return folder
    return None


def _record_id(name: str) -> str:
    return name if len(name.encode()) <= MARKER_BYTES else stable_id("import", {"name": name})
