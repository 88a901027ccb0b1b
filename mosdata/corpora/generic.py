"""Tables of no known corpus: their columns are told by their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mosdata.corpora.raw import Sample
from mosdata.corpora.scored import list_cell
from mosdata.corpora.spec import Scores, TableSpec

CLIP: Final = (
    "clip_id",
    "clip",
    "id",
    "utterance",
    "utterance_id",
    "sample_id",
    "sample",
    "uid",
    "key",
    "file",
    "filename",
    "file_name",
    "wav",
    "wav_path",
    "audio_path",
    "path",
)
SINGLE: Final = ("score", "rating", "value", "vote", "opinion")
MEAN: Final = ("mos", "mean", "mos_mean", "mean_score", "avg_score", "average", "avg_mos")
LIST: Final = ("scores", "ratings", "votes_list", "mos_list", "opinions", "score_list")
VOTES: Final = ("votes", "num_votes", "n_votes", "n", "num_ratings", "count")
STD: Final = ("mos_std", "std", "score_std", "sd", "stddev")
DIMENSIONS: Final = ("sig", "bak", "ovrl", "noi", "dis", "col", "loud")

FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "rater": ("rater", "listener", "listener_id", "listener_name", "worker", "worker_id", "judge"),
    "test": ("test", "session", "test_id"),
    "system": ("system", "system_id", "sys", "condition", "model"),
    "speaker": ("speaker", "speaker_id", "talker", "voice"),
    "sentence": ("sentence", "sentence_id", "reference_id"),
    "text": ("text", "transcript", "transcription"),
    "language": ("language", "lang"),
    "parent": ("parent", "parent_id", "source_clip"),
    "split": ("split", "subset", "partition"),
    "dataset": ("dataset", "db", "corpus"),
    "audio": ("audio", "audio_path", "wav_path", "audio_file"),
}
"""Names of columns that are understood, in any case, for each thing that a row says."""


def columns_of(sample: Sample, names: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The columns of a file that go by one of the names, for each thing."""
    found = {what: sample.named(*aliases) for what, aliases in names.items()}
    return {what: (column,) for what, column in found.items() if column}


def clip_column(sample: Sample) -> str | None:
    """The column that names the clip."""
    return sample.named(*CLIP) if sample.has_header else None


def listener_table(sample: Sample) -> TableSpec | None:
    """A score a row: ``clip, score`` and whatever else is known."""
    clip = clip_column(sample)
    score = sample.named(*SINGLE)
    if sample.named(*FIELDS["rater"]):
        dimensions = [d for d in DIMENSIONS if sample.named(d)]
        score = score or sample.named(*MEAN)
    else:
        dimensions = []
    if clip is None or not (score or dimensions):
        return None
    scores = [Scores(column=score)] if score else []
    scores += [Scores(column=sample.named(d) or d, dimension=d) for d in dimensions]
    return _spec(sample, clip, scores)


def list_table(sample: Sample) -> TableSpec | None:
    """A clip a row with its scores in one cell: ``clip, scores``."""
    clip = clip_column(sample)
    if clip is None:
        return None
    for name in (*LIST, *SINGLE, *MEAN, *VOTES):
        column = sample.named(name)
        # 4,5 under a name in the singular is four and a half: there a list must show brackets.
        if column and _are_lists(sample.cells(column), open_too=name in LIST):
            return _spec(sample, clip, [Scores(column=column, form="list")])
    return None


def mean_table(sample: Sample) -> TableSpec | None:
    """A clip a row with published means: ``clip, mos`` and, if known, ``votes`` and ``std``."""
    clip = clip_column(sample)
    if clip is None or sample.named(*FIELDS["rater"]) or sample.named(*SINGLE):
        return None
    votes = sample.named(*VOTES)
    overall = sample.named(*MEAN)
    found = (
        [Scores(column=overall, form="mean", votes=votes, std=sample.named(*STD))]
        if overall
        else []
    )
    for name in DIMENSIONS:
        column = sample.named(name, f"{name}_mean")
        if column:
            std = sample.named(f"{name}_std")
            found.append(Scores(column=column, form="mean", dimension=name, votes=votes, std=std))
    return _spec(sample, clip, found) if found else None


def two_columns(sample: Sample) -> TableSpec | None:
    """A list without a header: clip and mean."""
    if sample.has_header or len(sample.columns) != 2 or not are_numbers(sample.cells("column_2")):
        return None
    if are_numbers(sample.cells("column_1")):
        return None
    return TableSpec(clip=("column_1",), scores=(Scores(column="column_2", form="mean"),))


def clip_table(sample: Sample) -> TableSpec | None:
    """A list of clips without scores, beside a table of ratings."""
    clip = clip_column(sample)
    known = {*columns_of(sample, FIELDS)}
    if clip is None or not known & {"system", "speaker", "sentence", "text", "split"}:
        return None
    if sample.named(*SINGLE, *MEAN, *LIST, *DIMENSIONS):
        return None
    return _spec(sample, clip, [])


def are_numbers(cells: list[str]) -> bool:
    """Whether there are cells and most are numbers; a wrong one is for the reader to complain of.

    Example:
        >>> are_numbers(["4", "5", "?"]), are_numbers(["good", "bad"]), are_numbers([])
        (True, False, False)
    """
    return 2 * sum(_is_number(cell) for cell in cells) > len(cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _are_lists(cells: list[str], *, open_too: bool) -> bool:
    """Whether all cells can be read as lists and some show that they are."""
    try:
        several = any(len(list_cell(cell)) > 1 for cell in cells)
    except ValueError:
        return False
    return any(cell.startswith("[") for cell in cells) or (open_too and several)


def _spec(sample: Sample, clip: str, scores: list[Scores]) -> TableSpec:
    fields = columns_of(sample, FIELDS)
    taken = {clip, *(scores.column for scores in scores)}
    kept = {name: columns for name, columns in fields.items() if not taken & {*columns}}
    return TableSpec(clip=(clip,), scores=tuple(scores), fields=kept)
