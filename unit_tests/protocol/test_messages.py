"""Lines of stdin become messages, states become lines again."""

import json
import math
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulk_destination.protocol.messages import (
    PassedOver,
    RecordMessage,
    StateMessage,
    Unreadable,
    read_line,
    settled_state,
    split_lines,
)

LAW = settings(derandomize=True, max_examples=100, deadline=None)


def _record(data: bytes) -> RecordMessage:
    message = read_line(
        b'{"type":"RECORD","record":{"stream":"users","namespace":"app","emitted_at":5,"data":%b}}'
        % data
    )
    assert isinstance(message, dict), message
    return message


def test_record() -> None:
    """A record comes with its stream, namespace, data and time."""
    message = _record(b'{"a":1}')
    assert (message["stream"], message["namespace"]) == ("users", "app")
    assert (message["data"], message["emitted_at"]) == ({"a": 1}, 5)


def test_not_quite_json_inside_a_record_is_read() -> None:
    """`NaN`, infinities and lone surrogates do not cost the record."""
    data = _record(b'{"n":NaN,"i":Infinity,"m":-Infinity,"s":"\\ud800","ok":"x"}')["data"]
    assert math.isnan(data["n"])
    assert (data["i"], data["m"]) == (math.inf, -math.inf)
    assert (data["s"], data["ok"]) == ("\ud800", "x")


def test_surrogate_bytes_inside_a_record_are_read() -> None:
    """Some writers put the half itself into the bytes."""
    assert _record(b'{"s":"\xed\xa0\x80","ok":1}')["data"]["ok"] == 1


@pytest.mark.parametrize("text", ["1e400", "-1e400", "1" + "0" * 400])
def test_number_beyond_a_double_does_not_cost_the_record(text: str) -> None:
    """A number that no double holds is one bad value, not a bad line."""
    assert _record(b'{"n":%b,"ok":1}' % text.encode())["data"]["ok"] == 1


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"   ", b"\r"),
        *(b'{"type":"LOG","log":{"level":"INFO","message":"x"}}', b'{"type":"TRACE","trace":{}}'),
        *(b'{"type":"SPEC"}', b'{"type":"CONTROL"}', b'{"type":"CATALOG"}'),
    ],
)
def test_other_messages_are_passed_over(line: bytes) -> None:
    """What a destination has no use for is no record and no fault."""
    assert isinstance(read_line(line), PassedOver)


@pytest.mark.parametrize(
    "line",
    [
        *(b"oops", b"{", b"[]", b"1", b"null", b'"RECORD"', b"{}", b'{"type":"RECORD"}'),
        *(b'{"type":"RECORD","record":null}', b'{"type":"RECORD","record":{"stream":"s"}}'),
        *(b'{"type":"RECORD","record":{"stream":"s","data":[1]}}', b'{"type":"NEW"}'),
        *(b'{"type":"STATE"}', b'{"type":["RECORD"]}', b'{"type":{}}', b"\xff\xfe", b"[" * 100_000),
    ],
    ids=lambda line: repr(line[:50]),
)
def test_anything_else_is_unreadable(line: bytes) -> None:
    """It may have been a record, so it is counted as one."""
    assert isinstance(read_line(line), Unreadable)


STATE: dict[str, Any] = {
    "type": "STATE",
    "id": 17,
    "new_field": {"deep": [1, None]},
    "state": {
        "type": "STREAM",
        "stream": {
            "stream_descriptor": {"name": "users", "namespace": None},
            "stream_state": {"cursor": 2**70 + 1, "é": "\ud83d"},
        },
        "sourceStats": {"recordCount": 5.0},
        "unknown": True,
    },
}


def test_state_leaves_as_it_came() -> None:
    """`id`, unknown fields and long integers are echoed; `destinationStats` is all that is new."""
    message = read_line(json.dumps(STATE).encode())
    assert isinstance(message, StateMessage)
    line = settled_state(message.raw, 5, 2)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    echoed = json.loads(line)
    stats = echoed["state"].pop("destinationStats")
    assert echoed == STATE
    assert stats == {"recordCount": 3.0, "rejectedRecordCount": 2.0}
    assert b"3.0" in line


@pytest.mark.parametrize(
    "state",
    [
        {"type": "GLOBAL", "global": {"shared_state": None, "stream_states": []}},
        {"type": "LEGACY", "data": {}},
        {"data": {"cursor": 1}},
        {"type": "STREAM", "stream": {"stream_descriptor": {"name": "s"}, "stream_state": {}}},
        {"type": "STREAM", "destinationStats": {"recordCount": 99.0}},
    ],
)
def test_every_kind_of_state_is_echoed(state: dict[str, Any]) -> None:
    """Global, legacy, untyped and empty states all occur; stale counts are replaced."""
    message = read_line(json.dumps({"type": "STATE", "state": state}).encode())
    assert isinstance(message, StateMessage)
    echoed = json.loads(settled_state(message.raw, 0, 0))
    assert echoed["state"].pop("destinationStats") == {
        "recordCount": 0.0,
        "rejectedRecordCount": 0.0,
    }
    assert echoed["state"] == {k: v for k, v in state.items() if k != "destinationStats"}


@given(
    st.binary(max_size=60)
    | st.text('{}[]":,RECORDSTATEtypdaNn0123456789\\u', max_size=60).map(str.encode)
    | st.integers(0, 120).map(lambda cut: json.dumps(STATE).encode()[:cut])
)
@example(b'{"type":"RECORD","record":{"data":{"n":' + b"9" * 5000 + b"}}}")
@example(b'{"type":"RECORD","record":{"data":{"n":1e' + b"9" * 5000 + b"}}}")
@example(b'{"type":"STATE","state":{"n":' + b"9" * 5000 + b"}}")
@example(b'{"type":"STATE","state":' + b'{"a":' * 5000 + b"1" + b"}" * 5001)
@example(b'{"type":"RECORD","record":{"data":' + b'{"a":' * 5000 + b"NaN" + b"}" * 5002)
@example(b"\x00")
@LAW
def test_reading_never_raises(line: bytes) -> None:
    """Any bytes give a message of one of the four kinds."""
    assert isinstance(read_line(line), dict | StateMessage | Unreadable | PassedOver)


@given(st.lists(st.binary(max_size=8).filter(lambda b: b"\n" not in b)), st.data())
@LAW
def test_lines_are_whole_however_the_stream_is_cut(lines: list[bytes], data: st.DataObject) -> None:
    """Chunks of any size give the same lines; the last may lack its newline."""
    stream = b"\n".join(lines) + data.draw(st.sampled_from([b"", b"\n"]))
    chunks = []
    at = 0
    while at < len(stream):
        size = data.draw(st.integers(1, 7))
        chunks.append(stream[at : at + size])
        at += size
    got = [line for group in split_lines(iter(chunks)) for line in group]
    expected = stream.split(b"\n")
    if expected[-1] == b"":
        expected.pop()
    assert got == expected


def test_long_line_is_put_together_once() -> None:
    """A line in twice as many chunks takes about twice as long, not four times."""
    chunks = [b"x" * 65_536] * 640
    began = time.perf_counter()
    (line,) = [line for group in split_lines(iter([*chunks, b"\n"])) for line in group]
    assert time.perf_counter() - began < 5  # it was half a minute
    assert len(line) == 65_536 * 640


@pytest.mark.parametrize(
    "cursor",
    ["9007199254740993.0", "0.12345678901234567890", "1e400", "-0.0", "NaN", "1E5", "7" * 400],
)
def test_a_cursor_leaves_as_it_was_written(cursor: str) -> None:
    """The source compares it with what it has."""
    line = b'{"type":"STATE","state":{"stream":{"stream_state":{"cursor":%b}}}}' % cursor.encode()
    state = read_line(line)
    assert isinstance(state, StateMessage)
    assert b'"cursor":%b}' % cursor.encode() in settled_state(state.raw, 1, 0)
