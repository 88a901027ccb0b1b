"""``mosdata ratings``: what is said of ratings, without their habits, and of new raters."""

import csv
import json
import random
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer.main

from mosdata.builders.verify import verify_files
from mosdata.cli import app
from mosdata.manifests.predictions import Prediction, write_predictions
from mosdata.manifests.rows import DEBIASED, HUMAN, Rating
from mosdata.manifests.store import open_dataset
from mosdata.testing import clip, utterance, write_dataset

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"
COMMANDS = typer.main.get_command(app).commands["ratings"].commands

INSPECTED = {
    "ratings", "clips", "raters", "systems", "votes_per_clip", "repeated_pairs", "mismatches",
    "rmse_human", "reliability", "ceilings", "design",
}  # fmt: skip
HARSH, MILD = "harsh", "mild"


def votes(num_clips=24, num_raters=8, seed=0):
    """Clip, system, rater and score of an incomplete design with a harsh and a mild rater."""
    rng = random.Random(seed)
    habit = {f"r{i}": rng.gauss(0, 0.3) for i in range(num_raters)} | {HARSH: -1.5, MILD: 1.5}
    rows = []
    for number in range(num_clips):
        quality = 2 + number % 4 * 0.6
        for rater in rng.sample(sorted(habit), 4):
            score = round(quality + habit[rater] + rng.gauss(0, 0.4))
            rows.append((f"c{number:02d}", f"s{number % 4}", rater, min(5, max(1, score))))
    return rows


def write_csv(path, header, rows):
    """A table on disk."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


@pytest.fixture
def table(workspace):
    """Single scores in a CSV file."""
    return write_csv(workspace / "votes.csv", ["clip", "system", "rater", "score"], votes())


@pytest.fixture
def dataset(workspace):
    """The same scores in a dataset, in two splits."""
    sound = clip(0.02)
    rows, ratings = {}, []
    for name, system, rater, score in votes():
        rows[name] = replace(utterance(int(name[1:]), sound, system=system), id=name)
        ratings.append(
            Rating(
                clip_id=name, kind=HUMAN, dimension="mos", scale="acr_1_5", value=score,
                rater=rater, test="t",
            )
        )  # fmt: skip
    every = [*rows.values()]
    return write_dataset(workspace / "ds", {"train": every[:16], "test": every[16:]}, ratings)


@pytest.fixture
def newcomers(workspace):
    """Two new raters' scores of some clips; the second is a point milder than the first."""
    rows = [(name, "ann", min(5, max(1, score))) for name, _, _, score in votes()[::8]]
    rows += [(name, "ben", min(5, score + 1)) for name, _, score in rows]
    return write_csv(workspace / "new.csv", ["clip", "rater", "score"], rows)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_ratings_is_explained(name):
    """On the spot and in docs/cli.md."""
    text = DOCS.read_text(encoding="utf-8")

    assert f"mosdata ratings {name}" in text
    assert COMMANDS[name].help
    for param in COMMANDS[name].params:
        assert getattr(param, "help", None)
        spellings = [o for o in (*param.opts, *param.secondary_opts) if o.startswith("--")]
        assert not spellings or any(option in text for option in spellings), spellings


@pytest.mark.parametrize(
    ("source", "page"), [("votes.csv", "ratings.html"), ("ds", "ds.run/ratings.html")]
)
def test_inspection_has_its_keys_and_its_page(mosdata, table, dataset, source, page):
    """A table and a dataset of the same scores say the same; the page goes where it is due."""
    ended = mosdata("ratings", "inspect", source, "--json")
    found = json.loads(ended.out)

    assert INSPECTED <= {*found}
    assert (96, 24, 10, 4) == tuple(found[k] for k in ("ratings", "clips", "raters", "systems"))
    assert page == found["page"]
    assert Path(found["page"]).is_file()
    assert "What a perfect judge would score" in ended.err
    assert "incomplete" in ended.err


def test_what_is_odd_about_a_table_is_counted_with_its_place(mosdata, workspace):
    """A row that was not read is told with its number and its line."""
    (workspace / "t.csv").write_text("clip,rater,score\na,x,1\na,y,2\nb,x\nb,x,4\nb,y,4\n")
    said = mosdata("ratings", "inspect", "t.csv", "--no-page").err

    assert "ragged_row: 1 rows with too few or too many cells; not imported (t.csv, line 4" in said


def test_what_cannot_be_known_is_told_with_its_reason(mosdata, workspace):
    """One vote a clip says nothing of how far listeners are apart."""
    (workspace / "t.csv").write_text("clip,score\na,1\nb,2\nc,4\n")
    said = mosdata("ratings", "inspect", "t.csv", "--no-page").err
    line = next(line for line in said.splitlines() if "RMSE_human" in line)

    assert "n/a" in line
    assert "no clip has two votes or more" in line


def test_the_page_goes_where_it_is_told_or_nowhere(mosdata, table, workspace):
    """One line on stdout names it."""
    there = mosdata("ratings", "inspect", "votes.csv", "--page", "pages/p.html")
    nowhere = mosdata("ratings", "inspect", "votes.csv", "--no-page", "--json")

    assert "pages/p.html\n" == there.out
    assert (workspace / "pages" / "p.html").is_file()
    assert json.loads(nowhere.out)["page"] is None
    assert not (workspace / "ratings.html").exists()


def test_without_matplotlib_the_summary_still_comes(mosdata, table, monkeypatch):
    """The page is left out with a note; asked for by name, it is an error before any work."""
    monkeypatch.setattr("mosdata.evaluation.report.find_spec", lambda _: None)

    assert "No page was written" in mosdata("ratings", "inspect", "votes.csv").err
    assert 2 == mosdata("ratings", "inspect", "votes.csv", "--page", "p.html").code


def test_metrics_can_be_inspected_by_their_kind(mosdata, workspace):
    """The same questions, without raters."""
    rows = [utterance(i, clip(0.02)) for i in range(3)]
    ratings = [
        Rating(clip_id=row.id, kind="dnsmos", dimension="p808", scale="acr_1_5", value=3 + i / 4)
        for i, row in enumerate(rows)
    ]
    write_dataset(workspace / "ds", {"train": rows}, ratings)
    found = json.loads(
        mosdata("ratings", "inspect", "ds", "--kind", "dnsmos", "--no-page", "--json").out
    )

    assert ("dnsmos", "p808", None) == (found["kind"], found["dimension"], found["raters"])


def test_a_table_is_debiased_into_two_files_and_stays_as_it_is(mosdata, table, workspace):
    """Clips with their quality and votes, raters with their offsets; in CSV or Parquet."""
    before = table.read_bytes()
    found = json.loads(mosdata("ratings", "debias", "votes.csv", "--json").out)
    again = mosdata("ratings", "debias", "votes.csv", "--out", "x/deb.parquet")

    assert before == table.read_bytes()
    assert "out/votes-debiased.csv" == found["path"]
    with Path(found["path"]).open(encoding="utf-8") as file:
        rows = [*csv.DictReader(file)]
    assert ["clip", "mos_debiased", "votes"] == [*rows[0]]
    assert (24, "4") == (len(rows), rows[0]["votes"])
    with Path(found["raters_path"]).open(encoding="utf-8") as file:
        offsets = {row["rater"]: float(row["offset"]) for row in csv.DictReader(file)}
    assert HARSH == min(offsets, key=offsets.__getitem__)
    assert MILD == max(offsets, key=offsets.__getitem__)
    assert "x/deb.parquet\n" == again.out
    table_again = pq.read_table(workspace / "x" / "deb.parquet")
    assert [float(row["mos_debiased"]) for row in rows] == table_again["mos_debiased"].to_pylist()
    assert (workspace / "x" / "deb-raters.parquet").is_file()


def test_debiasing_keys_and_the_lift_it_gives(mosdata, table):
    """Halves of the listeners agree better without the habits of the harsh and the mild."""
    found = json.loads(mosdata("ratings", "debias", "votes.csv", "--json").out)
    lift = {(row["level"], row["debiased"]): row["lcc"]["value"] for row in found["agreement"]}

    assert {
        "path", "raters_path", "set", "was_complete", "dimension", "scale", "method", "shrinkage",
        "clips", "raters", "outside_scale", "agreement",
    } == {*found}  # fmt: skip
    assert lift["utterance", "both sides"] > lift["utterance", "none"] + 0.05


def test_a_dataset_gets_a_set_of_its_own_once(mosdata, dataset):
    """One score a clip, of the kind debiased; the ratings as given stay; a second run adds none."""
    answers, written = [], []
    for _ in range(2):
        ended = mosdata("ratings", "debias", "ds", "--method", "affine", "--json")
        answers.append(json.loads(ended.out))
        files = sorted(path for path in dataset.folder.rglob("*") if path.is_file())
        written.append([(path, path.stat().st_mtime_ns) for path in files])
    added = open_dataset("ds")
    scores = [rating for rating in added.ratings() if rating.kind == DEBIASED]

    assert written[0] == written[1]
    assert [False, True] == [answer.pop("was_complete") for answer in answers]
    assert answers[0] == answers[1]
    assert [f"c{i:02d}" for i in range(24)] == [rating.clip_id for rating in scores]
    assert {("mos", "acr_1_5", 4, "affine, shrinkage 5")} == {
        (rating.dimension, rating.scale, rating.votes, rating.revision) for rating in scores
    }
    assert [*dataset.ratings()] == [r for r in added.ratings() if r.kind == HUMAN]
    assert dataset.content_id == added.content_id
    verify_files(added)


def test_debiased_scores_can_be_learned(mosdata, dataset):
    """The target is found under the name that the command prints."""
    from mosdata.training.data import Target, load_examples

    ended = mosdata("ratings", "debias", "ds")
    found = open_dataset("ds")
    examples = load_examples(found, Target.parse("debiased.mos", found), carve=False)

    assert "mosdata train moe ds --target debiased.mos" in ended.err
    assert "acr_1_5" == examples.scale
    assert all(row.value is not None for row in examples.rows)


def test_other_settings_are_another_set(mosdata, dataset):
    """Method and shrinkage are part of a set's name."""
    sets = {
        json.loads(mosdata("ratings", "debias", "ds", *more, "--json").out)["set"]
        for more in ([], ["--method", "zscore"], ["--shrinkage", "0"])
    }

    assert 3 == len(sets)


def test_new_raters_are_learnt_from_a_few_ratings(mosdata, table, newcomers):
    """An offset with its interval each; what they would say of the clips they did not hear."""
    found = json.loads(
        mosdata("ratings", "adapt", "votes.csv", "--rater-csv", "new.csv", "--json").out
    )
    ann, ben = found["raters"]

    assert {"dimension", "scale", "path", "raters", "unmatched", "unnamed", "told"} == {*found}
    assert ["ann", "ben"] == [ann["rater"], ben["rater"]]
    assert ann["low"] < ann["offset"] < ann["high"]
    assert ben["offset"] > ann["offset"]
    with Path(found["path"]).open(encoding="utf-8") as file:
        rows = [*csv.DictReader(file)]
    assert found["told"] == len(rows) == 2 * (24 - ann["ratings"])
    row = rows[0]
    assert float(row["score"]) - float(row["quality"]) == pytest.approx(ann["offset"])


def test_predictions_can_be_adapted_in_place_of_the_panel(mosdata, table, newcomers, workspace):
    """The offset is then what raters add to what the judge says."""
    rows = [
        Prediction(clip_id=f"c{i:02d}", split="test", system="s", sentence=str(i), mos_pred=1.0)
        for i in range(24)
    ]
    write_predictions(workspace / "predictions.parquet", rows)
    command = ("ratings", "adapt", "votes.csv", "--rater-csv", "new.csv")
    found = json.loads(mosdata(*command, "--predictions", "predictions.parquet", "--json").out)

    with Path(found["path"]).open(encoding="utf-8") as file:
        assert {"1"} == {row["quality"] for row in csv.DictReader(file)}
    assert found["raters"][0]["offset"] > 0.5


def test_the_curve_is_measured_on_the_panel_itself(mosdata, table):
    """Before and after for each k; no new ratings are needed."""
    found = json.loads(mosdata("ratings", "adapt", "votes.csv", "--curve", "--json").out)
    points = found["curve"]

    assert [1, 2, 5, 10, 20] == [point["k"] for point in points]
    assert points[1]["after"]["mse"]["value"] < points[1]["before"]["mse"]["value"]


BAD = {
    "no_score.csv": "clip,rater\na,x\n",
    "off_scale.csv": "clip,rater,score\na,x,9\nb,y,3\n",
    "nameless.csv": "clip,score\na,4\nb,3\n",
    "strangers.csv": "clip,rater,score\nnobody,x,3\n",
    "empty.csv": "clip,rater,score\n",
}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("inspect", "gone.csv"), "gone.csv"),
        (("inspect", "no_score.csv"), "no_score.csv"),
        (("inspect", "off_scale.csv"), "9"),
        (("inspect", "empty.csv"), "empty.csv"),
        (("inspect", "votes.csv", "--dimension", "noise", "--kind", "dnsmos"), "human.noise"),
        (("inspect", "votes.csv", "--scale", "cmos_-3_3"), "judges one clip by itself"),
        (("inspect", "votes.csv", "--scale", "acr_9"), "No scale is called"),
        (("inspect", "empty"), "no ratings of the kind 'human'"),
        (("inspect", "empty", "--scale", "acr_1_5"), "a dataset says it"),
        (("debias", "nameless.csv"), "does not say who rated"),
        (("debias", "votes.csv", "--method", "magic"), "magic"),
        (("debias", "votes.csv", "--shrinkage", "-1"), "shrinkage"),
        (("debias", "votes.csv", "--out", "votes.csv"), "is not changed"),
        (("debias", "votes.csv", "--out", "x.txt"), ".csv or .parquet"),
        (("debias", "votes.csv", "--out", "votes.csv/x.csv"), "where you may write"),
        (("debias", "empty", "--out", "x.csv"), "--out is for tables"),
        (("adapt", "votes.csv"), "--rater-csv"),
        (("adapt", "votes.csv", "--rater-csv", "strangers.csv"), "No clip of strangers.csv"),
        (("adapt", "votes.csv", "--rater-csv", "votes.csv"), "raters of the panel already"),
        (("adapt", "votes.csv", "--rater-csv", "nameless.csv"), "does not say who rated"),
        (("adapt", "votes.csv", "--rater-csv", "off_scale.csv"), "9"),
        (
            ("adapt", "votes.csv", "--rater-csv", "new.csv", "--predictions", "votes.csv"),
            "cannot be read as predictions",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(refused, workspace, table, newcomers, arguments, says):
    """One message that names it; nothing is written, and nothing that was given changes."""
    for name, text in BAD.items():
        (workspace / name).write_text(text, encoding="utf-8")
    write_dataset(workspace / "empty", {"train": [utterance(0, clip(0.02))]})

    assert says in refused("ratings", *arguments)
