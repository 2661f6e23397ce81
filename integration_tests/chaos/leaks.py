"""Searches what was shown for what was fed in. Pure.

A record's values leave to Heap and nowhere else, and so do texts that are no message. States are
the source's own and come back as they came.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

#: Shorter texts and numbers stand in any log by chance.
_SHORTEST_TEXT: Final = 5
_SHORTEST_NUMBER: Final = 6
#: Of a line that is no message, every piece of so many characters is searched for.
_PIECE: Final = 24


def leaks(fed: Iterable[bytes | bytearray], secret: object, shown: Iterable[bytes]) -> list[str]:
    """Where the values come from that were fed in and are shown; never the values.

    `fed` are lines of stdin, `shown` lines of output. `secret` is the configuration's: its
    `app_id` or `sdk_key`.
    """
    text = _searchable(shown)
    values = [("the configuration's secret", value) for value in _texts(secret)]
    values += _values_of(fed)
    return list(dict.fromkeys(where for where, value in values if _is_in(value.lower(), text)))


def _is_in(value: str, text: str) -> bool:
    """Whether a long `value` stands there, or a short one by itself: not `Second` in `seconds`."""
    if value not in text or len(value) >= _PIECE:
        return value in text
    return bool(re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text))


def _searchable(shown: Iterable[bytes]) -> str:
    """The output but for its states, as it stands and with JSON's escapes undone."""
    texts: list[str] = []
    for line in shown:
        if b'"STATE"' not in line:
            texts.append(line.decode("utf-8", "replace"))
            texts += _texts(_parsed(line))
    return "\n".join(texts).lower()


def _values_of(fed: Iterable[bytes | bytearray]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(fed, start=1):
        message = _parsed(line)
        if isinstance(message, dict):
            record = message.get("record")
            values = _texts(record.get("data") if isinstance(record, dict) else None)
        else:
            raw = line.decode("utf-8", "replace")
            values = (raw[at : at + _PIECE] for at in range(0, len(raw) - _PIECE, _PIECE))
        yield from ((f"line {number}", value) for value in values)


def _texts(value: Any) -> Iterator[str]:
    """All values below, as text, that are too long to be met by chance."""
    left = [value]
    while left:
        match left.pop():
            case dict() as below:
                left += below.values()
            case list() as below:
                left += below
            case str() as text if len(text.strip()) >= _SHORTEST_TEXT:
                yield text.strip()
            case int() | float() as number if len(json.dumps(number)) >= _SHORTEST_NUMBER:
                yield json.dumps(number)


def _parsed(line: bytes | bytearray) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
