"""stdin as `preview` takes it: Airbyte messages, or plain rows of one stream."""

import time
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from bulk_destination.connection import Connection
from bulk_destination.errors import ConfigurationError, Fault
from bulk_destination.ledger import Ledger
from bulk_destination.look.samples import HEAD, Kind, SampleError, kind_of, messages
from bulk_destination.look.shown_values import beginning
from bulk_destination.mapping.values import UNREADABLE
from bulk_destination.protocol.lines import Line
from bulk_destination.protocol.stdin import stdin_chunks, stdin_lines


def catalog_of(stream: str) -> dict[str, Any]:
    """The smallest catalog of rows that bring none: which columns there are is seen in them."""
    return {"streams": [{"stream": {"name": stream}}]}


class StdinSample:
    """All of stdin as messages; with `rows`, what comes are rows of that stream.

    Where it holds something else, or nothing, a SampleError says so. It may show the beginning of
    a row, as it is for the user's own terminal.
    """

    def __init__(self, connection: Connection, rows: str | None) -> None:
        self._rows = rows
        self._first = b""
        names = [stream.name for stream in connection.catalog.streams]
        if rows is not None and connection.catalog.find(rows, None) is None:
            has = ", ".join(f"`{name}`" for name in names)
            raise ConfigurationError(
                [Fault("rows", f"`{rows}` is no stream of the catalog: {has}")]
            )

    def lines(self) -> Iterator[list[Line]]:
        """Lists of lines, each a message."""
        source = stdin_lines() if self._rows is None else self._wrapped(self._rows)
        return self._watched(source)

    def judge(self, ledger: Ledger) -> None:
        """Raises if nothing that was read was a message."""
        if not self._first:
            raise SampleError(
                "is empty: pipe a source's messages into it"
                if self._rows is None
                else "is empty: pipe rows into it, as JSON lines or CSV"
            )
        nothing_else = ledger.rejected[UNREADABLE.reason] == ledger.read > 0
        if self._rows is None and nothing_else:
            raise SampleError(_no_messages(self._first))

    def _watched(self, source: Iterable[list[Line]]) -> Iterator[list[Line]]:
        for lines in source:
            if not self._first:
                first = next(filter(None, (bytes(line).strip() for line in lines)), b"")
                self._first = first[:HEAD]
            yield lines

    def _wrapped(self, stream: str) -> Iterator[list[Line]]:
        chunks = stdin_chunks()
        head = b""
        for chunk in chunks:
            head += chunk
            if len(head) >= HEAD:
                break
        if not head.strip():
            return
        kind = kind_of(head)
        if kind is not Kind.MESSAGES:
            emitted_at = int(time.time() * 1_000)
            yield from messages(chain([head], chunks), kind, stream, emitted_at)
            return
        raise SampleError("holds Airbyte messages, not rows: leave out --rows")


def _no_messages(first: bytes) -> str:
    words = f"holds no Airbyte messages; the first line begins `{beginning(first)}`"
    try:
        kind = kind_of(first)
    except SampleError as error:
        return f"{words}. It {error}"
    return f"{words}. If these are rows ({kind.value}) of one stream, name it: --rows STREAM"
