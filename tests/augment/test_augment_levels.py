"""Levels, names, groups and chains."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosdata.augment.chain import apply_chain, draw_chain, in_physical_order
from mosdata.augment.corruptions import CORRUPTIONS, KINDS, build_corruption, expand_kinds
from mosdata.augment.levels import ladder_table, parse_levels
from mosdata.augment.pool import MemoryPool
from mosdata.errors import InvalidValue, UnknownName
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


# Worked by hand from the formulas: 60-65l, 55-55l, .15*13.33^l and 34-40l, mel-linear, 100*40^l,
# .4l^2
LADDERS_16K = {
    ("white_noise", "snr_db"): [53.5, 43.75, 27.5, 11.25, -5],
    ("overlap", "sir_db"): [49.5, 41.25, 27.5, 13.75, 0],
    ("reverb", "rt60_s"): [0.1944, 0.2866, 0.5477, 1.0466, 2.0],
    ("reverb", "drr_db"): [30, 24, 14, 4, -6],
    ("low_pass", "cutoff_hz"): [6437, 4602, 2531, 1269, 500],
    ("high_pass", "cutoff_hz"): [144.6, 251.5, 632.5, 1590.5, 4000],
    ("time_mask", "masked_fraction"): [0.004, 0.025, 0.1, 0.225, 0.4],
    ("mp3", "bitrate_kbps"): [48, 32, 16, 8, 8],
}


@pytest.mark.parametrize(("name", "value"), LADDERS_16K)
def test_ladders_are_those_of_the_documentation(name: str, value: str) -> None:
    """Levels .1, .25, .5, .75 and 1 at 16 kHz."""
    table = ladder_table(name, 16_000)

    assert pytest.approx(LADDERS_16K[name, value], rel=2e-4) == [row[value] for row in table]
    assert [row["level"] for row in table] == [0.1, 0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize("sample_rate_hz", ["16000", "48000"])
def test_the_documentation_holds_what_is_printed(sample_rate_hz: str) -> None:
    """The command that the documentation names prints the tables that stand in it."""
    printed = subprocess.run(
        [sys.executable, "-m", "mosdata.augment.levels", sample_rate_hz],
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert all(f"| `{name}` |" in printed for name in CORRUPTIONS)
    assert printed in PAGE.read_text(encoding="utf-8")


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
    drawn = draw_chain(
        names, 0.6, clip, seed=2, record_id="r", pool=POOL, sentence="t0", speaker="v0"
    )

    expected = clip
    for applied in drawn:
        link = build_corruption(applied.name, pool=POOL, sentence="t0", speaker="v0")
        assert link.draw(0.6, expected, rng_for(2, "r", applied.name)) == applied
        expected = link.apply(expected, applied)

    assert [applied.name for applied in drawn] == ["overlap", "white_noise", "mp3"]
    assert np.array_equal(expected.samples, apply_chain(clip, drawn, pool=POOL).samples)


def test_a_chain_at_level_0_is_the_clip() -> None:
    """Nothing is done, and that is what the row says."""
    clip = speechlike(0.3)
    drawn = draw_chain(["mp3", "reverb"], 0.0, clip, seed=0, record_id="r")

    assert apply_chain(clip, drawn) is clip
    assert [applied.level for applied in drawn] == [0.0, 0.0]
