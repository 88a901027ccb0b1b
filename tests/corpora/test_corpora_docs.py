"""The page on layouts says what the code does."""

import re
from pathlib import Path

import pytest

import mosdata.corpora
from mosdata.corpora import LAYOUTS, generic, read_corpus
from mosdata.corpora.mapping import TOP
from mosdata.corpora.spec import FIELDS

PAGE = (Path(__file__).parents[2] / "docs" / "layouts.md").read_text(encoding="utf-8")
SOURCES = "\n".join(
    path.read_text(encoding="utf-8")
    for path in sorted(Path(mosdata.corpora.__file__).parent.glob("*.py"))
)
CODES = {*re.findall(r"^\s*code=\"(\w+)\"", SOURCES, re.MULTILINE)} | {
    *re.findall(r"_of_clips\(\s*\"(\w+)\"", SOURCES),
    "ragged_row",
    "trailing_cells",
}
ALIASES = [
    *generic.CLIP,
    *generic.SINGLE,
    *generic.MEAN,
    *generic.LIST,
    *generic.VOTES,
    *generic.STD,
    *(name for names in generic.FIELDS.values() for name in names),
]


@pytest.mark.parametrize("word", [*LAYOUTS, *sorted(CODES), *ALIASES, *FIELDS, *TOP[:4]])
def test_the_page_names_everything_there_is(word):
    """Layouts, findings, names of columns, keys of a mapping."""
    assert f"`{word}`" in PAGE


def test_the_mappings_on_the_page_read_the_rows_on_the_page(tmp_path):
    """Copied as they stand."""
    german, places = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "german.toml").write_text(german)
    (tmp_path / "places.toml").write_text(places)
    (tmp_path / "german.csv").write_text("Datei;Note;Person\nvits-eva-s7.wav;9;p1\n")
    (tmp_path / "places.csv").write_text("vits,s7,8,4.5,0.5,4.25\n")
    named = read_corpus(tmp_path / "german.csv", mapping=tmp_path / "german.toml")
    placed = read_corpus(tmp_path / "places.csv", mapping=tmp_path / "places.toml")

    assert ("vits", "eva") == tuple(named.clips[name][0].as_py() for name in ("system", "speaker"))
    assert ["vits-s7"] == placed.clips["name"].to_pylist()
    assert [("mos", 4.5, 8), ("sig", 4.25, 8)] == [
        (row["dimension"], row["value"], row["votes"]) for row in placed.ratings.to_pylist()
    ]
