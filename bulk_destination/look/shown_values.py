"""How names and values of records look on a terminal, which is to obey none of them. Pure."""

import json
import re
from typing import Any, Final

#: What would move the cursor or ring the bell.
_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
#: Characters of a value in a line.
_LONGEST: Final = 60


def plain(text: str) -> str:
    """Without what a terminal would obey; tabs and line ends stay."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(value: Any) -> str:
    """The beginning of a value, as JSON."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except RecursionError:
        return "(nested too deeply to be shown)"
    return _short(text)


def beginning(line: bytes) -> str:
    """That of a line as it is."""
    return _short(line[: 4 * _LONGEST + 4].decode(errors="replace"))


def _short(text: str) -> str:
    return plain(text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …")
