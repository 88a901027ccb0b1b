"""The documented run: several nodes on one machine, and the plain command on them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.ray

NODES = Path(__file__).parent.parent / "examples" / "nodes.py"


def test_the_documented_run_over_several_nodes_makes_the_same_dataset(tmp_path, sentences):
    """Nodes from ``examples/nodes.py``, a build on them, Ctrl-C; the dataset is that of no Ray."""
    (tmp_path / "texts.txt").write_text("\n".join(sentences), encoding="utf-8")
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("a-token-for-the-documented-run")
    own = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    own |= {"HOME": str(tmp_path), "RAY_AUTH_MODE": "token"}
    build = [sys.executable, "-m", "mosdata", "build", "-t", "texts.txt", "--systems", "tone"]
    build += ["--split", "1:1:1", "--no-reuse", "--json", "--out"]

    def built(*options):
        ended = subprocess.run(
            [*build, *options], cwd=tmp_path, env=own, check=False, capture_output=True, text=True
        )
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    plain = built("plain")

    nodes = subprocess.Popen(
        [sys.executable, str(NODES), "2"],
        cwd=tmp_path,
        env=own,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        address = nodes.stdout.readline().strip()
        spread = built("spread", "--address", address)
    finally:
        nodes.send_signal(signal.SIGINT)
        ended = nodes.wait(timeout=60)

    assert ended == 0
    assert plain["dataset_id"] == spread["dataset_id"]
    assert len(sentences) == spread["num_rows"]
