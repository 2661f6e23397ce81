"""Events, users and accounts in SQLite. Thread safe; every write is one transaction.

Rows are numbered from 1 in the order of their arrival. Nothing but `reset` deletes, so the
highest number is also the count.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from heap_sandbox import property_counts
from heap_sandbox.validation import Event, Profile

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
"""

#: In KiB. What else is in use lies on disk, so that a million events fit into little memory.
_CACHE: Final = 32 * 1024

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
}

_ADD_EVENT: Final = """
INSERT OR IGNORE INTO events
    (app_id, event, identity, user_id, timestamp, properties, idempotency_key, received_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""

_USERS_OF_NEW_EVENTS: Final = """
INSERT OR IGNORE INTO users (app_id, identity, properties, created_at, updated_at)
SELECT app_id, identity, '{}', received_at, received_at FROM events
WHERE sequence > ? AND identity IS NOT NULL ORDER BY sequence
"""


#: Columns that rows can be found by without reading all of them.
_INDEXED: Final = {("users", "identity"), ("accounts", "account_id")}


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


class Store:
    """One database: a file, or a temporary one that is gone with the store.

    SQLite keeps a temporary one in memory while it is small, and beyond that in a file without
    a name (https://sqlite.org/inmemorydb.html).

    Raises `sqlite3.Error` if the file cannot be opened or is something else.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._lock = threading.Lock()
        # Autocommit: transactions are begun by name, where they are needed.
        self._database = sqlite3.connect(file or "", check_same_thread=False, isolation_level=None)
        durability = ("WAL", "NORMAL") if file else ("MEMORY", "OFF")
        try:
            self._database.execute(f"PRAGMA cache_size = -{_CACHE}")
            self._database.execute(f"PRAGMA journal_mode = {durability[0]}")
            self._database.execute(f"PRAGMA synchronous = {durability[1]}")
            self._database.executescript(_SCHEMA + property_counts.SCHEMA)
        except sqlite3.Error:
            self._database.close()
            raise

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

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
        with self._transaction() as database:
            last = _last(database, "events")
            added = database.executemany(_ADD_EVENT, rows).rowcount
            database.execute(_USERS_OF_NEW_EVENTS, (last,))
            if added == len(rows):
                stored = [event.properties for event in events]
            else:
                new = database.execute("SELECT properties FROM events WHERE sequence > ?", (last,))
                stored = [orjson.loads(properties) for (properties,) in new]
            property_counts.add(database, "events", stored)
        return len(rows) - added

    def add_user_properties(self, app_id: str, users: Sequence[Profile], now: float) -> None:
        """Overwrite the named properties of each user, in order; the others stay."""
        self._overwrite(_USERS, app_id, users, now)

    def add_account_properties(self, app_id: str, accounts: Sequence[Profile], now: float) -> None:
        """Overwrite the named properties of each account, in order; the others stay."""
        self._overwrite(_ACCOUNTS, app_id, accounts, now)

    def _overwrite(
        self, profiles: _Profiles, app_id: str, updates: Sequence[Profile], now: float
    ) -> None:
        with self._transaction() as database:
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

    def rows(
        self,
        table: str,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int | None = None,
        newest_first: bool = False,
        **equal: str | None,
    ) -> list[dict[str, Any]]:
        """Rows of `events`, `users` or `accounts` as JSON objects, oldest first unless told.

        Those numbered above `after` and below `before`, at most `limit`, whose columns named in
        `equal` have that value; `None` sets no condition.
        """
        columns = _COLUMNS[table]
        conditions = {name: value for name, value in equal.items() if value is not None}
        unknown = conditions.keys() - set(columns)
        if unknown:
            raise TypeError(f"{table} has no column {', '.join(sorted(unknown))}")
        where = ["sequence > :after", *(f"{name} = :{name}" for name in conditions)]
        if before is not None:
            where.append("sequence < :before")
        order = "sequence DESC" if newest_first else "sequence"
        bound = {**conditions, "after": after, "before": before}
        return self._select(table, " AND ".join(where), order, limit, bound)

    def beginning_with(
        self, table: str, column: str, text: str, *, limit: int
    ) -> list[dict[str, Any]]:
        """Rows whose `column` begins with `text`, in the order of that column.

        Raises `KeyError` for a column that has no index to find them by.
        """
        if (table, column) not in _INDEXED:
            raise KeyError(f"{table}.{column}")
        # The last code point of Unicode is no character, so all that begin so lie between.
        bound = {"first": text, "last": f"{text}\U0010ffff"}
        return self._select(table, f"{column} BETWEEN :first AND :last", column, limit, bound)

    def _select(
        self, table: str, where: str, order: str, limit: int | None, bound: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        columns = _COLUMNS[table]
        # Names come from the tables of columns above; all values are bound.
        sql = f"SELECT {', '.join(columns)} FROM {table} WHERE {where}"  # noqa: S608
        sql += f" ORDER BY {order} LIMIT :limit"
        bound = {**bound, "limit": -1 if limit is None else limit}
        with self._lock:
            rows = self._database.execute(sql, bound).fetchall()
        found = [dict(zip(columns, row, strict=True)) for row in rows]
        for row in found:
            row["properties"] = orjson.loads(row["properties"])
        return found

    def property_counts(self, *, limit: int) -> tuple[list[dict[str, Any]], int]:
        """The property names sent most often, and how many more there are.

        See `property_counts.most_sent`. Of events, those stored are counted, of users and
        accounts every update.
        """
        with self._lock:
            return property_counts.most_sent(self._database, limit)

    def counts(self) -> dict[str, int]:
        """How many events, users and accounts are stored."""
        with self._lock:
            return {table: _last(self._database, table) for table in _COLUMNS}

    def reset(self) -> None:
        """Delete everything; numbers start at 1 again."""
        with self._transaction() as database:
            for table in _COLUMNS:
                database.execute(f"DELETE FROM {table}")  # noqa: S608 - a name of our own
            property_counts.clear(database)

    def close(self) -> None:
        """Close the database; a temporary one is gone then."""
        with self._lock:
            self._database.close()


def _last(database: sqlite3.Connection, table: str) -> int:
    sql = f"SELECT coalesce(max(sequence), 0) FROM {table}"  # noqa: S608 - a name of our own
    (last,) = database.execute(sql).fetchone()
    return int(last)
