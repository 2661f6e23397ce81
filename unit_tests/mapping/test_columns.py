"""Columns: which value of a record a dotted path means."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulk_destination.mapping.columns import compile_lookup, find
from bulk_destination.mapping.spelling import nearest
from bulk_destination.mapping.values import MISSING

LAW = settings(derandomize=True, max_examples=100, deadline=None)


def _schema(value: object) -> dict[str, Any]:
    """A schema that lists what `value` has; arrays stay open."""
    if isinstance(value, dict):
        return {"type": "object", "properties": {k: _schema(v) for k, v in value.items()}}
    if isinstance(value, list):
        return {"type": "array"}
    return {"type": ["null", "string"]}


# -- looking a column up ------------------------------------------------------------------------

LOOKUPS = [
    pytest.param({"a": 1}, "a", 1, id="a plain key"),
    pytest.param({"a": {"b": {"c": 1}}}, "a.b.c", 1, id="a dotted path"),
    pytest.param({"a": [{"b": 1}, {"b": 2}]}, "a.1.b", 2, id="a number indexes an array"),
    pytest.param({"a": ["x", "y"]}, "a.0", "x", id="an item of an array"),
    pytest.param({"a": {"0": "x"}}, "a.0", "x", id="a key of digits in an object"),
    pytest.param({"a.b": 1, "a": {"b": 2}}, "a.b", 1, id="the key with dots wins"),
    pytest.param({"a": {"b": 2}}, "a_b", 2, id="underscores for dots"),
    pytest.param({"a_b": 1, "a": {"b": 2}}, "a_b", 1, id="the key with underscores wins"),
    pytest.param({"a": {"b_c": 3}}, "a_b_c", 3, id="only some underscores are dots"),
    pytest.param({"a_b": {"c": 4}}, "a_b_c", 4, id="an underscore in the higher key"),
    pytest.param({"a_b": {"c": 5}}, "a_b.c", 5, id="an underscore that is one, and a dot"),
    pytest.param({"a": None}, "a", None, id="null is there"),
]


@pytest.mark.parametrize("with_schema", [False, True], ids=["silent schema", "listed columns"])
@pytest.mark.parametrize(("record", "path", "value"), LOOKUPS)
def test_reading_of_a_path(
    record: dict[str, Any], path: str, value: Any, with_schema: bool
) -> None:
    """The three readings in their order, the same whether a schema or the record decides."""
    look_up = compile_lookup(path, _schema(record) if with_schema else None)
    assert look_up(record) == value
    assert find(record, path) == value


@pytest.mark.parametrize(
    ("record", "path"),
    [
        ({}, "a"),
        ({"a": 1}, "a.b"),
        ({"a": None}, "a.b"),
        ({"a": [1]}, "a.1"),
        ({"a": [1]}, "a.-1"),
        ({"a": [1]}, "a.x"),
        ({"a": "text"}, "a.0"),
        ({"a": {"b": 1}}, "a.c"),
    ],
)
def test_missing_column(record: dict[str, Any], path: str) -> None:
    """What is not there is missing, and is no error."""
    assert compile_lookup(path, None)(record) is MISSING


def test_schema_decides_once() -> None:
    """Where the schema lists `a.b` as a path, a record's stray key `a_b` does not change that."""
    schema = {"properties": {"a": {"type": "object", "properties": {"b": {"type": "string"}}}}}
    look_up = compile_lookup("a_b", schema)
    assert look_up({"a": {"b": "listed"}, "a_b": "stray"}) == "listed"
    assert look_up({"a_b": "stray"}) is MISSING


def test_silent_schema_leaves_it_to_each_record() -> None:
    """Without a schema, every record is read for itself."""
    look_up = compile_lookup("a_b", None)
    assert [look_up({"a": {"b": 1}}), look_up({"a_b": 2}), look_up({"a.b": 3})] == [1, 2, MISSING]


@pytest.mark.parametrize("below", [{"type": "object"}, {"type": ["null", "array"]}, {}])
def test_path_below_an_open_column(below: dict[str, Any]) -> None:
    """Below a free-form object or array each record decides."""
    look_up = compile_lookup("a.0.b", {"properties": {"a": below}})
    assert look_up({"a": [{"b": 1}]}) == 1
    assert look_up({"a": {"0": {"b": 2}}}) == 2
    assert look_up({"a": None}) is MISSING


def test_nearest_ignores_case() -> None:
    """`Email` is near `email`."""
    assert nearest("EMAIL", ["name", "email"])[0] == "email"


# -- laws ---------------------------------------------------------------------------------------

KEYS = st.text("abcXYZ019 -ü", min_size=1, max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=3), st.text("ab._0*", max_size=8))
@LAW
def test_looking_up_never_raises(record: dict[str, Any], path: str) -> None:
    """Any path in any record gives a value or MISSING."""
    compile_lookup(path, None)(record)
