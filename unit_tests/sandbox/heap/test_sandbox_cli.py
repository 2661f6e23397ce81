"""`python -m sandbox.heap` as a process."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from sandbox.heap.cli import main

ROOT = Path(__file__).parents[3]


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and the first line of its stdout."""
    command = [sys.executable, "-m", "sandbox.heap", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline()
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_life(number: signal.Signals) -> None:
    """It says where it listens, in one line, serves, and ends on a signal in under 2 s."""
    with started("--port", "0") as (process, line):
        assert line.startswith("Heap sandbox listening on http://127.0.0.1:")
        url = line.split()[-1]
        with requests.Session() as session:
            assert session.get(f"{url}/healthz", timeout=5).text == "ok"
            begun = time.monotonic()
            process.send_signal(number)
            out, err = process.communicate(timeout=5)
            assert time.monotonic() - begun < 2
        assert (process.returncode, out, err) == (0, "", "")


def test_options_reach_the_sandbox(tmp_path: Path) -> None:
    """What is said on the command line holds: faults, poison, file and host."""
    options = ["--port", "0", "--host", "0.0.0.0", "--db", str(tmp_path / "heap.db")]
    options += ["--fail", "1", "--fail-kinds", "503, 500", "--no-quotas", "--poison", "x"]
    with started(*options) as (process, line):
        url = line.split()[-1].replace("0.0.0.0", "127.0.0.1")
        assert requests.post(f"{url}/api/track", timeout=5).status_code in (500, 503)
        assert requests.get(f"{url}/stats", timeout=5).json()["quotas"]["kept"] is False
        process.terminate()
        _, err = process.communicate(timeout=5)
    assert err.count("\n") == 1
    assert "warning: listening beyond this machine" in err
    assert (tmp_path / "heap.db").exists()


def test_port_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    """A port that is taken is one clear line and exit code 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["--port", port]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        f"Heap sandbox: 127.0.0.1 port {port} is in use; "
        "choose another with --port, or 0 for a free one\n"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--fail", "2"], "the rate of faults must be 0 to 1"),
        (["--fail-kinds", "fire"], "no kind of fault is named 'fire'"),
        (["--port", "70000"], "port must be 0 to 65535"),
        (["--host", "no.such.host.invalid"], "cannot listen on no.such.host.invalid"),
    ],
)
def test_nonsense(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Options that make no sense are one clear line and exit code 2."""
    assert main(["--port", "0", *arguments]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_not_a_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is something else is left alone and named."""
    file = tmp_path / "notes.txt"
    file.write_text("not a database, but long enough to be taken for one " * 20)
    before = file.read_bytes()
    assert main(["--port", "0", "--db", str(file)]) == 2
    assert "notes.txt cannot be used as a database" in capsys.readouterr().err
    assert file.read_bytes() == before


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """The help groups the options and shows their defaults."""
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    for word in (
        "where:",
        "faults:",
        "quotas:",
        "refusals:",
        "8087",
        "15000",
        "reset-after",
        "are open",
    ):
        assert word in said
    assert "None" not in said


def test_large_events_cost_little_memory() -> None:
    """A page of 10,000 of 20 kB was a gigabyte; it ends early, and the next goes on behind it."""
    with started("--port", "0", "--no-quotas") as (process, line):
        url = line.split()[-1]
        with requests.Session() as session:
            for number in range(0, 3_000, 100):
                properties = {f"p{at}": "x" * 100 for at in range(150)}
                events = [
                    {"event": "E", "identity": f"u{number + at}", "properties": properties}
                    for at in range(100)
                ]
                body = {"app_id": "11", "events": events}
                assert session.post(f"{url}/api/track", json=body, timeout=20).ok
            found: list[int] = []
            after: int | None = 0
            while after is not None:
                query = f"limit=10000&after={after}"
                page = session.get(f"{url}/events?{query}", timeout=20).json()
                found += [event["sequence"] for event in page["events"]]
                after = page["next_after"]
        status = Path(f"/proc/{process.pid}/status").read_text()
        process.terminate()
        process.communicate(timeout=20)
    assert found == list(range(1, 3_001))
    peak = int(status.partition("VmHWM:")[2].split()[0]) * 1024
    assert peak < 150_000_000, f"{peak:,}"
