"""What comes in on stdin, as lists of whole lines."""

import codecs
import errno
import io
import os
import select
import sys
from collections.abc import Iterator
from typing import BinaryIO, Final

from bulk_destination.errors import ConfigurationError, Fault, TemporaryFileError
from bulk_destination.protocol.lines import Line, LongLine, split_lines
from bulk_destination.protocol.spool import temporary_file

#: Bytes asked for at once; a pipe gives what it has.
_CHUNK: Final = 1 << 18
#: Writing fails so; to read a pipe never does.
_DISK_IS_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def stdin_lines(*, keeps_long_lines: bool = False) -> Iterator[list[Line]]:
    """All of stdin, as it comes. Raises a ConfigurationError if it is closed.

    A line that is too long to be held is in a temporary file, if it `keeps_long_lines`.
    """
    return _without_mark(_lines(stdin_chunks(), keeps_long_lines))


def stdin_chunks() -> Iterator[bytes]:
    """All of stdin, as it comes. Raises a ConfigurationError if it is closed."""
    if sys.stdin is None:
        raise ConfigurationError([Fault("stdin", "is closed: pipe the source's messages into it")])
    return _chunks(sys.stdin.buffer)


def say_what_is_awaited(what: str) -> None:
    """A line on stderr where somebody at a terminal has to know that it is their turn."""
    if sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None:
        words = f"Reading {what} from the terminal; end with Ctrl-D, or pipe a file"
        print(words, file=sys.stderr, flush=True)


def _lines(chunks: Iterator[bytes], keeps_long_lines: bool) -> Iterator[list[Line]]:
    try:
        yield from split_lines(chunks, temporary_file if keeps_long_lines else None)
    except OSError as error:
        if error.errno not in _DISK_IS_FULL:
            raise
        raise TemporaryFileError(error.strerror or "the disk is full") from None


def _without_mark(lists: Iterator[list[Line]]) -> Iterator[list[Line]]:
    """The same without a byte order mark before the first line, which programs on Windows write."""
    for lines in lists:
        if isinstance(lines[0], LongLine):
            lines[0].head = lines[0].head.removeprefix(codecs.BOM_UTF8)
        else:
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
    return iter(lambda: _read(fd), b"")


def _read(fd: int) -> bytes:
    while True:
        try:
            return os.read(fd, _CHUNK)
        except BlockingIOError:  # Whoever shares the pipe may have made it so.
            select.select([fd], [], [])
