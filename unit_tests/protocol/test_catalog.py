"""The configured catalog: its streams, their keys, and the columns they have."""

from typing import Any

import pytest

from bulk_destination.connection import connect
from bulk_destination.errors import ConfigurationError, Fault
from bulk_destination.mapping.stream import Stream
from bulk_destination.protocol.catalog import Catalog, parse_catalog
from destination_hackle.service import HACKLE
from destination_heap_analytics.apis import make_api
from destination_heap_analytics.config import HeapConfig

SCHEMA = {
    "type": "object",
    "properties": {
        "email": {"type": "string"},
        "event": {"type": "string"},
        "updated_at": {"type": "string"},
        "identities": {"type": "object", "properties": {"provider": {"type": "string"}}},
        "free": {"type": ["null", "object"]},
        "visits": {"type": "array", "items": {"type": "object"}},
    },
}


def _entry(mode: str = "append", **more: Any) -> dict[str, Any]:
    stream = {"name": "users", "json_schema": SCHEMA, "supported_sync_modes": ["full_refresh"]}
    return {
        "stream": stream,
        "sync_mode": "full_refresh",
        "destination_sync_mode": mode,
        **more,
    }


def _stream(entry: dict[str, Any]) -> Stream:
    [stream] = parse_catalog({"streams": [entry]}).streams
    return stream


def _told(raw: object) -> list[Fault]:
    with pytest.raises(ConfigurationError) as error:
        parse_catalog(raw)
    return list(error.value.faults)


def _faults(stream: Stream, **columns: str) -> list[Fault]:
    track = {"api_type": "track", "event_column": "event", "identity_column": "email"}
    config = HeapConfig.parse({"app_id": "11", "api": {**track, **columns}})
    try:
        make_api(config.api, stream)
    except ConfigurationError as error:
        return list(error.faults)
    return []


@pytest.mark.parametrize(
    ("sync", "destination"),
    [
        ("full_refresh", "overwrite"),
        ("full_refresh", "append"),
        ("incremental", "append"),
        ("incremental", "append_dedup"),
    ],
)
def test_sync_modes(sync: str, destination: str) -> None:
    """All four of the documented sync modes are taken."""
    stream = _stream({**_entry(destination), "sync_mode": sync})
    assert stream.name == "users"
    assert stream.schema == SCHEMA


@pytest.mark.parametrize("mode", ["append", "overwrite", ["append"], {}, 5, None])
def test_primary_key_of_other_modes(mode: Any) -> None:
    """It tells two events apart in every mode; a mode that is not known deduplicates nothing."""
    stream = _stream(_entry(mode, primary_key=[["id"]]))
    assert (stream.primary_key, stream.deduplicates) == ((("id",),), False)
    assert _stream(_entry(mode, primary_key=5)).primary_key == ()


@pytest.mark.parametrize(
    ("entry", "replaces"),
    [
        (_entry("append"), False),
        (_entry("overwrite"), True),
        (_entry("append", generation_id=3, minimum_generation_id=3), True),
        (_entry("append_dedup", generation_id=3, minimum_generation_id=3), True),
        (_entry("append", generation_id=3, minimum_generation_id=0), False),
        (_entry("append", generation_id=0, minimum_generation_id=0), False),
        (_entry("append", generation_id=3, minimum_generation_id="3"), False),
    ],
)
def test_a_sync_that_is_to_replace_what_was_there(entry: dict[str, Any], replaces: bool) -> None:
    """By its mode, or as the platform says it to a destination that supports refreshes."""
    assert _stream(entry).replaces is replaces


def test_primary_key_of_the_deduplicating_mode() -> None:
    """The configured key, compound and nested, in its order; else the one the source defines."""
    entry = _entry("append_dedup", primary_key=[["tenant", "id"], ["n"]])
    assert _stream(entry).primary_key == (("tenant", "id"), ("n",))
    assert _stream(entry).deduplicates
    entry = _entry("append_dedup")
    entry["stream"] = {**entry["stream"], "source_defined_primary_key": [["id"]]}
    assert _stream(entry).primary_key == (("id",),)


@pytest.mark.parametrize("count", [0, 2, 5])
def test_exactly_one_stream(count: int) -> None:
    """Where one is all that a connection loads, none or several is an error that says so."""
    entries = [_entry() for _ in range(count)]
    for number, entry in enumerate(entries):
        entry["stream"] = {**entry["stream"], "name": f"users{number}"}
    config = {"sdk_key": "x", "event_key_column": "event", "user_id_column": "email"}
    with pytest.raises(ConfigurationError) as error:
        connect(HACKLE, config, {"streams": entries})
    [fault] = error.value.faults
    assert "one stream" in fault.message
    assert str(count) in fault.message


def test_all_faults_of_all_streams_are_told_at_once() -> None:
    """Each with its path."""
    faults = _told(
        {
            "streams": [
                _entry(destination_object_name=5),
                {"stream": {"name": 5}},
                _entry("soft_delete"),
                _entry("append_dedup", primary_key=5),
            ]
        }
    )
    assert [fault.path for fault in faults] == [
        "catalog.streams.0.destination_object_name",
        "catalog.streams.1.stream",
        "catalog.streams.2.destination_sync_mode",
        "catalog.streams.3.primary_key",
        "catalog.streams.2.stream",
        "catalog.streams.3.stream",
    ]
    assert "`soft_delete`" in faults[2].message


def test_a_stream_stands_once() -> None:
    """Twice under one name and namespace, nobody could tell whose a record is."""
    entries = [_entry(), _entry(), _entry()]
    entries[1]["stream"] = {**entries[1]["stream"], "namespace": "crm"}
    entries[2]["stream"] = {**entries[2]["stream"], "namespace": ""}
    [fault] = _told({"streams": entries})
    assert fault.path == "catalog.streams.2.stream"
    assert "catalog.streams.0" in fault.message


def test_what_the_connection_maps_it_to() -> None:
    """`destination_object_name` and the mode `update` are kept; null and nothing are the same."""
    stream = _stream(_entry("update", destination_object_name="user"))
    assert (stream.object_name, stream.updates) == ("user", True)
    for entry in (_entry(), _entry(destination_object_name=None)):
        assert (_stream(entry).object_name, _stream(entry).updates) == (None, False)


@pytest.mark.parametrize(
    ("name", "namespace", "found"),
    [
        ("orders", None, 0),
        ("orders", "", 0),
        ("orders", "shop", 0),
        ("users", "crm", 1),
        ("users", "shop", 2),
        ("users", None, None),
        ("users", "hr", None),
        ("plans", None, 3),
        ("plans", "hr", 3),
        ("plans", "crm", 4),
        ("tags", None, 5),
        ("tags", "hr", None),
        ("tags", {"odd": 1}, None),
        ("Orders", None, None),
        ("orders", 5, 0),
        (["orders"], None, None),
        (None, None, None),
    ],
)
def test_which_stream_is_meant(name: object, namespace: object, found: int | None) -> None:
    """An exact match first; else what fits one stream alone."""
    catalog = Catalog(
        (
            *(Stream("orders"), Stream("users", "crm"), Stream("users", "shop")),
            *(Stream("plans"), Stream("plans", "crm"), Stream("tags", "crm")),
        )
    )
    assert catalog.find(name, namespace) == found


@pytest.mark.parametrize(
    "raw",
    [None, [], {}, {"streams": None}, {"streams": [None]}, {"streams": [{"stream": {}}]}],
    ids=repr,
)
def test_no_catalog(raw: object) -> None:
    """What is no catalog is a fault, not a crash."""
    assert len(_told(raw)) == 1


def test_unknown_columns_are_all_named_with_the_nearest() -> None:
    """Each column the schema lacks is a fault at its path, with what may have been meant."""
    faults = _faults(
        _stream(_entry()),
        event_column="evnt",
        identity_column="Emial",
        timestamp_column="update_at",
        property_columns="identities.provder,email,zzz",
    )
    assert [fault.path for fault in faults] == [
        "api.event_column",
        "api.identity_column",
        "api.timestamp_column",
        "api.property_columns",
        "api.property_columns",
    ]
    for fault, hint in zip(
        faults, ["`event`", "`email`", "`updated_at`", "`identities.provider`"], strict=False
    ):
        assert "did you mean" in fault.message
        assert hint in fault.message
    assert "`zzz`" in faults[4].message


@pytest.mark.parametrize(
    "columns",
    [
        "*",
        "email, updated_at",
        "identities",
        "identities.*",
        "identities.provider",
        "identities_provider",
        "identities.provider as via",
        "free.anything.at.all",
        "free_anything",
        "visits.0.date",
        '"not listed"',
    ],
)
def test_columns_that_may_be_there(columns: str) -> None:
    """Listed columns by any of the three readings pass, and what lies below an open one."""
    assert _faults(_stream(_entry()), property_columns=columns) == []


def test_a_path_below_text_is_a_fault() -> None:
    """Nothing lies below a string."""
    faults = _faults(_stream(_entry()), property_columns="email.domain")
    assert [fault.path for fault in faults] == ["api.property_columns"]


@pytest.mark.parametrize("schema", [None, {}, {"type": "object"}, {"properties": {}}, "x"])
def test_silent_schema_is_not_checked(schema: object) -> None:
    """A schema that lists no properties says nothing about a column."""
    entry = _entry()
    entry["stream"] = {**entry["stream"], "json_schema": schema}
    stream = _stream(entry)
    assert _faults(stream, event_column="whatever", property_columns="a.b") == []


@pytest.mark.parametrize(
    ("given", "read"), [(17, 17), (0, 0), (None, 0), ("17", 0), (-1, 0), (True, 0), (1.5, 0)]
)
def test_sync_id_is_the_number_of_a_job_or_nothing(given: object, read: int) -> None:
    """It names a folder, so nothing but a number becomes one."""
    assert _stream(_entry(sync_id=given)).sync_id == read


@pytest.mark.parametrize("key", [5, "id", [5], [[5]], ["id"], [["id"], None], {"id": 1}, True])
def test_primary_key_of_another_shape_is_a_fault(key: object) -> None:
    """It is named, and not read letter by letter; a list of names is taken as it is meant."""
    entry = _entry("append_dedup", primary_key=key)
    if key == ["id"]:
        assert _stream(entry).primary_key == (("id",),)
        return
    [fault] = _told({"streams": [entry]})
    assert fault.path == "catalog.streams.0.primary_key"


@pytest.mark.parametrize("kind", [5, [{"a": 1}], {"a": 1}, [["object"]], True])
def test_type_of_another_shape_says_nothing_of_columns(kind: object) -> None:
    """Such a schema leaves it open what lies below."""
    schema = {"properties": {"event": {}, "email": {"type": kind}}}
    stream = Stream("users", schema=schema)
    assert _faults(stream, identity_column="email.address") == []
