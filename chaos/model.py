"""What Heap must hold once the input was applied in order. Pure, and written apart from the
connector: the rules are those of the README and of Heap's pages, in the plainest words.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from chaos.scenario import Scenario
from chaos.source import STREAM, Json, Row


def events(scenario: Scenario) -> dict[int, Json]:
    """The events by their row's number; `timestamp` is None where it is the time of the sync."""
    return {
        row.number: {
            "event": data["name"],
            "identity": str(data["who"]),
            "timestamp": data.get("at") if scenario.dated else None,
            "properties": dict(_leaves("", data)),
        }
        for row, data in _landing(scenario)
    }


def profiles(scenario: Scenario) -> dict[str, Json]:
    """The properties of each user or account: every row in its turn, the later value winning."""
    held: dict[str, Json] = {}
    for _, data in _landing(scenario):
        properties = dict(_leaves("", data))
        if scenario.api == "add_user_properties" and "id" in properties:
            properties[f"{STREAM}_id"] = properties.pop("id")
        held.setdefault(str(data["who"]), {}).update(properties)
    return held


def counts(rows: Iterable[Row]) -> tuple[int, int]:
    """How many of `rows` are accepted, and how many rejected."""
    fates = [row.fate == "lands" for row in rows]
    return sum(fates), len(fates) - sum(fates)


def _landing(scenario: Scenario) -> Iterator[tuple[Row, Json]]:
    for row in scenario.rows:
        if row.fate == "lands":
            assert row.data is not None
            yield row, row.data


def _leaves(prefix: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A record as Heap's flat properties: dotted names, arrays joined, null left out."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _leaves(f"{prefix}.{key}" if prefix else key, below)
    elif isinstance(value, list):
        texts = [
            one if isinstance(one, str) else json.dumps(one) for one in value if one is not None
        ]
        yield prefix, "||".join(texts)
    elif value is not None:
        yield prefix, value
