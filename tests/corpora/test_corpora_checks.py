"""What is wrong is refused with its place; what is odd is counted and kept."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosdata.corpora import CLIP_COLUMNS, read_corpus
from mosdata.corpora.oddities import mean_of_scores
from mosdata.corpora.table import CLIPS_SCHEMA, RATINGS_SCHEMA
from mosdata.errors import InvalidRatings, InvalidValue, UnknownName


def corpus_of(tmp_path, text, name="t.csv", **options):
    """The corpus in a file with this text."""
    path = tmp_path / name
    path.write_text(text)
    return read_corpus(path, **options)


def counts(corpus):
    """Number of each finding by its code."""
    return {finding.code: finding.count for finding in corpus.findings}


RATED = "clip,rater,score\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (RATED + "a,x,4\nb,x,6\nc,x,0\n", "line 3: score 6 is outside 1 to 5; line 4: score 0"),
        (RATED + "a,x,4\nb,x,nan\n", "line 3: score nan is no score"),
        (RATED + "a,x,inf\n", "line 2: score inf is no score"),
        (RATED + "a,x,4\nb,x,good\n", "line 3: score 'good' is not a number"),
        (RATED + "a,x,N/A\n", "line 2: score 'N/A' is not a number"),
        (RATED + "a,x,\n", "line 2: score is empty"),
        (RATED + "a,x, \n", "line 2: score is empty"),
        ("clip;rater;score\na;x;4,5\n", "line 2: score '4,5' is not a number .*with a point"),
        (RATED + "".join(f"a,x{i},9\n" for i in range(8)), "line 6: .*; and 3 more"),
        (RATED + ",x,4\n", "line 2: clip is empty"),
        (RATED + "../../a.wav,x,4\n", "line 2: clip '../../a.wav'"),
        (RATED + "b/../a.wav,x,4\n", "climb out"),
        (RATED + "b\\..\\a.wav,x,4\n", "climb out"),
        ("clip,score,audio\na,4,../b.wav\n", "line 2: audio '../b.wav'"),
        ("rater,score\nx,4\n", "one for the clip is missing. It may be called: clip_id"),
        ("clip,rater\na,x\n", "one for the score is missing. It may be called: score"),
        ("clip,system\na,x\n", "lists clips and holds no scores"),
        (RATED, "has no rows"),
        (
            "clip,rater,score,system\na,x,4,s\na,y,4,t\n",
            "one clip has one system: line 3: 'a' has system 't' here and 's' before",
        ),
        ("clip,mos\na,4\na,3\n", "line 3: 'a' has mos 3 here and 4 on line 2.*score = 'mos'"),
        ("clip,mos,split\na,4,holdout\n", "split is 'holdout'; allowed: train"),
        ("clip,mos,votes\na,4,0\n", "line 2: votes 0 is below 1"),
        ("clip,mos,std\na,4,-1\n", "line 2: std -1 is below 0"),
        ("clip,mos,votes\na,4,many\n", "line 2: votes 'many' is not a number"),
        ("1,2,3\n4,5,6\n", "no header and 3 columns that no layout knows"),
    ],
)
def test_wrong_tables_are_refused_with_line_column_and_value(tmp_path, text, message):
    """Nothing is imported; the message says where to look."""
    with pytest.raises(InvalidRatings, match=message):
        corpus_of(tmp_path, text)


@pytest.mark.parametrize("spoil", ["", "\n"])
def test_a_wrong_score_is_found_in_regular_and_irregular_files(tmp_path, spoil):
    """The quick way and the slow way complain alike."""
    text = RATED + "".join(f"c{i},x,4\n" for i in range(300)) + "d,x,7\n" + spoil

    with pytest.raises(InvalidRatings, match="line 302: score 7 is outside"):
        corpus_of(tmp_path, text)


def test_a_comparison_is_no_opinion(tmp_path):
    """Better or worse than another clip is not how good a clip is."""
    with pytest.raises(InvalidValue, match="judges one clip by itself"):
        corpus_of(tmp_path, RATED + "a,x,2\n", scale="cmos_-3_3")
    with pytest.raises(UnknownName, match="scale"):
        corpus_of(tmp_path, RATED + "a,x,2\n", scale="acr")


def test_the_scale_and_dimension_that_are_named_are_kept(tmp_path):
    """Scores stay raw."""
    corpus = corpus_of(tmp_path, RATED + "a,x,87\n", scale="mushra_0_100", dimension="naturalness")

    assert [(87.0, "mushra_0_100", "naturalness")] == [
        (row["value"], row["scale"], row["dimension"]) for row in corpus.ratings.to_pylist()
    ]


def test_both_tables_have_their_schema_whatever_was_there(tmp_path):
    """All columns, in order; one row a clip; nothing of the file is changed."""
    text = RATED + "a,x,4\nb,x,5\na,y,3\n"
    corpus = corpus_of(tmp_path, text)

    assert CLIPS_SCHEMA == corpus.clips.schema
    assert [*CLIP_COLUMNS] == corpus.clips.column_names
    assert RATINGS_SCHEMA == corpus.ratings.schema
    assert ["a", "b"] == corpus.clips["name"].to_pylist()
    assert {"human"} == {*corpus.ratings["kind"].to_pylist()}
    assert text == (tmp_path / "t.csv").read_text()


def test_repeated_pairs_are_counted_once_each_and_kept(tmp_path):
    """A pair is a rater and a clip in one test; another test is another occasion."""
    text = "clip,rater,score,test\na,x,4,1\na,x,5,1\na,x,4,1\nb,x,4,1\nb,x,4,2\nb,y,3,1\n"
    corpus = corpus_of(tmp_path, text)
    finding = next(f for f in corpus.findings if f.code == "repeated_pair")

    assert (1, ("x and a",)) == (finding.count, finding.examples)
    assert 6 == corpus.ratings.num_rows


def test_nobody_is_no_pair(tmp_path):
    """Scores without a rater are counted as such, not as repetitions."""
    found = counts(corpus_of(tmp_path, RATED + "a,,4\na,,4\na,x,4\n"))

    assert {"no_rater": 2} == found


def test_published_means_are_held_against_the_scores(tmp_path):
    """A mean may differ by a millionth; the largest difference is told."""
    (tmp_path / "scores.csv").write_text(
        RATED + "a,x,4\na,y,5\na,z,5\nb,x,1\nb,y,2\nc,x,1\nc,y,1\n"
    )
    (tmp_path / "means.csv").write_text("clip,mos\na,4.6666667\nb,1.5\nc,3\n")
    corpus = read_corpus([tmp_path / "scores.csv", tmp_path / "means.csv"])
    finding = next(f for f in corpus.findings if f.code == "mean_mismatch")

    assert (1, ("c: published 3, mean of its scores 1",)) == (finding.count, finding.examples)
    assert "the largest difference is 2" in finding.message
    assert [4.6666667, 1.5, 3.0] == corpus.clips["mos"].to_pylist()
    assert 7 == corpus.ratings.num_rows


@pytest.mark.parametrize(
    ("text", "code", "count"),
    [
        (RATED + "a,x,4\nb,x,4\nb,y,4\n", "one_vote", 1),
        (RATED + "a,x,4\n\na,y,4\n\n", "blank_line", 2),
        ("clip,score\na,4\na,5\n", "no_rater", 2),
        (RATED + "a,1,4\na,2,4\nb,3,5\nb,4,5\n", "one_rating_per_rater", 4),
        ("clip,mos\na,4\nb,3\n", "unknown_votes", 2),
        ("clip,mos,votes\na,4,8\na,4,8\n", "repeated_row", 1),
        ("clip,mos,votes,colour\na,4,8,red\n", "unread_column", 1),
        (RATED + "a,x,4\nb,x ,4\na,y,4\nb,y,4\n", "merged_name", 1),
        (RATED + "a,x,4\na,y,5", "no_final_newline", 1),
    ],
)
def test_odd_things_are_counted(tmp_path, text, code, count):
    """Each under its code."""
    assert count == counts(corpus_of(tmp_path, text))[code]


def test_a_usual_table_has_no_findings(tmp_path):
    """Nothing is said where nothing is odd."""
    assert {} == counts(corpus_of(tmp_path, RATED + "a,x,4\na,y,5\nb,x,4\nb,y,2\n"))


@pytest.mark.parametrize("field", ["system", "split", "sentence"])
def test_files_that_contradict_each_other_are_refused(tmp_path, field):
    """A clip has one system, one split, one sentence in all files together."""
    values = {"system": "st", "split": ("train", "test"), "sentence": "st"}[field]
    for name, value in zip("ab", values, strict=True):
        (tmp_path / f"{name}.csv").write_text(f"clip,score,{field}\nx,4,{value}\n")

    with pytest.raises(InvalidRatings, match=f"contradict .*'x' has {field} '{values[0]}' and"):
        read_corpus([tmp_path / "a.csv", tmp_path / "b.csv"])


def test_two_published_means_of_one_clip_are_refused(tmp_path):
    """Unless they come from two tests: then no one mean is the clip's."""
    for name, mos in (("a", 4), ("b", 3)):
        (tmp_path / f"{name}.csv").write_text(f"clip,mos,votes,test\nx,{mos},8,{name}\n")
    corpus = read_corpus([tmp_path / "a.csv", tmp_path / "b.csv"])

    assert [None] == corpus.clips["mos"].to_pylist()
    assert [(4.0, "a"), (3.0, "b")] == [
        (row["value"], row["test"]) for row in corpus.ratings.to_pylist()
    ]

    for name, mos in (("a", 4), ("b", 3)):
        (tmp_path / f"{name}.csv").write_text(f"clip,mos\nx,{mos}\n")
    with pytest.raises(InvalidRatings, match="'x' has mos 4 and 3"):
        read_corpus([tmp_path / "a.csv", tmp_path / "b.csv"])


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(1, 5)), min_size=1))
def test_the_mean_is_the_sum_in_file_order_over_the_number(rows):
    """To the last bit, as organisers compute it; NaN for a clip without scores."""
    import pandas as pd

    clips, values = (np.array(column) for column in zip(*rows, strict=True))
    means, numbers = mean_of_scores(clips.astype(np.int32), values.astype(float), 6)
    expected = pd.Series(values).groupby(clips).agg(lambda scores: sum(scores) / len(scores))

    for clip in range(6):
        assert (clips == clip).sum() == numbers[clip]
        if numbers[clip]:
            assert expected[clip] == means[clip]
        else:
            assert np.isnan(means[clip])


@given(st.permutations([("a", "x", 4), ("a", "y", 2), ("b", "x", 5), ("b", "y", 1), ("c", "x", 3)]))
def test_the_order_of_rows_changes_nothing_but_the_order(tmp_path_factory, rows):
    """Clips and ratings are the same sets; findings count the same."""
    folder = tmp_path_factory.mktemp("t")
    text = RATED + "".join(f"{clip},{rater},{score}\n" for clip, rater, score in rows)
    corpus = corpus_of(folder, text)

    assert [*dict.fromkeys(row[0] for row in rows)] == corpus.clips["name"].to_pylist()
    assert rows == [
        (row["clip_id"], row["rater"], row["value"]) for row in corpus.ratings.to_pylist()
    ]
    assert {"one_vote": 1} == counts(corpus)
