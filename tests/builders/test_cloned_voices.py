"""Builds in cloned voices: who speaks, what a bad recording does, and what rows say."""

import json
import shutil
from dataclasses import replace

import pytest

from mosdata.audio import encode_flac
from mosdata.builders.casting import cloned_terms
from mosdata.builders.executors import Execution
from mosdata.builders.run import run_stage
from mosdata.builders.speech import SpeechConfig, SpeechStage
from mosdata.builders.transcripts import Transcript, Transcripts
from mosdata.builders.verify import verify_dataset
from mosdata.errors import InvalidPrompts, UnknownName, UsageError
from mosdata.synth.base import NO_ENGINE_TERMS, Prompt, SpeechRequest, Voice
from mosdata.synth.hosting.spec import PromptLimits
from mosdata.synth.prompts import read_prompts
from mosdata.synth.tone import Tone
from mosdata.testing import speechlike

SERIAL = Execution(executor="serial")


class Cloner(Tone):
    """A tone that takes a recording for a voice, and one German voice of its own."""

    info = replace(
        Tone.info, name="cloner", license="MIT", output_terms="open", languages=("en", "de", "zh")
    )
    prompt_limits = PromptLimits(
        min_duration_s=1.0, max_duration_s=10.0, min_sample_rate_hz=16_000, needs_text=True
    )

    def __init__(self):
        self.cloned = {}

    def add_prompts(self, prompts):
        """Keep them."""
        self.cloned |= {
            prompt.name: Voice(name=prompt.name, language=prompt.language, prompt=prompt)
            for prompt in prompts
        }

    def voices(self):
        """Its own, then theirs."""
        return (Voice(name="hans", language="de"), *self.cloned.values())

    def synthesize(self, request):
        """What is heard depends on the recording's sound and words, and on nothing else of it."""
        prompt = self.cloned[request.voice].prompt if request.voice in self.cloned else None
        about = "" if prompt is None else prompt.audio_sha256[:8] + prompt.text
        seed = request.seed ^ (hash_of(about) & 0xFFFFFFFF)
        voice = SpeechRequest(text=request.text, language="en", voice="low", seed=seed)
        return super().synthesize(voice)


def hash_of(text):
    """The same in every process."""
    return int.from_bytes(text.encode()[:8].ljust(8, b"\0"), "big")


class NoVoices(Cloner):
    """An engine that has no voice before it gets a recording."""

    def voices(self):
        """Those of recordings."""
        return tuple(self.cloned.values())


class OwnVoices(Cloner):
    """The same engine with a checkpoint that clones nobody."""

    info = replace(Cloner.info, name="own-voices")
    prompt_limits = None


CLONER = f"{__name__}:Cloner"


@pytest.fixture
def folder(tmp_path):
    """Recordings of two women, and one of each bad kind."""
    voices = tmp_path / "voices"
    voices.mkdir()
    sounds = {
        "anna": speechlike(3.0),
        "berta": speechlike(3.0, seed=1),
        "long": speechlike(11.0),
        "telephone": speechlike(3.0, 8_000),
        "mute": speechlike(3.0),
        "silent": replace_samples(speechlike(3.0), 0.0),
    }
    lines = []
    for name, sound in sounds.items():
        (voices / f"{name}.flac").write_bytes(encode_flac(sound))
        text = "" if name == "mute" else "Some call me nature, others call me mother."
        lines.append(
            f'[voices.{name}]\naudio = "{name}.flac"\ntext = "{text}"\nlanguage = "en"\n'
            f'speaker = "person-{name}"\nlicense = "CC-BY-4.0"\n'
        )
    (voices / "prompts.toml").write_text("\n".join(lines))
    return voices


def replace_samples(clip, factor):
    """A clip times a factor."""
    return type(clip)(clip.samples * factor, clip.sample_rate_hz)


@pytest.fixture
def stage(folder):
    """Plan a build with the recordings."""

    def make(*names, systems=(CLONER,), texts=("Good morning.", "Good night."), **settings):
        prompts = read_prompts(folder / "prompts.toml")
        chosen = [p for p in prompts if not names or p.name in names]
        lines = tuple(
            text if isinstance(text, Transcript) else Transcript(text=text, line=i)
            for i, text in enumerate(texts, 1)
        )
        config = SpeechConfig(systems=systems, prompts=tuple(chosen), **settings)
        return SpeechStage(Transcripts(texts=lines), config)

    return make


def run(stage, out):
    """Run it here."""
    return run_stage(stage, out, execution=SERIAL).dataset


def test_rows_of_cloned_voices(stage, tmp_path):
    """Voice, speaker, licence and terms; the recordings stand in the provenance."""
    dataset = run(stage("anna", "berta"), tmp_path / "out")
    rows = [*dataset.utterances()]
    recordings = json.loads((dataset.folder / "provenance.json").read_text())["systems"]["cloner"][
        "prompts"
    ]

    assert 4 == len(rows)
    assert {("anna", "person-anna"), ("berta", "person-berta")} == {
        (row.voice, row.speaker) for row in rows
    }
    assert {("CC-BY-4.0", "open")} == {(row.license, row.output_terms) for row in rows}
    assert 4 == len({row.pcm_sha256 for row in rows})
    assert {"anna", "berta"} == {*recordings}
    assert {"audio", "text", "language", "speaker", "license", "output_terms"} == {
        *recordings["anna"]
    }
    assert verify_dataset(dataset).is_sound


def test_bad_recordings_are_left_out_and_named(stage, tmp_path):
    """File, voice and rule; the good ones speak."""
    plan = stage()
    notes = "\n".join(plan.notes)
    dataset = run(plan, tmp_path / "out")

    for name, rule in [
        ("long", "prompt_too_long"),
        ("telephone", "prompt_low_rate"),
        ("mute", "prompt_without_text"),
        ("silent", "prompt_silent"),
    ]:
        assert f"cannot clone {name}.flac, the recording of voice {name!r}: it " in notes
        assert f"[{rule}]" in notes
    assert {"anna", "berta"} == {row.voice for row in dataset.utterances()}
    assert [*plan.notes] == json.loads((dataset.folder / "provenance.json").read_text())["left_out"]


@pytest.mark.parametrize("name", ["long", "telephone", "mute", "silent"])
def test_a_bad_recording_that_was_asked_for_is_an_error(stage, name):
    """By name, or as the only one that there is."""
    with pytest.raises(InvalidPrompts, match=rf"{name}\.flac.*\[prompt_"):
        stage(voices=(name,))
    with pytest.raises(InvalidPrompts, match=rf"{name}\.flac.*\[prompt_"):
        stage(name)


def test_which_voices_speak(stage):
    """All recordings where nobody says; else so many, recordings first; else those named."""
    texts = ("Guten Morgen.",)

    def voices(*names, **settings):
        made = stage(*names, texts=texts, **settings).spec.config["systems"]["cloner"]
        return made["voices"]

    assert ["anna", "berta"] == voices("anna", "berta")
    assert ["anna"] == voices("anna", "berta", voices=1)
    assert ["berta"] == voices("anna", "berta", voices=("berta",))
    assert ["hans"] == voices("anna", "berta", language="de")
    assert ["anna", "berta"] == voices("anna", "berta", voices=0)


def test_voices_and_systems_that_do_not_fit_are_errors(stage):
    """A voice nobody has, recordings that nobody clones, a language that nobody reads."""
    with pytest.raises(UnknownName, match="Did you mean 'anna'"):
        stage(voices=("Ana",))
    with pytest.raises(UnknownName, match=r"No language of .* is called 'zh'"):
        stage("anna", language="zh")
    with pytest.raises(UsageError, match="none of the systems clones"):
        stage("anna", systems=("tone",))
    with pytest.raises(UsageError, match="none of the systems clones"):
        stage("anna", systems=(f"{__name__}:OwnVoices",), language="de")


def test_an_engine_without_a_voice_needs_recordings(stage):
    """It is told which, and speaks when it has them."""
    system = f"{__name__}:NoVoices"

    assert ["anna"] == stage("anna", systems=(system,)).spec.config["systems"]["cloner"]["voices"]
    with pytest.raises(UsageError, match="voices of recordings, and was given none"):
        SpeechStage(
            Transcripts(texts=(Transcript(text="Hello.", line=1),)), SpeechConfig(systems=(system,))
        )


def ids(stage):
    """Ids of its records."""
    return [record.id for record in stage.records()]


def test_a_voice_is_its_recording(stage, folder, tmp_path):
    """Another sound or other words under the same name are other clips; a move is none."""
    before = ids(stage("anna"))
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    lines = Transcripts(texts=(Transcript(text="Good morning.", line=1),))
    config = SpeechConfig(systems=(CLONER,), prompts=read_prompts(moved / "prompts.toml")[:1])

    assert before[:1] == ids(SpeechStage(lines, config))
    (folder / "anna.flac").write_bytes(encode_flac(speechlike(3.0, seed=9)))
    assert not {*before} & {*ids(stage("anna"))}
    manifest = folder / "prompts.toml"
    after_sound = ids(stage("anna"))
    manifest.write_text(manifest.read_text().replace("Some call me nature", "Few call me nature"))
    assert not {*after_sound} & {*ids(stage("anna"))}


def test_a_recording_that_changes_under_a_plan_stops_the_run(stage, folder, tmp_path):
    """A worker never speaks in another voice than was planned, and says which."""
    plan = stage("anna")
    (folder / "anna.flac").write_bytes(encode_flac(speechlike(3.0, seed=9)))

    with pytest.raises(UsageError, match="recording of voice 'anna' of cloner is another one"):
        run(plan, tmp_path / "out")
    (folder / "anna.flac").unlink()
    with pytest.raises(UsageError, match=r"anna\.flac.*cannot be read"):
        run(plan, tmp_path / "out2")


def test_a_recording_of_another_speaker_is_not_taken_over(stage, folder, tmp_path):
    """The id is the sound's; who speaks and on whose terms is compared before a row is reused."""
    run(stage("anna"), tmp_path / "a")
    manifest = folder / "prompts.toml"
    manifest.write_text(manifest.read_text().replace("person-anna", "somebody"))

    made = run(stage("anna"), tmp_path / "b")

    assert {"somebody"} == {row.speaker for row in made.utterances()}


def test_texts_may_have_languages_of_their_own(stage, tmp_path):
    """Each is read by voices of its language; what a system does not read is noted."""
    texts = (
        Transcript(text="Good morning.", line=1),
        Transcript(text="Guten Morgen.", line=2, language="de"),
        Transcript(text="早上好。", line=3, language="zh"),
    )
    plan = stage("anna", texts=texts)
    rows = [*run(plan, tmp_path / "out").utterances()]

    assert {("en", "anna"), ("de", "hans")} == {(row.language, row.voice) for row in rows}
    assert ("cloner reads no texts in 'zh'",) == plan.notes
    assert 2 == plan.estimate().num_records


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (("MIT", "open"), "CC-BY-4.0", ("CC-BY-4.0", "open")),
        (("CC-BY-NC-4.0", "non-commercial"), "CC-BY-4.0", ("CC-BY-NC-4.0", "non-commercial")),
        (("MIT", "open"), "CC-BY-NC-4.0", ("CC-BY-NC-4.0", "non-commercial")),
        (("MIT", "open"), "", ("unknown", "unknown")),
        (("MIT", "open"), "LicenseRef-mine", ("MIT AND LicenseRef-mine", "unknown")),
        ((NO_ENGINE_TERMS, "open"), "CC0-1.0", ("CC0-1.0", "open")),
        ((NO_ENGINE_TERMS, "open"), "LicenseRef-mine", ("LicenseRef-mine", "unknown")),
        (("CC-BY-NC-4.0", "non-commercial"), "CC-BY-SA-4.0",
         ("CC-BY-NC-4.0 AND CC-BY-SA-4.0", "non-commercial")),
        (("MIT", "open"), "CC-BY-ND-4.0", ("CC-BY-ND-4.0", "restricted")),
    ],
)  # fmt: skip
def test_licences_of_engine_and_recording_apply_together(tmp_path, ours, theirs, expected):
    """The stricter one, or both; nothing is open that nobody said so of."""
    info = replace(Tone.info, license=ours[0], output_terms=ours[1])
    prompt = Prompt(
        name="a", audio=tmp_path, audio_sha256="", text="", language="en", speaker="a",
        license=theirs,
    )  # fmt: skip

    assert {"license": expected[0], "output_terms": expected[1]} == cloned_terms(info, prompt)
