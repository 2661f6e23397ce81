"""A line of JSON with members put in, all its other bytes as they came. Pure.

What parsers refuse or round, sources send all the same: integers of 5,000 digits, nesting of 2,000
levels, bytes that are no UTF-8. So nothing is parsed here: text is walked by its strings, braces
and brackets (RFC 8259), in time linear in its length and without recursion.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
#: What opens, closes or hides the others; a quote that is left open is none of a string.
_TOKEN: Final = re.compile(rb"[\[\]{}]|" + _STRING.pattern + rb'|"', re.DOTALL)
_SCALAR: Final = re.compile(rb"-?[0-9][0-9.eE+-]*|true|false|null|NaN|-?Infinity")
_BLANKS: Final = re.compile(rb"[ \t\r\n]*")
_CLOSES: Final = {b"{": b"}", b"[": b"]"}


class NotWalkableError(ValueError):
    """The text is no JSON, or ends too early."""


@dataclass(frozen=True, slots=True)
class _Member:
    key: str
    #: Where the key begins, where the value does, and what stands behind it.
    start: int
    value: int
    end: int


@dataclass(frozen=True, slots=True)
class _Object:
    start: int
    members: tuple[_Member, ...]
    #: Where its closing brace is.
    close: int

    def last(self, key: str) -> _Member | None:
        """The member of this name that counts: of several, parsers take the last."""
        return next((member for member in reversed(self.members) if member.key == key), None)


def with_members(
    line: bytes,
    path: tuple[str, ...],
    members: Mapping[str, bytes],
    without: Collection[str] = (),
) -> bytes | None:
    """`line` with `members` (names and JSON) in the object at `path`, in place of older ones.

    Members named in `without` go. None if there is no such object.
    """
    found = _object_at(line, path)
    if found is None:
        return None
    new = [json.dumps(name).encode() + b":" + value for name, value in members.items()]
    kept = [each for each in found.members if each.key not in {*members, *without}]
    if len(kept) < len(found.members):
        inside = b",".join([*(line[each.start : each.end] for each in kept), *new])
        return line[: found.start + 1] + inside + line[found.close :]
    if not new:
        return line
    at = found.members[-1].end if found.members else found.start + 1
    comma = b"," if found.members else b""
    return line[:at] + comma + b",".join(new) + line[at:]


def member(line: bytes, path: tuple[str, ...]) -> bytes | None:
    """The JSON at `path` as it stands, None if there is none."""
    found = _object_at(line, path[:-1])
    last = found.last(path[-1]) if found else None
    return line[last.value : last.end] if last else None


def text_at_top(line: bytes, key: str) -> str | None:
    """The text that is the member `key` of the outermost object; of a part, as far as it goes."""
    text = None
    with suppress(NotWalkableError):
        for each in _members(line, _blank(line, 0)):
            if each.key == key:
                text = _text(line[each.value : each.end])
    return text


def without_depths(line: bytes, most: int, stand_in: bytes) -> bytes:
    """`line` with `stand_in` for all that lies deeper than `most` levels."""
    parts: list[bytes] = []
    depth = done = begun = 0
    for token in _TOKEN.finditer(line):
        if token[0] in {b"{", b"["}:
            depth += 1
            if depth == most + 1:
                begun = token.start()
        elif token[0] in {b"}", b"]"}:
            if depth == most + 1:
                parts += [line[done:begun], stand_in]
                done = token.end()
            depth -= 1
    return b"".join([*parts, line[done:]])


def _object_at(line: bytes, path: tuple[str, ...]) -> _Object | None:
    try:
        found = _object(line, _blank(line, 0))
        if _blank(line, found.close + 1) != len(line):
            return None
        for key in path:
            below = found.last(key)
            if below is None:
                return None
            found = _object(line, below.value)
    except NotWalkableError:
        return None
    return found


def _object(text: bytes, at: int) -> _Object:
    members = tuple(_members(text, at))
    return _Object(at, members, _blank(text, members[-1].end if members else at + 1))


def _members(text: bytes, at: int) -> Iterator[_Member]:
    """The members of the object at `at`, one by one."""
    if text[at : at + 1] != b"{":
        raise NotWalkableError
    at = _blank(text, at + 1)
    if text[at : at + 1] == b"}":
        return
    while True:
        key = _STRING.match(text, at)
        if key is None:
            raise NotWalkableError
        colon = _blank(text, key.end())
        if text[colon : colon + 1] != b":":
            raise NotWalkableError
        value = _blank(text, colon + 1)
        end = _value_end(text, value)
        yield _Member(_text(key[0]) or "", key.start(), value, end)
        at = _blank(text, end)
        if text[at : at + 1] == b"}":
            return
        if text[at : at + 1] != b",":
            raise NotWalkableError
        at = _blank(text, at + 1)


def _value_end(text: bytes, at: int) -> int:
    first = text[at : at + 1]
    if first not in _CLOSES:
        scalar = _STRING.match(text, at) or _SCALAR.match(text, at)
        if scalar is None:
            raise NotWalkableError
        return scalar.end()
    expected: list[bytes] = []
    for token in _TOKEN.finditer(text, at):
        kind = token[0]
        if kind in _CLOSES:
            expected.append(_CLOSES[kind])
        elif kind in {b"}", b"]"}:
            if expected.pop() != kind:
                break
            if not expected:
                return token.end()
        elif kind == b'"':
            break
    raise NotWalkableError


def _blank(text: bytes, at: int) -> int:
    found = _BLANKS.match(text, at)
    assert found is not None  # noqa: S101  # it matches nothing, too
    return found.end()


def _text(token: bytes) -> str | None:
    with suppress(ValueError):
        found = json.loads(token.decode("utf-8", "surrogateescape"), strict=False)
        if isinstance(found, str):
            return found
    return None
