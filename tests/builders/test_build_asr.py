"""A build that is listened to: what is kept, what is flagged, what is said again."""

from __future__ import annotations

import pytest

from mosdata.builders.executors import Execution
from mosdata.builders.plan import plan_id_of
from mosdata.builders.run import run_stage
from mosdata.builders.speech import SpeechBench, SpeechConfig, SpeechStage
from mosdata.builders.transcripts import Transcript, Transcripts
from mosdata.builders.verify import verify_dataset
from mosdata.errors import UsageError

SERIAL = Execution(executor="serial")
TEXTS = (
    "All is well heard.",
    "This is misheard a bit here.",
    "Bad luck at first.",
    "Bad for ever.",
    "Nobody listens here.",
    "It is 7 again.",
)
OURS = {"asr_mismatch", "asr_bad", "second_attempt", "asr_failed"}

LISTENS = """
from pathlib import Path

HEARD = {
    "All is well heard.": ["all is well heard"],
    "This is misheard a bit here.": ["this is misheard a bit there"],
    "Bad luck at first.": ["mumble", "bad luck at first"],
    "Bad for ever.": ["mumble", "mumble mumble"],
    "It is 7 again.": ["it is seven again"],
}

class Listens:
    '''Knows what will be said: the test says it text by text, and attempt by attempt.'''

    version = "1"

    def __init__(self):
        self.attempts = {}

    def revision(self):
        return self.version

    def transcribe(self, clip, language):
        from mosdata.builders import listening
        text = listening_text()
        if text == "Nobody listens here.":
            raise RuntimeError("no ears")
        number = self.attempts[text] = self.attempts.get(text, -1) + 1
        return HEARD[text][number]

def listening_text():
    import inspect
    for frame in inspect.stack():
        if "request" in frame.frame.f_locals and frame.function == "_attempt":
            return frame.frame.f_locals["request"].text
    raise LookupError

class Newer(Listens):
    version = "2"
"""


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """A stage that says the texts, with or without a listener."""
    (tmp_path / "users_ears.py").write_text(LISTENS)
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(asr="users_ears:Listens"):
        texts = tuple(Transcript(text=text, line=i) for i, text in enumerate(TEXTS, 1))
        config = SpeechConfig(systems=("tone",), asr=asr)
        return SpeechStage(Transcripts(texts=texts), config)

    return make


def test_each_clip_is_kept_with_what_was_heard(stage, tmp_path):
    """Flags by what was heard; the bad ones said again once; nothing dropped."""
    dataset = run_stage(stage(), tmp_path / "out", execution=SERIAL).dataset
    rows = {row.text: row for row in dataset.utterances()}
    plain = run_stage(stage(""), tmp_path / "plain", execution=SERIAL).dataset

    found = {text: (row.heard, {*row.flags} & OURS) for text, row in rows.items()}
    assert found == {
        TEXTS[0]: ("all is well heard", set()),
        TEXTS[1]: ("this is misheard a bit there", {"asr_mismatch"}),
        TEXTS[2]: ("bad luck at first", {"second_attempt"}),
        TEXTS[3]: ("mumble", {"asr_mismatch", "asr_bad"}),
        TEXTS[4]: (None, {"asr_failed"}),
        TEXTS[5]: ("it is seven again", set()),
    }
    assert verify_dataset(dataset).is_sound
    assert all(row.heard is None for row in plain.utterances())


def test_a_second_attempt_has_another_seed_and_sound(stage, tmp_path):
    """The seed of the row is that of the attempt that is kept: it makes this very clip."""
    from mosdata.synth.base import SpeechRequest
    from mosdata.synth.speak import speak
    from mosdata.synth.tone import Tone

    stage_ = stage()
    records = {record.payload["text"]: record for record in stage_.records()}
    rows = run_stage(stage_, tmp_path / "out", execution=SERIAL).dataset.utterances()
    rows = {row.text: row for row in rows}

    assert rows[TEXTS[0]].seed == records[TEXTS[0]].payload["seed"]
    again = rows[TEXTS[2]]
    assert again.seed != records[TEXTS[2]].payload["seed"]
    assert rows[TEXTS[3]].seed == records[TEXTS[3]].payload["seed"]
    request = SpeechRequest(text=again.text, language="en", voice=again.voice, seed=again.seed)
    assert again.num_samples == pytest.approx(
        speak(Tone(), request).clip.duration_s * again.sample_rate_hz, abs=2
    )


def test_the_recogniser_is_part_of_the_identity(stage):
    """Another version, or none, is another plan with other clips; the same one is the same."""
    plans = [plan_id_of(stage(asr)) for asr in ("", "users_ears:Listens", "users_ears:Newer")]

    assert len({*plans}) == 3
    assert plans[1] == plan_id_of(stage())
    assert {r.id for r in stage().records()}.isdisjoint(r.id for r in stage("").records())


def test_a_worker_with_another_recogniser_stops(stage, monkeypatch):
    """Rather than to keep what another version would not have kept."""
    import users_ears

    made = stage()
    monkeypatch.setattr(users_ears.Listens, "version", "0")
    bench = SpeechBench(made.spec)

    with pytest.raises(UsageError, match="recogniser"):
        bench.make(next(made.records()))
