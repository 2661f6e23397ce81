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
from integration_tests.chaos.source import Json, Row, Stream

#: What hackle-sdk 3.9.0 sends at most.
_LARGEST: Final = 9_007_199_254_740_992
_LONGEST_NAME, _LONGEST_TEXT, _MOST = 128, 1_024, 128


def events(scenario: Scenario) -> dict[int, Json]:
    """The events by their row's number; `timestamp` is None where it is the time of the sync."""
    if scenario.service == "hackle":
        [stream] = scenario.streams
        return {row.number: _user_event(stream, data) for row, _, data in _landing(scenario)}
    return {
        row.number: {
            "event": data["name"],
            "identity": _person(data),
            "timestamp": data.get("at") if stream.dated else None,
            "properties": _properties(stream, data),
        }
        for row, stream, data in _landing(scenario, "track")
    }


def _person(data: Json) -> str:
    """Who it is: a blank at an end is nobody's name."""
    return str(data["who"]).strip()


def _user_event(stream: Stream, data: Json) -> Json:
    amount, at = data.get("amount"), data.get("at") if stream.dated else None
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


def profiles(scenario: Scenario, api: str) -> dict[str, dict[str, list[Any]]]:
    """The properties of each user or account, each with the values that it may have.

    Who an event is of is a user, too.
    That is the last one, all rows in their turn. Where a process was killed, each stream begins
    again from a state of its own, and so tells again of what another had told later: then it is
    the last one of any stream.
    """
    told: dict[str, dict[str, dict[int | None, Any]]] = {}
    if api == "add_user_properties":
        told |= {_person(data): {} for _, _, data in _landing(scenario, "track")}
    for row, stream, data in _landing(scenario, api):
        who = str(data["who"]) if api == "add_account_properties" else _person(data)
        properties = _properties(stream, data)
        if api == "add_user_properties" and "id" in properties:
            properties[f"{stream.name}_id"] = properties.pop("id")
        held = told.setdefault(who, {})
        for name, value in properties.items():
            held.setdefault(name, {})[row.stream if scenario.deaths else None] = value
    return {
        who: {name: [*values.values()] for name, values in held.items()}
        for who, held in told.items()
    }


def _properties(stream: Stream, data: Json) -> Json:
    """What is sent as a property: of an object, not its own fields."""
    own = stream.fields.keys()
    return dict(_leaves("", {name: value for name, value in data.items() if name not in own}))


def counts(rows: Iterable[Row]) -> tuple[int, int]:
    """How many of `rows` are accepted, and how many rejected."""
    fates = [row.fate == "lands" for row in rows]
    return sum(fates), len(fates) - sum(fates)


def _landing(scenario: Scenario, api: str | None = None) -> Iterator[tuple[Row, Stream, Json]]:
    """The rows that land, with their streams; of those that go to `api`."""
    for row in scenario.rows:
        if row.fate == "lands":
            assert row.data is not None
            assert row.stream is not None
            stream = scenario.streams[row.stream]
            if api in {None, stream.api}:
                yield row, stream, row.data


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
