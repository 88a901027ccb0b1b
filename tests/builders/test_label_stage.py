"""Scores of metrics: stored as what they are, computed once, visible to every reader."""

import pyarrow.parquet as pq
import pytest

from mosdata.builders.executors import Execution
from mosdata.builders.label import LabelConfig, LabelStage
from mosdata.builders.run import run_ratings
from mosdata.builders.verify import verify_content, verify_files
from mosdata.errors import InvalidValue, UnknownName
from mosdata.manifests.rows import HUMAN
from mosdata.manifests.store import open_dataset


def label(folder, *metrics, executor="serial", **how):
    """Compute metrics for a dataset."""
    stage = LabelStage(open_dataset(folder), LabelConfig(metrics=metrics))
    execution = Execution(executor=executor, workers=1)
    return run_ratings(stage, folder, name=stage.name, execution=execution, **how)


@pytest.fixture(autouse=True)
def _users_metrics(users_modules, monkeypatch):
    monkeypatch.syspath_prepend(str(users_modules))


@pytest.fixture
def copy(tmp_path, corrupted):
    """A dataset of one's own: 12 sources and 48 copies."""
    import shutil

    return shutil.copytree(corrupted, tmp_path / "copy")


@pytest.mark.parametrize("executor", ["serial", "process"])
def test_scores_are_stored_as_the_metrics_own_kind(copy, executor):
    """Never as human; with the revision, without a rater."""
    outcome = label(copy, "users_metrics:loudness", executor=executor)

    ratings = list(open_dataset(copy).ratings())
    assert len(ratings) == outcome.num_rows == 60
    assert {(r.kind, r.dimension, r.rater, r.test) for r in ratings} == {
        ("loudness", "score", None, None)
    }
    assert all(rating.revision for rating in ratings)
    assert HUMAN not in {rating.kind for rating in ratings}
    assert {r.clip_id for r in ratings} == {row.id for row in open_dataset(copy).utterances()}


def test_the_second_time_nothing_is_computed_and_nothing_is_touched(copy):
    """The set is there: no file changes, not even its time."""
    label(copy, "users_metrics:loudness")
    root = copy.parent
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}

    again = label(copy, "users_metrics:loudness")

    after = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    assert before == after
    assert again.was_complete
    assert again.num_rows == 60


def test_the_manifest_and_the_card_name_the_set(copy):
    """Readers find it in the manifest, people and ``datasets`` in the card."""
    before = open_dataset(copy)
    label(copy, "users_metrics:loudness")

    after = open_dataset(copy)
    (entry,) = after.manifest["ratings"]
    assert entry["kinds"] == {"loudness": ["score"]}
    card = (copy / "README.md").read_text()
    assert "config_name: ratings" in card
    assert "computed by a metric, not by people" in card
    assert (before.dataset_id, before.content_id) == (after.dataset_id, after.content_id)
    assert verify_files(after) == verify_files(before) + len(entry["files"])
    verify_content(after)


def test_two_sets_stand_side_by_side(copy):
    """Another metric is another set; the first stays as it was."""
    label(copy, "users_metrics:loudness")
    (first,) = open_dataset(copy).manifest["ratings"]

    label(copy, "users_metrics:distance")

    sets = open_dataset(copy).manifest["ratings"]
    assert [first] == sets[:1]
    assert [entry["kinds"] for entry in sets] == [{"loudness": ["score"]}, {"distance": ["score"]}]


def test_a_comparing_metric_meets_each_copy_with_its_own_source(copy):
    """Copies are compared with their most distant ancestor, and only they are."""
    outcome = label(copy, "users_metrics:distance")

    rows = {row.id: row for row in open_dataset(copy).utterances()}
    scores = {rating.clip_id: rating.value for rating in open_dataset(copy).ratings()}
    assert outcome.num_rows == 48
    assert {*scores} == {row.id for row in rows.values() if row.parent_id is not None}
    for clip_id, value in scores.items():
        clip, source = rows[clip_id].clip(), rows[rows[clip_id].parent_id].clip()
        expected = float(((clip.samples - source.samples) ** 2).mean())
        assert value == pytest.approx(expected)


def test_clips_without_a_source_are_counted(copy):
    """The plan says how many clips a comparing metric passes over."""
    config = LabelConfig(metrics=("users_metrics:distance", "users_metrics:loudness"))
    stage = LabelStage(open_dataset(copy), config)

    assert stage.without_reference() == {"users_metrics:distance": 12}


def test_an_interrupted_run_goes_on(copy, monkeypatch):
    """Scores that have a receipt are not computed again."""
    from mosdata.builders import run as module

    monkeypatch.setattr(module, "RECORDS_PER_SHARD", 20)
    calls = []

    def stop(_now):
        calls.append(None)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        label(copy, "users_metrics:loudness", on_progress=stop)
    assert not open_dataset(copy).manifest["ratings"]

    outcome = label(copy, "users_metrics:loudness")

    assert (outcome.num_resumed, outcome.num_rows) == (2, 60)


def test_what_an_interrupted_commit_left_behind_is_replaced(copy):
    """A folder of scores that the manifest does not name makes way for the whole set."""
    stage = LabelStage(open_dataset(copy), LabelConfig(metrics=("users_metrics:loudness",)))
    stray = copy / "ratings" / stage.name / "part-00000-of-00009.parquet"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"half a file")

    label(copy, "users_metrics:loudness")

    assert not stray.exists()
    paths = list((copy / "ratings").rglob("*.parquet"))
    assert sum(pq.read_metadata(path).num_rows for path in paths) == 60


@pytest.mark.parametrize(
    ("metrics", "error"),
    [((), InvalidValue), (("dnsmoss",), UnknownName), (("dnsmos.p809",), UnknownName)],
)
def test_metrics_that_do_not_exist_are_refused(copy, metrics, error):
    """Before anything is computed."""
    with pytest.raises(error):
        label(copy, *metrics)

    assert not (copy / "ratings").exists()
