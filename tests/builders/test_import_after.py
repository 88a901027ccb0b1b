"""What comes after an import: every other command on mixed rates, and on ratings alone."""

import io

import numpy as np
import pyarrow as pa
import pytest

from mosdata.audio import decode_audio, resample
from mosdata.augment.chain import apply_chain
from mosdata.builders.corrupt import CorruptConfig, CorruptStage
from mosdata.builders.executors import Execution
from mosdata.builders.imported import ImportConfig, ImportStage
from mosdata.builders.label import LabelConfig, LabelStage
from mosdata.builders.publish import publish
from mosdata.builders.run import run_ratings, run_stage
from mosdata.builders.verify import verify_content, verify_files
from mosdata.corpora.table import CLIPS_SCHEMA, RATINGS_SCHEMA, RatedCorpus
from mosdata.errors import RecordRejected, UsageError
from mosdata.manifests.store import open_dataset
from mosdata.testing import speechlike

RATES = (8_000, 16_000, 44_100, 48_000)
KINDS = ("white_noise", "low_pass", "high_pass", "overlap", "time_mask", "reverb", "mp3")


def corpus(num_clips):
    """Clips of four systems by four speakers, two scores each."""
    clips, ratings = [], []
    for i in range(num_clips):
        name = f"clip-{i:02d}"
        about = {"system": f"s{i % 4}", "speaker": f"p{i % 3}", "sentence": f"t{i // 4}"}
        clips.append({"name": name, "audio": f"{name}.wav", "dataset": "demo", **about})
        for rater in ("ann", "ben"):
            score = {"clip_id": name, "value": float(1 + i % 4), "rater": rater}
            ratings.append({**score, "kind": "human", "dimension": "mos", "scale": "acr_1_5"})
    return RatedCorpus(
        layout="made-up",
        clips=pa.Table.from_pylist(
            [{**dict.fromkeys(CLIPS_SCHEMA.names), **row} for row in clips], CLIPS_SCHEMA
        ),
        ratings=pa.Table.from_pylist(
            [{**dict.fromkeys(RATINGS_SCHEMA.names), **row} for row in ratings], RATINGS_SCHEMA
        ),
    )


def take(stage, out, **how):
    """Run in this process."""
    return run_stage(stage, out, execution=Execution(executor="serial"), **how).dataset


@pytest.fixture(scope="module")
def audio(tmp_path_factory):
    """Files of four rates; the last one lasts a tenth of a second."""
    import soundfile

    folder = tmp_path_factory.mktemp("corpus")
    for i in range(24):
        rate = RATES[i % 4]
        length_s = 0.1 if i == 23 else 0.6
        path = folder / f"clip-{i:02d}.wav"
        soundfile.write(path, speechlike(length_s, rate, seed=i).samples, rate)
    return folder


@pytest.fixture(scope="module")
def mixed(tmp_path_factory, audio):
    """A dataset of four rates. Read only, but for ratings."""
    stage = ImportStage(corpus(24), ImportConfig(classes={"s0": "natural", "s1": "a"}), audio=audio)
    return take(stage, tmp_path_factory.mktemp("mixed") / "mixed", ratings=stage.ratings)


@pytest.fixture(scope="module")
def harmed(tmp_path_factory, mixed):
    """Each clip with all corruptions at one level."""
    stage = CorruptStage(mixed, CorruptConfig(levels=(0.5,), kinds=KINDS, per_clip=0))
    out = tmp_path_factory.mktemp("harmed") / "harmed"
    return take(stage, out, parent=mixed, keeps_parent=stage.keeps_sources)


@pytest.fixture(scope="module")
def silent(tmp_path_factory):
    """Ratings alone."""
    stage = ImportStage(corpus(8), ImportConfig())
    return take(stage, tmp_path_factory.mktemp("silent") / "silent", ratings=stage.ratings)


def test_corruptions_run_at_the_rate_of_the_clip(harmed):
    """Rate and length stay, whatever the interferer's; what was drawn can be applied again."""
    rows = {row.id: row for row in harmed.utterances()}
    copies = [row for row in rows.values() if row.corruptions]

    assert len(copies) >= 20 * len(KINDS)
    for copy in copies:
        source = rows[copy.parent_id]
        assert (source.sample_rate_hz, source.num_samples) == (
            copy.sample_rate_hz,
            copy.num_samples,
        )
        assert (None, None) == (copy.mos, copy.mos_scale)


def test_an_interferer_of_another_rate_is_brought_to_the_clip_s(harmed):
    """The copy is the clip and the resampled interferer, to the rounding of 16 bits."""
    rows = {row.id: row for row in harmed.utterances()}

    class Pool:
        def clip(self, clip_id):
            return rows[clip_id].clip()

    mixes = [
        row for row in rows.values() if row.corruptions and row.corruptions[0].name == "overlap"
    ]
    others = [rows[row.corruptions[0].params["interferer_id"]] for row in mixes]
    assert any(a.sample_rate_hz != b.sample_rate_hz for a, b in zip(mixes, others, strict=True))
    for mix in mixes:
        again = apply_chain(rows[mix.parent_id].clip(), mix.corruptions, pool=Pool())
        np.testing.assert_allclose(again.samples, mix.clip().samples, atol=2 / 32768)


def test_a_corrupted_copy_can_be_verified_and_keeps_the_scores_of_its_source(harmed):
    """Checksums, content, and the ratings that came along."""
    verify_files(harmed)
    verify_content(harmed)

    assert 48 == len(list(harmed.ratings()))
    assert harmed.sample_rate_hz is None


def test_metrics_take_clips_of_any_rate(tmp_path, audio, users_modules, monkeypatch):
    """A metric hears each clip at its own rate of choice; with a reference too."""
    monkeypatch.syspath_prepend(str(users_modules))
    stage = ImportStage(corpus(8), ImportConfig(), audio=audio)
    dataset = take(stage, tmp_path / "d", ratings=stage.ratings)
    labels = LabelStage(dataset, LabelConfig(metrics=("users_metrics:loudness",)))

    run_ratings(labels, dataset.folder, name=labels.name, execution=Execution(executor="serial"))

    kinds = [rating.kind for rating in open_dataset(dataset.folder).ratings()]
    assert (16, 8) == (kinds.count("human"), len(kinds) - kinds.count("human"))


def test_a_judge_learns_from_mixed_rates_and_is_judged(tmp_path, mixed):
    """Train, score and evaluate: every clip, the short one too."""
    from mosdata.training.assess import assess
    from mosdata.training.config import TrainConfig
    from mosdata.training.score import score_clips
    from mosdata.training.train import train_moe

    config = TrainConfig(epochs_scale=0.1)
    summary = train_moe(mixed.folder, tmp_path / "run", config)
    judged = assess(tmp_path / "run", mixed)
    rows = list(mixed.utterances())
    (at_own_rate,) = score_clips(tmp_path / "run", [rows[2].clip()])
    (at_16k,) = score_clips(tmp_path / "run", [resample(rows[2].clip(), 16_000)])

    assert 24 == sum(summary.clips.values()) == judged.num_clips
    assert summary.waiting is None
    assert judged.report.is_file()
    assert at_own_rate.mos == pytest.approx(at_16k.mos, abs=1e-6)


def test_a_published_copy_is_the_same(tmp_path, mixed):
    """Terms that nobody knows have to be accepted."""
    with pytest.raises(UsageError, match="--accept-terms"):
        publish(mixed, tmp_path / "copy")

    published = publish(mixed, tmp_path / "copy", accept_terms=True)

    assert mixed.dataset_id == published.dataset_id


@pytest.mark.parametrize("which", ["mixed", "silent"])
def test_datasets_reads_it(request, which, tmp_path):
    """The hub's library sees an audio column without a rate; nothing where there is no sound."""
    datasets = pytest.importorskip("datasets")
    dataset = request.getfixturevalue(which)

    parts = datasets.load_dataset(str(dataset.folder), cache_dir=str(tmp_path))
    rows = datasets.concatenate_datasets([*parts.values()])
    assert rows.features["audio"].sampling_rate is None
    rows = rows.cast_column("audio", datasets.Audio(decode=False))

    import soundfile

    for row in rows:
        if which == "silent":
            assert row["audio"] is None or row["audio"]["bytes"] is None
        else:
            samples, rate = soundfile.read(io.BytesIO(row["audio"]["bytes"]))
            assert (row["sample_rate_hz"], row["num_samples"]) == (rate, len(samples))
    scores = datasets.load_dataset(
        str(dataset.folder), "ratings", split="scores", cache_dir=str(tmp_path)
    )
    assert {"ann", "ben"} == {*scores["rater"]}


def test_what_needs_sound_is_refused_where_there_is_none(tmp_path, silent):
    """At once, with the way out; nothing is written."""
    from mosdata.training.config import TrainConfig
    from mosdata.training.train import train_moe

    before = sorted(tmp_path.rglob("*"))
    for work in (
        lambda: CorruptStage(silent, CorruptConfig(levels=(0.5,))),
        lambda: LabelStage(silent, LabelConfig(metrics=("users_metrics:loudness",))),
        lambda: train_moe(silent.folder, tmp_path / "run", TrainConfig(epochs_scale=0.1)),
    ):
        with pytest.raises(UsageError, match=r"needs audio.*Import it again with --audio"):
            work()
    assert before == sorted(tmp_path.rglob("*"))
    with pytest.raises(RecordRejected, match="--audio"):
        next(silent.utterances()).clip()


def test_ratings_alone_can_be_published(tmp_path, silent):
    """The card says that there is nothing to hear."""
    copy = publish(silent, tmp_path / "copy", accept_terms=True).folder

    verify_content(open_dataset(copy))
    assert "ratings only" in (copy / "README.md").read_text()


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_workers_gives_the_same_bytes(tmp_path, audio, checksums, workers):
    """In processes of their own, or here."""

    def run(out, **how):
        stage = ImportStage(corpus(24), ImportConfig(), audio=audio)
        how = {"execution": Execution(**how), "records_per_shard": 5}
        run_stage(stage, out, ratings=stage.ratings, **how)
        return checksums(out)

    assert run(tmp_path / "a", executor="serial") == run(
        tmp_path / "b", executor="process", workers=workers
    )


def test_a_second_import_does_nothing(tmp_path, audio, checksums):
    """Not even where the audio has moved."""
    import shutil

    stage = ImportStage(corpus(6), ImportConfig(), audio=audio)
    take(stage, tmp_path / "out", ratings=stage.ratings)
    before = checksums(tmp_path / "out")
    moved = ImportStage(corpus(6), ImportConfig(), audio=shutil.copytree(audio, tmp_path / "moved"))

    again = run_stage(
        moved, tmp_path / "out", execution=Execution(executor="serial"), ratings=moved.ratings
    )

    assert again.was_complete
    assert before == checksums(tmp_path / "out")


def test_a_file_that_changes_under_way_stops_the_import(tmp_path, audio):
    """Its bytes are not those that the plan was made for."""
    import shutil

    folder = shutil.copytree(audio, tmp_path / "audio")
    stage = ImportStage(corpus(6), ImportConfig(), audio=folder)
    (folder / "clip-03.wav").write_bytes((folder / "clip-02.wav").read_bytes())

    with pytest.raises(UsageError, match="has changed since the import was planned"):
        take(stage, tmp_path / "out", ratings=stage.ratings)

    assert decode_audio(folder / "clip-02.wav").sample_rate_hz == 44_100


@pytest.mark.ray
def test_ray_imports_the_same_bytes(tmp_path, audio, checksums):
    """The real command, with a Ray of its own, against this process."""
    import subprocess
    import sys

    lines = ["clip_id,score,system", *(f"clip-{i:02d},{1 + i % 5},s{i % 4}" for i in range(24))]
    (tmp_path / "scores.csv").write_text("\n".join(lines) + "\n")
    for executor in ("ray", "serial"):
        command = [sys.executable, "-m", "mosdata", "import", "scores.csv", "--audio", str(audio)]
        command += ["--out", executor, "--executor", executor, "--workers", "2"]
        ended = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stderr

    assert checksums(tmp_path / "serial") == checksums(tmp_path / "ray")
