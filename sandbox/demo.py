"""What the demo of every connector has: its commands run as processes, and what came of them shown.

Knows neither a service nor a connector. A connector answers to nothing but its standard streams.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from rich.console import Console
from rich.table import Table

from sandbox.http import Service

ROOT: Final = Path(__file__).resolve().parents[1]
#: No step of a demo takes longer, in seconds, on any machine that can run it.
STEP_TIMEOUT: Final = 60
ROWS_SHOWN: Final = 3

_Service = TypeVar("_Service", bound=Service)


class DemoError(Exception):
    """A step did not do what it should; the text says which."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of `write` said: its ledger, and how many states came back."""

    ledger: Mapping[str, Any]
    states: int


@dataclass(frozen=True, slots=True)
class Command:
    """A connector's program, and the sample files that it loads, by their paths in the project."""

    program: Sequence[str]
    #: The program as a person would type it.
    typed: str
    catalog: str
    rows: str

    def shown(self, verb: str, config: str) -> str:
        """The whole command as a person would type it."""
        command = f"{self.typed} {verb} --config {config}"
        if verb == "write":
            command += f" \\\n    --catalog {self.catalog} < {self.rows}"
        return command


def read_output(lines: Iterable[bytes]) -> Load:
    """The connector's messages, read as far as a demo needs them."""
    ledger: Mapping[str, Any] = {}
    states = 0
    for message in map(json.loads, lines):
        states += message["type"] == "STATE"
        text = message.get("log", {}).get("message", "")
        if text.startswith("Ledger: "):
            ledger = json.loads(text.removeprefix("Ledger: "))
    return Load(ledger, states)


def ledger_table(load: Load) -> Table:
    """The ledger, a row a count."""
    table = Table("what was sent", "count", title_justify="left")
    ledger = load.ledger
    for name in ("read", "accepted", "merged", "truncated", "requests", "retries"):
        table.add_row(name, str(ledger[name]))
    for reason, count in ledger["rejected_by_reason"].items():
        table.add_row(f"rejected: {reason}", str(count), style="red")
    table.add_row("states handed back", str(load.states))
    return table


def held_table(title: str, names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Table:
    """The first rows of what a service holds, in those of the columns that have a value."""
    columns = [name for name in names if any(row.get(name) is not None for row in rows)]
    table = Table(*columns, title=title, title_justify="left")
    for row in rows[:ROWS_SHOWN]:
        table.add_row(*(_cell(row.get(name)) for name in columns))
    return table


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class Connector:
    """Runs a connector against one service, and talks."""

    def __init__(self, command: Command, console: Console, url: str, workplace: Path) -> None:
        self._command = command
        self._console = console
        self._url = url
        self._workplace = workplace

    def check(self, config: str, service: str) -> None:
        """Raises DemoError if the connection does not work."""
        self._console.rule("[bold]check", align="left")
        status = json.loads(self._run("check", config))["connectionStatus"]
        if status["status"] != "SUCCEEDED":
            raise DemoError(f"check: {status['message']}")
        self._console.print(f"SUCCEEDED, and nothing was added to {service}\n")

    def write(self, config: str) -> Load:
        """One load of the sample; raises DemoError if it fails or its ledger does not balance."""
        load = read_output(self._run("write", config).splitlines())
        if load.ledger["read"] != load.ledger["accepted"] + load.ledger["rejected"]:
            raise DemoError(f"{config}: the ledger does not balance")
        return load

    def _run(self, verb: str, config: str) -> bytes:
        self._console.print(f"$ {self._command.shown(verb, config)}", markup=False)
        fields = json.loads((ROOT / config).read_bytes())
        path = self._workplace / "config.json"
        path.write_text(json.dumps(fields | {"base_url": self._url}), encoding="utf-8")
        arguments = [*self._command.program, verb, "--config", str(path)]
        if verb == "write":
            arguments += ["--catalog", str(ROOT / self._command.catalog)]
        with (ROOT / self._command.rows).open("rb") as rows:
            done = subprocess.run(  # noqa: S603  # our own connector, our own files
                arguments, stdin=rows, capture_output=True, timeout=STEP_TIMEOUT, check=False
            )
        if done.returncode:
            raise DemoError(f"`{verb}` ended with {done.returncode}: {done.stderr.decode()[-500:]}")
        return done.stdout


def show(
    running: Callable[[], AbstractContextManager[_Service]],
    command: Command,
    tour: Callable[[Console, _Service, Connector], None],
    *,
    name: str,
    keep: str,
) -> None:
    """Runs a tour against a service of its own.

    `name` is the service's, `keep` what a person may do next. Ends with 1 and a line that says
    what failed, if the tour raises DemoError.
    """
    console = Console(width=100)
    with running() as service, tempfile.TemporaryDirectory() as workplace:
        console.print(f"A local {name} listens on {service.url} for as long as this runs.\n")
        try:
            tour(console, service, Connector(command, console, service.url, Path(workplace)))
        except DemoError as error:
            console.print(f"The demo failed: {error}", style="red", markup=False)
            sys.exit(1)
    console.print(f"Next: {keep}; the commands above load into it.")
