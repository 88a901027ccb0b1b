"""Calls that a user writes; read by mypy, never run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import assert_type

from mosdata.audio import Clip, decode_audio
from mosdata.augment.base import Corruption
from mosdata.augment.corruptions import build_corruption
from mosdata.evaluation.evaluate import evaluate
from mosdata.evaluation.findings import Evaluation
from mosdata.labels.base import Metric
from mosdata.labels.metrics import build_metric
from mosdata.manifests.rows import Applied, Utterance
from mosdata.manifests.store import Dataset, open_dataset
from mosdata.synth.base import SpeechRequest, Synthesizer, SystemInfo, Voice
from mosdata.synth.systems import build_system
from mosdata.testing import utterance
from mosdata.training.score import Score, score_clips
from mosdata.training.train import TrainSummary, train_moe


class MyEngine:
    """An engine that a user brings: no base class, five members."""

    info = SystemInfo(
        name="my-tts", family="neural", sample_rate_hz=24_000, languages=("en",), license="MIT"
    )

    def voices(self) -> tuple[Voice, ...]:
        """One voice."""
        return (Voice(name="ann", language="en"),)

    def revision(self) -> str:
        """Changes when the sound does."""
        return "my-tts/1"

    def synthesize(self, request: SpeechRequest) -> Clip:
        """Speak."""
        raise NotImplementedError(request.text)


engine: Synthesizer = MyEngine()
assert_type(build_system("tone"), Synthesizer)
assert_type(build_corruption("mp3"), Corruption)
assert_type(build_metric("pesq"), Metric)
assert_type(open_dataset("out/build"), Dataset)
assert_type(open_dataset("out/build").utterances("test"), Iterator[Utterance])
assert_type(utterance(), Utterance)
assert_type(utterance().mos, float | None)
assert_type(utterance().corruptions, tuple[Applied, ...])
assert_type(decode_audio(Path("speech.wav")), Clip)
assert_type(train_moe("out/corrupt", "out/moe"), TrainSummary)
assert_type(score_clips("out/moe", ["speech.wav"]), Iterator[Score])
assert_type(evaluate([], target_name="mos"), Evaluation)
