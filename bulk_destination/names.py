"""Names that may be shown. Pure.

Names of events and properties can be values, too: a source may key an object by what it holds,
and an event column may hold addresses. A name is shown where it looks like one; where not, only
its shape is, `user_#####`. That tells no value, and keeps a list of ever new names short.
"""

import re
from typing import Final

_LONGEST_PART: Final = 80
#: Words as people and programs write them, with at most two digits: more may be a date, or a
#: telephone number written in pairs.
_WORDS: Final = re.compile(r"(?!(?:\D*\d){3})(?:\w|[ :/&()-])+")
#: An address such as 10.0.0.12, or a telephone number; a single number may be an index.
_NUMBERS_IN_A_ROW: Final = re.compile(r"(?<![^.])\d+(?:\.\d+)+(?![^.])")
#: Words around one longer number.
_NUMBERED: Final = re.compile(r"[^\W\d]*[ _:-]?\d{3,}")
_CODE: Final = re.compile(
    r"\d[^\W\d_]+\d|\b(?=\w*\d)[0-9a-fA-F]{6,}\b|\b[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{0,4}){3}"
)


def shown(name: str) -> str:
    """`name` as far as it may be shown.

    >>> [shown(name) for name in ("plan.name", "line_2", "user_84831", "b7e9a0", "a@b.example")]
    ['plan.name', 'line_2', 'user_#####', '(6 characters)', '(11 characters)']
    """
    if "@" in name:
        return _length(name)
    name = _NUMBERS_IN_A_ROW.sub(lambda numbers: _shape(numbers[0]), name)
    return ".".join(map(_shown_part, name.split(".")))


def _shown_part(part: str) -> str:
    if len(part) <= _LONGEST_PART:
        if not part.strip("#") or (_WORDS.fullmatch(part) and not _looks_like_a_code(part)):
            return part
        if part.isdigit() and len(part) <= 2:
            return part
        if part.isdigit() or _NUMBERED.fullmatch(part):
            return _shape(part)
    return _length(part)


def _looks_like_a_code(part: str) -> bool:
    """Letters between digits, or hexadecimal digits: `51H8x9Q2`, `b7e9a0c1`, `aa:bb:cc:dd`."""
    return _CODE.search(part) is not None


def _shape(text: str) -> str:
    return re.sub(r"\d", "#", text)


def _length(text: str) -> str:
    return f"({len(text)} characters)"
