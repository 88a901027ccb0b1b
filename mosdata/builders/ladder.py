"""``mosdata ladder``: one clip, harmed step by step, and what metrics say of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from mosdata.audio import Clip, decode_audio, resample, to_pcm16
from mosdata.augment.base import Material
from mosdata.augment.calibration import expected_mos_lqo
from mosdata.augment.chain import harm
from mosdata.augment.corruptions import CORRUPTIONS
from mosdata.augment.pool import MemoryPool
from mosdata.builders.audio_folder import AudioFolder
from mosdata.builders.materials import OPTIONS, Materials, choose_clips, find_files
from mosdata.builders.sources import SourceClips, places
from mosdata.errors import InvalidValue, MosdataError, NothingFound, RecordRejected
from mosdata.labels.base import Metric
from mosdata.labels.metrics import build_metric, metric_info, why_unavailable
from mosdata.manifests.ids import JSON
from mosdata.manifests.places import is_remote
from mosdata.manifests.rows import Applied
from mosdata.manifests.store import open_dataset

METRICS: Final = ("pesq", "stoi", "dnsmos.p808")
CLIP_ID: Final = "clip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """A clip at a level: what was drawn, how it sounds, what metrics say.

    ``scores`` has a metric's dimensions as ``pesq.mos_lqo``; None where it gave no score.
    """

    level: float
    params: dict[str, JSON]
    clip: Clip
    scores: dict[str, float | None] = field(default_factory=dict)

    def to_json(self) -> dict[str, JSON]:
        """Everything but the sound, and what the published curve expects of PESQ."""
        return {
            "level": self.level,
            "params": {**self.params},
            "scores": {**self.scores},
            "expected_mos_lqo": round(expected_mos_lqo(self.level), 3),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """What to harm, and all that it needs: made by :func:`open_ladder`."""

    kind: str
    clip: Clip
    clip_name: str
    pool: Materials | MemoryPool
    sentence: str
    speaker: str
    seed: int = 0

    def rungs(self, levels: Sequence[float], metrics: Sequence[str]) -> Iterator[Rung]:
        """The clip at each level, one damage and more of it.

        Raises:
            RecordRejected: this clip cannot be harmed this way.
        """
        judges = {name: build_metric(name) for name in metrics}
        for level in levels:
            drawn, harmed = self._harmed(level)
            scores: dict[str, float | None] = {}
            for name, judge in judges.items():
                scores |= _scores(name, judge, harmed, self.clip)
            yield Rung(level=level, params=drawn[0].params, clip=harmed, scores=scores)

    def remarks(self, rungs: Sequence[Rung]) -> tuple[str, ...]:
        """What is to be said of them: where a clip is too short, say, for anything to happen."""
        before = to_pcm16(self.clip.samples)
        same = [
            f"{rung.level:g}"
            for rung in rungs
            if rung.level > 0 and np.array_equal(to_pcm16(rung.clip.samples), before)
        ]
        if not same:
            return ()
        return (
            f"{self.kind} leaves this clip as it is at level {', '.join(same)}; "
            "mosdata corrupt would reject the copy as unchanged.",
        )

    def _harmed(self, level: float) -> tuple[tuple[Applied, ...], Clip]:
        try:
            return harm(
                [self.kind],
                level,
                self.clip,
                seed=self.seed,
                record_id=CLIP_ID,
                pool=self.pool,
                sentence=self.sentence,
                speaker=self.speaker,
            )
        except (MosdataError, OSError):
            raise
        except Exception as error:  # as ``mosdata corrupt`` says it of a row
            name = type(error).__name__
            raise RecordRejected(f"error:{name}", f"{self.kind}: {name}: {error}") from error


def open_ladder(
    kind: str,
    source: Path,
    *,
    clip_id: str | None = None,
    others: Path | None = None,
    folders: Mapping[Material, Path] | None = None,
    seed: int = 0,
) -> Ladder:
    """Find the clip and what the corruption mixes in.

    Args:
        kind: a corruption.
        source: an audio file, or the folder of a dataset.
        clip_id: which clip of the dataset; None for the first.
        others: folder of other people's speech, where the source is a file.
        folders: noises and impulse responses.
        seed: another seed, another damage.

    Raises:
        NothingFound: no such file, dataset or clip, or no folder for what is mixed in.
        InvalidValue: a seed below 0, or what a file or a dataset has no use for.
        RecordRejected: the file is no audio.
    """
    if seed < 0:
        raise InvalidValue("--seed", seed, "0 or more")
    needs = CORRUPTIONS[kind].needs if kind in CORRUPTIONS else None
    given = folders or {}
    if needs is not None and needs in OPTIONS and needs not in given:
        option = OPTIONS[needs]
        raise NothingFound(f"{kind} mixes in files: give their folder with {option} FOLDER.")
    files = {material: find_files(folder, material) for material, folder in given.items()}
    places_of_files = {material: str(folder) for material, folder in given.items()}
    if source.is_file():
        if clip_id is not None:
            raise InvalidValue("--clip", clip_id, "a clip of a dataset; this is a file")
        if needs == "speech" and others is None:
            raise NothingFound(f"{kind} mixes in other speech: give its folder with --others.")
        pool = _FilePool(source, others, files=files, folders=places_of_files)
        return Ladder(
            kind=kind,
            clip=decode_audio(source),
            clip_name=source.name,
            pool=pool,
            sentence=source.name,
            speaker=source.name,
            seed=seed,
        )
    if not is_remote(source) and not source.exists():
        raise NothingFound(f"There is no file and no dataset at {source}.")
    if others is not None:
        do = "In a dataset the other speech is that of its other speakers."
        raise InvalidValue("--others", str(others), "given beside a file", do)
    dataset = open_dataset(source)
    for _, place, row in places(dataset, ("id",)):
        if clip_id in (None, row["id"]):
            clips = SourceClips(dataset.folder)
            utterance = clips.fetch(place)
            entries = [entry.to_json() for entry in choose_clips(dataset)]
            return Ladder(
                kind=kind,
                clip=utterance.clip(),
                clip_name=utterance.id,
                pool=Materials(clips, entries=entries, files=files, folders=places_of_files),
                sentence=utterance.sentence,
                speaker=utterance.speaker,
                seed=seed,
            )
    raise NothingFound(f"{dataset.folder} has no clip {clip_id!r}.")


class _FilePool(Materials):
    """The pool for a clip that comes from a file: other speech is in a folder, one voice a file."""

    def __init__(
        self,
        source: Path,
        others: Path | None,
        *,
        files: Mapping[Any, Mapping[str, str]],
        folders: Mapping[Any, str],
    ) -> None:
        super().__init__(None, entries=[], files=files, folders=folders)
        self._others = AudioFolder(others) if others is not None else None
        self._paths: list[str] = []
        if self._others is not None:
            root = self._others.root
            self._paths = [
                path for path in self._others.paths if not (root / path).samefile(source)
            ]

    def candidates(self, *, sentence: str, speaker: str) -> tuple[str, ...]:
        """Files of another name, and never the clip's own."""
        return tuple(path for path in self._paths if path not in (sentence, speaker))

    def clip(self, clip_id: str) -> Clip:
        """One of the files."""
        if self._others is None or not self._others.is_inside(clip_id):
            raise NothingFound(f"There is no other speech {clip_id!r}.")
        return decode_audio(self._others.root / clip_id)


def usable_metrics(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Metrics that can be had here, and a note for each that cannot.

    Raises:
        UnknownName: no such metric.
    """
    notes = {name: why_unavailable(name) for name in names}
    usable = tuple(name for name, why in notes.items() if why is None)
    return usable, tuple(f"{name} was left out: {why}" for name, why in notes.items() if why)


def _scores(name: str, judge: Metric, clip: Clip, clean: Clip) -> dict[str, float | None]:
    """What a metric says; the clean clip is its own best."""
    info = metric_info(name)
    rate_hz = info.sample_rate_hz or clip.sample_rate_hz
    reference = resample(clean, rate_hz) if info.needs_reference else None
    base = name.partition(".")[0]
    try:
        found = judge.score(resample(clip, rate_hz), reference)
    except RecordRejected:
        return {f"{base}.{dimension}": None for dimension in info.dimensions}
    return {f"{base}.{dimension}": float(value) for dimension, value in found.items()}
