"""``mosdata ladder``: a page, numbers and sounds of one clip under one corruption."""

import json
import re

import numpy as np
import pytest

from mosdata.audio import to_pcm16
from mosdata.augment.calibration import expected_mos_lqo
from mosdata.testing import speechlike

METRICS = "stoi"


@pytest.fixture
def wav(tmp_path):
    """A clip in a file."""
    import soundfile

    path = tmp_path / "clip.wav"
    soundfile.write(path, to_pcm16(speechlike(1.0).samples), 16_000)
    return path


def told(ended):
    """The JSON of a run that went well."""
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def test_a_ladder_has_a_page_numbers_and_sounds(mosdata, wav, tmp_path):
    """Level 0 is the file itself; higher levels are farther away; the page needs no other file."""
    import soundfile

    found = told(
        mosdata(
            *("ladder", "white_noise", wav, "--levels", "0,0.5,1", "--metrics", METRICS),
            *("--wavs", tmp_path / "wavs", "--out", tmp_path / "page.html", "--json"),
        )
    )
    clean, _ = soundfile.read(wav)
    sounds = [soundfile.read(path)[0] for path in found["wavs"]]
    page = (tmp_path / "page.html").read_text(encoding="utf-8")

    assert [row["level"] for row in found["levels"]] == [0, 0.5, 1]
    assert [row["expected_mos_lqo"] for row in found["levels"]] == [
        round(expected_mos_lqo(x), 3) for x in (0, 0.5, 1)
    ]
    scores = [row["scores"]["stoi.stoi"] for row in found["levels"]]
    assert scores == sorted(scores, reverse=True)
    assert np.array_equal(clean, sounds[0])
    assert np.abs(sounds[2] - clean).mean() > np.abs(sounds[1] - clean).mean() > 0
    assert page.count("<svg") == 2
    assert page.count("<audio") == 3
    assert not re.search(r"(src|href)=[\"'](?!data:|#)", page)


@pytest.mark.parametrize(
    ("name", "begins"),
    [("a.png", b"\x89PNG"), ("b.WEBP", b"RIFF"), ("c.svg", b"<?xml"), ("d.pdf", b"%PDF")],
)
def test_a_ladder_is_drawn_as_a_picture_of_its_own(mosdata, wav, tmp_path, name, begins):
    """In the format of the file's name, and twice the same."""
    pictures = [tmp_path / "first" / name, tmp_path / "second" / name]
    for picture in pictures:
        found = told(
            mosdata(
                *("ladder", "mp3", wav, "--levels", "0,1", "--metrics", "", "--json"),
                *("--picture", picture, "--out", tmp_path / "page.html"),
            )
        )
        assert found["picture"] == str(picture)
    first, second = (picture.read_bytes() for picture in pictures)

    assert first == second
    assert first.startswith(begins)


def test_a_picture_of_another_format_is_refused_before_the_work(mosdata, wav, tmp_path):
    """With what there is."""
    page = tmp_path / "page.html"
    ended = mosdata("ladder", "mp3", wav, "--picture", tmp_path / "x.jpeg2", "--out", page)

    assert ended.code == 2
    assert ".png, .webp, .svg, .pdf" in " ".join(ended.err.split())
    assert not page.exists()


def test_what_a_library_will_not_take_is_said_in_a_sentence(mosdata, tmp_path):
    """As a row of ``mosdata corrupt`` says it, and no traceback."""
    import soundfile

    wav = tmp_path / "fast.wav"
    soundfile.write(wav, to_pcm16(speechlike(0.5, 96_000).samples), 96_000)
    ended = mosdata(
        "ladder", "am:Mp3Compression", wav, "--metrics", "", "--out", tmp_path / "p.html"
    )

    assert ended.code == 1
    assert "am:Mp3Compression" in ended.err
    assert "Traceback" not in ended.err


def test_nobody_talks_over_themselves(mosdata, wav, tmp_path):
    """The clip's own file among the others, in whatever folder, is passed over."""
    corpus = tmp_path / "corpus"
    own = corpus / "speaker" / "same.wav"
    own.parent.mkdir(parents=True)
    own.write_bytes(wav.read_bytes())
    ended = mosdata(
        *("ladder", "overlap", own, "--levels", "1", "--metrics", "", "--json"),
        *("--others", corpus, "--out", tmp_path / "page.html"),
    )

    assert ended.code == 1
    assert "no audible clip" in " ".join(ended.err.split())


def test_a_transform_of_audiomentations_is_there_or_not(mosdata, wav, tmp_path):
    """It has no levels between, so 0 and 1 are shown unless others are asked for."""
    ladder = ("ladder", "am:BitCrush", wav, "--metrics", METRICS, "--out", tmp_path / "page.html")
    between = mosdata(*ladder, "--levels", "0,0.5")

    assert [row["level"] for row in told(mosdata(*ladder, "--json"))["levels"]] == [0, 1]
    assert between.code == 2
    assert "Its strength is set by its arguments." in " ".join(between.err.split())


def test_a_clip_of_a_dataset_has_its_neighbours_to_talk_over_it(mosdata, built, tmp_path):
    """Overlap finds other voices in the dataset, and --clip chooses."""
    from mosdata.manifests.store import open_dataset

    last = list(open_dataset(built).table(["id"])["id"].to_pylist())[-1]
    found = told(
        mosdata(
            *("ladder", "overlap", built, "--clip", last, "--levels", "1", "--metrics", ""),
            *("--out", tmp_path / "page.html", "--json"),
        )
    )

    assert found["clip"] == last
    assert found["levels"][0]["params"]["interferer_id"] != last


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["speech", "WAV"], "one corruption"),
        (["white-noise", "WAV"], "'white_noise'"),
        (["overlap", "WAV"], "--others"),
        (["background_noise", "WAV"], "--noise FOLDER"),
        (["white_noise", "WAV", "--clip", "x"], "a clip of a dataset"),
        (["white_noise", "BUILT", "--clip", "x"], "no clip 'x'"),
        (["white_noise", "WAV", "--levels", "loud"], "from 0"),
        (["white_noise", "WAV", "--metrics", "pesk"], "'pesq'"),
        (["white_noise", "nowhere.wav"], "no file and no dataset at"),
    ],
)
def test_what_has_no_ladder_is_wrong_use(mosdata, wav, built, tmp_path, arguments, expected):
    """With what to do instead, and no page."""
    places = {"WAV": wav, "BUILT": built}
    page = tmp_path / "page.html"
    ended = mosdata("ladder", *[places.get(word, word) for word in arguments], "--out", page)

    assert ended.code == 2
    assert expected in " ".join(ended.err.split())
    assert not page.exists()


def test_it_says_where_nothing_happens(mosdata, tmp_path):
    """A clip of 30 ms has no room for a delay: said on the terminal and in the JSON."""
    import soundfile

    soundfile.write(tmp_path / "short.wav", to_pcm16(speechlike(0.03).samples), 16_000)
    call = ("ladder", "jitter", tmp_path / "short.wav", "--levels", "0,0.5", "--metrics", METRICS)
    ended = mosdata(*call, "--out", tmp_path / "page.html", "--json")

    assert "jitter leaves this clip as it is at level 0.5" in ended.err
    assert any("as it is" in note for note in told(ended)["notes"])


def test_what_it_has_no_use_for_is_refused(mosdata, wav, tmp_path):
    """A seed below 0; other speech for a dataset, which has its own."""
    ended = mosdata("ladder", "white_noise", wav, "--seed", "-1")
    assert ended.code == 2
    assert "--seed is -1; allowed: 0 or more" in ended.err

    (tmp_path / "dataset").mkdir()
    ended = mosdata("ladder", "overlap", tmp_path / "dataset", "--others", tmp_path)
    assert ended.code == 2
    assert "--others" in ended.err
    assert "its other speakers" in ended.err
