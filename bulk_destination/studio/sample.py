"""The sample: a file without a name, read as often as somebody looks, and what its columns are.

Whatever is dropped onto the page goes into a temporary file that has no name and ends with the
process. A file that was named on the command line is read where it is.
"""

import codecs
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, BinaryIO, Final

import orjson

from bulk_destination.look.columns_seen import ColumnsSeen
from bulk_destination.look.samples import HEAD, SampleError, kind_of, messages
from bulk_destination.protocol.lines import Line, LongLine
from bulk_destination.protocol.messages import read_line
from bulk_destination.protocol.spool import temporary_file

#: Bytes that a sample may have.
LARGEST: Final = 1_000_000_000
#: A catalog is read whole.
_LARGEST_CATALOG: Final = 32_000_000
_CHUNK: Final = 1 << 18
#: What is looked at before all else is read: lines, and their bytes. A longer line waits.
HEAD_LINES: Final = 1_000
_HEAD_BYTES: Final = 4_000_000
LONGEST_IN_HEAD: Final = 500_000

#: A stream's name, and its namespace.
StreamName = tuple[str, str | None]


@dataclass(slots=True)
class Stream:
    """One stream of a sample."""

    name: str
    namespace: str | None
    columns: ColumnsSeen = field(default_factory=ColumnsSeen)
    #: What a catalog says of it, if there is one, and how that configures it, if it does.
    described: Mapping[str, Any] = field(default_factory=dict)
    configured: Mapping[str, Any] = field(default_factory=dict)

    @property
    def json_schema(self) -> Any:
        """The catalog's, or what the records have."""
        return self.described.get("json_schema") or self.columns.json_schema()


class Streams:
    """The streams that lines are of, with their columns."""

    def __init__(self, catalog: object = None) -> None:
        self.found: dict[StreamName, Stream] = {}
        self.catalog = catalog
        self._entries = dict(_entries(catalog))

    def read(self, lines: Iterable[Line]) -> Iterator[tuple[StreamName, Mapping[str, Any]]]:
        """The records among lines; what they have is noted on the way."""
        for line in lines:
            message = read_line(line)
            if type(message) is dict:
                name, namespace = message.get("stream"), message.get("namespace")
                if type(name) is str:
                    key = (name, namespace if type(namespace) is str and namespace else None)
                    self.of(key).columns.add(message["data"])
                    yield key, message["data"]
            elif isinstance(line, bytes) and b'"CATALOG"' in line:
                self._note_catalog(line)

    def of(self, key: StreamName) -> Stream:
        """The stream of that name."""
        if key not in self.found:
            entry = self._entries.get(key) or self._entries.get((key[0], None)) or {}
            self.found[key] = Stream(*key, described=entry.get("stream", entry), configured=entry)
        return self.found[key]

    def _note_catalog(self, line: bytes) -> None:
        try:
            message = orjson.loads(line)
        except orjson.JSONDecodeError:
            return
        if type(message) is dict and message.get("type") == "CATALOG" and self.catalog is None:
            self.catalog = message.get("catalog")
            self._entries = dict(_entries(self.catalog))


def _entries(catalog: object) -> Iterator[tuple[StreamName, Mapping[str, Any]]]:
    """What a catalog says of each stream, be it configured or a source's."""
    streams = catalog.get("streams") if isinstance(catalog, Mapping) else None
    for entry in streams if isinstance(streams, list) else ():
        stream = entry.get("stream", entry) if isinstance(entry, Mapping) else None
        if isinstance(stream, Mapping) and isinstance(stream.get("name"), str):
            yield (stream["name"], stream.get("namespace") or None), entry


class Sample:
    """What was given to look at; `stream` is what its rows are of, where they do not say it.

    `file` is read by its descriptor alone, so that any number of threads may do so at once.
    """

    def __init__(
        self,
        name: str,
        file: BinaryIO,
        size: int,
        *,
        stream: str | None = None,
        catalog: object = None,
    ) -> None:
        self.name = name
        self.size = size
        self.kind = kind_of(os.pread(file.fileno(), HEAD, 0))
        self.stream = stream or stream_name(name)
        self.read_at = int(time.time() * 1_000)
        self.file = file
        #: What is looked at first: lines, their records, and how many were too long for that.
        self.lines: list[Line] = []
        self.records: dict[StreamName, list[Mapping[str, Any]]] = {}
        self.long = 0
        #: Whether `streams` are those of all records, and why not, if they cannot be.
        self.whole = False
        self.broken: str | None = None
        self.streams = Streams(catalog)
        self._look()

    def read(self, told: Callable[[int], None] = lambda _: None) -> Iterator[list[Line]]:
        """All of it, as a source's messages; `told` hears how many bytes were read so far.

        Raises SampleError.
        """
        return messages(self._chunks(told), self.kind, self.stream, self.read_at)

    def _chunks(self, told: Callable[[int], None]) -> Iterator[bytes]:
        at = 0
        while chunk := os.pread(self.file.fileno(), _CHUNK, at):
            at += len(chunk)
            told(at)
            yield chunk

    def _look(self) -> None:
        """Reads the beginning. Raises SampleError."""
        size = 0
        for line in (line for lines in self.read() for line in lines):
            if isinstance(line, LongLine) or len(line) > LONGEST_IN_HEAD:
                self.long += 1
            else:
                size += len(line)
                self.lines.append(line)
            if len(self.lines) + self.long >= HEAD_LINES or size >= _HEAD_BYTES:
                break
        else:
            self.whole = not self.long
        for stream, record in self.streams.read(self.lines):
            self.records.setdefault(stream, []).append(record)
        if not self.streams.found:
            if not self.long:
                raise SampleError("has no record in its beginning")
            self.streams.of((self.stream, None))

    def read_all(self, told: Callable[[int], None]) -> None:
        """Notes the columns of all records, where the beginning is not all.

        `told` may raise, to stop it.
        """
        if self.whole:
            return
        streams = Streams(self.streams.catalog)
        try:
            for lines in self.read(told):
                for _ in streams.read(lines):
                    pass
        except SampleError as error:
            self.broken = str(error)
        else:
            self.streams = streams if streams.found else self.streams
        self.whole = True


def stream_name(file: str) -> str:
    """What a stream is called after a file: `orders 2026.csv` gives `orders_2026`."""
    return re.sub(r"\W+", "_", PurePath(file).stem).strip("_")[:80] or "rows"


def spooled(chunks: Iterable[bytes]) -> tuple[BinaryIO, int]:
    """A file without a name that holds it all. Raises SampleError, and TemporaryFileError."""
    file, size = temporary_file(), 0
    for chunk in chunks:
        size += len(chunk)
        if size > LARGEST:
            file.close()
            raise SampleError(f"has more than {LARGEST:,} bytes")
        file.write(chunk)
    file.flush()
    return file, size


def catalog_in(file: BinaryIO, size: int) -> Mapping[str, Any] | None:
    """The catalog that a file is, or None if it is none."""
    head = os.pread(file.fileno(), HEAD, 0).removeprefix(codecs.BOM_UTF8).lstrip()
    if not head.startswith(b"{") or b'"streams"' not in head or size > _LARGEST_CATALOG:
        return None
    try:
        content = json.loads(os.pread(file.fileno(), size, 0))
    except (ValueError, RecursionError):
        return None
    if isinstance(content, Mapping) and content.get("type") == "CATALOG":
        content = content.get("catalog")
    is_one = isinstance(content, Mapping) and isinstance(content.get("streams"), list)
    return content if is_one else None
