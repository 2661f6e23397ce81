"""stdin as whoever starts a program leaves it."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_READ = """
import os, sys
from bulk_destination.protocol.stdin import stdin_lines

assert not os.get_blocking(0)
print("reads", flush=True)
for lines in stdin_lines():
    print(*(line.decode() for line in lines), flush=True)
"""


def _wait_until_asleep(process: subprocess.Popen[str]) -> None:
    """Or until it ended: a zombie is no sleeper, and the pipe's other end is gone."""
    stat = Path(f"/proc/{process.pid}/stat")
    while stat.read_text().rpartition(") ")[2][0] not in "SZ":
        time.sleep(0.001)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells who sleeps")
def test_a_pipe_that_does_not_block() -> None:
    """Node and ssh leave pipes so: what is not there yet is waited for, as in any other pipe.

    A line is written once the reader sleeps over an empty pipe: before that it had been told that
    nothing is there.
    """
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    command = [sys.executable, "-c", _READ]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=reading, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        os.close(reading)
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        assert process.stdout is not None
        assert process.stderr is not None
        with os.fdopen(writing, "wb", buffering=0) as pipe:
            assert process.stdout.readline() == "reads\n"
            for line in ("one", "two", "three"):
                _wait_until_asleep(process)
                pipe.write(f"{line}\n".encode())
                assert process.stdout.readline() == f"{line}\n"
        assert (process.stdout.read(), process.stderr.read()) == ("", "")
        watchdog.cancel()
    assert process.returncode == 0
