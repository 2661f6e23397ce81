"""The connector's `write` as a process: it is fed, its states are seen as they come, it ends.

A start costs seconds, nearly all for the imports of Airbyte's CDK. So there are two ways: `main.py`
as Airbyte starts it, and a fork of a process that has imported the same and does nothing else.
A fork runs the same command line on file descriptors of its own, with shorter waits.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Final

from bulk_destination.client import READ_TIMEOUT
from bulk_destination.pacing import RetryPolicy
from bulk_destination.sync import Surroundings
from chaos.source import Json
from destination_heap_analytics import DestinationHeapAnalytics

ROOT: Final = Path(__file__).parents[1]
#: Seconds. A connector that hangs fails by it.
PATIENCE: Final = 600.0
#: Seconds for an answer where Heap hangs: longer than a local Heap takes on a busy machine,
#: shorter than its hangs.
SHORT_READ_TIMEOUT: Final = 1.5

_FORKS: Final = get_context("forkserver")
_FORKS.set_forkserver_preload(["chaos.process"])
#: A start collects what has ended, and an exit code can be collected only once.
_COLLECTING: Final = threading.Lock()


@dataclass(frozen=True)
class Ended:
    """How a process ended. `code` is its exit code, negative for a signal."""

    code: int
    stdout: list[bytes]
    stderr: bytes

    @cached_property
    def ledger(self) -> Json:
        """The closing log line; empty if there was none."""
        for line in self.stdout:
            if b"Ledger: " in line:
                ledger: Json = json.loads(json.loads(line)["log"]["message"].partition(" ")[2])
                return ledger
        return {}


class HangsError(AssertionError):
    """The connector did not end."""


class Connector:
    """A running `write`."""

    def __init__(
        self, config: Json, catalog: Json, folder: Path, *, patient: bool, hangs: bool = False
    ) -> None:
        """Starts it; `patient` as `main.py`, else as a fork, ready for a Heap that hangs."""
        args = ["write"]
        for name, content in (("config", config), ("catalog", catalog)):
            path = folder / f"{name}.json"
            path.write_text(json.dumps(content))
            args += [f"--{name}", str(path)]
        self._stderr = folder / "stderr"
        self._hangs = False
        read_stdin, self._stdin = _FORKS.Pipe(duplex=False)
        self._stdout, write_stdout = _FORKS.Pipe(duplex=False)
        self._process: _MainPy | _Fork
        if patient:
            self._process = _MainPy(args, read_stdin, write_stdout, self._stderr)
        else:
            self._process = _Fork(args, read_stdin, write_stdout, self._stderr, hangs)
        read_stdin.close()
        write_stdout.close()

    def kill(self) -> None:
        """kill -9, this process and no other; callable from any thread."""
        self._process.kill()

    def run(self, chunks: Iterable[bytes], on_state: Callable[[Json], None]) -> Ended:
        """Feeds it, and calls `on_state` as soon as a state is there, until it has ended."""
        feeder = threading.Thread(target=self._feed, args=(chunks,))
        watchdog = threading.Timer(PATIENCE, self._give_up)
        feeder.start()
        watchdog.start()
        lines: list[bytes] = []
        try:
            with open(self._stdout.fileno(), "rb", closefd=False) as stdout:
                for line in stdout:
                    lines.append(line)
                    if b'"STATE"' in line and line.endswith(b"\n"):
                        on_state(json.loads(line))
        except BaseException:
            self.kill()
            raise
        finally:
            code = self._process.wait()
            watchdog.cancel()
            self._stdout.close()
            feeder.join()
        if self._hangs:
            raise HangsError(f"no end within {PATIENCE:g} s")
        return Ended(code, lines, self._stderr.read_bytes())

    def _give_up(self) -> None:
        self._hangs = True
        self.kill()

    def _feed(self, chunks: Iterable[bytes]) -> None:
        with suppress(BrokenPipeError), open(self._stdin.fileno(), "wb", 0, closefd=False) as stdin:
            for chunk in chunks:
                rest = memoryview(chunk)
                while rest:
                    rest = rest[stdin.write(rest) :]
        self._stdin.close()


class _MainPy:
    """`main.py` as Airbyte starts it."""

    def __init__(
        self, args: list[str], stdin: Connection, stdout: Connection, stderr: Path
    ) -> None:
        # A shell may hide a missing flush, or send loopback through a proxy.
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in {"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
            and not name.lower().endswith("_proxy")
        }
        with stderr.open("wb") as errors:
            self._popen = subprocess.Popen(
                [sys.executable, str(ROOT / "main.py"), *args],
                stdin=stdin.fileno(),
                stdout=stdout.fileno(),
                stderr=errors,
                env=environment,
            )

    def kill(self) -> None:
        self._popen.kill()

    def wait(self) -> int:
        return self._popen.wait()


class _Fork:
    """The same command in a fork of a process that has imported it."""

    def __init__(
        self, args: list[str], stdin: Connection, stdout: Connection, stderr: Path, hangs: bool
    ) -> None:
        surroundings = Surroundings(
            retry_policy=RetryPolicy(first=0.01, longest=0.1),
            read_timeout=SHORT_READ_TIMEOUT if hangs else READ_TIMEOUT,
        )
        self._fork = _FORKS.Process(target=_write, args=(args, stdin, stdout, stderr, surroundings))
        with _COLLECTING:
            self._fork.start()

    def kill(self) -> None:
        self._fork.kill()

    def wait(self) -> int:
        wait([self._fork.sentinel])
        with _COLLECTING:
            self._fork.join()
        assert self._fork.exitcode is not None
        return self._fork.exitcode


def _write(
    args: list[str], stdin: Connection, stdout: Connection, stderr: Path, surroundings: Surroundings
) -> None:
    """What a fork does: it takes its own descriptors, and is the connector from then on."""
    with stderr.open("wb") as errors:
        for number, end in enumerate((stdin.fileno(), stdout.fileno(), errors.fileno())):
            os.dup2(end, number)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    DestinationHeapAnalytics(surroundings).run(args)
