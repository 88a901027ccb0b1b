"""Tables as they lie on disk: the same content in any spelling is the same corpus."""

import json
import sys

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosdata.corpora import read_corpus
from mosdata.corpora.coded import encode, joined
from mosdata.corpora.delimited import DelimitedFile
from mosdata.corpora.raw import count_lines
from mosdata.errors import InvalidRatings, MissingExtra

ROWS = [("t/a", "anna", 4.5, "x"), ("t/a", "bert", 1.0, "x"), ("b", "anna", 3.0, "y")]
HEADER = ("clip", "rater", "score", "system")


def separated(rows, delimiter=",", *, end="\n", quote=False, header=HEADER):
    """Rows as separated text."""

    def cell(value):
        text = str(value)
        doubled = text.replace('"', '""')
        return f'"{doubled}"' if quote or delimiter in text or '"' in text else text

    lines = [delimiter.join(map(cell, row)) for row in ([header] if header else []) + [*rows]]
    return end.join(lines) + end


def as_json(rows):
    """Rows as a list of objects."""
    return json.dumps([dict(zip(HEADER, row, strict=True)) for row in rows])


def as_lines(rows):
    """Rows as an object a line."""
    return "".join(json.dumps(dict(zip(HEADER, row, strict=True))) + "\n" for row in rows)


SPELLINGS = {
    "csv": ("t.csv", separated),
    "tsv": ("t.tsv", lambda rows: separated(rows, "\t")),
    "semicolon": ("t.csv", lambda rows: separated(rows, ";")),
    "bar": ("t.txt", lambda rows: separated(rows, "|")),
    "bom": ("t.csv", lambda rows: "\ufeff" + separated(rows)),
    "crlf": ("t.csv", lambda rows: separated(rows, end="\r\n")),
    "bom, crlf, semicolon": ("t.csv", lambda rows: "\ufeff" + separated(rows, ";", end="\r\n")),
    "quoted": ("t.csv", lambda rows: separated(rows, quote=True)),
    "quoted tsv": ("t.tsv", lambda rows: separated(rows, "\t", quote=True)),
    "blank lines": ("t.csv", lambda rows: separated(rows).replace("\n", "\n\n")),
    "blank start": ("t.csv", lambda rows: "\n\n" + separated(rows)),
    "trailing separators": ("t.csv", lambda rows: separated([(*row, "") for row in rows])),
    "json": ("t.json", as_json),
    "nested json": (
        "t.json",
        lambda rows: json.dumps({"name": "x", "data": json.loads(as_json(rows))}),
    ),
    "jsonl": ("t.jsonl", as_lines),
}


def content(corpus):
    """Ratings as tuples, and the systems of the clips."""
    return [
        tuple(row[name] for name in ("clip_id", "rater", "value"))
        for row in corpus.ratings.to_pylist()
    ], dict(zip(corpus.clips["name"].to_pylist(), corpus.clips["system"].to_pylist(), strict=True))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_one_content_in_any_spelling_is_one_corpus(tmp_path, spelling):
    """Separators, marks, line ends, quotes and containers change nothing."""
    name, spell = SPELLINGS[spelling]
    path = tmp_path / name
    path.write_bytes(spell(ROWS).encode())

    assert ([row[:3] for row in ROWS], {"t/a": "x", "b": "y"}) == content(read_corpus(path))


WORDS = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=8
).filter(lambda word: ".." not in word and "." not in word and word.strip() == word)
TABLES = st.lists(st.tuples(WORDS, WORDS, st.floats(1, 5), st.just("x")), min_size=1, max_size=8)


@pytest.mark.parametrize("spelling", ["csv", "tsv", "crlf", "bom", "quoted", "json", "jsonl"])
@given(rows=TABLES)
def test_what_was_written_is_read_back(tmp_path_factory, spelling, rows):
    """Names in any script and scores to the last bit survive every spelling."""
    name, spell = SPELLINGS[spelling]
    path = tmp_path_factory.mktemp("t") / name
    path.write_bytes(spell(rows).encode())

    assert [row[:3] for row in rows] == content(read_corpus(path, layout="generic"))[0]


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1), st.integers(1, 5))
def test_regular_and_irregular_files_are_read_alike(tmp_path_factory, pairs, score):
    """The columnar way and the row by row way give the same rows and lines."""
    rows = [(clip, rater, score, "x") for clip, rater in pairs]
    folder = tmp_path_factory.mktemp("t")
    regular, irregular = folder / "regular.csv", folder / "irregular.csv"
    regular.write_text(separated(rows))
    irregular.write_text(separated(rows) + "\n")
    file, other = DelimitedFile(regular), DelimitedFile(irregular)
    quick = file.read(text=["clip", "rater", "system"], numbers=["score"])
    slow = other.read(text=["clip", "rater", "system"], numbers=["score"])

    assert slow.columns["clip"].to_pylist() == quick.columns["clip"].to_pylist()
    assert [quick.line(row) for row in range(len(rows))] == slow.lines.tolist()
    assert slow.lines is not None


def test_line_breaks_inside_cells_keep_the_line_numbers(tmp_path):
    """A row's line is the one that it starts on."""
    path = tmp_path / "t.csv"
    path.write_text('clip,rater,score,text\na,anna,4,"one\ntwo"\nb,anna,9,three\n')

    with pytest.raises(InvalidRatings, match="line 4: score 9 is outside 1 to 5"):
        read_corpus(path)


@pytest.mark.parametrize("num_rows", [10, 3_000])
def test_an_open_quotation_swallows_no_rows(tmp_path, monkeypatch, num_rows):
    """Neither within a block of the columnar reader nor where it reaches into the next."""
    monkeypatch.setattr("mosdata.corpora.delimited.BLOCK_BYTES", 1 << 10)
    path = tmp_path / "t.csv"
    path.write_text('clip,rater,score\n"a,anna,4\n' + "b,bert,3\n" * num_rows)

    with pytest.raises(InvalidRatings, match=r"line 2 .*quotation"):
        read_corpus(path)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_whatever_ends_them(tmp_path, end):
    """The last one counts with or without an end."""
    path = tmp_path / "t.csv"
    counts = []
    for last in ("", end):
        path.write_bytes(f"a{end}{end}b{last}".encode())
        counts.append(count_lines(path))

    assert [3, 3] == counts


def test_ragged_rows_are_counted_with_their_lines(tmp_path):
    """Too few and too many cells: neither is imported, neither is lost from sight."""
    path = tmp_path / "t.csv"
    path.write_text("clip,rater,score\na,anna,4\nb,anna\nc,anna,5,6\nd,anna,2\n\ne,anna,3,\n")
    corpus = read_corpus(path)
    findings = {finding.code: finding for finding in corpus.findings}

    assert ["a", "d", "e"] == corpus.clips["name"].to_pylist()
    assert 2 == findings["ragged_row"].count
    assert (
        f"{path}, line 3: 2 cells where the header has 3",
        f"{path}, line 4: 4 cells where the header has 3",
    ) == findings["ragged_row"].examples
    assert (1, 1) == (findings["blank_line"].count, findings["trailing_cells"].count)


@pytest.mark.parametrize("cut", range(1, 16))
def test_a_cut_file_never_passes_in_silence(tmp_path, cut):
    """Wherever the end is lost, there is an error or a finding that shows it."""
    path = tmp_path / "t.csv"
    whole = "clip,rater,score\n" + "clip0001,anna,4\n" * 3 + "clip0002,anna,4.25\n"
    path.write_text(whole[:-cut])
    try:
        codes = {finding.code for finding in read_corpus(path).findings}
    except InvalidRatings as error:
        codes = {"error"} if "line 5" in str(error) else set()

    assert codes & {"ragged_row", "no_final_newline", "error"}


def test_mostly_ragged_rows_are_a_wrong_reading(tmp_path):
    """The message offers what would mend the reading."""
    path = tmp_path / "t.csv"
    path.write_text("clip,score\na,4,x,y\nb,5,x,y\nc,4\n")

    with pytest.raises(InvalidRatings, match="2 of 3 rows do not have 2 cells"):
        read_corpus(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("clip,score\na,4\n".encode("utf-16"), "UTF-16"),
        (b"clip,rater,score\na,\xe9ric,4\n", r"line 2 is not UTF-8 \(byte 0xe9\)"),
        (b"clip,rater,score\na,anna,4\nb,an\0na,4\n", "line 3 has a NUL byte"),
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"clip,rater,score\n", "has no rows"),
        (b"clip\na\n", "no tab, comma, semicolon or bar"),
        (b'clip,rater,score\na,anna,4\n"b,anna,4\nc,anna,4\n', "line 3 .*quotation"),
        (b'"clip,rater,score\na,anna,4\n', "line 1 has a quotation mark that is not closed"),
        (b'clip,score\n"a,4\n' + b"b,4\n" * 40_000, "line 2 .*quotation"),
        (b'clip,score\n"a' + b"x" * 140_000 + b",4\n", "line 2 .*quotation"),
        (b"clip,rater,clip,score\na,b,c,4\n", "two columns called 'clip'"),
        (b"a.wav,3;b\nb.wav,4;c\n", "separated by comma or semicolon"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, data, message):
    """Each with what is wrong, and where."""
    path = tmp_path / "t.csv"
    path.write_bytes(data)

    with pytest.raises(InvalidRatings, match=message):
        read_corpus(path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.jsonl", '{"clip": "a", "score": 4}\n{"clip": "b", "sc', "line 2 is not JSON.*cut"),
        ("t.jsonl", "[1, 2]\n", "one JSON object a line"),
        ("t.json", '{"a": "b"}', "holds no records"),
        ("t.json", "[]", "holds no records"),
        ("t.xlsx", "no spreadsheet", "no spreadsheet"),
    ],
)
def test_broken_records_are_refused(tmp_path, name, text, message):
    """A JSON file that was cut, or holds something else."""
    path = tmp_path / name
    path.write_text(text)
    if name.endswith("xlsx"):
        pytest.importorskip("openpyxl")

    with pytest.raises(InvalidRatings, match=message):
        read_corpus(path)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [4, 5], "b": [3]}',
        '[{"clip": "a", "scores": [4, 5]}, {"clip": "b", "scores": [3]}]',
        '{"a": {"scores": [4, 5]}, "b": {"scores": [3]}}',
        '{"clips": [{"clip": "a", "votes": [{"score": 4}, {"score": 5}]}, '
        '{"clip": "b", "votes": [{"score": 3}]}]}',
    ],
)
def test_scores_nested_in_json_are_single_scores(tmp_path, text):
    """Lists by clip, lists in records, records in records."""
    path = tmp_path / "t.json"
    path.write_text(text)
    score = "votes.score" if "votes" in text else "scores"
    clip = "clip" if '"clip"' in text else "key"
    kind = "score" if "votes" in text else "scores"
    corpus = read_corpus(path, mapping={"columns": {"clip": clip, kind: score}})

    assert [("a", 4.0), ("a", 5.0), ("b", 3.0)] == [
        (row["clip_id"], row["value"]) for row in corpus.ratings.to_pylist()
    ]


@pytest.mark.parametrize("cell", ["[4, 5, 3]", "4;5;3", "4 5 3", "(4, 5, 3)", "[4.0,5.0,3.0]"])
def test_lists_in_cells_are_single_scores(tmp_path, cell):
    """In the spellings that spreadsheets and pandas leave behind."""
    path = tmp_path / "t.tsv"
    path.write_text(f"clip\tscores\na\t{cell}\n")

    assert [4.0, 5.0, 3.0] == read_corpus(path).ratings["value"].to_pylist()


def test_a_list_that_is_none_is_refused_with_its_line(tmp_path):
    """Scores in cells are checked like any others."""
    path = tmp_path / "t.tsv"
    path.write_text("clip\tscores\na\t[4, 5]\nb\t[4, good]\n")

    with pytest.raises(InvalidRatings, match=r"line 3: scores '\[4, good\]' is no list"):
        read_corpus(path, mapping={"columns": {"clip": "clip", "scores": "scores"}})


def test_a_spreadsheet_is_read_and_other_sheets_are_counted(tmp_path):
    """The first sheet is the table."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (HEADER, *ROWS):
        book.active.append(row)
    book.create_sheet("notes")
    book.save(tmp_path / "t.xlsx")
    corpus = read_corpus(tmp_path / "t.xlsx")

    assert ([row[:3] for row in ROWS], {"t/a": "x", "b": "y"}) == content(corpus)
    assert ["unread_sheet"] == [f.code for f in corpus.findings if "notes" in str(f.examples)]


def test_a_spreadsheet_whose_first_sheet_has_no_rows_names_it(tmp_path):
    """The scores may be on another sheet: the message says that only the first is read."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.title = "about"
    book.active.append(["scores of 2024"])
    book.create_sheet("scores").append(HEADER)
    book.save(tmp_path / "t.xlsx")

    with pytest.raises(InvalidRatings, match=r"'about' has no rows .*; only the first"):
        read_corpus(tmp_path / "t.xlsx")


def test_a_spreadsheet_without_openpyxl_names_the_extra(tmp_path, monkeypatch):
    """The package is optional; the message says how to get it."""
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    (tmp_path / "t.xlsx").write_bytes(b"PK")

    with pytest.raises(MissingExtra, match=r"mosdata\[xlsx\]"):
        read_corpus(tmp_path / "t.xlsx")


@given(st.lists(st.one_of(st.none(), st.sampled_from(["a", " a", "b", "", " ", "c "]))))
def test_coding_a_column_and_back_trims_and_keeps_the_order(cells):
    """Codes stand for trimmed names; empty and missing cells are none; each name is there once."""
    trimmed = [(cell or "").strip() or None for cell in cells]
    for column in (
        pa.array(cells, pa.string()),
        pa.chunked_array([cells[:2], cells[2:]], pa.string()),
    ):
        coded = encode(column)

        assert trimmed == coded.decode().to_pylist()
        assert [*dict.fromkeys(name for name in trimmed if name)] == coded.names.to_pylist()
        assert [trimmed.index(name) for name in coded.names.to_pylist()] == [
            *coded.first_rows().tolist()
        ]


@given(st.lists(st.tuples(*[st.sampled_from(["a", "b", ""])] * 3)))
def test_joined_columns_are_the_joined_cells(rows):
    """None where any of the cells is empty."""
    columns = [encode(pa.array([row[i] for row in rows], pa.string())) for i in range(3)]

    assert ["-".join(row) if all(row) else None for row in rows] == joined(
        columns, between="-"
    ).decode().to_pylist()
