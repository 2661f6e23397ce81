"""Samples: what people have at hand, as the messages that a source would send. Pure.

A file of Airbyte messages, JSON lines or CSV is told apart by its beginning, and read as lines of
RECORD messages, so that all that follows is the way of a sync. Nothing is held but a beginning of
it: a file may be larger than the memory.
"""

import codecs
import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from itertools import chain, islice
from typing import Any, Final

import orjson

from bulk_destination.protocol.lines import LONGEST_LINE, Line, LongLine, split_lines
from bulk_destination.protocol.messages import (
    BrokenState,
    PassedOver,
    TooLong,
    Unreadable,
    envelope,
    read_exactly,
    read_line,
)

#: Bytes by which a file is known.
HEAD: Final = 65_536
#: A line that long is none of a beginning's whole ones.
_CUT: Final = HEAD - 1_000
#: Rows of CSV by which the types of its columns are known, and bytes of them.
_ROWS: Final = 1_000
_BYTES: Final = 4_000_000
_DELIMITERS: Final = ",;\t|"
#: Numbers that come out of JSON as they went in: no leading zero, as in a postal code, and no more
#: digits than a double keeps.
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?", re.ASCII)
_MOST_DIGITS: Final = 15
_BOOLEANS: Final = {"true": True, "false": False}
#: How files begin that people try, and the way out.
_OTHERS: Final = (
    (b"PK\x03\x04", "is a spreadsheet or an archive: save the table as CSV (UTF-8)"),
    (b"\x1f\x8b", "is packed: unpack it first, with gunzip"),
    (b"PAR1", "is Parquet: write its rows as JSON lines or CSV"),
    (codecs.BOM_UTF16_LE, "is UTF-16: save it as UTF-8"),
    (codecs.BOM_UTF16_BE, "is UTF-16: save it as UTF-8"),
    (b"[", "is one JSON list: write one object a line, as `jq -c '.[]'` does"),
)


class Kind(Enum):
    """What a sample is made of."""

    MESSAGES = "Airbyte messages"
    JSON_LINES = "JSON lines"
    CSV = "CSV"


class SampleError(Exception):
    """A sample that cannot be read; the text says why, and the way out. It holds no value."""


def kind_of(head: bytes) -> Kind:
    """What a file is that begins so; `HEAD` bytes of it are enough. Raises SampleError."""
    head = head[:HEAD].removeprefix(codecs.BOM_UTF8).lstrip()
    if not head:
        raise SampleError("is empty")
    for beginning, words in _OTHERS:
        if head.startswith(beginning):
            raise SampleError(words)
    if any(_is_message(line) for line in head.split(b"\n")):
        return Kind.MESSAGES
    if head.startswith(b"{"):
        return Kind.JSON_LINES
    if b"\0" in head:
        raise SampleError("is no text: a sample is Airbyte messages, JSON lines or CSV")
    return Kind.CSV


def _is_message(line: bytes) -> bool:
    if b'"type"' not in line:
        return False
    message = read_line(line if len(line) < _CUT else LongLine(line, len(line), None))
    # A row may well have a `type` of its own.
    if isinstance(message, PassedOver):
        return any(word in line for word in _OF_OTHER_TYPES)
    if isinstance(message, TooLong):
        return b'"record"' in line
    return not isinstance(message, Unreadable | BrokenState)


#: The fields that the protocol's other messages have.
_OF_OTHER_TYPES: Final = tuple(
    f'"{word}"'.encode()
    for word in ("log", "trace", "spec", "control", "catalog", "connectionStatus")
)


def messages(
    chunks: Iterable[bytes], kind: Kind, stream: str, emitted_at: int
) -> Iterator[list[Line]]:
    """All of a sample as lines of Airbyte messages; its rows are records of `stream`.

    `emitted_at` is in milliseconds. A line that is no row is one that `read_line` cannot read.
    Raises SampleError where CSV comes to an end that is none.
    """
    lists = _without_mark(split_lines(iter(chunks)))
    match kind:
        case Kind.MESSAGES:
            return lists
        case Kind.JSON_LINES:
            wrap = _Wrapper(stream, emitted_at)
            return ([wrap.json(line) for line in lines if _is_full(line)] for lines in lists)
        case Kind.CSV:
            return _csv(lists, _Wrapper(stream, emitted_at))


def _is_full(line: Line) -> bool:
    return isinstance(line, LongLine) or not (not line or line.isspace())


def _without_mark(lists: Iterator[list[Line]]) -> Iterator[list[Line]]:
    for lines in lists:
        if isinstance(lines[0], bytes):
            lines[0] = lines[0].removeprefix(codecs.BOM_UTF8)
        yield lines
        break
    yield from lists


class _Wrapper:
    """Puts rows into RECORD messages of one stream."""

    def __init__(self, stream: str, emitted_at: int) -> None:
        self._stream = stream
        name = json.dumps(stream).encode()
        self._before = b'{"type":"RECORD","record":{"stream":' + name + b',"data":'
        self._after = b',"emitted_at":' + str(emitted_at).encode() + b"}}"

    def json(self, line: Line) -> Line:
        """One object, to the letter: its numbers may have more digits than a parser keeps."""
        if isinstance(line, LongLine):
            return LongLine(self._before + line.head, line.size, None)
        # Looked at, as a line that only looks like an object could say another stream.
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            row = read_exactly(line)
        if type(row) is not dict:
            return envelope(line, self._stream, None)
        return self._before + line.strip() + self._after

    def row(self, row: dict[str, Any]) -> bytes:
        """One row."""
        try:
            data = orjson.dumps(row)
        except orjson.JSONEncodeError:  # bytes that are no UTF-8
            data = json.dumps(row).encode()
        return self._before + data + self._after


# -- CSV -------------------------------------------------------------------------------------------


def _csv(lists: Iterator[list[Line]], wrap: _Wrapper) -> Iterator[list[Line]]:
    lines = chain.from_iterable(lists)
    first = next(lines, b"")
    texts = map(_text, chain([first], lines))
    # Of the process; the default is 131,072 characters.
    csv.field_size_limit(LONGEST_LINE)
    rows = csv.reader(texts, delimiter=_delimiter(_text(first)), strict=True)
    try:
        names = _names(next(rows, []))
        begun = list(_beginning(rows))
        kinds = [_column_kind(cells) for cells in _columns(begun, len(names))]
        for cells in chain(begun, rows):
            if cells:
                yield [wrap.row(_row(names, kinds, cells))]
    except csv.Error as error:
        words = f"is no CSV at line {rows.line_num:,}: {error}. Is a quote not closed?"
        raise SampleError(words) from None


def _text(line: Line) -> str:
    if isinstance(line, LongLine):
        raise SampleError(f"has a line of more than {LONGEST_LINE:,} bytes: it is no table")
    return line.decode("utf-8", "surrogateescape") + "\n"


def _delimiter(header: str) -> str:
    """That which divides most: spreadsheets write semicolons where commas are in numbers."""
    plain = re.sub(r'"[^"]*"', "", header)
    return max(_DELIMITERS, key=plain.count)


def _names(header: list[str]) -> list[str]:
    """A name for each column; one that is blank or comes twice gets its place."""
    names: dict[str, None] = {}
    for at, name in enumerate(header, start=1):
        plain = name if name.strip() else f"column_{at}"
        names[plain if plain not in names else f"{plain}_{at}"] = None
    return list(names)


def _beginning(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    size = 0
    for cells in islice(rows, _ROWS):
        yield cells
        size += sum(map(len, cells))
        if size > _BYTES:
            return


def _columns(rows: Sequence[list[str]], width: int) -> Iterator[list[str]]:
    for at in range(width):
        yield [cells[at] for cells in rows if at < len(cells) and cells[at].strip()]


def _column_kind(cells: list[str]) -> Callable[[str], Any]:
    """What reads the cells of a column: all of it is of one type, or text."""
    if cells and all(cell.lower() in _BOOLEANS for cell in cells):
        return lambda cell: _BOOLEANS.get(cell.lower(), cell)
    if cells and all(map(_is_number, cells)):
        return lambda cell: json.loads(cell) if _is_number(cell) else cell
    return str


def _is_number(cell: str) -> bool:
    return _NUMBER.fullmatch(cell) is not None and sum(map(str.isdigit, cell)) <= _MOST_DIGITS


def _row(names: list[str], kinds: list[Callable[[str], Any]], cells: list[str]) -> dict[str, Any]:
    row = {
        name: read(cell) if cell.strip() else None
        for name, read, cell in zip(names, kinds, cells, strict=False)
    }
    for at in range(len(names), len(cells)):
        row[f"column_{at + 1}"] = cells[at]
    return row
