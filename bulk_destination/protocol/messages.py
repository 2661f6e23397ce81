"""Lines of stdin become records and states. Pure.

Everything else that Airbyte or PyAirbyte may pipe in (logs, traces) is passed over. What is not
an Airbyte message at all is `Unreadable`: it may have been a record, so it is counted as one.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TypedDict

import orjson

from bulk_destination.mapping.values import MAY_BE_INEXACT_FROM


class RecordMessage(TypedDict, total=False):
    """The protocol's record as it was parsed; of its fields, `data` alone is sure to be there.

    A dict and not a class of ours: one is made for each line, and reading is half of all work.
    """

    stream: object
    namespace: object
    data: dict[str, Any]
    #: When the source read it, in milliseconds.
    emitted_at: object


@dataclass(slots=True)
class StateMessage:
    """A state as it came in, the whole message. The CDK's model would drop its `id`."""

    raw: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that is no Airbyte message."""


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A message that a destination has no use for, or an empty line."""


Message = RecordMessage | StateMessage | Unreadable | PassedOver

_UNREADABLE: Final = Unreadable()
_PASSED_OVER: Final = PassedOver()
#: The protocol's other types (airbyte-protocol 0.18).
_OTHER_TYPES: Final = {
    *("LOG", "TRACE", "SPEC", "CONTROL", "CATALOG", "CONNECTION_STATUS", "DESTINATION_CATALOG"),
}


def read_line(line: bytes) -> Message:
    """One line as a message. Never raises.

    `NaN`, infinities and lone surrogates are no JSON, yet sources send them inside good records:
    those are read by a second, lenient parser.
    """
    try:
        message = orjson.loads(line)
    except orjson.JSONDecodeError:
        if not line or line.isspace():
            return _PASSED_OVER
        message = read_exactly(line)
    # As `classify` has it, for nearly all lines: a call less for each.
    if type(message) is dict and message.get("type") == "RECORD":
        record = message.get("record")
        if type(record) is dict and type(record.get("data")) is dict:
            return record  # type: ignore[return-value]  # its fields were parsed, not typed
        return _UNREADABLE
    found = classify(message)
    if type(found) is StateMessage:
        # Once more: orjson would round a cursor of more than 64 bits or 17 digits.
        return classify(read_as_written(line))
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
        if type(message.get("state")) is dict:
            return StateMessage(message)
    elif type(kind) is str and kind in _OTHER_TYPES:
        return _PASSED_OVER
    return _UNREADABLE


def read_exactly(line: bytes) -> object:
    """JSON with integers of any size, `NaN` and lone surrogates as they are; None if it is none."""
    return _parsed(line, parse_float=_exact_float)


def _parsed(line: bytes, **numbers: Callable[[str], float]) -> object:
    try:
        return json.loads(line.decode("utf-8", "surrogatepass"), **numbers)  # type: ignore[arg-type]  # only its hooks for numbers
    except (ValueError, RecursionError):
        return None


def _exact_float(text: str) -> float | int:
    value = float(text)
    if not MAY_BE_INEXACT_FROM <= abs(value) < float("inf"):
        return value
    exact = Decimal(text)
    return int(exact) if exact == exact.to_integral_value() else value


class _Written(float):
    """A number that is no integer, with the digits that it came with."""

    __slots__ = ("digits",)
    digits: str

    @classmethod
    def of(cls, digits: str) -> "_Written":
        number = cls(digits)
        number.digits = digits
        return number


def read_as_written(line: bytes) -> object:
    """JSON for `as_written`, which then gives all numbers as they stand on the line; None if none.

    A double would round some: amounts with many digits, ids that a source writes as 1e17.
    """
    return _parsed(line, parse_float=_Written.of, parse_constant=_Written.of)


def as_written(message: object) -> bytes:
    """What `read_as_written` gave as JSON again.

    Where half a character, an integer of more than 64 bits or 255 levels stand in it too, numbers
    that are no integers have the digits of a double. Raises a RecursionError beyond Python's stack.
    """
    try:
        return orjson.dumps(message, default=lambda number: orjson.Fragment(number.digits))
    except orjson.JSONEncodeError:
        return json.dumps(message, separators=(",", ":")).encode()


def settled_state(state: Mapping[str, Any], records: int, rejected: int) -> bytes:
    """The state's line for stdout: all as it came in, with `destinationStats` added.

    The platform compares the sum of both counts with the source's, shows rejected ones in its
    UI and reads both as floats (airbyte-protocol 0.18).
    """
    stats = {"recordCount": float(records - rejected), "rejectedRecordCount": float(rejected)}
    return as_written({**state, "state": {**state["state"], "destinationStats": stats}}) + b"\n"


def split_lines(chunks: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Chunks of a stream as lists of whole lines; a last line may lack its newline."""
    # A long line comes in many chunks, and is put together once: one of 20 MB took 9 s otherwise.
    begun: list[bytes] = []
    for chunk in chunks:
        first, *lines = chunk.split(b"\n")
        begun.append(first)
        if lines:
            lines.insert(0, b"".join(begun))
            begun = [lines.pop()]
            yield lines
    if rest := b"".join(begun):
        yield [rest]
