"""A short tour: three loads of the sample users into a local Heap, and what landed.

Run as `make demo`, or as `python -m sandbox.heap.demo`. The connector runs as its own process, as
Airbyte runs it.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from sandbox.demo import ROOT, Command, Connector, DemoError, held_table, ledger_table, show
from sandbox.heap import Sandbox, running

COMMAND = Command(
    program=[sys.executable, str(ROOT / "main.py")],
    typed=".venv/bin/python main.py",
    catalog="sample_files/configured_catalog.json",
    rows="sample_files/users.jsonl",
)
#: API type, and the list in which the sandbox keeps what it makes.
LOADS = {
    "track": "events",
    "add_user_properties": "users",
    "add_account_properties": "accounts",
}
SHOWN = ("identity", "account_id", "event", "timestamp", "properties")


def tour(console: Console, heap: Sandbox, connector: Connector) -> None:
    """All of it; raises DemoError where a step fails."""
    connector.check(_config("track"), "Heap")
    for api_type, kind in LOADS.items():
        console.rule(f"[bold]{api_type}", align="left")
        console.print(ledger_table(connector.write(_config(api_type))))
        held = _held(heap, kind)
        if not held:
            raise DemoError(f"{api_type}: nothing landed in Heap")
        which = " with properties" if kind == "users" else ""
        console.print(held_table(f"Heap now holds {len(held)} {kind}{which}", SHOWN, held), "")
    console.rule("[bold]track, once more", align="left")
    before = len(heap.events())
    connector.write(_config("track"))
    after, absorbed = len(heap.events()), heap.stats()["repeats_absorbed"]
    if after != before or not absorbed:
        raise DemoError("the second load doubled events")
    console.print(
        f"The same {absorbed} events came again and Heap absorbed them by their idempotency "
        f"keys: it still holds {after}.\n"
    )


def _config(api_type: str) -> str:
    return f"sample_files/config_{api_type}.json"


def _held(heap: Sandbox, kind: str) -> Sequence[Mapping[str, Any]]:
    match kind:
        case "events":
            return heap.events()
        case "users":
            # Events make users too; shown are those with properties.
            return [user for user in heap.users() if user["properties"]]
        case _:
            return heap.accounts()


def main() -> None:
    """Ends with 0, or with 1 and a line that says what failed."""
    show(
        *(running, COMMAND, tour),
        name="Heap",
        keep="`make sandbox` keeps a local Heap running on http://127.0.0.1:8087",
    )


if __name__ == "__main__":
    main()
