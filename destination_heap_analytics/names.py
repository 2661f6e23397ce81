"""Names that may be shown. Pure.

Names of events and properties can be values, too: a source may key an object by what it holds,
and an event column may hold addresses. A name is shown where it looks like one; where not, only
its shape is, `user_#####`. That tells no value, and keeps a list of ever new names short.
"""

import re
from typing import Final

_LONGEST_PART: Final = 80
#: Words as people and programs write them, with at most two digits in a row.
_WORDS: Final = re.compile(r"(?:[^\W\d_]|[ _:/&()-]|(?<!\d)\d{1,2}(?!\d))+")
#: Words around one longer number.
_NUMBERED: Final = re.compile(r"[^\W\d]*[ _:-]?\d{3,}")


def shown(name: str) -> str:
    """`name` as far as it may be shown.

    >>> [shown(name) for name in ("plan.name", "line_2", "user_84831", "b7e9a0", "a@b.example")]
    ['plan.name', 'line_2', 'user_#####', '(6 characters)', '(11 characters)']
    """
    if "@" in name:
        return _length(name)
    return ".".join(map(_shown_part, name.split(".")))


def _shown_part(part: str) -> str:
    if len(part) <= _LONGEST_PART:
        if not part or (_WORDS.fullmatch(part) and not _looks_like_a_code(part)):
            return part
        if part.isdigit() and len(part) <= 2:
            return part
        if part.isdigit() or _NUMBERED.fullmatch(part):
            return re.sub(r"\d", "#", part)
    return _length(part)


def _looks_like_a_code(part: str) -> bool:
    """Letters between digits of one word, or hexadecimal digits: `51H8x9Q2`, `b7e9a0c1`."""
    return re.search(r"\d[^\W\d_]+\d|\b(?=\w*\d)[0-9a-fA-F]{6,}\b", part) is not None


def _length(text: str) -> str:
    return f"({len(text)} characters)"
