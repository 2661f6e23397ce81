"""What Heap takes and what it refuses. Pure: bytes in, items or the first fault out.

Asserts only what is known of Heap's API: its pages for track, add_user_properties and
add_account_properties and their bulk forms and for user-deletion (developers.heap.io/reference),
and answers of the live service that others have quoted. Fields nobody speaks of are accepted.

The single form is read as item 0 of the bulk form, as Heap's own messages do
(`postBody.events[0].timestamp is not a valid unix,iso8601 timestamp`, answered to a single
event: github.com/darklang/dark, pull request 3526).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, NamedTuple, TypeVar

import orjson

MOST_ITEMS: Final = 1_000  # "bulk" pages of all three APIs
MOST_DELETED: Final = 10_000  # user-deletion page
LONGEST_EVENT: Final = 1_024  # track page
LONGEST_IDENTITY: Final = 255  # track and add_user_properties pages
HIGHEST_USER_ID: Final = 2**53 - 1  # track page
TOO_LONG: Final = 1_024  # property keys and string values have "fewer than 1024 characters"

# Heap does not say whether it counts seconds or milliseconds. This is the last millisecond of a
# JavaScript Date (ECMAScript, "Time Values and Time Range"), so neither unit reaches beyond it.
LATEST_UNIX_TIME: Final = 8_640_000_000_000_000

_LONGEST_KEY_NAMED: Final = 64
_LONGEST_QUOTE: Final = 200
_UNLIMITED: Final = frozenset({int, float, bool})
_SCALARS: Final = frozenset({str, int, float, bool})
_SCALARS_AND_ARRAYS: Final = _SCALARS | {list}

_DIGITS: Final = re.compile(r"[0-9]+")
_USER_ID: Final = re.compile(r"[0-9]{1,16}")
# At most 3 fraction digits: 7 are known to be refused (the pull request above), more than 3 were
# never seen to pass. The calendar is left to `datetime`.
_ISO_8601: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,3})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)

Item = TypeVar("Item")
Json = Any
Properties = dict[str, Any]


class ValidationError(ValueError):
    """The first fault of a request: `path` names the field, `problem` says what is wrong.

    `value` is the offending value, or `None` where one is missing. `items` is the number of
    items in the request, `None` if it could not be told.
    """

    def __init__(self, path: str, problem: str, value: Json = None) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem
        self.value = value
        self.items: int | None = None

    def message(self, *, quote: bool = False) -> str:
        """Heap's manner of saying it; with `quote` the offending value is part of it."""
        text = f"postBody{self.path} {self.problem}"
        if not quote:
            return text
        shown = orjson.dumps(self.value).decode()
        return f"{text}: {shown[:_LONGEST_QUOTE]}"


class Event(NamedTuple):
    """One event; exactly one of `identity` and `user_id` is set. `timestamp` is as it came."""

    event: str
    identity: str | None
    user_id: str | None
    timestamp: str | int | float | None
    properties: Properties
    idempotency_key: str | None


class Profile(NamedTuple):
    """Properties of one user (`key` is the identity) or account (`key` is the account_id)."""

    key: str
    properties: Properties


class Deletion(NamedTuple):
    """A user to delete, by one of the two."""

    identity: str | None
    user_id: str | None


@dataclass(frozen=True, slots=True)
class Request(Generic[Item]):
    """A request without fault."""

    app_id: str
    items: list[Item]


@dataclass(frozen=True, slots=True)
class Form(Generic[Item]):
    """How one API's bodies are read: the name of its list, and the reader of one item.

    The reader takes the item and the poisonous texts; it raises `ValidationError` with a path that
    starts at the item.
    """

    list_name: str
    item: Callable[[dict[str, Json], Set[str]], Item]
    most_items: int = MOST_ITEMS

    def read(
        self, body: bytes, poison: Set[str] = frozenset(), app_id: str | None = None
    ) -> Request[Item]:
        """Read a whole request. Raises `ValidationError` for the first fault.

        Where the `app_id` is known otherwise, the body need not have it, and is a list.
        """
        document = _document(body)
        items = document.get(self.list_name, [document] if app_id is None else None)
        try:
            return Request(app_id or _app_id(document), self._items(items, poison))
        except ValidationError as fault:
            fault.items = len(items) if isinstance(items, list) else None
            raise

    def _items(self, items: Json, poison: Set[str]) -> list[Item]:
        if not isinstance(items, list):
            raise ValidationError(f".{self.list_name}", "is not a valid array", items)
        if not 1 <= len(items) <= self.most_items:
            problem = f"is not a valid array of 1 to {self.most_items} items"
            raise ValidationError(f".{self.list_name}", problem, len(items))
        read = []
        for index, item in enumerate(items):
            try:
                read.append(self.item(_object("", item), poison))
            except ValidationError as fault:
                fault.path = f".{self.list_name}[{index}]{fault.path}"
                raise
        return read


def _document(body: bytes) -> dict[str, Json]:
    try:
        # Strict JSON: NaN, infinities, broken UTF-8 and lone surrogates do not pass.
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise ValidationError("", "is not valid JSON") from None
    return _object("", document)


def _object(path: str, value: Json) -> dict[str, Json]:
    if type(value) is dict:
        return value
    raise ValidationError(path, "is not a valid object", value)


def _app_id(document: dict[str, Json]) -> str:
    app_id = document.get("app_id")
    if type(app_id) is not str or not _DIGITS.fullmatch(app_id):
        raise ValidationError(".app_id", "is not a valid app_id string", app_id)
    return app_id


def _text(item: dict[str, Json], name: str, longest: int | None = None) -> str:
    """A string that is there, not blank, and of at most `longest` characters."""
    text = item.get(name)
    if type(text) is not str or not text.strip():
        raise ValidationError(f".{name}", "is not a valid non-blank string", text)
    if longest is not None and len(text) > longest:
        raise ValidationError(f".{name}", f"is longer than {longest} characters", text)
    return text


def _event(item: dict[str, Json], poison: Set[str]) -> Event:
    event = _text(item, "event", LONGEST_EVENT)
    if ("identity" in item) == ("user_id" in item):
        raise ValidationError("", "does not have exactly one of identity, user_id")
    return Event(
        event,
        _text(item, "identity", LONGEST_IDENTITY) if "identity" in item else None,
        _user_id(item["user_id"]) if "user_id" in item else None,
        _timestamp(item["timestamp"]) if "timestamp" in item else None,
        _properties(item, poison, _SCALARS_AND_ARRAYS),
        _idempotency_key(item["idempotency_key"]) if "idempotency_key" in item else None,
    )


def _user(item: dict[str, Json], poison: Set[str]) -> Profile:
    identity = _text(item, "identity", LONGEST_IDENTITY)
    properties = _properties(item, poison, _SCALARS)
    for key in properties:
        # The page of add_user_properties bars `id`, whatever its casing.
        if key.lower() == "id":
            raise ValidationError(f".properties.{key}", "is not a valid user property name", key)
    return Profile(identity, properties)


def _account(item: dict[str, Json], poison: Set[str]) -> Profile:
    return Profile(_text(item, "account_id"), _properties(item, poison, _SCALARS))


def _deleted(item: dict[str, Json], poison: Set[str]) -> Deletion:
    if ("identity" in item) == ("user_id" in item):
        raise ValidationError("", "does not have exactly one of identity, user_id")
    if "user_id" in item:
        return Deletion(None, _user_id(item["user_id"]))
    identity = _text(item, "identity", LONGEST_IDENTITY)
    if identity in poison:
        raise ValidationError(".identity", "is not valid", identity)
    return Deletion(identity, None)


def _user_id(value: Json) -> str:
    if type(value) is str and _USER_ID.fullmatch(value) and int(value) <= HIGHEST_USER_ID:
        return value
    raise ValidationError(
        ".user_id", f"is not a valid decimal string of 0 to {HIGHEST_USER_ID}", value
    )


def _idempotency_key(value: Json) -> str:
    if type(value) is str and value:
        return value
    raise ValidationError(".idempotency_key", "is not a valid non-empty string", value)


def _timestamp(value: Json) -> str | int | float:
    if (type(value) is int or type(value) is float) and abs(value) <= LATEST_UNIX_TIME:
        return value
    if type(value) is str and _ISO_8601.fullmatch(value):
        try:
            datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            return value
    raise ValidationError(".timestamp", "is not a valid unix,iso8601 timestamp", value)


def _properties(item: dict[str, Json], poison: Set[str], types: Set[type]) -> Properties:
    properties = _object(".properties", item.get("properties", {}))
    for key, value in properties.items():
        # Nearly every property ends here; this loop is what a request spends its time in.
        sound = len(value) < TOO_LONG if type(value) is str else type(value) in _UNLIMITED
        if sound and len(key) < TOO_LONG and not poison:
            continue
        problem = _problem(key, value, types) or _poisoned(key, value, poison)
        if problem:
            raise ValidationError(f".properties.{key[:_LONGEST_KEY_NAMED]}", problem, value)
    return properties


def _problem(key: str, value: Json, types: Set[type]) -> str | None:
    if len(key) >= TOO_LONG:
        return f"has a name of {TOO_LONG} characters or more"
    kind = type(value)
    if kind is str:
        return f"has {TOO_LONG} characters or more" if len(value) >= TOO_LONG else None
    # Arrays are joined by Heap on track and cut, so their strings have no limit of their own.
    if kind not in types or (kind is list and not all(type(one) in _SCALARS for one in value)):
        allowed = "string,number,boolean" + (",array of these" if list in types else "")
        return f"is not a valid {allowed}"
    return None


def _poisoned(key: str, value: Json, poison: Set[str]) -> str | None:
    if not poison:
        return None
    texts = value if type(value) is list else [value]
    return "is not valid" if key in poison or not poison.isdisjoint(texts) else None


TRACK: Final = Form("events", _event)
ADD_USER_PROPERTIES: Final = Form("users", _user)
ADD_ACCOUNT_PROPERTIES: Final = Form("accounts", _account)
USER_DELETION: Final = Form("users", _deleted, MOST_DELETED)
