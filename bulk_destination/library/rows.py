"""A caller's rows become records, their values what they would be in JSON. Pure.

=====================================================  ============================================
value of a row                                         value of the record
=====================================================  ============================================
`None`, `NaN`, `NaT`, `pandas.NA`                      null, as pandas writes them
text, integers, numbers, booleans; numpy's of them     as it is
`Decimal`                                              a number; a whole one with all its digits
`datetime`, `date`, `time`; pandas' and numpy's        ISO 8601; without a zone if it has none
`UUID`                                                 its text
an `Enum`                                              its value
mappings, lists, tuples, arrays                        objects and arrays, to any depth
anything else: `bytes`, `timedelta`, sets, classes     it has no form in JSON; see below
=====================================================  ============================================

What has no form becomes a `NaN`, which no service takes: a property is left out and counted, an
identity, a time or an event's name rejects the row. Which columns have such is told once.

A record is a copy: a generator may use the same `dict` again.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Any, Final
from uuid import UUID

from bulk_destination.mapping.columns import looks_like_a_column
from bulk_destination.mapping.values import NO_MAPPING, Rejected
from bulk_destination.protocol.messages import Message, RecordMessage, envelope

#: A row that has a key which no object of JSON can have.
KEY_NOT_TEXT: Final = Rejected("key_not_text")
#: Types without a form that are told, by their columns.
_MOST_TOLD: Final = 20
#: Digits of a whole `Decimal` that are written out; a service takes a double at most.
_MOST_DIGITS: Final = 1_000
#: Bits of an integer that is written out at all: `str` refuses more than 4,300 digits.
_MOST_BITS: Final = 8_192

_AS_THEY_ARE: Final = frozenset({str, int, bool, NoneType})
_NO_FORM: Final = math.nan


@dataclass(frozen=True, slots=True)
class NoRecord:
    """A row that is no record, and why."""

    rejected: Rejected
    #: It as JSON, as far as it can be written; made at once, as the caller may change the row.
    text: str


Item = RecordMessage | NoRecord


@dataclass(slots=True)
class RowReader:
    """Reads the rows of one load, which are of one stream."""

    stream: str
    namespace: str | None = None
    #: Columns with values of a type that has no form in JSON, and its name.
    formless: dict[str, str] = field(default_factory=dict)

    def item(self, row: object) -> Item:
        """The record that a row is. Raises what the row raises when it is read."""
        if type(row) is not dict:
            # Asked of the type: a column may have such a name.
            kind = type(row)
            if callable(as_dict := getattr(kind, "asDict", None)):  # PySpark's, a tuple
                row = as_dict(row)
            elif isinstance(row, Mapping) or callable(getattr(kind, "keys", None)):
                row = dict(row)  # type: ignore[call-overload]  # as sqlite3's rows can
            else:
                return NoRecord(NO_MAPPING, _text_of(row))
        assert isinstance(row, dict)  # noqa: S101  # each of them makes one
        if not _TEXT.issuperset(map(type, row)):
            keyed = _with_keys_of_text(row)
            if keyed is None:
                return NoRecord(KEY_NOT_TEXT, _text_of(row))
            row = keyed
        # Most values stay as they are, and a call for each would be most of all work.
        data: dict[str, Any] = row.copy()
        if not _AS_THEY_ARE.issuperset(map(type, row.values())):
            for name, value in row.items():
                if type(value) not in _AS_THEY_ARE:
                    try:
                        data[name] = self._in_json(name, value)
                    except RecursionError:
                        data[name] = self._without_form(name, value)
        record: RecordMessage = {"stream": self.stream, "data": data}
        if self.namespace:
            record["namespace"] = self.namespace
        return record

    def line_of(self, item: Item) -> bytes:
        """The RECORD line that a row would be, with which a file of rejected records can be fed."""
        if isinstance(item, NoRecord):
            return envelope(item.text.encode(), self.stream, self.namespace)
        # Not orjson: a `NaN` stays one, so that the line is rejected as the row was.
        line = {"type": "RECORD", "record": {**item, "emitted_at": 0}}
        try:
            return json.dumps(line).encode()
        except ValueError:
            return json.dumps(_written_out(line)).encode()

    def warnings(self) -> list[str]:
        """What the caller should know of the values of rows: names of columns and types only."""
        named = [
            f"`{name}` ({kind})"
            for name, kind in self.formless.items()
            if looks_like_a_column(name)
        ]
        if not self.formless:
            return []
        more = "" if len(named) == len(self.formless) < _MOST_TOLD else " and others"
        return [
            f"Values of types that JSON does not have were not sent: {', '.join(named)}{more}. "
            "Convert them to text or numbers first"
        ]

    def _in_json(self, column: str, value: Any) -> Any:
        kind = type(value)
        if kind is float:
            return value if value == value else None  # noqa: PLR0124  # `NaN` alone is not
        if kind in _AS_THEY_ARE:
            return value
        if kind is dict:
            return self._object(column, value)
        if kind is list:
            return self._array(column, value)
        if isinstance(value, Mapping):
            return self._object(column, value)
        if callable(as_dict := getattr(value, "asDict", None)):
            return self._object(column, as_dict())
        if isinstance(value, list | tuple):
            return self._array(column, value)
        scalar = _scalar(value)
        if scalar is not _UNKNOWN:
            return scalar
        plain = _plain(value)
        if plain is _UNKNOWN:
            return self._without_form(column, value)
        return self._in_json(column, plain)

    def _object(self, column: str, value: Mapping[Any, Any]) -> Any:
        if not _TEXT.issuperset(map(type, value)):
            keyed = _with_keys_of_text(value)
            if keyed is None:
                return self._without_form(column, value)
            value = keyed
        if type(value) is dict and _AS_THEY_ARE.issuperset(map(type, value.values())):
            return value.copy()
        return {
            name: each if type(each) in _AS_THEY_ARE else self._in_json(column, each)
            for name, each in value.items()
        }

    def _array(self, column: str, values: Sequence[Any]) -> list[Any]:
        return [
            each if type(each) in _AS_THEY_ARE else self._in_json(column, each) for each in values
        ]

    def _without_form(self, column: str, value: object) -> float:
        if len(self.formless) < _MOST_TOLD:
            self.formless.setdefault(column, type(value).__name__)
        return _NO_FORM


def read_items(items: Iterable[Item]) -> Iterator[Message]:
    """What the walk makes of them."""
    return (item.rejected if isinstance(item, NoRecord) else item for item in items)


_TEXT: Final = frozenset({str})
_UNKNOWN: Final = object()


def _text_of(row: object) -> str:
    try:
        return json.dumps(row, default=str, skipkeys=True)
    except Exception:  # noqa: BLE001  # what holds itself, is too deep, or has a `str` that raises
        return json.dumps(f"a row that cannot be shown ({type(row).__name__})")


def _written_out(value: Any) -> Any:
    """`value` without integers of more digits than Python writes."""
    match value:
        case dict():
            return {name: _written_out(each) for name, each in value.items()}
        case list():
            return [_written_out(each) for each in value]
        case int() if value.bit_length() > _MOST_BITS:
            return _NO_FORM
    return value


def _with_keys_of_text(row: Mapping[Any, Any]) -> dict[str, Any] | None:
    """The same with integers (pandas' columns without names) as text; None for other keys."""
    keyed: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(key, str):
            keyed[str.__str__(key)] = value
        elif type(key) is int:
            keyed[str(key)] = value
        else:
            return None
    return keyed


def _scalar(value: Any) -> Any:
    """A value of the standard library's, or of a class made of one."""
    match value:
        case Enum():
            return _UNKNOWN
        case str():
            return str.__str__(value)
        case int():
            return int(value)
        case float():
            return None if math.isnan(value) else float(value)
        case Decimal():
            return _number(value)
        case UUID():
            return str(value)
        case datetime() | date() | time():
            text = value.isoformat()
            return None if text == "NaT" else text
    return _UNKNOWN


def _number(value: Decimal) -> int | float | None:
    if value.is_nan():
        return None
    if not value.is_finite():
        return float(value)
    if value == value.to_integral_value() and value.adjusted() < _MOST_DIGITS:
        return int(value)
    return float(value)


def _plain(value: Any) -> Any:
    """What stands for a value of numpy's, of pandas' or of Arrow's, none of which is imported."""
    kind = type(value)
    if isinstance(value, Enum):
        return value.value
    if kind.__name__ == "NAType":
        return None
    module = kind.__module__.partition(".")[0]
    if module == "numpy":
        if kind.__name__ == "datetime64":  # of nanoseconds, `item` makes an integer
            text = str(value)
            return None if text == "NaT" else text
        if kind.__name__ == "timedelta64":
            return _UNKNOWN
        if callable(to_list := getattr(value, "tolist", None)):
            found = to_list()
            return _UNKNOWN if type(found) is kind else found
    if module == "pyarrow" and callable(as_py := getattr(value, "as_py", None)):
        return as_py()
    return _UNKNOWN


def primary_key_of(key: str | Sequence[str | Sequence[str]] | None) -> list[Any]:
    """A primary key as a catalog has it: a list of paths."""
    if key is None:
        return []
    parts = [key] if isinstance(key, str) else key
    return [[part] if isinstance(part, str) else list(part) for part in parts]
