"""A short tour: three loads of the sample users into a local Heap, and what landed.

Run as `make demo`, or as `python -m heap_sandbox.demo`. The connector runs as its own process, as
Airbyte runs it, and answers to nothing but its standard streams.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from heap_sandbox import Sandbox, SandboxOptions, running

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "sample_files"
#: API type, and the list in which the sandbox keeps what it makes.
LOADS = {
    "track": "events",
    "add_user_properties": "users",
    "add_account_properties": "accounts",
}
#: No step of the demo takes longer, in seconds, on any machine that can run it.
STEP_TIMEOUT = 60
ROWS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of `write` said: its ledger, and how many states came back."""

    ledger: Mapping[str, Any]
    states: int


class DemoError(Exception):
    """A step did not do what it should; the text says which."""


def read_output(lines: Iterable[bytes]) -> Load:
    """The connector's messages, read as far as the demo needs them."""
    ledger: Mapping[str, Any] = {}
    states = 0
    for message in map(json.loads, lines):
        states += message["type"] == "STATE"
        text = message.get("log", {}).get("message", "")
        if text.startswith("Ledger: "):
            ledger = json.loads(text.removeprefix("Ledger: "))
    return Load(ledger, states)


def shown_command(api_type: str, verb: str) -> str:
    """The command as a person would type it."""
    command = f"python main.py {verb} --config sample_files/config_{api_type}.json"
    if verb == "write":
        command += (
            " \\\n    --catalog sample_files/configured_catalog.json < sample_files/users.jsonl"
        )
    return command


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


def held_table(kind: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """The first rows of what Heap holds."""
    columns = [
        name
        for name in ("identity", "account_id", "event", "timestamp", "properties")
        if any(row.get(name) is not None for row in rows)
    ]
    table = Table(*columns, title=f"Heap now holds {len(rows)} {kind}", title_justify="left")
    for row in rows[:ROWS_SHOWN]:
        table.add_row(*(_cell(row.get(name)) for name in columns))
    return table


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class Demo:
    """Runs the connector against one sandbox, and talks."""

    def __init__(self, console: Console, heap: Sandbox, workplace: Path) -> None:
        self._console = console
        self._heap = heap
        self._workplace = workplace

    def tour(self) -> None:
        """All of it; raises DemoError where a step fails."""
        self._check()
        for api_type, kind in LOADS.items():
            self._console.rule(f"[bold]{api_type}", align="left")
            load = self._write(api_type)
            self._console.print(ledger_table(load))
            held = self._held(kind)
            if not held:
                raise DemoError(f"{api_type}: nothing landed in Heap")
            self._console.print(held_table(kind, held), "")
        self._again()

    def _again(self) -> None:
        self._console.rule("[bold]track, once more", align="left")
        before = len(self._held("events"))
        self._write("track")
        after, absorbed = len(self._held("events")), self._heap.stats()["repeats_absorbed"]
        if after != before or not absorbed:
            raise DemoError("the second load doubled events")
        self._console.print(
            f"The same {absorbed} events came again and Heap absorbed them by their idempotency "
            f"keys: it still holds {after}.\n"
        )

    def _check(self) -> None:
        self._console.rule("[bold]check", align="left")
        self._console.print(f"$ {shown_command('track', 'check')}", markup=False)
        status = json.loads(self._run("check", "track"))["connectionStatus"]
        if status["status"] != "SUCCEEDED":
            raise DemoError(f"check: {status['message']}")
        self._console.print("SUCCEEDED, and nothing was added to Heap\n")

    def _write(self, api_type: str) -> Load:
        self._console.print(f"$ {shown_command(api_type, 'write')}", markup=False)
        load = read_output(self._run("write", api_type).splitlines())
        if load.ledger["read"] != load.ledger["accepted"] + load.ledger["rejected"]:
            raise DemoError(f"{api_type}: the ledger does not balance")
        return load

    def _run(self, verb: str, api_type: str) -> bytes:
        config = json.loads((SAMPLES / f"config_{api_type}.json").read_bytes())
        path = self._workplace / "config.json"
        path.write_text(json.dumps(config | {"base_url": self._heap.url}), encoding="utf-8")
        arguments = [sys.executable, str(ROOT / "main.py"), verb, "--config", str(path)]
        if verb == "write":
            arguments += ["--catalog", str(SAMPLES / "configured_catalog.json")]
        with (SAMPLES / "users.jsonl").open("rb") as users:
            done = subprocess.run(  # noqa: S603  # our own connector, our own files
                arguments, stdin=users, capture_output=True, timeout=STEP_TIMEOUT, check=False
            )
        if done.returncode:
            raise DemoError(f"`{verb}` ended with {done.returncode}: {done.stderr.decode()[-500:]}")
        return done.stdout

    def _held(self, kind: str) -> list[dict[str, Any]]:
        match kind:
            case "events":
                return self._heap.events()
            case "users":
                # Events make users too; shown are those with properties.
                return [user for user in self._heap.users() if user["properties"]]
            case _:
                return self._heap.accounts()


def main() -> None:
    """Ends with 0, or with 1 and a line that says what failed."""
    console = Console(width=100)
    with running(SandboxOptions()) as heap, tempfile.TemporaryDirectory() as workplace:
        console.print(f"A local Heap listens on {heap.url} for as long as this runs.\n")
        try:
            Demo(console, heap, Path(workplace)).tour()
        except DemoError as error:
            console.print(f"The demo failed: {error}", style="red", markup=False)
            sys.exit(1)
    console.print(
        "Next: `make sandbox` keeps a local Heap running on http://127.0.0.1:8087; the commands "
        "above load into it."
    )


if __name__ == "__main__":
    main()
