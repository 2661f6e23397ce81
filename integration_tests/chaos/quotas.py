"""A full load against Heap's own quotas: none is exceeded, and next to nothing lies idle."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Final

from integration_tests.chaos.process import Connector
from integration_tests.chaos.scenario import APP_ID
from integration_tests.chaos.source import STREAM, Row
from integration_tests.chaos.verdict import must, nothing_shown
from sandbox.heap import running

#: Heap's quota for an app_id: https://developers.heap.io/reference/bulk-track
A_MINUTE: Final = 15_000
EVENTS: Final = 3 * A_MINUTE


def load_at_full_speed() -> str:
    """`main.py` with its defaults, as fast as the source can. Returns the figures in words."""
    rows = [Row(number, _line(number), "lands", None) for number in range(EVENTS)]
    with running() as heap, tempfile.TemporaryDirectory() as folder:
        columns = {"api_type": "track", "event_column": "name", "identity_column": "who"}
        config = {"app_id": APP_ID, "base_url": heap.url, "api": columns}
        stream = {"name": STREAM, "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
        catalog = {
            "streams": [
                {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}
            ]
        }
        connector = Connector("heap", config, catalog, Path(folder), patient=True)
        ended = connector.run((row.line for row in rows), lambda _: None)
        nothing_shown(ended, rows, APP_ID)
        must(ended.code == 0, "the connector ends with 0", ended.code)
        events, statuses = heap.events(), heap.stats()["requests"]["by_status"]
    held = sorted(event["properties"]["n"] for event in events)
    must(held == list(range(EVENTS)), "every event is there once", len(held))
    must(statuses.keys() == {"200"}, "no request exceeds a quota", *statuses)
    limited = sum(b"RATE_LIMITED" in line for line in ended.stdout)
    must(limited > 0, "the wait is said")
    moments = [event["received_at"] for event in events]
    # From the second minute on, each event may go a minute after the one 15,000 before it.
    gaps = [later - earlier for earlier, later in zip(moments, moments[A_MINUTE:], strict=False)]
    used = 60 * len(gaps) / sum(gaps)
    must(used >= 0.99, "99 % of the quota is used", f"{used:.2%}")
    return (
        f"{EVENTS:,} events within Heap's quotas: no 429, {statuses['200']} requests, "
        f"{moments[-1] - moments[0]:.1f} s, after the first minute {used:.2%} of what they allow"
    )


def _line(number: int) -> bytes:
    data = {"n": number, "who": f"person{number % 5_000}@example.com", "name": "Signed Up Today"}
    message = {"stream": STREAM, "data": data, "emitted_at": 1_700_000_000_000}
    return json.dumps({"type": "RECORD", "record": message}).encode() + b"\n"
