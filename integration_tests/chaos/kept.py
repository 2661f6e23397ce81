"""The files of rejected records, read as they appear. Judged by what the documents say of them.

A file is `{sync_id}/{namespace}/{stream}/…jsonl`; of several streams, what is of none of them lies
in a folder of its own, whose name no stream can have.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from integration_tests.chaos.source import Json, Row, Stream

#: As a row begins, whole or not.
_NUMBER: Final = re.compile(rb'"n": (\d+)')


class Kept:
    """What is below `folder`, where a sync of `streams` keeps what is rejected."""

    def __init__(self, folder: Path, streams: Sequence[Stream]) -> None:
        self._folder = folder
        self._streams = streams
        self._seen: set[Path] = set()
        #: By the number of a row, the folders it is in, and its lines as they were fed.
        self.folders: dict[int, set[str]] = {}
        self.lines: dict[int, list[bytes]] = {}

    def look(self) -> None:
        """Reads the files that are new. Each is whole from the moment it has its name."""
        for path in self._folder.rglob("*.jsonl"):
            if path not in self._seen:
                self._seen.add(path)
                within = path.parent.relative_to(self._folder)
                for line in path.read_bytes().splitlines():
                    self._note(str(within), line)

    def expected(self, row: Row) -> str:
        """The folder that a rejected row belongs into."""
        if row.stream is None and len(self._streams) > 1:
            return "0/.of_no_stream"
        stream = self._streams[row.stream or 0]
        return "/".join(["0", *filter(None, (stream.namespace, stream.name))])

    def holds(self, row: Row) -> bool:
        """Whether a rejected row is in a file, where it belongs."""
        return self.expected(row) in self.folders.get(row.number, ())

    def _note(self, folder: str, line: bytes) -> None:
        message: Json = json.loads(line)
        meta = message["record"].get("meta", {})
        assert meta.pop("rejection_reason")
        unreadable = meta.get("unreadable_line")
        if unreadable is not None:
            text, base = unreadable.get("text"), unreadable.get("base64")
            line = base64.b64decode(base) if text is None else text.encode()
        number = _NUMBER.search(line)
        assert number is not None
        self.folders.setdefault(int(number[1]), set()).add(folder)
        self.lines.setdefault(int(number[1]), []).append(line)
