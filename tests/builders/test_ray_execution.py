"""Ray makes the same dataset; it listens to nobody else; its workers may die."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mosdata.errors import UsageError
from mosdata.manifests.splits import SplitRule
from mosdata.manifests.store import open_dataset

pytestmark = pytest.mark.ray


@pytest.fixture(scope="session")
def local_ray(tmp_path_factory, engines_folder):
    """One quiet local Ray for all of these tests, with a GPU that is not there."""
    from mosdata import cluster

    loads = tmp_path_factory.mktemp("loads")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("PYTHONPATH", str(engines_folder))
        patch.setenv("USERS_LOADS", str(loads))
        cluster.prepare_environment(None)
        import ray

        ray.init(
            num_cpus=2,
            num_gpus=1,
            resources={"engine_here": 1},
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
        )
        yield loads
        ray.shutdown()


def listening_addresses(process_ids):
    """Local addresses of the TCP sockets on which processes listen, from /proc."""
    inodes = set()
    for process_id in process_ids:
        for link in Path(f"/proc/{process_id}/fd").iterdir():
            try:
                found = re.fullmatch(r"socket:\[(\d+)\]", str(link.readlink()))
            except OSError:
                continue
            if found:
                inodes.add(found[1])
    addresses = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not Path(table).exists():
            continue
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:  # 0A: TCP_LISTEN
                addresses.add(fields[1].partition(":")[0])
    return addresses


def ray_processes():
    """This process and all that descend from it."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = status.read_text()
        except OSError:
            continue
        parents[int(status.parent.name)] = int(text.rpartition(")")[2].split()[1])
    family, before = {os.getpid()}, 0
    while len(family) > before:
        before = len(family)
        family |= {child for child, parent in parents.items() if parent in family}
    return family


LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


def test_ray_makes_the_same_files(tmp_path, local_ray, speech_stage, run, checksums, built):
    """To the byte, ids included."""
    outcome = run(speech_stage(voices=2), tmp_path / "out", executor="ray", records_per_shard=3)

    assert open_dataset(built).dataset_id == outcome.dataset.dataset_id
    assert checksums(built) == checksums(outcome.folder)


def test_a_local_ray_listens_on_loopback_only(local_ray):
    """No process of Ray can be reached from another machine."""
    if not Path("/proc/net/tcp").exists():
        pytest.skip("sockets are listed in /proc on Linux only")
    import ray

    ray.get([ray.remote(lambda: time.sleep(0.2)).remote() for _ in range(2)])
    family = ray_processes()
    names = {Path(f"/proc/{p}/comm").read_text().strip() for p in family}

    found = listening_addresses(family)

    assert {"gcs_server", "raylet"} <= names
    assert found
    assert found <= LOOPBACK


def test_a_record_that_kills_its_task_is_quarantined_alone(
    tmp_path, local_ray, speech_stage, run, engines
):
    """As with local processes: two deaths, one row in the quarantine, the rest made."""
    stage = speech_stage(systems=("users_engines:Killer",))

    outcome = run(stage, tmp_path / "out", executor="ray", records_per_shard=3)

    assert [row["reason"] for row in open_dataset(outcome.folder).quarantined()] == ["worker_crash"]
    assert (outcome.num_rows, outcome.num_rejected) == (5, 1)


def test_an_engine_that_needs_a_gpu_is_loaded_once_in_an_actor(
    tmp_path, local_ray, speech_stage, run, engines, monkeypatch
):
    """``auto`` goes to Ray; every shard goes to the one actor that holds the engine."""
    monkeypatch.delenv("USERS_LOADS")
    stage = speech_stage(systems=("users_engines:GpuTone",), voices=2)
    before = {path.name for path in local_ray.iterdir()}

    outcome = run(stage, tmp_path / "out", executor="auto", records_per_shard=2)

    loaded = {path.name for path in local_ray.iterdir()} - before
    assert outcome.num_rows == 12
    assert len(loaded) == 1
    assert next(iter(loaded)).partition("-")[0] != str(os.getpid())


def test_a_record_that_kills_its_actor_is_quarantined_alone(
    tmp_path, local_ray, speech_stage, run, engines
):
    """The actor is started again, loads the engine again, and goes on."""
    stage = speech_stage(systems=("users_engines:GpuKiller",))

    outcome = run(stage, tmp_path / "out", executor="auto", records_per_shard=3)

    assert [row["reason"] for row in open_dataset(outcome.folder).quarantined()] == ["worker_crash"]
    assert (outcome.num_rows, outcome.num_rejected) == (5, 1)


def test_a_worker_s_own_error_reaches_the_driver(tmp_path, local_ray, speech_stage, run, engines):
    """An engine's exception is a row in the quarantine on Ray as well."""
    outcome = run(speech_stage(systems=("users_engines:Raiser",)), tmp_path / "out", executor="ray")

    assert [row["reason"] for row in open_dataset(outcome.folder).quarantined()] == [
        "error:LookupError"
    ]


@pytest.mark.parametrize("num_gpus", [0.0, 1.0], ids=["tasks", "actors"])
def test_calls_go_where_an_engine_is(tmp_path, local_ray, num_gpus):
    """To nodes that offer its resource, which is a place and no limit; elsewhere, to none."""
    from mosdata.cluster import Needs, run_calls
    from mosdata.manifests.durable import write_text

    calls = [(tmp_path / f"{i}", "made") for i in range(3)]
    needs = Needs(num_gpus)
    outcomes = dict(run_calls(write_text, calls, needs=needs, where="engine_here"))

    assert outcomes == {0: None, 1: None, 2: None}
    assert len(list(tmp_path.iterdir())) == 3
    with pytest.raises(UsageError, match="offers 'engine_elsewhere'"):
        list(run_calls(write_text, calls, needs=needs, where="engine_elsewhere"))


@pytest.mark.parametrize("system", ["tone", "users_engines:GpuTone"])
def test_a_build_goes_where_it_is_asked_to(
    tmp_path, local_ray, speech_stage, run, engines, monkeypatch, system
):
    """Nodes with the resource make it; where none has it, that is said, and nothing is made."""
    monkeypatch.delenv("USERS_LOADS", raising=False)
    stage = speech_stage(systems=(system,))

    with pytest.raises(UsageError, match="offers 'engine_elsewhere'"):
        run(stage, tmp_path / "out", executor="auto", on="engine_elsewhere")
    outcome = run(stage, tmp_path / "out", executor="auto", on="engine_here")

    assert outcome.num_rows == 6


def test_the_live_view_moves_within_shards_on_ray(tmp_path, local_ray, speech_stage, run, engines):
    """Records are counted before their shard is finished, and none is counted twice."""
    news = []
    run(
        speech_stage(
            [f"Sentence {i}." for i in range(120)],
            systems=("users_engines:Slow",),
            split=SplitRule(shares=(1, 0, 0)),
        ),
        tmp_path / "out",
        executor="ray",
        records_per_shard=120,
        on_progress=news.append,
    )

    counts = [now.num_done for now in news]
    assert any(0 < now.num_done < 120 and not now.num_shards for now in news)
    assert counts[-1] == 120 == max(counts)


JOIN = """
import sys
from mosdata import cluster
from mosdata.errors import UsageError
try:
    with cluster.session(address=sys.argv[1], num_cpus=1):
        print("joined")
except UsageError as error:
    print("refused:", error)
"""


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no-such-host.invalid:6379", "nonsense"])
def test_a_cluster_that_is_not_there_is_one_clear_error(tmp_path, address):
    """The address and what to check; not Ray's own pages of text."""
    environment = {**os.environ, "HOME": str(tmp_path), "RAY_AUTH_MODE": "disabled"}
    ended = subprocess.run(
        [sys.executable, "-c", JOIN, address],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment,
    )

    assert ended.stdout.count("refused:") == 1, ended.stderr
    assert repr(address) in ended.stdout
    assert "ray status" in ended.stdout
    assert "Traceback" not in ended.stderr


def test_without_a_gpu_the_refusal_says_so(tmp_path, engines_folder):
    """A plan that needs a GPU is not left waiting for one that nobody has."""
    (tmp_path / "texts.txt").write_text("Hello there.\n")
    command = [sys.executable, "-m", "mosdata", "build", "-t", "texts.txt", "--out", "out"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(engines_folder),
        "HOME": str(tmp_path),
        "RAY_AUTH_MODE": "disabled",
        "CUDA_VISIBLE_DEVICES": "",
    }
    environment.pop("USERS_LOADS", None)
    ended = subprocess.run(
        [*command, "--systems", "users_engines:GpuTone"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("error: ") == 1
    assert "needs a GPU" in ended.stderr
    assert UsageError.exit_code == ended.returncode


HOSTED_TEXTS = [f"This is sentence number {i}." for i in range(10)]


@pytest.mark.parametrize("device", ["cpu", "cuda/0.5", "cuda/1"])
def test_hosted_engines_on_ray_make_the_same_dataset(
    tmp_path, local_ray, hosted, speech_stage, run, checksums, device
):
    """As tasks or in actors: the same files as in one process, and one load in an actor."""
    loads = hosted(ann=device, bob=device)
    stage = speech_stage(HOSTED_TEXTS, systems=("ann", "tone", "bob"), voices=2)
    one = run(stage, tmp_path / "one", executor="serial", records_per_shard=4)
    loads()

    ray = run(
        stage, tmp_path / "ray", executor="auto" if device != "cpu" else "ray", records_per_shard=4
    )

    loaded = loads()
    assert one.dataset.dataset_id == ray.dataset.dataset_id
    assert checksums(one.folder) == checksums(ray.folder)
    assert {name.partition("-")[0] for name in loaded} == {"ann", "bob"}
    if device != "cpu":
        assert {len(workers) for workers in loaded.values()} == {1}
    if device == "cuda/1":  # one GPU, so one actor after the other; halves of it help each other
        assert len(loaded) == 2


def test_a_hosted_text_that_kills_is_quarantined_on_ray(
    tmp_path, local_ray, hosted, speech_stage, run
):
    """The actor outlives its worker: two loads more, one row, and no strike."""
    loads = hosted(ann="cuda")
    stage = speech_stage([*HOSTED_TEXTS[:5], "kill it"], systems=("ann",))

    outcome = run(stage, tmp_path / "out", executor="auto", records_per_shard=3)

    assert [row["reason"] for row in open_dataset(outcome.folder).quarantined()] == [
        "engine_crashed"
    ]
    assert outcome.num_rows == 5
    assert [len(workers) for workers in loads().values()] == [3]
