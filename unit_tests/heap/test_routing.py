"""Which of Heap's APIs each stream goes to, and what is said where nobody can tell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulk_destination.connection import connect
from bulk_destination.errors import ConfigurationError
from bulk_destination.protocol.catalog import parse_catalog
from destination_heap_analytics.config import HeapConfig
from destination_heap_analytics.objects import OBJECTS, object_config
from destination_heap_analytics.routing import Choices, choose
from destination_heap_analytics.service import HEAP

Json = dict[str, Any]

LAW = settings(max_examples=200, deadline=None)
TRACK: Json = {"api_type": "track", "event_column": "'Ordered'", "identity_column": "email"}
USERS: Json = {"api_type": "add_user_properties", "identity_column": "email"}
ACCOUNTS: Json = {"api_type": "add_account_properties", "account_id_column": "id"}
BY_OBJECT: Json = {"api_type": "by_object"}


def stream(name: str, namespace: str | None = None, **more: Any) -> Json:
    """One of a configured catalog."""
    named = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
    return {"stream": named, "destination_sync_mode": "append", **more}


def entry(name: str, api: Json, namespace: str | None = None) -> Json:
    """One of `api.streams`."""
    return {"stream": name, "namespace": namespace, "api": api}


def by_stream(*entries: Json) -> Json:
    """That part of a configuration."""
    return {"api_type": "by_stream", "streams": [*entries]}


def chosen(api: Json, *streams: Json) -> Choices:
    """What becomes of these streams."""
    config = HeapConfig.parse({"app_id": "11", "api": api})
    return choose(config, parse_catalog({"streams": [*streams]}))


def kinds(choices: Choices) -> list[tuple[str, str]]:
    """By stream, which API it is and where that is said."""
    return [(each.api.api_type, each.path) for each in choices.of_streams]


def faults(api: Json, *streams: Json) -> list[str]:
    """What is wrong."""
    with pytest.raises(ConfigurationError) as raised:
        chosen(api, *streams)
    return [str(fault) for fault in raised.value.faults]


def test_an_entry_that_names_the_namespace_goes_first() -> None:
    """Wherever it stands; one that names none fits any other."""
    api = by_stream(entry("users", USERS), entry("users", ACCOUNTS, "crm"))
    found = chosen(api, stream("users", "crm"), stream("users", "shop"), stream("users"))
    assert kinds(found) == [
        ("add_account_properties", "api.streams.1.api"),
        ("add_user_properties", "api.streams.0.api"),
        ("add_user_properties", "api.streams.0.api"),
    ]
    assert found.warnings == ()


def test_blanks_around_names_do_not_count() -> None:
    """Neither in the form nor in the catalog."""
    api = by_stream(entry(" users ", USERS, " crm "))
    assert chosen(api, stream("users ", " crm")).of_streams[0].path == "api.streams.0.api"


def test_all_streams_without_an_entry_are_told() -> None:
    """At once, with their namespaces."""
    api = by_stream(entry("orders", TRACK, "eu"))
    assert faults(api, stream("orders", "us"), stream("orders", "eu"), stream("users")) == [
        "api.streams: has no entry for `orders` of `us`, `users`"
    ]


@pytest.mark.parametrize(
    ("unused", "words"),
    [
        (entry("ordrs", TRACK), "`ordrs` is no stream of this connection; did you mean `orders`?"),
        (
            entry("orders", TRACK, "us"),
            "`orders` of `us` is no stream of this connection, which has `orders` of `eu`",
        ),
        (
            entry("orders", TRACK),
            "each `orders` of this connection has an entry that names its namespace",
        ),
        (
            entry("people", USERS),
            "the connection maps `people` to an object by itself (`destination_object_name`)",
        ),
    ],
)
def test_an_entry_that_nobody_reads_is_told(unused: Json, words: str) -> None:
    """It is no fault, and it says why."""
    api = by_stream(entry("orders", TRACK, "eu"), unused)
    found = chosen(api, stream("orders", "eu"), stream("people", destination_object_name="account"))
    assert found.warnings == (f"`api.streams.1` is ignored: {words}",)
    assert [kind for kind, _ in kinds(found)] == ["track", "add_account_properties"]


@pytest.mark.parametrize("name", [*OBJECTS])
@pytest.mark.parametrize("api", [TRACK, USERS, ACCOUNTS, BY_OBJECT, by_stream(entry("a", USERS))])
def test_a_known_object_decides(name: str, api: Json) -> None:
    """Whatever `api` says."""
    found = chosen(api, stream("a", destination_object_name=name))
    assert found.of_streams[0].api == object_config(name, None)
    assert found.of_streams[0].path == "catalog.streams.0.destination_object_name"


@pytest.mark.parametrize("api", [TRACK, USERS, ACCOUNTS])
def test_an_unknown_object_is_a_warning(api: Json) -> None:
    """A connection that works goes on working."""
    found = chosen(api, stream("a", destination_object_name="users"))
    assert kinds(found) == [(api["api_type"], "api")]
    assert found.warnings == (
        "`catalog.streams.0.destination_object_name` is ignored: it must be `event`, `user` or "
        "`account`; did you mean `user`?",
    )


@pytest.mark.parametrize("api", [BY_OBJECT, by_stream(entry("a", USERS))])
def test_an_unknown_object_is_a_fault(api: Json) -> None:
    """Where streams are told apart."""
    assert faults(api, stream("a", destination_object_name="usr")) == [
        "catalog.streams.0.destination_object_name: must be `event`, `user` or `account`; did you "
        "mean `user`?"
    ]


def test_each_stream_names_its_object() -> None:
    """Under `by_object`; all that do not are told at once."""
    known = stream("b", destination_object_name="user")
    assert faults(BY_OBJECT, stream("a"), known, stream("c")) == [
        f"catalog.streams.{number}.destination_object_name: is required, and must be `event`, "
        "`user` or `account`"
        for number in (0, 2)
    ]


@pytest.mark.parametrize(
    ("mode", "name", "words"),
    [
        ("update", "user", None),
        ("update", "account", None),
        ("update", "event", "`update` is for users and accounts: events do not change"),
        ("soft_delete", "user", "`soft_delete` is not possible: choose `append`"),
        ("soft_delete", "account", "`soft_delete` is not possible: choose `append`"),
        ("soft_delete", "event", "`soft_delete` is not possible: choose `append`"),
        *(
            (mode, name, None)
            for mode in ("append", "overwrite", "append_dedup", "overwrite_dedup")
            for name in OBJECTS
        ),
    ],
)
def test_modes_of_objects(mode: str, name: str, words: str | None) -> None:
    """`update` for users and accounts, `soft_delete` never."""
    configured = stream("a", destination_object_name=name, destination_sync_mode=mode)
    if words is None:
        assert len(chosen(BY_OBJECT, configured).of_streams) == 1
    else:
        found = faults(BY_OBJECT, configured)
        assert found == [f"catalog.streams.0.destination_sync_mode: {words}"]


@pytest.mark.parametrize("api", [TRACK, USERS, ACCOUNTS])
def test_one_of_the_three_is_for_one_stream(api: Json) -> None:
    """Those that are mapped to an object are aside."""
    mapped = stream("b", destination_object_name="event")
    assert [kind for kind, _ in kinds(chosen(api, stream("a"), mapped))] == [
        api["api_type"],
        "track",
    ]
    (fault,) = faults(api, stream("a"), mapped, stream("c"))
    assert fault.startswith("catalog: must have exactly one stream, and has 2: ")


def test_a_fault_of_a_column_is_where_it_is_written() -> None:
    """In the entry, or in the mapping of the connection."""
    api = by_stream(entry("a", USERS), entry("b", {**TRACK, "identity_column": "emial"}))
    schema = {"type": "object", "properties": {"email": {"type": "string"}}}
    streams = [stream("a"), stream("b"), stream("c", destination_object_name="account")]
    for each in streams:
        each["stream"]["json_schema"] = schema
    with pytest.raises(ConfigurationError) as raised:
        connect(HEAP, {"app_id": "11", "api": api}, {"streams": streams})
    assert [fault.path for fault in raised.value.faults] == [
        "api.streams.1.api.identity_column",
        "catalog.streams.2.destination_object_name",
    ]


def event_key(configured: Json, data: Json) -> str:
    """What an event of this stream is known by."""
    config = {"app_id": "11", "api": BY_OBJECT}
    [route] = connect(HEAP, config, {"streams": [configured]}).routes
    payload = route.mapper.payload({"identity": "ann@example.com", **data}, 1)
    assert isinstance(payload, tuple)
    return payload[2]


LISTED: Json = {"event": {}, "identity": {}, "timestamp": {}, "total": {}}
KEYED: Json = {**LISTED, "idempotency_key": {}}


@pytest.mark.parametrize("mode", ["append", "append_dedup", "overwrite"])
@pytest.mark.parametrize("properties", [KEYED, {}])
def test_a_mapped_idempotency_key(mode: str, properties: Json) -> None:
    """It is what an event is known by, with its stream, namespace and event; in every mode."""
    schema = {"type": "object", "properties": properties}

    def key(name: str = "a", namespace: str | None = None, **data: Any) -> str:
        mapped = stream(
            name, namespace, destination_object_name="event", destination_sync_mode=mode
        )
        mapped["stream"]["json_schema"] = schema
        return event_key(mapped, {"event": "Ordered", "idempotency_key": 7, **data})

    assert key() == key(total=5) == key(timestamp="2026-01-31T09:30:00Z", total=6)
    others = {key(event="Paid"), key("b"), key(namespace="shop"), key(idempotency_key=8)}
    assert len({*others, key()}) == 5


@pytest.mark.parametrize("nothing", [{}, {"idempotency_key": None}, {"idempotency_key": " "}])
@pytest.mark.parametrize("properties", [KEYED, LISTED, {}])
def test_an_event_without_an_idempotency_key(properties: Json, nothing: Json) -> None:
    """It is optional: such an event is known as others are, by all that it holds."""
    mapped = stream("a", destination_object_name="event")
    mapped["stream"]["json_schema"] = {"type": "object", "properties": properties}
    rows: list[Json] = [{"event": "Ordered", "total": total, **nothing} for total in (5, 6)]
    assert event_key(mapped, rows[0]) == event_key(mapped, rows[0])
    assert event_key(mapped, rows[0]) != event_key(mapped, rows[1])


@pytest.mark.parametrize(("name", "field"), [("user", "identity"), ("account", "account_id")])
def test_a_column_named_like_a_leaf_below_a_field_is_a_property(name: str, field: str) -> None:
    """All fields but those with a meaning are properties, dots in a name included."""
    record = {field: "ann@example.com", f"{field}.kind": "work", f"{field}s": 2}
    mapped = stream("a", destination_object_name=name)
    mapped["stream"]["json_schema"] = {"properties": {key: {} for key in record}}
    config = {"app_id": "11", "api": BY_OBJECT}
    [route] = connect(HEAP, config, {"streams": [mapped]}).routes
    payload = route.mapper.payload(record, 1)
    assert isinstance(payload, tuple)
    assert json.loads(payload[1])["properties"] == {f"{field}.kind": "work", f"{field}s": 2}


@pytest.mark.parametrize(
    ("name", "record"),
    [("event", {"event": "Ordered", "identity": "ann"}), ("user", {"identity": "ann", "n": 1})],
)
def test_nothing_is_said_of_exceptions_that_nobody_wrote(name: str, record: Json) -> None:
    """Fields with a meaning are no properties, and some are optional."""
    mapped = stream("a", destination_object_name=name)
    config = {"app_id": "11", "api": BY_OBJECT}
    [route] = connect(HEAP, config, {"streams": [mapped]}).routes
    assert isinstance(route.mapper.payload(record, 1), tuple)
    assert not any("except" in words for words in route.mapper.warnings())
    written = {**TRACK, "identity_column": "identity", "property_columns": "* except (idempotncy)"}
    config = {"app_id": "11", "api": written}
    [route] = connect(HEAP, config, {"streams": [stream("a")]}).routes
    assert isinstance(route.mapper.payload({"event": "Ordered", "identity": "ann"}, 1), tuple)
    assert any("`except (idempotncy)`" in words for words in route.mapper.warnings())


NAMES = st.sampled_from(["a", "b", "c"])
NAMESPACES = st.sampled_from([None, "x", "y"])


@LAW
@given(
    st.lists(st.tuples(NAMES, NAMESPACES), min_size=1, max_size=9, unique=True),
    st.lists(st.tuples(NAMES, NAMESPACES), min_size=1, max_size=9, unique=True),
)
def test_every_stream_has_its_entry_or_is_told(
    entries: list[tuple[str, str | None]], streams: list[tuple[str, str | None]]
) -> None:
    """By a table of the rule: the exact one, else that without a namespace, else a fault."""
    api = by_stream(*(entry(name, USERS, namespace) for name, namespace in entries))
    wanted = [
        next((each for each in ((name, ns), (name, None)) if each in entries), None)
        for name, ns in streams
    ]
    catalog = [stream(name, namespace) for name, namespace in streams]
    if None in wanted:
        names = [
            f"`{name}`" + (f" of `{ns}`" if ns else "")
            for (name, ns), found in zip(streams, wanted, strict=True)
            if found is None
        ]
        # So that a misspelled one is found.
        idle = [
            f"`{name}`" + (f" of `{ns}`" if ns else "")
            for name, ns in entries
            if (name, ns) not in wanted
        ]
        for_none = f"; no stream has its entry for {', '.join(idle)}" if idle else ""
        words = f"api.streams: has no entry for {', '.join(names)}{for_none}"
        assert faults(api, *catalog) == [words]
    else:
        found = chosen(api, *catalog)
        paths = [f"api.streams.{entries.index(each)}.api" for each in wanted if each]
        assert [path for _, path in kinds(found)] == paths
        assert len(found.warnings) == len(entries) - len(set(wanted))
