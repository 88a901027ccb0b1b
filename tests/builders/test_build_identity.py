"""The same dataset, byte for byte, however it is made."""

import os
import random
import subprocess
import sys

import pytest

from mosdata.builders import finish
from mosdata.builders.plan import plan_id_of, read_plan, read_records, write_plan
from mosdata.builders.verify import verify_content, verify_files
from mosdata.errors import InvalidValue, UnknownName, UsageError
from mosdata.manifests.store import open_dataset


@pytest.fixture(scope="module")
def by_serial(tmp_path_factory, speech_stage, run):
    """The dataset that every other way of making it must equal."""
    out = tmp_path_factory.mktemp("serial") / "out"
    run(speech_stage(voices=2), out)
    return open_dataset(out)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_processes_make_the_same_files(tmp_path, speech_stage, run, checksums, by_serial, workers):
    """Any number of worker processes gives the files of one process, to the byte."""
    outcome = run(speech_stage(voices=2), tmp_path / "out", executor="process", workers=workers)

    assert by_serial.dataset_id == outcome.dataset.dataset_id
    assert by_serial.content_id == outcome.dataset.content_id
    assert checksums(by_serial.folder) == checksums(outcome.folder)


def test_the_order_of_shards_does_not_matter(
    tmp_path, speech_stage, run, checksums, by_serial, monkeypatch
):
    """Shards made in any order fall into the same places."""

    def shuffled(folder, plan, todo, execution, *, needs_gpu):
        order = random.Random(3).sample(todo, len(todo))
        assert order != todo
        return execute(folder, plan, order, execution, needs_gpu=needs_gpu)

    execute = finish.execute
    monkeypatch.setattr(finish, "execute", shuffled)
    outcome = run(speech_stage(voices=2), tmp_path / "out")

    assert checksums(by_serial.folder) == checksums(outcome.folder)


@pytest.mark.parametrize("records_per_shard", [1, 3, 1000])
def test_how_the_plan_is_cut_does_not_change_the_content(
    tmp_path, speech_stage, run, by_serial, records_per_shard
):
    """Shards of any size hold the same clips under the same plan."""
    outcome = run(speech_stage(voices=2), tmp_path / "out", records_per_shard=records_per_shard)

    assert by_serial.content_id == outcome.dataset.content_id
    assert by_serial.manifest["plan_id"] == outcome.plan_id
    verify_content(outcome.dataset)


def test_what_was_built_passes_verify(by_serial):
    """Checksums, counts and the content digest are those of the rows."""
    verify_content(by_serial)

    num_checks = len(by_serial.manifest["checks"]["files"])
    assert len(by_serial.files) + num_checks == verify_files(by_serial)


def test_the_same_command_in_another_process_gives_the_same_ids(tmp_path, sentences, built):
    """Nothing of this process, of its hash seed or of its folder goes into an id."""
    (tmp_path / "texts.txt").write_text("\n".join(sentences) + "\n")
    command = [sys.executable, "-m", "mosdata", "build", "-t", "texts.txt", "--systems", "tone"]
    command += ["--voices", "2", "--split", "2:1:1", "--executor", "serial", "--out", "there"]
    subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONHASHSEED": "7"},
        check=True,
        capture_output=True,
    )

    assert open_dataset(built).content_id == open_dataset(tmp_path / "there").content_id


def test_the_plan_is_pure(tmp_path, speech_stage):
    """Planning twice gives the same plan, written or not, whatever its shards."""
    ids = [plan_id_of(speech_stage()) for _ in range(2)]
    written = [
        write_plan(tmp_path / str(n), speech_stage(), records_per_shard=n) for n in (1, 2, 50)
    ]

    assert {*ids} == {plan.plan_id for plan in written}
    assert written[0] == read_plan(tmp_path / "1")


def test_the_records_of_a_written_plan_are_those_of_the_stage(tmp_path, speech_stage):
    """Every record, once, in order; shards of one split and system each."""
    stage = speech_stage(voices=3)
    plan = write_plan(tmp_path, stage, records_per_shard=4)

    shards = [read_records(tmp_path, shard.index) for shard in plan.shards]

    assert list(stage.records()) == [record for records in shards for record in records]
    assert all(
        (shard.split, shard.group) == (record.split, record.group)
        for shard, records in zip(plan.shards, shards, strict=True)
        for record in records
    )
    assert [len(records) for records in shards] == [shard.num_records for shard in plan.shards]


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"texts": ("Another text.",)},
        {"systems": ("tone", "espeak-formant")},
        {"voices": 2},
        {"takes": 2},
        {"sample_rate_hz": 24_000},
        {"language": "de"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_question_is_another_plan(speech_stage, change):
    """Seed, texts, systems, voices, takes, rate and language all have their say."""
    if "espeak-formant" in change.get("systems", ()):
        pytest.importorskip("espeakng_loader")

    assert plan_id_of(speech_stage()) != plan_id_of(speech_stage(**change))


def test_another_seed_gives_other_sounds_and_the_same_texts(tmp_path, speech_stage, run):
    """The seed is in the sound, not only in the name."""
    datasets = [
        run(speech_stage(seed=seed), tmp_path / str(seed)).dataset.table(["text", "pcm_sha256"])
        for seed in (0, 1)
    ]

    assert datasets[0]["text"] == datasets[1]["text"]
    assert not {*datasets[0]["pcm_sha256"].to_pylist()} & {*datasets[1]["pcm_sha256"].to_pylist()}


def test_voices_and_takes_are_different_clips_of_one_sentence_group(built):
    """Every clip of a text is in one split, and no two sound alike."""
    rows = open_dataset(built).table(["sentence", "text", "speaker", "pcm_sha256"]).to_pylist()

    splits = {}
    for row in rows:
        splits.setdefault(row["sentence"], set()).add(row["split"])
    assert all(len(names) == 1 for names in splits.values())
    assert len({row["pcm_sha256"] for row in rows}) == len(rows)


def test_a_row_says_what_it_is(built):
    """Counts and rate fit the audio, the class fits the system, no mean opinion is invented."""
    for row in open_dataset(built).utterances():
        sound = row.clip()
        assert (sound.sample_rate_hz, sound.num_samples) == (row.sample_rate_hz, row.num_samples)
        assert row.duration_s == sound.duration_s
        assert (row.synthesizer, row.system, row.mos, row.parent_id) == ("tone", "tone", None, None)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"seed": -1}, InvalidValue),
        ({"takes": 0}, InvalidValue),
        ({"voices": -1}, InvalidValue),
        ({"sample_rate_hz": 11_025}, InvalidValue),
        ({"systems": ("tune",)}, UnknownName),
        ({"texts": ()}, UsageError),
    ],
    ids=str,
)
def test_what_cannot_be_planned_is_refused(tmp_path, speech_stage, run, change, error):
    """Before anything is made, with the folder untouched."""
    with pytest.raises(error):
        run(speech_stage(**change), tmp_path / "out")

    assert not (tmp_path / "out").exists()
