"""The audio of a corpus: which file of a folder belongs to which clip of a table.

A path of the table counts from the folder; where there is no such file, the file's name decides,
then its name without the suffix. Nothing is guessed: where two files fit, or one file fits two
clips by its name, the import is refused and both are named. No file outside the folder is opened.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from mosdata.corpora.sound import AUDIO_SUFFIXES, Header, read_header
from mosdata.errors import InvalidRatings, NothingFound

MAX_SHOWN: Final = 5
READERS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFile:
    """One file, read once: what names it, and what its header says.

    ``sha256`` is empty where the file cannot be read; ``problem`` says why.
    """

    sha256: str
    header: Header | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Found:
    """The file of a clip, and whether a path says so rather than a bare name."""

    name: str
    path: str
    by_path: bool


class _Unclear(Exception):
    """Which file belongs to a clip cannot be told."""


@dataclass(slots=True)
class AudioFolder:
    """The audio files below a folder, by all the names that a table may use for them.

    Args:
        root: the folder.
        deep: whether folders below it count too.

    Raises:
        NothingFound: no such folder.
    """

    root: Path
    deep: bool = True
    paths: list[str] = field(default_factory=list)
    _by_name: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _by_path: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        if not self.root.is_dir():
            raise NothingFound(f"{self.root} is not a folder; give the folder of the audio files.")
        self.root = self.root.resolve()
        self.paths = sorted(self._listed())
        for path in self.paths:
            known_as = PurePosixPath(_key(path))
            for key in (str(known_as), str(known_as.with_suffix(""))):
                self._by_path[key].append(path)
            for key in (known_as.name, known_as.stem):
                self._by_name[key].append(path)

    def _listed(self) -> Iterator[str]:
        for folder, folders, files in os.walk(self.root):
            folders[:] = folders if self.deep else []
            for name in files:
                if PurePosixPath(name).suffix.lower() in AUDIO_SUFFIXES:
                    yield (Path(folder) / name).relative_to(self.root).as_posix()

    def match(self, clips: Sequence[tuple[str, str | None]]) -> list[str | None]:
        """The file of each clip, relative to the folder; None where there is none.

        Args:
            clips: name and, where the table gives one, path of each clip.

        Raises:
            InvalidRatings: a path leaves the folder, two files fit one clip, or a file fits two
                clips and the table does not say so by its path.
        """
        problems: list[str] = []
        users: dict[str, _Found] = {}
        paths: list[str | None] = []
        for name, given in clips:
            try:
                found = self._find(name, given)
                if found is not None:
                    _check_alone(found, users.setdefault(found.path, found))
            except _Unclear as unclear:
                problems.append(str(unclear))
                found = None
            paths.append(found.path if found else None)
        if problems:
            more = len(problems) - MAX_SHOWN
            shown = "; ".join(problems[:MAX_SHOWN]) + (f"; and {more} more" if more > 0 else "")
            raise InvalidRatings(
                f"The audio in {self.root} does not fit the table: {shown}. Nothing was made. "
                "Give paths in the table that count from the folder, or another --audio folder."
            )
        return paths

    def has_any(self, clips: Sequence[tuple[str, str | None]]) -> bool:
        """Whether any clip has a file here, be it clear which or not."""
        for name, given in clips:
            try:
                if self._find(name, given) is not None:
                    return True
            except _Unclear:
                continue
        return False

    def _find(self, name: str, given: str | None) -> _Found | None:
        """The file of a clip: by the table's path, by its file name, by the clip's name."""
        for asked in dict.fromkeys(filter(None, (given, name))):
            path = PurePosixPath(_key(asked.replace("\\", "/")))
            within = _within(path)
            if within is None and asked == given:
                raise _Unclear(f"the path {asked!r} of clip {name!r} leaves the folder")
            by_path = [] if within is None else self._at(within)
            files = by_path or self._named(path.name)
            if len(files) > 1:
                raise _Unclear(f"clip {name!r} may be {files[0]} or {files[1]}")
            if files:
                if not self.is_inside(files[0]):
                    raise _Unclear(f"{files[0]} of clip {name!r} is a link that leaves the folder")
                return _Found(name=name, path=files[0], by_path=bool(by_path))
        return None

    def _at(self, path: str) -> list[str]:
        """Files at a path of the table, with its suffix or else with another."""
        listed = self._by_path.get(path) or self._by_path.get(_bare(path), [])
        return listed or ([path] if (self.root / path).is_file() else [])

    def _named(self, name: str) -> list[str]:
        """Files of a name, with its suffix or else with another, wherever they lie."""
        return self._by_name.get(name) or self._by_name.get(_bare(name), [])

    def is_inside(self, path: str) -> bool:
        """Whether a file, links followed, lies in the folder."""
        return (self.root / path).resolve().is_relative_to(self.root)

    def read(
        self, paths: Sequence[str], on_file: Callable[[int, int], None] = lambda *_: None
    ) -> dict[str, AudioFile]:
        """Checksum and header of each file; several are read at once.

        Args:
            paths: relative to the folder; each is read once.
            on_file: called with files done and files in all.
        """
        wanted = list(dict.fromkeys(paths))
        done: dict[str, AudioFile] = {}
        with ThreadPoolExecutor(READERS) as pool:
            for path, file in zip(wanted, pool.map(self._look, wanted), strict=True):
                done[path] = file
                on_file(len(done), len(wanted))
        return done

    def _look(self, path: str) -> AudioFile:
        try:
            data = (self.root / path).read_bytes()
        except OSError as error:
            return AudioFile(sha256="", problem=error.strerror or "cannot be read")
        return AudioFile(sha256=hashlib.sha256(data).hexdigest(), header=read_header(data))


def _key(path: str) -> str:
    """One spelling per path: macOS writes decomposed letters, tables do not."""
    return unicodedata.normalize("NFC", path)


def _bare(path: str) -> str:
    """``b.wav`` is ``b``; ``take.2`` has no suffix that is meant as one."""
    pure = PurePosixPath(path)
    return str(pure.with_suffix("")) if pure.suffix.lower() in AUDIO_SUFFIXES else path


def _within(path: PurePosixPath) -> str | None:
    """The path without ``.`` and ``..``; None where it climbs out.

    An absolute path is of another machine: its file name is all that counts.
    """
    if path.is_absolute():
        return path.name
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and not parts:
            return None
        parts = parts[:-1] if part == ".." else [*parts, part]
    return str(PurePosixPath(*parts)) if parts else None


def _check_alone(found: _Found, first: _Found) -> None:
    """Two clips may share a file where the table's paths say so, and not by a guess."""
    if found.name != first.name and not (found.by_path and first.by_path):
        raise _Unclear(f"clips {first.name!r} and {found.name!r} both fit {found.path}")
