"""Killed at random moments, a build ends with the dataset that no kill would have changed.

    python benchmarks/kills.py [NUM_TEXTS] [NUM_KILLS] [--write]

A build of NUM_TEXTS utterances (1,000) is run to its end once, undisturbed. Then the same build is
started again and again, and something of it is killed with SIGKILL at random moments: the driver
alone, so that its workers are orphans; one worker, which the driver must replace; or the whole
process group. What survives is started again until it is whole, then compared in ids, content
digest and files; and all of that from nothing again until NUM_KILLS (100) kills were made.
``--write`` puts the result into ``benchmarks/results/``.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from mosdata.manifests.store import open_dataset

VICTIMS = ("driver", "worker", "group")
LONGEST_WAIT_S = 4.0
LONGEST_WORK_S = 1.0


def main(num_texts: int, num_kills: int) -> str:
    """Kill, finish, compare, until enough was killed; the result in words."""
    chance = random.Random(20)
    killed: Counter[str] = Counter()
    found: Counter[str] = Counter()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        texts = [f"Sentence number {i} of a build that is killed." for i in range(num_texts)]
        (work / "texts.txt").write_text("\n".join(texts), encoding="utf-8")
        subprocess.run(_command("whole"), cwd=work, check=True, capture_output=True)
        while killed.total() < num_kills:
            out = f"out-{found['builds']}"
            while not (work / out / "mosdata.json").exists():
                found["starts"] += 1
                killed.update(_disturbed(work, out, chance, num_kills - killed.total()))
            found["builds"] += 1
            found.update(_compared(work / "whole", work / out))
    kills = ", ".join(f"{killed[name]} x {name}" for name in VICTIMS)
    return "\n".join(
        [
            f"{num_texts} utterances, {killed.total()} kills ({kills}) in {found['starts']} starts "
            f"of {found['builds']} builds, {time.monotonic() - started:.0f} s in all.",
            f"builds with the same content id: {found['same_content']} of {found['builds']}, "
            f"with the same files: {found['same_files']}",
            f"clips lost: {found['lost']}; twice: {found['twice']}; "
            f"in quarantine: {found['quarantined']}",
        ]
    )


def _command(out: str) -> list[str]:
    line = [sys.executable, "-m", "mosdata", "build", "-t", "texts.txt"]
    line += ["--systems", "espeak-formant", "--no-reuse"]
    return [*line, "--executor", "process", "--workers", "2", "--out", out]


def _disturbed(work: Path, out: str, chance: random.Random, wanted: int) -> Counter[str]:
    """One start of a build and what was killed of it; workers may be killed several times."""
    killed: Counter[str] = Counter()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    driver = subprocess.Popen(_command(out), cwd=work, start_new_session=True, **quiet)
    while driver.poll() is None and killed.total() < wanted:
        with suppress(subprocess.TimeoutExpired):
            driver.wait(timeout=chance.uniform(0.2, LONGEST_WAIT_S))
            break
        victim = chance.choice(VICTIMS)
        killed[victim] += _kill(victim, driver, work / f"{out}.run", chance)
    driver.wait()
    return killed


def _kill(victim: str, driver: subprocess.Popen[bytes], run: Path, chance: random.Random) -> int:
    """1 where something was killed."""
    if victim == "worker":
        while not (workers := _workers_of(run)):  # they start a while after their driver
            if driver.poll() is not None:
                return 0
            time.sleep(0.05)
        time.sleep(chance.uniform(0, LONGEST_WORK_S))
        with suppress(ProcessLookupError):
            os.kill(chance.choice(workers), signal.SIGKILL)
        return 1
    if victim == "driver":
        driver.kill()
    else:
        os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    return 1


def _workers_of(run: Path) -> list[int]:
    """Living workers of a run, whoever their parent is now."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone in the meantime
            words = (process / "cmdline").read_bytes().split(b"\0")
            if (
                b"mosdata.builders.worker" in words
                and process.joinpath("cwd").resolve() == run.parent
            ):
                found.append(int(process.name))
    return sorted(found)


def _compared(whole_folder: Path, out_folder: Path) -> Counter[str]:
    """What differs between two builds of the same: nothing, one hopes."""
    whole, out = open_dataset(whole_folder), open_dataset(out_folder)
    wanted, ids = (d.table(["id"])["id"].to_pylist() for d in (whole, out))
    return Counter(
        {
            "same_content": whole.content_id == out.content_id,
            "same_files": whole.dataset_id == out.dataset_id,
            "lost": len({*wanted} - {*ids}),
            "twice": len(ids) - len({*ids}),
            "quarantined": sum(entry["rows"] for entry in out.manifest["quarantine"]),
        }
    )


def write_page(result: str) -> Path:
    """The result as a dated page."""
    today = datetime.now(tz=UTC).date().isoformat()
    path = Path(__file__).with_name("results") / f"{today}-kills.md"
    path.parent.mkdir(exist_ok=True)
    lines = "\n".join(f"    {line}" for line in result.splitlines())
    command = " ".join(["python benchmarks/kills.py", *(a for a in sys.argv[1:] if a != "--write")])
    path.write_text(f"# Kills, {today}\n\n`{command}`, {os.cpu_count()} cores\n\n{lines}\n")
    return path


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    found = main(*[*numbers, *(1000, 100)[len(numbers) :]])
    print(found)
    if "--write" in sys.argv:
        print(write_page(found))
