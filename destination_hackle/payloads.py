"""What a record becomes on Hackle's wire. Pure.

The wire is that of Hackle's own client, hackle-sdk 3.9.0 on PyPI, which is the only description of
it: each event is as in `internal/event/event_dispatcher.py`. Where the SDK takes a random insert id
and the current time, an event has a stable id and the record's own time.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from bulk_destination.mapping.bookkeeping import DELETED_AT, is_deleted
from bulk_destination.mapping.columns import Record, Schema
from bulk_destination.mapping.entries import Expression
from bulk_destination.mapping.idempotency import idempotency_key, row_of, time_of_source
from bulk_destination.mapping.lookups import Found, compile_expression, compile_identity
from bulk_destination.mapping.payload_json import dump
from bulk_destination.mapping.properties import Limits, PropertyMapper
from bulk_destination.mapping.reading import Reading
from bulk_destination.mapping.record_mapper import Payload
from bulk_destination.mapping.spelling import did_you_mean
from bulk_destination.mapping.stream import Stream
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

#: The current time in UTC; handed in, so that tests choose it.
Now = Callable[[], datetime]

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
        when = reading.optional("timestamp_column", config.timestamp_column, unix_milliseconds)
        selection = reading.properties("property_columns", config.property_columns)
        reading.done()
        self.names = reading.names
        self._skips_deleted = DELETED_AT not in reading.columns
        self._event_key = compile_expression(key, stream.schema, Found(key))
        self._user_id = compile_identity(user_id, stream.schema, USER_ID, Found(user_id))
        self._value = _Optional(value, stream.schema)
        self._timestamp = _Optional(when, stream.schema)
        self._mapper = PropertyMapper(selection, stream.schema, LIMITS)
        self._stream = stream
        self._now = now

    def payload(self, record: Record, emitted_at: object) -> Payload | Rejected | Skipped:
        """The user it is about, and the event; `emitted_at` is Airbyte's, in milliseconds."""
        if DELETED_AT in record and self._skips_deleted and is_deleted(record):
            return DELETED
        user_id = self._user_id(record)
        if isinstance(user_id, Rejected):
            return user_id
        key = event_key(self._event_key(record))
        if isinstance(key, Rejected):
            return key
        row = row_of(record, self._stream)
        if isinstance(row, Rejected):
            return row
        when = self._timestamp(record)
        moment = since_1970(self._now()) if when is None else unix_milliseconds(when)
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
        # A time that is not the record's own would give every run another id.
        keyed = dump({**event, "timestamp": time_of_source(emitted_at)}) if when is None else body
        insert_id = idempotency_key(row or keyed)
        return user_id, body[:-1] + b',"insertId":"' + insert_id.encode() + b'"}'

    def warnings(self) -> list[str]:
        """What the user should know at the end of a sync: names of columns, never a value."""
        return [*self._unseen(), *self._adjusted()]

    def _unseen(self) -> list[str]:
        found = [
            f"`{column}` (property_columns) was in no record{did_you_mean(names)}"
            for column, names in self._mapper.never_seen()
        ] + [
            f"`except ({path})` (property_columns) left nothing out: no record had it"
            for path in self._mapper.never_excluded()
        ]
        if self._value.never_seen:
            found.append(
                f"`{self._value.column}` (value_column) was in no record: no event has one"
            )
        if self._timestamp.never_seen:
            found.append(
                f"`{self._timestamp.column}` (timestamp_column) was in no record: all events are "
                "dated by the time of the sync"
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
        self._look_up = (
            None if column is None else compile_expression(column, schema, Found(column))
        )

    def __call__(self, record: Record) -> Any:
        value = MISSING if self._look_up is None else self._look_up(record)
        if value is MISSING:
            return None
        self.never_seen = False
        return value
