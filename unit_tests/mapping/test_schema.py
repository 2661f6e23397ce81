"""What a JSON schema says of columns, and what a closed one keeps from being sent."""

from typing import Any

import pytest

from bulk_destination.mapping.columns import listed_names, resolve
from bulk_destination.mapping.entries import PropertySelection
from bulk_destination.mapping.grammar import read_properties
from bulk_destination.mapping.properties import Limits, PropertyMapper, Scalar
from bulk_destination.mapping.schema import read_schema
from bulk_destination.mapping.values import Adjustments

A = {"properties": {"a": {"type": "string"}}}
B = {"properties": {"b": {"type": "string"}}}
OBJECT = {"type": "object"}
NULL = {"type": "null"}


@pytest.mark.parametrize(
    ("schema", "names"),
    [
        (A, "a"),
        ({"oneOf": [A, B]}, "a b"),
        ({"anyOf": [NULL, A]}, "a"),
        ({"allOf": [A, B]}, "a b"),
        ({**A, "oneOf": [B, NULL]}, "a b"),
        ({**A, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, "a"),
        ({"oneOf": [A, {"allOf": [B, {"properties": {"c": A}}]}]}, "a b c c.a"),
        ({"properties": {"x": {"oneOf": [NULL, A]}}}, "x x.a"),
        ({"$ref": "#/definitions/t~1x", "definitions": {"t/x": A}}, "a"),
        ({"properties": {"x": {"$ref": "#/$defs/y"}}, "$defs": {"y": B}}, "x x.b"),
        ({"properties": {"x": {"$ref": "#"}, "y": {}}}, "x x.x x.y y"),
        ({"properties": {"x": {"$ref": "#/nowhere"}, "y": {"$ref": "http://far.test/s"}}}, "x y"),
        ({"oneOf": [{"properties": {"x": A}}, {"properties": {"x": B}}]}, "x x.a x.b"),
    ],
)
def test_what_is_listed(schema: dict[str, Any], names: str) -> None:
    """By whichever of JSON schema's words for several."""
    read = read_schema(schema)
    assert read is not None
    listed = list(listed_names(read))
    assert sorted(name for name in listed if name.count(".") < 2) == names.split()


@pytest.mark.parametrize(
    "schema",
    [
        *(None, True, [], "x", {}, OBJECT, {"properties": {}}, {"properties": 5}, {"oneOf": 5}),
        *({"oneOf": [A, OBJECT]}, {"anyOf": [A, {}]}, {"$ref": 5}, {"$ref": "#"}),
        {"allOf": [{"$ref": "#"}, {"$ref": "#/allOf/0"}]},
    ],
    ids=repr,
)
def test_what_lists_nothing(schema: object) -> None:
    """Then no name is held against it."""
    assert read_schema(schema) is None


def test_a_free_form_choice_leaves_it_open() -> None:
    """One of several kinds may be anything, so a path below it is not checked."""
    read = read_schema({"properties": {"x": {"oneOf": [A, {"type": "object"}]}, "y": A}})
    assert read is not None
    assert resolve(read, "x.whatever") is not None
    assert resolve(read, "y.whatever") is None
    text = read_schema({"properties": {"x": {"oneOf": [NULL, {"type": "string"}]}}})
    assert text is not None
    assert resolve(text, "x.whatever") is None


def test_depth_and_breadth_are_bounded() -> None:
    """A schema may be made to take for ever."""
    deep: dict[str, Any] = {}
    for _ in range(500):
        deep = {"properties": {"a": deep}}
    assert read_schema(deep) is not None
    wide: dict[str, Any] = {"definitions": {"0": A}, "$ref": "#/definitions/20"}
    for n in range(1, 21):
        wide["definitions"][str(n)] = {"allOf": [{"$ref": f"#/definitions/{n - 1}"}] * 2}
    assert read_schema(wide) == {"properties": {"a": {"type": "string"}}}


# -- closed schemas ------------------------------------------------------------------------------

CLOSED = {"additionalProperties": False}
SHUT: dict[str, Any] = {
    "properties": {
        "a": {"type": "string"},
        "o": {"properties": {"x": {}}, **CLOSED},
        "items": {"type": "array", "items": {"properties": {"sku": {}}, **CLOSED}},
        "open": {"properties": {"y": {}}},
    },
    **CLOSED,
}
RECORD = {
    "a": "1",
    "ssn": "2",
    "o": {"x": 3, "ssn": 4},
    "items": [{"sku": 5, "ssn": 6}],
    "open": {"y": 7, "z": 8},
    "_ab_cdc_lsn": 9,
}


def _sent(columns: str, schema: dict[str, Any]) -> tuple[dict[str, Scalar], list[str]]:
    read = read_schema(schema)
    selection = read_properties(columns, read)
    assert isinstance(selection, PropertySelection), selection
    mapper = PropertyMapper(selection, read, Limits(1_000, 1_000))
    return mapper.properties(RECORD, Adjustments()), mapper.warnings()


@pytest.mark.parametrize(
    ("columns", "sent"),
    [
        ("*", {"a": "1", "o.x": 3, "items.0.sku": 5, "open.y": 7, "open.z": 8}),
        ("* except (open)", {"a": "1", "o.x": 3, "items.0.sku": 5}),
        ("o", {"o.x": 3}),
        ("o.* as p", {"p.x": 3}),
        ("json(items) as i", {"i": '[{"sku":5}]'}),
        ("lower(items) as i", {"i": '[{"sku":5}]'}),
        ("items.0", {"items.0.sku": 5}),
        ("items_0 as first", {"first.sku": 5}),
        ('"items"."0".* as first', {"first.sku": 5}),
        ("json(items.0) as i", {"i": '{"sku":5}'}),
        ("a, open", {"a": "1", "open.y": 7, "open.z": 8}),
    ],
)
def test_what_a_closed_schema_lists_is_what_is_sent(columns: str, sent: dict[str, Scalar]) -> None:
    """An unlisted `ssn` stays here, and that is told."""
    properties, _ = _sent(columns, SHUT)
    assert properties == sent


def test_what_a_closed_schema_kept_is_told() -> None:
    """By name, its source's bookkeeping aside."""
    assert _sent("*", SHUT)[1] == [
        "The stream's schema allows no columns but those that it lists, so these were not sent: "
        "`ssn`"
    ]


@pytest.mark.parametrize(
    ("schema", "kept"),
    [
        ({**A, **CLOSED}, {"a"}),
        ({**A, "additionalProperties": True}, {*RECORD} - {"_ab_cdc_lsn"}),
        ({**A, "unevaluatedProperties": False}, {"a"}),
        ({**A, **CLOSED, "patternProperties": {"^s": {}, "(": {}}}, {"a", "ssn"}),
        ({"oneOf": [{**A, **CLOSED}, {**B, **CLOSED}]}, {"a"}),
        ({"oneOf": [{**A, **CLOSED}, B]}, {*RECORD} - {"_ab_cdc_lsn"}),
        ({"allOf": [{**A, **CLOSED}, B]}, {"a"}),
        ({"$ref": "#/definitions/x", "definitions": {"x": {**A, **CLOSED}}}, {"a"}),
    ],
)
def test_which_schemas_are_closed(schema: dict[str, Any], kept: set[str]) -> None:
    """A choice is if all of its kinds are; where all hold, one is enough."""
    properties, _ = _sent("*", schema)
    assert {name.partition(".")[0] for name in properties} == kept
