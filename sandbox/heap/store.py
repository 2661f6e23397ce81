"""Events, users, accounts and deletions in SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from sandbox import event_counts, property_counts
from sandbox.database import Database, Tables, last
from sandbox.heap.validation import Deletion, Event, Profile

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS events (
    sequence INTEGER PRIMARY KEY,
    app_id TEXT NOT NULL,
    event TEXT NOT NULL,
    identity TEXT,
    user_id TEXT,
    timestamp NOT NULL,
    properties TEXT NOT NULL,
    idempotency_key TEXT,
    received_at REAL NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS events_by_key ON events (app_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX IF NOT EXISTS events_by_identity ON events (identity);
CREATE INDEX IF NOT EXISTS events_by_name ON events (event);
CREATE TABLE IF NOT EXISTS users (
    sequence INTEGER PRIMARY KEY,
    app_id TEXT NOT NULL,
    identity TEXT NOT NULL,
    properties TEXT NOT NULL,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    UNIQUE (identity, app_id)
);
CREATE TABLE IF NOT EXISTS accounts (
    sequence INTEGER PRIMARY KEY,
    app_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    properties TEXT NOT NULL,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    UNIQUE (account_id, app_id)
);
CREATE TABLE IF NOT EXISTS deletions (
    sequence INTEGER PRIMARY KEY,
    app_id TEXT NOT NULL,
    request TEXT NOT NULL,
    identity TEXT,
    user_id TEXT,
    events INTEGER NOT NULL,
    asked_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS deletions_by_request ON deletions (request);
"""

_COLUMNS: Final = {
    "events": (
        "sequence",
        "app_id",
        "event",
        "identity",
        "user_id",
        "timestamp",
        "properties",
        "idempotency_key",
        "received_at",
    ),
    "users": ("sequence", "app_id", "identity", "properties", "created_at", "updated_at"),
    "accounts": ("sequence", "app_id", "account_id", "properties", "created_at", "updated_at"),
    "deletions": (*("sequence", "app_id", "request", "identity", "user_id", "events", "asked_at"),),
}

_TABLES: Final = Tables(
    schema=_SCHEMA,
    columns=_COLUMNS,
    json=frozenset({"properties"}),
    indexed=frozenset({("users", "identity"), ("accounts", "account_id")}),
    event_name="event",
)

_ADD_EVENT: Final = """
INSERT OR IGNORE INTO events
    (app_id, event, identity, user_id, timestamp, properties, idempotency_key, received_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""

_ADD_DELETION: Final = """
INSERT INTO deletions (app_id, request, identity, user_id, events, asked_at)
VALUES (?, ?, ?, ?, ?, ?)
"""

_USERS_OF_NEW_EVENTS: Final = """
INSERT OR IGNORE INTO users (app_id, identity, properties, created_at, updated_at)
SELECT app_id, identity, '{}', received_at, received_at FROM events
WHERE sequence > ? AND identity IS NOT NULL ORDER BY sequence
"""


@dataclass(frozen=True, slots=True)
class _Profiles:
    """The two statements by which properties of a user or an account are overwritten."""

    table: str
    read: str
    write: str


_USERS: Final = _Profiles(
    table="users",
    read="SELECT properties FROM users WHERE identity = ? AND app_id = ?",
    write="""
INSERT INTO users (app_id, identity, properties, created_at, updated_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (identity, app_id)
DO UPDATE SET properties = excluded.properties, updated_at = excluded.updated_at
""",
)
_ACCOUNTS: Final = _Profiles(
    table="accounts",
    read="SELECT properties FROM accounts WHERE account_id = ? AND app_id = ?",
    write="""
INSERT INTO accounts (app_id, account_id, properties, created_at, updated_at)
VALUES (?, ?, ?, ?, ?)
ON CONFLICT (account_id, app_id)
DO UPDATE SET properties = excluded.properties, updated_at = excluded.updated_at
""",
)


class Store(Database):
    """What a local Heap keeps: in a file, or in a temporary one that is gone with the store.

    Of events, the properties of those stored are counted, of users and accounts every update.
    Raises `sqlite3.Error` if the file cannot be opened or is something else.
    """

    def __init__(self, file: Path | None = None) -> None:
        super().__init__(_TABLES, file)

    def add_events(self, app_id: str, events: Sequence[Event], now: float) -> int:
        """Store `events`, received at Unix time `now`; returns how many repeats were absorbed.

        Track page: an event whose idempotency key was seen before does not change the stored
        one; a missing timestamp is the time of receipt; an unknown identity creates a user.
        """
        received = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
        received = received.replace("+00:00", "Z")
        rows = [
            (
                app_id,
                event.event,
                event.identity,
                event.user_id,
                received if event.timestamp is None else event.timestamp,
                orjson.dumps(event.properties).decode(),
                event.idempotency_key,
                now,
            )
            for event in events
        ]
        with self.transaction() as database:
            before = last(database, "events")
            added = database.executemany(_ADD_EVENT, rows).rowcount
            database.execute(_USERS_OF_NEW_EVENTS, (before,))
            if added == len(rows):
                stored = [(event.event, event.properties) for event in events]
            else:
                new = database.execute(
                    "SELECT event, properties FROM events WHERE sequence > ?", (before,)
                )
                stored = [(name, orjson.loads(properties)) for name, properties in new]
            property_counts.add(database, "events", [properties for _, properties in stored])
            event_counts.add(database, (name for name, _ in stored))
        return len(rows) - added

    def add_user_properties(self, app_id: str, users: Sequence[Profile], now: float) -> None:
        """Overwrite the named properties of each user, in order; the others stay."""
        self._overwrite(_USERS, app_id, users, now)

    def add_account_properties(self, app_id: str, accounts: Sequence[Profile], now: float) -> None:
        """Overwrite the named properties of each account, in order; the others stay."""
        self._overwrite(_ACCOUNTS, app_id, accounts, now)

    def delete_users(
        self, app_id: str, request: str, users: Sequence[Deletion], now: float
    ) -> None:
        """Delete each user with all events, in all environments, and write down who it was."""
        with self.transaction() as database:
            for user in users:
                column, key = ("identity", user.identity)
                if user.identity is None:
                    column, key = ("user_id", user.user_id)
                else:
                    database.execute("DELETE FROM users WHERE identity = ?", (key,))
                # A name of our own; the value is bound.
                events = database.execute(f"DELETE FROM events WHERE {column} = ?", (key,))  # noqa: S608
                row = (app_id, request, *user, events.rowcount, now)
                database.execute(_ADD_DELETION, row)

    def counts(self) -> dict[str, int]:
        """How many rows each table has; counted one by one only where some were deleted."""
        numbers = super().counts()
        if numbers["deletions"]:
            with self.transaction() as database:
                for table in ("events", "users"):
                    sql = f"SELECT count(*) FROM {table}"  # noqa: S608 - a name of our own
                    (numbers[table],) = database.execute(sql).fetchone()
        return numbers

    def _overwrite(
        self, profiles: _Profiles, app_id: str, updates: Sequence[Profile], now: float
    ) -> None:
        with self.transaction() as database:
            merged: dict[str, dict[str, Any]] = {}
            for key, properties in updates:
                if key not in merged:
                    row = database.execute(profiles.read, (key, app_id)).fetchone()
                    merged[key] = orjson.loads(row[0]) if row else {}
                merged[key].update(properties)
            database.executemany(
                profiles.write,
                (
                    (app_id, key, orjson.dumps(properties).decode(), now, now)
                    for key, properties in merged.items()
                ),
            )
            property_counts.add(database, profiles.table, [sent for _, sent in updates])
