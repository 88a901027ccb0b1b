"""Both files for ``ray up`` fit Ray's schema, and their commands do what their comments say."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
RENTED, OWNED = ROOT / "ray_cluster.yaml", ROOT / "deploy" / "ray_cluster.onprem.yaml"
FILES = pytest.mark.parametrize("path", [RENTED, OWNED], ids=["rented", "owned"])

STUB = """#!/usr/bin/env python3
import json, os, resource, sys
from pathlib import Path
call = {
    "argv": [Path(sys.argv[0]).name, *sys.argv[1:]],
    "env": {name: os.environ.get(name) for name in ("RAY_AUTH_MODE", "RAY_enable_autoscaler_v2")},
    "open_files_raised": len(set(resource.getrlimit(resource.RLIMIT_NOFILE))) == 1,
}
with open(os.environ["HOME"] + "/calls.jsonl", "a") as calls:
    print(json.dumps(call), file=calls)
"""


def read(path):
    """A file as Ray reads it."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture
def config():
    """The file for machines of one's own."""
    return read(OWNED)


@pytest.fixture
def rented():
    """The file for machines of a cloud."""
    return read(RENTED)


@pytest.fixture
def machine(tmp_path):
    """A home with a token, and a repository whose programs only note that they were called."""
    home, repository = tmp_path / "home", tmp_path / "repository"
    (home / ".ray").mkdir(parents=True)
    (home / ".ray" / "auth_token").write_text("token", encoding="utf-8")
    (home / ".ray" / "auth_token").chmod(0o644)
    programs = repository / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("ray", "mosdata"):
        (programs / name).write_text(STUB, encoding="utf-8")
        (programs / name).chmod(0o755)

    def run(commands):
        """Run commands one by one, each in a shell of its own, as Ray does."""
        for command in commands:
            here = command.replace("/shared/mosdata", str(repository))
            environment = {"HOME": str(home), "PATH": os.defpath, "RAY_HEAD_IP": "192.0.2.10"}
            subprocess.run(["bash", "-c", here], env=environment, check=True, cwd=home)
        calls = home / "calls.jsonl"
        return [json.loads(line) for line in calls.read_text().splitlines()]

    run.home = home
    return run


def schema_check(config):
    """Ray's own check, without a machine; private in Ray, so a new Ray may move it."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    prepared = prepare_config(config)
    validate_config(prepared)
    return prepared


def test_ray_accepts_it(config):
    """All worker machines are wanted, at once and for good."""
    prepared = schema_check(config)

    (workers,) = prepared["available_node_types"].values()
    expected = len(config["provider"]["worker_ips"])
    assert (workers["min_workers"], workers["max_workers"]) == (expected, expected)


def test_ray_accepts_rented_machines(rented):
    """Every type of worker is wanted at once; the head is asked for no work."""
    prepared = schema_check(rented)

    types = prepared["available_node_types"]
    head = types.pop(prepared["head_node_type"])
    assert head["resources"] == {"CPU": 0}
    assert all(kind["min_workers"] == kind["max_workers"] > 0 for kind in types.values())
    assert sum(kind["max_workers"] for kind in types.values()) == prepared["max_workers"]


def test_engines_have_nodes_of_their_own(rented):
    """A resource named after the engine, on one type of node each."""
    offers = [
        name for kind in rented["available_node_types"].values() for name in kind["resources"]
    ]
    engines = [name for name in offers if name != "CPU"]

    assert engines
    assert len({*engines}) == len(engines)
    assert all(name.startswith("engine_") for name in engines)


def test_only_ssh_is_open_to_the_outside(rented):
    """And to somebody, not to everybody."""
    (rule,) = rented["provider"]["security_group"]["IpPermissions"]
    sources = [source["CidrIp"] for source in rule["IpRanges"]]

    assert (rule["FromPort"], rule["ToPort"]) == (22, 22)
    assert all(source.endswith("/32") for source in sources)


def test_rented_nodes_start_with_the_token_mode(rented):
    """Set for the container, so that every command in it has it; the dashboard is on loopback."""
    (head,) = rented["head_start_ray_commands"]

    assert "--env=RAY_AUTH_MODE=token" in rented["docker"]["run_options"]
    assert {"--dashboard-host=127.0.0.1", "--num-cpus=0", "--port=6379"} <= {*head.split()}
    assert "chmod 600 ~/.ray/auth_token" in rented["setup_commands"][0]


@FILES
@pytest.mark.parametrize("slip", ["max_wrkers", "head_start_ray_comands", "file_mount"])
def test_the_check_finds_a_slip(path, slip):
    """The schema refuses what it does not know: the tests above can fail."""
    from jsonschema import ValidationError

    with pytest.raises(ValidationError, match=slip):
        schema_check({**read(path), slip: 3})


def test_the_check_finds_a_slip_in_a_node_type(rented):
    """One level down as well."""
    from jsonschema import ValidationError

    rented["available_node_types"]["cpu"]["min_wrkers"] = 1

    with pytest.raises(ValidationError, match="min_wrkers"):
        schema_check(rented)


@FILES
def test_three_places_are_marked(path):
    """The promise of the file's head."""
    text = path.read_text(encoding="utf-8")

    assert [f"EDIT {i} of 3:" in text for i in (1, 2, 3)] == [True] * 3
    assert text.count("EDIT") == 4


def test_set_up_closes_the_token_and_can_be_repeated(config, machine):
    """Ray writes the token readable for all; twice the commands leave one line in .bashrc."""
    calls = machine(config["setup_commands"] * 2)

    assert (machine.home / ".ray").stat().st_mode & 0o777 == 0o700
    assert (machine.home / ".ray" / "auth_token").stat().st_mode & 0o777 == 0o600
    assert (machine.home / ".bashrc").read_text() == ". ~/.mosdata.env\n"
    assert [call["argv"] for call in calls] == [["mosdata", "--version"]] * 2


def test_the_head_starts_with_a_token_and_shows_itself_to_nobody(config, machine):
    """Token mode, old autoscaler, dashboard on loopback, no work on the head."""
    calls = machine([*config["setup_commands"], *config["head_start_ray_commands"]])

    start = calls[-1]
    assert start["argv"][:3] == ["ray", "start", "--head"]
    assert {"--dashboard-host=127.0.0.1", "--num-cpus=0", "--port=6379"} <= {*start["argv"]}
    config_path = f"--autoscaling-config={machine.home}/ray_bootstrap_config.yaml"
    assert config_path in [word.replace("~", str(machine.home)) for word in start["argv"]]
    assert start["env"] == {"RAY_AUTH_MODE": "token", "RAY_enable_autoscaler_v2": "0"}
    assert start["open_files_raised"]


def test_workers_join_with_the_token(config, machine):
    """The same mode on the other side, at the head's address."""
    calls = machine([*config["setup_commands"], *config["worker_start_ray_commands"]])

    start = calls[-1]
    assert start["argv"][:3] == ["ray", "start", "--address=192.0.2.10:6379"]
    assert start["env"]["RAY_AUTH_MODE"] == "token"


@FILES
def test_the_token_travels_and_nothing_else(path):
    """The head hands mounts on to workers from the path where it got them."""
    assert read(path)["file_mounts"] == {"~/.ray/auth_token": "~/.ray/auth_token"}


@FILES
def test_nothing_is_stopped_that_is_not_ours(path):
    """``ray stop`` would end other clusters of the account."""
    lists = [value for name, value in read(path).items() if name.endswith("_commands")]

    assert [command for commands in lists for command in commands if "ray stop" in command] == []
