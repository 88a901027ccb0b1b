"""The worker in an environment of its own: frames, deadlines, deaths, and no trace afterwards."""

from __future__ import annotations

import ast
import json
import os
import signal
import struct
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from mosdata.errors import UsageError
from mosdata.synth.adapters import worker
from mosdata.synth.hosting import worker_process
from mosdata.synth.hosting.worker_process import (
    Launch,
    WorkerLost,
    WorkerProcess,
    WorkerSaid,
    engine_environment,
)

ADAPTERS = Path(worker.__file__).parent


@pytest.fixture
def process(bare_python, fake_adapter, tmp_path):
    """A loaded worker."""
    launch = Launch(system="fake", python=bare_python, adapter=fake_adapter)
    started = WorkerProcess(launch)
    started.ask("describe", deadline_s=60, options={"system": "fake", "loads": str(tmp_path)})
    started.ask("load", deadline_s=60)
    yield started
    started.kill()


def say(process, text, *, deadline_s=30.0, seed=1):
    """One utterance."""
    request = {"text": text, "language": "en", "voice": "ann", "seed": seed, "options": {}}
    return process.ask("synth", deadline_s=deadline_s, requests=[request])


def is_running(pid):
    """Whether a process is there and not merely waiting to be counted."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def gone_within(pids, seconds):
    """Whether all of these end in time."""
    deadline = time.monotonic() + seconds
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not any(map(is_running, pids))


def test_the_environment_is_another_one(bare_python):
    """Neither mosdata nor Ray is there: what the other tests show, they show without them."""
    code = "import numpy, importlib.util as u; print([u.find_spec(n) for n in ('mosdata', 'ray')])"
    found = subprocess.run(
        [bare_python, "-I", "-c", code], capture_output=True, text=True, check=True
    )

    assert found.stdout.strip() == "[None, None]"


@pytest.mark.parametrize("path", sorted(ADAPTERS.glob("*.py")), ids=lambda path: path.stem)
def test_adapters_are_python_3_9_and_import_nothing_heavy(path):
    """What runs in an engine's environment can be read there."""
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    names = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    ours = {name for name in names if name.startswith("mosdata")}
    heads = {name.partition(".")[0] for name in names - ours}

    assert heads <= {*sys.stdlib_module_names, "numpy"}
    assert all(name.startswith("mosdata.synth.adapters") for name in ours)


def test_the_file_runs_isolated_too(bare_python, fake_adapter):
    """``PYTHON -I worker.py ADAPTER`` by hand: a frame in, a frame out, gone at the end."""
    order = json.dumps({"id": 1, "op": "hello", "protocol": worker.PROTOCOL}).encode()
    ended = subprocess.run(
        [bare_python, "-I", str(ADAPTERS / "worker.py"), fake_adapter],
        input=struct.pack("<II", len(order), 0) + order,
        capture_output=True,
        timeout=30,
        check=False,
    )
    size = struct.unpack("<II", ended.stdout[:8])[0]

    assert json.loads(ended.stdout[8 : 8 + size])["adapter"] == "fake_adapter"
    assert ended.returncode != 0


def test_hello_describe_load_and_speak(process):
    """Noise on standard output, from Python and from below, disturbs no frame."""
    assert process.hello["adapter"] == "fake_adapter"
    assert process.hello["adapter_version"] == 3

    first, again, other = (
        say(process, text, seed=seed)
        for text, seed in [("print 100000", 5), ("print 100000", 5), ("shout 300000", 6)]
    )

    assert first.header["num_samples"] == len(first.samples) == 240 * 12
    assert first.samples.tobytes() == again.samples.tobytes() != other.samples.tobytes()
    assert process.ask("ping", deadline_s=5).header["num_done"] == 3
    assert process.ask("canaries", deadline_s=5).header["canaries"][0]["passed"] is True


def test_errors_of_one_request_are_told_and_the_worker_goes_on(process):
    """A rejection keeps its reason; an exception its name; even ``sys.exit`` ends nothing."""
    told = {}
    for text in ("reject no_phone", "raise chicken", "leave", "net 192.0.2.1"):
        with pytest.raises(WorkerSaid) as error:
            say(process, text)
        told[text] = (error.value.kind, error.value.reason, str(error.value))

    assert told["reject no_phone"] == ("rejected", "no_phone", "This cannot be said.")
    assert told["raise chicken"][2] == "LookupError: no phone for chicken"
    assert told["leave"][0] == "failed"
    assert "Engines are offline" in told["net 192.0.2.1"][2]
    assert len(say(process, "Hello.").samples) == 240 * 6


@pytest.mark.parametrize(
    ("text", "happened"),
    [
        ("exit 3", "exit code 3"),
        ("kill", "SIGKILL"),
        ("segv", 'SIGSEGV; its last words: File "__init__.py", line [0-9]+ in string_at'),
    ],
)
def test_a_death_is_told_at_once(process, text, happened):
    """How it ended, and where; long before the deadline."""
    started = time.monotonic()
    with pytest.raises(WorkerLost, match=happened) as error:
        say(process, text, deadline_s=60)

    assert error.value.reason == "engine_crashed"
    assert time.monotonic() - started < 20
    assert not process.is_alive


@pytest.mark.parametrize("text", ["hang", "hold"])
def test_a_hang_ends_with_the_deadline(process, text):
    """Also where C code holds the interpreter; the message says where it hung."""
    where = r'within 0\.5 s; its last words: File "fake_adapter\.py"'
    with pytest.raises(WorkerLost, match=where) as e:
        say(process, text, deadline_s=0.5)

    assert e.value.reason == "engine_timeout"
    assert gone_within([process.pid], 5)


def test_children_die_with_the_worker(process, tmp_path):
    """What an engine has started does not outlive it."""
    note = tmp_path / "pids"
    with pytest.raises(WorkerLost):
        say(process, f"child {note}", deadline_s=2)

    pids = json.loads(note.read_text())
    assert process.pid == pids[0]
    assert gone_within(pids, 5)


PARENT = """
import sys, time, threading, os, signal
from mosdata.synth.hosting.worker_process import Launch, WorkerProcess
process = WorkerProcess(Launch(system="fake", python=sys.argv[1], adapter=sys.argv[2]))
process.ask("describe", deadline_s=60, options={})
process.ask("load", deadline_s=60)
request = {"text": sys.argv[3], "language": "en", "voice": "ann", "seed": 1, "options": {}}
if sys.argv[3] == "idle":
    print(process.pid, flush=True)
    time.sleep(600)
threading.Timer(0.5, lambda: print(process.pid, flush=True)).start()
process.ask("synth", deadline_s=600, requests=[request])
"""


@pytest.mark.parametrize(
    ("how", "text"),
    [
        (signal.SIGKILL, "idle"),
        (signal.SIGKILL, "hang"),
        (signal.SIGKILL, "hold"),
        (signal.SIGKILL, "child"),
        (signal.SIGINT, "child"),
        (signal.SIGTERM, "hold"),
    ],
)
def test_no_orphan_is_left(bare_python, fake_adapter, tmp_path, how, text):
    """However the parent ends, and whatever the engine is doing: nothing of it stays."""
    note = tmp_path / "pids"
    said = f"child {note}" if text == "child" else text
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, bare_python, fake_adapter, said],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert parent.stdout is not None
    pids = [int(parent.stdout.readline())]
    if text == "child":
        pids = json.loads(note.read_text())
    assert all(map(is_running, pids))

    parent.send_signal(how)
    parent.wait(timeout=10)
    parent.stdout.close()

    assert gone_within(pids, 5)


FAKE_WORKER = """
import json, os, struct, sys, time
def read():
    size, _ = struct.unpack("<II", os.read(0, 8))
    return json.loads(os.read(0, size))
def write(header, payload=b"", sizes=None):
    text = json.dumps(header).encode()
    os.write(1, struct.pack("<II", *(sizes or (len(text), len(payload)))) + text + payload)
order = read()
hello = {"id": order["id"], "protocol": %(protocol)d, "adapter": "x", "adapter_version": 1}
%(code)s
time.sleep(600)
"""


def fake_worker(tmp_path, monkeypatch, code, protocol=worker.PROTOCOL):
    """A worker that speaks as it is told, in place of ours."""
    path = tmp_path / "fake_worker.py"
    path.write_text(FAKE_WORKER % {"protocol": protocol, "code": code})
    monkeypatch.setattr(worker_process, "WORKER", path)
    monkeypatch.setattr(worker_process, "HELLO_S", 5.0)
    return Launch(system="fake", python=sys.executable, adapter="x")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("write(hello, sizes=(1 << 30, 0))", "sent a frame of 1073741824"),
        ("write(hello, sizes=(4, 1 << 31))", "sent a frame of 4 \\+ 2147483648"),
        ("write(hello, b'123')", "3 bytes, which are no float32"),
        ("os.write(1, b'Loading model... done\\n')", "sent a frame of"),
        ("os.write(1, struct.pack('<II', 5, 0) + b'hello')", "no JSON: b'hello'"),
        ("os.write(1, struct.pack('<II', 90, 0) + b'he'); sys.exit(4)", "exit code 4"),
        ("write({**hello, 'id': 99})", "an answer to order 99"),
        ("sys.exit('no module named json')", "last words: no module named json"),
    ],
)
def test_frames_are_not_trusted(tmp_path, monkeypatch, fake_adapter, code, message):
    """Oversize, truncated, no JSON, somebody else's: each is one clear error, at once."""
    launch = fake_worker(tmp_path, monkeypatch, code)
    started = time.monotonic()

    with pytest.raises(UsageError, match=message):
        WorkerProcess(launch)

    assert time.monotonic() - started < 4


def test_another_protocol_is_refused_by_both_sides(
    tmp_path, monkeypatch, fake_adapter, bare_python
):
    """A worker of another mosdata; and ours, asked by another mosdata."""
    launch = fake_worker(tmp_path, monkeypatch, "write(hello)", protocol=2)
    with pytest.raises(UsageError, match="speaks protocol 2, this mosdata speaks 1"):
        WorkerProcess(launch)

    monkeypatch.undo()
    monkeypatch.setattr(worker, "PROTOCOL", 2)
    with pytest.raises(UsageError, match="protocol 2; this worker speaks 1"):
        WorkerProcess(Launch(system="fake", python=bare_python, adapter=fake_adapter))


def test_an_interpreter_that_cannot_be_run(tmp_path, fake_adapter):
    """Missing, no program, or a Python that ends at once: what to do is said."""
    for python in (tmp_path / "nowhere" / "python", tmp_path):
        with pytest.raises(UsageError, match=r"'python' in engines\.toml"):
            WorkerProcess(Launch(system="fake", python=str(python), adapter=fake_adapter))
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no libpython >&2\nexit 127\n")
    broken.chmod(0o755)
    with pytest.raises(UsageError, match=r"exit code 127; its last words: no libpython"):
        WorkerProcess(Launch(system="fake", python=str(broken), adapter=fake_adapter))


def test_an_environment_with_broken_imports(tmp_path, bare_python, fake_adapter):
    """An adapter that cannot be imported there says which package is missing."""
    adapter = tmp_path / "needs_more.py"
    adapter.write_text("import a_package_nobody_has\nVERSION = 1\n")

    with pytest.raises(UsageError, match=r"'a_package_nobody_has'\. Mend that"):
        WorkerProcess(Launch(system="fake", python=bare_python, adapter=str(adapter)))


def test_engines_see_no_secrets_and_no_network(monkeypatch):
    """Tokens stay here; hubs are switched off; one thread unless told; GPUs as they are."""
    for name in ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "RAY_AUTH_TOKEN", "PYTHONPATH", "MY_API_KEY"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    launch = Launch(system="x", python="p", adapter="a", environment={"LD_LIBRARY_PATH": "/cuda"})

    seen = engine_environment(launch, "/folder")

    assert "secret" not in seen.values()
    assert seen["CUDA_VISIBLE_DEVICES"] == "1"
    assert seen["OMP_NUM_THREADS"] == "1"
    assert seen["LD_LIBRARY_PATH"] == "/cuda"
    assert seen["HF_HUB_OFFLINE"] == seen["TRANSFORMERS_OFFLINE"] == "1"


def test_a_thousand_requests_leak_nothing(process, tmp_path):
    """Memory of both, descriptors and files are what they were after the first hundred."""

    def held():
        mine = len(list(Path("/proc/self/fd").iterdir()))
        its = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
        return mine, its

    def memory():
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * 4096 + process.ask("ping", deadline_s=5).header["memory_bytes"]

    text = "A sentence of some length, so that there is something to leak."
    for seed in range(100):
        say(process, text, seed=seed)
    before, bytes_before = held(), memory()
    for seed in range(1000):
        say(process, text, seed=seed)

    assert held() == before
    assert memory() - bytes_before < 8 << 20
    process.close()
    assert not list((tmp_path / "engine-logs").iterdir())


def test_the_log_is_bounded(process, monkeypatch):
    """A talkative engine fills no disk: what it wrote last is kept, and a part before it."""
    from mosdata.synth.hosting import last_words

    monkeypatch.setattr(last_words, "MAX_LOG_BYTES", 100_000)
    for _ in range(20):
        say(process, "print 60000")
    process.kill()
    process.wait_for_log(5)

    sizes = [path.stat().st_size for path in process.log.parent.iterdir()]
    assert len(sizes) == 2
    assert max(sizes) <= 100_000


def test_what_a_killed_owner_left_is_swept_up(tmp_path, bare_python, fake_adapter, monkeypatch):
    """Folders of the dead, in our sight and ours; nobody else's, and none of the living."""
    monkeypatch.setattr(worker_process.tempfile, "gettempdir", lambda: str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead, here = ended.pid, worker_process._here()
    names = [f"mosdata-engine-{here}-{pid}-x" for pid in (dead, os.getpid())]
    names += [f"mosdata-engine-elsewhere-1-{dead}-x"]
    for name in names:
        (tmp_path / name / "inside").mkdir(parents=True)

    worker_process._sweep.cache_clear()
    WorkerProcess(Launch(system="fake", python=bare_python, adapter=fake_adapter)).close()

    assert sorted(p.name for p in tmp_path.glob("mosdata-engine-*")) == sorted(names[1:])
