"""What is told of columns holds for the records that came."""

from typing import Any

import jsonschema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulk_destination.look.columns_seen import MOST_COLUMNS, ColumnsSeen, written
from bulk_destination.mapping.lookups import Found, compile_expression
from bulk_destination.mapping.reading import Reading
from bulk_destination.mapping.schema import read_schema

LAW = settings(
    derandomize=True,
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
_RECORDS = st.lists(
    st.dictionaries(
        st.text(max_size=3),
        st.recursive(
            _SCALARS,
            lambda below: st.lists(below, max_size=2) | st.dictionaries(st.text(), below),
            max_leaves=6,
        ),
        max_size=5,
    ),
    min_size=1,
    max_size=5,
)


def _seen(records: list[dict[str, Any]]) -> ColumnsSeen:
    seen = ColumnsSeen()
    for record in records:
        seen.add(record)
    return seen


@LAW
@given(_RECORDS)
def test_the_schema_fits_what_came(records: list[dict[str, Any]]) -> None:
    schema = _seen(records).json_schema()
    for record in records:
        jsonschema.validate(record, schema)


def test_what_is_told_of_a_column() -> None:
    """A value that is null or blank is none; examples are short, and each another one."""
    records: list[dict[str, Any]] = [
        {"id": 1, "who": {"email": "a@b.example"}, "note": " ", "tags": ["a", "b"]},
        {"id": 2, "who": {"email": None}, "note": "x" * 100, "tags": None},
        {"id": 2.5, "who": {}, "note": "x" * 100},
    ]
    seen = _seen(records)
    told = {one.written: (one.filled, dict(one.types), one.examples) for one in seen.leaves()}
    assert told == {
        "id": (3, {"integer": 2, "number": 1}, ["1", "2", "2.5"]),
        "who": (1, {"object": 1}, ["{…}"]),
        "who.email": (1, {"string": 1}, ["a@b.example"]),
        "note": (2, {"string": 3}, ["x" * 60 + "…"]),
        "tags": (1, {"array": 1}, ["[2]"]),
    }
    assert seen.records == 3


def test_names_beyond_a_number_are_not_kept() -> None:
    seen = ColumnsSeen()
    for at in range(MOST_COLUMNS + 5):
        seen.add({f"c{at}": 1})
    assert len(list(seen.leaves())) == MOST_COLUMNS
    assert seen.more


@LAW
@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=3))
def test_a_column_as_it_is_written_is_found(keys: list[str]) -> None:
    """Whatever its name is, the engine reads it as that column."""
    record: Any = "found"
    for key in reversed(keys):
        record = {key: record}
    [column] = _seen([record]).leaves()
    schema = read_schema(_seen([record]).json_schema())
    reading = Reading(schema)
    expression = reading.value("column", column.written, lambda value: value)
    reading.done()
    assert compile_expression(expression, schema, Found(expression))(record) == "found"
    assert written("plain") == "plain"
