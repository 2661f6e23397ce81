"""Heap's server-side APIs: what a record becomes on each. Pure.

Each API type is one class that holds its columns and turns a record into a `Payload` or a
`Rejected`. `path` and `list_name` are where and under which name the bulk form takes them:

======================  ============================  ========
class                   path                          list
======================  ============================  ========
`Track`                 `/api/track`                  events
`AddUserProperties`     `/api/add_user_properties`    users
`AddAccountProperties`  `/api/add_account_properties` accounts
`DeleteUsers`           `/api/public/v0/user_deletion` users
======================  ============================  ========

Sources: https://developers.heap.io/reference/ with `bulk-track`, `bulk-add-user-properties`,
`bulk-add-account-properties` and `user-deletion`.
"""

from collections.abc import Set
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import ClassVar, Final
from zoneinfo import ZoneInfo

from bulk_destination.errors import Fault
from bulk_destination.mapping.bookkeeping import DELETED_AT, is_deleted
from bulk_destination.mapping.columns import Record
from bulk_destination.mapping.entries import fixed_texts
from bulk_destination.mapping.idempotency import EventKeys, emitted
from bulk_destination.mapping.lookups import Found, compile_expression, compile_identity, is_nothing
from bulk_destination.mapping.payload_json import dump
from bulk_destination.mapping.presence import Presence, nearest_of
from bulk_destination.mapping.properties import PropertyMapper, Scalar, cut
from bulk_destination.mapping.reading import Reading
from bulk_destination.mapping.record_mapper import MapRecord, Payload, RecordMapper
from bulk_destination.mapping.stream import Stream
from bulk_destination.mapping.times import Now, Times, utc_milliseconds, zone_assumed
from bulk_destination.mapping.values import (
    DELETED,
    MISSING,
    NOTHING_TO_SAY,
    Adjustments,
    Identifier,
    Rejected,
    Skipped,
)
from destination_heap_analytics.config import (
    ACCOUNT_PROPERTIES_PATH,
    TRACK_PATH,
    USER_DELETION_PATH,
    USER_PROPERTIES_PATH,
    AccountPropertiesConfig,
    ApiConfig,
    DeleteUsersConfig,
    TrackConfig,
    UserPropertiesConfig,
    why_not_plain,
)
from destination_heap_analytics.objects import OBJECTS
from destination_heap_analytics.values import (
    ACCOUNT,
    DELETED_PERSON,
    PERSON,
    PROPERTY_LIMITS,
    event_name,
)


def api_class(
    config: ApiConfig,
) -> "type[Track | AddUserProperties | AddAccountProperties | DeleteUsers]":
    """The class of the API type that the configuration names."""
    match config:
        case TrackConfig():
            return Track
        case UserPropertiesConfig():
            return AddUserProperties
        case AccountPropertiesConfig():
            return AddAccountProperties
        case DeleteUsersConfig():
            return DeleteUsers
    raise TypeError("routing.py chooses one API for each stream")


def make_api(
    config: ApiConfig, stream: Stream, now: Now = lambda: datetime.now(UTC)
) -> RecordMapper:
    """The API type that the configuration names, its columns bound to the stream."""
    match config:
        case TrackConfig():
            return Track(config, stream, now)
        case UserPropertiesConfig():
            return AddUserProperties(config, stream)
        case AccountPropertiesConfig():
            return AddAccountProperties(config, stream)
        case DeleteUsersConfig():
            return DeleteUsers(config, stream)
    raise TypeError("routing.py chooses one API for each stream")


class Track:
    """Events. Heap stores the first event of an idempotency key and ignores later ones."""

    kind: ClassVar = "track"
    path: ClassVar = TRACK_PATH
    list_name: ClassVar = "events"
    merges: ClassVar = False
    event: ClassVar[tuple[str, str] | None] = ("event", "event_column")

    def __init__(self, config: TrackConfig, stream: Stream, now: Now) -> None:
        self.adjustments = Adjustments()
        reading = Reading(stream.schema)
        event = reading.value("api.event_column", config.event_column, event_name)
        identity = reading.identity("api.identity_column", config.identity_column)
        zone = ZoneInfo(config.time_zone)
        # A fixed time is read once before all records, and is none of theirs.
        fits = Times(zone, now).read
        when = reading.optional("api.timestamp_column", config.timestamp_column, fits)
        self._times = Times(zone, now)
        self._fields_set = config.model_fields_set
        selection = reading.properties("api.property_columns", config.property_columns)
        event_id = reading.event_id("api.event_id_column", config.event_id_column)
        reading.done()
        self.names = reading.names
        self._skips_deleted = DELETED_AT not in reading.columns
        self.presence = Presence(
            {PERSON.field: identity, "event": event, **reading.event_ids},
            stream.schema,
            fixed={"event"},
        )
        self._event = compile_expression(event, stream.schema, Found(event))
        found_identity = Found(identity)
        self._identity, self._read_identity = compile_identity(
            identity, stream.schema, PERSON, found_identity
        )
        self._timestamp_column = config.timestamp_column
        found_time = Found(when)
        self._timestamp = (
            compile_expression(when, stream.schema, found_time)
            if when is not None
            else lambda _: None
        )
        self._when = when
        self._timestamp_seen = when is None
        self._without_timestamp: Record = {}
        self._mapper = PropertyMapper(
            selection, stream.schema, PROPERTY_LIMITS, written=stream.object_name not in OBJECTS
        )
        self._keys = EventKeys(stream, fixed_texts(event), event_id)
        self.found = reading.several(
            ("identity_column", found_identity), ("timestamp_column", found_time)
        )
        self.defaulted = 0
        self._now = now
        self.payload = self._compiled()

    def _compiled(self) -> MapRecord:
        """`payload`, with what is the same for every record in its variables."""
        look_up, read_identity, skips_deleted = (
            self._identity,
            self._read_identity,
            self._skips_deleted,
        )
        event_of, time_of, keys = self._event, self._timestamp, self._keys
        row_of, key_of = keys.row if keys.may_have_rows else None, keys.key
        read_time, now = self._times.read, self._now
        properties_of, adjustments = self._mapper.properties, self.adjustments

        def payload(record: Record, emitted_at: object) -> Payload | Rejected | Skipped:
            if DELETED_AT in record and skips_deleted and is_deleted(record):
                return DELETED
            identity = read_identity(look_up(record))
            if isinstance(identity, Rejected):
                return identity
            event = event_name(event_of(record))
            if isinstance(event, Rejected):
                return event
            row = row_of(record) if row_of is not None else None
            if isinstance(row, Rejected):
                return row
            when = time_of(record)
            if when is not MISSING:
                self._timestamp_seen = True
            elif not self._timestamp_seen:
                self._without_timestamp = record
            moment, timeless = read_time(when), None
            if isinstance(moment, Rejected):
                if not is_nothing(when):
                    return moment
                self.defaulted += 1
                moment, timeless = utc_milliseconds(now()), partial(emitted, emitted_at)
            mapped = {
                "event": event,
                "identity": identity,
                "properties": properties_of(record, adjustments),
                "timestamp": moment,
            }
            body = dump(mapped, adjustments)
            key = key_of(row, record, mapped, body, timeless)
            return identity, body[:-1] + b',"idempotency_key":"' + key.encode() + b'"}', key

        return payload

    def warnings(self) -> list[str]:
        unseen = (
            f"`{self._timestamp_column}` (timestamp_column) was in no record: all events are dated "
            f"by the time of the sync{nearest_of(self._when, self._without_timestamp)}"
        )
        return [unseen] * (not self._timestamp_seen) + [
            *zone_assumed(self._times, self._timestamp_column, self._fields_set),
            *self._mapper.warnings(),
            *self._keys.warnings(),
            *cut(self.adjustments),
        ]

    @property
    def sent_names(self) -> Set[str]:
        return self._mapper.seen_names

    def notices(self) -> list[str]:
        return self._keys.notices()


class _AddProperties:
    """What users and accounts share: the last value wins, so order is kept and no key is sent."""

    merges: ClassVar = True
    #: An update has no time.
    defaulted: ClassVar = 0
    event: ClassVar[tuple[str, str] | None] = None
    _field: ClassVar[str]
    #: Whether a selected property may have a name that Heap reserves.
    _may_clash = False
    payload: MapRecord

    def __init__(
        self,
        identity_column: str,
        identifier: Identifier,
        config: UserPropertiesConfig | AccountPropertiesConfig,
        stream: Stream,
    ) -> None:
        self.adjustments = Adjustments()
        reading = Reading(stream.schema)
        field = f"api.{identifier.field}_column"
        identity = reading.identity(field, identity_column)
        self._selection = reading.properties("api.property_columns", config.property_columns)
        reading.done()
        self.names = reading.names
        self._skips_deleted = DELETED_AT not in reading.columns
        self.presence = Presence({identifier.field: identity}, stream.schema)
        found_identity = Found(identity)
        self._identity, self._read_identity = compile_identity(
            identity, stream.schema, identifier, found_identity
        )
        self._mapper = PropertyMapper(
            self._selection,
            stream.schema,
            PROPERTY_LIMITS,
            written=stream.object_name not in OBJECTS,
        )
        self.found = reading.several((f"{identifier.field}_column", found_identity))

    def _compiled(self) -> MapRecord:
        """`payload`, with what is the same for every record in its variables."""
        look_up, read_identity, skips_deleted = (
            self._identity,
            self._read_identity,
            self._skips_deleted,
        )
        properties_of, adjustments = self._mapper.properties, self.adjustments
        field, fixed, may_clash = self._field, self._mapper.fixed, self._may_clash

        def payload(record: Record, emitted_at: object) -> Payload | Rejected | Skipped:  # noqa: ARG001  # only events have a time
            if DELETED_AT in record and skips_deleted and is_deleted(record):
                return DELETED
            identity = read_identity(look_up(record))
            if isinstance(identity, Rejected):
                return identity
            properties = properties_of(record, adjustments)
            if not properties or (fixed and fixed.issuperset(properties)):
                return NOTHING_TO_SAY
            if may_clash:
                self._rename_reserved(properties)
            body = dump({field: identity, "properties": properties}, adjustments, None)
            # A copy: orjson hands out the buffer that it wrote into, of 4 kB and more.
            return identity, b"".join((body, b"")), identity

        return payload

    @property
    def sent_names(self) -> Set[str]:
        return self._mapper.seen_names

    def notices(self) -> list[str]:
        """Updates need no key."""
        return []

    def _rename_reserved(self, properties: dict[str, Scalar]) -> None:
        """Accounts have no reserved names that Heap publishes."""

    def warnings(self) -> list[str]:
        return [*self._mapper.warnings(), *cut(self.adjustments)]


class AddUserProperties(_AddProperties):
    """User properties; a name `id` in any casing is reserved by Heap and gets the stream's name."""

    kind: ClassVar = "add_user_properties"
    path: ClassVar = USER_PROPERTIES_PATH
    list_name: ClassVar = "users"
    _field: ClassVar = "identity"

    def __init__(self, config: UserPropertiesConfig, stream: Stream) -> None:
        super().__init__(config.identity_column, PERSON, config, stream)
        self._reserved_as = f"{stream.name}_id"
        self._may_clash = self._selection.everything is not None or any(
            column.name in _ID_SPELLINGS for column in self._selection.columns
        )
        self._renamed = False
        self.payload = self._compiled()

    @property
    def sent_names(self) -> Set[str]:
        names = self._mapper.seen_names
        return {self._reserved_as if name in _ID_SPELLINGS else name for name in names}

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
        others = sorted(name for name in self._mapper.seen_names if _is_another_email(name))
        spelled = [
            f"`{name}` is another property than Heap's own `email`: write `{name} as email`"
            for name in others
        ]
        return [*renamed, *spelled, *super().warnings()]


def _is_another_email(name: str) -> bool:
    """Only the spelling in small letters is Heap's own.

    Source: https://developers.heap.io/reference/add-user-properties
    """
    return name != "email" and name.lower() == "email"


_ID_SPELLINGS: Final = ("id", "ID", "Id", "iD")


class AddAccountProperties(_AddProperties):
    """Account properties; Heap shows them once its Account ID setting names the property."""

    kind: ClassVar = "add_account_properties"
    path: ClassVar = ACCOUNT_PROPERTIES_PATH
    list_name: ClassVar = "accounts"
    _field: ClassVar = "account_id"

    def __init__(self, config: AccountPropertiesConfig, stream: Stream) -> None:
        super().__init__(config.account_id_column, ACCOUNT, config, stream)
        self.payload = self._compiled()


class DeleteUsers:
    """Users to delete. What the source says of a row in the end is what counts.

    So a row is known by its primary key, where it has one: changed, it means another user, or
    nobody if it is rejected, and deleted in the source, nobody. Otherwise it is known by the user.
    """

    kind: ClassVar = "delete_users"
    path: ClassVar = USER_DELETION_PATH
    list_name: ClassVar = "users"
    #: The delivery sends each once.
    merges: ClassVar = False
    event: ClassVar[tuple[str, str] | None] = None
    defaulted: ClassVar = 0
    found: ClassVar[list[tuple[str, Found]]] = []
    sent_names: ClassVar[Set[str]] = frozenset()

    def __init__(self, config: DeleteUsersConfig, stream: Stream) -> None:
        self.adjustments = Adjustments()
        reading = Reading(stream.schema)
        column = reading.identity("api.identity_column", config.identity_column)
        if why := why_not_plain(column):
            reading.faults.append(Fault("api.identity_column", why))
        reading.done()
        self.names = reading.names
        self.presence = Presence({DELETED_PERSON.field: column}, stream.schema)
        self._column, self._read = compile_identity(
            column, stream.schema, DELETED_PERSON, Found(column)
        )
        self._keys = EventKeys(stream)
        self._with_blanks = 0

    def payload(self, record: Record, emitted_at: object) -> Payload | Rejected | Skipped:  # noqa: ARG002  # only events have a time
        row = self._keys.row(record)
        if isinstance(row, Rejected):
            return row
        identity = self._read(self._column(record))
        key = f"row {row.decode()}" if row is not None else f"user {identity}"
        if is_deleted(record):
            nobody = row is None and isinstance(identity, Rejected)
            return DELETED if nobody else replace(DELETED, takes_back=key)
        if isinstance(identity, Rejected):
            rejected = identity
        # Whoever is many people is not deleted at one's request.
        elif isinstance(person := PERSON.read(identity), Rejected):
            rejected = person
        else:
            self._with_blanks += identity != person
            return identity, dump({"identity": identity}, self.adjustments, option=None), key
        # The row means nobody now, whoever it meant before.
        return rejected if row is None else replace(rejected, takes_back=key)

    def notices(self) -> list[str]:
        """Nothing that the configuration does not say."""
        return []

    def warnings(self) -> list[str]:
        """What was sent as it was, and may have missed whom it meant."""
        if not self._with_blanks:
            return []
        return [
            f"Identities with blanks at their ends: {self._with_blanks:,}. They were sent as they "
            "are, and the events and properties that this connector loads have none there: look "
            "whether the users are gone"
        ]
