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

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from sandbox.http import Service

ROOT: Final = Path(__file__).resolve().parents[1]
#: No step of a demo takes longer, in seconds, on any machine that can run it.
STEP_TIMEOUT: Final = 60
#: A step fits a terminal of 80 by 24.
WIDTH: Final = 80

_Service = TypeVar("_Service", bound=Service)


class DemoError(Exception):
    """A step did not do what it should; the text says which."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of `write` said: its ledger, and how many states came back."""

    ledger: Mapping[str, Any]
    states: int
    #: Where it loads several: their ledgers.
    streams: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Sample:
    """A configuration and what it loads: files, by their paths in the project."""

    config: str
    catalog: str
    rows: str


@dataclass(frozen=True, slots=True)
class Command:
    """A connector's program."""

    program: Sequence[str]
    #: The program as a person would type it.
    typed: str

    def shown(self, verb: str, sample: Sample) -> str:
        """The whole command as a person would type it."""
        command = f"{self.typed} {verb} --config {sample.config}"
        if verb == "write":
            command += f" \\\n    --catalog {sample.catalog} < {sample.rows}"
        return command


def read_output(lines: Iterable[bytes]) -> Load:
    """The connector's messages, read as far as a demo needs them."""
    ledger: Mapping[str, Any] = {}
    streams: dict[str, Mapping[str, Any]] = {}
    states = 0
    for message in map(json.loads, lines):
        states += message["type"] == "STATE"
        text = message.get("log", {}).get("message", "")
        if text.startswith("Ledger: "):
            ledger = json.loads(text.removeprefix("Ledger: "))
        elif text.startswith("Ledger of stream "):
            _, name, counts = text.split("`", 2)
            streams[name] = json.loads(counts.removeprefix(": "))
    return Load(ledger, states, streams)


def ledger_table(load: Load, service: str, reasons: Mapping[str, str]) -> Table:
    """The ledger, a row a count, each with what it counts; `reasons` explains the rejections."""
    ledger = load.ledger
    words = {
        "read": "records that came in",
        "accepted": f"records that {service} took",
        "merged": "of these, updates sent as one with a later one of the same",
        "skipped": "not meant to be sent: deleted at the source, or an empty update",
        "truncated": f"texts longer than {service} takes, cut",
        "requests": "HTTP requests that carried them, many records each",
        "retries": "requests sent again after a failure",
    }
    table = _grid("right", "left", "left")
    for name, meaning in words.items():
        table.add_row(str(ledger[name]), name, meaning)
    for reason, count in ledger["rejected_by_reason"].items():
        table.add_row(str(count), "rejected", f"{reason}: {reasons[reason]}", style="red")
    table.add_row(str(load.states), "states", "handed back: all before each of them is safe")
    return table


def streams_table(load: Load) -> Table:
    """What became of the records of each stream, a row a stream."""
    table = _grid("left", "left")
    for name, ledger in load.streams.items():
        counts = ", ".join(f"{ledger[count]} {count}" for count in ("read", "accepted", "rejected"))
        table.add_row(f"  {name}", counts)
    return table


def held_table(names: Sequence[str], item: Mapping[str, Any]) -> Table:
    """One of the things that a service holds, as far as it has values."""
    table = _grid("left", "left")
    for name in names:
        if item.get(name) is not None:
            # Text, as a value is no markup; cut where the screen ends.
            cell = Text(_shown(item[name]), no_wrap=True, overflow="ellipsis")
            table.add_row(f"  {name}", cell)
    return table


def _grid(*columns: JustifyMethod) -> Table:
    """Without lines between; all but the last column are as wide as what is in them."""
    table = Table.grid(padding=(0, 2))
    for number, justify in enumerate(columns, start=1):
        table.add_column(justify=justify, no_wrap=number < len(columns))
    return table


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_shown(inner)}" for name, inner in value.items())
    return value if isinstance(value, str) else json.dumps(value)


class Connector:
    """Runs a connector against one service, and talks."""

    def __init__(self, command: Command, console: Console, url: str, workplace: Path) -> None:
        self._command = command
        self._console = console
        self._url = url
        self._workplace = workplace

    def check(self, sample: Sample, service: str) -> None:
        """Raises DemoError if the connection does not work."""
        self._console.rule("[bold]check: does it answer?", align="left")
        status = json.loads(self._run("check", sample))["connectionStatus"]
        if status["status"] != "SUCCEEDED":
            raise DemoError(f"check: {status['message']}")
        self._console.print(f"SUCCEEDED, and nothing was added to {service}\n")

    def write(self, sample: Sample) -> Load:
        """One load of a sample; raises DemoError if it fails or its ledger does not balance."""
        load = read_output(self._run("write", sample).splitlines())
        ledger = load.ledger
        if ledger["read"] != ledger["accepted"] + ledger["rejected"] + ledger["skipped"]:
            raise DemoError(f"{sample.config}: the ledger does not balance")
        return load

    def _run(self, verb: str, sample: Sample) -> bytes:
        shown = f"$ {self._command.shown(verb, sample)}"
        self._console.print(shown, markup=False, highlight=False, soft_wrap=True)
        fields = json.loads((ROOT / sample.config).read_bytes())
        path = self._workplace / "config.json"
        path.write_text(json.dumps(fields | {"base_url": self._url}), encoding="utf-8")
        arguments = [*self._command.program, verb, "--config", str(path)]
        if verb == "write":
            arguments += ["--catalog", str(ROOT / sample.catalog)]
        with (ROOT / sample.rows).open("rb") as rows:
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
    console = Console(width=WIDTH)
    with running() as service, tempfile.TemporaryDirectory() as workplace:
        console.print(f"A local {name} listens on {service.url} for as long as this runs.\n")
        try:
            tour(console, service, Connector(command, console, service.url, Path(workplace)))
        except DemoError as error:
            console.print(f"The demo failed: {error}", style="red", markup=False)
            sys.exit(1)
    console.print(f"Next: {keep}. The commands above load into it.", soft_wrap=True)
