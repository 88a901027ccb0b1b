"""The CosyVoice adapter against a stub that has upstream's classes and signatures."""

from __future__ import annotations

import json
import logging
import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosdata.manifests.systems import SYSTEM_NAMES
from mosdata.synth.adapters import cosyvoice, cosyvoice_files
from mosdata.synth.adapters.kit import LoadFailed, Rejected
from mosdata.synth.engines.cosyvoice import SPEC
from mosdata.synth.hosting.checkup import needs_of_all
from mosdata.synth.hosting.configured import facts_of
from mosdata.synth.hosting.settings import Engines, EngineSettings
from mosdata.testing.engines import tiny_cosyvoice
from tests.synth.signatures import read_contract, signatures, wanted_of

STUB = Path(__file__).with_name("stubs") / "cosyvoice"
SYSTEMS = {1: "cosyvoice-300m", 2: "cosyvoice2-0.5b", 3: "fun-cosyvoice3-0.5b"}
FOREIGN_MODULES = ("cosyvoice", "modelscope", "torchaudio", "matcha", "wetext")

Make = Callable[..., cosyvoice.Adapter]


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing that an adapter changes in its own process stays in this one."""
    path, level = list(sys.path), logging.getLogger().level
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "TQDM_DISABLE"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", os.environ.get("CUDA_VISIBLE_DEVICES", ""))
    yield
    sys.path[:] = path
    logging.getLogger().setLevel(level)
    for name in [m for m in sys.modules if m.partition(".")[0] in FOREIGN_MODULES]:
        del sys.modules[name]


@pytest.fixture
def make(upstream: None, tmp_path: Path) -> Make:
    """An adapter for a folder of empty promises, which the stub is content with."""

    def build(release: int = 1, *, sft: bool = False, **options: Any) -> cosyvoice.Adapter:
        model_dir = tmp_path / "model"
        write_folder(model_dir, release, sft=sft)
        system = "cosyvoice-300m-sft" if sft else SYSTEMS[release]
        given = {"system": system, "checkout": str(STUB), "model_dir": str(model_dir)}
        return cosyvoice.build({**given, **options})

    return build


@pytest.fixture
def prompt(tmp_path: Path) -> str:
    """A recording of two seconds."""
    return write_wav(tmp_path / "prompt.wav")


def write_wav(path: Path, *, rate: int = 16_000, seconds: float = 2.0, level: float = 0.1) -> str:
    """Noise in a file."""
    import soundfile

    noise = np.random.default_rng(0).standard_normal(int(rate * seconds)) * level
    soundfile.write(path, noise.astype("float32"), rate)
    return str(path)


def write_folder(path: Path, release: int, *, sft: bool = False) -> None:
    """Files of the right names; weights that the stub does not read."""
    import torch

    facts = cosyvoice_files.RELEASES[release - 1]
    for name in facts.files:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(b"weights")
    (path / facts.yaml).write_text(f"sample_rate: {facts.sample_rate_hz}\n")
    if sft:
        speakers = {name: {"embedding": torch.zeros(1, 192)} for name in ("中文女", "anna")}
        torch.save({**speakers, "saved": {"flow_embedding": torch.zeros(1)}}, path / "spk2info.pt")


def say(adapter: cosyvoice.Adapter, text: str, voice: str = "ann", **request: Any) -> dict:
    """One utterance."""
    return adapter.synthesize(
        {"language": "en", "seed": 1, **request, "text": text, "voice": voice}
    )


def voice(audio: str, name: str = "ann", text: str = "How are you?") -> dict[str, Any]:
    """One recording to clone."""
    return {"name": name, "language": "en", "audio": audio, "text": text}


def reason_of(call: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """Why a call was rejected."""
    with pytest.raises(Rejected) as caught:
        call(*args, **kwargs)
    return caught.value.reason


# -- The contract ----------------------------------------------------------------------------------


def test_the_stub_has_upstreams_signatures() -> None:
    """What the unit tests call is what upstream offers, argument by argument."""
    contract = read_contract("cosyvoice")

    assert signatures(STUB, wanted_of(contract)) == contract["files"]


def test_every_argument_that_is_passed_is_upstreams() -> None:
    """The adapter's own table of calls agrees with the snapshot."""
    methods = read_contract("cosyvoice")["files"]["cosyvoice/cli/cosyvoice.py"]
    for name, arguments in cosyvoice.CALLS.items():
        known = [parameter[0] for parameter in methods[f"CosyVoice.{name}"]]

        assert set(arguments) <= set(known)


def test_the_spec_agrees_with_the_adapter() -> None:
    """Checkpoints are named systems, with the files, rates and languages of their release."""
    assert SPEC.commit == read_contract("cosyvoice")["commit"]
    for checkpoint in SPEC.checkpoints:
        release = cosyvoice_files.RELEASES[cosyvoice_files.SYSTEM_RELEASES[checkpoint.system] - 1]

        assert checkpoint.system in SYSTEM_NAMES
        assert set(release.files) <= set(checkpoint.files)
        assert checkpoint.sample_rate_hz == release.sample_rate_hz
        assert checkpoint.languages == release.languages
    assert SPEC.prompt is not None
    assert asdict(cosyvoice.LIMITS) == asdict(SPEC.prompt)


def test_only_what_clones_asks_for_recordings() -> None:
    """Planned with recordings, the fine-tuned model would reject every clip, one by one."""
    needs = {
        each.system: each.prompt for each in needs_of_all(Engines()) if each.engine == "cosyvoice"
    }
    cloning = {checkpoint.system for checkpoint in SPEC.checkpoints if checkpoint.clones}

    assert {name for name, prompt in needs.items() if prompt} == cloning
    assert set(needs) - cloning == set(cosyvoice_files.OWN_VOICES_ONLY)
    told = EngineSettings(system="cosyvoice-300m-sft", engine="cosyvoice", prompts="prompts.toml")
    assert facts_of(told)[1].clones is False


def test_the_lock_has_the_pins_that_decide() -> None:
    """The transformers with which CosyVoice 2 and 3 decode rightly, and nothing that downloads."""
    lock = Path("mosdata/synth/engines/locks") / SPEC.lock
    text = (Path(__file__).parents[2] / lock).read_text()
    pins = dict(
        line.split(" ;")[0].split("==") for line in text.splitlines() if line and line[0] != "#"
    )

    assert pins["transformers"] in ("4.51.3", "4.52.4")
    assert pins["ruamel-yaml"] < "0.19"
    assert "modelscope" not in pins


# -- Folders ---------------------------------------------------------------------------------------


def test_describing_loads_nothing(make: Make) -> None:
    """Rate, voices with languages and fingerprint come from files; no module of upstream loads."""
    described = make(1, sft=True).describe()

    assert 22_050 == described["sample_rate_hz"]
    assert described["voices"] == [
        {"name": "中文女", "language": "zh"},
        {"name": "anna", "language": "mul"},
    ]
    fingerprint = described["fingerprint"]
    assert fingerprint["adapter"] == f"cosyvoice/{cosyvoice.VERSION}"
    assert fingerprint["text_frontend"] == "mosdata"
    assert set(fingerprint["weights"]) == {
        *(name for name in cosyvoice_files.RELEASES[0].files if not name.endswith(".yaml")),
        "spk2info.pt",
    }
    assert json.loads(json.dumps(fingerprint)) == fingerprint
    assert not [name for name in sys.modules if name.partition(".")[0] == "cosyvoice"]


def test_describing_says_the_same_before_and_after_loading(make: Make) -> None:
    """A fingerprint that was written down before the model was loaded stays true."""
    adapter = make(2)
    before = json.dumps(adapter.describe())
    adapter.load()

    assert json.dumps(adapter.describe()) == before


def test_a_weight_changes_the_fingerprint(make: Make, tmp_path: Path) -> None:
    """Other weights, another fingerprint; the same, the same."""
    first, same = make().describe()["fingerprint"], make().describe()["fingerprint"]
    adapter = make()
    (tmp_path / "model" / "flow.pt").write_bytes(b"other weights")
    other = adapter.describe()["fingerprint"]

    assert first == same
    assert first["weights"]["flow.pt"] != other["weights"]["flow.pt"]


@pytest.mark.parametrize("release", [1, 2, 3])
def test_each_missing_file_is_named(make: Make, tmp_path: Path, release: int) -> None:
    """One file away, and the message has its name: never a download in its place."""
    for name in cosyvoice_files.RELEASES[release - 1].files:
        adapter = make(release)
        (tmp_path / "model" / name).unlink()
        with pytest.raises(LoadFailed) as caught:
            adapter.describe()

        assert name in str(caught.value)


def test_files_that_are_not_what_they_seem_are_named(make: Make, tmp_path: Path) -> None:
    """A Git LFS pointer and an empty file are told from weights."""
    adapter = make()
    (tmp_path / "model" / "llm.pt").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(LoadFailed, match=r"llm\.pt .* Git LFS pointer"):
        adapter.describe()
    (tmp_path / "model" / "llm.pt").write_bytes(b"")
    with pytest.raises(LoadFailed, match=r"llm\.pt .* is empty"):
        adapter.describe()


def test_a_folder_of_another_release_is_refused(make: Make) -> None:
    """CosyVoice2's folder under the name of the first is a wrong label on every clip."""
    adapter = make(2, system="cosyvoice-300m")
    with pytest.raises(LoadFailed, match=r"needs cosyvoice\.yaml, it holds cosyvoice2\.yaml"):
        adapter.describe()


def test_a_folder_that_is_not_there_is_refused(make: Make) -> None:
    """Upstream would take it for the name of a model to download."""
    with pytest.raises(LoadFailed, match="no folder"):
        make(model_dir="iic/CosyVoice-300M").describe()


def test_the_fine_tuned_model_needs_its_speakers(make: Make, tmp_path: Path) -> None:
    """Without them it could say nothing, and would say so at the first utterance only."""
    adapter = make(1, sft=True)
    (tmp_path / "model" / "spk2info.pt").unlink()
    with pytest.raises(LoadFailed, match=r"spk2info\.pt"):
        adapter.describe()


def test_speakers_are_read_without_running_the_pickle(tmp_path: Path) -> None:
    """A pickle that would call something is read for names, and nothing is called."""
    evil = b"cos\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR."
    with zipfile.ZipFile(tmp_path / "spk2info.pt", "w") as archive:
        archive.writestr("archive/data.pkl", evil)
    with pytest.raises(LoadFailed, match="is not a table"):
        cosyvoice_files.own_speakers(str(tmp_path))

    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "line",
    [
        "x: !apply:os.system ['true']",
        "x: !new:subprocess.Popen",
        "x: !!python/object/apply:os.system ['true']",
        "x: [!name:builtins.eval]",
        "x: !include:other.yaml",
        "x: !<!apply:os.system> ['true']",
        "%TAG ! tag:evil,2000:",
        "x: !module:os",
    ],
)
def test_yaml_that_would_run_something_is_refused(make: Make, tmp_path: Path, line: str) -> None:
    """HyperPyYAML calls what its tags name: only upstream's own are let through."""
    adapter = make()
    yaml = tmp_path / "model" / "cosyvoice.yaml"
    yaml.write_text(f"{yaml.read_text()}{line}\n")
    with pytest.raises(LoadFailed, match="would run"):
        adapter.describe()


@pytest.mark.parametrize("release", [1, 2, 3])
def test_yaml_of_upstreams_kind_is_let_through(release: int) -> None:
    """The tiny models' recipe uses the tags of upstream's."""
    assert [] == cosyvoice_files.foreign_tags(tiny_cosyvoice.recipe(release))


def test_a_checkout_without_its_submodule_is_told(make: Make, tmp_path: Path) -> None:
    """The command that repairs it is in the message."""
    code = tmp_path / "code" / "cosyvoice" / "cli"
    code.mkdir(parents=True)
    (code / "cosyvoice.py").touch()
    with pytest.raises(LoadFailed, match="submodule update --init"):
        make(checkout=str(tmp_path / "code")).describe()
    with pytest.raises(LoadFailed, match="git clone --recursive"):
        make(checkout=str(tmp_path)).describe()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"colour": "red"}, "no option 'colour'"),
        ({"device": "tpu"}, "allowed: cpu, cuda"),
        ({"dtype": "float16"}, "need device cuda"),
        ({"accelerators": ["trt"]}, "need device cuda"),
        ({"accelerators": ["warp"], "device": "cuda"}, "Unknown accelerators warp"),
        ({"mode": "clone"}, "zero-shot"),
        ({"speed": 9}, "0.5 to 2"),
    ],
)
def test_wrong_options_are_told(make: Make, options: dict[str, Any], said: str) -> None:
    """Upstream would ignore most of them, and the fingerprint would lie."""
    with pytest.raises(LoadFailed, match=said):
        make(**options)


# -- Speaking --------------------------------------------------------------------------------------


def test_speakers_of_the_model_speak(make: Make) -> None:
    """SFT: the speaker's name goes to upstream; float32, one dimension, the model's rate."""
    adapter = make(1, sft=True)
    said = say(adapter, "Hello.", "anna", language="en-US")

    assert said["samples"].dtype == np.float32
    assert said["samples"].shape == (1200,)
    assert 22_050 == said["sample_rate_hz"]
    assert [] == said["flags"]
    assert adapter._engine.calls == [("inference_sft", "Hello.", "anna", False, 1.0, False)]


@pytest.mark.parametrize(
    ("release", "transcript", "expected_prompt", "method", "expected_text"),
    [
        (1, "How are you?", "How are you?", "inference_zero_shot", "Hi."),
        (1, "", "", "inference_cross_lingual", "<|en|>Hi."),
        (2, "How are you?", "How are you?", "inference_zero_shot", "Hi."),
        (2, "", "", "inference_cross_lingual", "Hi."),
        (
            3,
            "How are you?",
            "You are a helpful assistant.<|endofprompt|>How are you?",
            "inference_zero_shot",
            "Hi.",
        ),
        (
            3,
            "",
            "You are a helpful assistant.<|endofprompt|>",
            "inference_cross_lingual",
            "You are a helpful assistant.<|endofprompt|>Hi.",
        ),
    ],
)
def test_cloned_voices_speak(
    make: Make,
    prompt: str,
    release: int,
    transcript: str,
    expected_prompt: str,
    method: str,
    expected_text: str,
) -> None:
    """With a transcript zero-shot, without one cross-lingual, with the marks of each release."""
    adapter = make(release)
    adapter.add_voice(voice(prompt, text=transcript))
    for _ in range(3):
        said = say(adapter, " Hi. ")
    prepared, *calls = adapter._engine.calls

    assert prepared == ("add_zero_shot_spk", expected_prompt, prompt, "prompt:ann")
    assert [call[:2] for call in calls] == 3 * [(method, expected_text)]
    assert {call[-2:] for call in calls} == {("prompt:ann", False)}
    assert adapter._engine.frontend.num_prompts == 1, "the recording is encoded once, not thrice"
    assert said["samples"].size > 0


def test_voices_can_come_before_or_after_the_model(make: Make, prompt: str) -> None:
    """The order of add_voice and load changes nothing."""
    early, late = make(2), make(2)
    early.add_voice(voice(prompt))
    early.load()
    late.load()
    late.add_voice(voice(prompt))

    assert np.array_equal(say(early, "Hi.")["samples"], say(late, "Hi.")["samples"])


def test_the_seed_decides_and_nothing_else(make: Make, prompt: str) -> None:
    """Same request, same samples, whatever was said before; another seed, other samples."""
    import torch

    adapter = make(2)
    adapter.add_voice(voice(prompt))
    first = say(adapter, "One.", seed=2**32 - 1)["samples"]
    say(adapter, "Something else.", seed=5)
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002 - the global state that upstream draws from

    assert np.array_equal(first, say(adapter, "One.", seed=2**32 - 1)["samples"])
    assert not np.array_equal(first, say(adapter, "One.", seed=0)["samples"])


def test_all_pieces_are_kept(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Upstream's front end splits texts; users who take the first piece lose the rest."""
    adapter = with_frontend(make, tmp_path, monkeypatch)
    pieces = say(adapter, "One|Three|Five", "anna")["samples"]

    assert len(pieces) == 2 * 100 * len("OneThreeFive")


def with_frontend(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: str = "wetext"
) -> cosyvoice.Adapter:
    """An adapter that asks for upstream's front end."""
    (tmp_path / "wetext.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(STUB))
    sys.modules["modelscope"] = cosyvoice._no_downloads()
    from cosyvoice.cli.frontend import CosyVoiceFrontEnd

    monkeypatch.setattr(CosyVoiceFrontEnd, "installed", installed)
    return make(1, sft=True, text_frontend=True)


def test_a_normaliser_that_is_asked_for_must_be_there(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Upstream goes on without one in silence; numbers would be read by chance."""
    there = with_frontend(make, tmp_path, monkeypatch)
    there.load()

    assert there.describe()["fingerprint"]["text_frontend"] == "wetext"
    assert [c["name"] for c in there.canaries() if c["passed"]] == [
        "same seed, same samples",
        "step by step equals at once",
        "text front end",
    ]
    with pytest.raises(LoadFailed, match="text front end was asked for"):
        with_frontend(make, tmp_path, monkeypatch, installed="").load()


def test_running_into_the_limit_is_flagged(make: Make, prompt: str) -> None:
    """Twenty tokens for each of the text's is upstream's limit: a model that did not stop."""
    adapter = make(2)
    adapter.add_voice(voice(prompt))

    assert ["runaway"] == say(adapter, "endless")["flags"]
    assert [] == say(adapter, "Fine.")["flags"]


def test_one_token_over_and_over_is_flagged(make: Make, prompt: str) -> None:
    """Thirty equal tokens are 1.2 s and flagged; 0.6 s in the first release, and are not."""
    adapter = make(2)
    adapter.add_voice(voice(prompt))
    said = say(adapter, "stuck in the middle")

    assert ["repeated_sound"] == said["flags"]
    assert said["samples"].shape == (3000,)
    first = make(1)
    first.add_voice(voice(prompt))
    assert [] == say(first, "stuck in the middle")["flags"]


@given(st.lists(st.integers(0, 2), max_size=40))
def test_longest_run_counts_as_a_loop_does(tokens: list[int]) -> None:
    """Compared with itertools.groupby."""
    from itertools import groupby

    expected = max((len(list(run)) for _, run in groupby(tokens)), default=0)

    assert expected == cosyvoice.longest_run(tokens)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_in_upstreams_thread_is_the_one_that_is_told(make: Make, prompt: str) -> None:
    """Not the convolution that fails because of it; and what was left behind is gone."""
    adapter = make(2)
    adapter.add_voice(voice(prompt))
    before = say(adapter, "Fine.")["samples"]
    for _ in range(2):
        with pytest.raises(RuntimeError, match="ValueError: the model lost its mind"):
            say(adapter, "boom")

    assert {} == adapter._engine.model.tts_speech_token_dict
    assert np.array_equal(before, say(adapter, "Fine.")["samples"])


def test_a_model_that_stops_at_once_said_nothing(make: Make, prompt: str) -> None:
    """That is a rejected utterance, not a broken engine: another seed may speak."""
    adapter = make(2)
    adapter.add_voice(voice(prompt))

    assert "empty_audio" == reason_of(say, adapter, "mute")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty_text"),
        (" \n ", "empty_text"),
        ("...!?", "no_letters"),
        ("🙂", "no_letters"),
        ("word " * 1000, "text_too_long"),
        ("a" * 5000, "text_too_long"),
        ("<|zh|>hello", "control_tokens"),
        ("well [laughter] hello", "control_tokens"),
        ("very <strong>loud</strong>", "control_tokens"),
    ],
)
def test_texts_that_cannot_be_spoken(make: Make, prompt: str, text: str, reason: str) -> None:
    """Each has its reason, and the next text is spoken."""
    adapter = make(2)
    adapter.add_voice(voice(prompt))

    assert reason == reason_of(say, adapter, text)
    assert say(adapter, "Fine, 123 ぁ é.")["samples"].size > 0


def test_an_unknown_voice_is_never_another(make: Make, prompt: str) -> None:
    """The voices that there are stand in the message."""
    adapter = make(2)
    adapter.add_voice(voice(prompt))
    say(adapter, "Fine.")

    assert "unknown_voice" == reason_of(say, adapter, "Fine.", "bob")
    with pytest.raises(Rejected, match="Known: ann"):
        say(adapter, "Fine.", "bob")


def test_languages(make: Make, prompt: str) -> None:
    """Tags are those of the release; CosyVoice 3 reads Japanese in katakana only."""
    first = make(1)
    first.add_voice(voice(prompt, text=""))
    for tag, mark in (("zh-CN", "zh"), ("zh-HK", "yue"), ("yue", "yue"), ("ja", "ja")):
        say(first, "Hi.", language=tag)

        assert first._engine.calls[-1][1] == f"<|{mark}|>Hi."
    assert "unsupported_language" == reason_of(say, first, "Hi.", language="fi")
    third = make(3)
    third.add_voice(voice(prompt))
    assert "unspeakable_characters" == reason_of(say, third, "日本", language="ja")
    assert say(third, "レキシ", language="ja")["samples"].size > 0


@pytest.mark.parametrize(
    ("recording", "reason"),
    [
        ({"rate": 8000}, "prompt_low_rate"),
        ({"seconds": 31}, "prompt_too_long"),
        ({"seconds": 0.2}, "prompt_too_short"),
        ({"level": 0.0}, "prompt_silent"),
    ],
)
def test_recordings_that_cannot_be_cloned(
    make: Make, tmp_path: Path, recording: dict[str, Any], reason: str
) -> None:
    """Upstream asserts, or clones the silence."""
    audio = write_wav(tmp_path / "bad.wav", **recording)

    assert reason == reason_of(make(2).add_voice, voice(audio))


def test_other_mistakes_with_voices(make: Make, tmp_path: Path, prompt: str) -> None:
    """Missing, unreadable, without its text where that is needed, of a name that is taken."""
    (tmp_path / "text.wav").write_text("no audio")
    missing = str(tmp_path / "none.wav")
    taken, sft = voice(prompt, "anna"), make(1, sft=True)

    assert "prompt_missing" == reason_of(make(2).add_voice, voice(missing))
    assert "prompt_unreadable" == reason_of(make(2).add_voice, voice(str(tmp_path / "text.wav")))
    strict = make(2, mode="zero-shot")
    assert "prompt_without_text" == reason_of(strict.add_voice, voice(prompt, text=" "))
    assert "cannot_clone" == reason_of(sft.add_voice, taken)
    both = make(1, sft=True, system="")
    assert "voice_exists" == reason_of(both.add_voice, taken)


# -- Canaries --------------------------------------------------------------------------------------


def test_wrong_decoding_stops_the_load(make: Make, prompt: str) -> None:
    """Every time it is asked, with the version and the pin in the message."""
    adapter = make(2)
    sys.path.insert(0, str(STUB))
    from cosyvoice.llm.llm import Qwen2Encoder

    Qwen2Encoder.hides_the_past = True
    for _ in range(2):
        with pytest.raises(LoadFailed, match=r"transformers>=4\.51\.3,<4\.53"):
            adapter.load()
    Qwen2Encoder.hides_the_past = False
    adapter.load()
    adapter.add_voice(voice(prompt))

    assert all(canary["passed"] for canary in adapter.canaries())


class _Qwen2:
    """Upstream's language model as far as decoding goes, on the transformers installed here."""

    def __init__(self, *, with_mask: bool) -> None:
        import torch
        from transformers import Qwen2Config, Qwen2ForCausalLM

        torch.manual_seed(0)
        config = Qwen2Config(
            vocab_size=64,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            initializer_range=0.3,
        )
        self.model = Qwen2ForCausalLM(config).eval()
        self.with_mask = with_mask
        self.llm = self
        self.speech_embedding = torch.nn.Embedding(64, 32)

    def parameters(self) -> Iterator[Any]:
        return self.model.parameters()

    def forward_one_step(self, xs: Any, masks: Any, cache: Any = None) -> tuple[Any, Any]:
        outputs = self.model(
            inputs_embeds=xs,
            attention_mask=masks[:, -1, :] if self.with_mask else None,
            output_hidden_states=True,
            use_cache=True,
            past_key_values=cache,
        )
        return outputs.hidden_states[-1], outputs.past_key_values


def test_the_canary_sees_what_transformers_does() -> None:
    """With the transformers of mosdata itself, upstream's one-token mask hides what was said."""
    wrong, _ = cosyvoice.decode_gap(_Qwen2(with_mask=True))
    right, dtype = cosyvoice.decode_gap(_Qwen2(with_mask=False))

    assert wrong > 100 * cosyvoice.MAX_DECODE_GAP
    assert right < cosyvoice.MAX_DECODE_GAP / 100
    assert dtype == "float32"


def test_an_older_checkout_is_told_by_its_arguments(
    make: Make, upstream: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until December 2025 the prompt was a tensor; most tutorials still show that."""
    monkeypatch.syspath_prepend(str(STUB))
    sys.modules["modelscope"] = cosyvoice._no_downloads()
    from cosyvoice.cli.cosyvoice import CosyVoice

    def add_zero_shot_spk(
        self: Any, prompt_text: str, prompt_speech_16k: Any, zero_shot_spk_id: str
    ) -> None: ...

    monkeypatch.setattr(CosyVoice, "add_zero_shot_spk", add_zero_shot_spk)
    with pytest.raises(LoadFailed, match="prompt_speech_16k"):
        make(1).load()
    monkeypatch.delattr(CosyVoice, "inference_sft")
    monkeypatch.undo()


def test_upstream_cannot_download(make: Make) -> None:
    """What it would download with is a stand-in that refuses."""
    adapter = make(1)
    adapter.load()
    from cosyvoice.cli.cosyvoice import download

    with pytest.raises(LoadFailed, match="downloads nothing"):
        download("iic/CosyVoice-300M")
    assert os.environ["HF_HUB_OFFLINE"] == "1"


def test_the_package_of_that_name_is_not_upstream(make: Make, tmp_path: Path) -> None:
    """A cosyvoice that is imported from elsewhere is refused."""
    other = tmp_path / "checkout"
    for path in STUB.rglob("*.py"):
        target = other / path.relative_to(STUB)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    make(1).load()
    with pytest.raises(LoadFailed, match="not from"):
        make(1, checkout=str(other)).load()


# -- The graphs that the tiny models are made of ---------------------------------------------------


def test_hand_made_graphs_run(tmp_path: Path) -> None:
    """Read by onnxruntime: a speaker vector, and a token in two or four frames."""
    onnxruntime = pytest.importorskip("onnxruntime")
    rng = np.random.default_rng(0)
    frames = rng.standard_normal((1, 50, 80)).astype("float32")
    session = onnxruntime.InferenceSession(tiny_cosyvoice.speaker_graph(0))
    (vector,) = session.run(None, {"input": frames})
    weight = np.random.default_rng(0).standard_normal((80, 192)).astype("float32")

    np.testing.assert_allclose(vector, frames.mean(axis=1) @ weight, atol=1e-4)
    feats = rng.random((1, 128, 50)).astype("float32")
    session = onnxruntime.InferenceSession(tiny_cosyvoice.speech_tokenizer_graph(4))
    (tokens,) = session.run(None, {"feats": feats, "feats_length": np.array([50], dtype="int32")})
    expected = (feats.mean(axis=1)[:, ::4] * 97).astype("int64") % tiny_cosyvoice.SPEECH_TOKENS

    assert np.array_equal(tokens, expected)
