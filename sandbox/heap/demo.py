"""A short tour: sample orders and users loaded into a local Heap, and what landed.

Run as `make demo`, or as `python -m sandbox.heap.demo`. The connector runs as its own process, as
Airbyte runs it.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from sandbox import typed
from sandbox.demo import (
    ROOT,
    Command,
    Connector,
    DemoError,
    Sample,
    held_table,
    ledger_table,
    show,
)
from sandbox.heap import Sandbox, running

COMMAND = Command(
    program=[sys.executable, str(ROOT / "main.py")],
    typed=f"{typed.program(Path(sys.executable).name)} main.py",
)
ORDERS = ("sample_files/configured_catalog_orders.json", "sample_files/orders.jsonl")
USERS = ("sample_files/configured_catalog_users.json", "sample_files/users.jsonl")
#: By API type: what is loaded, the list in which the sandbox keeps what it makes, and one of it.
LOADS = {
    "track": (Sample("sample_files/config_track.json", *ORDERS), "events", "an event"),
    "add_user_properties": (
        Sample("sample_files/config_add_user_properties.json", *USERS),
        *("users", "properties of a user"),
    ),
    "add_account_properties": (
        Sample("sample_files/config_add_account_properties.json", *USERS),
        *("accounts", "properties of an account"),
    ),
}
SHOWN = ("identity", "account_id", "event", "timestamp", "properties")
#: Why records of the samples are rejected.
REASONS = {
    "identity_missing": "nobody is named",
    "identity_of_no_single_person": "`anonymous` is many people",
    "timestamp_not_readable": "`last Tuesday` is no time",
    "account_id_missing": "no account is named",
    "account_id_blank": "its name is empty",
}


def tour(console: Console, heap: Sandbox, connector: Connector) -> None:
    """All of it; raises DemoError where a step fails."""
    again = LOADS["track"][0]
    connector.check(again, "Heap")
    for api_type, (sample, kind, one) in LOADS.items():
        console.rule(f"[bold]{api_type}: each record becomes {one}", align="left")
        console.print(ledger_table(connector.write(sample), "Heap", REASONS))
        held = _held(heap, kind)
        if not held:
            raise DemoError(f"{api_type}: nothing landed in Heap")
        which = " with properties" if kind == "users" else ""
        console.print(f"\nHeap now holds {len(held)} {kind}{which}, such as:", style="bold")
        console.print(held_table(SHOWN, held[0]), "")
    console.rule("[bold]track, once more: is anything doubled?", align="left")
    before = len(heap.events())
    connector.write(again)
    after, absorbed = len(heap.events()), heap.stats()["repeats_absorbed"]
    if after != before or not absorbed:
        raise DemoError("the second load doubled events")
    console.print(
        f"The same {absorbed} events came again and Heap absorbed them by their idempotency "
        f"keys: it still holds {after}.\n"
    )


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
        keep="`make sandbox` keeps a local Heap on http://127.0.0.1:8087",
    )


if __name__ == "__main__":
    main()
