"""Lines of stdin become records and states. Pure.

Everything else that Airbyte or PyAirbyte may pipe in (logs, traces) is passed over. What is not
an Airbyte message at all is `Unreadable`: it may have been a record, so it is counted as one. A
state is never among those: one that cannot be handed back is a `BrokenState`, which ends the sync.
"""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypedDict

import orjson

from bulk_destination.mapping.values import MAY_BE_INEXACT_FROM, Rejected
from bulk_destination.protocol.lines import Line, LongLine
from bulk_destination.protocol.splicing import text_at_top, with_members, without_depths


class RecordMessage(TypedDict, total=False):
    """The protocol's record as it was parsed; of its fields, `data` alone is sure to be there.

    A dict and not a class of ours: one is made for each line, and reading is half of all work.
    """

    stream: object
    namespace: object
    data: dict[str, Any]
    #: When the source read it, in milliseconds.
    emitted_at: object


@dataclass(frozen=True, slots=True)
class StateMessage:
    """A state as it came in, the whole line. The CDK's model would drop its `id`."""

    line: bytes
    #: Its `state`, parsed; empty where no parser takes it.
    state: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BrokenState:
    """A line that is a state, or may be one, and cannot be handed back."""


@dataclass(frozen=True, slots=True)
class TooLong:
    """A record in a line that is too long to be held."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that is no Airbyte message."""


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A message that a destination has no use for, or an empty line."""


@dataclass(frozen=True, slots=True)
class SourceFailed(PassedOver):
    """The source tells that it has failed, or that a stream of it is not complete."""


#: A `Rejected` is what a caller in Python gave for a record, and is none.
Message = RecordMessage | StateMessage | BrokenState | TooLong | Unreadable | PassedOver | Rejected

_BROKEN_STATE: Final = BrokenState()
_TOO_LONG: Final = TooLong()
_UNREADABLE: Final = Unreadable()
_PASSED_OVER: Final = PassedOver()
_SOURCE_FAILED: Final = SourceFailed()
#: The protocol's other types (airbyte-protocol 0.18).
_OTHER_TYPES: Final = {
    *("LOG", "TRACE", "SPEC", "CONTROL", "CATALOG", "CONNECTION_STATUS", "DESTINATION_CATALOG"),
}
#: What may be in a line that is no one object, such as one with a log line before it. In the text
#: of a log message the quotes are escaped.
_KINDS: Final = re.compile(rb'"type"\s*:\s*"(STATE|RECORD)"')
_STATE_ITSELF: Final = re.compile(rb'"state"\s*:\s*\{')
#: Levels that are read of what is nested deeper than parsers go: the name of a leaf below is too
#: long for any service.
_DEEPEST: Final = 500
#: Python takes 4,300 digits for an integer by default, as its time is quadratic.
_MOST_DIGITS: Final = 4_000


def read_lines(lines: Iterable[Line]) -> Iterator[Message]:
    """Lines as messages, each read when it is asked for, so that one is in memory. Never raises."""
    for line in lines:
        # As `read_line` has it, for nearly all lines: without a call and with few questions.
        try:
            message = orjson.loads(line)  # type: ignore[arg-type]  # of a LongLine it raises
            record = message["record"]
            is_plain = message["type"] == "RECORD" and type(record["data"]) is dict
        except (orjson.JSONDecodeError, LookupError, TypeError):
            is_plain = False
        if is_plain and ("meta" not in record or _in_envelope(record["meta"]) is None):
            yield record
        else:
            yield read_line(line)


def read_line(line: Line) -> Message:
    """One line as a message. Never raises.

    `NaN`, infinities, lone surrogates, numbers of any length, nesting of any depth and bytes that
    are no UTF-8 are no JSON, or more than parsers take, yet sources send them inside good records:
    those are read in a second, lenient way.
    """
    try:
        message = orjson.loads(line)  # type: ignore[arg-type]  # of a LongLine it raises
    except orjson.JSONDecodeError:
        if type(line) is not bytes:
            return _by_its_head(line.head) if type(line) is LongLine else _UNREADABLE
        if not line or line.isspace():
            return _PASSED_OVER
        message = read_exactly(line)
        if message is None:
            return _of_no_parser(line)
    found = classify(message)
    if type(found) is StateMessage:
        return StateMessage(bytes(line), found.state)
    if type(found) is dict and (unreadable := _in_envelope(found.get("meta"))) is not None:
        return _read_inside(unreadable)
    return found


def classify(message: object) -> Message:
    """A parsed message by its kind."""
    if type(message) is not dict:
        return _UNREADABLE
    kind = message.get("type")
    if kind == "RECORD":
        record = message.get("record")
        if type(record) is dict and type(record.get("data")) is dict:
            return record  # type: ignore[return-value]  # its fields were parsed, not typed
    elif kind == "STATE":
        state = message.get("state")
        if type(state) is not dict:
            return _BROKEN_STATE
        return StateMessage(json.dumps(message, default=str).encode(), state)
    elif type(kind) is str and kind in _OTHER_TYPES:
        return _SOURCE_FAILED if kind == "TRACE" and _tells_of_failure(message) else _PASSED_OVER
    return _UNREADABLE


def _tells_of_failure(message: Mapping[str, Any]) -> bool:
    """Whether a trace does (airbyte-protocol 0.18, AirbyteTraceMessage)."""
    trace = message.get("trace")
    if not isinstance(trace, Mapping):
        return False
    status = trace.get("stream_status")
    is_incomplete = isinstance(status, Mapping) and status.get("status") == "INCOMPLETE"
    return trace.get("type") == "ERROR" or is_incomplete


def kind_of_line(line: Line) -> str:
    """What a line is that is no message, in words that hold nothing of it."""
    text = bytes(line).strip()
    value = read_exactly(text)
    if type(value) is not dict:
        return "no JSON" if value is None else "JSON, but no object"
    kind = value.get("type")
    if kind == "RECORD":
        return "a RECORD without `record.data`"
    return "a JSON object without a `type`" if kind is None else "no message of Airbyte's types"


def _of_no_parser(line: bytes) -> Message:
    kind = text_at_top(line, "type")
    if kind == "STATE":
        is_whole = with_members(line, ("state",), {}) is not None
        return StateMessage(line, {}) if is_whole else _BROKEN_STATE
    if kind is not None and with_members(line, (), {}) is not None:
        return _PASSED_OVER if kind in _OTHER_TYPES else _UNREADABLE
    return _of_several(line, kind)


def _of_several(line: bytes, first: str | None) -> Message:
    """What is no one object: parts, or messages whose newline is missing, the `first` one known.

    Two threads of a source that print at once leave such lines.
    """
    letters = line.replace(b"\0", b"")  # UTF-16 has a zero in each
    kinds = set(_KINDS.findall(letters))
    # A record may have such a `type` in its data.
    if b"STATE" in kinds and (first != "RECORD" or _STATE_ITSELF.search(letters)):
        return _BROKEN_STATE
    return _PASSED_OVER if first in _OTHER_TYPES and b"RECORD" not in kinds else _UNREADABLE


def _by_its_head(head: bytes) -> Message:
    """What a line is that is too long; if its beginning does not tell, it may be a state."""
    kind = text_at_top(head, "type")
    if kind == "RECORD":
        return _TOO_LONG
    return _PASSED_OVER if kind in _OTHER_TYPES else _BROKEN_STATE


def read_exactly(line: bytes) -> object:
    """JSON with the numbers, half characters and bytes that it holds; None if it is none.

    An integer of thousands of digits is an infinity, as no service has a use for it. Bytes that
    are no UTF-8 are lone surrogates (PEP 383): two that differ are never one identity. What lies
    too deep is a `NaN`.
    """
    try:
        text = line.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        text = line.decode("utf-8", "surrogateescape")
    try:
        return _parsed(text)
    except RecursionError:
        shallow = without_depths(line, _DEEPEST, b"NaN")
    except ValueError:
        return None
    try:
        return _parsed(shallow.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return None


def _parsed(text: str) -> object:
    return json.loads(text, parse_float=_exact_float, parse_int=_exact_int)


def _exact_int(text: str) -> float | int:
    return int(text) if len(text) <= _MOST_DIGITS else float(text)


def _exact_float(text: str) -> float | int:
    value = float(text)
    if not MAY_BE_INEXACT_FROM <= abs(value) < float("inf"):
        return value
    exact = Decimal(text)
    return int(exact) if exact == exact.to_integral_value() else value


# -- lines that are no messages, in a message ------------------------------------------------------

#: The field of a record's `meta` by which such a message is known.
_UNREADABLE_LINE: Final = "unreadable_line"


def envelope(line: bytes, stream: str, namespace: str | None) -> bytes:
    """A RECORD that holds a line which is no message; `read_line` reads it as that line::

        {"type": "RECORD", "record": {"stream": "users", "data": {}, "emitted_at": 0,
                                      "meta": {"unreadable_line": {"text": "…"}}}}

    Bytes that are no UTF-8 stand there as `{"base64": "…"}`.
    """
    try:
        held = {"text": line.decode()}
    except UnicodeDecodeError:
        held = {"base64": b64encode(line).decode()}
    record: dict[str, object] = {"stream": stream, "data": {}, "emitted_at": 0}
    if namespace:
        record["namespace"] = namespace
    record["meta"] = {_UNREADABLE_LINE: held}
    return json.dumps({"type": "RECORD", "record": record}).encode()


def is_envelope(line: bytes) -> bool:
    """Whether a line is one that `envelope` made."""
    return _line_in(line) is not None


def data_of(line: bytes) -> dict[str, Any]:
    """The data of a line that `read_line` read as a record, exactly."""
    inside = _line_in(line)
    exact = read_exactly(line if inside is None else inside)
    assert isinstance(exact, dict)  # noqa: S101  # it was a record before
    data: dict[str, Any] = exact["record"]["data"]
    return data


def _line_in(line: bytes) -> bytes | None:
    if _UNREADABLE_LINE.encode() not in line:
        return None
    message = read_exactly(line)
    record = message.get("record") if isinstance(message, dict) else None
    return _in_envelope(record.get("meta")) if isinstance(record, dict) else None


def _in_envelope(meta: object) -> bytes | None:
    """The line that a record's `meta` holds, None if it holds none."""
    held = meta.get(_UNREADABLE_LINE) if type(meta) is dict else None
    if type(held) is not dict or len(held) != 1:
        return None
    text, encoded = held.get("text"), held.get("base64")
    try:
        if type(text) is str:
            return text.encode()
        return b64decode(encoded, validate=True) if type(encoded) is str else None
    except ValueError:
        return None


def _read_inside(line: bytes) -> Message:
    """What is in an envelope is judged as it was; it is no state, and no envelope once more."""
    if not line.strip() or is_envelope(line):
        return _UNREADABLE
    message = read_line(line)
    return message if type(message) is dict else _UNREADABLE


def settled_state(line: bytes, records: int, rejected: int) -> bytes:
    """The state's line for stdout: all as it came in, with `destinationStats` added.

    The platform compares the sum of both counts with the source's, shows rejected ones in its
    UI and reads both as floats (airbyte-protocol 0.18).
    """
    stats: Mapping[str, float] = {
        "recordCount": float(records - rejected),
        "rejectedRecordCount": float(rejected),
    }
    added = {"destinationStats": orjson.dumps(stats)}
    spliced = with_members(line.strip(), ("state",), added)
    assert spliced is not None  # noqa: S101  # `read_line` looked
    return spliced + b"\n"
