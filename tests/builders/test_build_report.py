"""The page of a build: what it shows, that it runs nothing, and that nothing depends on it."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser

import pytest

from mosdata.builders.build_facts import MAX_ODD, BuildFacts
from mosdata.builders.build_report import write_build_report
from mosdata.builders.checks import check
from mosdata.builders.executors import Execution
from mosdata.builders.orders import Orders
from mosdata.builders.publish import publish
from mosdata.builders.run import run_stage
from mosdata.builders.verify import verify_dataset
from mosdata.manifests.store import REPORT_NAME, open_dataset
from mosdata.testing import speechlike, utterance, write_dataset

SERIAL = Execution(executor="serial")


class Tags(HTMLParser):
    """Every tag of a page with its attributes, and all that is read as text."""

    def __init__(self, page):
        super().__init__()
        self.found, self.words = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        """Of the parser."""
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        """Of the parser."""
        self.words.append(data)

    @property
    def text(self):
        """All words, single spaces between."""
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def page(tmp_path):
    """Write the page of some rows, and read it."""

    def read(rows):
        dataset = write_dataset(tmp_path / "set", {"train": rows})
        return write_build_report(dataset, folder=tmp_path).read_text("utf-8")

    return read


def test_the_page_has_what_was_made(built):
    """Each system with its clips, each voice with its rates; clips play without a file."""
    dataset = open_dataset(built)
    page = (built / REPORT_NAME).read_text("utf-8")
    tags = Tags(page)

    sounds = [attrs["src"] for tag, attrs in tags.found if tag == "audio"]
    assert all(sound.startswith("data:audio/flac;base64,ZkxhQ") for sound in sounds)
    assert sounds
    for name in {row.system for row in dataset.utterances(columns=("system",))}:
        assert name in tags.text
    assert f"of {dataset.num_rows} records planned" in tags.text


def test_nothing_that_a_user_wrote_runs(page):
    """Names and texts are shown as they are, whatever is in them; nothing is fetched."""
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    text = page([utterance(i, text=evil, system=evil, voice=evil) for i in range(2)])
    tags = Tags(text)

    assert not {tag for tag, _ in tags.found} & {"script", "img", "iframe", "link"}
    assert evil in tags.text
    assert not re.search(r"(src|href)=\"(?!data:audio|#)", text)


def test_clips_that_stand_out_come_with_their_reasons(page):
    """The flag, its meaning, and the other flags of the clip; the worst of many, not all."""
    rows = [utterance(i, flags=("slow_speech", "runaway")) for i in range(40)]
    rows.append(utterance(50, flags=("users_own",)))
    text = Tags(page(rows)).text

    assert "runaway: the engine did not stop by itself, says its adapter." in text
    assert "users_own: raised by the engine." in text
    assert "Also: runaway." in text or "Also: slow_speech." in text
    assert text.count("Also:") == MAX_ODD - 1


def test_the_worst_rate_is_heard_first(tmp_path):
    """Of many clips outside their fences, those furthest outside."""
    times = [2.0 + 0.01 * i for i in range(20)] + [4.0, 9.0, 6.0]
    rows = [utterance(i, text="twenty letters in all", speech_s=s) for i, s in enumerate(times)]
    dataset = write_dataset(tmp_path / "set", {"train": rows})
    facts = BuildFacts(dataset)
    facts.checks = [
        {name: getattr(one, name) for name in ("clip_id", "flag", "value", "low", "high")}
        for one in check(dataset)[0]
        if one.flag == "rate_outlier"
    ]
    facts.__dict__["flags_of"] = {one["clip_id"]: ["rate_outlier"] for one in facts.checks}

    heard = facts.odd_ones()

    rates = [float(clip.why.split("; ")[1].split(",")[0]) for clip in heard]
    assert rates == sorted(rates)
    assert len(rates) == 3


def test_long_clips_are_left_out_where_short_ones_exist(tmp_path):
    """The page stays small."""
    long = [utterance(i, speechlike(13.0, 8_000, seed=i)) for i in range(3)]
    short = [utterance(i) for i in range(10, 12)]
    dataset = write_dataset(tmp_path / "set", {"train": [*long, *short]})

    heard = BuildFacts(dataset).samples()

    assert {clip.text for clip in heard} == {row.text for row in short}


def test_the_page_is_no_part_of_the_dataset(speech_stage, tmp_path):
    """With it and without it, the ids are the same; it comes back, and is not published."""
    with_page = run_stage(speech_stage(), tmp_path / "with", execution=SERIAL)
    without = run_stage(
        speech_stage(), tmp_path / "without", execution=SERIAL, orders=Orders(report=False)
    )
    first = (tmp_path / "with" / REPORT_NAME).read_bytes()
    absent = not (tmp_path / "without" / REPORT_NAME).exists()
    run_stage(speech_stage(), tmp_path / "without", execution=SERIAL)
    publish(with_page.dataset, tmp_path / "copy")

    assert with_page.dataset.dataset_id == without.dataset.dataset_id
    assert absent
    assert first == (tmp_path / "without" / REPORT_NAME).read_bytes()
    assert not (tmp_path / "copy" / REPORT_NAME).exists()
    assert verify_dataset(with_page.dataset).notes == ()


def test_a_build_of_nothing_but_rejections_of_one_system_says_so(built, tmp_path):
    """A system without a clip is named, with the words of its rejections."""
    shutil.copytree(built, tmp_path / "set")
    facts = BuildFacts(open_dataset(tmp_path / "set"))
    facts.quarantine = [
        {"group": "mute", "reason": "lost_voice", "message": "The voice is gone."}
    ] * 2

    text = Tags(write_build_report(facts.dataset, folder=tmp_path, facts=facts).read_text()).text

    assert "Nothing at all came from mute" in text
    assert "lost_voice" in text
    assert "The voice is gone." in text
