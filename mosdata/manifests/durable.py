"""Files that are whole or absent: write beside, sync, then rename or link into place.

An object store writes whole by itself; the first writer wins there through a conditional put.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from mosdata.errors import InvalidValue
from mosdata.manifests.ids import JSON
from mosdata.manifests.places import filesystem_of, is_remote, key_of


def sync_file(path: Path) -> None:
    """Push a finished file to the disk."""
    if is_remote(path):
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Push a folder's entries to the disk, so that a rename survives a power cut."""
    with contextlib.suppress(OSError):  # some filesystems do not sync folders
        sync_file(folder)


def beside(path: Path) -> Path:
    """A name next to ``path`` that no other writer uses."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.partial")


def write_text(path: Path, text: str) -> None:
    """Write a file as a whole, replacing what was there."""
    if is_remote(path):
        filesystem_of(path).pipe_file(key_of(path), text.encode())
        return
    with _written_beside(path, text) as partial:
        partial.replace(path)


def write_json(path: Path, value: JSON | object) -> None:
    """Write JSON for people and programs, as a whole."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def create_text(path: Path, text: str) -> bool:
    """Write a file only where there is none; the first writer wins.

    Returns:
        True where this call made the file, False where another writer was first.
    """
    if is_remote(path):
        return _put_first(path, text.encode())
    with _written_beside(path, text) as partial:
        try:
            os.link(partial, path)
        except FileExistsError:
            return False
    return True


def _put_first(path: Path, data: bytes) -> bool:
    """A put that fails where there is something already.

    Raises:
        InvalidValue: a store that cannot do that; two workers could overwrite one another there.
    """
    try:
        filesystem_of(path).pipe_file(key_of(path), data, mode="create")
    except FileExistsError:
        return False
    except (NotImplementedError, TypeError) as error:
        raise InvalidValue(
            "The folder", path, "a local folder, or a store with conditional writes, such as S3"
        ) from error
    return True


@contextlib.contextmanager
def _written_beside(path: Path, text: str) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = beside(path)
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield partial
    finally:
        partial.unlink(missing_ok=True)
        sync_folder(path.parent)


def sha256_file(path: Path) -> str:
    """Checksum of a file, read once, in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
