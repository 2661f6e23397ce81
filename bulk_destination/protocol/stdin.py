"""What comes in on stdin, as lists of whole lines."""

import codecs
import io
import os
import sys
from collections.abc import Iterator
from typing import BinaryIO, Final

from bulk_destination.errors import ConfigurationError, Fault
from bulk_destination.protocol.messages import split_lines

#: Bytes asked for at once; a pipe gives what it has.
_CHUNK: Final = 1 << 18


def stdin_lines() -> Iterator[list[bytes]]:
    """All of stdin, as it comes. Raises a ConfigurationError if it is closed."""
    if sys.stdin is None:
        raise ConfigurationError([Fault("stdin", "is closed: pipe the source's messages into it")])
    return _without_mark(split_lines(_chunks(sys.stdin.buffer)))


def _without_mark(lists: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
    """The same without a byte order mark before the first line, which programs on Windows write."""
    for lines in lists:
        lines[0] = lines[0].removeprefix(codecs.BOM_UTF8)
        yield lines
        break
    yield from lists


def _chunks(stdin: BinaryIO) -> Iterator[bytes]:
    try:
        fd = stdin.fileno()
    except (OSError, io.UnsupportedOperation):  # stdin of a test, in memory
        return iter(lambda: stdin.read(_CHUNK), b"")
    # The bare descriptor: a thread that waits inside a buffered stdin blocks Python's exit.
    return iter(lambda: os.read(fd, _CHUNK), b"")
