"""Folders on this machine and on object stores, under one name.

A place is a :class:`pathlib.Path`, or something that behaves like one over ``fsspec``: ``s3://``,
``gs://``, ``memory://`` and whatever else has a filesystem there. Object stores cannot rename, link
or lock; what they do have is whole writes and, in the good ones, a write that fails where there is
something already. :mod:`mosdata.manifests.durable` builds the same promises on either.
"""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final, cast

import pyarrow.parquet as pq

from mosdata.errors import InvalidValue, MissingExtra

LOCAL_SCHEMES: Final = ("file", "local")


def place_of(text: str | Path) -> Path:
    """The folder or file that a user names: a path, or the address of an object store.

    Args:
        text: ``out/build`` or ``s3://bucket/out/build``.

    Raises:
        MissingExtra: an address, and the package for addresses is not there.
        InvalidValue: an address of a kind that no installed package knows.

    Example:
        >>> place_of("out/build").name
        'build'
    """
    if not isinstance(text, str):
        return text  # a place already
    scheme, found, rest = text.partition("://")
    if not found:
        return Path(text)
    if scheme in LOCAL_SCHEMES:
        return Path(rest)
    try:
        from upath import UPath
    except ImportError as error:
        raise MissingExtra(f"An address such as {text}", ["universal-pathlib"], "s3") from error
    options = {"use_listings_cache": False} if scheme in ("s3", "s3a", "gs", "gcs", "abfs") else {}
    try:
        opened: Any = cast("Any", UPath)(text, **options)
        opened.fs  # noqa: B018 - the package behind the address is imported here or not at all

    except (ImportError, ValueError) as error:
        raise InvalidValue(
            "An address", text, f"a path, or an address that fsspec can open ({error})"
        ) from error
    return cast("Path", opened)


def is_remote(place: Path) -> bool:
    """True on an object store, where there is no renaming, linking and locking."""
    return not isinstance(place, Path)


def filesystem_of(place: Path) -> Any:
    """The fsspec filesystem of a remote place."""
    return cast("Any", place).fs


def key_of(place: Path) -> str:
    """The name of a remote place within its filesystem."""
    return str(cast("Any", place).path)


def copy(source: Path, target: Path) -> None:
    """A file under another name; on one object store its bytes do not travel through us."""
    if is_remote(source) and is_remote(target):
        filesystem_of(target).copy(key_of(source), key_of(target))
    elif is_remote(target):
        filesystem_of(target).put_file(str(source), key_of(target))
    elif is_remote(source):
        filesystem_of(source).get_file(key_of(source), str(target))
    else:
        shutil.copyfile(source, target)


def remove_tree(folder: Path) -> None:
    """A folder and all that is in it; nothing where there is none."""
    if not is_remote(folder):
        shutil.rmtree(folder, ignore_errors=True)
    elif filesystem_of(folder).exists(key_of(folder)):
        filesystem_of(folder).rm(key_of(folder), recursive=True)


def parquet_file(path: Path) -> pq.ParquetFile:
    """A Parquet file opened for reading, wherever it lies."""
    return pq.ParquetFile(_for_arrow(path))


def stays_inside(folder: Path, name: str) -> bool:
    """True where a relative name stays in its folder, whatever links or dots are on its way."""
    if is_remote(folder):  # no links there: the name alone decides
        pure = PurePosixPath(name)
        return not pure.is_absolute() and ".." not in pure.parts and "://" not in name
    root = folder.resolve()
    return (root / name).resolve().is_relative_to(root)


def _for_arrow(path: Path) -> Path | BinaryIO:
    return cast("BinaryIO", path.open("rb")) if is_remote(path) else path
