"""Levels, names, groups and chains."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosdata.augment import pages
from mosdata.augment.calibration import (
    ANCHORED_ELSEWHERE,
    expected_mos_lqo,
    knots_of,
    level_at,
    measurement_of,
    position_of,
)
from mosdata.augment.chain import apply_chain, generator_for, in_physical_order
from mosdata.augment.chain import harm as harm_by_chain
from mosdata.augment.corruptions import CORRUPTIONS, KINDS, build_corruption, expand_kinds
from mosdata.augment.ladder import LadderCorruption
from mosdata.augment.levels import ladder_table, parse_levels
from mosdata.augment.pool import MemoryPool
from mosdata.errors import InvalidValue, MissingExtra, UnknownName
from mosdata.manifests.ids import rng_for
from mosdata.testing.clips import speechlike

PAGE = Path(__file__).parents[2] / "docs" / "corruptions.md"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.3", (0.3,)),
        ("1", (1.0,)),
        ("0.2,0.5", (0.2, 0.5)),
        (" 0.5 , 0.2 ", (0.5, 0.2)),
        ("0:1:0.25", (0.0, 0.25, 0.5, 0.75, 1.0)),
        ("0:1:0.1", (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)),
        ("0:1:0.3", (0.0, 0.3, 0.6, 0.9)),
        ("0.5:0.5:1", (0.5,)),
        ("0.5,0.4:0.6:0.1", (0.5, 0.4, 0.6)),
    ],
)
def test_levels_are_read(text: str, expected: tuple[float, ...]) -> None:
    """One, a list, or steps with the stop included; exact decimals, each once."""
    assert expected == parse_levels(text)


@pytest.mark.parametrize(
    "text",
    ["", "a", "1.1", "-0.1", "nan", "inf", "0:1", "0:1:0", "0:1:-0.1", "1:0:0.1", "0:1:nan",
     "0:1:0.1:2", "0.1,,0.2", "0:1:1e-9", "0:2:0.5"],
)  # fmt: skip
def test_bad_levels_are_refused(text: str) -> None:
    """The message says what a level may be."""
    with pytest.raises(InvalidValue, match="from 0"):
        parse_levels(text)


@given(st.integers(1, 200))
def test_steps_are_exact(count: int) -> None:
    """Every step of 1/1000 is the float that a person would type."""
    levels = parse_levels(f"0:{count / 1000}:0.001")

    assert tuple(float(f"{i / 1000:.3f}") for i in range(count + 1)) == levels


# Worked by hand from the formulas, at positions .1, .25, .5, .75 and 1
SCALES_16K = {
    ("white_noise", "snr_db"): [53.5, 43.75, 27.5, 11.25, -5],
    ("overlap", "sir_db"): [49.5, 41.25, 27.5, 13.75, 0],
    ("reverb", "rt60_s"): [0.1944, 0.2866, 0.5477, 1.0466, 2.0],
    ("reverb", "drr_db"): [30, 24, 14, 4, -6],
    ("low_pass", "cutoff_hz"): [5871.1, 3613.4, 1438.6, 509.5, 460.0],
    ("low_pass", "num_poles"): [8, 8, 8, 12, 64],
    ("high_pass", "cutoff_hz"): [264.8, 282.4, 322.4, 368.0, 420.0],
    ("high_pass", "num_poles"): [5, 9, 17, 33, 64],
    ("time_mask", "masked_fraction"): [0.004, 0.025, 0.1, 0.225, 0.4],
}


@pytest.mark.parametrize(("name", "value"), SCALES_16K)
def test_scales_are_those_of_their_formulas(name: str, value: str) -> None:
    """At 16 kHz; the scale is the corruption's own, whatever the calibration makes of levels."""
    corruption = build_corruption(name)
    assert isinstance(corruption, LadderCorruption)
    rungs = [corruption.scale(position, 16_000)[value] for position in (0.1, 0.25, 0.5, 0.75, 1.0)]

    assert pytest.approx(SCALES_16K[name, value], rel=3e-3) == rungs


def test_a_level_is_where_the_calibration_has_it() -> None:
    """Between knots linear, strictly rising, and back again."""
    for name in CORRUPTIONS:
        knots = knots_of(name)
        assert knots[0] == (0, 0)
        assert knots[-1][0] == 1
        assert knots[-1][1] <= 1
        assert all(a < b for pair in pairwise(knots) for a, b in zip(*pair, strict=True))
        for level in (0.0, 0.001, 0.13, 0.5, 0.999, 1.0):
            assert pytest.approx(level, abs=1e-9) == level_at(name, position_of(name, level))
        table = ladder_table(name, 16_000, levels=[0.3])
        corruption = build_corruption(name)
        assert isinstance(corruption, LadderCorruption)
        expected = corruption.scale(position_of(name, 0.3), 16_000)
        assert [{"level": 0.3, **expected}] == table


def test_the_measurement_is_of_the_scales_as_they_are() -> None:
    """Who changes a scale measures again: benchmarks/calibrate.py --kinds NAME --write."""
    for name in CORRUPTIONS:
        for level, values in measurement_of(name).get("values", {}).items():
            assert pytest.approx(values) == build_corruption(name).ladder(float(level), 16_000)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruptions_lie_on_the_curve(name: str) -> None:
    """As measured on others: within 0.35 MOS-LQO at 0.25, 0.5, 0.75 and 1, and steadily falling."""
    found = measurement_of(name)
    laid, judge = found["made"]["laid_on"], found["made"]["measured_on"]
    assert min(laid["num_speakers"], judge["num_speakers"]) >= 20
    assert laid["digest"] != judge["digest"]
    if name in ANCHORED_ELSEWHERE:
        assert found["anchor"] == "e-model"
    elif name != "wide_band":  # as mild as it is in life
        assert found["anchor"] == "pesq"
    if found["anchor"] != "mild":
        assert found["off_curve"] <= 0.35
    if name not in ANCHORED_ELSEWHERE:
        assert found["mos_lqo"] == sorted(found["mos_lqo"], reverse=True)
    assert found["num_steps"] == 19
    assert found["rising_steps_percent"] < 2
    assert found["rising_means"] == 0


def test_gain_follows_the_e_model_of_the_standard() -> None:
    """ITU-T G.107 gives 93.2 for all values by default, a MOS of 4.41; softer is worse."""
    path = PAGE.parents[1] / "benchmarks" / "calibrate.py"
    spec = spec_from_file_location("calibrate", path)
    assert spec is not None
    assert spec.loader is not None
    calibrate = module_from_spec(spec)
    spec.loader.exec_module(calibrate)
    default = 1 + 0.035 * 93.2 + 93.2 * (93.2 - 60) * (100 - 93.2) * 7e-6
    scores = [calibrate.e_model_mos(attenuation_db) for attenuation_db in range(60)]

    assert pytest.approx(default, abs=0.003) == scores[0]
    assert scores == sorted(scores, reverse=True)
    for level in (0.25, 0.5, 0.75, 1.0):
        gain_db = build_corruption("gain").ladder(level, 16_000)["gain_db"]
        expected = calibrate.e_model_mos(-gain_db)
        assert pytest.approx(expected_mos_lqo(level), abs=0.15) == expected


def test_pages_hold_what_is_printed(tmp_path: Path) -> None:
    """The committed pages and table are what the command writes."""
    docs = PAGE.parent
    (tmp_path / "corruptions.md").write_text(PAGE.read_text("utf-8"), encoding="utf-8")
    pages.write(tmp_path)
    written = {path.relative_to(tmp_path) for path in tmp_path.rglob("*.md")}

    assert {path.relative_to(docs) for path in (docs / "corruptions").glob("*.md")} <= written
    for path in written:
        assert (tmp_path / path).read_text("utf-8") == (docs / path).read_text("utf-8"), path


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_page_shows_a_picture_that_is_there(name: str) -> None:
    """Sound in and out, to be looked at."""
    page = PAGE.parent / "corruptions" / f"{name}.md"
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", page.read_text("utf-8"))

    assert pictures
    assert all((page.parent / picture).is_file() for picture in pictures)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_kind_says_what_it_rests_on(name: str) -> None:
    """Its source, why it is not left to audiomentations, and an example that doctest runs."""
    kind = CORRUPTIONS[name]
    module, _, class_name = kind.path.partition(":")
    text = getattr(import_module(f"mosdata.augment.{module}"), class_name).__doc__
    standards = re.findall(r"\b[GPY][.]\d{2,4}|(?:EN|TS|IEC|RFC) \d|\b(?:19|20)\d\d\b", text)

    assert standards, "neither a standard nor a year"
    assert "audiomentations" in text
    assert f'"{name}"' in text.partition("Example:")[2]
    assert kind.leans_on in (PAGE.parent / "corruptions" / f"{name}.md").read_text("utf-8")


def test_kinds_are_expanded() -> None:
    """Groups and names mix, each name once, in the order given."""
    assert KINDS["speech"] == expand_kinds("speech")
    assert {*CORRUPTIONS} == {*expand_kinds("all")}
    assert expand_kinds("mp3, reverb,mp3") == ("mp3", "reverb")
    assert KINDS["speech"] == expand_kinds("white_noise,speech")
    assert (expand_kinds("mp3,am:Gain(min_gain_db=1, max_gain_db=(1,2))")) == (
        "mp3",
        "am:Gain(max_gain_db=(1, 2),min_gain_db=1)",
    )


def test_unknown_names_offer_the_nearest() -> None:
    """A typo names what was meant."""
    with pytest.raises(UnknownName, match="'white_noise'"):
        expand_kinds("white-noise")
    with pytest.raises(UnknownName, match="'reverb'"):
        build_corruption("reverbs")
    for text in ("", " , "):
        with pytest.raises(InvalidValue, match="kind"):
            expand_kinds(text)
    with pytest.raises(InvalidValue, match="brackets"):
        expand_kinds("mp3,am:Gain(min_gain_db=1")


def test_names_cost_nothing() -> None:
    """The table and the groups load without scipy or audiomentations."""
    code = (
        "import sys, mosdata.augment.corruptions as c; c.expand_kinds('all,am:Gain');"
        "print([m for m in ('scipy', 'audiomentations', 'torch', 'soxr') if m in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert printed.strip() == "[]"


POOL = MemoryPool({f"c{i}": (speechlike(0.8, seed=i), f"t{i}", f"v{i}") for i in range(3)})


def test_chains_follow_the_sound() -> None:
    """Whatever the order of the names: room, others, line, codec, network."""
    given_names = ["time_mask", "mp3", "am:Clip", "low_pass", "white_noise", "overlap", "reverb"]
    expected = ("reverb", "overlap", "white_noise", "low_pass", "am:Clip", "mp3", "time_mask")

    assert expected == in_physical_order(given_names)
    with pytest.raises(InvalidValue, match="once"):
        in_physical_order(["mp3", "mp3"])


def test_a_chain_is_its_links_one_after_the_other() -> None:
    """Each link is drawn from its own chance, for the clip as the former links left it."""
    clip = speechlike(0.6)
    names = ["white_noise", "overlap", "mp3"]
    drawn, harmed = harm_by_chain(
        names, 0.6, clip, seed=2, record_id="r", pool=POOL, sentence="t0", speaker="v0"
    )

    expected = clip
    for applied in drawn:
        link = build_corruption(applied.name, pool=POOL, sentence="t0", speaker="v0")
        assert link.draw(0.6, expected, rng_for(2, "r", applied.name)) == applied
        expected = link.apply(expected, applied)

    assert [applied.name for applied in drawn] == ["overlap", "white_noise", "mp3"]
    assert np.array_equal(expected.samples, apply_chain(clip, drawn, pool=POOL).samples)
    assert np.array_equal(expected.samples, harmed.samples)


def test_a_chain_at_level_0_is_the_clip() -> None:
    """Nothing is done, and that is what the row says."""
    clip = speechlike(0.3)
    drawn, harmed = harm_by_chain(["mp3", "reverb"], 0.0, clip, seed=0, record_id="r")

    assert apply_chain(clip, drawn) is clip
    assert harmed is clip
    assert [applied.level for applied in drawn] == [0.0, 0.0]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_only_who_draws_nothing_shares_a_generator(name: str) -> None:
    """Every record draws the same then, and the shared one stays as it was."""
    pool = MemoryPool(
        {f"c{i}": (speechlike(0.6, seed=i), f"t{i}", f"s{i}") for i in range(9)},
        files={
            "noise": {f"n{i}": speechlike(0.6, seed=i) for i in range(9)},
            "impulse_responses": {f"r{i}": speechlike(0.6, seed=i) for i in range(9)},
        },
    )
    try:
        corruption = build_corruption(name, pool=pool, sentence="text", speaker="ann")
    except MissingExtra as missing:
        pytest.skip(str(missing))
    clip, rngs = speechlike(0.6), [generator_for(corruption, 1, f"r{i}") for i in range(9)]
    before = str(rngs[0].bit_generator.state)
    drawn = {str(corruption.draw(0.5, clip, rng).params) for rng in rngs}

    assert isinstance(corruption, LadderCorruption)
    if not corruption.takes_a_chance:
        assert len(drawn) == 1
        assert str(rngs[0].bit_generator.state) == before
