"""Heap's three server-side APIs: what a record becomes on each. Pure.

Each API type is one class that holds its columns and turns a record into a `Payload` or a
`Rejected`. `path` and `list_name` are where and under which name the bulk form takes them:

======================  ============================  ========
class                   path                          list
======================  ============================  ========
`Track`                 `/api/track`                  events
`AddUserProperties`     `/api/add_user_properties`    users
`AddAccountProperties`  `/api/add_account_properties` accounts
======================  ============================  ========

Sources: https://developers.heap.io/reference/ with `bulk-track`, `bulk-add-user-properties` and
`bulk-add-account-properties`.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, ClassVar, Final, Protocol

import orjson

from destination_heap_analytics.catalog import Stream
from destination_heap_analytics.columns import (
    PropertyMapper,
    Record,
    compile_lookup,
    did_you_mean,
)
from destination_heap_analytics.config import (
    AccountPropertiesConfig,
    ApiConfig,
    TrackConfig,
    UserPropertiesConfig,
)
from destination_heap_analytics.values import (
    INEXACT,
    MISSING,
    Adjustments,
    Rejected,
    Scalar,
    account_identity,
    event_name,
    may_be_inexact,
    person_identity,
    repaired,
    timestamp,
    utc_milliseconds,
)

#: The current time in UTC; handed in, so that tests choose it.
Now = Callable[[], datetime]


#: One item of a bulk request: the identity it is about, and its JSON.
Payload = tuple[str, bytes]


class Api(Protocol):
    """What the rest of the connector knows of an API type."""

    path: ClassVar[str]
    list_name: ClassVar[str]
    #: Whether several updates of one identity in one request may become one.
    merges: ClassVar[bool]

    @property
    def adjustments(self) -> Adjustments: ...

    def payload(self, record: Record, emitted_at: object) -> Payload | Rejected:
        """The record's payload; `emitted_at` is Airbyte's, in milliseconds. Never raises."""

    def warnings(self) -> list[str]:
        """What the user should know at the end of a sync: names of columns, never a value."""


def make_api(config: ApiConfig, stream: Stream, now: Now = lambda: datetime.now(UTC)) -> Api:
    """The API type that the configuration names, its columns bound to the stream."""
    match config:
        case TrackConfig():
            return Track(config, stream, now)
        case UserPropertiesConfig():
            return AddUserProperties(config, stream)
        case AccountPropertiesConfig():
            return AddAccountProperties(config, stream)


class Track:
    """Events. Heap stores the first event of an idempotency key and ignores later ones."""

    path: ClassVar = "/api/track"
    list_name: ClassVar = "events"
    merges: ClassVar = False

    def __init__(self, config: TrackConfig, stream: Stream, now: Now) -> None:
        self.adjustments = Adjustments()
        self._event = compile_lookup(config.event_column, stream.schema)
        self._identity = compile_lookup(config.identity_column, stream.schema)
        self._timestamp_column = config.timestamp_column
        self._timestamp = (
            compile_lookup(config.timestamp_column, stream.schema)
            if config.timestamp_column is not None
            else lambda _: None
        )
        self._timestamp_seen = config.timestamp_column is None
        self._mapper = PropertyMapper(config.selection, stream.schema)
        self._stream = stream
        self._now = now

    def payload(self, record: Record, emitted_at: object) -> Payload | Rejected:
        identity = person_identity(self._identity(record))
        if isinstance(identity, Rejected):
            return identity
        event = event_name(self._event(record))
        if isinstance(event, Rejected):
            return event
        row = self._primary_key(record) if self._stream.primary_key else None
        if isinstance(row, Rejected):
            return row
        when = self._timestamp(record)
        if when is not MISSING:
            self._timestamp_seen = True
        defaulted = when is None or when is MISSING
        moment = utc_milliseconds(self._now()) if defaulted else timestamp(when)
        if isinstance(moment, Rejected):
            return moment
        mapped = {
            "event": event,
            "identity": identity,
            "properties": self._mapper.properties(record, self.adjustments),
            "timestamp": moment,
        }
        body = dump(mapped)
        # A time that is not the record's own would give every run another key.
        keyed = _dated_by_source(mapped, emitted_at) if defaulted else body
        key = idempotency_key(row or keyed)
        return identity, body[:-1] + b',"idempotency_key":"' + key.encode() + b'"}'

    def _primary_key(self, record: Record) -> bytes | Rejected | None:
        """Stream and primary key; None where the record lacks a part of it."""
        values = [_at(record, path) for path in self._stream.primary_key]
        if any(value is None for value in values):
            return None
        if any(map(may_be_inexact, values)):
            return INEXACT
        # Not orjson: two keys beyond 64 bits must not become one.
        try:
            return json.dumps([self._stream.namespace, self._stream.name, values]).encode()
        except RecursionError:
            return Rejected("primary_key_too_deep")

    def warnings(self) -> list[str]:
        return [
            f"`{column}` (timestamp_column) was in no record: all events are dated by the time of "
            "the sync"
            for column in [self._timestamp_column]
            if not self._timestamp_seen and column is not None
        ] + _unseen(self._mapper)


class _AddProperties:
    """What users and accounts share: the last value wins, so order is kept and no key is sent."""

    merges: ClassVar = True
    _field: ClassVar[str]
    #: Whether a selected property may have a name that Heap reserves.
    _may_clash = False

    def __init__(
        self,
        identity_column: str,
        read_identity: Callable[[object], str | Rejected],
        config: UserPropertiesConfig | AccountPropertiesConfig,
        stream: Stream,
    ) -> None:
        self.adjustments = Adjustments()
        self._read_identity = read_identity
        self._identity = compile_lookup(identity_column, stream.schema)
        self._mapper = PropertyMapper(config.selection, stream.schema)

    def payload(self, record: Record, emitted_at: object) -> Payload | Rejected:  # noqa: ARG002  # only events have a time
        identity = self._read_identity(self._identity(record))
        if isinstance(identity, Rejected):
            return identity
        properties = self._mapper.properties(record, self.adjustments)
        if self._may_clash:
            self._rename_reserved(properties)
        return identity, dump({self._field: identity, "properties": properties}, option=None)

    def _rename_reserved(self, properties: dict[str, Scalar]) -> None:
        """Accounts have no reserved names that Heap publishes."""

    def warnings(self) -> list[str]:
        return _unseen(self._mapper)


class AddUserProperties(_AddProperties):
    """User properties; a name `id` in any casing is reserved by Heap and gets the stream's name."""

    path: ClassVar = "/api/add_user_properties"
    list_name: ClassVar = "users"
    _field: ClassVar = "identity"

    def __init__(self, config: UserPropertiesConfig, stream: Stream) -> None:
        super().__init__(config.identity_column, person_identity, config, stream)
        self._reserved_as = f"{stream.name}_id"
        self._may_clash = config.selection.everything or any(
            column.name in _ID_SPELLINGS for column in config.selection.columns
        )
        self._renamed = False

    def _rename_reserved(self, properties: dict[str, Scalar]) -> None:
        # Source: https://developers.heap.io/reference/add-user-properties ("id" clashes with
        # Heap's own, whatever its casing).
        for name in _ID_SPELLINGS:
            if name in properties:
                self._renamed = True
                value = properties.pop(name)
                if properties.setdefault(self._reserved_as, value) is not value:
                    self.adjustments.left_out += 1

    def warnings(self) -> list[str]:
        renamed = (
            [f"Heap reserves the user property `id`: it was sent as `{self._reserved_as}`"]
            if self._renamed
            else []
        )
        return renamed + super().warnings()


_ID_SPELLINGS: Final = ("id", "ID", "Id", "iD")


class AddAccountProperties(_AddProperties):
    """Account properties; Heap shows them once its Account ID setting names the property."""

    path: ClassVar = "/api/add_account_properties"
    list_name: ClassVar = "accounts"
    _field: ClassVar = "account_id"

    def __init__(self, config: AccountPropertiesConfig, stream: Stream) -> None:
        super().__init__(config.account_id_column, account_identity, config, stream)


def _unseen(mapper: PropertyMapper) -> list[str]:
    return [
        f"`{column}` (property_columns) was in no record{did_you_mean(names)}"
        for column, names in mapper.never_seen()
    ]


def _dated_by_source(mapped: Mapping[str, Any], emitted_at: object) -> bytes:
    # Airbyte's is a number; a container is none, and may not be dumpable at all.
    moment = None if isinstance(emitted_at, dict | list) else emitted_at
    return dump({**mapped, "timestamp": {"emitted_at": moment}})


def _at(record: Record, path: tuple[str, ...]) -> Any:
    value: Any = record
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


# -- bytes --------------------------------------------------------------------------------------


def idempotency_key(identifying: bytes) -> str:
    """32 hexadecimal digits, the same on every run, machine and Python version.

    Heap takes any text (https://developers.heap.io/reference/track-1); its partner endpoint
    wants at least 8 characters. A hash, so that no personal data can be read in it.
    """
    return blake2b(identifying, digest_size=16).hexdigest()


def dump(value: Any, option: int | None = orjson.OPT_SORT_KEYS) -> bytes:
    """JSON; with sorted keys, equal values give equal bytes."""
    try:
        return orjson.dumps(value, option=option)
    except orjson.JSONEncodeError:
        return orjson.dumps(repaired(value), option=option)
