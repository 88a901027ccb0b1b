"""Adding texts, systems or levels makes what is new; the dataset is as if made from nothing."""

import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mosdata.builders.corrupt import CorruptBench, CorruptConfig, CorruptStage
from mosdata.builders.orders import Orders
from mosdata.builders.reuse import earlier_datasets, sources_of
from mosdata.builders.speech import SpeechBench
from mosdata.manifests.store import open_dataset

KINDS = ("white_noise", "low_pass", "overlap")


@pytest.fixture
def made(monkeypatch):
    """Records that a bench has really made, not taken over."""
    records = []
    for bench in (SpeechBench, CorruptBench):

        def make(self, record, inner=bench.make):
            records.append(record)
            return inner(self, record)

        monkeypatch.setattr(bench, "make", make)
    return records


def reuse(*folders):
    """Orders to take rows over from some datasets."""
    return Orders(reuse=tuple(open_dataset(folder) for folder in folders))


def corrupted_with(run, source, out, levels, **how):
    """A corruption of a dataset that keeps its sources."""
    source = open_dataset(source)
    stage = CorruptStage(source, CorruptConfig(levels=levels, kinds=KINDS, per_clip=0))
    return run(stage, out, parent=source, keeps_parent=True, **how)


def test_texts_that_are_added_are_all_that_is_spoken(
    tmp_path, speech_stage, run, checksums, sentences, made
):
    """Four texts, then six: two are made, and the folder is that of six from nothing."""
    run(speech_stage(sentences[:4]), tmp_path / "a")
    run(speech_stage(), tmp_path / "fresh")
    made.clear()

    outcome = run(speech_stage(), tmp_path / "grown", orders=reuse(tmp_path / "a"))

    assert (len(made), outcome.num_taken_over) == (2, 4)
    assert sources_of(tmp_path / "grown.run") == [(str(tmp_path / "a"), 4)]
    assert checksums(tmp_path / "fresh") == checksums(tmp_path / "grown")


def test_workers_take_rows_over_too(tmp_path, speech_stage, run, checksums, sentences):
    """Local processes read the index that the driver wrote."""
    run(speech_stage(sentences[:4]), tmp_path / "a")
    run(speech_stage(), tmp_path / "fresh")
    how = {"executor": "process", "workers": 2, "orders": reuse(tmp_path / "a")}

    outcome = run(speech_stage(), tmp_path / "grown", **how)

    assert outcome.num_taken_over == 4
    assert checksums(tmp_path / "fresh") == checksums(tmp_path / "grown")


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=st.sets(st.integers(0, 5), min_size=1),
    added=st.sets(st.integers(0, 5)),
    voices=st.tuples(st.integers(1, 2), st.integers(1, 2)),
)
def test_whatever_is_added_the_dataset_is_that_from_nothing(
    tmp_path_factory, speech_stage, run, sentences, before, added, voices
):
    """Texts anywhere in the file, more or fewer voices: the same dataset_id."""
    folder = tmp_path_factory.mktemp("grown")
    texts = [sentences[i] for i in sorted(before)]
    more = [sentences[i] for i in sorted(before | added)]
    run(speech_stage(texts, voices=voices[0]), folder / "a")
    fresh = run(speech_stage(more, voices=voices[1]), folder / "fresh")

    grown = run(speech_stage(more, voices=voices[1]), folder / "grown", orders=reuse(folder / "a"))

    assert len(texts) * min(voices) == grown.num_taken_over
    assert fresh.dataset.dataset_id == grown.dataset.dataset_id


def test_a_system_that_is_added_is_all_that_speaks(
    tmp_path, speech_stage, run, checksums, engines, made
):
    """The clips of the system that was there keep their bytes; their class may move."""
    both = ("users_engines:Slow", "tone")
    run(speech_stage(), tmp_path / "a")
    run(speech_stage(systems=both), tmp_path / "fresh")
    made.clear()

    outcome = run(speech_stage(systems=both), tmp_path / "grown", orders=reuse(tmp_path / "a"))

    assert {record.group for record in made} == {"users-slow"}
    assert outcome.num_taken_over == 6
    assert checksums(tmp_path / "fresh") == checksums(tmp_path / "grown")


def test_levels_that_are_added_are_all_that_is_corrupted(tmp_path, built, run, checksums, made):
    """Levels are rungs: the ones that were there are taken over, overlap too."""
    corrupted_with(run, built, tmp_path / "a", (0.3,))
    corrupted_with(run, built, tmp_path / "fresh", (0.3, 0.8))
    made.clear()

    outcome = corrupted_with(
        run, built, tmp_path / "grown", (0.3, 0.8), orders=reuse(tmp_path / "a")
    )

    copies = [record.payload["level"] for record in made if "level" in record.payload]
    assert [0.8] * 36 == copies
    assert outcome.num_taken_over == 36
    assert checksums(tmp_path / "fresh") == checksums(tmp_path / "grown")


def test_clips_that_are_added_are_all_that_is_corrupted(
    tmp_path, speech_stage, run, checksums, sentences, made
):
    """A source that grew: copies of its old clips stay, but for those that others are mixed in."""
    run(speech_stage(sentences[:4], voices=2), tmp_path / "source")
    run(speech_stage(voices=2), tmp_path / "source-grown")
    corrupted_with(run, tmp_path / "source", tmp_path / "a", (0.5,))
    corrupted_with(run, tmp_path / "source-grown", tmp_path / "fresh", (0.5,))
    made.clear()

    outcome = corrupted_with(
        run, tmp_path / "source-grown", tmp_path / "grown", (0.5,), orders=reuse(tmp_path / "a")
    )

    assert outcome.num_taken_over == 8 * 2
    assert checksums(tmp_path / "fresh") == checksums(tmp_path / "grown")


def test_a_copy_of_another_sound_is_not_taken_over(
    tmp_path, speech_stage, run, engines, monkeypatch, checksums
):
    """An engine that says the same text otherwise, under the same revision, has other copies."""
    from mosdata.audio import Clip
    from mosdata.synth.tone import Tone

    run(speech_stage(), tmp_path / "source")
    corrupted_with(run, tmp_path / "source", tmp_path / "a", (0.5,))
    inner = Tone.synthesize

    def softer(self, request):
        clip = inner(self, request)
        return Clip(samples=clip.samples * 0.5, sample_rate_hz=clip.sample_rate_hz)

    monkeypatch.setattr(Tone, "synthesize", softer)
    run(speech_stage(), tmp_path / "softer")
    corrupted_with(run, tmp_path / "softer", tmp_path / "fresh", (0.5,))

    outcome = corrupted_with(
        run, tmp_path / "softer", tmp_path / "again", (0.5,), orders=reuse(tmp_path / "a")
    )

    assert outcome.num_taken_over == 0
    assert checksums(tmp_path / "fresh") == checksums(tmp_path / "again")


def test_another_language_is_another_row(tmp_path, speech_stage, run):
    """The id does not name the language, the row does."""
    run(speech_stage(language="en"), tmp_path / "a")
    fresh = run(speech_stage(language="en-GB"), tmp_path / "fresh")

    outcome = run(speech_stage(language="en-GB"), tmp_path / "b", orders=reuse(tmp_path / "a"))

    assert outcome.num_taken_over == 0
    assert fresh.dataset.dataset_id == outcome.dataset.dataset_id


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_damaged_rows_are_made_anew(
    tmp_path, speech_stage, run, checksums, sentences, made, damage
):
    """A file that differs from its manifest lends nothing; the others do."""
    run(speech_stage(sentences[:4]), tmp_path / "a", records_per_shard=1)
    run(speech_stage(), tmp_path / "fresh")
    file = tmp_path / "a" / open_dataset(tmp_path / "a").files[0].path
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(data[:-9] if damage == "cut" else data)
    made.clear()

    outcome = run(speech_stage(), tmp_path / "grown", orders=reuse(tmp_path / "a"))

    assert (len(made), outcome.num_taken_over) == (3, 3)
    assert checksums(tmp_path / "fresh") == checksums(tmp_path / "grown")


def test_a_dataset_that_goes_away_meanwhile_costs_time_and_nothing_else(
    tmp_path, speech_stage, run, checksums, sentences
):
    """Between looking up and taking over, everything may vanish."""
    run(speech_stage(sentences[:4]), tmp_path / "a")
    run(speech_stage(), tmp_path / "fresh")

    def vanish(now):
        shutil.rmtree(tmp_path / "a", ignore_errors=True)

    outcome = run(
        speech_stage(), tmp_path / "grown", orders=reuse(tmp_path / "a"), on_progress=vanish
    )

    assert outcome.num_taken_over == 0
    assert checksums(tmp_path / "fresh") == checksums(tmp_path / "grown")


@pytest.mark.parametrize("name", ["created_by", "seed"])
def test_other_versions_and_seeds_lend_nothing(tmp_path, speech_stage, run, name):
    """What another version of mosdata made may differ in every byte."""
    run(speech_stage(), tmp_path / "a")
    path = tmp_path / "a" / "mosdata.json"
    manifest = json.loads(path.read_text())
    if name == "seed":
        manifest["config"]["seed"] = 1
    else:
        manifest["created_by"] = "mosdata 0.0.1"
    path.write_text(json.dumps(manifest))

    outcome = run(speech_stage(), tmp_path / "b", orders=reuse(tmp_path / "a"))

    assert outcome.num_taken_over == 0
    assert not (tmp_path / "b.run" / "reuse.json").exists()


def test_datasets_beside_are_found_by_stage(tmp_path, speech_stage, run, built):
    """The same stage, in the same folder, and never the dataset itself."""
    run(speech_stage(), tmp_path / "a")
    corrupted_with(run, built, tmp_path / "c", (0.3,))

    assert [one.folder.name for one in earlier_datasets(tmp_path / "b", "build")] == ["a"]
    assert earlier_datasets(tmp_path / "a", "build") == []
    assert earlier_datasets(tmp_path / "b", "import") == []
