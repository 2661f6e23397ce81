"""A caller's rows become records, their values what they would be in JSON. Pure.

=====================================================  ============================================
value of a row                                         value of the record
=====================================================  ============================================
`None`, `NaN`, infinities, `NaT`, `pandas.NA`          null, as pandas and Airbyte's CDK write them
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

A row is written as JSON when it comes, and read when its turn has come: a generator may use the
same `dict` again, and what is in it. orjson checks all types and writes a row in less time than
Python takes to look at each value. What it does not write exactly is copied value by value.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Any, Final
from uuid import UUID

import orjson

from bulk_destination.mapping.columns import looks_like_a_column
from bulk_destination.mapping.values import NO_MAPPING, UNREADABLE, Rejected
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
#: Else orjson writes a dataclass as an object; of a `time`, 10 ms as 100 (3.13.0); and of an offset
#: no seconds.
_AS_TOLD: Final = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


@dataclass(frozen=True, slots=True)
class NoRecord:
    """A row that is no record, and why."""

    rejected: Rejected
    #: It as JSON, as far as it can be written; made at once, as the caller may change the row.
    text: str


#: A row as JSON; where that cannot hold it exactly, its record; or why it is none.
Item = str | RecordMessage | NoRecord


@dataclass(slots=True)
class RowReader:
    """Reads the rows of one load, which are of one stream."""

    stream: str
    namespace: str | None = None
    #: Columns with values of a type that has no form in JSON, and its name.
    formless: dict[str, str] = field(default_factory=dict)
    #: The line of a row as far as its data.
    _head: str = field(init=False)

    def __post_init__(self) -> None:
        names = {"stream": self.stream, "namespace": self.namespace, "emitted_at": 0}
        self._head = f'{{"type": "RECORD", "record": {json.dumps(names)[:-1]}, "data": '

    def item(self, row: object) -> Item:
        """What a row holds now. Raises what the row raises when it is read."""
        if type(row) is not dict:
            columns = _columns_of(row)
            return NoRecord(NO_MAPPING, _text_of(row)) if columns is None else self.item(columns)
        try:
            return orjson.dumps(row, _plainer, _AS_TOLD).decode()
        except (TypeError, UnicodeDecodeError):  # an orjson.Fragment may hold any bytes
            return self._copy(row)

    def read(self, items: Iterable[Item]) -> Iterator[Message]:
        """What the walk makes of them."""
        stream, namespace = self.stream, self.namespace
        for item in items:
            if isinstance(item, str):
                try:
                    data = orjson.loads(item)
                except orjson.JSONDecodeError:  # an orjson.Fragment that is no JSON
                    yield UNREADABLE
                else:
                    yield {"stream": stream, "namespace": namespace, "data": data}
            elif isinstance(item, NoRecord):
                yield item.rejected
            else:
                yield item

    def line_of(self, item: Item) -> bytes:
        """The RECORD line that a row would be, with which a file of rejected records can be fed."""
        if isinstance(item, NoRecord):
            return envelope(item.text.encode(), self.stream, self.namespace)
        if isinstance(item, str):
            return f"{self._head}{item}}}}}".encode()
        # Not orjson: a `NaN` stays one, so that the line is rejected as the row was.
        line = {"type": "RECORD", "record": {**item, "emitted_at": 0}}
        try:
            return json.dumps(line).encode()
        except ValueError:
            return json.dumps(_written_out(line)).encode()

    def shown(self, item: Item) -> object:
        """What a row held, for people to look at."""
        if isinstance(item, NoRecord):
            return json.loads(item.text)
        [message] = self.read([item])
        return message["data"] if isinstance(message, dict) else item

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

    def _copy(self, row: dict[Any, Any]) -> RecordMessage | NoRecord:
        """The record that a row is, for what its JSON would not hold."""
        keyed = _with_keys_of_text(row)
        if keyed is None:
            return NoRecord(KEY_NOT_TEXT, _text_of(row))
        for name, value in keyed.items():
            if type(value) not in _AS_THEY_ARE:
                try:
                    keyed[name] = self._in_json(name, value)
                except RecursionError:
                    keyed[name] = self._without_form(name, value)
        return {"stream": self.stream, "namespace": self.namespace, "data": keyed}

    def _in_json(self, column: str, value: Any) -> Any:
        kind = type(value)
        if kind in _AS_THEY_ARE:
            return value
        if kind is float:
            return value if math.isfinite(value) else None
        if kind is dict:
            return self._object(column, value)
        if kind is list:
            return [self._in_json(column, each) for each in value]
        try:
            plainer = _plainer(value)
        except TypeError:
            return self._without_form(column, value)
        return self._in_json(column, plainer)

    def _object(self, column: str, value: dict[Any, Any]) -> Any:
        keyed = _with_keys_of_text(value)
        if keyed is None:
            return self._without_form(column, value)
        return {name: self._in_json(column, each) for name, each in keyed.items()}

    def _without_form(self, column: str, value: object) -> float:
        if len(self.formless) < _MOST_TOLD:
            self.formless.setdefault(column, type(value).__name__)
        return _NO_FORM


def _columns_of(row: Any) -> dict[Any, Any] | None:
    """A row that is no dict as one; None where it has no columns."""
    # Asked of the type: a column may have such a name.
    kind = type(row)
    if callable(as_dict := getattr(kind, "asDict", None)):  # PySpark's, a tuple
        row = as_dict(row)
    elif not isinstance(row, Mapping) and not callable(getattr(kind, "keys", None)):
        return None
    return {**row}  # as sqlite3's rows can be, too


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


def _plainer(value: Any) -> Any:
    """What stands for a value that is not JSON's own; that may not be, either.

    Raises TypeError where nothing does.
    """
    match value:
        case Enum():
            return value.value
        case date() | time():  # a datetime is a date
            text = value.isoformat()
            return None if text == "NaT" else text
        case Decimal():
            return _number(value)
        case str():
            return str.__str__(value)
        case int():
            return int(value)
        case float():
            return float(value)
        case UUID():
            return str(value)
        case Mapping():
            return dict(value)
    if callable(as_dict := getattr(value, "asDict", None)):
        return as_dict()
    if isinstance(value, list | tuple):
        return [*value]
    return _of_a_library(value)


def _number(value: Decimal) -> int | float | None:
    if value.is_nan():
        return None
    if not value.is_finite():
        return float(value)
    if value == value.to_integral_value() and value.adjusted() < _MOST_DIGITS:
        return int(value)
    return float(value)


def _of_a_library(value: Any) -> Any:
    """The same for numpy's, pandas' and Arrow's, none of which is imported."""
    kind = type(value)
    if kind.__name__ == "NAType":
        return None
    module = kind.__module__.partition(".")[0]
    if module == "numpy" and kind.__name__ == "datetime64":
        text = str(value)  # of nanoseconds, `tolist` makes an integer
        return None if text == "NaT" else text
    if module == "numpy" and callable(to_list := getattr(value, "tolist", None)):
        plainer = to_list()
        if type(plainer) is not kind and kind.__name__ != "timedelta64":
            return plainer
    if module == "pyarrow" and callable(as_py := getattr(value, "as_py", None)):
        return as_py()
    raise TypeError(kind.__name__)


def primary_key_of(key: str | Sequence[str | Sequence[str]] | None) -> list[Any]:
    """A primary key as a catalog has it: a list of paths."""
    if key is None:
        return []
    parts = [key] if isinstance(key, str) else key
    return [[part] if isinstance(part, str) else list(part) for part in parts]
