"""Which file belongs to which clip: paths, then names, never a guess, never outside."""

import unicodedata

import pytest

from mosdata.builders.audio_folder import AudioFolder
from mosdata.errors import InvalidRatings


@pytest.fixture
def folder(tmp_path):
    """Make empty files in a folder, and open it."""

    def make(*names):
        for name in names:
            path = tmp_path / "audio" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return AudioFolder(tmp_path / "audio")

    return make


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("sys/a.wav", "sys/a.wav"),
        ("./sys/../sys/a.wav", "sys/a.wav"),
        ("sys\\a.wav", "sys/a.wav"),
        ("sys/a", "sys/a.wav"),
        ("sys/a.flac", "sys/a.wav"),
        ("wavs/other/b.mp3", "deep/b.mp3"),
        ("/data/of/somebody/b.wav", "deep/b.mp3"),
        ("C:\\corpus\\b.wav", "deep/b.mp3"),
        ("b", "deep/b.mp3"),
        ("take.2", "take.2.wav"),
        ("take.2.wav", "take.2.wav"),
        ("gone.wav", None),
        ("take", None),
    ],
)
def test_a_path_then_a_name_then_a_stem(folder, given, found):
    """What a table says, as far as it goes; a dot in a name is no suffix."""
    files = folder("sys/a.wav", "deep/b.mp3", "take.2.wav", "notes.txt")

    assert [found] == files.match([("clip", given)])


def test_the_name_of_the_clip_decides_where_the_table_has_no_path(folder):
    """Or where there is nothing at the path."""
    files = folder("x/a.wav", "b.flac")

    assert ["x/a.wav", "b.flac"] == files.match([("a", None), ("b", "lost/elsewhere.wav")])


def test_a_path_decides_between_files_of_one_name(folder):
    """Two folders, one name: clear with the path, refused without, with both named."""
    files = folder("one/a.wav", "two/a.wav")

    assert ["two/a.wav"] == files.match([("clip", "two/a.wav")])
    with pytest.raises(InvalidRatings, match=r"'clip' may be one/a\.wav or two/a\.wav"):
        files.match([("clip", "a.wav")])


def test_two_formats_of_one_name_are_not_chosen_between(folder):
    """Which of them did people hear?"""
    files = folder("a.wav", "a.mp3")

    with pytest.raises(InvalidRatings, match=r"a\.mp3 or a\.wav"):
        files.match([("a", None)])


@pytest.mark.parametrize("order", [1, -1])
def test_one_file_is_not_two_clips_by_its_name(folder, order):
    """Whichever comes first; two paths that are the same are the table's own word."""
    files = folder("one/a.wav")
    clips = [("p", "one/a.wav"), ("q", "two/a.wav")][::order]

    with pytest.raises(InvalidRatings, match=r"both fit one/a\.wav"):
        files.match(clips)
    assert ["one/a.wav"] * 2 == files.match([("p", "one/a.wav"), ("q", "one/a.wav")])


@pytest.mark.parametrize("path", ["../secret.wav", "sub/../../secret.wav", "..\\secret.wav"])
def test_a_path_that_climbs_out_is_refused(folder, tmp_path, path):
    """Though the file is there."""
    (tmp_path / "secret.wav").touch()

    with pytest.raises(InvalidRatings, match="leaves the folder"):
        folder("a.wav").match([("clip", path)])


@pytest.mark.parametrize("given", ["link.wav", "link", "lane/secret.wav"])
def test_a_link_that_leaves_the_folder_is_refused(folder, tmp_path, given):
    """A file or a whole folder; a link that stays inside is a file like any other."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.wav").touch()
    files = folder("a.wav")
    (files.root / "link.wav").symlink_to(tmp_path / "outside" / "secret.wav")
    (files.root / "lane").symlink_to(tmp_path / "outside")
    (files.root / "inside.wav").symlink_to(files.root / "a.wav")

    with pytest.raises(InvalidRatings, match="is a link that leaves the folder"):
        AudioFolder(files.root).match([("clip", given)])
    assert ["inside.wav"] == AudioFolder(files.root).match([("clip", "inside.wav")])


def test_letters_may_be_composed_or_not(folder):
    """Some systems write é as two characters."""
    files = folder(unicodedata.normalize("NFD", "é.wav"))

    (found,) = files.match([("clip", unicodedata.normalize("NFC", "é.wav"))])

    assert unicodedata.normalize("NFC", found) == unicodedata.normalize("NFC", "é.wav")


def test_many_problems_are_shown_in_part(folder):
    """The first five, and how many more."""
    with pytest.raises(InvalidRatings, match=r"'c4'.*and 3 more"):
        folder("a.wav").match([(f"c{i}", f"../{i}.wav") for i in range(8)])


def test_files_are_listed_in_one_order_and_read_once(folder):
    """Whatever the file system's; progress counts files."""
    files = folder("b.wav", "a.wav", "sub/c.WAV")
    (files.root / "a.wav").write_bytes(b"same")
    (files.root / "b.wav").write_bytes(b"same")
    seen = []

    read = files.read(["b.wav", "a.wav", "b.wav"], lambda done, total: seen.append((done, total)))

    assert ["a.wav", "b.wav", "sub/c.WAV"] == files.paths
    assert [(1, 2), (2, 2)] == seen
    assert read["a.wav"].sha256 == read["b.wav"].sha256
    assert read["a.wav"].header is None
