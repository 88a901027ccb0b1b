"""Records of a shard become rows, each of them or a rejection that says why not."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from mosdata.builders.plan import Shard, read_records
from mosdata.builders.receipts import Rejection
from mosdata.builders.stage import Bench, Made, Record
from mosdata.builders.strikes import SelfStop, acquit, is_put_aside, load_strikes, told_off
from mosdata.errors import RecordRejected, StoreTrouble, UsageError
from mosdata.manifests.ids import canonical_json
from mosdata.manifests.rows import Rating, Unstored, Utterance, with_sounds

FULL_DISK: Final = (errno.ENOSPC, errno.EDQUOT)

TOGETHER: Final = 8
"""Rows whose sounds are stored together."""

SAMPLES_TOGETHER: Final = 800_000
"""Where so many samples wait, they are stored: they stay near the processor."""


class _Waiting(NamedTuple):
    """What was made of a record, and the record's place in the shard."""

    place: int
    record: Record
    made: Sequence[Made]

    @property
    def num_samples(self) -> int:
        """Of sounds that are not stored yet."""
        return sum(len(row.sound.pcm) for row in self.made if isinstance(row, Unstored))


class Maker:
    """Makes the rows of one shard, in order, and keeps account of what it could not make.

    Args:
        run: the run folder.
        shard: of its plan.
        bench: makes the rows.
        limit: is told which record begins.
    """

    def __init__(self, run: Path, shard: Shard, bench: Bench, limit: SelfStop) -> None:
        self._run = run
        self._shard = shard
        self._bench = bench
        self._limit = limit
        self._strikes = load_strikes(run, shard)
        # A worker died here before: the marker has to name a record until all of it is done.
        self._together = 1 if self._strikes else TOGETHER
        self._rejections: dict[int, Rejection] = {}

    @property
    def rejections(self) -> tuple[Rejection, ...]:
        """Of all records that could not be made, in the order of the shard."""
        return tuple(rejection for _, rejection in sorted(self._rejections.items()))

    def rows(self) -> Iterator[Utterance | Rating]:
        """Rows of every record that can be made."""
        waiting: list[_Waiting] = []
        num_done, num_samples = 0, 0
        for place, record in enumerate(read_records(self._run, self._shard.index)):
            if is_put_aside(reasons := self._strikes.get(record.id, ())):
                self._reject(place, record, *told_off(reasons))
                continue
            with self._rejecting(place, record):
                self._limit.begin(record.id, num_done)
                num_done += 1
                waiting.append(_Waiting(place, record, self._bench.make(record)))
                num_samples += waiting[-1].num_samples
            if len(waiting) >= self._together or num_samples >= SAMPLES_TOGETHER:
                yield from self._finished(waiting)
                waiting, num_samples = [], 0
        yield from self._finished(waiting)

    def _finished(self, waiting: Sequence[_Waiting]) -> Iterator[Utterance | Rating]:
        """The rows with their sounds stored, in the order in which they were made."""
        try:
            stored = iter(_stored([row for one in waiting for row in one.made]))
            rows = [list(islice(stored, len(one.made))) for one in waiting]
        except Exception:  # noqa: BLE001 - it is one record's fate, and here we learn whose
            rows = [self._stored_alone(one) for one in waiting]
        for one, own in zip(waiting, rows, strict=True):
            if one.record.id in self._strikes and one.place not in self._rejections:
                acquit(self._run, self._shard, one.record.id)
            yield from own

    def _stored_alone(self, one: _Waiting) -> list[Utterance | Rating]:
        rows: list[Utterance | Rating] = []
        with self._rejecting(one.place, one.record):
            rows += _stored(one.made)
        return rows

    @contextlib.contextmanager
    def _rejecting(self, place: int, record: Record) -> Iterator[None]:
        """Whatever goes wrong with one record is its own fate, unless the whole run is ill."""
        try:
            yield
        except RecordRejected as error:
            self._reject(place, record, error.reason, str(error))
        except (StoreTrouble, UsageError):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in FULL_DISK:
                raise
            name = type(error).__name__
            self._reject(place, record, f"error:{name}", f"{name}: {error}")

    def _reject(self, place: int, record: Record, reason: str, message: str) -> None:
        self._rejections[place] = Rejection(
            record_id=record.id,
            group=self._shard.group,
            split=self._shard.split,
            reason=reason,
            message=message,
            payload=canonical_json(record.payload),
        )


def _stored(made: Sequence[Made]) -> list[Utterance | Rating]:
    """Rows as they are kept; those that have no sound to store as they are."""
    sounds = iter(with_sounds([row for row in made if isinstance(row, Unstored)]))
    return [next(sounds) if isinstance(row, Unstored) else row for row in made]
