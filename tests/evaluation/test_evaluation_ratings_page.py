"""The page about ratings: one file with every part, and nothing that a user wrote is run."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest

from mosdata.corpora.table import Finding
from mosdata.errors import MissingExtra
from mosdata.evaluation.ratings_page import sentences, system_values, write_ratings_page
from mosdata.evaluation.ratings_plots import drawn_systems, lcc_ceiling
from mosdata.raters.inspection import inspect
from mosdata.raters.panel import Panel

HOSTILE = '<script>alert(1)</script>&"--> $x^$ 语音'


def panel(*, num_clips=48, num_raters=12, votes=4, named=True, systems=6, scale="acr_1_5"):
    """What listeners of differing mildness said of clips of several systems."""
    rng = np.random.default_rng(0)
    quality = 2 + np.arange(num_clips) % max(1, systems) / 3
    habit = rng.normal(0, 0.4, num_raters)
    rows = []
    for clip in range(num_clips):
        for rater in rng.choice(num_raters, votes, replace=False):
            score = round(quality[clip] + habit[rater] + rng.normal(0, 0.6))
            rater_name = HOSTILE if rater == 0 else f"r{rater}"
            rows.append((f"c{clip}", rater_name if named else None, float(np.clip(score, 1, 5))))
    names, raters, values = zip(*rows, strict=True)
    table = pa.table(
        {"clip_id": names, "rater": pa.array(raters, pa.string()), "value": values,
         "scale": [scale] * len(rows)}
    )  # fmt: skip
    known = (
        {f"c{clip}": f"{HOSTILE}{clip % systems}" for clip in range(num_clips)} if systems else {}
    )
    return Panel.from_ratings(table, systems=known)


def published():
    """Means without the scores behind them."""
    return Panel.from_ratings(
        pa.table(
            {"clip_id": ["a", "b", "c"], "value": [3.0, 4.0, 2.0], "std": [0.5, 0.4, 0.6],
             "votes": pa.array([5, 6, 7], pa.int32())}
        )
    )  # fmt: skip


class Page(HTMLParser):
    """Elements nest, ids are unique."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.tags, self.loaded = [], [], [], []
        self.feed(text)
        assert self.open == []
        assert len(self.ids) == len({*self.ids})

    def handle_starttag(self, name, attributes):  # noqa: D102  # named and explained by HTMLParser
        known = dict(attributes)
        self.tags.append(name)
        self.ids += [known["id"]] if "id" in known else []
        self.loaded += [v for k, v in attributes if k in ("src", "href") and v[:1] != "#"]
        if name != "meta":
            self.open.append(name)

    def handle_startendtag(self, name, attributes):  # noqa: D102  # named and explained by HTMLParser
        self.handle_starttag(name, attributes)
        self.open.pop()

    def handle_endtag(self, name):  # noqa: D102  # named and explained by HTMLParser
        assert self.open.pop() == name


def page_of(path, found):
    """The page as text, and as it is read by a browser."""
    write_ratings_page(path, found, name=HOSTILE)
    text = path.read_text(encoding="utf-8")
    return text, Page(text)


def test_the_page_has_every_part_and_stands_alone(tmp_path):
    """Five figures, findings, nothing loaded from anywhere, the JSON whole, no script but data."""
    odd = Finding(code="repeated_pair", count=2, message="twice <b>", examples=(HOSTILE,))
    found = inspect(panel(), findings=[odd])
    text, page = page_of(tmp_path / "r.html", found)

    anchors = {"scores", "ceilings", "raters", "systems", "findings", "reading"}
    assert anchors <= {*page.ids}
    assert 5 == page.tags.count("figure")
    assert ([], 1) == (page.loaded, page.tags.count("script"))
    assert "repeated_pair" in text
    assert "twice &lt;b&gt;" in text
    block = re.search(r'<script type="application/json" id="ratings">(.*?)</script>', text)
    assert json.loads(block.group(1)) == json.loads(json.dumps(found.to_json()))


def test_equal_ratings_give_equal_bytes(tmp_path):
    """Whenever and however often."""
    first, second = (page_of(tmp_path / name, inspect(panel()))[0] for name in ("a", "b"))

    assert first == second


@pytest.mark.parametrize(
    ("ratings", "absent"),
    [
        (panel(named=False), {"raters", "findings"}),
        (panel(systems=0), {"systems", "findings"}),
        (published(), {"raters", "systems", "findings"}),
        (panel(num_clips=2, num_raters=2, votes=1, systems=1), {"findings"}),
        (panel(scale="continuous_0_100"), {"findings"}),
        (panel(num_clips=120, systems=60), {"findings"}),
    ],
)
def test_what_is_not_known_is_left_out(tmp_path, ratings, absent):
    """No raters, no systems, means only, next to nothing, another scale, many systems."""
    text, page = page_of(tmp_path / "r.html", inspect(ratings))

    parts = {"scores", "ceilings", "raters", "systems", "findings", "reading"}
    assert parts - absent == parts & {*page.ids}
    assert "nan" not in re.sub(r"<[^>]+>", " ", text).lower().split()


def test_systems_are_means_of_clip_means_with_places(tmp_path):
    """In the order of names, with intervals; the places are those that these leave open."""
    ratings = panel()
    found = system_values(ratings)
    means = ratings.clips.mean_C

    for code, (name, value) in enumerate(found.values.items()):
        assert name == ratings.system_names[code].as_py()
        assert value.value == pytest.approx(means[ratings.system_C == code].mean())
    assert 15 == found.ranks.pairs


def test_the_short_form_says_what_matters_first():
    """The ceiling, what to model, and what was odd; each a sentence."""
    said = sentences(inspect(panel(), published={"c0": 1.0, "c1": 1.0}))

    assert said[0].startswith("A perfect judge would score LCC 0.")
    assert any("published scores are not the mean of their ratings" in line for line in said)
    assert all(line.endswith(".") for line in said)


def test_the_curve_is_that_of_spearman_and_brown():
    """One rating of reliability a quarter gives LCC .5; many give 1."""
    assert [0.5, pytest.approx(1, abs=1e-3)] == lcc_ceiling(0.25, np.array([1.0, 1e4])).tolist()


def test_too_many_systems_show_both_ends():
    """The worst and the best, none twice."""
    shown = drawn_systems([*range(100)])

    assert (48, 0, 99) == (len({*shown}), shown[0], shown[-1])


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    """Before anything is written."""
    monkeypatch.setattr("mosdata.evaluation.report.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"mosdata\[report\]"):
        write_ratings_page(tmp_path / "r.html", inspect(panel()), name="x")

    assert not [*tmp_path.iterdir()]
