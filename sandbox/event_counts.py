"""How often each event was stored, by its name: one table of the store.

Counted as they arrive, in the transaction that stores them, as property names are. Knows nothing
of the service.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from typing import Final

_SCHEMA: Final = """
CREATE TABLE event_counts (name TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID
"""
_ADD: Final = """
INSERT INTO event_counts (name, count) VALUES (?, ?)
ON CONFLICT (name) DO UPDATE SET count = count + excluded.count
"""
_MOST: Final = "SELECT name, count FROM event_counts ORDER BY count DESC, name LIMIT ?"


def create(database: sqlite3.Connection, column: str) -> None:
    """Make the table where it is missing; `column` of the table `events` holds the names.

    A file that an older version filled has events by then, which are counted once.
    """
    if not database.execute("PRAGMA table_info(event_counts)").fetchone():
        database.execute(_SCHEMA)
        database.execute(
            f"INSERT INTO event_counts SELECT {column}, count(*) FROM events "  # noqa: S608
            f"GROUP BY {column}"
        )


def add(database: sqlite3.Connection, names: Iterable[str]) -> None:
    """Count one more event of each name."""
    database.executemany(_ADD, Counter(names).items())


def most(database: sqlite3.Connection, limit: int) -> tuple[list[tuple[str, int]], int]:
    """The most frequent names with their counts, at most `limit`, and how many more there are."""
    (total,) = database.execute("SELECT count(*) FROM event_counts").fetchone()
    found = database.execute(_MOST, (limit,)).fetchall()
    return found, total - len(found)


def count(database: sqlite3.Connection, name: str) -> int:
    """How many events have that name."""
    row = database.execute("SELECT count FROM event_counts WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0


def clear(database: sqlite3.Connection) -> None:
    """Forget all counts."""
    database.execute("DELETE FROM event_counts")
