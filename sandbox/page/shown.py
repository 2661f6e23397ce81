"""How values and times of what was sent look on the page. Pure; escaping is the templates' work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

#: How much of a value, and how many properties, stand in a list; a page of its own shows all.
SHORT: Final = 48
FEW: Final = 6

_TYPES: Final = {
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


@dataclass(frozen=True, slots=True)
class Property:
    """One property: its name, its value as text, and the JSON type of it."""

    name: str
    text: str
    type: str


def value(found: Any) -> str:
    """A property's value: text as it is, anything else as JSON."""
    return found if isinstance(found, str) else orjson.dumps(found).decode()


def short(text: str) -> str:
    """The beginning of a text, with an ellipsis where it goes on."""
    return text if len(text) <= SHORT else f"{text[:SHORT]}…"


def properties(found: Mapping[str, Any]) -> list[Property]:
    """All properties, in the order they were sent in."""
    return [Property(name, value(one), _TYPES[type(one)]) for name, one in found.items()]


def moment(seconds: float) -> str:
    """Unix seconds as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")


def clock(seconds: float) -> str:
    """The time of day of Unix seconds, in UTC."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%H:%M:%S")


def day(seconds: float) -> str:
    """Date and time of Unix seconds, in UTC."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%d %H:%M:%S")


def many(found: Sequence[Any], most: int) -> str:
    """How many there are, where no more than `most` are shown."""
    return str(len(found)) if len(found) <= most else f"more than {most}"


def milliseconds(since_1970: int) -> str:
    """Unix milliseconds as ISO 8601 in UTC; the number itself beyond the years 1 to 9999."""
    try:
        when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=since_1970)
    except OverflowError:
        return str(since_1970)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
