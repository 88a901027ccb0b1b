"""Scores from a trained judge: for files, clips, or a whole dataset.

Every clip is judged alone, so its score is the same to the last digit whatever is scored with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from mosdata.audio import Clip, check_samples, decode_audio
from mosdata.errors import InvalidValue, RecordRejected
from mosdata.manifests.predictions import Prediction
from mosdata.manifests.rows import UNKNOWN
from mosdata.manifests.splits import UNUSED
from mosdata.manifests.store import Dataset
from mosdata.training.checkpoint import LoadedJudge, load_judge
from mosdata.training.data import Example, load_examples
from mosdata.training.features import (
    Advance,
    Encoder,
    Vector,
    clip_vector,
    dataset_features,
    encoder_key,
    make_encoder,
    one_thread,
)

SCORES_UNTRAINED = "waits_for_scores"
"""Reason of a missing score: the judge has learned classes only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One judged clip.

    ``mos`` is on the scale of the judge's ``target``. ``reason`` is a short code where something
    is missing and ``message`` says it in words: a file that cannot be read has neither score nor
    class; a judge that still waits for scores gives a class alone.
    """

    name: str
    target: str
    mos: float | None = None
    synthesizer: str | None = None
    confidence: float | None = None
    gate: tuple[float, ...] = ()
    duration_s: float | None = None
    reason: str | None = None
    message: str | None = None


class Scorer:
    """A trained judge with its encoder, ready for clips.

    Args:
        run_folder: a finished run.
        device: of the encoder's backbone, where it has one; the judge itself is small.

    Raises:
        NothingFound, DamagedDataset: the run cannot be opened.
        InvalidValue: the encoder is not the one that the judge was trained with.
    """

    def __init__(self, run_folder: Path | str, *, device: str = "cpu") -> None:
        self.judge: LoadedJudge = load_judge(run_folder)
        self.encoder: Encoder = make_encoder(self.judge.config.encoder, device=device)
        if encoder_key(self.encoder) != self.judge.card.encoder_key:
            raise InvalidValue(
                f"The encoder {self.judge.config.encoder!r}",
                encoder_key(self.encoder),
                f"{self.judge.card.encoder_key!r}, which the judge in {run_folder} learned from",
            )

    def judge_vector(self, vector: Vector) -> tuple[float | None, list[float], tuple[float, ...]]:
        """Score, class probabilities and gate of one clip's features."""
        with one_thread(), torch.inference_mode():
            judgement = self.judge.model(torch.from_numpy(vector)[None])
        mos = float(judgement.mos_B[0]) if self.judge.card.gives_scores else None
        shares: list[float] = judgement.logits_BC[0].softmax(dim=0).tolist()
        return mos, shares, tuple(judgement.gate_BN[0].tolist())

    def score(self, clip: Clip, *, name: str = "") -> Score:
        """Judge one clip of any rate.

        Raises:
            RecordRejected: the clip is empty or not finite.
        """
        vector = clip_vector(self.encoder, check_samples(clip))
        mos, shares, gate = self.judge_vector(vector)
        synthesizer, confidence = self.class_of(shares)
        return Score(
            name=name,
            target=str(self.judge.card.target),
            mos=mos,
            synthesizer=synthesizer,
            confidence=confidence,
            gate=gate,
            duration_s=clip.duration_s,
            reason=None if mos is not None else SCORES_UNTRAINED,
            message=None if mos is not None else self.judge.card.waiting,
        )

    def class_of(self, shares: list[float]) -> tuple[str | None, float | None]:
        """Most probable synthesizer and its probability; None for a judge without classes."""
        if not shares:
            return None, None
        best = max(range(len(shares)), key=shares.__getitem__)
        return self.judge.card.classes[best], shares[best]


def score_clips(
    run_folder: Path | str, items: Iterable[Path | str | Clip], *, device: str = "cpu"
) -> Iterator[Score]:
    """Judge files and clips, one by one, in the order given.

    Args:
        run_folder: a finished run; opened before the first item is read.
        items: paths of WAV, FLAC, MP3, ... of any rate, or clips.
        device: of the encoder's backbone.

    Yields:
        One score per item; a file that cannot be read has a reason in place of a score.

    Raises:
        NothingFound, DamagedDataset, InvalidValue: the run cannot be used.

    Example:
        >>> for score in score_clips("runs/moe", ["a.wav", "b.mp3"]):  # doctest: +SKIP
        ...     print(score.name, score.mos, score.reason)
    """
    scorer = Scorer(run_folder, device=device)
    return (_score(scorer, number, item) for number, item in enumerate(items))


def _score(scorer: Scorer, number: int, item: Path | str | Clip) -> Score:
    name = f"clip-{number}" if isinstance(item, Clip) else str(item)
    try:
        clip = item if isinstance(item, Clip) else decode_audio(Path(item))
        return scorer.score(clip, name=name)
    except RecordRejected as rejection:
        target = str(scorer.judge.card.target)
        return Score(name=name, target=target, reason=rejection.reason, message=str(rejection))


def predict_dataset(
    run_folder: Path | str,
    dataset: Dataset,
    *,
    splits: str | None = None,
    device: str = "cpu",
    cache_folder: Path | None = None,
    advance: Advance | None = None,
) -> list[Prediction]:
    """Judge every clip of a dataset, in file order; the features come from the cache.

    On the dataset that the judge was trained on, splits are those of the training (with what was
    carved out of train); on any other they are those of the files, or of the split set that is
    named. Clips that a split set leaves unused are left out. Clips whose audio cannot be read have
    neither score nor class.

    Args:
        run_folder: a finished run.
        dataset: what to judge.
        splits: a split set of the dataset, ``NAME`` or ``NAME:FOLD``.
        device: of the encoder's backbone.
        cache_folder: of features; beside the dataset where None.
        advance: called with clips done and clips in all while features are computed.

    Raises:
        NothingFound, DamagedDataset: the run cannot be used.
        InvalidValue: the run cannot be used; or other splits than those of the training are
            named for the dataset that the judge was trained on.
    """
    scorer = Scorer(run_folder, device=device)
    card = scorer.judge.card
    own = dataset.content_id == card.content_id
    learned = scorer.judge.config.splits
    if own and splits is not None and splits != learned:
        raise InvalidValue(
            "--splits",
            splits,
            f"{learned!r}, which the judge was trained on" if learned else "none, as in training",
            "With other splits it would be judged on clips that it has learned from.",
        )
    splits = (learned or None) if own else splits
    examples = load_examples(dataset, card.target, carve=own, splits=splits)
    table = dataset_features(dataset, scorer.encoder, cache_folder=cache_folder, advance=advance)
    used = [row for row in examples.rows if row.split != UNUSED]
    return [_predict(scorer, row, table.vectors.get(row.clip_id)) for row in used]


def _predict(scorer: Scorer, row: Example, vector: Vector | None) -> Prediction:
    mos, shares, gate = (None, [], ()) if vector is None else scorer.judge_vector(vector)
    synthesizer, confidence = scorer.class_of(shares)
    return Prediction(
        clip_id=row.clip_id,
        split=row.split,
        system=row.system,
        sentence=row.sentence,
        corruption=row.corruption,
        level=row.level,
        mos_true=row.value,
        mos_pred=mos,
        class_true=None if row.synthesizer == UNKNOWN else row.synthesizer,
        class_pred=synthesizer,
        class_confidence=confidence,
        gate=gate,
    )
