"""``ray_cluster.yaml`` fits Ray's schema, and its commands do what its comments say."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

PATH = Path(__file__).parents[1] / "ray_cluster.yaml"

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


@pytest.fixture
def config():
    """The file as Ray reads it."""
    return yaml.safe_load(PATH.read_text(encoding="utf-8"))


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


def test_the_check_finds_a_slip(config):
    """The schema refuses what it does not know: the test above can fail."""
    from jsonschema import ValidationError

    with pytest.raises(ValidationError, match="max_wrkers"):
        schema_check({**config, "max_wrkers": 3})


def test_three_places_are_marked():
    """The promise of the file's head."""
    text = PATH.read_text(encoding="utf-8")

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


def test_the_token_travels_and_nothing_else(config):
    """The head hands mounts on to workers from the path where it got them."""
    assert config["file_mounts"] == {"~/.ray/auth_token": "~/.ray/auth_token"}


def test_nothing_is_stopped_that_is_not_ours(config):
    """``ray stop`` would end other clusters of the account."""
    lists = [value for name, value in config.items() if name.endswith("_commands")]

    assert [command for commands in lists for command in commands if "ray stop" in command] == []
