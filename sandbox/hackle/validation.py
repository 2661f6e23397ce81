"""What the local Hackle takes and what it refuses. Pure: headers and bytes in, events out.

Hackle publishes nothing about this endpoint. The one description of it is its own client,
hackle-sdk 3.9.0 on PyPI (`internal/event/event_dispatcher.py`, `internal/http/http_client.py`,
`internal/model/properties_builder.py`, `internal/user/identifiers_builder.py`). So this takes
what that client can send, field by field, and refuses everything else. The live service may take
more. That a request without a key is 401 is known of the documented API only
(`POST https://api.hackle.io/v1/track`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Set
from typing import Any, Final, NamedTuple

import orjson

MOST_EVENTS: Final = 500  # `event_dispatch_size` in hackle.py
LARGEST_NUMBER: Final = 2**53  # `is_finite_number` in internal/type/hackle_types.py
LONGEST_IDENTIFIER_TYPE: Final = 128
LONGEST_IDENTIFIER: Final = 512
MOST_PROPERTIES: Final = 128
LONGEST_KEY: Final = 128
LONGEST_TEXT: Final = 1_024
SYSTEM_KEY_PREFIX: Final = "$"  # keys of Hackle's own, whose values have no rule

SDK_KEY: Final = "X-HACKLE-SDK-KEY"
#: The other headers that come with every request, and how they look.
_HEADERS: Final = {
    "X-HACKLE-SDK-NAME": re.compile(r"\S+"),
    "X-HACKLE-SDK-VERSION": re.compile(r"\S+"),
    "X-HACKLE-SDK-TIME": re.compile(r"[0-9]{13}"),
    "Content-Type": re.compile(r"application/json"),
}
_ENVELOPE: Final = {"exposureEvents", "trackEvents", "remoteConfigEvents"}
_LONGEST_NAMED: Final = 64
_LONGEST_QUOTE: Final = 200

Json = Any
Properties = dict[str, Any]


class ValidationError(ValueError):
    """The first fault of a request: `path` names the field, `problem` says what is wrong.

    `value` is the offending value, or `None` where one is missing. `items` is the number of
    events in the request, `None` if it could not be told.
    """

    def __init__(self, path: str, problem: str, value: Json = None, status: int = 400) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem
        self.value = value
        self.status = status
        self.items: int | None = None

    def message(self, *, quote: bool = False) -> str:
        """In words; with `quote` the offending value is part of them."""
        text = f"{self.path} {self.problem}"
        if not quote:
            return text
        return f"{text}: {orjson.dumps(self.value).decode()[:_LONGEST_QUOTE]}"


class Event(NamedTuple):
    """One track event; `sent` is all of it, as it came. `user_id` is its identifier `$id`."""

    insert_id: str
    timestamp: int
    user_id: str | None
    event_key: str
    value: int | float | None
    properties: Properties
    user_properties: Properties
    sent: dict[str, Json]


def read_key(headers: Mapping[str, str]) -> str:
    """The SDK key of a request with all headers of the SDK. Raises `ValidationError`."""
    key = headers.get(SDK_KEY, "").strip()
    if not key:
        raise ValidationError(f"header {SDK_KEY}", "is missing", status=401)
    for name, form in _HEADERS.items():
        if not form.fullmatch(headers.get(name, "")):
            raise ValidationError(f"header {name}", f"is not {form.pattern}", headers.get(name))
    return key


def read_events(body: bytes, poison: Set[str] = frozenset()) -> list[Event]:
    """The events of a request. Raises `ValidationError` for the first fault."""
    try:
        # Strict JSON: NaN, infinities, broken UTF-8 and lone surrogates do not pass.
        document = _object("body", orjson.loads(body))
    except orjson.JSONDecodeError:
        raise ValidationError("body", "is not valid JSON") from None
    _exactly("body", document, _ENVELOPE)
    for name in ("exposureEvents", "remoteConfigEvents"):
        if document[name] != []:
            raise ValidationError(name, "is not empty; the local Hackle takes track events only")
    items = document["trackEvents"]
    if type(items) is not list or not 1 <= len(items) <= MOST_EVENTS:
        raise ValidationError("trackEvents", f"is not an array of 1 to {MOST_EVENTS} events")
    try:
        return [_event(f"trackEvents[{at}]", item, poison) for at, item in enumerate(items)]
    except ValidationError as fault:
        fault.items = len(items)
        raise


def _event(path: str, item: Json, poison: Set[str]) -> Event:
    event = _object(path, item)
    _exactly(path, event, _FIELDS.keys())
    for name, check in _FIELDS.items():
        check(f"{path}.{name}", event[name])
    if event["userId"] != event["identifiers"].get("$id"):
        raise ValidationError(f"{path}.userId", "is not the identifier $id", event["userId"])
    if poison:
        _not_poisoned(f"{path}.properties", event["properties"], poison)
    return Event(
        insert_id=event["insertId"],
        timestamp=event["timestamp"],
        user_id=event["userId"],
        event_key=event["eventTypeKey"],
        value=event["value"],
        properties=event["properties"],
        user_properties=event["userProperties"],
        sent=event,
    )


def _object(path: str, value: Json) -> dict[str, Json]:
    if type(value) is dict:
        return value
    raise ValidationError(path, "is not an object", value)


def _exactly(path: str, value: dict[str, Json], names: Set[str]) -> None:
    # What a caller chose may be data: only the names of fields that are known are named.
    for name in sorted(names - value.keys()):
        raise ValidationError(f"{path}.{name}", "is missing")
    if value.keys() - names:
        raise ValidationError(path, "has a field that the SDK does not send")


def _text(path: str, value: Json) -> None:
    if type(value) is not str or not value:
        raise ValidationError(path, "is not a non-empty string", value)


def _whole(path: str, value: Json) -> None:
    if type(value) is not int or abs(value) > LARGEST_NUMBER:
        raise ValidationError(path, "is not a whole number", value)


def _user_id(path: str, value: Json) -> None:
    if value is not None:
        _identifier(path, value)


def _identifier(path: str, value: Json) -> None:
    _text(path, value)
    if len(value) > LONGEST_IDENTIFIER:
        raise ValidationError(path, f"is longer than {LONGEST_IDENTIFIER} characters", value)


def _identifiers(path: str, value: Json) -> None:
    for kind, identifier in _object(path, value).items():
        if not 1 <= len(kind) <= LONGEST_IDENTIFIER_TYPE:
            problem = f"has a type that is not of 1 to {LONGEST_IDENTIFIER_TYPE} characters"
            raise ValidationError(path, problem, kind)
        _identifier(f"{path}.{kind[:_LONGEST_NAMED]}", identifier)
    if not value:
        raise ValidationError(path, "is empty", value)


def _number_or_null(path: str, value: Json) -> None:
    if value is not None and not _is_number(value):
        raise ValidationError(path, "is not null and no finite number of at most 2^53", value)


def _is_number(value: Json) -> bool:
    kind = type(value)
    return (kind is int or (kind is float and math.isfinite(value))) and (
        abs(value) <= LARGEST_NUMBER
    )


def _empty(path: str, value: Json) -> None:
    if value != {}:
        raise ValidationError(path, "is not an empty object", value)


def _properties(path: str, value: Json) -> None:
    properties = _object(path, value)
    if len(properties) > MOST_PROPERTIES:
        raise ValidationError(path, f"has more than {MOST_PROPERTIES} keys", len(properties))
    for key, one in properties.items():
        if not 1 <= len(key) <= LONGEST_KEY:
            problem = f"has a key that is not of 1 to {LONGEST_KEY} characters"
            raise ValidationError(path, problem, key)
        system = key.startswith(SYSTEM_KEY_PREFIX) and one is not None
        wrong = None if system else _wrong_with(one)
        if wrong:
            raise ValidationError(f"{path}.{key[:_LONGEST_NAMED]}", wrong, one)


def _wrong_with(value: Json) -> str | None:
    kind = type(value)
    if kind is str:
        return f"is longer than {LONGEST_TEXT} characters" if len(value) > LONGEST_TEXT else None
    if kind is bool or _is_number(value):
        return None
    if kind is list:
        # Of arrays the SDK keeps texts and numbers, not booleans.
        sound = all(
            len(one) <= LONGEST_TEXT if type(one) is str else _is_number(one) for one in value
        )
        return None if sound else "is not an array of strings and finite numbers"
    return "is not a boolean, a string or a finite number of at most 2^53"


def _not_poisoned(path: str, properties: Properties, poison: Set[str]) -> None:
    for key, value in properties.items():
        if key in poison or (type(value) is str and value in poison):
            raise ValidationError(f"{path}.{key[:_LONGEST_NAMED]}", "is not valid", value)


#: Every field of a track event, in the SDK's order, with its rule.
_FIELDS: Final[dict[str, Callable[[str, Json], None]]] = {
    "insertId": _text,
    "timestamp": _whole,
    "userId": _user_id,
    "identifiers": _identifiers,
    "userProperties": _properties,
    "hackleProperties": _empty,
    "eventTypeId": _whole,
    "eventTypeKey": _text,
    "value": _number_or_null,
    "properties": _properties,
}
