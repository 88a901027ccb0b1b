"""Whatever is damaged is found, named, and told together with all else that is wrong."""

import json
import shutil
from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mosdata.audio import pcm_sha256
from mosdata.builders import verify as module
from mosdata.builders.verify import open_to_verify, refuse_damaged, verify_dataset
from mosdata.builders.verify_rows import flac_header
from mosdata.errors import DamagedDataset, InvalidValue, NothingFound
from mosdata.manifests.rows import Applied
from mosdata.manifests.store import describe_file, open_dataset, write_manifest
from mosdata.testing import clip, human_ratings, utterance, write_dataset


@pytest.fixture
def dataset(tmp_path):
    """Two splits and scores of one clip."""
    rows = {"train": [utterance(i) for i in range(4)], "test": [utterance(9)]}
    scores = human_ratings(utterance(0).id, [3, 4])
    return write_dataset(tmp_path / "dataset", rows, scores)


def says(dataset, **how):
    """All problems of a dataset that is opened anew, as text."""
    return [
        str(problem) for problem in verify_dataset(open_to_verify(dataset.folder), **how).problems
    ]


def reseal(dataset, path, **changes):
    """Make the manifest agree with a file that was changed, so that only its rows are wrong."""
    rows = pq.read_metadata(path).num_rows
    data = [
        asdict(describe_file(dataset.folder, path, split=file.split, rows=rows))
        if dataset.folder / file.path == path
        else asdict(file)
        for file in dataset.files
    ]
    write_manifest(dataset.folder, {**dataset.manifest, "data": data, **changes})


def with_rows(tmp_path, rows, ratings=(), **manifest):
    """A dataset whose manifest was written for these very rows, whatever they say."""
    made = write_dataset(tmp_path / "made", {"train": rows}, ratings)
    if manifest:
        write_manifest(made.folder, {**made.manifest, **manifest})
    return open_dataset(made.folder)


def test_a_sound_dataset_has_no_problems(dataset):
    """Counts of what was looked at."""
    found = verify_dataset(dataset)

    assert (found.problems, found.notes) == ((), ())
    assert (found.num_files, found.num_rows, found.num_decoded, found.num_ratings) == (3, 5, 5, 2)
    refuse_damaged(dataset, found)


def test_what_commands_made_is_sound(corrupted):
    """A built and corrupted dataset, its parents included."""
    found = verify_dataset(open_dataset(corrupted))

    assert found.is_sound


# --- files ---


def test_a_flipped_byte_in_the_audio_names_the_clip(dataset):
    """The checksum of the file, the clip whose sound differs, and nothing of the others."""
    path = dataset.folder / dataset.files[0].path
    sound = next(dataset.utterances()).audio
    data = bytearray(path.read_bytes())
    data[data.index(sound) + len(sound) // 2] ^= 1
    path.write_bytes(data)

    problems = says(dataset)

    assert len(problems) == 2
    assert problems[0].endswith("does not match its checksum")
    assert utterance(0).id in problems[1]


def test_a_wrong_row_count(dataset):
    """The manifest says another number."""
    data = [{**entry, "rows": entry["rows"] + 1} for entry in dataset.manifest["data"]]
    write_manifest(dataset.folder, {**dataset.manifest, "data": data})

    assert [f"{entry['path']} does not have {entry['rows']} rows" for entry in data] == says(
        dataset
    )


def test_swapped_files(dataset):
    """Two files under each other's name: both are named."""
    one, two = (dataset.folder / file.path for file in dataset.files)
    one.rename(dataset.folder / "aside")
    two.rename(one)
    (dataset.folder / "aside").rename(two)

    problems = says(dataset)

    assert {file.path for file in dataset.files} == {problem.split()[0] for problem in problems}


def test_a_missing_file_is_told_with_all_else(dataset):
    """Clips and ratings at once; the rows that are gone change the content id."""
    (dataset.folder / dataset.files[1].path).unlink()
    dataset.rating_files[0].unlink()

    problems = says(dataset)

    assert f"{dataset.files[1].path} is missing" in problems
    assert "ratings/test/part-00000.parquet is missing" in problems
    assert any("has content id" in problem for problem in problems)


def test_a_truncated_file(dataset):
    """Parquet cannot be read without its end; the message is ours and names the file."""
    path = dataset.folder / dataset.files[0].path
    path.write_bytes(path.read_bytes()[:-100])

    problems = says(dataset)

    assert any("bytes; the manifest says" in problem for problem in problems)
    assert any(f"{dataset.files[0].path} cannot be read" in problem for problem in problems)


def test_an_extra_file_is_a_note(dataset):
    """It is no part of the dataset, so it is no problem, and is told."""
    shutil.copy(dataset.folder / dataset.files[0].path, dataset.folder / "data" / "more.parquet")

    found = verify_dataset(dataset)

    assert found.is_sound
    assert "1 files are not part of the dataset and were not looked at: data/more.parquet" in (
        found.notes
    )


def test_a_path_that_leaves_the_folder_is_refused(dataset, tmp_path):
    """One message, and nothing outside is read."""
    manifest = dataset.manifest
    manifest["data"][0]["path"] = "../outside.parquet"
    (dataset.folder / "mosdata.json").write_text(json.dumps(manifest))

    with pytest.raises(DamagedDataset, match="names a file outside"):
        open_to_verify(dataset.folder)


def test_a_checksum_list_that_leaves_the_folder(dataset, tmp_path):
    """A line of ``checksums.sha256`` cannot make us read elsewhere."""
    (tmp_path / "secret").write_text("mine")
    (dataset.folder / "checksums.sha256").write_text(f"{'0' * 64}  ../secret\n")

    assert ["../secret is named by checksums.sha256 and lies outside the dataset"] == says(dataset)


def test_checksums_beside_the_manifest(dataset):
    """Papers that were changed, and lists that contradict the manifest."""
    (dataset.folder / "README.md").write_text("edited")
    lines = [
        f"{'0' * 64}  README.md\n",
        f"{'0' * 64}  {dataset.files[0].path}\n",
        f"{'0' * 64}  gone.txt\n",
    ]
    (dataset.folder / "checksums.sha256").write_text("".join(lines))

    problems = says(dataset)

    assert "README.md does not match checksums.sha256; where it was edited by hand" in problems[0]
    assert "has another checksum in checksums.sha256 than in the manifest" in problems[1]
    assert "gone.txt is missing; checksums.sha256 names it" in problems[2]


def test_a_newer_schema_is_one_message(dataset):
    """Which version, which one this is, and what to do."""
    manifest = {**dataset.manifest, "schema_version": "99"}
    (dataset.folder / "mosdata.json").write_text(json.dumps(manifest))

    with pytest.raises(DamagedDataset, match=r"version 99: a newer mosdata.*pip install --upgrade"):
        open_to_verify(dataset.folder)


def test_no_dataset_at_all(tmp_path):
    """As every command says it."""
    with pytest.raises(NothingFound, match="not a finished dataset"):
        open_to_verify(tmp_path)


def test_a_file_of_another_schema(dataset):
    """The manifest fits, but one file has another version, or other classes."""
    path = dataset.folder / dataset.files[0].path
    table = pq.read_table(path)
    about = {**table.schema.metadata, b"mosdata": b'{"schema_version":"1"}'}
    pq.write_table(table.replace_schema_metadata(about), path)
    reseal(dataset, path)

    problems = says(dataset)

    assert (
        f"{dataset.files[0].path} has schema version '1'; this mosdata reads '2' and '3'"
        in problems
    )


# --- rows ---


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sample_rate_hz": 8_000}, "has FLAC of rate 16000; the row says 8000"),
        ({"num_samples": 7}, "has FLAC of length 8000; the row says 7"),
        ({"duration_s": 9.0}, "lasts 0.5 s; the row says 9"),
        ({"audio": b"RIFF, not FLAC"}, "has audio that is not FLAC"),
        ({"audio": b""}, "has no audio and 8000 samples at 16000 Hz"),
        ({"id": ""}, "has no id"),
        ({"mos": 3.0, "mos_scale": "stars"}, "has a MOS on the scale 'stars'"),
        ({"mos": 6.0, "mos_scale": "acr_1_5"}, "has MOS 6.0 on acr_1_5 (1 to 5)"),
        ({"corruptions": (Applied(name="mp3", level=1.5),)}, "has mp3 at level 1.5"),
        ({"pcm_sha256": "0" * 64}, "has other samples than its pcm_sha256 says"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_row_that_contradicts_itself(tmp_path, changes, expected):
    """Every column that can be held against the sound, or a scale, is; the clip is named."""
    dataset = with_rows(tmp_path, [utterance(0), replace(utterance(1), **changes)])

    problems = [problem for problem in says(dataset) if "which" in problem]

    assert any(expected in problem for problem in problems)
    assert not any(utterance(0).id in problem for problem in problems)


def test_quick_reads_headers_and_decodes_nothing(tmp_path):
    """A length that is wrong is found; samples that are wrong are left to the full check."""
    rows = [utterance(0, num_samples=7), utterance(1, pcm_sha256="0" * 64)]
    dataset = with_rows(tmp_path, rows)

    found = verify_dataset(dataset, quick=True)

    text = [str(problem) for problem in found.problems]
    assert found.num_decoded == 0
    assert any("length" in problem for problem in text)
    assert not any("pcm_sha256" in problem for problem in text)


def test_a_clip_twice(tmp_path):
    """Ids are unique in the dataset, not only in a file."""
    made = write_dataset(tmp_path / "made", {"train": [utterance(0)], "test": [utterance(0)]})

    (problem,) = says(made)

    assert f"has clip {utterance(0).id} again" in problem
    assert "data/train-00000-of-00001.parquet already" in problem


def test_a_parent_that_is_nowhere(tmp_path):
    """Without another dataset that it could be in, it is missing; with one, it is counted."""
    row = utterance(1, parent_id="somebody")
    alone = with_rows(tmp_path, [row])
    child = with_rows(tmp_path / "child", [row], parent={"dataset_id": "abcdefgh12"})

    assert "whose parent somebody is not in the dataset" in says(alone)[0]
    found = verify_dataset(child)
    assert found.is_sound
    assert ("1 parents of clips are in dataset abcdefgh only",) == found.notes


def test_one_rate_where_the_manifest_says_one(tmp_path):
    """``datasets`` resamples in silence to the rate that the schema names."""
    dataset = with_rows(tmp_path, [utterance(0)], sample_rate_hz=8_000)

    assert any("is at 16000 Hz; the manifest says 8000" in problem for problem in says(dataset))


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 48_000])
@pytest.mark.parametrize("seconds", [0.001, 0.3])
def test_our_reading_of_the_header_is_that_of_libsndfile(rate_hz, seconds):
    """STREAMINFO, bit by bit, against an independent reader."""
    import io

    import soundfile

    row = utterance(0, clip(seconds, rate_hz))
    info = soundfile.info(io.BytesIO(row.audio))

    header = flac_header(row.audio)

    assert (info.samplerate, info.channels, info.frames) == (
        header.sample_rate_hz,
        header.num_channels,
        header.num_samples,
    )
    assert header.bits == 16
    assert row.pcm_sha256 == pcm_sha256(row.clip())


# --- scores ---


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"clip_id": "nobody"}, "has 1 scores of clip nobody, which is not in the dataset"),
        ({"value": float("nan")}, "has 1 scores that are not finite numbers"),
        ({"value": float("inf"), "kind": "pesq"}, "has 1 scores that are not finite numbers"),
        ({"value": 5.5}, "has 1 scores beyond acr_1_5 (1 to 5)"),
        ({"scale": "stars"}, "has scores by people on the scale 'stars'; known: acr_1_5"),
    ],
    ids=["clip", "nan", "inf", "off the scale", "no such scale"],
)
def test_a_score_that_cannot_be(tmp_path, changes, expected):
    """Of no clip, no number, or on no scale."""
    good, other = human_ratings(utterance(0).id, [3, 4])
    dataset = with_rows(tmp_path, [utterance(0)], [good, replace(other, **changes)])

    (problem,) = says(dataset)

    assert expected in problem


@pytest.mark.parametrize(
    ("changes", "notes"),
    [
        ({"kind": "debiased", "value": 5.3}, ()),
        ({"kind": "users", "scale": "decibel", "value": -80.0}, ()),
        (
            {"kind": "dnsmos", "value": 0.9},
            ("1 scores of dnsmos lie beyond the ends of their scale",),
        ),
    ],
    ids=["debiased", "a user's scale", "a metric"],
)
def test_scores_that_may_lie_elsewhere(tmp_path, changes, notes):
    """Less an offset, a score may pass the ends; a metric's is told; a user's scale is theirs."""
    (score,) = human_ratings(utterance(0).id, [3])
    dataset = with_rows(tmp_path, [utterance(0)], [replace(score, rater=None, **changes)])

    found = verify_dataset(dataset)

    assert ((), notes) == (found.problems, found.notes)


def test_scores_of_quarantined_records_are_counted(dataset):
    """A clip that could not be made again keeps its scores."""
    path = dataset.folder / "quarantine" / "quarantine-00000-of-00001.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table({"record_id": ["lost"], "reason": ["x"]}), path)
    file = asdict(describe_file(dataset.folder, path, split="all", rows=1))
    scores = dataset.rating_files[0]
    table = pq.read_table(scores)
    ids = pa.array(["lost"] * len(table), pa.string())
    pq.write_table(table.set_column(0, "clip_id", ids), scores)
    entry = dict(dataset.manifest["ratings"][0])
    entry["files"] = [asdict(describe_file(dataset.folder, scores, split="all", rows=len(table)))]
    write_manifest(dataset.folder, {**dataset.manifest, "quarantine": [file], "ratings": [entry]})

    found = verify_dataset(open_dataset(dataset.folder))

    assert found.is_sound
    assert ("2 scores are of clips in the quarantine",) == found.notes


def test_a_split_set_that_leaves_out_clips(dataset):
    """A set names every clip, or a source of it."""
    path = dataset.folder / "splits" / "ours.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table({"clip_id": [utterance(0).id], "split": ["train"]}), path)
    entry = {
        "name": "ours",
        "rows": "clips",
        "rule": {"by": ["system"], "shares": [8, 1, 1], "folds": None, "salt": ""},
        "parts": ["train", "validation", "test"],
        "counts": {"train": 1},
        "num_unknown": 0,
        "files": [asdict(describe_file(dataset.folder, path, split="all", rows=1))],
    }
    write_manifest(dataset.folder, {**dataset.manifest, "split_sets": [entry]})

    (problem,) = says(dataset)

    assert problem.startswith("splits/ours.parquet is no split set: ")
    assert "says nothing of 4 clips" in problem


# --- how it runs ---


def test_processes_find_the_same(tmp_path, monkeypatch):
    """Two workers or none: the same problems in the same order, and all rows in the progress."""
    monkeypatch.setattr(module, "ROWS_WORTH_PROCESSES", 0)
    rows = [utterance(i, pcm_sha256="0" * 64 if i % 2 else None) for i in range(4)]
    rows = [
        replace(row, pcm_sha256=row.pcm_sha256 or utterance(i).pcm_sha256)
        for i, row in enumerate(rows)
    ]
    made = write_dataset(tmp_path / "made", {"train": rows, "test": [utterance(9)]})
    seen = []

    alone = verify_dataset(made)
    together = verify_dataset(made, workers=2, on_progress=lambda now: seen.append(now.num_done))

    assert alone == together
    assert len(alone.problems) == 2
    assert [0, 4, 5] == seen


def test_workers_are_one_or_more(dataset):
    """As for every command."""
    with pytest.raises(InvalidValue, match="--workers"):
        verify_dataset(dataset, workers=0)


def test_a_short_message_names_the_first_and_counts_the_rest(tmp_path):
    """For commands that only refuse: five problems, and where to see the others."""
    rows = [utterance(i, pcm_sha256="0" * 64) for i in range(8)]
    dataset = with_rows(tmp_path, rows)

    with pytest.raises(DamagedDataset, match=r"and 3 more \('mosdata verify' lists them\)"):
        refuse_damaged(dataset, verify_dataset(dataset))


def test_the_numbers_of_a_large_table_survive():
    """36 bits of length: a header of a week of audio is read as one."""
    header = bytearray(utterance(0).audio[:42])
    packed = int.from_bytes(header[18:26], "big")
    samples = 48_000 * 3600 * 24 * 7 // 8
    header[18:26] = (packed >> 36 << 36 | samples).to_bytes(8, "big")

    assert samples == flac_header(bytes(header)).num_samples
    assert np.log2(samples) > 31
