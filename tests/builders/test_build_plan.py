"""A plan is walked once, written as it passes, and read one shard at a time."""

import json

import pytest

from mosdata.builders.plan import (
    PLAN_NAME,
    RECORDS_NAME,
    draft_plan,
    plan_id_of,
    read_plan,
    read_records,
    write_plan,
)
from mosdata.errors import DamagedDataset, UsageError


class Walked:
    """A stage that counts how often its records are walked."""

    def __init__(self, stage):
        self._stage = stage
        self.walks = 0

    def records(self):
        """Count, and pass on."""
        self.walks += 1
        return self._stage.records()

    def __getattr__(self, name):
        return getattr(self._stage, name)


def test_the_records_are_walked_once_a_run(tmp_path, speech_stage, run):
    """A fresh run, and the look at a finished one: one walk each."""
    fresh, again = Walked(speech_stage()), Walked(speech_stage())

    run(fresh, tmp_path / "out")
    outcome = run(again, tmp_path / "out")

    assert outcome.was_complete
    assert (fresh.walks, again.walks) == (1, 1)


def test_a_draft_needs_no_second_walk(tmp_path, speech_stage, run, checksums):
    """A name that is needed before the folder is known costs nothing more, and changes nothing."""
    stage = Walked(speech_stage())
    with draft_plan(stage, records_per_shard=2) as draft:
        drafted = run(stage, tmp_path / "drafted", draft=draft)
    direct = run(speech_stage(), tmp_path / "direct")

    assert stage.walks == 1
    assert drafted.plan_id == draft.plan.plan_id == plan_id_of(speech_stage())
    assert checksums(direct.folder) == checksums(drafted.folder)


def test_a_draft_is_the_written_plan(tmp_path, speech_stage, checksums):
    """To the byte; and a draft that is not placed leaves nothing."""
    written = write_plan(tmp_path / "written", speech_stage(), records_per_shard=4)
    with draft_plan(speech_stage(), records_per_shard=4, folder=tmp_path) as draft:
        placed = draft.place(tmp_path / "placed")
    with draft_plan(speech_stage(), records_per_shard=4, folder=tmp_path):
        pass

    assert written == placed == read_plan(tmp_path / "placed")
    assert checksums(tmp_path / "written") == checksums(tmp_path / "placed")
    assert {path.name for path in tmp_path.iterdir()} == {"written", "placed"}
    assert {path.name for path in (tmp_path / "placed").iterdir()} == {PLAN_NAME, RECORDS_NAME}


def test_every_shard_gives_its_own_records(tmp_path, speech_stage):
    """In any order, each as it was planned."""
    stage = speech_stage(voices=2)
    plan = write_plan(tmp_path, stage, records_per_shard=5)

    found = {shard.index: read_records(tmp_path, shard.index) for shard in reversed(plan.shards)}

    assert [record for index in sorted(found) for record in found[index]] == [*stage.records()]
    for shard in plan.shards:
        assert {(shard.split, shard.group)} == {(r.split, r.group) for r in found[shard.index]}


def test_an_empty_plan_leaves_nothing(tmp_path, speech_stage):
    """Refused, and no file is left behind."""
    with pytest.raises(UsageError, match="nothing to make"):
        write_plan(tmp_path / "run", speech_stage(texts=()), records_per_shard=4)

    assert not list((tmp_path / "run").iterdir())


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"shards": []}'])
def test_what_is_no_plan_is_named(tmp_path, text):
    """A file that is not ours is damage, in words."""
    (tmp_path / PLAN_NAME).write_text(text)

    with pytest.raises(DamagedDataset, match="cannot be read as a plan"):
        read_plan(tmp_path)


def test_a_plan_of_another_version_is_refused(tmp_path, speech_stage):
    """It says what to do with the folder."""
    write_plan(tmp_path, speech_stage(), records_per_shard=4)
    values = json.loads((tmp_path / PLAN_NAME).read_text())
    (tmp_path / PLAN_NAME).write_text(json.dumps({**values, "layout_version": 1}))

    with pytest.raises(DamagedDataset, match=r"another version of mosdata.*remove"):
        read_plan(tmp_path)
