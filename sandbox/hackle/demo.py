"""A short tour: the sample purchases into a local Hackle, and what landed.

Run as `make demo-hackle`, or as `python -m sandbox.hackle.demo`. The connector runs as its own
process, as Airbyte runs it.
"""

import sys
from pathlib import Path

from rich.console import Console

from sandbox import typed
from sandbox.demo import Command, Connector, DemoError, Sample, held_table, ledger_table, show
from sandbox.hackle import Sandbox, running

SAMPLE = Sample(
    "sample_files/hackle/config.json",
    "sample_files/hackle/configured_catalog.json",
    "sample_files/hackle/purchases.jsonl",
)
COMMAND = Command(
    program=[str(Path(sys.executable).with_name("destination-hackle"))],
    typed=typed.program("destination-hackle"),
)
SHOWN = ("event_key", "user_id", "value", "timestamp", "properties")
#: Why records of the sample are rejected.
REASONS = {
    "user_id_missing": "nobody is named",
    "user_id_of_no_single_person": "`guest` is many people",
    "event_key_blank": "the event has no name",
    "value_not_a_number": "`about 13,200` is no number",
}


def tour(console: Console, hackle: Sandbox, connector: Connector) -> None:
    """All of it; raises DemoError where a step fails."""
    connector.check(SAMPLE, "Hackle")
    console.rule("[bold]write: each record becomes an event", align="left")
    console.print(ledger_table(connector.write(SAMPLE), "Hackle", REASONS))
    events = hackle.events()
    bought = [event for event in events if event["value"] is not None]
    if not bought or len(bought) == len(events):
        raise DemoError("events with a value and without should have landed in Hackle")
    console.print(
        f"\nHackle now holds {len(events)} events, {len(bought)} of them with a value, such as:",
        style="bold",
    )
    console.print(held_table(SHOWN, max(bought, key=lambda event: len(event["properties"]))), "")
    console.rule("[bold]write, once more: is anything doubled?", align="left")
    connector.write(SAMPLE)
    after, absorbed = len(hackle.events()), hackle.stats()["repeats_absorbed"]
    if after != len(events) or not absorbed:
        raise DemoError("the second load doubled events")
    console.print(
        f"The same {absorbed} events came again with the same insert ids. This Hackle ignores what "
        f"it has: it still holds {after}. Whether the real one does is not published. To try one "
        "that does not:\n"
    )
    console.print(f"$ {typed.module('sandbox.hackle')} --keep-repeats\n", highlight=False)


def main() -> None:
    """Ends with 0, or with 1 and a line that says what failed."""
    show(
        *(running, COMMAND, tour),
        name="Hackle",
        keep="`make sandbox-hackle` keeps a local Hackle on http://127.0.0.1:8088",
    )


if __name__ == "__main__":
    main()
