"""What shows in all clips of a build together: fences, twins, and the files that hold them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mosdata.builders.checks import check
from mosdata.builders.executors import Execution
from mosdata.builders.publish import publish
from mosdata.builders.repair import repair
from mosdata.builders.status import homes_of
from mosdata.builders.verify import verify_dataset
from mosdata.manifests.schema import CHECKS, FENCES
from mosdata.manifests.store import CHECKS_NAME, open_dataset
from mosdata.testing import utterance, write_dataset

DOCS = Path(__file__).parents[2] / "docs" / "dataset.md"


def by_hand(values, share):
    """A quantile with linear interpolation, written out."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def voice(name, seconds, first=0):
    """Clips of one voice that last so long, each with a text of twenty characters."""
    return [
        utterance(
            first + i, text=f"Twenty letters {first + i:05d}"[:20], voice=name, speech_s=speech_s
        )
        for i, speech_s in enumerate(seconds)
    ]


def test_fences_are_those_of_tukey(tmp_path):
    """Two interquartile ranges beyond the quartiles of each voice; what lies outside is named."""
    rng = np.random.default_rng(3)
    usual = [float(value) for value in rng.uniform(1.5, 2.5, 30)]
    rows = voice("a", [*usual, 9.0, 0.4]) + voice("b", [9.0] * 8, first=50)
    dataset = write_dataset(tmp_path / "set", {"train": rows})

    findings, fences = check(dataset)

    # A digit counts as four characters: fifteen and five digits of four.
    rates = [35 / seconds for seconds in [*usual, 9.0, 0.4]]
    q1, q3 = by_hand(rates, 0.25), by_hand(rates, 0.75)
    assert [fence.voice for fence in fences] == ["a", "b"]
    assert (fences[0].q1, fences[0].q3) == pytest.approx((q1, q3))
    assert fences[0].low == pytest.approx(q1 - 2 * (q3 - q1))
    assert fences[0].high == pytest.approx(q3 + 2 * (q3 - q1))
    assert {(one.clip_id, one.flag) for one in findings} == {
        (row.id, "rate_outlier") for row in rows[30:32]
    }
    assert fences[0].outside == 2


def test_rates_count_what_was_said(tmp_path):
    """An amount of money is read as words: by its digits alone it would look slow."""
    plain = voice("a", [2.0 + 0.01 * i for i in range(9)])
    rows = [replace(row, text=f"${i}.50", text_spoken=row.text) for i, row in enumerate(plain)]

    found = check(write_dataset(tmp_path / "said", {"train": rows}))

    assert found == check(write_dataset(tmp_path / "plain", {"train": plain}))


def test_a_voice_with_few_clips_is_not_judged(tmp_path):
    """Seven clips have no fences, and the table says so; clips nobody measured do not count."""
    rows = voice("few", [1.0] * 6 + [30.0]) + voice("unmeasured", [None] * 9, first=20)
    dataset = write_dataset(tmp_path / "set", {"train": rows})

    findings, fences = check(dataset)

    assert findings == []
    assert [(fence.voice, fence.clips, fence.low) for fence in fences] == [
        ("few", 7, None),
        ("unmeasured", 0, None),
    ]


def test_twins_are_named(tmp_path):
    """The same sound for other words or another voice; and the same request twice."""
    one = utterance(0)
    other = utterance(1, one.clip())  # another text
    fallback = utterance(2, one.clip(), text=one.text, voice="other")
    again = utterance(3, text=one.text, seed=one.seed)
    lone = utterance(4)
    dataset = write_dataset(tmp_path / "set", {"train": [one, other, fallback, again, lone]})

    found = {(f.clip_id, f.flag): (f.value, f.twin) for f in check(dataset)[0]}

    assert found == {
        (one.id, "same_sound"): (3.0, other.id),
        (other.id, "same_sound"): (3.0, one.id),
        (fallback.id, "same_sound"): (3.0, one.id),
        (one.id, "same_request"): (2.0, again.id),
        (again.id, "same_request"): (2.0, one.id),
    }


def test_a_build_has_its_checks(built):
    """Written at commit, vouched for, read with one call; the rates are those of the rows."""
    dataset = open_dataset(built)
    fences = dataset.fences().to_pylist()

    assert dataset.checks().column_names == [*CHECKS]
    assert dataset.fences().column_names == [*FENCES]
    assert sum(fence["clips"] for fence in fences) == dataset.num_rows
    assert all(row.speech_s and row.speech_s <= row.duration_s for row in dataset.utterances())


def test_checks_are_published_and_old_datasets_have_none(built, tmp_path):
    """A copy has the same tables; a dataset without them has empty ones of the same columns."""
    dataset = open_dataset(built)
    publish(dataset, tmp_path / "copy")
    plain = write_dataset(tmp_path / "plain", {"train": [utterance(0)]})

    assert dataset.fences().equals(open_dataset(tmp_path / "copy").fences())
    assert (0, [*CHECKS]) == (plain.checks().num_rows, plain.checks().column_names)


@pytest.mark.parametrize("with_run", [True, False])
def test_damaged_checks_are_seen_and_found_again(built, tmp_path, with_run):
    """``verify`` names the file; ``repair`` makes it again from the clips, plan or no plan."""
    shutil.copytree(built, tmp_path / "out")
    if with_run:
        shutil.copytree(built.with_name(f"{built.name}.run"), tmp_path / "out.run")
    path = tmp_path / "out" / CHECKS_NAME
    path.write_bytes(path.read_bytes()[:-9])
    damaged = verify_dataset(open_dataset(tmp_path / "out"))

    (home,) = homes_of(tmp_path / "out")
    found = repair(home, execution=Execution(executor="serial"))

    assert [problem.path for problem in damaged.problems] == [CHECKS_NAME]
    assert [(one.what, one.done) for one in found.troubles] == [(CHECKS_NAME, "mended")]
    assert verify_dataset(open_dataset(tmp_path / "out")).is_sound


def test_the_tables_are_documented():
    """docs/dataset.md has every column with its meaning."""
    page = DOCS.read_text("utf-8")

    for name, (kind, meaning) in [*CHECKS.items(), *FENCES.items()]:
        assert f"| `{name}` | {kind} | {meaning} |" in page
