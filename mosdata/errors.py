"""Everything that can go wrong, in words for the person at the keyboard.

::

    MosdataError                exit code 1
    ├── UsageError              exit code 2: what was given cannot be used as it is
    │   ├── UnknownName         no such system, corruption, metric, model, ...
    │   ├── InvalidValue        a number or a string outside what is allowed
    │   ├── InvalidTranscripts  the transcripts file cannot be read as texts
    │   ├── InvalidPrompts      a recording of a voice to clone cannot be used
    │   ├── InvalidRatings      the ratings file does not fit the dataset
    │   ├── MissingExtra        a package is not installed; names the extra that brings it
    │   ├── OutputConflict      the output folder holds something else
    │   ├── NotEnoughSpace      the disk is too small for the result
    │   └── NothingFound        no dataset or checkpoint where one was expected
    ├── DamagedDataset          files on disk do not match their checksums or schema
    ├── StoreTrouble            an object store refuses us, or says nothing
    ├── BuildFailed             too many records were rejected, or workers cannot start
    └── RecordRejected          one record cannot be made; becomes a quarantine row

Every message says what was given, what is allowed, and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches


class MosdataError(Exception):
    """Base of all errors whose message is meant for the user."""

    exit_code = 1

    def __reduce__(self) -> tuple[Callable[..., MosdataError], tuple[object, ...]]:
        """Travel between processes as what it says, whatever its constructor takes."""
        return _revive, (type(self), self.args, self.__dict__)


class UsageError(MosdataError):
    """What was given cannot be used as it is."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that is in none of our tables; the nearest one is offered.

    Example:
        >>> print(UnknownName("corruption", "white-noise", ["white_noise", "mp3"]))
        No corruption is called 'white-noise'. Did you mean 'white_noise'? Known: mp3, white_noise.
    """

    def __init__(self, kind: str, given: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = get_close_matches(given.lower(), names, n=1, cutoff=0.4)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        known_ones = f"Known: {', '.join(names)}." if names else "There is none."
        super().__init__(f"No {kind} is called {given!r}.{hint} {known_ones}")


class InvalidValue(UsageError):
    """A value outside what is allowed."""

    def __init__(self, what: str, given: object, allowed: str, do: str = "") -> None:
        super().__init__(f"{what} is {given!r}; allowed: {allowed}.{' ' + do if do else ''}")


class InvalidTranscripts(UsageError):
    """The transcripts file cannot be read as one text per line."""


class InvalidPrompts(UsageError):
    """A manifest of voices to clone, or a recording that it names, cannot be used."""


class InvalidRatings(UsageError):
    """The ratings file does not fit the dataset it should label."""


class MissingExtra(UsageError):
    """A package is not installed; the message names the extra that brings it."""

    def __init__(self, what: str, missing: Iterable[str], extra: str) -> None:
        names = ", ".join(missing)
        super().__init__(f"{what} needs {names}: pip install 'mosdata[{extra}]'")


class OutputConflict(UsageError):
    """The output folder holds something else; nothing in it was touched."""


class NotEnoughSpace(UsageError):
    """The disk is too small for what was asked."""


class NothingFound(UsageError):
    """No dataset or checkpoint where one was expected."""


class DamagedDataset(MosdataError):
    """Files on disk do not match their checksums or schema."""


class BuildFailed(MosdataError):
    """The run as a whole cannot go on."""


class StoreTrouble(MosdataError):
    """An object store refuses us, or says nothing; no fault of any record."""


class RecordRejected(MosdataError):
    """One record cannot be made; the run goes on and the record goes to the quarantine.

    Args:
        reason: a short stable code, such as ``"empty_text"``, that summaries count by.
        message: what was given, what is allowed, what to do.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def _revive(
    kind: type[MosdataError], args: tuple[object, ...], state: dict[str, object]
) -> MosdataError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error
