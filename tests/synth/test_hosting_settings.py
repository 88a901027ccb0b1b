"""``engines.toml``: where it is found, what it may say, and that it travels."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from mosdata.errors import UnknownName, UsageError
from mosdata.manifests.systems import SYSTEM_NAMES, class_names
from mosdata.synth import engines as table
from mosdata.synth import systems
from mosdata.synth.base import SpeechRequest
from mosdata.synth.engines import ENGINES, SYSTEM_ENGINES, checkpoint_of, engine_spec
from mosdata.synth.hosting import configured, settings
from mosdata.synth.hosting.configured import facts_of, system_info
from mosdata.synth.hosting.settings import engines_from_json, find_engines, read_engines
from mosdata.synth.hosting.spec import Checkpoint, EngineSpec, PromptLimits
from mosdata.synth.speak import speak
from mosdata.synth.systems import build_system, why_unavailable

PROMPT = PromptLimits(
    min_duration_s=1, max_duration_s=30, min_sample_rate_hz=16_000, needs_text=True
)
SPEC = EngineSpec(
    name="nightingale",
    adapter="nightingale",
    family="flow",
    code_license="MIT",
    source_url="https://example.org/nightingale",
    repository="https://example.org/nightingale.git",
    lock="nightingale.txt",
    prompt=PROMPT,
    needs_gpu=True,
    checkpoints=(
        Checkpoint(
            system="nightingale-1b",
            sample_rate_hz=24_000,
            languages=("en", "zh"),
            weights_license="CC-BY-NC-4.0",
            output_terms="non-commercial",
            license="CC-BY-NC-4.0",
            files=("llm.pt",),
            weights_ids=("hub/nightingale-1b",),
            options=(("variant", "v1"),),
        ),
    ),
)


@pytest.fixture
def nightingale(monkeypatch):
    """An engine family that mosdata would know, and its committed system."""
    for module in (table, settings):
        monkeypatch.setattr(module, "ENGINES", {"nightingale": "m:SPEC"})
        monkeypatch.setattr(module, "SYSTEM_ENGINES", {"nightingale-1b": "nightingale"})
    names = (*SYSTEM_NAMES, "nightingale-1b")
    monkeypatch.setattr(settings, "SYSTEM_NAMES", names)
    monkeypatch.setattr(systems, "SYSTEM_ENGINES", {"nightingale-1b": "nightingale"})
    monkeypatch.setattr(systems, "SYSTEM_NAMES", names)
    monkeypatch.setattr(configured, "engine_spec", {"nightingale": SPEC}.__getitem__)
    monkeypatch.setattr(configured, "SYSTEM_NAMES", names)


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Write a file that counts here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("MOSDATA_ENGINES", raising=False)

    def write(text, name="engines.toml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def test_the_tables_agree_with_the_specs():
    """Every checkpoint is a committed system and stands in the table; nothing else does."""
    found = {}
    for name in ENGINES:
        spec = engine_spec(name)
        assert spec.name == name
        assert (Path(table.__file__).parents[1] / "adapters" / f"{spec.adapter}.py").is_file()
        for checkpoint in spec.checkpoints:
            found[checkpoint.system] = name
            assert checkpoint_of(spec, checkpoint.system) is checkpoint
    assert found == dict(SYSTEM_ENGINES)
    assert set(found) <= set(SYSTEM_NAMES)


def test_where_it_is_found(config, tmp_path, monkeypatch):
    """The variable, then here, then at home; a variable that names nothing is an error."""
    own = '[engines.{}]\nadapter = "a.py"\nsample_rate_hz = 16000\nlanguages = ["en"]\n'
    assert find_engines().systems == {}
    config(own.format("home"), "home/.config/mosdata/engines.toml")
    assert set(find_engines().systems) == {"home"}
    config(own.format("here"))
    assert set(find_engines().systems) == {"here"}
    monkeypatch.setenv("MOSDATA_ENGINES", str(config(own.format("said"), "else/where.toml")))
    assert set(find_engines().systems) == {"said"}
    assert find_engines().systems["said"].adapter == str(tmp_path / "else" / "a.py")
    monkeypatch.setenv("MOSDATA_ENGINES", str(tmp_path / "nothing.toml"))
    with pytest.raises(UsageError, match="there is no such file"):
        find_engines()


def test_paths_are_relative_to_the_file_and_links_stay(config, tmp_path, nightingale):
    """The Python of an environment is a link out of it: followed, it would be another Python."""
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "python").symlink_to(sys.executable)
    path = config(
        '[engines."nightingale-1b"]\npython = "env/python"\ncheckout = "../src"\n'
        'model_dir = "~/models"\n'
    )
    found = read_engines(Path(path.name)).systems["nightingale-1b"]

    assert found.engine == "nightingale"
    assert found.python == str(tmp_path / "env" / "python")
    assert found.checkout == str(tmp_path.parent / "src")
    assert found.model_dir == str(tmp_path / "home" / "models")


OWN = 'adapter = "a.py"\nsample_rate_hz = 16000\nlanguages = ["en"]\n'
COMMAND = 'engine = "command"\ncommand = ["x"]\nsample_rate_hz = 8000\nlanguages = ["en"]\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[engines.x\n", "is no TOML"),
        ("[engine.x]\n", r"has no key 'engine'\. Did you mean 'engines'"),
        ("engines = 3\n", "'engines' in"),
        ("[engines.natural]\n" + OWN, "The name of"),
        ('[engines."a/b"]\n' + OWN, "The name of"),
        ("[engines.espeak-formant]\n" + OWN, "built in and needs no settings"),
        (
            "[engines.x]\n" + OWN + 'modeldir = "m"\n',
            r"'modeldir'\. Did you mean 'model_dir'",
        ),
        ("[engines.x]\n" + OWN + 'device = "cuda:1"\n', "CUDA_VISIBLE_DEVICES"),
        ("[engines.x]\n" + OWN + "num_gpus = 0\n", "a share of a GPU"),
        ("[engines.x]\n" + OWN + "threads = true\n", "threads of"),
        ("[engines.x]\n" + OWN + "threads = 1.5\n", "threads of"),
        ("[engines.x]\n" + OWN + "load_deadline_s = inf\n", "load_deadline_s of"),
        ("[engines.x]\n" + OWN + 'network = "yes"\n', "true or false"),
        ("[engines.x]\n" + OWN + 'output_terms = "mine"\n', "open, non-commercial"),
        ("[engines.x]\n" + OWN + 'command = ["x"]\n', "'command' is for commands only"),
        ("[engines.x]\n" + OWN + "[engines.x.options]\na = nan\n", "options of"),
        ("[engines.x]\n" + OWN + "[engines.x.options]\nday = 2026-01-01\n", "options of"),
        (
            "[engines.x]\n" + OWN + '[engines.x.environment]\nMY_API_KEY = "k"\n',
            r'MY_API_KEY, .* name it: secrets = \["MY_API_KEY"\]',
        ),
        ("[engines.x]\n" + OWN + 'options.service.api_key = "k"\n', "has api_key: options stand"),
        ("[engines.x]\n" + OWN + 'secrets = ["KEY=k"]\n', "names of variables, without"),
        ('[engines.x]\nadapter = "a.py"\n', "lacks languages, sample_rate_hz"),
        ("[engines.x]\nsample_rate_hz = 8000\n", "Or give an adapter of your own"),
        ('[engines.x]\nengine = "nightingle"\n', "Did you mean 'nightingale'"),
        ("[engines.x]\n" + COMMAND, "lacks voices"),
        ("[engines.x]\n" + COMMAND + 'voices = ["a"]\npython = "p"\n', "is not for a command"),
        ("[engines.nightingale-1b]\nlicense = 'MIT'\n", "is a fact about nightingale-1b"),
        ("[engines.nightingale-1b]\nengine = 'command'\n", "Choose a new name"),
    ],
)
def test_mistakes_are_told(config, nightingale, text, message):
    """What was given, what is allowed, where it stands."""
    path = config(text)
    with pytest.raises(UsageError, match=message) as error:
        find_engines()

    assert path.name in str(error.value)


def test_weights_of_ones_own_get_their_own_class_and_no_borrowed_licence(config, nightingale):
    """The facts of the family, the name of the user, and terms that only the user can know."""
    config(
        '[engines.my-voice]\nengine = "nightingale"\ndevice = "cpu"\n'
        '[engines.my-open]\nengine = "nightingale"\nlicense = "MIT"\nweights_license = "MIT"\n'
        'output_terms = "open"\nlanguages = ["de"]\nsample_rate_hz = 16000\n'
        '[engines.my-voice.options]\nvariant = "v2"\n'
    )
    infos = {
        name: system_info(each, *facts_of(each)) for name, each in find_engines().systems.items()
    }
    mine, opened = infos["my-voice"], infos["my-open"]

    assert (mine.name, mine.sample_rate_hz, mine.languages) == ("my-voice", 24_000, ("en", "zh"))
    assert (mine.license, mine.weights_license, mine.output_terms) == ("unknown",) * 3
    assert mine.code_license == "MIT"
    assert (mine.needs_gpu, opened.needs_gpu) == (False, True)
    assert (opened.license, opened.output_terms, opened.languages) == ("MIT", "open", ("de",))
    assert class_names(["my-voice"])[-1] == "my-voice"
    with pytest.raises(UnknownName, match="checkpoint of nightingale"):
        facts_of(
            read_engines(config('[engines.y]\nengine = "nightingale"\nbase = "z"')).systems["y"]
        )


def test_what_is_missing_is_told_without_starting_anything(config, tmp_path, nightingale):
    """One thing after the other, each with what to do; then it is available."""
    (tmp_path / "src").mkdir()
    (tmp_path / "model").mkdir()
    lines = ['[engines."nightingale-1b"]', f'python = "{sys.executable}"', 'checkout = "src"']
    lines.append('model_dir = "model"')
    told = [why_unavailable("nightingale-1b")]
    for count in range(1, 5):
        config("\n".join(lines[:count]))
        told.append(why_unavailable("nightingale-1b"))
    (tmp_path / "model" / "llm.pt").touch()

    expected = [
        "'mosdata engines install nightingale'",
        "'mosdata engines install nightingale'",
        "needs a checkout of https://example.org/nightingale.git",
        "needs its model: no folder is given; get it from hub/nightingale-1b",
        "lacks llm.pt",
    ]
    for said, part in zip(told, expected, strict=True):
        assert part in said
    assert why_unavailable("nightingale-1b") is None
    assert "nightingale-1b" in systems.available_systems()
    with pytest.raises(UsageError, match="engines install"):
        build_system("nightingale-1b", engines=settings.Engines())


def test_engines_that_need_a_gpu_are_taken_where_one_is(config, tmp_path, nightingale):
    """By default only; whoever asks by name gets it, and then the error if there is none."""
    (tmp_path / "a.py").touch()
    config("[engines.slow]\n" + OWN + "[engines.fast]\n" + OWN + 'device = "cuda"\nnum_gpus = 0.5')

    assert systems.default_systems(reaches_gpus=False)[-1] == "slow"
    assert systems.default_systems(reaches_gpus=True)[-2:] == ["slow", "fast"]
    assert systems.num_gpus("fast") == 0.5
    assert systems.num_gpus("slow") == systems.num_gpus("tone") == 0
    assert systems.known_systems()[-2:] == ["slow", "fast"]


def test_settings_travel(config, nightingale, monkeypatch):
    """All of a table, to a worker that has no file; a worker that has one uses its own."""
    config(
        "[engines.x]\n" + OWN + '[engines.x.environment]\nA = "b"\n[engines.x.options]\nn = [1]\n'
        "[engines.y]\n" + COMMAND + 'voices = ["ann"]\n'
    )
    engines = find_engines()
    text = engines.to_json(["x", "y", "tone"])

    arrived = engines_from_json(text)
    assert {n: asdict(s) for n, s in arrived.systems.items()} == {
        n: asdict(s) for n, s in engines.systems.items()
    }
    monkeypatch.setenv("MOSDATA_ENGINES", str(config("", "none.toml")))
    assert engines_from_json(text).systems == {}


def test_secrets_reach_the_worker_and_nothing_that_is_written(
    config, bare_python, monkeypatch, tmp_path
):
    """Their names travel, their values never; without one, the message names it."""
    monkeypatch.setenv("MOSDATA_ENGINE_LOGS", str(tmp_path / "logs"))
    (tmp_path / "a.py").write_text(
        "import os\nimport numpy as np\nVERSION = 1\n\n\nclass Cloud:\n"
        "    def __init__(self, options): pass\n"
        "    def describe(self):\n"
        "        voices = [{'name': 'ann', 'language': 'en'}]\n"
        "        return {'sample_rate_hz': 16000, 'voices': voices, 'fingerprint': {}}\n"
        "    def load(self): pass\n"
        "    def synthesize(self, request):\n"
        "        assert os.environ['MY_API_KEY'] == 'hush-hush'\n"
        "        assert 'OTHER_API_KEY' not in os.environ\n"
        "        return {'samples': np.ones(16000), 'sample_rate_hz': 16000}\n\n\nbuild = Cloud\n"
    )
    config("[engines.x]\n" + OWN + f'python = "{bare_python}"\nsecrets = ["MY_API_KEY"]\n')
    assert "needs MY_API_KEY in the environment" in why_unavailable("x")
    monkeypatch.setenv("MY_API_KEY", "hush-hush")
    monkeypatch.setenv("OTHER_API_KEY", "not-yours")
    engine = build_system("x")
    request = SpeechRequest(text="Hello.", language="en", voice="ann", seed=1)

    assert engine.synthesize(request).clip.num_samples == 16_000
    written = find_engines().to_json(["x"]) + json.dumps(engine.fingerprint())
    engine.close()
    assert "MY_API_KEY" in written
    assert "hush-hush" not in written


def test_ten_lines_bring_an_adapter_of_ones_own(config, bare_python, monkeypatch, tmp_path):
    """The example of docs/engines.md, without mosdata; forgotten changes change its revision."""
    page = (Path(__file__).parents[2] / "docs" / "engines.md").read_text()
    adapter = page.split("# my_adapter.py\n")[1].split("```")[0]
    monkeypatch.setenv("MOSDATA_ENGINE_LOGS", str(tmp_path / "logs"))
    (tmp_path / "my_adapter.py").write_text(adapter)
    config(
        f'[engines.my-tts]\nadapter = "my_adapter.py"\npython = "{bare_python}"\n'
        'sample_rate_hz = 24000\nlanguages = ["en"]\nlicense = "MIT"\n'
    )
    engine = build_system("my-tts")
    request = SpeechRequest(text="Hello there.", language="en", voice="anna", seed=1)

    spoken = speak(engine, request)
    engine.close()

    def revision():
        made = build_system("my-tts")
        made.close()
        return made.revision()

    text = (tmp_path / "engines.toml").read_text()
    revisions = [engine.revision(), revision()]
    config(text + "[engines.my-tts.options]\nspeed = 1.1\n")
    revisions.append(revision())
    config(text + '[engines.my-tts.environment]\nTF32 = "0"\nLD_LIBRARY_PATH = "/one"\n')
    revisions.append(revision())
    config(text + '[engines.my-tts.environment]\nTF32 = "0"\nLD_LIBRARY_PATH = "/two"\n')
    assert revisions[-1] == revision()
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.bin").write_bytes(b"one")
    config(text + 'model_dir = "model"\n')
    revisions.append(revision())
    (tmp_path / "model" / "weights.bin").write_bytes(b"two")
    revisions.append(revision())
    (tmp_path / "my_adapter.py").write_text(adapter + "# changed\n")
    revisions.append(revision())

    assert spoken.clip.sample_rate_hz == 24_000
    assert revisions[0] == revisions[1]
    assert len(set(revisions)) == 6
