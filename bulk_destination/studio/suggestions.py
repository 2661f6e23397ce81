"""A first mapping, guessed from names, types and values, and why. Pure.

Nothing here decides: a suggestion is typed into the form, where it is judged as all else is. The
kind of a field is known by its name, so that it fits any service's form.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from bulk_destination.look.columns_seen import Column
from bulk_destination.mapping.times import Times
from bulk_destination.mapping.values import NOBODY, Rejected

#: What a field asks for, by its name.
_FIELDS: Final = {
    "event_column": "event",
    "event_key_column": "event",
    "identity_column": "person",
    "user_id_column": "person",
    "account_id_column": "account",
    "timestamp_column": "time",
    "event_id_column": "id",
}
#: Names of columns, the best first.
_PERSONS: Final = (
    *("user_id", "userid", "customer_id", "customerid", "member_id", "person_id", "contact_id"),
    *("distinct_id", "identity", "uid", "user", "customer", "user_email", "customer_email"),
    *("email", "email_address", "mail"),
)
_ACCOUNTS: Final = (
    *("account_id", "company_id", "organization_id", "organisation_id", "org_id", "team_id"),
    *("workspace_id", "tenant_id", "account", "company", "organization", "domain"),
)
_TIMES: Final = (
    *("occurred_at", "happened_at", "event_time", "timestamp", "time", "created_at", "created"),
    *("ordered_at", "order_date", "placed_at", "purchased_at", "paid_at", "date", "datetime"),
    *("created_on", "signed_up_at", "started_at"),
)
_TIME_ENDINGS: Final = ("_at", "_date", "_time", "_on", "date", "time", "timestamp")
#: When a row changed is not when something happened.
_NO_TIMES: Final = ("updated", "modified", "deleted", "expires", "birth", "due")
_EVENTS: Final = ("event", "event_name", "eventname", "event_type", "event_key", "action")
#: What a table of them holds, as somebody did it.
_DONE: Final = {
    "order": "Order placed",
    "purchase": "Order placed",
    "payment": "Payment made",
    "invoice": "Invoice issued",
    "subscription": "Subscription started",
    "signup": "Signed up",
    "registration": "Signed up",
    "login": "Logged in",
    "session": "Session started",
    "ticket": "Ticket opened",
    "visit": "Page visited",
    "review": "Review written",
    "refund": "Order refunded",
    "booking": "Booking made",
}
_OF_PERSONS: Final = ("user", "customer", "contact", "member", "person", "people", "profile")
_OF_ACCOUNTS: Final = ("account", "company", "companie", "organization", "team", "workspace")
#: Of the records that show what there is, how many a column has to be filled in.
_OFTEN: Final = 0.5
#: Values that are looked at.
_MOST_VALUES: Final = 100_000
_LEAST_RECORDS: Final = 20
_EMAIL: Final = re.compile(r"\s*[^@\s]+@[^@\s]+\.[^@\s]+\s*")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What to write into a field, and why."""

    text: str
    why: str


def kind_of_stream(stream: str) -> str | None:
    """What a stream's records are, by its name: `person`, `account`, or None."""
    name = _plain(stream).removesuffix("s")
    if name.endswith(_OF_PERSONS):
        return "person"
    return "account" if name.endswith(_OF_ACCOUNTS) else None


def kind_of_field(field: str) -> str | None:
    """What a field asks for: an `event`, a `person`, an `account`, a `time`, an `id`, or None."""
    return _FIELDS.get(field)


def look_at(columns: Sequence[Column], records: Sequence[Mapping[str, Any]]) -> "Sequence[Seen]":
    """What a beginning of a stream has; of many columns, fewer records are looked at."""
    few = records[: max(_LEAST_RECORDS, _MOST_VALUES // max(1, len(columns)))]
    return [Seen(column, few) for column in columns]


def suggest(field: str, stream: str, seen: "Sequence[Seen]") -> Suggestion | None:
    """For the field of that name; None where nothing suggests itself."""
    match kind_of_field(field):
        case "event":
            return _event(stream, seen)
        case "person":
            return _person(seen)
        case "account":
            return _named(seen, _ACCOUNTS, "an account's", lambda _: True)
        case "time":
            return _time(seen)
        case "id":
            return _id(stream, seen)
    return None


class Seen:
    """A column, and all that it held."""

    def __init__(self, column: Column, records: Sequence[Mapping[str, Any]]) -> None:
        self.written = column.written
        self.name = _plain(column.keys[-1])
        self.depth = len(column.keys)
        self.values = [
            value
            for record in records
            if (value := _at(record, column.keys)) is not None
            and not (type(value) is str and not value.strip())
        ]
        self.share = len(self.values) / max(1, len(records))

    @property
    def distinct(self) -> int:
        """How many values it has."""
        return len(set(map(str, self.values)))

    def holds(self, fits: Callable[[Any], bool]) -> bool:
        """Whether nearly all values fit."""
        return bool(self.values) and sum(map(fits, self.values)) >= 0.9 * len(self.values)

    @property
    def filled(self) -> str:
        """How many records have it, in words."""
        return "all records have it" if self.share == 1 else f"{self.share:.0%} of records have it"


def _plain(name: str) -> str:
    """`orderDate` and `Order Date` as `order_date`."""
    return re.sub(r"[\W_]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)).strip("_").lower()


def _at(record: Any, keys: Iterable[str]) -> Any:
    for key in keys:
        record = record.get(key) if type(record) is dict else None
    return record


def _ranked(seen: Sequence[Seen], names: Sequence[str]) -> Iterator[Seen]:
    """Those that have one of the names, in the order of those; nearer to the top first."""
    found = [one for one in seen if one.name in names and one.share >= _OFTEN]
    yield from sorted(found, key=lambda one: (names.index(one.name), one.depth))


def _named(
    seen: Sequence[Seen], names: Sequence[str], whose: str, fits: Callable[[Any], bool]
) -> Suggestion | None:
    for one in _ranked(seen, names):
        if one.holds(lambda value: type(value) in {str, int, float} and fits(value)):
            return Suggestion(one.written, f"its name is {whose}, and {one.filled}")
    return None


def _is_somebody(value: Any) -> bool:
    return str(value).strip().lower() not in NOBODY


def _person(seen: Sequence[Seen]) -> Suggestion | None:
    for one in _ranked(seen, _PERSONS):
        if one.holds(_is_email):
            why = f"it holds email addresses, {one.filled}; in small letters, as case splits people"
            return Suggestion(f"lower({one.written})", why)
        if one.holds(lambda value: type(value) in {str, int} and _is_somebody(value)):
            nobody = sum(not _is_somebody(value) for value in one.values)
            but = f"; rejected of the first, as they say nobody: {nobody}" if nobody else ""
            return Suggestion(one.written, f"its name is a person's, and {one.filled}{but}")
    for one in sorted(seen, key=lambda one: (-one.share, one.depth)):
        if one.share >= _OFTEN and one.holds(_is_email):
            why = f"it holds email addresses, {one.filled}; in small letters, as case splits people"
            return Suggestion(f"lower({one.written})", why)
    return None


def _is_email(value: Any) -> bool:
    return type(value) is str and _EMAIL.fullmatch(value) is not None


def _time(seen: Sequence[Seen]) -> Suggestion | None:
    times = Times(ZoneInfo("UTC"), lambda: datetime.now(UTC))

    def is_time(value: Any) -> bool:
        return type(value) is not bool and not isinstance(times.read(value), Rejected)

    ending = [
        one
        for one in seen
        if one.share >= _OFTEN
        and one.name.endswith(_TIME_ENDINGS)
        and not one.name.startswith(_NO_TIMES)
    ]
    for one in (*_ranked(seen, _TIMES), *ending):
        if one.holds(is_time):
            wrong = sum(not is_time(value) for value in one.values)
            but = f"; rejected of the first, as they are no times: {wrong}" if wrong else ""
            return Suggestion(one.written, f"it holds times, and {one.filled}{but}")
    return None


def _event(stream: str, seen: Sequence[Seen]) -> Suggestion | None:
    for one in _ranked(seen, _EVENTS):
        if one.share == 1 and one.holds(lambda value: type(value) is str) and one.distinct <= 100:
            why = f"its name is an event's, all records have it, and the first say {one.distinct}"
            return Suggestion(one.written, why + (" names" if one.distinct > 1 else " name"))
    thing = _plain(stream).rpartition("_")[2].removesuffix("s")
    done = _DONE.get(thing) or f"{thing.capitalize()} created" if thing else "Record created"
    quoted = done.replace("'", "''")
    return Suggestion(f"'{quoted}'", f"no column names events: a fixed name, after `{stream}`")


def _id(stream: str, seen: Sequence[Seen]) -> Suggestion | None:
    thing = _plain(stream).rpartition("_")[2].removesuffix("s")
    names = (f"{thing}_id", f"{thing}_number", f"{thing}_no", "event_id", "id", "uuid", "_id")
    for one in _ranked(seen, tuple(map(_plain, names))):
        whole = one.share == 1 and one.holds(lambda value: type(value) in {str, int})
        if whole and one.distinct == len(one.values) > 1:
            return Suggestion(one.written, "all records have it, and no two of the first the same")
    return None
