"""Folders on this machine and on object stores, under one name.

A place is a :class:`pathlib.Path`, or something that behaves like one over ``fsspec``: ``s3://``,
``gs://``, ``memory://`` and whatever else has a filesystem there. Object stores cannot rename, link
or lock; what they do have is whole writes and, in the good ones, a write that fails where there is
something already. :mod:`mosdata.manifests.durable` builds the same promises on either.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final, cast

import pyarrow as pa
import pyarrow.parquet as pq

from mosdata.errors import InvalidValue, MissingExtra, OutputConflict, StoreTrouble

LOCAL_SCHEMES: Final = ("file", "local")
S3_SCHEMES: Final = ("s3", "s3a")
LISTED_ANEW: Final = (*S3_SCHEMES, "gs", "gcs", "abfs", "az")
"""Stores whose packages remember listings; others write there, so that we ask each time."""

S3_PATIENCE: Final = {"connect_timeout": 5, "read_timeout": 6, "retries": {"max_attempts": 0}}
S3_TRIES: Final = 2
"""Silence is asked twice, 12 s in all: longer than any store takes, and no hang."""

AT_ONCE: Final = 16
"""Requests under way together, where each is small and there are many."""

NO_CREDENTIALS: Final = ("NoCredentialsError", "PartialCredentialsError", "ProfileNotFound")


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
    try:
        opened: Any = cast("Any", UPath)(text, **_options(scheme))
        filesystem: Any = opened.fs  # the package is imported here, or not at all
    except ImportError as error:
        if scheme in S3_SCHEMES:
            raise MissingExtra(f"An address such as {text}", ["s3fs"], "s3") from error
        raise InvalidValue(
            "An address", text, f"a path, or an address that fsspec can open ({error})"
        ) from error
    except ValueError as error:
        raise InvalidValue(
            "An address", text, f"a path, or an address that fsspec can open ({error})"
        ) from error
    if scheme in S3_SCHEMES:
        filesystem.retries = S3_TRIES
    return cast("Path", opened)


def _options(scheme: str) -> dict[str, Any]:
    listed = {"use_listings_cache": False} if scheme in LISTED_ANEW else {}
    return {**listed, "config_kwargs": S3_PATIENCE} if scheme in S3_SCHEMES else listed


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


def make_folder(folder: Path) -> None:
    """A folder, unless it is there; an object store has none, and needs none."""
    if not is_remote(folder):
        folder.mkdir(parents=True, exist_ok=True)


def remove_tree(folder: Path) -> None:
    """A folder and all that is in it; nothing where there is none."""
    if not is_remote(folder):
        shutil.rmtree(folder, ignore_errors=True)
    else:
        with contextlib.suppress(FileNotFoundError):
            filesystem_of(folder).rm(key_of(folder), recursive=True)


def parquet_file(path: Path) -> pq.ParquetFile:
    """A Parquet file opened for reading, wherever it lies.

    From an object store come the bytes of what is asked for, in few requests, and nothing ahead.
    """
    if not is_remote(path):
        return pq.ParquetFile(path)
    opened = cast("BinaryIO", cast("Any", path).open("rb", cache_type="none"))
    return pq.ParquetFile(opened, pre_buffer=True)


def write_parquet(table: pa.Table, path: Path, **options: Any) -> None:
    """A small table as one Parquet file, wherever it goes."""
    if not is_remote(path):
        pq.write_table(table, path, **options)
        return
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    filesystem_of(path).pipe_file(key_of(path), sink.getvalue())


def file_exists(path: Path) -> bool:
    """Whether there is a file; unlike ``is_file``, an error of the store is no "no"."""
    if not is_remote(path):
        return path.is_file()
    try:
        return bool(filesystem_of(path).info(key_of(path))["type"] == "file")
    except FileNotFoundError as error:
        if bucket_is_missing(error):
            raise
        return False


def bucket_is_missing(error: FileNotFoundError) -> bool:
    """Whether not the file alone is missing, but all around it."""
    return "bucket does not exist" in str(error) or "NoSuchBucket" in str(error)


def names_in(folder: Path) -> set[str]:
    """Files and folders directly in a remote folder; none where there is no such folder."""
    try:
        listed = filesystem_of(folder).ls(key_of(folder), detail=False)
    except FileNotFoundError as error:
        if bucket_is_missing(error):
            raise
        return set()
    return {PurePosixPath(name).name for name in listed}


def sizes(folder: Path) -> dict[str, int]:
    """Name and bytes of each file directly in a remote folder, by listing it once."""
    filesystem = filesystem_of(folder)
    try:
        listed = filesystem.ls(key_of(folder), detail=True)
    except FileNotFoundError:
        return {}
    return {
        PurePosixPath(entry["name"]).name: int(entry["size"])
        for entry in listed
        if entry["type"] == "file"
    }


def read_all(folder: Path, lengths: Mapping[str, int]) -> dict[str, bytes]:
    """Contents of many small files of a remote folder, fetched together.

    Args:
        folder: where they are.
        lengths: their names, with their sizes as :func:`sizes` gives them; a file that is gone
            in the meantime is left out.
    """
    names = list(lengths)
    if not names:
        return {}
    paths = [key_of(folder / name) for name in names]
    ends = [lengths[name] for name in names]
    found = filesystem_of(folder).cat_ranges(paths, [0] * len(names), ends, on_error="return")
    for value in found:
        if isinstance(value, BaseException) and not isinstance(value, FileNotFoundError):
            raise value
    return {
        name: bytes(value)
        for name, value in zip(names, found, strict=True)
        if not isinstance(value, BaseException)
    }


def each_at_once(function: Callable[..., object], calls: Iterable[tuple[Any, ...]]) -> None:
    """Call a function for each tuple, several at a time; the first error is raised."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(lambda call: function(*call), calls):
            pass


def stamp_of(path: Path) -> tuple[object, ...]:
    """What tells a file from another that was or will be under the same name.

    Raises:
        FileNotFoundError: there is none.
    """
    if not is_remote(path):
        found = path.stat()
        return found.st_ino, found.st_mtime_ns
    info = filesystem_of(path).info(key_of(path))
    return tuple(str(info.get(name)) for name in ("ETag", "etag", "LastModified", "created"))


def scratch_of(place: Path) -> Path:
    """A folder of this user on this machine, for what belongs to a remote folder while it lasts.

    Processes of one machine find one another there.

    Raises:
        OutputConflict: somebody else made a folder of that name.
    """
    root = Path(tempfile.gettempdir()) / f"mosdata-{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    if root.is_symlink() or root.stat().st_uid != os.getuid():
        raise OutputConflict(f"{root} is somebody else's; set TMPDIR to a folder of your own.")
    folder = root / hashlib.blake2b(str(place).encode(), digest_size=10).hexdigest()
    folder.mkdir(exist_ok=True)
    return folder


@contextlib.contextmanager
def reaching(place: Path) -> Iterator[None]:
    """Around work with a place: what an object store answers, in one clear message.

    Local places, and errors about local files, pass unchanged.

    Raises:
        StoreTrouble: refused, unknown bucket, or no answer.
    """
    if not is_remote(place):
        yield
        return
    try:
        yield
    except Exception as error:
        says = _trouble(error)
        if says is None:
            raise
        raise StoreTrouble(f"{place}: {says}") from error


def _trouble(error: Exception) -> str | None:
    """What an error of a store means; None where it is not one."""
    kind = type(error)
    if any(base.__name__ in NO_CREDENTIALS for base in kind.__mro__):
        return (
            "the store wants credentials and none were found. Give them as the store's own tools "
            "take them: environment variables, or a profile."
        )
    if isinstance(error, PermissionError) and error.filename is None:
        return f"the store refuses us ({error}). Check the credentials and what they may do."
    if isinstance(error, FileNotFoundError) and bucket_is_missing(error):
        return f"there is no such bucket ({error}). Make it first, or correct the address."
    silent = isinstance(error, TimeoutError | ConnectionError) or any(
        base.__name__ in ("HTTPClientError", "BotoConnectionError", "ConnectionError")
        for base in kind.__mro__
    )
    if silent:
        return (
            f"the store does not answer ({str(error) or kind.__name__}). What is finished is safe: "
            "run the same command again when it does."
        )
    if (
        isinstance(error, OSError)
        and error.filename is None
        and not isinstance(error, FileNotFoundError | FileExistsError)
        and kind.__module__ == "builtins"
        and error.__cause__ is not None
    ):
        return f"the store says: {error}"
    return None


def stays_inside(folder: Path, name: str) -> bool:
    """True where a relative name stays in its folder, whatever links or dots are on its way."""
    if is_remote(folder):  # no links there: the name alone decides
        pure = PurePosixPath(name)
        return not pure.is_absolute() and ".." not in pure.parts and "://" not in name
    root = folder.resolve()
    return (root / name).resolve().is_relative_to(root)
