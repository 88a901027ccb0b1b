"""The report: one file, every number exact, nothing that a user wrote is run."""

import dataclasses
import itertools
import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest

from mosdata.audio import encode_flac
from mosdata.errors import MissingExtra
from mosdata.evaluation import plots
from mosdata.evaluation.evaluate import evaluate
from mosdata.evaluation.page import html, number, tag
from mosdata.evaluation.report import write_report
from mosdata.manifests.predictions import Prediction
from mosdata.testing import speechlike

HOSTILE = '<script>alert(\'$x^$\')</script>&"#010101 --> id="a" 语音'

HISTORY = [
    {"stage": "warm-up", "epoch": 1, "class_loss": 2.0, "mos_loss": None, "best": True},
    {"stage": "warm-up", "epoch": 2, "class_loss": 1.5, "gain": float("nan")},
    {"stage": "joint", "epoch": 1, "class_loss": 1.2, "mos_loss": 0.5, "validation_lcc": 0.4},
    {"note": "a line of another kind"},
]


def make_rows(names=("alpha", "beta", "gamma", "delta", "epsilon", "natural"), num_sentences=6):
    """Clean and corrupted clips; two of three experts are used."""
    rows = []
    for number_, name in enumerate(names):
        for sentence in range(num_sentences):
            for corruption, level in (("", 0.0), ("mp3", 0.5), ("mp3", 1.0)):
                step = (len(rows) * 37 % 11) / 20
                true = 4.2 - 0.3 * number_ - level + step
                rows.append(
                    Prediction(
                        clip_id=f"clip-{len(rows):04d}",
                        split="test",
                        system=name,
                        sentence=f"sentence-{sentence}",
                        corruption=corruption,
                        level=level,
                        mos_true=true,
                        mos_pred=true * 0.8 + 0.9 - step,
                        class_true=name,
                        class_pred=names[0] if step > 0.4 else name,
                        gate=(0.5 + step / 2, 0.5 - step / 2, 0.0),
                    )
                )
    return rows


def write(path, rows, *, target="dnsmos.ovrl", reference=(), **options):
    """Evaluate and report; gives the evaluation and the page."""
    judged = evaluate(rows, reference_predictions=reference, target_name=target)
    write_report(path, evaluation=judged, predictions=rows, **options)
    return judged, path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A report with every part."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    sample = ("alpha, clean", "target 4.20", encode_flac(speechlike(0.2)))
    return write(
        path,
        make_rows(),
        reference=make_rows(),
        facts={"dataset": "build-1a2b", "seed": 0},
        history=HISTORY,
        samples=[sample],
    )


class Reader(HTMLParser):
    """Collects tags, ids and exact numbers, and checks that elements nest."""

    VOID = ("meta",)

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.numbers = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, name, attributes):  # noqa: D102  # named and explained by HTMLParser
        known = dict(attributes)
        self.tags.append((name, known))
        self.ids += [known["id"]] if "id" in known else []
        self.numbers += [float(known["value"])] if name == "data" else []
        if name not in self.VOID:
            self.open.append(name)

    def handle_startendtag(self, name, attributes):  # noqa: D102  # named and explained by HTMLParser
        self.handle_starttag(name, attributes)
        self.open.pop()

    def handle_endtag(self, name):  # noqa: D102  # named and explained by HTMLParser
        assert self.open.pop() == name


def leaves(value):
    """All values of a JSON tree."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from leaves(item)
    else:
        yield value


def test_the_report_holds_the_numbers_of_the_json_exactly(full):
    """Each number shown carries a value of metrics.json, and all headline values are shown."""
    judged, text = full
    tree = judged.to_json()
    known = {value for value in leaves(tree) if isinstance(value, int | float)}
    shown = {*Reader(text).numbers}
    split = tree["splits"]["test"]
    headline = [
        measure[key]
        for part in ("utterance", "system", "within_system", "classification")
        for measure in split[part]["metrics"].values()
        for key in ("value", "low", "high")
    ]
    headline += [b["metrics"]["mse"]["value"] for b in split["baselines"]]
    headline += [cell[key] for cell in split["corruptions"] for key in ("mse", "bias", "level")]
    headline += [row["mean_pred"] for row in split["systems"]]

    assert shown <= known | {0.0}
    assert {*headline} <= shown


def test_the_json_is_embedded_whole(full):
    """A program can read the evaluation from the page alone."""
    judged, text = full
    block = re.search(r'<script type="application/json" id="metrics">(.*?)</script>', text)

    assert json.loads(block.group(1)) == judged.to_json()


def test_the_page_is_sound_and_stands_alone(full):
    """Elements nest, ids are unique, drawings are XML, and nothing is loaded from anywhere."""
    _, text = full
    reader = Reader(text)
    loaded = [
        value
        for name, known in reader.tags
        for key, value in known.items()
        if key in ("src", "href", "data") and name != "a"
    ]
    links = [known["href"] for name, known in reader.tags if name == "a"]
    drawings = re.findall(r"<svg xmlns.*?</svg>", text, flags=re.DOTALL)

    assert len(reader.ids) == len({*reader.ids})
    assert all(link.removeprefix("#") in reader.ids for link in links)
    assert all(value.startswith("data:audio/flac;base64,") for value in loaded)
    assert not re.search(r"@import|url\((?!#)", text)
    assert len(drawings) == 7
    for drawing in drawings:
        ET.fromstring(drawing)


def test_drawings_follow_the_theme_and_describe_themselves(full):
    """No stand-in colour is left over, and every figure says what it shows."""
    _, text = full
    drawings = [known for name, known in Reader(text).tags if known.get("role") == "img"]

    bodies = re.findall(r"<svg xmlns.*?</svg>", text, flags=re.DOTALL)

    assert not [color for body in bodies for color in re.findall(r"#[0-9a-f]{6}\b", body)]
    assert all(len(known["aria-label"]) > 20 for known in drawings)
    assert "prefers-color-scheme: dark" in text


def test_tables_have_heads(full):
    """Every table has a caption, column heads and row heads."""
    _, text = full
    for table in re.findall(r"<table>.*?</table>", text, flags=re.DOTALL):
        rows = table.count("<tr>") - 1

        assert "<caption>" in table
        assert table.count('scope="row"') == rows
        assert 'scope="col"' in table


@pytest.mark.parametrize(
    ("target", "badge", "other"),
    [
        ("dnsmos.ovrl", "metric pseudo-label, not human MOS", "scores by people"),
        ("mos", "scores by people", "metric pseudo-label"),
    ],
)
def test_the_target_goes_by_its_real_name(tmp_path, target, badge, other):
    """A metric's target is never called MOS by people."""
    _, text = write(tmp_path / "r.html", make_rows(num_sentences=2), target=target)

    assert f"<h1>Judge of {target}</h1>" in text
    assert badge in text
    assert other not in text


def test_equal_inputs_give_equal_bytes(tmp_path, full):
    """No date, no random id, no order of rows."""
    sample = ("alpha, clean", "target 4.20", encode_flac(speechlike(0.2)))
    _, text = write(
        tmp_path / "again.html",
        make_rows()[::-1],
        reference=make_rows(),
        facts={"dataset": "build-1a2b", "seed": 0},
        history=HISTORY,
        samples=[sample],
    )

    assert text == full[1]


def test_hostile_names_are_shown_not_run(tmp_path):
    """Systems, corruptions, facts, stages and samples may be called anything."""
    names = (HOSTILE, "b", "c", "d", "e")
    rows = [
        dataclasses.replace(row, corruption=HOSTILE if row.corruption else "")
        for row in make_rows(names)
    ]
    _, text = write(
        tmp_path / "r.html",
        rows,
        target=f"{HOSTILE}.ovrl",
        facts={HOSTILE: HOSTILE},
        history=[{"stage": HOSTILE, f"{HOSTILE}_loss": 1.0}],
        samples=[(HOSTILE, HOSTILE, b"")],
    )
    reader = Reader(text)
    scripts = [known for name, known in reader.tags if name == "script"]

    assert scripts == [{"type": "application/json", "id": "metrics"}]
    assert len(reader.ids) == len({*reader.ids})
    assert "&lt;script&gt;alert('$x^$')" in text.replace("&#x27;", "'")
    for drawing in re.findall(r"<svg xmlns.*?</svg>", text, flags=re.DOTALL):
        ET.fromstring(drawing)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "one value only; a correlation needs two"),
        ({"mos_true": None}, "1 of 1 clips have no target"),
        ({"class_true": None, "gate": ()}, "No mixture weights in the predictions"),
        ({"class_true": None}, "nothing is said about classes"),
    ],
    ids=["one clip", "no score", "no class and no experts", "no class"],
)
def test_tiny_inputs_say_what_is_missing(tmp_path, change, said):
    """One clip of one system still gives a page, which says why it says so little."""
    row = dataclasses.replace(make_rows()[0], **change)
    _, text = write(tmp_path / "r.html", [row])

    assert said in text
    Reader(text)


def test_no_predictions_give_a_page_that_says_so(tmp_path):
    """Nothing to report is also a report."""
    _, text = write(tmp_path / "r.html", [])

    assert "There are no predictions" in text


def test_many_systems_and_classes_still_fit(tmp_path):
    """Thirty systems get a page: names that do not fit stay in the table."""
    _, text = write(tmp_path / "r.html", make_rows([f"tts-{i:02d}" for i in range(30)], 2))

    assert text.count('scope="row">tts-') == 30


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    """The message says what to install, before anything is written."""
    monkeypatch.setattr("mosdata.evaluation.report.find_spec", lambda _: None)

    with pytest.raises(MissingExtra, match=r"mosdata\[report\]"):
        write(tmp_path / "r.html", make_rows())
    assert not [*tmp_path.iterdir()]


def test_a_users_matplotlib_settings_change_nothing(tmp_path):
    """The drawing does not depend on rcParams, and leaves them as they were."""
    import matplotlib as mpl

    before = plots.residual_histogram(make_rows())
    with mpl.rc_context({"font.size": 30, "axes.grid": False}):
        during = plots.residual_histogram(make_rows())
        assert mpl.rcParams["font.size"] == 30

    assert during == before


@pytest.mark.parametrize("heights", [[1.0, 1.01, 1.02], [0.0, 0.0, 2.0, 2.0], [], [1.0]])
def test_labels_are_moved_apart_and_stay_inside(heights):
    """Neighbours keep the gap, the order stays, and nothing leaves the figure."""
    placed = plots.spread(heights, 0.0, 2.0, 0.1)

    assert all(b - a >= 0.1 - 1e-9 for a, b in itertools.pairwise(placed))
    assert all(-1e-9 <= height <= 2.0 for height in placed)


def test_large_scatters_are_thinned_the_same_way_every_time():
    """A fixed choice by id: adding the same rows in another order draws the same points."""
    row = make_rows()[0]
    rows = [dataclasses.replace(row, clip_id=str(i)) for i in range(plots.MAX_POINTS + 50)]

    assert len(plots.drawn_points(rows)) == plots.MAX_POINTS
    assert plots.drawn_points(rows) == plots.drawn_points(rows[::-1])


def test_the_bricks_escape():
    """Text is escaped once, pieces are not escaped again, and no number is negative zero."""
    assert tag("p", ["<", tag("b", "&")]) == "<p>&lt;<b>&amp;</b></p>"
    assert tag("p", "x", title='"') == '<p title="&quot;">x</p>'
    assert html("95 %") == "95\u00a0%"
    assert number(-0.0001) == '<data value="-0.0001">0.000</data>'
    assert number(None) == '<span class="missing">n/a</span>'
