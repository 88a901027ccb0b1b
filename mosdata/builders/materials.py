"""What corruptions mix in: other clips of the dataset, and files from folders of the user.

A plan names every file by its path within its folder and the checksum of its bytes; where the
folder lies is an input and no part of the identity. A file that changed since is not used.
"""

from __future__ import annotations

import copy
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mosdata.audio import Clip, decode_audio, resample
from mosdata.augment.base import Material
from mosdata.augment.corruptions import ADAPTER_PREFIX
from mosdata.augment.mixing import checked_sound
from mosdata.augment.transform_spec import TransformSpec
from mosdata.builders.audio_folder import AudioFolder
from mosdata.builders.sources import Place, SourceClips, places
from mosdata.errors import InvalidValue, NothingFound
from mosdata.manifests.durable import sha256_file
from mosdata.manifests.ids import JSON, unit_hash
from mosdata.manifests.places import place_of, stays_inside
from mosdata.manifests.splits import SPLITS
from mosdata.manifests.store import Dataset

POOL_SIZE: Final = 64
"""Clips of each split of the source dataset that may be mixed in."""

OPTIONS: Final[Mapping[Material, str]] = {
    "noise": "--noise",
    "impulse_responses": "--impulse-responses",
}
"""Materials that come from a folder, and the option that names it."""

TRAIN: Final = SPLITS[0]

KEPT_SAMPLES: Final = 48_000 * 60 * 20
"""Of decoded files, in memory of a worker: 230 MB; the oldest go first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolEntry:
    """A clip that may be mixed into others, and what it must not be mixed with."""

    clip_id: str
    sentence: str
    speaker: str
    split: str
    place: Place

    def to_json(self) -> list[JSON]:
        """As part of a plan."""
        return [self.clip_id, self.sentence, self.speaker, self.split, self.place.to_json()]


def choose_clips(source: Dataset) -> list[PoolEntry]:
    """A sample of the clean clips of each split that depends on their ids alone."""
    columns = ("id", "sentence", "speaker", "parent_id")
    clean = [
        PoolEntry(
            clip_id=row["id"],
            sentence=row["sentence"],
            speaker=row["speaker"],
            split=split,
            place=place,
        )
        for split, place, row in places(source, columns)
        if row["parent_id"] is None
    ]
    clean.sort(key=lambda entry: unit_hash(f"pool/{entry.clip_id}"))
    num_taken: Counter[str] = Counter()
    chosen: list[PoolEntry] = []
    for entry in clean:
        if num_taken[entry.split] < POOL_SIZE:
            num_taken[entry.split] += 1
            chosen.append(entry)
    return chosen


def find_files(folder: Path, material: Material) -> dict[str, str]:
    """Every audio file below a folder: path within it, and the checksum of its bytes.

    Raises:
        NothingFound: no such folder, or no audio file in it.
        InvalidValue: a link that leaves the folder, or a file that is no audio.
    """
    option = OPTIONS[material]
    listed = AudioFolder(folder)
    if not listed.paths:
        raise NothingFound(f"{folder} holds no audio file; {option} needs one or more.")
    outside = [path for path in listed.paths if not listed.is_inside(path)]
    if outside:
        raise InvalidValue(option, outside[0], "files that lie in the folder; it is a link out")
    found = listed.read(listed.paths)
    for path, file in found.items():
        if file.header is None:
            why = file.problem or "no audio that can be read"
            raise InvalidValue(option, path, "audio files alone", f"It is {why}.")
    return {path: file.sha256 for path, file in sorted(found.items())}


def opened_files(kind: str) -> dict[str, str]:
    """The files that a transform of audiomentations opens: path, as it is given, and checksum.

    Args:
        kind: any corruption; none but ``am:`` with a path among its arguments opens any.
    """
    if not kind.startswith(ADAPTER_PREFIX):
        return {}
    spec = TransformSpec.parse(kind)
    found: dict[str, str] = {}
    for name in spec.paths:
        given = spec.arguments[name]
        for place in map(Path, [given] if isinstance(given, str) else given):
            files = [place]
            if place.is_dir():
                files = [place / path for path in AudioFolder(place).paths]
            found |= {file.as_posix(): sha256_file(file) for file in files if file.is_file()}
    return dict(sorted(found.items()))


class Materials:
    """The pool of a worker: clips of the source dataset and files, each read once.

    Args:
        sources: the dataset's clips; None where no clip may be mixed in.
        entries: clips that may be mixed in, as :meth:`PoolEntry.to_json` gives them.
        files: material -> path within its folder -> checksum.
        folders: material -> where its folder lies.
    """

    def __init__(
        self,
        sources: SourceClips | None,
        *,
        entries: list[list[Any]],
        files: Mapping[Any, Mapping[str, str]],
        folders: Mapping[Any, str],
    ) -> None:
        self._sources = sources
        self._entries = {
            clip_id: PoolEntry(
                clip_id=clip_id,
                sentence=sentence,
                speaker=speaker,
                split=split,
                place=Place.from_json(place),
            )
            for clip_id, sentence, speaker, split, place in entries
        }
        self._files = files
        self._folders = {material: place_of(folder) for material, folder in folders.items()}
        self._mixable: Sequence[Sequence[PoolEntry]] = [[*self._entries.values()]]
        self._of_splits: dict[str, Materials] = {}
        self._clips: dict[str, Clip] = {}
        self._decoded: dict[tuple[str, str, int], Clip] = {}

    def of_split(self, split: str) -> Materials:
        """The same materials, for clips of one split: no other split is heard in train.

        Into a clip of validation or test go clips of its own split, and of train only where its
        own has nobody else.
        """
        if split not in self._of_splits:
            view = copy.copy(self)  # what is decoded once is there for all splits
            names = dict.fromkeys((split, TRAIN))
            view._mixable = [  # noqa: SLF001 - our own
                [entry for entry in self._entries.values() if entry.split == name] for name in names
            ]
            self._of_splits[split] = view
        return self._of_splits[split]

    def candidates(self, *, sentence: str, speaker: str) -> tuple[str, ...]:
        """Clips with another text and another speaker."""
        for entries in self._mixable:
            found = tuple(
                entry.clip_id
                for entry in entries
                if sentence != entry.sentence and speaker != entry.speaker
            )
            if found:
                return found
        return ()

    def clip(self, clip_id: str) -> Clip:
        """A clip of the dataset."""
        if self._sources is None or clip_id not in self._entries:
            raise NothingFound(f"The pool has no clip {clip_id!r}: use the one it was drawn from.")
        if clip_id not in self._clips:
            self._clips[clip_id] = self._sources.fetch(self._entries[clip_id].place).clip()
        return self._clips[clip_id]

    def files(self, material: Material) -> tuple[str, ...]:
        """Files of a material, by their paths within the folder."""
        return tuple(sorted(self._files.get(material, {})))

    def file_clip(self, material: Material, file_id: str, sample_rate_hz: int) -> Clip:
        """A file at a rate; the last ones are kept.

        Raises:
            NothingFound: the plan knows no such file, or it is gone or another one now.
            RecordRejected: it holds no sound that can be used.
        """
        key = (material, file_id, sample_rate_hz)
        if key not in self._decoded:
            sound = decode_audio(self._read(material, file_id))
            if material == "noise":  # a response may be as short as it likes
                checked_sound(sound)
            clip = resample(sound, sample_rate_hz)
            self._decoded[key] = clip
            while sum(kept.num_samples for kept in self._decoded.values()) > KEPT_SAMPLES:
                if len(self._decoded) == 1:
                    break
                del self._decoded[next(iter(self._decoded))]
        return self._decoded[key]

    def _read(self, material: Material, file_id: str) -> bytes:
        digest = self._files.get(material, {}).get(file_id)
        folder = self._folders.get(material)
        if digest is None or folder is None or not stays_inside(folder, file_id):
            raise NothingFound(
                f"The {material} folder has no file {file_id!r}: use the one it was drawn from."
            )
        try:
            data = (folder / file_id).read_bytes()
        except OSError as error:
            raise NothingFound(
                f"{folder / file_id} cannot be read ({error.strerror}). Every worker needs the "
                f"folder of {OPTIONS[material]} at the same place."
            ) from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise NothingFound(
                f"{folder / file_id} is not the file that the plan was made with. Put it back, or "
                "start a new run in another folder."
            )
        return data
