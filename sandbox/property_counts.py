"""How often each property name was sent, by the JSON type of its value: one table of the store.

Counted as they arrive, in the transaction that stores them, so that nobody has to read a million
events to know. Knows nothing of the service.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final

import orjson

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS property_counts (
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (source, name, type)
) WITHOUT ROWID;
"""

_JSON_TYPES: Final = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
}

_ADD: Final = """
INSERT INTO property_counts (source, name, type, count) VALUES (?, ?, ?, ?)
ON CONFLICT (source, name, type) DO UPDATE SET count = count + excluded.count
"""
_NAMES: Final = "SELECT count(*) FROM (SELECT DISTINCT source, name FROM property_counts)"
_MOST_SENT: Final = """
SELECT source, name, json_group_object(type, count), sum(count) AS total FROM property_counts
GROUP BY source, name ORDER BY total DESC, source, name LIMIT ?
"""


def add(database: sqlite3.Connection, source: str, sent: Sequence[Mapping[str, Any]]) -> None:
    """Count the properties of each item; `source` is the table they belong to."""
    pairs = (zip(one, map(type, one.values()), strict=True) for one in sent)
    counts: Counter[tuple[str, str]] = Counter()
    for (name, kind), count in Counter(chain.from_iterable(pairs)).items():
        counts[name, _JSON_TYPES[kind]] += count
    rows = ((source, name, kind, count) for (name, kind), count in counts.items())
    database.executemany(_ADD, rows)


def most_sent(database: sqlite3.Connection, limit: int) -> tuple[list[dict[str, Any]], int]:
    """The names sent most often, at most `limit`, and how many more there are.

    Each has `source`, `name`, `types` (count by JSON type) and `count`, their sum.
    """
    (total,) = database.execute(_NAMES).fetchone()
    found = [
        {"source": source, "name": name, "types": orjson.loads(types), "count": count}
        for source, name, types, count in database.execute(_MOST_SENT, (limit,))
    ]
    return found, total - len(found)


def clear(database: sqlite3.Connection) -> None:
    """Forget all counts."""
    database.execute("DELETE FROM property_counts")
