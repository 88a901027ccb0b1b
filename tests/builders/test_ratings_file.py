"""People's scores from a table: every row right, or nothing added."""

import codecs
import shutil

import pytest

from mosdata.builders.ratings_file import add_human_ratings
from mosdata.builders.verify import verify_files
from mosdata.errors import InvalidRatings, InvalidValue, NothingFound, UnknownName
from mosdata.manifests.store import open_dataset


@pytest.fixture
def dataset(tmp_path, built):
    """A dataset of one's own."""
    return open_dataset(shutil.copytree(built, tmp_path / "copy"))


@pytest.fixture
def ids(dataset):
    """Ids of its clips."""
    return dataset.table(["id"])["id"].to_pylist()


def write(tmp_path, text, encoding="utf-8"):
    """A ratings file."""
    path = tmp_path / "ratings.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_scores_are_added_as_people_gave_them(tmp_path, dataset, ids):
    """Each with its rater and session, as human, on its scale."""
    text = f"clip_id,score,rater,test\n{ids[0]},4,ann,t1\n{ids[0]},3.5,ben,\n{ids[1]},1,ann,t1\n"

    added = add_human_ratings(dataset, write(tmp_path, text))

    found = [
        (r.clip_id, r.kind, r.dimension, r.scale, r.value, r.rater, r.test, r.revision)
        for r in open_dataset(dataset.folder).ratings()
    ]
    assert found == [
        (ids[0], "human", "mos", "acr_1_5", 4.0, "ann", "t1", None),
        (ids[0], "human", "mos", "acr_1_5", 3.5, "ben", None, None),
        (ids[1], "human", "mos", "acr_1_5", 1.0, "ann", "t1", None),
    ]
    assert (added.num_ratings, added.num_clips, added.num_raters) == (3, 2, 2)
    assert "by people" in (dataset.folder / "README.md").read_text()
    verify_files(open_dataset(dataset.folder))


@pytest.mark.parametrize(
    "header",
    [
        "clip_id,score",
        "ID,MOS",
        " sample_id , value ",
        "utterance,rating",
        "score_note,clip,mos",
        "clip;score",
    ],
)
def test_usual_names_of_columns_are_understood(tmp_path, dataset, ids, header):
    """Whatever the case and the spaces around."""
    row = f"fine,{ids[0]},4" if header.startswith("score_note") else f"{ids[0]},4"
    row = row.replace(",", ";") if ";" in header else row

    assert add_human_ratings(dataset, write(tmp_path, f"{header}\n{row}\n")).num_ratings == 1


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", codecs.BOM_UTF8.decode("utf-8")])
def test_files_as_spreadsheets_save_them_are_read(tmp_path, dataset, ids, mark, line_end):
    """A byte-order mark, Windows line ends and empty lines do no harm."""
    text = mark + line_end.join(["clip_id,score", f'"{ids[0]}", 4 ', "", f"{ids[1]},5", ""])

    assert add_human_ratings(dataset, write(tmp_path, text)).num_ratings == 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("clip_id,score\n{0},4\nno-such-clip,3\n", "line 3: no clip 'no-such-clip'"),
        ("clip_id,score\n{0},5.01\n", "line 2: score 5.01 is outside 1 to 5"),
        ("clip_id,score\n{0},0\n", "outside 1 to 5"),
        ("clip_id,score\n{0},nan\n", "line 2: score nan is no score"),
        ("clip_id,score\n{0},inf\n", "line 2: score inf is no score"),
        ("clip_id,score\n{0},good\n", "score 'good' is not a number"),
        ("clip_id,score\n{0},\n", "line 2: score is empty"),
        ("clip_id,score\n{0},4\n{0},3\n{0}\n", "line 4: 1 cells"),
        ("clip_id,score\n{0}\n", "line 2: 1 cells where the header has 2"),
        ("clip_id,rater\n{0},ann\n", "one for the score is missing"),
        ("name,score\n{0},4\n", "one for the clip is missing"),
        ("clip_id|score\n{0};4\n", "line 2"),
        ("clip_id,score\n", "has no rows"),
        ("", "is empty"),
        ("clip_id,score\n{0},4\n\0\n", "line 3 has a NUL byte"),
        ('clip_id,score\n"{0}",4\n"' + "x" * 200_000, "ratings.csv"),
    ],
)
def test_a_file_with_a_fault_adds_nothing(tmp_path, dataset, ids, checksums, text, says):
    """One bad row among good ones, and the dataset stays as it is; the message says where."""
    before = checksums(dataset.folder)

    with pytest.raises(InvalidRatings, match=says):
        add_human_ratings(dataset, write(tmp_path, text.replace("{0}", ids[0])))

    assert before == checksums(dataset.folder)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_file_that_is_not_utf_8_is_refused(tmp_path, dataset, ids, checksums, encoding):
    """In words, with nothing added."""
    before = checksums(dataset.folder)
    text = f"clip_id,score,rater\n{ids[0]},4,Jörg\n"

    with pytest.raises(InvalidRatings, match="UTF-8"):
        add_human_ratings(dataset, write(tmp_path, text, encoding))

    assert before == checksums(dataset.folder)


def test_many_faults_are_shown_in_part(tmp_path, dataset, ids):
    """The first five, and how many more."""
    text = "clip_id,score\n" + f"{ids[0]},9\n" * 8

    with pytest.raises(InvalidRatings, match=r"line 2.*line 6.*and 3 more"):
        add_human_ratings(dataset, write(tmp_path, text))


def test_a_file_that_is_missing_is_named(tmp_path, dataset):
    """And a folder is not a file."""
    (tmp_path / "empty").mkdir()
    for name, says in (("gone.csv", "There is no file"), ("empty", "No table")):
        with pytest.raises(NothingFound, match=says):
            add_human_ratings(dataset, tmp_path / name)


def test_a_scale_that_nobody_knows_is_refused(tmp_path, dataset, ids):
    """Scores mean nothing without their scale."""
    with pytest.raises(UnknownName, match="scale"):
        add_human_ratings(dataset, write(tmp_path, f"clip_id,score\n{ids[0]},4\n"), scale="acr")


def test_the_same_file_is_added_once(tmp_path, dataset, ids, checksums):
    """The second time nothing changes, and the answer says so."""
    path = write(tmp_path, f"clip_id,score\n{ids[0]},4\n")
    add_human_ratings(dataset, path)
    before = checksums(dataset.folder)

    again = add_human_ratings(open_dataset(dataset.folder), path)

    assert again.was_complete
    assert before == checksums(dataset.folder)


def test_the_same_file_about_something_else_is_another_set(tmp_path, dataset, ids):
    """Naturalness and noisiness may well have the same numbers."""
    path = write(tmp_path, f"clip_id,score\n{ids[0]},4\n")
    add_human_ratings(dataset, path)

    added = add_human_ratings(open_dataset(dataset.folder), path, dimension="noisiness")

    assert not added.was_complete
    assert [r.dimension for r in open_dataset(dataset.folder).ratings()] == ["mos", "noisiness"]


def test_scores_have_the_scale_that_is_asked_for(tmp_path, dataset, ids):
    """Raw, on any scale of opinions; a comparison of two clips is refused."""
    path = write(tmp_path, f"clip_id,score,rater\n{ids[0]},87.5,ann\n")

    add_human_ratings(dataset, path, scale="continuous_0_100")

    (rating,) = open_dataset(dataset.folder).ratings()
    assert (87.5, "continuous_0_100") == (rating.value, rating.scale)
    for comparison in ("cmos_-3_3", "preference"):
        with pytest.raises(InvalidValue, match="judges one clip"):
            add_human_ratings(open_dataset(dataset.folder), path, scale=comparison)


def test_a_mapping_says_what_columns_mean(tmp_path, dataset, ids):
    """Any other table, with a few lines of TOML."""
    path = write(tmp_path, f"stimulus,how good,who\n{ids[0]},4,ann\n")
    (tmp_path / "mapping.toml").write_text(
        '[columns]\nclip = "stimulus"\nscore = "how good"\nrater = "who"\n'
    )

    add_human_ratings(dataset, path, mapping=tmp_path / "mapping.toml")

    (rating,) = open_dataset(dataset.folder).ratings()
    assert (ids[0], 4.0, "ann") == (rating.clip_id, rating.value, rating.rater)


def test_clips_of_another_dataset_are_named_with_their_line(tmp_path, dataset, ids):
    """The first five, each where it first stands."""
    names = [f"strange-{i}" for i in range(7)]
    text = "clip_id,score\n" + f"{ids[0]},3\n" + "".join(f"{name},4\n" for name in names)

    with pytest.raises(InvalidRatings, match=r"line 3: no clip 'strange-0'.*; and 2 more"):
        add_human_ratings(dataset, write(tmp_path, text))


def test_one_dimension_is_on_one_scale(tmp_path, dataset, ids, checksums):
    """Scores of several scales cannot be averaged: a second scale is refused, with what to do."""
    add_human_ratings(dataset, write(tmp_path, f"clip_id,score\n{ids[0]},4\n"))
    before = checksums(dataset.folder)
    fine = write(tmp_path, f"clip_id,score\n{ids[0]},80\n")

    with pytest.raises(
        InvalidRatings, match=r"mos are on mushra_0_100, .* on acr_1_5.*--dimension"
    ):
        add_human_ratings(open_dataset(dataset.folder), fine, scale="mushra_0_100")

    assert before == checksums(dataset.folder)
    add_human_ratings(
        open_dataset(dataset.folder), fine, scale="mushra_0_100", dimension="naturalness"
    )
