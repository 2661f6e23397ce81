"""What a record becomes on Hackle's wire. Pure.

The wire is that of Hackle's own client, hackle-sdk 3.9.0 on PyPI, which is the only description of
it: each event is as in `internal/event/event_dispatcher.py`. Where the SDK takes a random insert id
and the current time, an event has a stable id and the record's own time.
"""

from collections.abc import Set
from datetime import UTC, datetime
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

from bulk_destination.mapping.bookkeeping import DELETED_AT, is_deleted
from bulk_destination.mapping.columns import Record, Schema
from bulk_destination.mapping.entries import Expression, fixed_texts
from bulk_destination.mapping.idempotency import EventKeys, emitted
from bulk_destination.mapping.lookups import Found, compile_expression, compile_identity, is_nothing
from bulk_destination.mapping.payload_json import dump
from bulk_destination.mapping.presence import Presence, nearest_of
from bulk_destination.mapping.properties import Limits, PropertyMapper, cut
from bulk_destination.mapping.reading import Reading
from bulk_destination.mapping.record_mapper import Payload
from bulk_destination.mapping.stream import Stream
from bulk_destination.mapping.times import Now, Times, zone_assumed
from bulk_destination.mapping.values import DELETED, MISSING, Rejected, Skipped
from destination_hackle.config import HackleConfig
from destination_hackle.values import (
    LARGEST_NUMBER,
    USER_ID,
    Adjustments,
    event_key,
    event_value,
    since_1970,
    unix_milliseconds,
)

#: `PropertiesBuilder` in internal/model/properties_builder.py of the SDK.
LIMITS: Final = Limits(name_length=128, text_length=1024, number=LARGEST_NUMBER, count=128)
#: Hackle's documents allow fewer properties than its SDK does.
DOCUMENTED_COUNT: Final = 64


class UserEvents:
    """Turns each record into a track event or a rejection, its columns bound to the stream."""

    kind: ClassVar = "user events"
    #: Every event stands for itself.
    merges: ClassVar = False
    event: ClassVar[tuple[str, str] | None] = ("eventTypeKey", "event_key_column")

    def __init__(
        self, config: HackleConfig, stream: Stream, now: Now = lambda: datetime.now(UTC)
    ) -> None:
        self.adjustments = Adjustments()
        reading = Reading(stream.schema)
        key = reading.value("event_key_column", config.event_key_column, event_key)
        user_id = reading.identity("user_id_column", config.user_id_column)
        value = reading.optional(
            "value_column", config.value_column, lambda value: event_value(value, Adjustments())
        )
        zone = ZoneInfo(config.time_zone)
        # A fixed time is read once before all records, and is none of theirs.
        fits = Times(zone, now).read
        when = reading.optional("timestamp_column", config.timestamp_column, fits)
        self._times = Times(zone, now)
        self._fields_set = config.model_fields_set
        selection = reading.properties("property_columns", config.property_columns)
        event_id = reading.event_id("event_id_column", config.event_id_column)
        reading.done()
        self.names = reading.names
        self._skips_deleted = DELETED_AT not in reading.columns
        self.presence = Presence(
            {USER_ID.field: user_id, "event_key": key, **reading.event_ids},
            stream.schema,
            fixed={"event_key"},
        )
        self._event_key = compile_expression(key, stream.schema, Found(key))
        found_user = Found(user_id)
        self._user_id, self._read_user_id = compile_identity(
            user_id, stream.schema, USER_ID, found_user
        )
        self._value = _Optional(value, stream.schema)
        self._timestamp = _Optional(when, stream.schema)
        self.found = reading.several(
            ("user_id_column", found_user), ("timestamp_column", self._timestamp.found)
        )
        self.defaulted = 0
        self._mapper = PropertyMapper(selection, stream.schema, LIMITS)
        self._keys = EventKeys(stream, fixed_texts(key), event_id)
        self._now = now

    def payload(self, record: Record, emitted_at: object) -> Payload | Rejected | Skipped:
        """The user it is about, and the event; `emitted_at` is Airbyte's, in milliseconds."""
        if DELETED_AT in record and self._skips_deleted and is_deleted(record):
            return DELETED
        user_id = self._read_user_id(self._user_id(record))
        if isinstance(user_id, Rejected):
            return user_id
        key = event_key(self._event_key(record))
        if isinstance(key, Rejected):
            return key
        row = self._keys.row(record)
        if isinstance(row, Rejected):
            return row
        when = self._timestamp(record)
        defaulted = is_nothing(when)
        if defaulted:
            self.defaulted += 1
        moment = since_1970(self._now()) if defaulted else unix_milliseconds(when, self._times)
        if isinstance(moment, Rejected):
            return moment
        value = event_value(self._value(record), self.adjustments)
        if isinstance(value, Rejected):
            return value
        event = {
            "timestamp": moment,
            "userId": user_id,
            "identifiers": {"$id": user_id},
            "userProperties": {},
            "hackleProperties": {},
            # The SDK's number for a key that its workspace does not list.
            "eventTypeId": 0,
            "eventTypeKey": key,
            "value": value,
            "properties": self._mapper.properties(record, self.adjustments),
        }
        body = dump(event, self.adjustments)
        timeless = (lambda: emitted(emitted_at)) if defaulted else None
        insert_id = self._keys.key(row, record, event, body, timeless)
        return user_id, body[:-1] + b',"insertId":"' + insert_id.encode() + b'"}', insert_id

    def warnings(self) -> list[str]:
        """What the user should know at the end of a sync: names of columns, never a value."""
        return [
            *self._unseen(),
            *zone_assumed(self._times, self._timestamp.column, self._fields_set),
            *self._keys.warnings(),
            *self._adjusted(),
            *cut(self.adjustments),
        ]

    @property
    def sent_names(self) -> Set[str]:
        """Names of properties, of the records that were looked at closely."""
        return self._mapper.seen_names

    def notices(self) -> list[str]:
        """What the user should know before anything is sent."""
        return self._keys.notices()

    def _unseen(self) -> list[str]:
        found = self._mapper.warnings()
        if self._value.never_seen:
            found.append(
                f"`{self._value.column}` (value_column) was in no record: no event has one"
                f"{self._value.nearest()}"
            )
        if self._timestamp.never_seen:
            found.append(
                f"`{self._timestamp.column}` (timestamp_column) was in no record: all events are "
                f"dated by the time of the sync{self._timestamp.nearest()}"
            )
        return found

    def _adjusted(self) -> list[str]:
        found = []
        if converted := self.adjustments.converted:
            found.append(f"`{self._value.column}` (value_column): {converted} texts became numbers")
        if self._mapper.most > DOCUMENTED_COUNT:
            found.append(
                f"an event had {self._mapper.most} properties: Hackle's documents allow "
                f"{DOCUMENTED_COUNT}, its SDK {LIMITS.count}, so {LIMITS.count} at most were sent"
            )
        return found


class _Optional:
    """The lookup of a column that need not be configured; None where there is no value."""

    def __init__(self, column: Expression | None, schema: Schema | None) -> None:
        self.column = column
        self.never_seen = column is not None
        self._last_record: Record = {}
        self.found = Found(column)
        self._look_up = None if column is None else compile_expression(column, schema, self.found)

    def __call__(self, record: Record) -> Any:
        value = MISSING if self._look_up is None else self._look_up(record)
        if value is MISSING:
            if self.never_seen:
                self._last_record = record
            return None
        self.never_seen = False
        return value

    def nearest(self) -> str:
        """A hint at what the column is called in records, where none had it."""
        return nearest_of(self.column, self._last_record)
