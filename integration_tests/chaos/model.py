"""What Heap or Hackle must hold once the input was applied in order. Pure, and written apart from
the connectors: the rules are those of the documents and of the services' pages, in the plainest
words.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from integration_tests.chaos.scenario import Scenario
from integration_tests.chaos.source import STREAM, Json, Row

#: What hackle-sdk 3.9.0 sends at most.
_LARGEST: Final = 9_007_199_254_740_992
_LONGEST_NAME, _LONGEST_TEXT, _MOST = 128, 1_024, 128


def events(scenario: Scenario) -> dict[int, Json]:
    """The events by their row's number; `timestamp` is None where it is the time of the sync."""
    if scenario.service == "hackle":
        return {row.number: _user_event(scenario, data) for row, data in _landing(scenario)}
    return {
        row.number: {
            "event": data["name"],
            "identity": _person(data),
            "timestamp": data.get("at") if scenario.dated else None,
            "properties": dict(_leaves("", data)),
        }
        for row, data in _landing(scenario)
    }


def _person(data: Json) -> str:
    """Who it is: a blank at an end is nobody's name."""
    return str(data["who"]).strip()


def _user_event(scenario: Scenario, data: Json) -> Json:
    amount, at = data.get("amount"), data.get("at") if scenario.dated else None
    fitting = {name: value for name, value in _leaves("", _fitting(data)) if _fits(name, value)}
    return {
        "event_key": data["name"],
        "user_id": _person(data),
        "value": json.loads(amount) if isinstance(amount, str) else amount,
        "timestamp": at and round(datetime.fromisoformat(at).timestamp() * 1_000),
        "properties": {
            name: value[:_LONGEST_TEXT] if isinstance(value, str) else value
            for name, value in sorted(fitting.items())[:_MOST]
        },
    }


def _fitting(value: Any) -> Any:
    """A value without the members of arrays that Hackle's SDK would not send."""
    if isinstance(value, dict):
        return {name: _fitting(below) for name, below in value.items()}
    return [one for one in value if _fits("1", one)] if isinstance(value, list) else value


def _fits(name: str, value: Any) -> bool:
    number = isinstance(value, int | float)
    return len(name) <= _LONGEST_NAME and not (
        number and (not math.isfinite(value) or abs(value) > _LARGEST)
    )


def profiles(scenario: Scenario) -> dict[str, Json]:
    """The properties of each user or account: every row in its turn, the later value winning."""
    held: dict[str, Json] = {}
    for _, data in _landing(scenario):
        properties = dict(_leaves("", data))
        if scenario.api == "add_user_properties" and "id" in properties:
            properties[f"{STREAM}_id"] = properties.pop("id")
        account = scenario.api == "add_account_properties"
        held.setdefault(str(data["who"]) if account else _person(data), {}).update(properties)
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
