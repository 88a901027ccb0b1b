"""Recipes: exact counts, honest stand-ins, clear refusals; and the one of the MoE paper."""

from __future__ import annotations

import json
from collections import Counter
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosdata.builders.executors import Execution
from mosdata.builders.plan import plan_id_of
from mosdata.builders.recipe import Take, read_recipe
from mosdata.builders.recipe_stage import MISSING, RecipeStage
from mosdata.builders.run import Orders, run_stage
from mosdata.builders.verify import verify_dataset
from mosdata.errors import InvalidValue, NothingFound, UnknownName, UsageError

SERIAL = Execution(executor="serial")
AUGMENTERS = ("cosyvoice-300m", "cosyvoice2-0.5b", "fireredtts", "f5tts-24khz")
RATES = (16_000, 24_000, 48_000)
METHODS = ("original", "nv", "tts", "world")
WIDENED = tuple(f"{name}SR" for name in METHODS)

RECIPE = """
name = "small"
split = "1:1:1"
texts = ["One thing.", "Another thing.", "A third.", "The fourth."]

[[take]]
system = "tone"
sample_rate_hz = 16000
clips = 6

[[take]]
system = "tone"
sample_rate_hz = 24000
texts = [1, 3]
voices = ["low", "high"]
takes = 2

[[take]]
system = "absent"
sample_rate_hz = 16000
imported = true
stand_in = "tone"
first_text = 4
clips = 2
"""

VOICES_OF_PAPER = """
from dataclasses import replace
from mosdata.synth.tone import Tone

def engine(name):
    return type(name, (Tone,), {"info": replace(Tone.info, name=f"stand-in-{name}")})

E0, E1, E2, E3, E4, E5, E6, E7, E8, E9, E10, E11 = (engine(f"e{i}") for i in range(12))
"""


@pytest.fixture
def recipe(tmp_path):
    """Write a recipe and read it."""

    def read(text=RECIPE, **how):
        path = tmp_path / "small.toml"
        path.write_text(text)
        return read_recipe(str(path), **how)

    return read


@given(
    texts=st.integers(1, 7),
    voices=st.integers(1, 4),
    clips=st.integers(1, 60),
    first=st.integers(0, 6),
)
def test_a_take_makes_exactly_its_clips(texts, voices, clips, first):
    """As many as asked, none twice, and every text and voice as often as another, within one."""
    order = tuple((first + i) % texts for i in range(texts))
    take = Take(system="tone", sample_rate_hz=16_000, texts=order, clips=clips)

    made = [*take.readings([f"v{i}" for i in range(voices)])]

    assert len(made) == len({*made}) == clips
    by_text = Counter(text for text, _, _ in made)
    assert made[0][0] == order[0]
    assert max(by_text.values()) - min(by_text[text] for text in order) <= 1


def test_the_paper_deals_out_800_clips():
    """12 systems, three rates, 30 texts; the new clips have the mix of rates of the old."""
    recipe = read_recipe("moe-paper")
    counts = Counter()
    for take in recipe.takes:
        counts[take.system, take.sample_rate_hz] += len([*take.readings(["voice"])])
    rates = {rate: sum(n for (_, r), n in counts.items() if r == rate) for rate in RATES}
    by_system = {
        name: tuple(counts[name, rate] for rate in RATES)
        for name in (*AUGMENTERS, *METHODS, *WIDENED)
    }

    assert len(recipe.texts) == 30
    assert rates == {16_000: 240, 24_000: 480, 48_000: 80}
    assert by_system == {
        **dict.fromkeys(AUGMENTERS, (30, 60, 10)),
        **dict.fromkeys(METHODS, (30, 30, 5)),
        **dict.fromkeys(WIDENED, (0, 30, 5)),
    }
    assert {take.system for take in recipe.takes if take.imported} == {*METHODS, *WIDENED}
    assert {*chain(*(take.texts for take in recipe.takes))} == {*range(30)}
    assert len({take.stand_in for take in recipe.takes}) == 12


def test_the_paper_is_built_whole_by_stand_ins(tmp_path, monkeypatch):
    """All 800 clips, each under the name of who spoke, and said to be in whose place."""
    (tmp_path / "paper_engines.py").write_text(VOICES_OF_PAPER)
    monkeypatch.syspath_prepend(str(tmp_path))
    slots = (*AUGMENTERS, *METHODS, *WIDENED)
    stand_ins = {slot: f"paper_engines:E{i}" for i, slot in enumerate(slots)}
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(f"Text {chr(97 + i)}." for i in range(30)))
    stage = RecipeStage(read_recipe("moe-paper", transcripts=texts), stand_ins=stand_ins)

    dataset = run_stage(stage, tmp_path / "out", execution=SERIAL).dataset

    rows = dataset.table(["id", "system", "dataset", "sample_rate_hz", "text"]).to_pylist()
    assert len(rows) == len({row["id"] for row in rows}) == dataset.num_rows == 800
    assert Counter(row["sample_rate_hz"] for row in rows) == {16_000: 240, 24_000: 480, 48_000: 80}
    assert len({row["text"] for row in rows}) == 30
    for i, slot in enumerate(slots):
        mine = {row["dataset"] for row in rows if row["system"] == f"stand-in-e{i}"}
        assert mine == {f"moe-paper in place of {slot}"}
    assert dataset.sample_rate_hz is None
    card = (dataset.folder / "README.md").read_text()
    assert "`stand-in-e4` for original" in card
    assert "--stand-in original=paper_engines:E4" in card
    assert "stand-in-e4 for original" in (dataset.folder / "report.html").read_text()
    provenance = json.loads((dataset.folder / "provenance.json").read_text())
    assert provenance["recipe"]["stand_ins"] == stand_ins
    assert verify_dataset(dataset).is_sound


def test_without_engines_the_paper_is_refused_in_words(monkeypatch, tmp_path):
    """Each engine that is missing is named, with what to do; nothing is made."""
    monkeypatch.setenv("MOSDATA_ENGINES", str(tmp_path / "engines.toml"))
    (tmp_path / "engines.toml").write_text("")

    with pytest.raises(UsageError) as caught:
        RecipeStage(read_recipe("moe-paper"))

    for name in (*AUGMENTERS, "--stand-in missing"):
        assert name in str(caught.value)


def test_imported_clips_are_left_out_and_named(recipe, tmp_path):
    """Nobody makes what exists; with a stand-in it is made, in another plan."""
    plain, with_stand_in = RecipeStage(recipe()), RecipeStage(recipe(), stand_ins={MISSING: ""})

    assert plain.left_out == ("absent",)
    assert plain.estimate().num_records == len([*plain.records()]) == 6 + 2 * 2 * 2
    assert with_stand_in.left_out == ()
    assert with_stand_in.stand_ins == {"absent": "tone"}
    assert len({record.id for record in with_stand_in.records()}) == 16
    assert plan_id_of(plain) != plan_id_of(with_stand_in)
    assert plan_id_of(plain) == plan_id_of(RecipeStage(recipe()))


def test_clips_are_those_of_the_recipe(recipe, tmp_path):
    """Texts, voices and rates, take by take; takes of one system never share a clip."""
    dataset = run_stage(RecipeStage(recipe()), tmp_path / "out", execution=SERIAL).dataset
    rows = [*dataset.utterances()]

    at_24k = Counter((row.text, row.speaker) for row in rows if row.sample_rate_hz == 24_000)
    at_16k = Counter(row.text for row in rows if row.sample_rate_hz == 16_000)
    assert at_24k == {(t, v): 2 for t in ("One thing.", "A third.") for v in ("low", "high")}
    assert at_16k == {"One thing.": 2, "Another thing.": 2, "A third.": 1, "The fourth.": 1}
    assert all(row.clip().sample_rate_hz == row.sample_rate_hz for row in rows)
    assert {row.dataset for row in rows} == {"small"}


def test_a_recipe_that_grows_takes_over_what_is_there(recipe, tmp_path):
    """Clips at every rate that an earlier build of it has are not made again."""
    first = run_stage(RecipeStage(recipe()), tmp_path / "first", execution=SERIAL).dataset
    grown = recipe(RECIPE.replace("clips = 6", "clips = 8"))
    orders = Orders(reuse=(first,))

    outcome = run_stage(RecipeStage(grown), tmp_path / "out", execution=SERIAL, orders=orders)

    assert outcome.num_taken_over == first.num_rows
    fresh = run_stage(RecipeStage(grown), tmp_path / "fresh", execution=SERIAL).dataset
    assert outcome.dataset.dataset_id == fresh.dataset_id


def test_two_takes_alike_make_different_clips(recipe):
    """Listing a take twice doubles its clips; none has the id or seed of another."""
    take = RECIPE[RECIPE.index("[[take]]") :].split("\n\n", maxsplit=1)[0]
    records = [*RecipeStage(recipe(RECIPE + "\n" + take)).records()]

    assert len(records) == 14 + 6
    assert len({record.id for record in records}) == len(records)
    assert len({record.payload["seed"] for record in records}) == len(records)


@pytest.mark.parametrize(
    ("before", "after", "error", "says"),
    [
        ("clips = 6", "clips = 0", InvalidValue, "clips of"),
        ("clips = 6", "clip = 6", UnknownName, "Did you mean 'clips'"),
        ("clips = 6", "clips = true", InvalidValue, "whole number"),
        ("16000\nclips = 6", "44000", InvalidValue, "sample_rate_hz"),
        ("texts = [1, 3]", "texts = [1, 5]", InvalidValue, "1 to 4"),
        ("texts = [1, 3]", "texts = []", InvalidValue, "1 to 4"),
        ('voices = ["low", "high"]', 'voices = ["nobody"]', UnknownName, "voice of tone"),
        ('voices = ["low", "high"]', "voices = 99", InvalidValue, "voices of tone"),
        ('system = "tone"', 'system = "tones"', UnknownName, "Did you mean 'tone'"),
        ('split = "1:1:1"', "num_texts = 5", InvalidValue, "5 or more"),
        ('split = "1:1:1"', 'language = "xx"', UnknownName, "language of espeak"),
        ('name = "small"', "", InvalidValue, "name"),
        ('name = "small"', "name = ", InvalidValue, "TOML"),
        ('split = "1:1:1"', 'split = "most"', InvalidValue, "split of"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(recipe, before, after, error, says):
    """Before anything is made, with what was given and what is allowed."""
    if after == 'language = "xx"':  # Tone reads anything; eSpeak does not
        pytest.importorskip("espeakng_loader")
        before, after = RECIPE, RECIPE.replace('"tone"', '"espeak-formant"').replace(before, after)

    with pytest.raises(error, match=says):
        RecipeStage(recipe(RECIPE.replace(before, after)))


def test_unknown_recipes_and_stand_ins_are_refused(recipe, tmp_path):
    """A name that is none, a file that is not there, a place that nobody has."""
    with pytest.raises(UnknownName, match="moe-paper"):
        read_recipe("moe-papers")
    with pytest.raises(NothingFound, match=r"recipes\.md"):
        read_recipe(str(tmp_path / "nothing.toml"))
    with pytest.raises(UnknownName, match="absent"):
        RecipeStage(recipe(), stand_ins={"absents": "tone"})
    with pytest.raises(UnknownName, match="system"):
        RecipeStage(recipe(), stand_ins={"absent": "nobody"})
