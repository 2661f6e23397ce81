"""Rejected records on their way to files: kept until settled, gathered, saved. Owner's thread only.

A record's line is kept from the moment it is mapped until the service has settled it, for nobody
can tell before whether it will be refused. Rejected ones gather here and are saved as one file when

- the first of them has waited `WAIT_AT_MOST` seconds (a state may wait behind it), or
- those of all streams fill `MAX_UNSAVED_BYTES`, and those of this one are the most, or
- the sync ends.

So a state behind every record does not make a file for every record. A state leaves only if it
stands before `first_unsaved`: what was rejected before it is in files that are closed.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import BinaryIO, Final

from bulk_destination.protocol.lines import LongLine
from bulk_destination.rejected.object_storage import ObjectStorage
from bulk_destination.rejected.rejected_records import file_name, rejected_line
from bulk_destination.rejected.saving import Saving

#: Seconds that the first rejected record waits for others.
WAIT_AT_MOST: Final = 10.0
#: Bytes of rejected records of all streams that wait to be saved; a file has about as many at
#: most.
MAX_UNSAVED_BYTES: Final = 8_000_000
#: Bytes of lines of records not yet settled, above which no more input is read.
MAX_KEPT_BYTES: Final = 16_000_000
#: What a line weighs in memory besides its bytes.
_LINE_OVERHEAD: Final = 150


class RejectedFiles:
    """The files of one sync, all in `folder` of `storage`.

    `clock` gives monotonic seconds, `now` those of Unix time.
    """

    def __init__(
        self,
        storage: ObjectStorage,
        folder: str,
        clock: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        self._storage = storage
        self._folder = folder
        self._clock = clock
        self._now = now
        self._saving = Saving()
        self._kept: dict[int, bytes] = {}
        self._kept_bytes = 0
        self._unsaved: dict[int, bytes] = {}
        self._unsaved_bytes = 0
        self._unsaved_since = 0.0
        #: The number of the first record that was rejected and is in no file yet.
        self.first_unsaved: int | None = None
        #: Records rejected so far, and how many of them are in how many files.
        self.rejected = 0
        self.saved = 0
        self.files = 0
        #: Whether the storage has failed: the sync ends, and it is not asked again.
        self.failed = False

    @property
    def unsaved_bytes(self) -> int:
        """Bytes of the rejected records that wait to be saved, about."""
        return self._unsaved_bytes

    @property
    def kept_bytes(self) -> int:
        """Bytes of the lines that are kept, about."""
        return self._kept_bytes

    def keep(self, position: int, line: bytes) -> None:
        """Record `position` is on its way."""
        self._kept[position] = line
        self._kept_bytes += len(line) + _LINE_OVERHEAD

    def settled(self, position: int) -> bytes:
        """Record `position` is settled; gives its line, which is kept no longer."""
        line = self._kept.pop(position)
        self._kept_bytes -= len(line) + _LINE_OVERHEAD
        return line

    def forget_kept(self) -> None:
        """No record that is on its way will be settled."""
        self._kept.clear()
        self._kept_bytes = 0

    def reject(self, position: int, line: bytes, reason: str, answer: str = "") -> None:
        """Record `position` is to be saved with `reason`, and the service's `answer` if any."""
        if self.first_unsaved is None:
            self._unsaved_since = self._clock()
            self.first_unsaved = position
        self.first_unsaved = min(position, self.first_unsaved)
        self._unsaved[position] = rejected_line(line, reason, answer)
        self._unsaved_bytes += len(self._unsaved[position]) + _LINE_OVERHEAD
        self.rejected += 1

    def hurry(self) -> None:
        """The sync is to end; callable from a signal handler."""
        self._saving.hurry()

    def save_long(self, line: LongLine) -> None:
        """Saves a rejected record that is not held in memory, in a file of its own, as it came.

        Raises ConfigurationError or ObjectStorageError.
        """
        assert line.file is not None  # noqa: S101  # kept, as there are files
        with line.file as file:
            file.write(b"\n")
            file.seek(0)
            self._put(file)
        self.rejected += 1
        self.saved += 1

    def next_due(self) -> float | None:
        """Seconds until what is unsaved has waited long enough; None if there is nothing."""
        if self.first_unsaved is None:
            return None
        return max(0.0, self._unsaved_since + WAIT_AT_MOST - self._clock())

    def save_due(self) -> None:
        """Saves what has waited long enough."""
        if self.next_due() == 0.0:
            self.save()

    def save(self) -> None:
        """Saves all that is unsaved as one file, in the order of the source.

        Raises ConfigurationError or ObjectStorageError; everything is unsaved then, as before.
        """
        if not self._unsaved:
            return
        content = b"".join(line for _, line in sorted(self._unsaved.items()))
        self._put(content)
        self.saved += len(self._unsaved)
        self._unsaved, self._unsaved_bytes, self.first_unsaved = {}, 0, None

    def _put(self, content: bytes | BinaryIO) -> None:
        try:
            name = f"{self._folder}/{file_name(self._now(), self.files)}"
            self._saving.run(partial(self._storage.put, name, content))
        except BaseException:
            self.failed = True
            raise
        self.files += 1


def save_fullest(files: Sequence[RejectedFiles]) -> None:
    """Saves what is too much to wait. All streams share one limit: memory is the same for any."""
    while sum(each.unsaved_bytes for each in files) >= MAX_UNSAVED_BYTES:
        max(files, key=lambda each: each.unsaved_bytes).save()
