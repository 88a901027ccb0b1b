"""``mosdata engines``: what there is, what it needs, and whether it speaks."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mosdata
from mosdata.cli import app
from mosdata.errors import OutputConflict, UnknownName, UsageError
from mosdata.manifests.systems import SYSTEM_NAMES
from mosdata.synth.engines import ENGINES, SYSTEM_ENGINES, engine_spec
from mosdata.synth.hosting import environments
from mosdata.synth.hosting.environments import LOCKS, STAMP, install, plan_installation
from mosdata.testing.engines.pretrained import vits_folder


def run(*arguments: str) -> dict[str, object]:
    """The JSON of a command that ends well."""
    done = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder and a home without settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("MOSDATA_ENGINES", raising=False)


def configure(folder: Path, **changes: str) -> None:
    """An engines.toml with a tiny VITS for ``mms-tts-eng``."""
    values = {"model_dir": str(vits_folder(folder / "vits")), **changes}
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    (folder / "engines.toml").write_text("\n".join(['[engines."mms-tts-eng"]', *lines]) + "\n")


def test_every_engine_is_in_the_tables_once() -> None:
    """Specs, tables and the class list name the same systems; locks are where they are said."""
    specs = {name: engine_spec(name) for name in ENGINES}
    of_specs = {c.system: name for name, spec in specs.items() for c in spec.checkpoints}

    assert of_specs == dict(SYSTEM_ENGINES)
    assert set(of_specs) <= set(SYSTEM_NAMES)
    assert {name: spec.name for name, spec in specs.items()} == {name: name for name in specs}
    for spec in specs.values():
        assert not spec.lock or (LOCKS / spec.lock).is_file()


@pytest.mark.parametrize("lock", sorted(LOCKS.glob("*.txt")), ids=lambda path: path.name)
def test_locks_pin_versions_and_name_no_place(lock: Path) -> None:
    """Every line is ``name==version``, perhaps with a marker: no address, no path, no option."""
    lines = [line for line in lock.read_text().splitlines() if line and not line.startswith("#")]

    assert lines
    for line in lines:
        assert "==" in line.partition(";")[0], line
        assert not any(mark in line for mark in ("://", "file:", " @ ", "/")), line


def test_list_has_all_systems_and_says_which_are_ready(tmp_path: Path) -> None:
    """A configured system is ready, others say what they lack; licences stand beside."""
    configure(tmp_path)
    systems = {each["system"]: each for each in run("engines", "list")["systems"]}  # type: ignore[attr-defined]

    assert set(SYSTEM_ENGINES) < set(systems)
    assert "tone" not in systems
    assert systems["mms-tts-eng"]["ready"] is True
    assert systems["mms-tts-eng"]["weights_license"] == "CC-BY-NC-4.0"
    assert systems["speecht5"]["ready"] is False
    assert "engines.toml" in systems["speecht5"]["why_not"]


def test_doctor_lists_needs_where_nothing_is_installed(tmp_path: Path) -> None:
    """On a bare machine it loads nothing heavy and says where to get what."""
    code = (
        "import sys; from mosdata.cli import main\n"
        "sys.argv = ['mosdata', 'engines', 'doctor', '--json']\n"
        "try: main()\n"
        "except SystemExit as e: assert not e.code, e.code\n"
        "heavy = {'torch', 'transformers', 'ray', 'datasets', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    here = str(Path(mosdata.__file__).parents[1])
    bare = {"PATH": "", "HOME": str(tmp_path), "PYTHONPATH": here}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=bare
    )
    needs = {each["system"]: each for each in json.loads(done.stdout)["needs"]}

    assert needs["kokoro-82m"]["environment"] == "mosdata engines install kokoro"
    assert needs["mms-tts-eng"]["weights"] == ["hf:facebook/mms-tts-eng"]
    for each in needs.values():
        assert each["engine"] == "built-in" or each["weights"], each


def test_doctor_lets_a_configured_engine_speak(tmp_path: Path) -> None:
    """From the settings to the gates, each step is a check."""
    configure(tmp_path)
    found = run("engines", "doctor", "mms-tts-eng")
    (checkup,) = found["checkups"]  # type: ignore[misc]
    names = [check["name"] for check in checkup["checks"]]

    assert found["ok"] is True
    assert checkup["state"] == "ready"
    assert [
        "voices",
        "revision",
        "fingerprint",
        "load",
        "canary: same seed, same samples",
        "speech",
    ] == names[:-1]


def test_doctor_lets_a_built_in_system_speak() -> None:
    """Offline engines go through the same door."""
    pytest.importorskip("espeakng_loader", reason="extra 'espeak' is not installed")
    (checkup,) = run("engines", "doctor", "espeak-formant")["checkups"]  # type: ignore[misc]

    assert checkup["state"] == "ready"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("vocab.json", "lacks vocab.json"),
        ("model.safetensors", "no weights"),
        ("torn", "cannot be loaded"),
    ],
)
def test_doctor_names_what_is_wrong(tmp_path: Path, damage: str, said: str) -> None:
    """A missing file is named without starting anything; a torn one when it is loaded."""
    configure(tmp_path)
    if damage == "torn":
        (tmp_path / "vits" / "model.safetensors").write_bytes(b"not weights")
    else:
        (tmp_path / "vits" / damage).unlink()
    done = CliRunner().invoke(app, ["engines", "doctor", "mms-tts-eng", "--json"])
    (checkup,) = json.loads(done.stdout)["checkups"]

    assert done.exit_code == 1
    assert checkup["state"] in ("missing", "broken")
    assert said in str(checkup["checks"])


def test_no_load_stops_before_the_model(tmp_path: Path) -> None:
    """``--no-load`` asks the engine what it is, and no more."""
    configure(tmp_path)
    (tmp_path / "vits" / "model.safetensors").write_bytes(b"not weights")
    (checkup,) = run("engines", "doctor", "mms-tts-eng", "--no-load")["checkups"]  # type: ignore[misc]

    assert checkup["checks"][-1]["name"] == "fingerprint"


def test_install_dry_run_makes_nothing(tmp_path: Path) -> None:
    """The plan is printed: the environment from its lock, and no weights."""
    plan = run("engines", "install", "piper", "--dry-run")

    assert plan["done"] is False
    assert any("piper.txt" in step for step in plan["steps"])  # type: ignore[attr-defined]
    assert not any("piper-voices" in step for step in plan["steps"])  # type: ignore[attr-defined]
    assert not list(tmp_path.iterdir())


def test_install_of_unknown_and_built_in_names() -> None:
    """A typing error gets the nearest name; a built-in system needs nothing."""
    with pytest.raises(UnknownName, match="piper"):
        CliRunner().invoke(app, ["engines", "install", "pipper"], catch_exceptions=False)
    with pytest.raises(UsageError, match="built in"):
        CliRunner().invoke(app, ["engines", "install", "espeak-formant"], catch_exceptions=False)


def test_install_adds_a_table_once(tmp_path: Path) -> None:
    """An engine that lives in mosdata's own environment needs its table only."""
    model = vits_folder(tmp_path / "model")
    for _ in range(2):
        run("engines", "install", "mms-tts-eng", "--model-dir", str(model))
    text = (tmp_path / "engines.toml").read_text()

    assert text.count("[engines.") == 1
    systems = run("engines", "list")["systems"]
    assert [True] == [s["ready"] for s in systems if s["system"] == "mms-tts-eng"]  # type: ignore[attr-defined]


def test_an_installation_is_made_once_and_mended(tmp_path: Path) -> None:
    """The stamp is written last: without it the next run begins again, with it nothing is run."""
    spec = engine_spec("piper")
    plan = plan_installation(spec, tmp_path)
    done: list[str] = []
    make = ("-c", f"import pathlib; pathlib.Path({str(plan.environment)!r}).mkdir(parents=True)")
    first = replace(plan.steps[0], command=(sys.executable, *make))
    install(replace(plan, steps=(first,)), on_step=lambda step: done.append(step.purpose))

    assert len(done) == 1
    assert (plan.environment / STAMP).is_file()
    assert plan_installation(spec, tmp_path).is_done
    (plan.environment / "pyvenv.cfg").touch()
    assert not plan_installation(spec, tmp_path, python="3.12").is_done


def test_a_clone_that_was_interrupted_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The right commit without its submodule is half a checkout."""
    spec = engine_spec("cosyvoice")
    source = tmp_path / "cosyvoice" / "src"
    (source / ".git").mkdir(parents=True)
    monkeypatch.setattr(environments, "_commit_of", lambda _: spec.commit)
    missing = [step.command for step in plan_installation(spec, tmp_path).steps if step.folder]
    (source / spec.submodules[0]).mkdir(parents=True)
    (source / spec.submodules[0] / "README.md").touch()

    assert missing == [("git", "submodule", "update", "--init", "--depth", "1", *spec.submodules)]
    assert not [step for step in plan_installation(spec, tmp_path).steps if step.folder]


def test_an_index_of_torch_hides_no_other_package(tmp_path: Path) -> None:
    """By itself, uv looks no further than the first index that has any version of a package."""
    url = "https://download.pytorch.org/whl/cu126"
    plan = plan_installation(engine_spec("f5tts"), tmp_path, torch_index=url)
    (packages,) = [step.command for step in plan.steps if "install" in step.command]

    assert url in packages
    if "--index" in packages:  # made with uv
        assert "unsafe-best-match" in packages


def test_a_strangers_folder_is_never_removed(tmp_path: Path) -> None:
    """What is no environment is not ours to replace."""
    (tmp_path / "piper" / "env").mkdir(parents=True)
    (tmp_path / "piper" / "env" / "thesis.txt").write_text("precious")

    with pytest.raises(OutputConflict, match="no Python environment"):
        plan_installation(engine_spec("piper"), tmp_path)
