"""Mapping files: any table can be described, and a wrong description says what is allowed."""

import pytest

from mosdata.corpora import read_corpus
from mosdata.corpora.mapping import read_mapping
from mosdata.errors import InvalidRatings, InvalidValue, UnknownName

GERMAN = """
delimiter = "semicolon"
scale = "acr_0_10"
dimension = "naturalness"

[columns]
clip = "Datei"
score = "Note"
rater = "Person"
test = "Sitzung"

[patterns]
clip = '(?P<system>[^-]+)-(?P<speaker>[^-]+)-(?P<sentence>.+)'
"""

BARE = """
header = false

[columns]
clip = [1, 2]
votes = 5

[dimensions.sig]
mean = 3
std = 4

[dimensions.loud]
mean = 6
scale = "mushra_0_100"
"""


def test_a_table_in_other_words_is_understood(tmp_path):
    """Columns by name, a scale, a dimension, and names taken apart."""
    (tmp_path / "t.csv").write_text("Datei;Note;Person;Sitzung\nvits-eva-s7.wav;9;p1;montags\n")
    (tmp_path / "map.toml").write_text(GERMAN)
    corpus = read_corpus(tmp_path / "t.csv", mapping=tmp_path / "map.toml")
    clip, rating = corpus.clips.to_pylist()[0], corpus.ratings.to_pylist()[0]

    assert ("vits-eva-s7", "vits", "eva", "s7") == tuple(
        clip[name] for name in ("name", "system", "speaker", "sentence")
    )
    assert (9.0, "acr_0_10", "naturalness", "p1", "montags") == tuple(
        rating[name] for name in ("value", "scale", "dimension", "rater", "test")
    )
    assert "mapping" == corpus.layout


def test_columns_without_a_header_go_by_their_place(tmp_path):
    """Several columns make a name; each dimension has its own columns and scale."""
    (tmp_path / "t.csv").write_text("tts,s7,4.5,0.5,8,62\n")
    (tmp_path / "map.toml").write_text(BARE)
    ratings = read_corpus(tmp_path / "t.csv", mapping=tmp_path / "map.toml").ratings

    assert [
        ("tts-s7", "sig", "acr_1_5", 4.5, 8, 0.5),
        ("tts-s7", "loud", "mushra_0_100", 62.0, 8, None),
    ] == [
        tuple(row[name] for name in ("clip_id", "dimension", "scale", "value", "votes", "std"))
        for row in ratings.to_pylist()
    ]


def test_a_pattern_that_finds_nothing_leaves_null(tmp_path):
    """A clip with another kind of name has no system, and keeps its scores."""
    (tmp_path / "t.csv").write_text("clip,score\na-1,4\nodd,5\n")
    mapping = {
        "columns": {"clip": "clip", "score": "score"},
        "patterns": {"clip": "(?P<system>.)-"},
    }
    corpus = read_corpus(tmp_path / "t.csv", mapping=mapping)

    assert ["a", None] == corpus.clips["system"].to_pylist()


PLAIN = {"clip": "clip", "score": "score"}


@pytest.mark.parametrize(
    ("mapping", "kind", "message"),
    [
        ({"column": PLAIN}, UnknownName, "key in a mapping.*'column'.*columns"),
        ({"columns": {**PLAIN, "listener": "x"}}, UnknownName, "'listener'.*rater"),
        ({"columns": PLAIN, "scale": "acr"}, UnknownName, "scale"),
        ({"columns": PLAIN, "scale": "cmos_-3_3"}, InvalidValue, "by itself"),
        ({"columns": {"score": "score"}}, InvalidRatings, "no column for the clip"),
        ({"columns": {"clip": "clip"}}, InvalidRatings, "no column of scores"),
        ({"columns": {**PLAIN, "clip": 0}}, InvalidValue, "its place"),
        ({"columns": {**PLAIN, "clip": True}}, InvalidValue, "its place"),
        ({"columns": {**PLAIN, "clip": []}}, InvalidValue, "its place"),
        ({"columns": "clip"}, InvalidValue, "a table"),
        ({"columns": PLAIN, "header": "yes"}, InvalidValue, "true or false"),
        ({"columns": PLAIN, "delimiter": "space"}, InvalidValue, "tab, comma"),
        ({"columns": PLAIN, "dimension": 3}, InvalidValue, "a text"),
        ({"columns": PLAIN, "patterns": {"clip": "("}}, InvalidValue, "regular expression"),
        ({"columns": PLAIN, "patterns": {"clip": "."}}, InvalidValue, "named group"),
        ({"columns": PLAIN, "patterns": {"clip": "(?P<team>.)"}}, UnknownName, "'team'.*system"),
        ({"columns": PLAIN, "patterns": {"system": "(?P<test>.)"}}, UnknownName, "pattern"),
        ({"columns": PLAIN, "dimensions": {"sig": "sig"}}, InvalidValue, "a table of score"),
        ({"columns": PLAIN, "dimensions": {"sig": {"men": "x"}}}, UnknownName, "'men'.*mean"),
        ({"columns": {**PLAIN, "rater": "who"}}, InvalidRatings, "mapping names 'who'"),
        ({"columns": {**PLAIN, "rater": "score"}}, InvalidRatings, "'score' both"),
    ],
)
def test_a_wrong_mapping_says_what_is_allowed(tmp_path, mapping, kind, message):
    """Before any row is read."""
    (tmp_path / "t.csv").write_text("clip,score\na,4\n")

    with pytest.raises(kind, match=message):
        read_corpus(tmp_path / "t.csv", mapping=mapping)


def test_a_mapping_file_that_is_none_is_refused(tmp_path):
    """Not there, not TOML, or given beside a layout."""
    with pytest.raises(InvalidRatings, match="cannot be read"):
        read_mapping(tmp_path / "none.toml")
    (tmp_path / "map.toml").write_text("columns = [")
    with pytest.raises(InvalidRatings, match="not TOML"):
        read_mapping(tmp_path / "map.toml")
    with pytest.raises(InvalidRatings, match="not both"):
        read_corpus(tmp_path, mapping={"columns": PLAIN}, layout="generic")
