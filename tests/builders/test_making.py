"""Rows whose sounds are stored together: the same rows, and the fate of each record its own."""

import numpy as np
import pytest

from mosdata import audio
from mosdata.audio import Clip
from mosdata.builders import making
from mosdata.builders.corrupt import CorruptConfig, CorruptStage
from mosdata.builders.making import Maker
from mosdata.builders.plan import read_plan, read_records, write_plan
from mosdata.builders.strikes import WORKER_CRASH, load_strikes, open_marker, strike
from mosdata.manifests.rows import with_sounds
from mosdata.manifests.store import open_dataset
from mosdata.testing import utterance, write_dataset

KINDS = ("white_noise", "low_pass")
SILENT = 1


@pytest.fixture
def stage(tmp_path):
    """Five clips, each to be harmed in two ways at two levels; one of them is silent."""
    rows = [utterance(i) for i in range(5)]
    rows[SILENT] = utterance(SILENT, Clip(np.zeros(8000, np.float32), 16_000))
    source = write_dataset(tmp_path / "source", {"train": rows})
    config = CorruptConfig(levels=(0.5, 0.6), kinds=KINDS, per_clip=0, keep_sources=False)
    return CorruptStage(source, config)


@pytest.fixture
def stored(monkeypatch):
    """How many sounds were stored together, each time."""
    sizes = []

    def counted(rows):
        sizes.append(len(rows))
        return with_sounds(rows)

    monkeypatch.setattr(making, "with_sounds", counted)
    return sizes


@pytest.fixture
def unencodable(monkeypatch):
    """An encoder that fails for sounds that hold a given sample value, and for no other."""

    def fails_at(value):
        def encode(pcm, sample_rate_hz, inner=audio._flac):
            if value in pcm:
                raise OSError(f"cannot encode {value}")
            return inner(pcm, sample_rate_hz)

        monkeypatch.setattr(audio, "_flac", encode)

    return fails_at


class Limit:
    """Writes down which record began."""

    def __init__(self):
        self.begun = []

    def begin(self, record_id, num_done):
        """A record begins."""
        self.begun.append((record_id, num_done))


class Sounds:
    """A bench: one sound a record, whose samples are the number in its name."""

    def __init__(self):
        self.row = utterance()

    def make(self, record):
        """A row to be stored."""
        samples = np.full(100, int(record.id) / 32768, np.float32)
        return [self.row.to_store(Clip(samples, 16_000), id=record.id)]


@pytest.fixture
def numbered(tmp_path, stage, monkeypatch):
    """A run folder, its one shard of 20 records, and records named by numbers from 100 on."""
    write_plan(tmp_path, stage, records_per_shard=64)
    shard = read_plan(tmp_path).shards[0]
    (record, *_) = read_records(tmp_path, 0)
    records = [
        type(record)(id=str(100 + i), split=record.split, group=record.group, payload={})
        for i in range(20)
    ]
    monkeypatch.setattr(making, "read_records", lambda *_: records)
    return tmp_path, shard


@pytest.mark.parametrize(
    ("together", "samples_together"), [(1, 800_000), (3, 800_000), (100, 800_000), (100, 1)]
)
def test_how_many_are_stored_together_changes_nothing(
    tmp_path, stage, run, checksums, monkeypatch, stored, together, samples_together
):
    """Every file of the dataset, and the quarantine in it."""
    run(stage, tmp_path / "usual", records_per_shard=64)
    monkeypatch.setattr(making, "TOGETHER", together)
    monkeypatch.setattr(making, "SAMPLES_TOGETHER", samples_together)
    del stored[:]

    run(stage, tmp_path / "other", records_per_shard=64)

    assert checksums(tmp_path / "usual") == checksums(tmp_path / "other")
    assert max(stored) == (1 if 1 in (together, samples_together) else min(together, 16))


def test_a_sound_that_cannot_be_stored_costs_its_own_record_only(numbered, unencodable):
    """The others of its lot are stored, in their order."""
    maker = Maker(*numbered, Sounds(), Limit())
    unencodable(111)

    rows = list(maker.rows())

    wanted = [str(i) for i in range(100, 120) if i != 111]
    assert [row.id for row in rows] == wanted
    (rejection,) = maker.rejections
    assert (rejection.record_id, rejection.reason) == ("111", "error:OSError")
    assert "cannot encode 111" in rejection.message


def test_rejections_come_in_the_order_of_the_records(numbered, unencodable):
    """One that is found when sounds are stored, after one of a later record of the same lot."""
    bench = Sounds()
    unencodable(104)

    class Fails:
        def make(self, record):
            if record.id == "106":
                raise ValueError(record.id)
            return bench.make(record)

    maker = Maker(*numbered, Fails(), Limit())
    list(maker.rows())

    assert [rejection.record_id for rejection in maker.rejections] == ["104", "106"]


def test_a_full_disk_is_nobodys_own_fate(numbered, monkeypatch):
    """The run ends, and says so."""

    def full(*_):
        raise OSError(making.FULL_DISK[0], "No space left on device")

    maker = Maker(*numbered, Sounds(), Limit())
    monkeypatch.setattr(audio, "_flac", full)

    with pytest.raises(OSError, match="No space left"):
        list(maker.rows())


def test_where_a_worker_died_the_marker_names_whose_sound_is_stored(numbered, stored):
    """One by one; and the record that was struck is acquitted once its sound is stored."""
    run_folder, shard = numbered
    with open_marker(run_folder, shard) as marker:
        marker.point_at("107", 7)
        assert strike(run_folder, shard) == "107"
    limit, seen = Limit(), []
    maker = Maker(run_folder, shard, Sounds(), limit)

    for row in maker.rows():
        seen.append((row.id, limit.begun[-1][0]))
        if len(seen) == 7:
            assert load_strikes(run_folder, shard) == {"107": [WORKER_CRASH]}

    assert seen == [(str(i), str(i)) for i in range(100, 120)]
    assert {*stored} <= {0, 1}
    assert load_strikes(run_folder, shard) == {"107": [WORKER_CRASH, "made"]}


def test_long_sounds_do_not_wait_for_others(tmp_path, stage, stored, monkeypatch, run):
    """Memory is that of a second or two of sound, however long the clips are."""
    monkeypatch.setattr(making, "SAMPLES_TOGETHER", 10_000)

    run(stage, tmp_path / "out", records_per_shard=64)

    assert max(stored) == 2  # of 8,000 samples each


def test_the_quarantine_is_that_of_the_records(tmp_path, stage, run):
    """Four copies of the silent clip, with their reason."""
    outcome = run(stage, tmp_path / "out", records_per_shard=64)

    assert [row["reason"] for row in open_dataset(outcome.folder).quarantined()] == ["silence"] * 4
