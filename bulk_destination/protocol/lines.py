"""A stream of bytes as lines, each held whole, but for those that are too long. Pure.

A line without end would fill the memory. What is beyond the limit is counted, and written to a
file where somebody wants it; its beginning says what it is.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

#: Bytes of a line that is held: as much as common warehouses take of a value. docs/speed.md says
#: so.
LONGEST_LINE: Final = 16_000_000
#: Bytes of a longer one by which it is known.
HEAD: Final = 65_536


@dataclass(slots=True)
class LongLine:
    """A line of `size` bytes that is not held: its beginning, and all of it where it was kept."""

    head: bytes
    size: int
    file: BinaryIO | None

    def __bytes__(self) -> bytes:
        return self.head


Line = bytes | LongLine


def split_lines(
    chunks: Iterator[bytes],
    keep: Callable[[], BinaryIO] | None = None,
    longest: int = LONGEST_LINE,
) -> Iterator[list[Line]]:
    """Chunks of a stream as lists of whole lines; a last line may lack its newline.

    `keep` opens a file for a line that is longer than `longest`.
    """
    begun = _Begun(keep, longest)
    for chunk in chunks:
        first, *lines = chunk.split(b"\n")
        begun.add(first)
        if lines:
            last = lines.pop()
            yield [begun.end(), *lines]
            begun.add(last)
    if begun.size:
        yield [begun.end()]


class _Begun:
    """The line that is coming in."""

    def __init__(self, keep: Callable[[], BinaryIO] | None, longest: int) -> None:
        self._keep = keep
        self._longest = longest
        # A long line comes in many chunks, and is put together once: one of 20 MB took 9 s
        # otherwise.
        self._parts: list[bytes] = []
        self._long: LongLine | None = None
        self.size = 0

    def add(self, part: bytes) -> None:
        """More of it."""
        self.size += len(part)
        if self._long is None:
            self._parts.append(part)
            if self.size > self._longest:
                self._let_go()
        elif self._long.file is not None:
            self._long.file.write(part)

    def end(self) -> Line:
        """It is whole; the next one begins."""
        line: Line = b"".join(self._parts) if self._long is None else self._long
        if type(line) is LongLine:
            line.size = self.size
        self._parts, self._long, self.size = [], None, 0
        return line

    def _let_go(self) -> None:
        file = self._keep() if self._keep is not None else None
        if file is not None:
            file.writelines(self._parts)
        head = b""
        for part in self._parts:
            head += part[: HEAD - len(head)]
            if len(head) == HEAD:
                break
        self._parts, self._long = [], LongLine(head, 0, file)
