"""Columns: which value of a record a dotted path means, and under which name it is sent."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulk_destination.columns import (
    PropertyMapper,
    PropertySelection,
    compile_lookup,
    find,
    nearest,
    parse_property_columns,
)
from bulk_destination.values import MISSING, Adjustments, Scalar, add_property

LAW = settings(derandomize=True, max_examples=100, deadline=None)


def _schema(value: object) -> dict[str, Any]:
    """A schema that lists what `value` has; arrays stay open."""
    if isinstance(value, dict):
        return {"type": "object", "properties": {k: _schema(v) for k, v in value.items()}}
    if isinstance(value, list):
        return {"type": "array"}
    return {"type": ["null", "string"]}


def _selection(text: str) -> PropertySelection:
    selection = parse_property_columns(text)
    assert isinstance(selection, PropertySelection), selection
    return selection


def _properties(
    text: str, record: dict[str, Any], schema: dict[str, Any] | None = None
) -> dict[str, Scalar]:
    return PropertyMapper(_selection(text), schema).properties(record, Adjustments())


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


# -- property_columns ---------------------------------------------------------------------------

RECORD = {
    "id": 7,
    "name": "Noe",
    "gone": None,
    "identities": {"provider": "auth0", "deep": {"er": True}},
    "visits": [{"date": "2020"}, {"date": "2021"}],
    "tags": ["a", "b"],
}
LEAVES = {
    "id": 7,
    "name": "Noe",
    "identities.provider": "auth0",
    "identities.deep.er": True,
    "visits.0.date": "2020",
    "visits.1.date": "2021",
    "tags": "a||b",
}


@pytest.mark.parametrize("schema", [None, _schema(RECORD)], ids=["silent", "listed"])
@pytest.mark.parametrize(
    ("columns", "sent"),
    [
        ("*", LEAVES),
        (" * ", LEAVES),
        ("id,name", {"id": 7, "name": "Noe"}),
        ("  id ,\tname ", {"id": 7, "name": "Noe"}),
        ("identities.*", {"identities.provider": "auth0", "identities.deep.er": True}),
        ("identities", {"identities.provider": "auth0", "identities.deep.er": True}),
        ("identities.deep", {"identities.deep.er": True}),
        ("identities.provider", {"identities.provider": "auth0"}),
        ("identities_provider", {"identities_provider": "auth0"}),
        ("identities.provider as via", {"via": "auth0"}),
        ("identities as who", {"who.provider": "auth0", "who.deep.er": True}),
        ("visits.0.date", {"visits.0.date": "2020"}),
        ("visits", {"visits.0.date": "2020", "visits.1.date": "2021"}),
        ("tags", {"tags": "a||b"}),
        ("gone,id", {"id": 7}),
        ("*, name as first_name", {**LEAVES, "first_name": "Noe"}),
    ],
)
def test_property_columns(
    columns: str, sent: dict[str, Scalar], schema: dict[str, Any] | None
) -> None:
    """Lists, `*`, `object.*`, an object's name, and `path as name`."""
    assert _properties(columns, RECORD, schema) == sent


def test_column_missing_in_one_record_is_left_out_of_that_record() -> None:
    """The other columns are sent, and the next record is not affected."""
    mapper = PropertyMapper(_selection("a,b"), None)
    assert mapper.properties({"a": 1}, Adjustments()) == {"a": 1}
    assert mapper.properties({"a": 1, "b": 2}, Adjustments()) == {"a": 1, "b": 2}
    assert mapper.never_seen() == []


def test_column_that_no_record_had_is_named_with_the_nearest() -> None:
    """At the end of the sync the user learns which column never came, and what was near."""
    mapper = PropertyMapper(_selection("emial, name"), None)
    mapper.properties({"email": "x", "name": "y"}, Adjustments())
    assert mapper.never_seen() == [("emial", ["email"])]


def test_keys_made_of_data_are_not_offered_as_names() -> None:
    """Some sources key objects by data; a hint must not carry it into a log."""
    mapper = PropertyMapper(_selection("jane@example.co"), None)
    mapper.properties({"jane@example.com": 1, "555-0199": 2}, Adjustments())
    assert mapper.never_seen() == [("jane@example.co", [])]


def test_nearest_ignores_case() -> None:
    """`Email` is near `email`."""
    assert nearest("EMAIL", ["name", "email"])[0] == "email"


@pytest.mark.parametrize("text", ["a as", "* as all", "a as x, b as x"])
def test_unreadable_property_columns(text: str) -> None:
    """What cannot be meant is told in words."""
    assert isinstance(parse_property_columns(text), str)


# -- laws ---------------------------------------------------------------------------------------

KEYS = st.text("abcXYZ019 -ü", min_size=1, max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
@LAW
def test_leaf_names_are_columns(record: dict[str, Any]) -> None:
    """Each name that `*` sends, given as a column, finds the same value; all leaves are sent."""
    leaves = _properties("*", record)
    for schema in (None, _schema(record) if record else None):
        for name, value in leaves.items():
            properties: dict[str, Scalar] = {}
            found = compile_lookup(name, schema)(record)
            assert found is not MISSING
            properties = _properties("*", {name: found})
            assert properties == {name: value}

    def count(node: object) -> int:
        if isinstance(node, dict):
            return sum(map(count, node.values()))
        if isinstance(node, list) and any(isinstance(item, dict | list) for item in node):
            return sum(map(count, node))
        return node is not None

    assert len(leaves) == count(record)


@given(st.dictionaries(st.text(max_size=4), VALUES, max_size=3), st.text("ab._0*", max_size=8))
@LAW
def test_looking_up_never_raises(record: dict[str, Any], path: str) -> None:
    """Any path in any record gives a value or MISSING."""
    compile_lookup(path, None)(record)


LONG = st.integers(1_022, 1_025).map("x".__mul__)


@given(
    st.dictionaries(
        st.text("ab.", max_size=3) | LONG,
        VALUES | LONG | st.sampled_from([0.5, float("nan"), float("inf"), 1 << 70]),
        max_size=8,
    )
)
@LAW
def test_all_at_once_is_as_one_by_one(record: dict[str, Any]) -> None:
    """`*` copies what stays as it is; the outcome is that of taking each column by itself."""
    mapper = PropertyMapper(PropertySelection(True, ()), None)
    expected: dict[str, Scalar] = {}
    counted = Adjustments()
    plain = {name: value for name, value in record.items() if not isinstance(value, dict | list)}
    for name, value in {**plain, **record}.items():
        add_property(expected, name, value, counted)
    for _ in range(2):  # at first its names are new, then known
        adjustments = Adjustments()
        assert mapper.properties(record, adjustments) == expected
        assert adjustments == counted
