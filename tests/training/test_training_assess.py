"""From a judge and a dataset on disk to a report, in one call."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mosdata.audio import Clip, encode_flac, pcm_sha256
from mosdata.errors import InvalidRatings, MissingExtra, NothingFound
from mosdata.manifests.predictions import read_predictions
from mosdata.manifests.rows import DEBIASED, HUMAN, Applied, Rating, Utterance
from mosdata.manifests.scales import SCALES
from mosdata.manifests.store import Dataset
from mosdata.raters.debias import debias
from mosdata.raters.panel import Panel
from mosdata.testing import clip, human_ratings, utterance, write_dataset
from mosdata.training.assess import assess
from mosdata.training.config import TrainConfig
from mosdata.training.data import MOS, opinions_of
from mosdata.training.train import train_moe


@pytest.fixture(scope="module")
def ladders(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Six rated sources with two corrupted copies each, in all three splits."""
    rows = {"train": [], "validation": [], "test": []}
    ratings = []
    for index in range(6):
        source = utterance(index, clip(0.2, seed=index), system=f"s{index % 2}")
        copies = [
            replace(
                utterance(100 * level + index, clip(0.2, seed=index), system=source.system),
                sentence=source.sentence,
                parent_id=source.id,
                corruptions=(Applied(name="white_noise", level=level / 10, params={}),),
            )
            for level in (3, 6)
        ]
        split = ("train", "train", "train", "train", "validation", "test")[index]
        rows[split] += [source, *copies]
        for level, row in enumerate([source, *copies]):
            ratings += human_ratings(row.id, [4 - level, 5 - level])
    return write_dataset(tmp_path_factory.mktemp("ladders") / "ds", rows, ratings)


@pytest.fixture(scope="module")
def run(ladders: Dataset, tmp_path_factory: pytest.TempPathFactory, tiny: TrainConfig) -> Path:
    """A judge of these."""
    folder = tmp_path_factory.mktemp("judge") / "run"
    train_moe(ladders.folder, folder, tiny, device="cpu")
    return folder


def test_every_clip_is_judged_and_the_headline_is_what_was_held_out(
    ladders: Dataset, run: Path, tmp_path: Path
) -> None:
    """Predictions for all, metrics by split, a report with the numbers and clips to hear."""
    found = assess(run, ladders, out=tmp_path / "out")

    predictions = read_predictions(found.folder / "predictions.parquet")
    assert {row.id for row in ladders.utterances(columns=["id"])} == {
        row.clip_id for row in predictions
    }
    assert "test" == found.evaluation.headline_split
    metrics = json.loads((found.folder / "metrics.json").read_text())
    assert {"train", "validation", "test"} == {*metrics["splits"]}
    page = found.report.read_text(encoding="utf-8")
    assert 3 == page.count("<audio")
    assert "untouched" in page
    assert "white_noise at level 0.6" in page


def test_a_second_assessment_writes_the_same_bytes(
    ladders: Dataset, run: Path, tmp_path: Path
) -> None:
    """Predictions, metrics and report."""
    first, second = (assess(run, ladders, out=tmp_path / name).folder for name in "ab")

    names = ["metrics.json", "predictions.parquet", "report.html"]
    assert names == sorted(path.name for path in first.iterdir())
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_a_judge_that_waits_for_scores_is_assessed_for_what_it_knows(
    unrated: Dataset, tmp_path: Path, tiny: TrainConfig
) -> None:
    """Classes without scores; the report says what is missing."""
    train_moe(unrated.folder, tmp_path / "run", tiny, device="cpu")

    found = assess(tmp_path / "run", unrated)

    assert found.evaluation.headline is not None
    assert found.evaluation.headline.classification is not None
    assert "wait for scores" in found.report.read_text(encoding="utf-8")
    assert found.folder.parent == tmp_path / "run"


def test_another_dataset_is_judged_split_by_split_as_it_is(
    ladders: Dataset, trained: Path, tmp_path: Path
) -> None:
    """Systems that the judge never heard are judged all the same."""
    found = assess(trained, ladders, out=tmp_path / "out")

    assert 18 == found.num_clips
    assert "another dataset" in found.report.read_text(encoding="utf-8")


def test_what_is_missing_is_said_before_any_work(
    ladders: Dataset, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No run, no matplotlib: one clear error, and no folder."""
    with pytest.raises(NothingFound):
        assess(tmp_path / "nowhere", ladders, out=tmp_path / "out")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("mosdata.evaluation.report.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"mosdata\[report\]"):
        assess(run, ladders, out=tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_only_what_is_asked_for_is_picked(ladders: Dataset) -> None:
    """Whole rows, in file order, audio included."""
    rows = list(ladders.utterances())
    wanted = {rows[4].id, rows[1].id}

    picked = list(ladders.pick(wanted))

    assert [rows[1], rows[4]] == picked
    assert pcm_sha256(picked[0].clip()) == rows[1].pcm_sha256
    assert encode_flac(picked[0].clip()) == rows[1].audio


def opinions(rows: list[Utterance], *, scale: str, kind: str = HUMAN) -> list[Rating]:
    """Louder is better, on any scale; five people, one of them harsh, agree but for that."""
    low, high = float(SCALES[scale].low), float(SCALES[scale].high)
    ratings = []
    for place, row in enumerate(rows):
        middle = low + (high - low) * (0.2 + 0.7 * place / len(rows))
        for number in range(5):
            spread = (high - low) * (((place * 7 + number * 3) % 5 - 2) / 30 - (number == 0) / 10)
            ratings.append(
                Rating(
                    clip_id=row.id, kind=kind, dimension="mos", scale=scale,
                    value=min(high, max(low, middle + spread)), rater=f"r{number}", test="t",
                )
            )  # fmt: skip
    return ratings


def loud(tmp_path: Path, scale: str, name: str = "ds") -> Dataset:
    """Clips of rising loudness by six systems, rated on a scale."""
    rows = [
        utterance(i, clip(0.1, seed=i), system=f"s{i % 6}", synthesizer=("a", "b")[i % 2])
        for i in range(48)
    ]
    rows = [
        row.with_clip(Clip(row.clip().samples * np.float32(10 ** (i / 48 - 1)), 16_000))
        for i, row in enumerate(rows)
    ]
    splits = {"train": rows[::2], "validation": rows[1::4], "test": rows[3::4]}
    return write_dataset(tmp_path / name, splits, opinions(rows, scale=scale))


@pytest.mark.parametrize("scale", ["mushra_0_100", "acr_0_10"])
def test_scores_on_another_scale_are_learned_and_judged_raw(
    tmp_path: Path, tiny: TrainConfig, scale: str
) -> None:
    """Predictions and errors are in points of that scale, and every result names it."""
    dataset = loud(tmp_path, scale)
    summary = train_moe(dataset.folder, tmp_path / "run", tiny, device="cpu")
    found = assess(tmp_path / "run", dataset)

    predictions = read_predictions(found.folder / "predictions.parquet")
    said = [row.mos_pred for row in predictions if row.mos_pred is not None]
    width = float(SCALES[scale].high)
    assert scale == summary.scale == found.evaluation.scale
    assert 0.4 * width < np.mean(said) < 0.7 * width
    assert max(said) - min(said) > 0.1 * width
    assert scale == json.loads((found.folder / "metrics.json").read_text())["scale"]
    assert f"<dd>{scale}</dd>" in found.report.read_text(encoding="utf-8")


def test_a_dataset_on_another_scale_is_refused(tmp_path: Path, tiny: TrainConfig) -> None:
    """Errors between two scales mean nothing; scales of one range are the same scale."""
    train_moe(loud(tmp_path, "mushra_0_100").folder, tmp_path / "run", tiny, device="cpu")

    with pytest.raises(InvalidRatings, match=r"mushra_0_100.*acr_1_5"):
        assess(tmp_path / "run", loud(tmp_path, "acr_1_5", "other"), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    same = assess(tmp_path / "run", loud(tmp_path, "continuous_0_100", "same"))
    assert "continuous_0_100" == same.evaluation.scale


def test_ceilings_come_from_the_ratings_of_the_split(tmp_path: Path, tiny: TrainConfig) -> None:
    """In metrics and report, for raw and for de-biased scores; a table of systems is named."""
    dataset = loud(tmp_path, "acr_1_5")
    train_moe(dataset.folder, tmp_path / "run", tiny, device="cpu")
    table = tmp_path / "official.csv"
    table.write_text("system,value\n" + "".join(f"s{i},{2 + i / 4}\n" for i in range(6)))
    plain = assess(tmp_path / "run", dataset)
    held = assess(tmp_path / "run", dataset, system_truth=table)

    split = plain.evaluation.splits["test"]
    assert split.utterance.ceiling.lcc is not None
    assert 0.8 < split.utterance.ceiling.lcc <= 1
    assert split.system.ceiling.lcc is not None
    assert "a perfect judge" in plain.report.read_text(encoding="utf-8")
    assert "external table official.csv" == held.evaluation.splits["test"].system.truth
    assert plain.folder != held.folder


def test_a_metric_has_no_ceiling_and_says_so(tmp_path: Path, tiny: TrainConfig) -> None:
    """Its scores come from no listener, however many people rated beside it."""
    rated = loud(tmp_path, "acr_1_5", "rated")
    scores = [
        Rating(clip_id=row.id, kind="dnsmos", dimension="p808", scale="acr_1_5", value=2 + i / 24)
        for i, row in enumerate(rated.utterances(columns=["id"]))
    ]
    rows = {split: list(rated.utterances(split)) for split in rated.splits}
    dataset = write_dataset(tmp_path / "ds", rows, [*rated.ratings(), *scores])
    config = replace(tiny, target="dnsmos.p808")
    train_moe(dataset.folder, tmp_path / "run", config, device="cpu")

    split = assess(tmp_path / "run", dataset).evaluation.splits["test"]
    assert "computed by a metric" in split.utterance.ceiling.reason
    assert any("n/a, the target was computed by a metric" in note for note in split.notes)


def test_de_biased_scores_are_trained_and_judged_as_peoples(
    tmp_path: Path, tiny: TrainConfig
) -> None:
    """With their own ceiling, and a badge that says what they are."""
    raw = loud(tmp_path, "acr_1_5", "raw")
    rows = {split: list(raw.utterances(split)) for split in raw.splits}
    known = Panel.from_ratings(opinions_of(raw, MOS)[1])
    means = zip(known.clip_names.to_pylist(), debias(known).quality_C.tolist(), strict=True)
    scores = [
        Rating(clip_id=name, kind=DEBIASED, dimension="mos", scale="acr_1_5", value=value, votes=5)
        for name, value in means
    ]
    dataset = write_dataset(tmp_path / "ds", rows, [*raw.ratings(), *scores])
    config = replace(tiny, target="debiased.mos")
    train_moe(dataset.folder, tmp_path / "run", config, device="cpu")

    found = assess(tmp_path / "run", dataset)
    assert found.evaluation.target_is_human
    assert found.evaluation.splits["test"].utterance.ceiling.lcc is not None
    assert "less what each listener adds" in found.report.read_text(encoding="utf-8")
