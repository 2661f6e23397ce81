"""Orders, users and companies, as one sync loads them."""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]

TRACK: Json = {"api_type": "track", "event_column": "name", "identity_column": "who"}
USERS: Json = {"api_type": "add_user_properties", "identity_column": "who"}
ACCOUNTS: Json = {"api_type": "add_account_properties", "account_id_column": "id"}
ENTRIES: list[Json] = [
    {"stream": "orders", "api": TRACK},
    {"stream": "users", "api": USERS},
    {"stream": "companies", "api": ACCOUNTS},
]


def config(url: str, entries: list[Json] | None = None, **fields: Any) -> Json:
    """A configuration for three streams, or for these."""
    streams = ENTRIES if entries is None else entries
    return {
        "app_id": "3000610572",
        "base_url": url,
        "api": {"api_type": "by_stream", "streams": streams},
        **fields,
    }


def catalog(*names: str, **fields: Json) -> Json:
    """These streams, each with fields of its own."""
    return {
        "streams": [
            {
                "stream": {
                    "name": name,
                    "json_schema": {},
                    **fields.get(name, {}).pop("stream", {}),
                },
                "destination_sync_mode": "append",
                **fields.get(name, {}),
            }
            for name in names
        ]
    }


THREE = ("orders", "users", "companies")


def row(stream: str, number: int, **more: Any) -> bytes:
    """A record of one of the three."""
    rows: dict[str, Json] = {
        "orders": {"name": "Ordered", "who": f"p{number}@example.com", "n": number},
        "users": {"who": f"p{number}@example.com", "plan": f"plan{number}"},
        "companies": {"id": f"company {number}", "seats": number},
    }
    record = {"stream": stream, "data": {**rows[stream], **more}, "emitted_at": 1_000}
    return json.dumps({"type": "RECORD", "record": record}).encode() + b"\n"


def state(stream: str, number: int) -> bytes:
    """A state of one of them."""
    part = {"stream_descriptor": {"name": stream}, "stream_state": {"cursor": number}}
    inner = {"type": "STREAM", "stream": part}
    return json.dumps({"type": "STATE", "id": number, "state": inner}).encode() + b"\n"


def left(states: list[Json], stream: str) -> list[tuple[int, float, float]]:
    """The states of a stream as they came out: id, records, rejected ones."""
    found = []
    for each in states:
        if each["state"]["stream"]["stream_descriptor"]["name"] == stream:
            stats = each["state"]["destinationStats"]
            found.append((each["id"], stats["recordCount"], stats["rejectedRecordCount"]))
    return found
