"""What a stand-in was sent, in SQLite. Thread safe; every write is one transaction.

Rows are numbered from 1 in the order of their arrival. Nothing here but `reset` deletes, so the
highest number is also the count; a store that deletes counts anew. Knows nothing of the service:
tables are handed in.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from sandbox import event_counts, property_counts

#: In KiB. What else is in use lies on disk, so that a million events fit into little memory.
_CACHE: Final = 32 * 1024


@dataclass(frozen=True, slots=True)
class Tables:
    """What a service keeps.

    `schema` is SQL that creates the tables where they are missing; each has a `sequence` as its
    integer key. `columns` names the columns that are read, by table; those in `json` hold JSON.
    `indexed` are the columns that rows can be found by without reading all of them. `event_name` is
    the column of `events` that says what happened.
    """

    schema: str
    columns: Mapping[str, tuple[str, ...]]
    json: frozenset[str]
    indexed: frozenset[tuple[str, str]]
    event_name: str


class Database:
    """One database: a file, or a temporary one that is gone with the object.

    SQLite keeps a temporary one in memory while it is small, and beyond that in a file without
    a name (https://sqlite.org/inmemorydb.html).

    Raises `sqlite3.Error` if the file cannot be opened or is something else.
    """

    def __init__(self, tables: Tables, file: Path | None = None) -> None:
        self._tables = tables
        self._lock = threading.Lock()
        # Autocommit: transactions are begun by name, where they are needed.
        self._database = sqlite3.connect(file or "", check_same_thread=False, isolation_level=None)
        durability = ("WAL", "NORMAL") if file else ("MEMORY", "OFF")
        try:
            self._database.execute(f"PRAGMA cache_size = -{_CACHE}")
            self._database.execute(f"PRAGMA journal_mode = {durability[0]}")
            self._database.execute(f"PRAGMA synchronous = {durability[1]}")
            self._database.executescript(tables.schema + property_counts.SCHEMA)
            event_counts.create(self._database, tables.event_name)
        except sqlite3.Error:
            self._database.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All that is written while the block runs, or nothing where it raises."""
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def rows(
        self,
        table: str,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int | None = None,
        newest_first: bool = False,
        most_bytes: int | None = None,
        **equal: str | None,
    ) -> list[dict[str, Any]]:
        """Rows of a table as JSON objects, oldest first unless told.

        Those numbered above `after` and below `before`, at most `limit`, whose columns named in
        `equal` have that value; `None` sets no condition. None more is read once the JSON in them
        has `most_bytes`.
        """
        columns = self._tables.columns[table]
        conditions = {name: value for name, value in equal.items() if value is not None}
        unknown = conditions.keys() - set(columns)
        if unknown:
            raise TypeError(f"{table} has no column {', '.join(sorted(unknown))}")
        where = ["sequence > :after", *(f"{name} = :{name}" for name in conditions)]
        if before is not None:
            where.append("sequence < :before")
        order = "sequence DESC" if newest_first else "sequence"
        bound = {**conditions, "after": after, "before": before}
        return self._select(table, " AND ".join(where), order, limit, bound, most_bytes=most_bytes)

    def beginning_with(
        self, table: str, column: str, text: str, *, limit: int
    ) -> list[dict[str, Any]]:
        """Rows whose `column` begins with `text`, in the order of that column.

        Raises `KeyError` for a column that has no index to find them by.
        """
        if (table, column) not in self._tables.indexed:
            raise KeyError(f"{table}.{column}")
        # The last code point of Unicode is no character, so all that begin so lie between.
        bound = {"first": text, "last": f"{text}\U0010ffff"}
        return self._select(table, f"{column} BETWEEN :first AND :last", column, limit, bound)

    def _select(
        self,
        table: str,
        where: str,
        order: str,
        limit: int | None,
        bound: Mapping[str, Any],
        *,
        most_bytes: int | None = None,
    ) -> list[dict[str, Any]]:
        columns = self._tables.columns[table]
        # Names come from the tables of columns above; all values are bound.
        sql = f"SELECT {', '.join(columns)} FROM {table} WHERE {where}"  # noqa: S608
        sql += f" ORDER BY {order} LIMIT :limit"
        bound = {**bound, "limit": -1 if limit is None else limit}
        left = float("inf") if most_bytes is None else most_bytes
        found: list[dict[str, Any]] = []
        with self._lock:
            for values in self._database.execute(sql, bound):
                row = dict(zip(columns, values, strict=True))
                for name in self._tables.json & row.keys():
                    left -= len(row[name])
                    row[name] = orjson.loads(row[name])
                found.append(row)
                if left <= 0:
                    break
        return found

    def property_counts(self, *, limit: int) -> tuple[list[dict[str, Any]], int]:
        """The property names sent most often, and how many more there are.

        See `property_counts.most_sent`.
        """
        with self._lock:
            return property_counts.most_sent(self._database, limit)

    def event_counts(self, *, limit: int) -> tuple[list[tuple[str, int]], int]:
        """The most frequent event names with their counts, and how many more names there are."""
        with self._lock:
            return event_counts.most(self._database, limit)

    def event_count(self, name: str) -> int:
        """How many events have that name."""
        with self._lock:
            return event_counts.count(self._database, name)

    def counts(self) -> dict[str, int]:
        """How many rows each table has."""
        with self._lock:
            return {table: last(self._database, table) for table in self._tables.columns}

    def reset(self) -> None:
        """Delete everything; numbers start at 1 again."""
        with self.transaction() as database:
            for table in self._tables.columns:
                database.execute(f"DELETE FROM {table}")  # noqa: S608 - a name of our own
            property_counts.clear(database)
            event_counts.clear(database)

    def close(self) -> None:
        """Close the database; a temporary one is gone then."""
        with self._lock:
            self._database.close()


def last(database: sqlite3.Connection, table: str) -> int:
    """The highest number in a table; 0 where it is empty."""
    sql = f"SELECT coalesce(max(sequence), 0) FROM {table}"  # noqa: S608 - a name of our own
    (last,) = database.execute(sql).fetchone()
    return int(last)
