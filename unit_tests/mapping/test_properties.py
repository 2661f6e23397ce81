"""Properties: what a record's columns become within a service's limits, here Heap's."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulk_destination.mapping.columns import compile_lookup
from bulk_destination.mapping.entries import Column, Everything, Property, PropertySelection
from bulk_destination.mapping.grammar import read_properties
from bulk_destination.mapping.properties import Limits, PropertyMapper, Scalar, add_property
from bulk_destination.mapping.values import MISSING, Adjustments
from destination_heap_analytics.values import PROPERTY_LIMITS

LAW = settings(derandomize=True, max_examples=100, deadline=None)


def _sent(value: object, name: str = "p") -> tuple[dict[str, Scalar], Adjustments]:
    properties: dict[str, Scalar] = {}
    adjustments = Adjustments()
    add_property(properties, name, value, PROPERTY_LIMITS, adjustments)
    return properties, adjustments


def _schema(value: object) -> dict[str, Any]:
    """A schema that lists what `value` has; arrays stay open."""
    if isinstance(value, dict):
        return {"type": "object", "properties": {k: _schema(v) for k, v in value.items()}}
    if isinstance(value, list):
        return {"type": "array"}
    return {"type": ["null", "string"]}


def _mapper(columns: str, schema: dict[str, Any] | None = None) -> PropertyMapper:
    selection = read_properties(columns, schema)
    assert isinstance(selection, PropertySelection), selection
    return PropertyMapper(selection, schema, PROPERTY_LIMITS)


def _properties(
    columns: str, record: dict[str, Any], schema: dict[str, Any] | None = None
) -> dict[str, Scalar]:
    return _mapper(columns, schema).properties(record, Adjustments())


# -- one value ----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["Noe", "", "0", 0, 7, -(2**63), 0.5, True, False])
def test_scalars_keep_their_type(value: Scalar) -> None:
    """A string, number or boolean is sent as the same JSON type."""
    properties, adjustments = _sent(value)
    assert properties == {"p": value}
    assert type(properties["p"]) is type(value)
    assert adjustments == Adjustments()


def test_null_is_never_sent() -> None:
    """Null adds nothing, so it cannot wipe what Heap has."""
    assert _sent(None) == ({}, Adjustments())
    assert _sent({"a": None, "b": {"c": None}}) == ({}, Adjustments())
    assert _sent([{"a": None}]) == ({}, Adjustments())


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (["a", "b"], "a||b"),
        (["alone"], "alone"),
        ([1, 2.5, True, False], "1||2.5||true||false"),
        (["a", None, "b"], "a||b"),
    ],
)
def test_array_of_scalars_is_joined(array: list[Any], text: str) -> None:
    """An array of scalars is one string joined by `||`, as Heap stores it."""
    assert _sent(array) == ({"p": text}, Adjustments())
    assert _sent({"q": array}) == ({"p.q": text}, Adjustments())


def test_array_with_containers_gives_leaves_by_index() -> None:
    """An array with objects or arrays in it becomes leaves such as `visits.0.date`."""
    visits = [{"date": "2020-01-01", "n": 1}, "x", ["a", "b"], [[1], {"y": 2}]]
    assert _sent(visits, "visits")[0] == {
        "visits.0.date": "2020-01-01",
        "visits.0.n": 1,
        "visits.1": "x",
        "visits.2": "a||b",
        "visits.3.0": "1",
        "visits.3.1.y": 2,
    }


def test_object_gives_its_leaves() -> None:
    """A leaf's name in Heap is its dotted path."""
    assert _sent({"b": {"c": 1}, "d": "x"}, "a")[0] == {"a.b.c": 1, "a.d": "x"}


@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [v]], ids=["string", "array"])
def test_string_of_1024_characters_is_cut(wrap: Any) -> None:
    """Heap wants fewer than 1,024: 1,023 stand, longer ones are cut to that and counted."""
    assert _sent(wrap("x" * 1023)) == ({"p": "x" * 1023}, Adjustments())
    for length in (1024, 5000):
        assert _sent(wrap("x" * length)) == ({"p": "x" * 1023}, Adjustments(truncated=1))


@pytest.mark.parametrize("value", ["v", 1, ["a"], "x" * 2000])
def test_name_of_1024_characters_is_left_out(value: object) -> None:
    """A property name of 1,024 characters or more is left out and counted."""
    assert _sent(value, "n" * 1024) == ({}, Adjustments(left_out=1))
    assert set(_sent(value, "n" * 1023)[0]) == {"n" * 1023}


def test_dotted_name_of_1024_characters_is_left_out() -> None:
    """The limit is on the whole dotted path; the leaves beside it are sent."""
    properties, adjustments = _sent({"k" * 1021: 1, "k" * 1022: 2, "ok": 3}, "p")
    assert properties == {f"p.{'k' * 1021}": 1, "p.ok": 3}
    assert adjustments == Adjustments(left_out=1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_not_a_number_and_infinity_are_left_out(value: float) -> None:
    """NaN and infinities are left out and counted; what stands beside them is sent."""
    assert _sent(value) == ({}, Adjustments(left_out=1))
    assert _sent({"bad": value, "good": 1}) == ({"p.good": 1}, Adjustments(left_out=1))
    assert _sent([value, "a"]) == ({"p": "a"}, Adjustments(left_out=1))


def test_deep_nesting_is_no_error() -> None:
    """Nesting deeper than the interpreter's stack neither raises nor loses the shallow leaves."""
    deep: Any = 1
    for _ in range(5000):
        deep = {"a": deep}
    assert _sent({"deep": deep, "shallow": 1})[0] == {"p.shallow": 1}


@pytest.mark.parametrize("value", [{"b": {"c": 1}, "b.c": 2}, {"b.c": 2, "b": {"c": 1}}])
def test_of_two_paths_with_one_name_the_shallower_wins(value: object) -> None:
    """Whichever comes first in the record."""
    assert _sent(value, "a")[0] == {"a.b.c": 2}


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
    mapper = _mapper("a,b")
    assert mapper.properties({"a": 1}, Adjustments()) == {"a": 1}
    assert mapper.properties({"a": 1, "b": 2}, Adjustments()) == {"a": 1, "b": 2}
    assert mapper.never_seen() == []


def test_column_that_no_record_had_is_named_with_the_nearest() -> None:
    """At the end of the sync the user learns which column never came, and what was near."""
    mapper = _mapper("emial, name")
    mapper.properties({"email": "x", "name": "y"}, Adjustments())
    assert mapper.never_seen() == [("emial", ["email"])]


def test_keys_made_of_data_are_not_offered_as_names() -> None:
    """Some sources key objects by data; a hint must not carry it into a log."""
    mapper = _mapper("jane@example.co")
    mapper.properties({"jane@example.com": 1, "555-0199": 2}, Adjustments())
    assert mapper.never_seen() == [("jane@example.co", [])]


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


LONG = st.integers(7, 10).map("x".__mul__)
#: Of one service such as Heap, and of one such as Hackle.
LIMITS = [Limits(8, 8), Limits(8, 9, number=2**53, count=4)]


@pytest.mark.parametrize("limits", LIMITS, ids=["few limits", "all limits"])
@given(
    st.dictionaries(
        st.text("ab.", max_size=3) | LONG,
        VALUES
        | LONG
        | st.sampled_from([0.5, float("nan"), float("inf"), 1e300, 2**53, -(2**53) - 1, 1 << 1070]),
        max_size=8,
    )
)
@LAW
def test_all_at_once_is_as_one_by_one(limits: Limits, record: dict[str, Any]) -> None:
    """`*` copies what stays as it is; the outcome is that of taking each column by itself."""
    mapper = PropertyMapper(PropertySelection(Everything()), None, limits)
    each: dict[str, Scalar] = {}
    counted = Adjustments()
    plain = {name: value for name, value in record.items() if not isinstance(value, dict | list)}
    for name, value in {**plain, **record}.items():
        add_property(each, name, value, limits, counted)
    kept = sorted(each)[: limits.count]
    counted.left_out += len(each) - len(kept)
    for _ in range(2):  # at first its names are new, then known
        adjustments = Adjustments()
        assert mapper.properties(record, adjustments) == {name: each[name] for name in kept}
        assert adjustments == counted
        assert mapper.most == len(each)


@pytest.mark.parametrize("limits", LIMITS, ids=["few limits", "all limits"])
@given(
    st.text("ab", max_size=2) | LONG,
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | LONG,
)
@LAW
def test_a_column_is_as_any_value(limits: Limits, name: str, value: Any) -> None:
    """What is dealt with at once for a column is dealt with as everywhere."""
    mapper = PropertyMapper(PropertySelection(None, (Property(Column("c"), name),)), None, limits)
    sent: dict[str, Scalar] = {}
    counted, adjustments = Adjustments(), Adjustments()
    add_property(sent, name, value, limits, counted)
    assert mapper.properties({"c": value}, adjustments) == sent
    assert adjustments == counted


@given(st.dictionaries(KEYS, VALUES, max_size=4))
@LAW
def test_what_fits_nowhere_is_counted(record: dict[str, Any]) -> None:
    """With no room at all nothing is sent, and each leaf is counted."""
    adjustments = Adjustments()
    mapper = PropertyMapper(PropertySelection(Everything()), None, Limits(1_000, 1_000, count=0))
    assert mapper.properties(record, adjustments) == {}
    assert adjustments.left_out == len(_properties("*", record))
