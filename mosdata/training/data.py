"""What a judge learns from: one frozen row per clip, without its sound.

Labels come from the dataset on disk and nowhere else. A clip may lack a score (then it is masked
in the score loss) or a known synthesizer (then it is masked in the class loss); it is never
dropped for that.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mosdata.errors import InvalidRatings, UnknownName
from mosdata.manifests.ids import canonical_json, unit_hash
from mosdata.manifests.rows import DEBIASED, HUMAN, UNKNOWN
from mosdata.manifests.scales import ACR, SCALES, opinion_scale
from mosdata.manifests.schema import RATINGS, ratings_schema
from mosdata.manifests.splits import SPLITS, UNUSED
from mosdata.manifests.store import Dataset

CARVED_SHARE: Final = 0.1
"""Share of the train sentences that becomes a missing validation or test split."""

_COLUMNS: Final = (
    "id",
    "system",
    "synthesizer",
    "sentence",
    "corruptions",
    "mos",
    "mos_scale",
    "pcm_sha256",
)
_RATING_COLUMNS: Final = ("clip_id", "kind", "dimension", "scale", "value", "votes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Which scores a judge learns: a kind of rating and what it judges.

    ``"mos"`` stands for the kind ``human`` and the dimension ``mos``; the kind ``debiased`` holds
    people's scores less what their listeners add to every clip.

    Example:
        >>> str(Target(kind="human", dimension="mos")), str(Target(kind="dnsmos", dimension="p808"))
        ('mos', 'dnsmos.p808')
    """

    kind: str
    dimension: str

    @classmethod
    def parse(cls, text: str, dataset: Dataset) -> Target:
        """Read ``mos``, ``KIND.DIMENSION``, or ``KIND`` where it has one dimension only.

        ``mos`` is always known, also where nobody has rated yet.

        Raises:
            UnknownName: the dataset has no such scores, or the kind has several dimensions.
        """
        if text in ("mos", "human.mos"):
            return MOS
        known = targets_in(dataset)
        kind, _, dimension = text.partition(".")
        of_kind = [target for target in known if target.kind == kind]
        meant = [target for target in of_kind if target.dimension == dimension]
        if not dimension and len(of_kind) == 1:
            meant = of_kind
        if meant:
            return meant[0]
        raise UnknownName("target", text, {"mos", *map(str, known)})

    @property
    def is_opinion(self) -> bool:
        """Whether people gave the scores, as they are or de-biased; a metric's are not opinions."""
        return self.kind in PEOPLE

    def __str__(self) -> str:
        return "mos" if self == MOS else f"{self.kind}.{self.dimension}"


PEOPLE: Final = frozenset({HUMAN, DEBIASED})
"""Kinds of score that come from people."""

MOS: Final = Target(kind=HUMAN, dimension="mos")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One clip and its labels.

    ``value`` is the target's score, None where there is none; ``corruption`` the names of the
    chain joined by ``+`` and ``level`` the highest level in it.
    """

    clip_id: str
    split: str
    system: str
    synthesizer: str
    sentence: str
    corruption: str
    level: float
    value: float | None
    pcm_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """All clips of a dataset in file order, and what was decided about their splits.

    ``scale`` names the scale of the values, which are raw; None where nobody has scored.
    ``notes`` says in words for people when a split had to be carved out of train.
    """

    rows: tuple[Example, ...]
    target: Target
    scale: str | None = None
    notes: tuple[str, ...] = ()

    def of(self, split: str) -> list[Example]:
        """Clips of one split."""
        return [row for row in self.rows if row.split == split]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Synthesizers that occur in train, by name; ``unknown`` is not a class."""
        return tuple(sorted({row.synthesizer for row in self.of("train")} - {UNKNOWN}))

    @property
    def num_targets(self) -> int:
        """Train clips that have a score."""
        return sum(row.value is not None for row in self.of("train"))

    @property
    def digest(self) -> str:
        """Checksum of everything a judge learns from, the sound by its own checksum."""
        rows = sorted(
            [row.clip_id, row.split, row.synthesizer, row.value, row.pcm_sha256]
            for row in self.rows
        )
        text = canonical_json([str(self.target), rows])
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def targets_in(dataset: Dataset) -> list[Target]:
    """Kinds and dimensions of the scores that a dataset holds."""
    pairs = _ratings(dataset).select(["kind", "dimension"]).group_by(["kind", "dimension"])
    found = pairs.aggregate([]).to_pylist()
    return sorted((Target(**pair) for pair in found), key=str)


def load_examples(
    dataset: Dataset, target: Target, *, carve: bool = True, splits: str | None = None
) -> Examples:
    """Clips and labels of a dataset.

    Args:
        dataset: opened with ``mosdata.manifests.store.open_dataset``.
        target: human scores are averaged per clip, each as often as it has votes, and the clip's
            ``mos`` column stands in where there are none; of a metric that was run twice, the
            later run counts.
        carve: make a validation and a test split out of train where the dataset has none, by a
            hash of the sentence group; False keeps the splits of the files.
        splits: a split set of the dataset, ``NAME`` or ``NAME:FOLD``; the splits of the files
            where None. Of a named set only a missing validation is carved: a test that it does
            not hold out would not be one.

    Raises:
        InvalidRatings: the target's scores are on more than one scale.
        InvalidValue: people compared pairs of clips, so that no clip has a score of its own.
        UnknownName: people's scores name a scale that nobody knows.
    """
    ratings = _ratings_of(dataset, target)
    scores = _scores(ratings, target)
    names = dataset.class_names
    table = dataset.table(_COLUMNS)
    scale = _scale(ratings, table, scores, target)
    rows = [_example(values, names, scores, target) for values in table.to_pylist()]
    notes: list[str] = []
    if splits is not None:
        rows = _dealt(rows, dataset, splits, notes)
    if carve:
        rows = _carved(rows, notes, wanted=SPLITS[1:] if splits is None else ("validation",))
    return Examples(rows=tuple(rows), target=target, scale=scale, notes=tuple(notes))


def _example(
    values: dict[str, Any], class_names: Sequence[str], scores: dict[str, float], target: Target
) -> Example:
    value = scores.get(values["id"])
    if value is None and target == MOS:
        value = values["mos"]
    chain = values["corruptions"] or []
    return Example(
        clip_id=values["id"],
        split=values["split"],
        system=values["system"],
        synthesizer=class_names[values["synthesizer"]],
        sentence=values["sentence"],
        corruption="+".join(applied["name"] for applied in chain),
        level=max((float(applied["level"]) for applied in chain), default=0.0),
        value=None if value is None else float(value),
        pcm_sha256=values["pcm_sha256"],
    )


def opinions_of(dataset: Dataset, target: Target) -> tuple[str, pa.Table]:
    """What people said that the target's scores rest on: its dimension, and a table of ratings.

    Where nobody judged ``mos`` by that name, a clip's ``mos`` is its published overall score.
    """
    table = _ratings(dataset, columns=tuple(RATINGS))
    table = table.filter(pc.equal(table["kind"], HUMAN))
    names = (MOS.dimension, "ovrl") if target == MOS else (target.dimension,)
    present = {*pc.unique(table["dimension"]).to_pylist()}
    dimension = next((name for name in names if name in present), target.dimension)
    return dimension, table.filter(pc.equal(table["dimension"], dimension))


def _ratings(dataset: Dataset, columns: Sequence[str] = _RATING_COLUMNS) -> pa.Table:
    """Scores of all rating sets that are numbers, in the order of the manifest."""
    files = [pq.read_table(path, columns=list(columns)) for path in dataset.rating_files]
    if not files:
        schema = ratings_schema().remove_metadata()
        return pa.schema([schema.field(name) for name in columns]).empty_table()
    table = pa.concat_tables([file.replace_schema_metadata(None) for file in files])
    return table.filter(pc.is_finite(table["value"]))


def _ratings_of(dataset: Dataset, target: Target) -> pa.Table:
    """Scores of the target's kind and dimension."""
    table = _ratings(dataset)
    wanted = pc.and_(
        pc.equal(table["kind"], target.kind), pc.equal(table["dimension"], target.dimension)
    )
    return table.filter(wanted)


def _scores(ratings: pa.Table, target: Target) -> dict[str, float]:
    """One score per clip."""
    if target.kind != HUMAN:
        return dict(zip(ratings["clip_id"].to_pylist(), ratings["value"].to_pylist(), strict=True))
    # A published mean counts as often as there are votes behind it; once where nobody says.
    votes = pc.max_element_wise(pc.fill_null(ratings["votes"], 1), 1).cast(pa.float64())
    sums = ratings.append_column("sum", pc.multiply(ratings["value"], votes))
    # One thread: the order of a sum decides its last digit.
    grouped = sums.append_column("count", votes).group_by("clip_id", use_threads=False)
    clips = grouped.aggregate([("sum", "sum"), ("count", "sum")])
    means = pc.divide(clips["sum_sum"], clips["count_sum"])
    return dict(zip(clips["clip_id"].to_pylist(), means.to_pylist(), strict=True))


def _scale(
    ratings: pa.Table, clips: pa.Table, scores: Mapping[str, float], target: Target
) -> str | None:
    """The one scale of all values: of the ratings, and of ``mos`` where it stands in."""
    scales = {*pc.unique(ratings["scale"]).to_pylist()}
    if target == MOS:
        columns = (clips[name].to_pylist() for name in ("id", "mos", "mos_scale"))
        scales |= {
            scale or ACR
            for clip_id, mos, scale in zip(*columns, strict=True)
            if mos is not None and clip_id not in scores
        }
    if len(scales) > 1:
        raise InvalidRatings(
            f"The scores of {target} are on {len(scales)} scales: {', '.join(sorted(scales))}; one "
            "is allowed. Bring them to one scale, or give each listening test a dataset of its own."
        )
    if scales and target.is_opinion:
        opinion_scale(*scales)
    return next(iter(scales), None)


def same_range(first: str, second: str) -> bool:
    """Whether two scales share their ends, so that scores on them can be compared as they are.

    Example:
        >>> same_range("acr_1_5", "continuous_1_5"), same_range("acr_1_5", "mushra_0_100")
        (True, False)
    """
    if first == second or not {first, second} <= {*SCALES}:
        return first == second
    return (SCALES[first].low, SCALES[first].high) == (SCALES[second].low, SCALES[second].high)


def _dealt(rows: list[Example], dataset: Dataset, splits: str, notes: list[str]) -> list[Example]:
    """The rows in the splits of a named set; what it leaves unused is counted in ``notes``."""
    where = dataset.split_set(splits)
    unused = sum(split == UNUSED for split in where.values())
    if unused:
        notes.append(f"{unused} clips are in no split of {splits!r} and stay unused.")
    return [replace(row, split=where[row.clip_id]) for row in rows]


def _carved(
    rows: list[Example], notes: list[str], wanted: Sequence[str] = SPLITS[1:]
) -> list[Example]:
    """Fill empty splits from train; what was done is appended to ``notes``."""
    if not any(row.split == "train" for row in rows):
        present = ", ".join(sorted({row.split for row in rows})) or "none"
        notes.append(f"No train split (splits: {present}): all clips were pooled and split anew.")
        rows = [replace(row, split="train") for row in rows]
    for split in wanted:
        if not any(row.split == split for row in rows):
            rows = _carve(rows, split, notes)
    return rows


def _carve(rows: list[Example], split: str, notes: list[str]) -> list[Example]:
    clips_by_sentence = Counter(row.sentence for row in rows if row.split == "train")
    if len(clips_by_sentence) < 2:
        effect = " Training runs without early stopping." if split == "validation" else ""
        notes.append(
            f"No {split} split, and train has one sentence group only, which is never split "
            f"apart: {split} stays empty.{effect}"
        )
        return rows
    ordered = sorted(clips_by_sentence, key=lambda root: (unit_hash(f"carve/{root}"), root))
    moved = {*ordered[: max(1, round(CARVED_SHARE * len(ordered)))]}
    count = sum(clips_by_sentence[root] for root in moved)
    notes.append(
        f"No {split} split: {count} clips of {len(moved)} of {len(ordered)} train sentences, "
        f"chosen by a hash of their id, became {split}."
    )
    return [
        replace(row, split=split) if row.split == "train" and row.sentence in moved else row
        for row in rows
    ]


def class_indices(rows: Iterable[Example], class_names: Sequence[str]) -> list[int]:
    """Class of each row; -1, which the loss masks, for ``unknown`` and for systems not listed."""
    index = {name: number for number, name in enumerate(class_names)}
    return [index.get(row.synthesizer, -1) for row in rows]
