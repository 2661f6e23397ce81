"""Heap's objects, as the mapping of an Airbyte connection names them. Pure.

A connection may say by `destination_object_name` what a stream becomes; its mapping then gives
columns the names of the object's fields. So an object is a configuration like any other, with
fixed names for columns: what a person could write, and nothing besides.

The catalog of `discover` shows them to Airbyte (airbyte-protocol 0.18, DestinationCatalog).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from bulk_destination.mapping.columns import Schema
from bulk_destination.mapping.entries import Spelled
from bulk_destination.mapping.stream import Stream
from destination_heap_analytics.config import (
    AccountPropertiesConfig,
    SimpleApi,
    TrackConfig,
    UserPropertiesConfig,
)

_ID: Final = ["string", "integer", "number"]


@dataclass(frozen=True, slots=True)
class HeapObject:
    """Its fields that have a meaning, each with a JSON schema; all others are properties."""

    sync_mode: str
    #: The field that a row is known by. It is in the catalog's matching keys instead of `required`.
    matching_key: str | None
    required: tuple[str, ...]
    fields: Mapping[str, Mapping[str, Any]]
    #: The configuration, given which fields the stream has, and its property columns.
    config: Callable[[frozenset[str], str], SimpleApi]

    def operation(self, name: str) -> dict[str, Any]:
        """What `discover` says of it."""
        schema: dict[str, Any] = {
            "type": "object",
            # Said in so many words: else the platform's form takes no name of one's own.
            "additionalProperties": True,
            "properties": dict(self.fields),
        }
        if self.required:
            schema["required"] = list(self.required)
        operation: dict[str, Any] = {
            "object_name": name,
            "sync_mode": self.sync_mode,
            "json_schema": schema,
        }
        if self.matching_key is not None:
            operation["matching_keys"] = [[self.matching_key]]
        return operation


def _event(mapped: frozenset[str], property_columns: str) -> SimpleApi:
    return TrackConfig(
        api_type="track",
        event_column="event",
        identity_column="identity",
        timestamp_column="timestamp" if "timestamp" in mapped else None,
        property_columns=property_columns,
    )


def _user(_: frozenset[str], property_columns: str) -> SimpleApi:
    return UserPropertiesConfig(
        api_type="add_user_properties",
        identity_column="identity",
        property_columns=property_columns,
    )


def _account(_: frozenset[str], property_columns: str) -> SimpleApi:
    return AccountPropertiesConfig(
        api_type="add_account_properties",
        account_id_column="account_id",
        property_columns=property_columns,
    )


_IDENTITY: Final = {
    "type": _ID,
    "title": "Identity",
    "description": "Who it is: what your apps give to Heap's identify.",
}

#: By their names.
OBJECTS: Final[Mapping[str, HeapObject]] = {
    "event": HeapObject(
        sync_mode="append",
        matching_key=None,
        required=("event", "identity"),
        fields={
            "event": {"type": _ID, "title": "Event", "description": "What happened."},
            "identity": _IDENTITY,
            "timestamp": {
                "type": ["string", "integer", "number"],
                "title": "Timestamp",
                "description": "When it happened; without one, the time of the sync.",
            },
            "idempotency_key": {
                "type": _ID,
                "title": "Idempotency key",
                "description": "What the event is known by when it comes again.",
            },
        },
        config=_event,
    ),
    "user": HeapObject(
        sync_mode="append_dedup",
        matching_key="identity",
        required=(),
        fields={"identity": _IDENTITY},
        config=_user,
    ),
    "account": HeapObject(
        sync_mode="append_dedup",
        matching_key="account_id",
        required=(),
        fields={
            "account_id": {
                "type": _ID,
                "title": "Account ID",
                "description": "Which account it is: as the property that Heap's setting names.",
            }
        },
        config=_account,
    ),
}


def object_config(name: str, schema: Schema | None) -> SimpleApi:
    """The configuration that the object `name` stands for, for a stream with this schema.

    Where the schema says nothing, all fields may be there.
    """
    known, mapped = OBJECTS[name], _mapped(name, schema)
    # `except` leaves out what is named like a leaf below a field, too: `identity.kind` is a
    # property.
    kept = [
        str(Spelled((column,)))
        for column in (schema["properties"] if schema is not None else ())
        if any(column.startswith(f"{field}.") for field in mapped)
    ]
    left_out = ", ".join(f'"{field}"' for field in known.fields if field in mapped)
    everything = f"* except ({left_out})" if left_out else "*"
    return known.config(mapped, ", ".join([everything, *kept]))


def object_stream(name: str, stream: Stream) -> Stream:
    """The stream as the object `name` has it.

    Where an idempotency key may be mapped, it stands for the primary key, in every mode, and the
    event's name stays beside it. An event without one is known as if no primary key were.
    """
    if "idempotency_key" not in _mapped(name, stream.schema):
        return stream
    return replace(stream, primary_key=(("event",), ("idempotency_key",)), deduplicates=True)


def _mapped(name: str, schema: Schema | None) -> frozenset[str]:
    """The fields with a meaning that a stream with this schema may have."""
    fields = OBJECTS[name].fields.keys()
    return frozenset(fields if schema is None else fields & schema["properties"].keys())


def destination_catalog() -> dict[str, Any]:
    """What `discover` prints: the objects, and how each is written. It asks nobody."""
    return {"operations": [each.operation(name) for name, each in OBJECTS.items()]}
