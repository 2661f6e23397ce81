"""What waits on disk, as it is too much for the memory: in files that nobody else can open."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final

from bulk_destination.errors import TemporaryFileError

#: Bytes of a file before the next is begun; one from which all was taken is gone.
_LARGEST_FILE: Final = 64_000_000


@dataclass(slots=True)
class _File:
    file: BinaryIO
    size: int = 0
    #: How many of its lines were not taken.
    waiting: int = 0


class Spool:
    """Lines that are taken back in any order."""

    def __init__(self) -> None:
        self._last: _File | None = None

    def put(self, line: bytes) -> Callable[[], bytes]:
        """Writes a line; what is given takes it back, once. Both raise TemporaryFileError."""
        if self._last is None or self._last.size > _LARGEST_FILE:
            self._last = _File(temporary_file())
        # Not `line` itself below: what is given would keep it.
        file, at, size = self._last, self._last.size, len(line)
        with temporary_file_errors():
            file.file.seek(at)
            file.file.write(line)
            file.file.flush()
        file.size += size
        file.waiting += 1
        return lambda: self._take(file, at, size)

    def _take(self, file: _File, at: int, size: int) -> bytes:
        with temporary_file_errors():
            file.file.seek(at)
            line = file.file.read(size)
        file.waiting -= 1
        if not file.waiting:
            file.file.close()
            if file is self._last:
                self._last = None
        return line


def temporary_file() -> BinaryIO:
    """A file without a name: only this process can read it, and it ends with it.

    Raises TemporaryFileError.
    """
    with temporary_file_errors():
        return tempfile.TemporaryFile(prefix="airbyte_")


@contextmanager
def temporary_file_errors() -> Iterator[None]:
    """The system's errors as ours."""
    try:
        yield
    except OSError as error:
        raise TemporaryFileError(error.strerror or type(error).__name__) from None
