"""A short tour: orders, users and companies loaded into a local Heap by one sync, and what landed.

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
    streams_table,
)
from sandbox.heap import Sandbox, running

COMMAND = Command(
    program=[sys.executable, str(ROOT / "main.py")],
    typed=f"{typed.program(Path(sys.executable).name)} main.py",
)
ORDERS = ("sample_files/configured_catalog_orders.json", "sample_files/orders.jsonl")
USERS = ("sample_files/configured_catalog_users.json", "sample_files/users.jsonl")
#: A shop's three tables, as one connection loads them.
SHOP = Sample(
    "sample_files/config_shop.json",
    "sample_files/configured_catalog_shop.json",
    "sample_files/shop.jsonl",
)
#: By what one of each is, where its sandbox keeps them.
BECOMES = {
    "orders": ("events", "an order is an event (track)"),
    "users": ("users", "a user has properties (add_user_properties)"),
    "companies": ("accounts", "a company has properties (add_account_properties)"),
}
#: One stream alone, by API type: what is loaded, the list in which the sandbox keeps what it
#: makes, and one of it.
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
#: Why records of the shop are rejected.
REASONS = {
    "identity_missing": "nobody is named",
    "identity_of_no_single_person": "`guest` is many people",
    "timestamp_not_readable": "`last Tuesday` is no time",
    "account_id_blank": "its name is empty",
}


def tour(console: Console, heap: Sandbox, connector: Connector) -> None:
    """All of it; raises DemoError where a step fails."""
    connector.check(SHOP, "Heap")
    console.rule("[bold]write: orders, users and companies in one sync", align="left")
    load = connector.write(SHOP)
    console.print(ledger_table(load, "Heap", REASONS))
    console.print("\nStream by stream:", style="bold")
    console.print(streams_table(load), "")
    console.rule("[bold]What landed", align="left")
    for stream, (kind, becomes) in BECOMES.items():
        held = _held(heap, kind)
        if not held:
            raise DemoError(f"{stream}: nothing landed in Heap")
        which = " with properties" if kind == "users" else ""
        console.print(f"{stream}: {becomes}. Heap holds {len(held)} {kind}{which}:", style="bold")
        console.print(held_table(SHOWN, held[0]), "")
    console.rule("[bold]write, once more: is anything doubled?", align="left")
    before = len(heap.events())
    connector.write(SHOP)
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
