"""What is alike is folded, and the column to blame is found."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulk_destination.connection import connect
from bulk_destination.look.blame import blamed
from bulk_destination.look.readable import readable
from bulk_destination.look.shapes import MOST_SHAPES, Shapes
from bulk_destination.look.shown_values import beginning, one_line, plain
from bulk_destination.mapping.values import MISSING
from destination_hackle.service import HACKLE
from destination_heap_analytics.service import HEAP

PAYLOADS = st.lists(
    st.fixed_dictionaries(
        {
            "identity": st.sampled_from("ab"),
            "properties": st.dictionaries(st.sampled_from("xyz"), st.integers(0, 3)),
        },
        optional={"timestamp": st.just("2026-01-05")},
    )
)


@given(PAYLOADS)
def test_all_are_counted_and_alike(payloads: list[dict[str, Any]]) -> None:
    """Each payload is in one shape, whose example is the first that has its names."""
    shapes = Shapes()
    for position, payload in enumerate(payloads, start=1):
        shapes.add(payload, position)
    found = shapes.most_common()
    assert sum(shape.count for shape in found) == shapes.count == len(payloads)
    counts = [shape.count for shape in found]
    assert counts == sorted(counts, reverse=True)
    for shape in found:
        alike = [
            position
            for position, payload in enumerate(payloads, start=1)
            if payload.keys() == shape.payload.keys()
            and payload["properties"].keys() == shape.payload["properties"].keys()
        ]
        assert (len(alike), alike[0]) == (shape.count, shape.position)
        assert payloads[shape.position - 1] is shape.payload


def test_shapes_are_bounded() -> None:
    """However many there are, memory is; what comes too late is counted."""
    shapes = Shapes()
    for n in range(MOST_SHAPES + 500):
        shapes.add({"identity": "a", "properties": {f"p{n}": 1}}, n)
    shapes.add({"identity": "a", "properties": {"p0": 2}}, 0)
    assert (len(shapes), shapes.others, shapes.count) == (MOST_SHAPES, 500, MOST_SHAPES + 501)
    assert shapes.most_common()[0].count == 2


ROW = {"who": "guest", "a": {"b": None}, "at": "soon", "a,b": 1}


@pytest.mark.parametrize(
    ("reason", "field", "column", "held"),
    [
        ("identity_of_no_single_person", "identity_column", "who", "guest"),
        ("event_missing", "event_column", "a.b", None),
        ("timestamp_not_readable", "timestamp_column", "at", "soon"),
        ("event_id_missing", "event_id_column", "nowhere", MISSING),
    ],
)
def test_the_column_to_blame(reason: str, field: str, column: str, held: object) -> None:
    """By the words that the reason begins with; of an event's ID and its name, the longer."""
    api = {
        "api_type": "track",
        "event_column": "a.b",
        "identity_column": "lower(who)",
        "timestamp_column": "at",
        "event_id_column": "nowhere",
    }
    catalog = {"streams": [{"stream": {"name": "s"}}]}
    connection = connect(HEAP, {"app_id": "1", "api": api}, catalog)
    found = blamed(connection.route, reason, ROW)
    assert found is not None
    assert found.held == ((column, held),)
    assert (
        found.field == f"{reason.split('_', maxsplit=1)[0]}_column" or reason == "event_id_missing"
    )


def test_the_field_to_blame_of_another_service() -> None:
    """Two words and a longer one that begins alike are told apart."""
    config = {
        "sdk_key": "k",
        "event_key_column": "name",
        "user_id_column": "who, a.b",
        "value_column": "n",
    }
    route = connect(HACKLE, config, {"streams": [{"stream": {"name": "s"}}]}).route
    user = blamed(route, "user_id_missing", ROW)
    assert user is not None
    assert (user.field, user.held) == ("user_id_column", (("who", "guest"), ("a.b", None)))
    value = blamed(route, "value_not_a_number", ROW)
    assert value is not None
    assert (value.field, value.held) == ("value_column", (("n", MISSING),))


@pytest.mark.parametrize("reason", ["unreadable", "of_another_stream", "identifier_not_exact"])
def test_nothing_to_blame(reason: str) -> None:
    """Reasons that are about no field name none; so does what is no record."""
    config = {"app_id": "1", "api": {"api_type": "add_user_properties", "identity_column": "who"}}
    route = connect(HEAP, config, {"streams": [{"stream": {"name": "s"}}]}).route
    assert blamed(route, reason, ROW) is None
    assert blamed(route, "identity_missing", "no record") is None


def test_a_primary_key_is_the_catalogs() -> None:
    """It is no field of the configuration."""
    config = {"app_id": "1", "api": {"api_type": "add_user_properties", "identity_column": "who"}}
    stream = {
        "stream": {"name": "s"},
        "destination_sync_mode": "append_dedup",
        "primary_key": [["a", "b"]],
    }
    route = connect(HEAP, config, {"streams": [stream]}).route
    found = blamed(route, "primary_key_too_deep", ROW)
    assert found is not None
    assert (found.field, found.held) == ("primary_key", (("a.b", None),))


@given(st.text())
def test_no_terminal_obeys(text: str) -> None:
    """Nothing that moves a cursor, rings or turns the writing around is left."""
    obeyed = {chr(n) for n in (*range(9), *range(11, 32), *range(0x7F, 0xA0))} | {"\u202e"}
    for shown in (plain(text), one_line(text), beginning(text.encode(errors="replace"))):
        assert not obeyed & set(shown)
    assert len(one_line("x" * 999)) < 70


def test_deep_values_are_shown_as_such() -> None:
    """What no parser goes down to ends nothing."""
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    assert one_line(value) == "(nested too deeply to be shown)"
    while value:  # Python's own way to free it would be as deep
        value = value.pop()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"type": "STATE", "state": {}}', None),
        (b'{"type": "TRACE", "trace": {"type": "STREAM_STATUS"}}', None),
        (b'{"type": "LOG", "log": {"level": "INFO", "message": "Plan: {}"}}', None),
        (b'{"type": "LOG", "log": {"level": "WARN", "message": "a\\u001b"}}', "a\\u001b"),
        (b'{"type": "LOG", "log": {"level": "INFO", "message": "Ledger: {odd}"}}', "Ledger: {odd}"),
        (b'{"type": "TRACE", "trace": {"type": "ERROR", "error": {"message": "no"}}}', "no"),
    ],
)
def test_lines_for_people(line: bytes, said: str | None) -> None:
    """States and plans are for machines; an odd ledger is told as it is."""
    found = readable(line)
    assert (None if found is None else found[0]) == said
