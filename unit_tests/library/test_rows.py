"""What a caller's rows become: as their JSON would be."""

from __future__ import annotations

import json
import math
import sqlite3
from collections import OrderedDict, UserDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import orjson
import pandas as pd  # type: ignore[import-untyped]  # its stubs are a package of their own
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulk_destination.library.rows import (
    KEY_NOT_TEXT,
    Item,
    NoRecord,
    RowReader,
    primary_key_of,
)
from bulk_destination.mapping.values import NO_MAPPING, UNREADABLE
from bulk_destination.protocol.messages import read_line

MOMENT = datetime(2026, 1, 5, 11, 17, 19, 169000, tzinfo=UTC)
RIGA = timezone(timedelta(hours=2))


class Color(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Plan(StrEnum):
    PRO = "pro"


class Name(str):
    __slots__ = ()


@dataclass
class Point:
    x: int


FORMS = [
    (None, None),
    (math.nan, None),
    (math.inf, None),
    (-math.inf, None),
    (Decimal("Infinity"), None),
    (np.float32("inf"), None),
    (pd.NaT, None),
    (pd.NA, None),
    (np.datetime64("NaT"), None),
    (np.float64("nan"), None),
    (Decimal("NaN"), None),
    (Decimal("sNaN"), None),
    ("a", "a"),
    (Name("a"), "a"),
    (np.str_("a"), "a"),
    (True, True),
    (np.True_, True),
    (np.int64(7), 7),
    (np.uint64(2**64 - 1), 2**64 - 1),
    (np.float32(0.5), 0.5),
    (np.float64(0.5), 0.5),
    (Decimal("12.50"), 12.5),
    (Decimal("9007199254740993"), 9007199254740993),
    (Decimal("12.00"), 12),
    (MOMENT, "2026-01-05T11:17:19.169000+00:00"),
    (MOMENT.astimezone(RIGA), "2026-01-05T13:17:19.169000+02:00"),
    (MOMENT.replace(tzinfo=None), "2026-01-05T11:17:19.169000"),
    (pd.Timestamp(MOMENT), "2026-01-05T11:17:19.169000+00:00"),
    (np.datetime64("2026-01-05T11:17:19.169", "ns"), "2026-01-05T11:17:19.169000000"),
    (np.datetime64("2026-01-05", "D"), "2026-01-05"),
    (date(2026, 1, 5), "2026-01-05"),
    (time(11, 17), "11:17:00"),
    (time(11, 17, 19, 10_000), "11:17:19.010000"),
    (datetime(1850, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")), "1850-01-01T00:00:00+00:53:28"),
    (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (Color.RED, "red"),
    (Level.HIGH, 3),
    (Plan.PRO, "pro"),
    ([1, MOMENT.date()], [1, "2026-01-05"]),
    ((1, Decimal("0.5")), [1, 0.5]),
    (np.array([1.5, math.nan]), [1.5, None]),
    ({"a": {"b": UUID(int=1)}}, {"a": {"b": "00000000-0000-0000-0000-000000000001"}}),
    (OrderedDict(a=[{"b": MOMENT.date()}]), {"a": [{"b": "2026-01-05"}]}),
    ({1: "a"}, {"1": "a"}),
]
#: A column with which a row is copied value by value: no JSON reader keeps its digits.
EXACT = {"exact": 2**70}


def data_of(reader: RowReader, item: Item) -> dict[str, Any]:
    """What the walk is given of a row that is a record."""
    [message] = reader.read([item])
    assert isinstance(message, dict)
    assert (message["stream"], message["namespace"]) == (reader.stream, reader.namespace)
    return message["data"]


@pytest.mark.parametrize("more", [{}, EXACT], ids=["written", "copied"])
@pytest.mark.parametrize(("value", "form"), FORMS, ids=lambda value: repr(value)[:24])
def test_forms(value: object, form: object, more: dict[str, object]) -> None:
    """Each of the types that tables are full of, at the top and below."""
    reader = RowReader("rows")
    data = data_of(reader, reader.item({"a": value, "b": [value], **more}))
    expected = {"a": form, "b": [form], **more}
    assert data == expected
    # Not only equal: `True == 1`, and the mapping asks for the very type.
    assert json.dumps(data) == json.dumps(expected)
    assert type(data["a"]) is type(form)
    assert reader.warnings() == []


@pytest.mark.parametrize(
    "value",
    [
        b"a",
        timedelta(1),
        np.timedelta64(1, "D"),
        {1, 2},
        object(),
        1j,
        {(1, 2): 3},
        print,
        Point(1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_without_a_form(value: object) -> None:
    """It becomes a number that no service takes, and its column is told, with its type."""
    reader = RowReader("rows")
    data = data_of(reader, reader.item({"what": value, "when": MOMENT}))
    assert math.isnan(data["what"])
    assert data["when"] == MOMENT.isoformat()
    (warning,) = reader.warnings()
    assert f"`what` ({type(value).__name__})" in warning


def test_what_holds_itself() -> None:
    """It has no form either."""
    value: list[Any] = []
    value.append(value)
    reader = RowReader("rows")
    assert math.isnan(data_of(reader, reader.item({"a": value}))["a"])
    assert "`a` (list)" in reader.warnings()[0]


def test_a_column_that_may_be_a_value_is_not_told() -> None:
    """A source may key an object by the people that it is about."""
    reader = RowReader("rows")
    reader.item({"jane@example.com": b"a"})
    assert "jane" not in reader.warnings()[0]


class Named(NamedTuple):
    name: str


class Lazy(Mapping[str, int]):
    """A mapping that is no dict."""

    def __getitem__(self, name: str) -> int:
        return len(name)

    def __iter__(self) -> Iterator[str]:
        return iter(("a", "bb"))

    def __len__(self) -> int:
        return 2


class SparkRow(tuple[object, ...]):
    """As a row of PySpark: a tuple that can be a dict, and so can what is in it."""

    __slots__ = ()

    def asDict(self) -> dict[str, object]:  # noqa: N802  # PySpark's
        return {"a": self[0], "inner": self[1]}


def test_rows_of_all_kinds() -> None:
    """Whatever has columns is read."""
    reader = RowReader("rows", "shop")
    database = sqlite3.connect(":memory:")
    database.row_factory = sqlite3.Row
    (sqlite_row,) = database.execute("SELECT 1 AS a, 'x' AS b")
    database.close()
    rows: list[tuple[object, object]] = [
        (UserDict(a=1), {"a": 1}),
        (Lazy(), {"a": 1, "bb": 2}),
        (sqlite_row, {"a": 1, "b": "x"}),
        (SparkRow((1, SparkRow((2, 3)))), {"a": 1, "inner": {"a": 2, "inner": 3}}),
        ({1: "a", Name("b"): 2}, {"1": "a", "b": 2}),
        (pd.Series({"a": 1}), {"a": 1}),
    ]
    for given_row, data in rows:
        read = data_of(reader, reader.item(given_row))
        assert read == data
        assert {*map(type, read)} == {str}


@pytest.mark.parametrize("more", [{}, EXACT], ids=["written", "copied"])
def test_a_row_is_what_it_was_when_it_came(more: dict[str, object]) -> None:
    """A generator may use the same dict again, and what is in it."""
    reader = RowReader("rows")
    row: dict[str, Any] = {"a": 1, "b": {"c": [1]}, "d": [{}], "e": np.array([1]), **more}
    item = reader.item(row)
    row["a"] = 2
    row["b"]["c"].append(2)
    row["b"]["new"] = 2
    row["d"][0]["new"] = 2
    row["e"][0] = 2
    assert data_of(reader, item) == {"a": 1, "b": {"c": [1]}, "d": [{}], "e": [1], **more}


def test_rows_of_databases_are_written_at_once() -> None:
    """What databases and tables are full of costs no copy."""
    row = {
        **{"text": "ä", "moment": MOMENT, "day": date(2026, 1, 5), "price": Decimal("1.5")},
        **{"key": UUID(int=1), "none": None, "number": np.int64(1), "missing": pd.NaT},
        **{"time": pd.Timestamp(MOMENT), "object": {"a": [1, (2, 3)]}, "plan": Plan.PRO},
    }
    assert isinstance(RowReader("rows").item(row), str)


def test_a_part_that_is_json_already() -> None:
    """As orjson has it; where it is none, its row is rejected, shown and kept."""
    reader = RowReader("rows")
    good, bad = (reader.item({"a": orjson.Fragment(text)}) for text in ('{"b": 1}', "?"))
    assert data_of(reader, good) == {"a": {"b": 1}}
    assert [*reader.read([bad])] == [UNREADABLE]
    assert reader.shown(bad) == '{"a":?}'
    assert reader.line_of(bad).endswith(b'{"a":?}}}')
    assert math.isnan(data_of(reader, reader.item({"a": orjson.Fragment(b'"\xff"')}))["a"])


class Awkward(NamedTuple):
    """Columns with the names of what a mapping has."""

    keys: str
    asDict: str  # noqa: N815  # PySpark's


class Mute:
    """As an object of a database that is asked when its session has ended."""

    def __str__(self) -> str:
        raise RuntimeError("is not bound to a session")

    __repr__ = __str__


def within(value: Any, depth: int) -> Any:
    """`value` in so many lists."""
    for _ in range(depth):
        value = [value]
    return value


def ring() -> list[Any]:
    """What holds itself."""
    value: list[Any] = [1]
    value.append(value)
    return value


NO_MAPPINGS = [
    (None, "null"),
    (1, "1"),
    ("a", '"a"'),
    (b"a", "\"b'a'\""),
    (("a", 1), '["a", 1]'),
    ([("a", 1)], '[["a", 1]]'),
    (Named("x"), '["x"]'),
    (Awkward("x", "y"), '["x", "y"]'),
    (dict, "\"<class 'dict'>\""),
    (Mute(), '"a row that cannot be shown (Mute)"'),
    ([Mute()], '"a row that cannot be shown (list)"'),
    (ring(), '"a row that cannot be shown (list)"'),
    (within(1, 9_000), '"a row that cannot be shown (list)"'),
    (10**5_000, '"a row that cannot be shown (int)"'),
]


@pytest.mark.parametrize(("row", "text"), NO_MAPPINGS, ids=[text[:24] for _, text in NO_MAPPINGS])
def test_no_mapping(row: object, text: str) -> None:
    """A row without columns is none; its line is kept as one that cannot be read."""
    reader = RowReader("rows")
    item = reader.item(row)
    assert item == NoRecord(NO_MAPPING, text)
    assert [*reader.read([item])] == [NO_MAPPING]
    assert isinstance(read_line(reader.line_of(item)), type(read_line(b"?")))


def test_keys_that_are_no_text() -> None:
    """None of JSON's objects has such."""
    item = RowReader("rows").item
    assert item({("a", "b"): 1, "c": 2}) == NoRecord(KEY_NOT_TEXT, '{"c": 2}')
    assert item({None: 1}) == NoRecord(KEY_NOT_TEXT, '{"null": 1}')
    mute = '"a row that cannot be shown (dict)"'
    assert item({None: Mute()}) == NoRecord(KEY_NOT_TEXT, mute)


def test_a_row_that_is_none_is_kept_as_it_came() -> None:
    """The caller may fill the same list again before the row's line is asked for."""
    reader = RowReader("rows")
    row: list[Any] = ["before"]
    item = reader.item(row)
    row[0] = "after"
    assert b"before" in reader.line_of(item)


def test_the_line_of_a_number_that_is_not_written_out() -> None:
    """Python refuses it; the row can be kept all the same, without it."""
    reader = RowReader("rows")
    item = reader.item({"a": 1, "b": 10**5_000, "c": [{"d": -(10**5_000)}]})
    message = read_line(reader.line_of(item))
    assert isinstance(message, dict)
    assert repr(message["data"]) == "{'a': 1, 'b': nan, 'c': [{'d': nan}]}"


@pytest.mark.parametrize(
    "row", [{"a": "\ud800", "b": b"x", "c": 2**70, "d": MOMENT}, {"a": 'ä"', "b": math.nan}]
)
def test_the_line_of_a_row(row: dict[str, Any]) -> None:
    """It is read as the row was, what has no form among it."""
    reader = RowReader('"rows"', "shop")
    item = reader.item(row)
    message = read_line(reader.line_of(item))
    assert isinstance(message, dict)
    assert (message["stream"], message["namespace"]) == ('"rows"', "shop")
    assert repr(message["data"]) == repr(data_of(reader, item)) == repr(reader.shown(item))


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
moments = st.datetimes(timezones=st.one_of(st.none(), st.timezones()))
values: st.SearchStrategy[Any] = st.recursive(
    json_values
    | st.floats()
    | st.decimals()
    | moments
    | st.dates()
    | st.times()
    | st.uuids()
    | st.binary()
    | st.sampled_from([Color.RED, Level.HIGH, Plan.PRO, Name("a"), pd.NA, pd.NaT, np.int8(1)]),
    lambda inner: st.lists(inner) | st.dictionaries(st.one_of(st.text(), st.integers()), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values))
def test_what_is_json_stays_as_it_is(row: dict[str, Any]) -> None:
    """To the type, and in the same order."""
    reader = RowReader("rows")
    assert repr(data_of(reader, reader.item(row))) == repr(row)


@given(st.dictionaries(st.text(), values))
def test_written_or_copied_it_is_the_same(row: dict[str, Any]) -> None:
    """To the type, the order and the warnings: what is in one column changes no other."""
    reader, copying = RowReader("rows"), RowReader("rows")
    data = data_of(reader, reader.item(row))
    copied = data_of(copying, copying.item(row | EXACT))
    assert repr(data | EXACT) == repr(copied)
    assert reader.warnings() == copying.warnings()
    waiting: list[Any] = [data]
    while waiting:
        value = waiting.pop()
        assert type(value) in {type(None), bool, int, float, str, list, dict}
        waiting += value.values() if type(value) is dict else value if type(value) is list else ()


def test_primary_keys() -> None:
    """A column, several, or paths."""
    assert primary_key_of(None) == []
    assert primary_key_of("id") == [["id"]]
    assert primary_key_of(["id", ("tenant", "id")]) == [["id"], ["tenant", "id"]]
