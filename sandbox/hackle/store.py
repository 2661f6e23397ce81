"""Events and users in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from sandbox import event_counts, property_counts
from sandbox.database import Database, Tables, last
from sandbox.hackle.validation import Event

_TABLES: Final = Tables(
    schema="""
CREATE TABLE IF NOT EXISTS events (
    sequence INTEGER PRIMARY KEY,
    workspace TEXT NOT NULL,
    insert_id TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    user_id TEXT,
    event_key TEXT NOT NULL,
    value,
    properties TEXT NOT NULL,
    sent TEXT NOT NULL,
    received_at REAL NOT NULL,
    only_once TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS events_only_once ON events (workspace, only_once)
    WHERE only_once IS NOT NULL;
CREATE INDEX IF NOT EXISTS events_by_insert_id ON events (workspace, insert_id);
CREATE INDEX IF NOT EXISTS events_by_user ON events (user_id);
CREATE INDEX IF NOT EXISTS events_by_name ON events (event_key);
CREATE TABLE IF NOT EXISTS users (
    sequence INTEGER PRIMARY KEY,
    workspace TEXT NOT NULL,
    user_id TEXT NOT NULL,
    properties TEXT NOT NULL,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    UNIQUE (user_id, workspace)
);
""",
    columns={
        "events": (
            *("sequence", "workspace", "insert_id", "timestamp", "user_id", "event_key", "value"),
            *("properties", "sent", "received_at"),
        ),
        "users": ("sequence", "workspace", "user_id", "properties", "created_at", "updated_at"),
    },
    json=frozenset({"properties", "sent"}),
    indexed=frozenset({("users", "user_id")}),
    event_name="event_key",
)

#: A unique column where an insert id counts once, and null where repeats are kept.
_ADD_EVENT: Final = """
INSERT OR IGNORE INTO events
    (workspace, insert_id, timestamp, user_id, event_key, value, properties, sent, received_at,
     only_once)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_ADD_USER: Final = """
INSERT INTO users (workspace, user_id, properties, created_at, updated_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (user_id, workspace) DO UPDATE
SET properties = json_patch(properties, excluded.properties), updated_at = excluded.updated_at
"""


class Store(Database):
    """What a local Hackle keeps: in a file, or in a temporary one that is gone with the store.

    With `deduplicate`, the first event of an insert id is kept and later ones are ignored.
    Properties are counted of the events stored, and of users where any are sent. Raises
    `sqlite3.Error` if the file cannot be opened or is something else.
    """

    def __init__(self, file: Path | None = None, *, deduplicate: bool = True) -> None:
        super().__init__(_TABLES, file)
        self._deduplicate = deduplicate

    def add_events(self, workspace: str, events: Sequence[Event], now: float) -> int:
        """Store `events`, received at Unix time `now`; returns how many repeats were absorbed."""
        with self.transaction() as database:
            before = last(database, "events")
            added = database.executemany(
                _ADD_EVENT, (self._row(workspace, event, now) for event in events)
            ).rowcount
            if added == len(events):
                stored = [event.sent for event in events]
            else:
                new = database.execute("SELECT sent FROM events WHERE sequence > ?", (before,))
                stored = [orjson.loads(sent) for (sent,) in new]
            property_counts.add(database, "events", [sent["properties"] for sent in stored])
            event_counts.add(database, (sent["eventTypeKey"] for sent in stored))
            _add_users(database, workspace, stored, now)
        return len(events) - added

    def _row(self, workspace: str, event: Event, now: float) -> tuple[Any, ...]:
        return (
            workspace,
            event.insert_id,
            event.timestamp,
            event.user_id,
            event.event_key,
            event.value,
            orjson.dumps(event.properties).decode(),
            orjson.dumps(event.sent).decode(),
            now,
            event.insert_id if self._deduplicate else None,
        )


def _add_users(
    database: sqlite3.Connection, workspace: str, stored: Sequence[dict[str, Any]], now: float
) -> None:
    known = [sent for sent in stored if sent["userId"] is not None]
    rows = (
        (workspace, sent["userId"], orjson.dumps(sent["userProperties"]).decode(), now, now)
        for sent in known
    )
    database.executemany(_ADD_USER, rows)
    changed = [sent["userProperties"] for sent in known if sent["userProperties"]]
    property_counts.add(database, "users", changed)
