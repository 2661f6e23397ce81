"""What a record's columns become in a Hackle event, its properties aside. Pure.

The limits are those of Hackle's Python SDK, hackle-sdk 3.9.0 (`internal/type/hackle_types.py`,
`internal/user/identifiers_builder.py`, `model.py`). The SDK drops what breaks them without a
word; here the record is rejected.
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from bulk_destination.mapping import values
from bulk_destination.mapping.times import Times
from bulk_destination.mapping.values import MISSING, Identifier, Rejected, visible

USER_ID_MAX_LENGTH: Final = 512
#: Numbers beyond it are no longer told apart by a double, and the SDK drops them.
LARGEST_NUMBER: Final = 2**53

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
#: A number as JSON writes it (RFC 8259, section 6).
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


#: The identifier of one person: no word that stands for nobody.
USER_ID: Final = Identifier("user_id", USER_ID_MAX_LENGTH)


@dataclass(slots=True)
class Adjustments(values.Adjustments):
    """How often a value was changed or left out to fit Hackle, over a whole sync."""

    converted: int = 0


def event_key(value: object) -> str | Rejected:
    """The key of an event: text, and not blank."""
    if type(value) is str:
        return value if visible(value) else Rejected("event_key_blank", of_row=True)
    if value is MISSING or value is None:
        return Rejected("event_key_missing", of_row=True, lacks="event_key")
    return Rejected("event_key_not_text")


def event_value(value: object, adjustments: Adjustments) -> int | float | Rejected | None:
    """The numeric value of an event; None where the record has none.

    Text that is exactly a JSON number becomes that number, and is counted as converted.
    """
    if value is MISSING or value is None:
        return None
    if type(value) is str:
        number = _number(value)
        if number is not None and is_in_range(number):
            adjustments.converted += 1
    else:
        number = value if type(value) is int or type(value) is float else None
    if number is None:
        return Rejected("value_not_a_number")
    return number if is_in_range(number) else Rejected("value_out_of_range")


def is_in_range(number: int | float) -> bool:
    """Whether a number is finite and at most 2^53 in size."""
    return -LARGEST_NUMBER <= number <= LARGEST_NUMBER


def _number(text: str) -> int | float | None:
    found = _NUMBER.fullmatch(text)
    if not found:
        return None
    size = float(text)
    # int() refuses thousands of digits, so size comes first.
    return int(text) if found[1] is None and found[2] is None and math.isfinite(size) else size


def unix_milliseconds(value: object, times: Times) -> int | Rejected:
    """A moment as Hackle's wire has it. What can be read is what `times` read."""
    moment = times.read(value)
    if isinstance(moment, Rejected):
        return moment
    return since_1970(datetime.fromisoformat(moment))


def since_1970(moment: datetime) -> int:
    """Whole milliseconds from 1970 to an aware `moment`."""
    return (moment - _EPOCH) // _MILLISECOND
