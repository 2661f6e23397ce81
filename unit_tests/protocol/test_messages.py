"""Lines of stdin become messages, states become lines again."""

import json
import math
from base64 import b64decode
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulk_destination.protocol.lines import LongLine
from bulk_destination.protocol.messages import (
    BrokenState,
    PassedOver,
    RecordMessage,
    StateMessage,
    TooLong,
    Unreadable,
    data_of,
    envelope,
    is_envelope,
    read_line,
    settled_state,
)
from bulk_destination.rejected.rejected_records import rejected_line

LOG_LINE = b'{"type":"LOG","log":{"level":"INFO","message":"x"}}'

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
        *(LOG_LINE, b'{"type":"TRACE","trace":{}}'),
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
        *(b'{"type":["RECORD"]}', b'{"type":{}}', b"\xff\xfe", b"[" * 100_000),
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
    line = settled_state(message.line, 5, 2)
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
    echoed = json.loads(settled_state(message.line, 0, 0))
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
    """Any bytes give a message, and a state can be handed back."""
    message = read_line(line)
    assert isinstance(message, dict | StateMessage | BrokenState | Unreadable | PassedOver)
    if isinstance(message, StateMessage):
        assert settled_state(message.line, 1, 0).endswith(b"}\n")


@pytest.mark.parametrize(
    "cursor",
    ["9007199254740993.0", "0.12345678901234567890", "1e400", "-0.0", "NaN", "1E5", "7" * 400],
)
def test_a_cursor_leaves_as_it_was_written(cursor: str) -> None:
    """The source compares it with what it has."""
    line = b'{"type":"STATE","state":{"stream":{"stream_state":{"cursor":%b}}}}' % cursor.encode()
    state = read_line(line)
    assert isinstance(state, StateMessage)
    assert b'"cursor":%b}' % cursor.encode() in settled_state(state.line, 1, 0)


# -- what parsers refuse ---------------------------------------------------------------------------

#: More digits, levels and letters than parsers take.
REFUSED = {
    "digits": b"9" * 5_000,
    "more digits than are read": b"-" + b"9" * 100_000,
    "an exponent": b"1e" + b"9" * 5_000,
    "levels": b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
    "many levels": b"[" * 100_000 + b"]" * 100_000,
    "Latin-1": b'"Zo\xeb"',
    "half of a letter": b'"\xed\xa0\x80 \xff"',
    "not a number": b"[NaN,-Infinity]",
}


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED)
def test_a_state_comes_back_byte_for_byte(value: bytes) -> None:
    """Whatever parsers say of it; only the statistics are new."""
    line = b'{"type" : "STATE", "id":7,"state":{ "data":{"cursor":%b} }}' % value
    message = read_line(line)
    assert isinstance(message, StateMessage)
    stats = b',"destinationStats":{"recordCount":3.0,"rejectedRecordCount":2.0}'
    assert settled_state(message.line, 5, 2) == line[:-3] + stats + line[-3:] + b"\n"


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED)
def test_such_a_value_does_not_cost_the_record(value: bytes) -> None:
    """The others are read; bytes that are no UTF-8 are no text of anybody else's."""
    data = _record(b'{"n":%b,"ok":1,"who":"ada"}' % value)["data"]
    assert (data["ok"], data["who"]) == (1, "ada")


def test_two_that_differ_in_bytes_are_two() -> None:
    """Replaced by the same sign, they would be one person."""
    one, other = (_record(b'{"who":"Zo%b"}' % byte)["data"]["who"] for byte in (b"\xeb", b"\xe9"))
    assert one != other


@pytest.mark.parametrize(
    "line",
    [
        *(b'{"type":"STATE"}', b'{"type":"STATE","state":null}', b'{"type":"STATE","state":[1]}'),
        *(b'{"type":"STATE","state":{"data":{"cursor":', b'{"type":"STATE","state":{"a":"\xff}}'),
        *(b'INFO {"type": "STATE","state":{}}', b'{"x":oops,"type":"STATE","state":{}}'),
        b'{"type":"STATE","state":{"a":' + b"[" * 2_000 + b"}}",
        LOG_LINE + b'{"type":"STATE","state":{}}',
        LOG_LINE[:30] + b'{"type":"STATE","state":{}}',
        b'{"type":"RECORD","record":{"data":{}}}{"type":"STATE","state":{}}',
        b'{"type":"RECORD","record":{"data":{"a{"type":"STATE","state":{}}',
        '{"type":"STATE","state":{}}'.encode("utf-16"),
        # As lines of bytes end: the newline's second half begins the next one.
        b"\0" + '{"type":"STATE","state":{}}'.encode("utf-16-le"),
    ],
)
def test_a_state_is_never_passed_over(line: bytes) -> None:
    """What cannot be handed back ends the sync; it is no record."""
    assert isinstance(read_line(line), BrokenState)


@pytest.mark.parametrize("log", [LOG_LINE, LOG_LINE[:30]])
@pytest.mark.parametrize("between", [b"", b" ", b"\r"])
def test_a_record_behind_a_log_message_is_counted(log: bytes, between: bytes) -> None:
    """Their newline is missing; the log message alone would be passed over."""
    line = log + between + b'{"type":"RECORD","record":{"stream":"s","data":{}}}'
    assert isinstance(read_line(line), Unreadable)


@pytest.mark.parametrize(
    "line",
    [
        LOG_LINE[:30],
        LOG_LINE + LOG_LINE,
        b'{"type":"LOG","log":{"message":"a\1 {\\"type\\":\\"STATE\\"} {\\"type\\":\\"RECORD',
        b'{"type":"LOG","log":{"message":"a\1 {\\"type\\":\\"RECORD\\"}"}}',
        b'{"type":"LOG","log":{"a\1":{"type":"RECORD"}}}',
    ],
)
def test_log_messages_without_a_record_are_passed_over(line: bytes) -> None:
    """However broken, and whatever they quote."""
    assert isinstance(read_line(line), PassedOver)


def test_a_broken_record_is_no_state() -> None:
    """Because of what is in it."""
    line = b'{"type":"RECORD","record":{"data":{"region":{"type":"STATE","x":oops}}}}'
    assert isinstance(read_line(line), Unreadable)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b'{"type":"RECORD","record":{"data":{"a":"xxx', TooLong),
        (b'{"id":[1,{}], "type" : "RECORD","record":', TooLong),
        (b'{"type":"LOG","log":{"message":"xxx', PassedOver),
        (b'{"type":"STATE","state":{"data":"xxx', BrokenState),
        (b'{"record":{"data":{"type":"RECORD","a":"xxx', BrokenState),
        (b"xxx", BrokenState),
    ],
)
def test_a_line_that_is_too_long(head: bytes, kind: type) -> None:
    """Its beginning has to tell that it is no state."""
    assert isinstance(read_line(LongLine(head, 10**9, None)), kind)


# -- lines that are no messages --------------------------------------------------------------------


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda t: t.encode("utf-8", "replace")))
@example(b"\xff\xfe")
@example(b'{"type":"RECORD"}')
@example(b"\x00 \r")
@LAW
def test_an_envelope_is_judged_as_what_is_in_it(line: bytes) -> None:
    """And it stays one: a file can be piped in as often as one likes."""
    held = envelope(line, "people", "crm")
    assert b"\n" not in held
    assert is_envelope(held)
    assert isinstance(read_line(held), Unreadable)
    noted = rejected_line(held, "unreadable")
    assert isinstance(read_line(noted), Unreadable)
    (content,) = json.loads(noted)["record"]["meta"]["unreadable_line"].items()
    assert line == (b64decode(content[1]) if content[0] == "base64" else content[1].encode())


def test_what_can_be_read_again_is_a_record() -> None:
    """A line that a later version reads is no longer lost."""
    line = b'{"type":"RECORD","record":{"stream":"people","data":{"n":12345678901234567.0}}}'
    held = envelope(line, "people", None)
    assert read_line(held) == read_line(line)
    assert data_of(held) == {"n": 12345678901234567}
    twice = envelope(held, "people", None)
    assert isinstance(read_line(twice), Unreadable)
    state = envelope(b'{"type":"STATE","state":{}}', "people", None)
    assert isinstance(read_line(state), Unreadable)


@pytest.mark.parametrize(
    "meta",
    [b"null", b"{}", b'{"unreadable_line":"x"}', b'{"unreadable_line":{"base64":"*"}}', b"[]"],
)
def test_a_record_with_a_meta_of_its_own(meta: bytes) -> None:
    """It is a record."""
    line = b'{"type":"RECORD","record":{"stream":"s","data":{"a":1},"meta":%b}}' % meta
    message = read_line(line)
    assert isinstance(message, dict)
    assert message["data"] == {"a": 1}
