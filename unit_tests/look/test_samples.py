"""Samples as people have them: told apart, read to the letter, and told of where they cannot be."""

import csv
import io
import json
from collections.abc import Iterator

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bulk_destination.look.samples import HEAD, Kind, SampleError, kind_of, messages
from bulk_destination.protocol.lines import LONGEST_LINE, LongLine
from bulk_destination.protocol.messages import TooLong, Unreadable, data_of, read_line

LAW = settings(
    derandomize=True,
    max_examples=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
RECORD = b'{"type": "RECORD", "record": {"stream": "users", "data": {"a": 1}, "emitted_at": 1}}'
STATE = b'{"type": "STATE", "state": {"type": "GLOBAL"}}'
LOG = b'{"type": "LOG", "log": {"level": "INFO", "message": "hello"}}'


def _pieces(content: bytes, size: int = 7) -> Iterator[bytes]:
    return (content[at : at + size] for at in range(0, len(content), size))


def _rows(content: bytes, kind: Kind, size: int = 7) -> list[object]:
    """The data of each row, and what is no row as it was read."""
    lines = [line for each in messages(_pieces(content, size), kind, "orders", 5) for line in each]
    found: list[object] = []
    for line in lines:
        message = read_line(line)
        if type(message) is dict:
            assert message["stream"] == "orders"
            assert message["emitted_at"] == 5
            found.append(message["data"])
        else:
            found.append(message)
    return found


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (RECORD, Kind.MESSAGES),
        (b"Starting the source\n" + LOG + b"\n" + RECORD, Kind.MESSAGES),
        (STATE + b"\n", Kind.MESSAGES),
        (RECORD.replace(b"1", b'"' + b"x" * HEAD + b'"', 1), Kind.MESSAGES),
        (b'{"type": "RECORD", "said": "' + b"x" * HEAD, Kind.JSON_LINES),
        (b'{"type": "STATE", "state": "paid"}', Kind.JSON_LINES),
        (b'\xef\xbb\xbf {"id": 1}\n', Kind.JSON_LINES),
        (b'{"type": "LOG", "id": 1}\n', Kind.JSON_LINES),
        (b'{"type": "RECORD", "id": 1}\n', Kind.JSON_LINES),
        (b"id,name\n1,Ada\n", Kind.CSV),
        (b"id\n1\n", Kind.CSV),
        (b'id,said\n1,"{""type"": ""x""}"\n', Kind.CSV),
    ],
)
def test_told_apart(head: bytes, kind: Kind) -> None:
    """By the beginning alone; rows with a `type` of their own are rows."""
    assert kind_of(head) is kind


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b" \n", "is empty"),
        (b"PK\x03\x04\x14\0", "save the table as CSV"),
        (b"\x1f\x8b\x08", "gunzip"),
        ("id,name\n".encode("utf-16"), "UTF-8"),
        (b'[{"id": 1}]', "one object a line"),
        (b"\x7fELF\0\0", "is no text"),
    ],
)
def test_what_is_no_sample_says_the_way_out(head: bytes, words: str) -> None:
    with pytest.raises(SampleError, match=words):
        kind_of(head)


_TEXT = st.text(st.characters(blacklist_categories=["Cs"]))
_OBJECTS = st.dictionaries(
    _TEXT,
    st.recursive(
        st.none() | st.booleans() | st.integers() | _TEXT,
        lambda below: st.lists(below, max_size=3) | st.dictionaries(_TEXT, below, max_size=3),
        max_leaves=5,
    ),
    max_size=5,
)


@LAW
@given(st.lists(_OBJECTS, min_size=1), st.integers(1, 50))
def test_json_lines_come_as_they_are(rows: list[dict[str, object]], size: int) -> None:
    content = b"\n\n".join(json.dumps(row).encode() for row in rows)
    assert _rows(content, Kind.JSON_LINES, size) == [json.loads(json.dumps(row)) for row in rows]


def test_all_digits_of_a_number_stay() -> None:
    """Two ids that a double makes one stay two."""
    [[line]] = messages([b'{"id": 9007199254740993.0}'], Kind.JSON_LINES, "orders", 5)
    assert isinstance(line, bytes)
    assert data_of(line) == {"id": 9007199254740993}


@pytest.mark.parametrize(
    "line",
    [
        b'{"id": 1}, "stream": "other", "x": {}',
        b"[1, 2]",
        b'"text"',
        b"Error: no such table",
        b'{"type": "STATE", "state": {}',
    ],
)
def test_a_line_that_is_no_object_is_no_row(line: bytes) -> None:
    """Neither can it say that it is of another stream, nor that it is a state."""
    rows = _rows(b'{"id": 1}\n' + line + b'\n{"id": 2}', Kind.JSON_LINES)
    assert rows == [{"id": 1}, Unreadable(), {"id": 2}]


def test_a_line_that_is_too_long_is_told_by_its_size() -> None:
    """It is not held, and is a record all the same."""
    content = b'{"id": "' + b"x" * LONGEST_LINE + b'"}\n{"id": 2}'
    lists = messages(_pieces(content, 1 << 20), Kind.JSON_LINES, "orders", 5)
    long, line = [line for lines in lists for line in lines]
    assert isinstance(long, LongLine)
    assert isinstance(read_line(long), TooLong)
    assert isinstance(line, bytes)


_CELL = (
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\0"))
    .filter(lambda text: bool(text.strip()) and not text[0].isdigit() and text[0] != "-")
    .filter(lambda text: text.lower() not in {"true", "false"})
)


@LAW
@given(st.lists(st.lists(_CELL, min_size=3, max_size=3), min_size=1), st.integers(1, 50))
def test_text_in_csv_comes_as_it_is(rows: list[list[str]], size: int) -> None:
    """Quotes, newlines, delimiters and all."""
    file = io.StringIO()
    csv.writer(file).writerows([["one", "two", "three"], *rows])
    found = _rows(file.getvalue().encode(), Kind.CSV, size)
    assert found == [dict(zip(("one", "two", "three"), row, strict=True)) for row in rows]


def _row(*values: object) -> dict[str, object]:
    return dict(zip(("id", "amount", "zip", "paid", "card", "note"), values, strict=True))


def test_cells_are_of_the_type_of_their_column() -> None:
    """A column of numbers is one; one with a leading zero, or too many digits, is text."""
    content = (
        b"\xef\xbb\xbfid;amount;zip;paid;card;note\r\n"
        b"1;12.50;01067;true;4111111111111111;\r\n"
        b"2;-3;99999;False;4111111111111112;x\r\n"
    )
    assert _rows(content, Kind.CSV) == [
        _row(1, 12.5, "01067", True, "4111111111111111", None),
        _row(2, -3, "99999", False, "4111111111111112", "x"),
    ]


def test_a_later_cell_of_another_type_is_text() -> None:
    """A type is known by the first rows: nobody reads a stream twice."""
    content = b"id,paid\n" + b"7,true\n" * 1_000 + b"n/a,maybe\n"
    assert _rows(content, Kind.CSV, 1_000)[-2:] == [
        {"id": 7, "paid": True},
        {"id": "n/a", "paid": "maybe"},
    ]


def test_columns_without_a_name_and_rows_of_any_length() -> None:
    """Nothing is dropped, and nothing is taken for another column's."""
    assert _rows(b"a,,a\n1,2,3,4\n\n5\n", Kind.CSV) == [
        {"a": 1, "column_2": 2, "a_3": 3, "column_4": "4"},
        {"a": 5},
    ]


def test_bytes_that_are_no_utf8_stay_apart() -> None:
    """As in a message: two that differ are never one identity."""
    rows = _rows(b"name\nM\xfcller\nM\xf6ller\n", Kind.CSV)
    assert rows == [{"name": "M\udcfcller"}, {"name": "M\udcf6ller"}]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'a,b\n1,"never closed\n2,3\n', "Is a quote not closed"),
        (b"a,b\n" + b"x" * (LONGEST_LINE + 1) + b"\n", "is no table"),
    ],
)
def test_csv_that_is_none_is_told(content: bytes, words: str) -> None:
    """A quote that is not closed would else take all rows behind it with it."""
    with pytest.raises(SampleError, match=words):
        _rows(content, Kind.CSV, 1 << 20)


def test_messages_pass_as_they_came() -> None:
    lines = [LOG, RECORD, STATE, b"noise"]
    found = messages(_pieces(b"\n".join(lines)), Kind.MESSAGES, "ignored", 5)
    assert [line for each in found for line in each] == lines


def test_a_name_is_quoted_as_json_is() -> None:
    [[line]] = messages([b'{"a":1}'], Kind.JSON_LINES, 'or"ders\n', 5)
    assert isinstance(line, bytes)
    assert orjson.loads(line)["record"]["stream"] == 'or"ders\n'
