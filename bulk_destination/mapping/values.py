"""What one value of a record becomes. Pure functions, no exception for any JSON value.

Lengths are in code points: whether services count those or UTF-16 units is not published.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final
from unicodedata import category

#: From here on a double stands for several numbers, so two ids that were read as doubles could
#: become one: integers beyond 64 bits, and others that a source writes as 9007199254740993.0.
MAY_BE_INEXACT_FROM: Final = 2.0**53

#: What programs write where they know no person. A service makes all who share an identity one,
#: and most cannot undo it.
NOBODY: Final = frozenset(
    {
        *("null", "undefined", "none", "nil", "nan", "n/a", "[object object]"),
        *("user", "guest", "anonymous", "unknown"),
    }
)
_LONGEST_NOBODY: Final = max(map(len, NOBODY))
#: Unicode's categories of control characters and of formats, and what else shows nothing though it
#: counts as a letter or mark (Default_Ignorable_Code_Point in DerivedCoreProperties.txt; a blank of
#: Braille). The Hangul filler is how people leave a name empty.
_WITHOUT_WIDTH: Final = {"Cc", "Cf"}
_SHOWS_NOTHING: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff]"
)


#: Names of properties that were cut, told apart.
_MOST_NAMES: Final = 1_000


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


#: The record has no such column; `None` is a column that is there and null.
MISSING: Final = _Missing()


@dataclass(frozen=True, slots=True)
class Rejected:
    """This record cannot be sent. `reason` is counted in the ledger and holds no value."""

    reason: str
    #: Whether this row alone is to blame: it says nothing of the configuration.
    of_row: bool = field(default=False, compare=False)
    #: The field that the record has nothing for, if that is it.
    lacks: str | None = field(default=None, compare=False)
    #: As of `Skipped`.
    takes_back: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Skipped:
    """This record is not sent, and no fault was found in it. `reason` is counted."""

    reason: str
    #: Whether it was to be sent, and is empty.
    empty: bool = False
    #: What it takes back, where that has not been sent: all before it that has this key.
    takes_back: str | None = field(default=None, compare=False)


#: Its source deleted the row, and no service here can delete.
DELETED: Final = Skipped("deleted_in_source")
#: What a row said before that was rejected when it came again, where its last word counts.
CORRECTED: Final = Skipped("corrected_in_source")
#: An update without a property: a service would make somebody of it of whom nothing is known.
NOTHING_TO_SAY: Final = Skipped("no_property_to_send", empty=True)

#: A line that is no Airbyte message; it may have been a record.
UNREADABLE: Final = Rejected("unreadable")
#: A record of a stream that the catalog does not have.
OF_ANOTHER_STREAM: Final = Rejected("of_another_stream")

#: What a caller in Python gave for a record is no mapping.
NO_MAPPING: Final = Rejected("not_a_mapping")

#: The identifying number of this record was read as a double; read it again, exactly.
INEXACT: Final = Rejected("identifier_not_exact")


@dataclass(slots=True)
class Adjustments:
    """How often a value was changed or left out to fit the service, over a whole sync."""

    truncated: int = 0
    left_out: int = 0
    #: Texts that were cut, by the name of their property; of names beyond a number nothing is kept.
    cut: dict[str, int] = field(default_factory=dict, compare=False)

    def cut_text(self, name: str) -> None:
        """One more text was cut."""
        self.truncated += 1
        if name in self.cut or len(self.cut) < _MOST_NAMES:
            self.cut[name] = self.cut.get(name, 0) + 1


@dataclass(frozen=True, slots=True)
class Identifier:
    """What a service takes to name one person, or one of something else.

    Text of 1 to `max_length` characters, not blank; a number is sent as its decimal text. `field`
    begins the reason of a rejection. What names a person has no blanks at its ends, and is none of
    the words of `NOBODY`.
    """

    field: str
    max_length: int | None
    of_person: bool = True

    def read(self, value: object) -> str | Rejected:
        """As it is sent, or why the record cannot be."""
        if type(value) is str:
            text = value.strip() if self.of_person else value
            # What is printable has nothing invisible but what that pattern knows, and no half of a
            # character: nearly all are judged here.
            if (
                text
                and text.isprintable()
                and (self.max_length is None or len(text) <= self.max_length)
                and (text.isascii() or not _SHOWS_NOTHING.search(text))
                and not text.isspace()
                and (
                    len(text) > _LONGEST_NOBODY or text.lower() not in NOBODY or not self.of_person
                )
            ):
                return text
        judged = self.judged(value)
        return self.sized(judged) if type(judged) is str else judged

    def judged(self, value: object) -> str | Rejected:
        """The same before its length is known to fit."""
        text = _text_of_identifier(value, self.field)
        if type(text) is not str or not self.of_person:
            return text
        text = text.strip()
        seen = visible(text)
        if len(seen) <= _LONGEST_NOBODY and seen.lower() in NOBODY:
            return Rejected(f"{self.field}_of_no_single_person", of_row=True)
        return text

    def sized(self, text: str) -> str | Rejected:
        """`text`, if it is not too long."""
        if self.max_length is not None and len(text) > self.max_length:
            return Rejected(f"{self.field}_too_long")
        return text

    def passes_on(self, why: Rejected) -> bool:
        """Whether it was nobody at all, so that another column may say who."""
        return why.reason.removeprefix(self.field) in _NOBODY_AT_ALL

    def is_missing(self, why: Rejected) -> bool:
        """Whether there was nothing to judge."""
        return why.reason == f"{self.field}_missing"


_NOBODY_AT_ALL: Final = {"_missing", "_blank", "_of_no_single_person"}


def visible(text: str) -> str:
    """What people see of `text`; nothing, if it is blank.

    White space at its ends is left out, and so is what has no width: control characters, and
    formats such as U+200B, which spreadsheets and web pages leave in copied text.
    """
    # Nothing of those categories is printable; taking text apart is slow.
    if not text.isprintable():
        text = "".join(letter for letter in text if category(letter) not in _WITHOUT_WIDTH)
    return (text if text.isascii() else _SHOWS_NOTHING.sub("", text)).strip()


def identifier(
    value: object, field: str, max_length: int, *, repairable: bool = False
) -> str | Rejected:
    """Text of 1 to `max_length` characters, not blank; a number is sent as its decimal text.

    `field` begins the reason of a rejection. A lone surrogate is one, unless `repairable`.
    """
    text = _text_of_identifier(value, field, repairable=repairable)
    if type(text) is str and len(text) > max_length:
        return Rejected(f"{field}_too_long")
    return text


def _text_of_identifier(value: object, field: str, *, repairable: bool = False) -> str | Rejected:
    if type(value) is not str:
        if value is MISSING or value is None:
            return Rejected(f"{field}_missing", of_row=True, lacks=field)
        if may_be_inexact(value):
            return INEXACT
        number = decimal_text(value)
        return Rejected(f"{field}_not_text") if number is None else number
    if not visible(value):
        return Rejected(f"{field}_blank", of_row=True)
    # Repairing it could make two people (or accounts) one.
    if not repairable and not value.isascii() and has_lone_surrogate(value):
        return Rejected(f"{field}_not_valid_unicode")
    return value


def may_be_inexact(value: object) -> bool:
    """Whether a parsed number may have been another one on the line."""
    return type(value) is float and MAY_BE_INEXACT_FROM <= abs(value) < math.inf


def decimal_text(value: object) -> str | None:
    """A JSON number as plain decimal digits, or None for anything else.

    `12.0` gives `12`: JSON knows one kind of number, and a source that turns integers into
    floats must not split a person in two. No exponent is ever used.
    """
    if type(value) is int:
        return _digits(value)
    if type(value) is float and math.isfinite(value):
        if value.is_integer():
            return _digits(int(value))
        return format(Decimal(repr(value)), "f")
    return None


def _digits(value: int) -> str:
    # str(int) refuses more than 4,300 digits; nothing that long is an id.
    return str(value) if value.bit_length() <= 8192 else "9" * 2500


# -- repairs ------------------------------------------------------------------------------------

_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def has_lone_surrogate(text: str) -> bool:
    """Whether `text` holds half of a UTF-16 pair, which no UTF-8 can carry."""
    return _LONE_SURROGATE.search(text) is not None


def repaired(value: object) -> object:
    """The same JSON value, fit for UTF-8 and 64-bit JSON: the slow way out when dumping failed.

    Lone surrogates become U+FFFD, integers beyond 64 bits become doubles (as any JavaScript
    service reads them) and, beyond those, disappear.
    """
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {
            repaired(key): fixed
            for key, item in value.items()
            if (fixed := repaired(item)) is not None
        }
    if type(value) is int and value.bit_length() > 63:
        try:
            return float(value)
        except OverflowError:
            return None
    return value
