"""A connector's `write` as a process: it is fed, its states are seen as they come, it ends.

A start costs seconds, nearly all for the imports of Airbyte's CDK. So there are two ways: the
program as Airbyte starts it, and a fork of a process that has imported the same and does nothing
else (`fork_server`). A fork runs the same command line, with shorter waits.
"""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Final

from bulk_destination.destination import BulkDestination
from bulk_destination.http.client import READ_TIMEOUT
from bulk_destination.http.pacing import RetryPolicy
from bulk_destination.sync import Surroundings
from destination_hackle import DestinationHackle
from destination_heap_analytics import DestinationHeapAnalytics
from fork_server import Forked, ForkServer, inherited
from integration_tests.chaos.scenario import Service
from integration_tests.chaos.source import Json

ROOT: Final = Path(__file__).parents[2]
#: Seconds. A connector that hangs fails by it.
PATIENCE: Final = 600.0
#: Seconds for an answer where Heap hangs: longer than a local Heap takes on a busy machine,
#: shorter than its hangs.
SHORT_READ_TIMEOUT: Final = 1.5

#: What Airbyte starts, in Python, and what is in it.
PROGRAMS: Final[dict[Service, str]] = {
    "heap": str(ROOT / "main.py"),
    "hackle": str(Path(sys.executable).with_name("destination-hackle")),
}
DESTINATIONS: Final[dict[Service, type[BulkDestination]]] = {
    "heap": DestinationHeapAnalytics,
    "hackle": DestinationHackle,
}
#: Forks with both connectors imported.
FORKS: Final = ForkServer("integration_tests.chaos.process")


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
        self,
        service: Service,
        config: Json,
        catalog: Json,
        folder: Path,
        *,
        patient: bool,
        hangs: bool = False,
    ) -> None:
        """Starts it; `patient` as its program, else as a fork, ready for a service that hangs."""
        args = ["write"]
        for name, content in (("config", config), ("catalog", catalog)):
            path = folder / f"{name}.json"
            path.write_text(json.dumps(content))
            args += [f"--{name}", str(path)]
        self._stderr = folder / "stderr"
        self._hangs = False
        start = _program if patient else _fork(hangs)
        self._process = start(service, args, self._stderr)

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
        assert self._process.stdout is not None
        try:
            with self._process.stdout as stdout:
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
            feeder.join()
        if self._hangs:
            raise HangsError(f"no end within {PATIENCE:g} s")
        return Ended(code, lines, self._stderr.read_bytes())

    def _give_up(self) -> None:
        self._hangs = True
        self.kill()

    def _feed(self, chunks: Iterable[bytes]) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError), self._process.stdin as stdin:
            for chunk in chunks:
                stdin.write(chunk)
                stdin.flush()


def as_it_is(service: Service) -> Callable[[], object]:
    """What a fork does to be a connector's program as it is."""
    return partial(runpy.run_path, PROGRAMS[service], run_name="__main__")


MAIN_PY: Final = as_it_is("heap")


def _program(service: Service, args: list[str], stderr: Path) -> subprocess.Popen[bytes]:
    """The program as Airbyte starts it."""
    with stderr.open("wb") as errors:
        return subprocess.Popen(
            [sys.executable, PROGRAMS[service], *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=inherited(),
        )


def _fork(hangs: bool) -> Callable[[Service, list[str], Path], Forked]:
    """The same command in a fork of a process that has imported it."""
    surroundings = Surroundings(
        retry_policy=RetryPolicy(first=0.01, longest=0.1),
        read_timeout=SHORT_READ_TIMEOUT if hangs else READ_TIMEOUT,
    )

    def start(service: Service, args: list[str], stderr: Path) -> Forked:
        run = partial(run_in, surroundings, service)
        with stderr.open("wb") as errors:
            return FORKS.popen(run, [PROGRAMS[service], *args], env=inherited(), stderr=errors)

    return start


def run_in(surroundings: Surroundings, service: Service = "heap") -> None:
    """What a fork does: the program in other surroundings."""
    DESTINATIONS[service](surroundings).run(sys.argv[1:])
