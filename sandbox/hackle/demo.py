"""A short tour: the sample purchases into a local Hackle, and what landed.

Run as `make demo-hackle`, or as `python -m sandbox.hackle.demo`. The connector runs as its own
process, as Airbyte runs it.
"""

import sys
from pathlib import Path

from rich.console import Console

from sandbox.demo import Command, Connector, DemoError, held_table, ledger_table, show
from sandbox.hackle import Sandbox, running

CONFIG = "sample_files/hackle/config.json"
COMMAND = Command(
    program=[str(Path(sys.executable).with_name("destination-hackle"))],
    typed=".venv/bin/destination-hackle",
    catalog="sample_files/hackle/configured_catalog.json",
    rows="sample_files/hackle/purchases.jsonl",
)
SHOWN = ("event_key", "user_id", "value", "timestamp", "properties")


def tour(console: Console, hackle: Sandbox, connector: Connector) -> None:
    """All of it; raises DemoError where a step fails."""
    connector.check(CONFIG, "Hackle")
    console.rule("[bold]write", align="left")
    console.print(ledger_table(connector.write(CONFIG)))
    events = hackle.events()
    bought = [event for event in events if event["value"] is not None]
    if not bought or len(bought) == len(events):
        raise DemoError("events with a value and without should have landed in Hackle")
    console.print(
        held_table(f"Hackle now holds {len(events)} events", SHOWN, events),
        f"{len(bought)} of them have a value, {len(events) - len(bought)} have none.\n",
    )
    console.rule("[bold]write, once more", align="left")
    connector.write(CONFIG)
    after, absorbed = len(hackle.events()), hackle.stats()["repeats_absorbed"]
    if after != len(events) or not absorbed:
        raise DemoError("the second load doubled events")
    console.print(
        f"The same {absorbed} events came again with the same insert ids. This Hackle ignores what "
        f"it has: it still holds {after}. Whether the real one does is not published; a local one "
        "that does not is `python -m sandbox.hackle --keep-repeats`.\n"
    )


def main() -> None:
    """Ends with 0, or with 1 and a line that says what failed."""
    show(
        *(running, COMMAND, tour),
        name="Hackle",
        keep="`make sandbox-hackle` keeps a local Hackle running on http://127.0.0.1:8088",
    )


if __name__ == "__main__":
    main()
