"""The recipe for Spark, on executors of their own that are killed; `make test-spark`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from integration_tests.chaos.process import inherited
from integration_tests.docs.markdown import Text
from sandbox.heap import Sandbox, SandboxOptions, running

ROOT: Final = Path(__file__).parents[2]
PYTHON: Final = ROOT / ".cache/spark/bin/python"
#: Seconds for each step; on a machine that does nothing else all of them take a minute and a half.
PATIENCE: Final = 600.0
USERS, EVENTS = 200_000, 100_000
#: One request of eight fails, in every way; some only after Heap took what was sent.
FAULTS: Final = SandboxOptions(
    quotas=False, fail_rate=0.12, seed=19, fail_kinds=("429", "503", "reset-before", "reset-after")
)
_EXECUTOR: Final = re.compile(r"CoarseGrainedExecutorBackend.*--executor-id\0(\d+)")


def executors(driver: int) -> dict[int, int]:
    """The executors that a driver's process started, in the order of their pids: id by pid."""
    parents: dict[int, int] = {}
    found: dict[int, int] = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            stat = (process / "stat").read_text().rpartition(")")[2].split()
            command = (process / "cmdline").read_text(errors="replace")
            pid = int(process.name)
            parents[pid] = int(stat[1])
            if match := _EXECUTOR.search(command):
                found[pid] = int(match[1])
    return {pid: found[pid] for pid in sorted(found) if driver in _ancestors(pid, parents)}


def _ancestors(pid: int, parents: dict[int, int]) -> Iterator[int]:
    while pid in parents:
        pid = parents[pid]
        yield pid


def wait_for(is_so: Callable[[], bool], driver: subprocess.Popen[bytes], what: str) -> None:
    """Until it is; the driver must not end before."""
    ends = time.monotonic() + PATIENCE
    while not is_so():
        assert driver.poll() is None, f"the driver ended before {what}"
        assert time.monotonic() < ends, what
        time.sleep(0.02)


def kill_an_executor(driver: subprocess.Popen[bytes]) -> None:
    """The first that there is, by its own pid; a new one takes its place."""
    pid, number = next(iter(executors(driver.pid).items()))
    os.kill(pid, signal.SIGKILL)
    newest = max(executors(driver.pid).values())
    wait_for(
        lambda: max(executors(driver.pid).values(), default=0) > max(newest, number),
        driver,
        "another executor began",
    )


def versions(heap: Sandbox) -> dict[str, int]:
    """What Heap has of each user."""
    return {row["identity"]: row["properties"]["updated_at"] for row in heap.users()}


def test_executors_that_die(tmp_path: Path) -> None:
    """One dies amid the events, one amid the users: all is there once, each user's last version."""
    parts = []
    for number, block in enumerate(Text.of("docs/python.md").below("Spark").blocks("python")):
        parts.append(tmp_path / f"part{number}.py")
        parts[-1].write_text(block)
    environment = {
        **inherited(),
        "PYTHONPATH": str(ROOT),
        "PYSPARK_PYTHON": str(PYTHON),
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    script = Path(__file__).with_name("spark_load.py")
    with running(FAULTS) as heap:
        given = [script, *parts, heap.url, tmp_path / "spark", USERS, EVENTS]
        command = [str(PYTHON), *map(str, given)]
        with (
            (tmp_path / "log").open("wb") as log,
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, env=environment, cwd=tmp_path
            ) as driver,
        ):
            try:
                wait_for(lambda: heap.stats()["events"] > EVENTS // 5, driver, "events landed")
                kill_an_executor(driver)
                assert heap.stats()["events"] < EVENTS, "too late: all had landed"
                wait_for(lambda: heap.stats()["users"] > USERS // 5, driver, "users landed")
                kill_an_executor(driver)
                assert heap.stats()["users"] < USERS, "too late: all had landed"
                out, _ = driver.communicate(timeout=PATIENCE)
            finally:
                driver.kill()
        words = (tmp_path / "log").read_text(errors="replace")[-3_000:]
        assert driver.returncode == 0, words
        of_events, of_users = (
            json.loads(line) for line in out.splitlines() if line.startswith(b"{")
        )
        assert of_events == {"parts": 4, "read": EVENTS, "accepted": EVENTS, "rejected": 0}
        updates = USERS + USERS // 10 * 4
        assert of_users == {"parts": 4, "read": updates, "accepted": updates, "rejected": 0}
        events = heap.events()
        assert sorted(event["properties"]["order_id"] for event in events) == list(range(EVENTS))
        expected = {f"user{number}": 1 if number % 10 else 5 for number in range(USERS)}
        assert versions(heap) == expected
        assert heap.stats()["repeats_absorbed"] > 0
