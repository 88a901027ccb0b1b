"""A cluster of several nodes: nodes, workers and drivers die, and the dataset stays the same.

The driver alone has the user's engine on its path, and the cluster asks for a token.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

pytestmark = pytest.mark.ray

HERE = Path(__file__).parent
NUM_ROWS = 48

ENGINE = '''
"""A slow engine that notes where it ran."""

import os
import time
from dataclasses import replace
from pathlib import Path

from mosdata.synth.tone import Tone

NOTES = Path({notes!r})


class Slow(Tone):
    """Tone, one clip at a time."""

    info = replace(Tone.info, name="town-slow")

    def synthesize(self, request):
        import ray

        time.sleep(0.2)
        if ray.is_initialized():
            (NOTES / f"{{ray.get_runtime_context().get_node_id()}}-{{os.getpid()}}").touch()
        return super().synthesize(request)
'''


class Town:
    """Orders to ``ray_town.py``, and its living nodes."""

    def __init__(self, process, home, notes):
        self.process, self.home, self.notes = process, home, notes
        self.address = json.loads(process.stdout.readline())["address"]
        self.nodes = []

    def order(self, line):
        """One order, one answer."""
        print(line, file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def add(self):
        """A node with one processor."""
        self.nodes.append(self.order("add 1 0")["node"])
        return self.nodes[-1]

    def kill(self, index):
        """SIGKILL for a node's raylet; its workers are not told."""
        return self.order(f"kill {index}")["killed"]

    def environment(self, **other):
        """A driver's: the engine is on its path, and on nobody else's."""
        own = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
        own |= {"HOME": str(self.home), "PYTHONPATH": str(self.home / "engines")}
        return {**own, "OMP_NUM_THREADS": "1", **other}

    def start(self, out, address=None):
        """A driver at work, in a folder where nothing can be imported from."""
        where = self.address if address is None else address
        return subprocess.Popen(
            [sys.executable, str(HERE / "ray_driver.py"), str(out), where],
            cwd=self.home,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def build(self, out, address=None):
        """What a driver prints when it is done: dataset id, rows, rejected records."""
        told, complaint = (driver := self.start(out, address)).communicate(timeout=200)
        assert driver.returncode == 0, complaint
        return told.split()

    def workers(self):
        """Processes that have made a clip since this was forgotten, by node."""
        found = [path.name.rpartition("-") for path in self.notes.iterdir()]
        return {int(process): node for node, _, process in found}

    def forget(self):
        """Start the notes anew."""
        for note in self.notes.iterdir():
            note.unlink()


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A head that does no work and two nodes; more come and go."""
    home, notes = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("notes")
    (home / ".ray").mkdir()
    (home / ".ray" / "auth_token").write_text("one-token-for-all-of-this-town", encoding="utf-8")
    (home / "engines").mkdir()
    (home / "engines" / "town_engine.py").write_text(ENGINE.format(notes=str(notes)))
    environment = {**os.environ, "HOME": str(home), "RAY_AUTH_MODE": "token"}
    environment.pop("PYTHONPATH", None)
    process = subprocess.Popen(
        [sys.executable, str(HERE / "ray_town.py")],
        cwd=home,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        town = Town(process, home, notes)
        town.add()
        town.add()
        yield town
    finally:
        process.stdin.close()
        process.wait(timeout=60)


@pytest.fixture(scope="module")
def truth(town, tmp_path_factory):
    """What a build without Ray makes."""
    dataset_id, *numbers = town.build(tmp_path_factory.mktemp("serial") / "out", address="")
    assert numbers == [str(NUM_ROWS), "0"]
    return dataset_id


@pytest.fixture(autouse=True)
def fresh_notes(town):
    """Every test has its own notes."""
    town.forget()


@contextmanager
def under_way(town, out, *, num_receipts=2):
    """A driver that has finished some shards and not all."""
    driver = town.start(out)
    receipts = Path(f"{out}.run", "receipts")
    try:
        until(lambda: driver.poll() is not None or len(list(receipts.glob("*"))) >= num_receipts)
        assert driver.poll() is None, driver.communicate()
        yield driver
    finally:
        driver.kill()
        driver.communicate()


def until(happened, *, seconds=120):
    """Wait for something that must happen."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def is_alive(process_id):
    """Whether a process runs; a zombie does not."""
    with suppress(OSError):
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def told_by(driver):
    """What a driver says in the end."""
    told, complaint = driver.communicate(timeout=200)
    assert driver.returncode == 0, complaint
    return told.split()


def test_several_nodes_make_the_same_dataset(town, truth, tmp_path):
    """Both nodes work, with an engine that only the driver had."""
    told = town.build(tmp_path / "out")

    assert [truth, str(NUM_ROWS), "0"] == told
    assert {*town.nodes[:2]} == {*town.workers().values()}
    assert not list((tmp_path / "out.run").glob(".seen-*"))


def test_a_node_that_comes_later_is_used(town, truth, tmp_path):
    """The window of calls grows with the cluster."""
    with under_way(town, tmp_path / "out") as driver:
        late = town.add()
        told = told_by(driver)

    assert [truth, str(NUM_ROWS), "0"] == told
    assert late in town.workers().values()


def test_a_node_that_is_killed_takes_nothing_with_it(town, truth, tmp_path):
    """Its worker lives on for a while and writes too: nothing twice, nothing lost, no blame."""
    with under_way(town, tmp_path / "out") as driver:
        until(lambda: town.nodes[0] in town.workers().values())
        killed = town.kill(0)
        told = told_by(driver)

    assert town.nodes[0] == killed
    assert [truth, str(NUM_ROWS), "0"] == told
    assert not list((tmp_path / "out.run").glob("wip/*.strikes.json"))


def test_a_worker_that_is_killed_is_replaced(town, truth, tmp_path):
    """One death is no proof against the record that was being made."""
    with under_way(town, tmp_path / "out") as driver:
        os.kill(next(iter(town.workers())), signal.SIGKILL)
        told = told_by(driver)

    assert [truth, str(NUM_ROWS), "0"] == told


def test_a_driver_that_is_killed_can_be_run_again(town, truth, tmp_path):
    """The cluster drops its work; the second driver does what is missing."""
    with under_way(town, tmp_path / "out") as driver:
        driver.kill()
        driver.wait()
    left = town.workers()
    told = town.build(tmp_path / "out")

    assert [truth, str(NUM_ROWS), "0"] == told
    until(lambda: not any(is_alive(process) for process in left))


def test_ctrl_c_leaves_nothing_running(town, truth, tmp_path):
    """Workers stop within seconds, and the same command finishes the dataset."""
    with under_way(town, tmp_path / "out") as driver:
        driver.send_signal(signal.SIGINT)
        driver.wait(timeout=30)
        left = town.workers()
        until(lambda: not any(is_alive(process) for process in left), seconds=20)
    made = len(list((tmp_path / "out.run" / "receipts").iterdir()))
    told = town.build(tmp_path / "out")

    assert driver.returncode != 0
    assert made < NUM_ROWS / 3
    assert [truth, str(NUM_ROWS), "0"] == told


def doctor_s_view(town, folder):
    """What ``mosdata doctor --address`` finds, and what it complains of."""
    ended = subprocess.run(
        [*(sys.executable, "-m", "mosdata", "doctor", "--json"), "--address", town.address],
        cwd=folder,
        env=town.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return json.loads(ended.stdout)["cluster"], ended.stderr


def test_the_doctor_describes_the_cluster(town, tmp_path):
    """Every node that lives, what it offers and runs, and that the folder is shared."""
    town.order("add 1 1 engine_f5")
    for _ in range(3):  # a node that has not answered in ten seconds may only have been busy
        found, complaint = doctor_s_view(town, tmp_path)
        if not found["problems"]:
            break
    workers = [node for node in found["nodes"] if node["cpus"]]

    assert found["problems"] == [], complaint
    assert found["token"]
    assert found["gpus"] == 1
    assert found["cpus"] == len(workers) == len(found["nodes"]) - 1
    assert ["engine_f5"] in [node["resources"] for node in workers]
    assert len({(node["python"], node["ray"], node["mosdata"]) for node in workers}) == 1
    assert list(tmp_path.iterdir()) == []


JOIN = """
import sys, time
from mosdata import cluster
from mosdata.errors import UsageError
started = time.monotonic()
try:
    with cluster.session(address=sys.argv[1], num_cpus=1):
        print("joined")
except UsageError as error:
    print("refused:", error)
print(time.monotonic() - started)
"""


def joined(address, environment):
    """What joining says, and how long it took, s."""
    ended = subprocess.run(
        [sys.executable, "-c", JOIN, address],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment,
    )
    assert "Traceback" not in ended.stderr
    *told, seconds = ended.stdout.splitlines()
    return " ".join(told), float(seconds)


@pytest.mark.parametrize(
    ("token", "says"), [("another-token-altogether", "refuses the token"), ("", "asks for a token")]
)
def test_a_wrong_token_is_one_clear_error(town, tmp_path, token, says):
    """Within seconds, with where to get the right one; not Ray's twenty tries."""
    environment = town.environment(HOME=str(tmp_path))
    if token:
        environment["RAY_AUTH_TOKEN"] = token
    told, seconds = joined(town.address, environment)

    assert told.startswith("refused:")
    assert says in told
    assert "~/.ray/auth_token" in told
    assert seconds < 15


def test_a_port_that_says_nothing_is_not_waited_for(tmp_path):
    """Something accepts the connection, and that is all it does."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        told, seconds = joined(f"127.0.0.1:{silent.getsockname()[1]}", {**os.environ})

    assert told.startswith("refused:")
    assert "ray status" in told
    assert seconds < 15


def test_a_black_hole_is_not_waited_for():
    """An address from which nothing comes back, not even a refusal."""
    told, seconds = joined("10.255.255.1:6379", {**os.environ})

    assert told.startswith("refused:")
    assert seconds < 15


def test_ray_s_client_is_refused():
    """Its driver does not see the cluster's files."""
    told, _ = joined("ray://somewhere:10001", {**os.environ})

    assert "ray job submit" in told
