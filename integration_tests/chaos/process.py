"""A connector's `write` as a process: it is fed, its states are seen as they come, it ends.

It is the program as Airbyte starts it, or the same command line with shorter waits (`hurried.py`).
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
from pathlib import Path
from typing import Final

from integration_tests.chaos.scenario import Service
from integration_tests.chaos.source import Json

ROOT: Final = Path(__file__).parents[2]
#: Seconds. A connector that hangs fails by it.
PATIENCE: Final = 600.0
#: Seconds for an answer: the connector's own, and where a service hangs. That is longer than a
#: local one takes on a busy machine, and shorter than its hangs.
READ_TIMEOUT, SHORT_READ_TIMEOUT = 120.0, 1.5

#: What Airbyte starts, in Python.
_PROGRAMS: Final[dict[Service, Path]] = {
    "heap": ROOT / "main.py",
    "hackle": Path(sys.executable).with_name("destination-hackle"),
}
#: A shell that sets the first hides a missing flush; the second makes every start slow.
_HIDING: Final = {"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}


def program(service: Service) -> list[str]:
    """What Airbyte starts; a command and its arguments come behind it."""
    return [sys.executable, str(_PROGRAMS[service])]


def inherited() -> dict[str, str]:
    """The environment of this process, without what a shell may have set that changes a test.

    A proxy would be asked for loopback.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if name not in _HIDING and not name.lower().endswith("_proxy")
    }


@dataclass(frozen=True)
class Ended:
    """How a process ended. `code` is its exit code, negative for a signal."""

    code: int
    stdout: list[bytes]
    stderr: bytes

    @cached_property
    def ledger(self) -> Json:
        """The closing log line; empty if there was none."""
        return self.ledger_of("")

    def ledger_of(self, stream: str) -> Json:
        """That of a stream of several, given as in ` of stream `orders``."""
        begin = f"Ledger{stream}: "
        for line in self.stdout:
            if b"Ledger" in line:
                message: str = json.loads(line)["log"]["message"]
                if message.startswith(begin):
                    ledger: Json = json.loads(message.removeprefix(begin))
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
        """Starts it: `patient` as its program, else hurried; ready for a service that `hangs`."""
        command = program(service)
        if not patient:
            read_timeout = SHORT_READ_TIMEOUT if hangs else READ_TIMEOUT
            hurried = Path(__file__).with_name("hurried.py")
            command = [sys.executable, str(hurried), service, str(read_timeout)]
        command.append("write")
        for name, content in (("config", config), ("catalog", catalog)):
            path = folder / f"{name}.json"
            path.write_text(json.dumps(content))
            command += [f"--{name}", str(path)]
        self._stderr = folder / "stderr"
        self._hangs = False
        with self._stderr.open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=inherited(),
            )

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
