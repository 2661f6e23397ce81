"""Stands between the socket and the local service and notes what was asked and answered.

An answer is noted before it leaves, so a state that the connector lets out because of it is
always seen later. The server's thread writes; any thread may read.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from integration_tests.chaos.source import own_key

_OWN: Final = own_key(0)[:-1]
#: Answers that settle a request.
_FINAL: Final = frozenset({200, 400, 413})
#: What a service knows an event by.
_KEYS: Final = ("idempotency_key", "insertId")
#: Who an item is about that is no event: a user or an account of Heap.
_IDENTITIES: Final = ("identity", "account_id")


@dataclass
class Witness:
    """An ASGI application around that of a local Heap or Hackle."""

    app: ASGIApp
    #: Called at the n-th request, and at the n-th answer that settles one, of a process.
    at: Callable[[Literal["request", "answer"], int], None] = lambda *_: None
    #: Rows that the service said it took, by how often, and rows that it refused alone.
    accepted: Counter[int] = field(default_factory=Counter)
    #: Rows of requests that got no answer, by how often: it may have taken them as well.
    unanswered: Counter[int] = field(default_factory=Counter)
    refused: set[int] = field(default_factory=set)
    #: Rows in the order in which they were first accepted: of one event, by what it is known by,
    #: and of one user or account, whichever stream they are of; by where they were sent.
    order: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    #: Requests of this process by the hash of their bytes: arrived, and settled.
    arrived: Counter[bytes] = field(default_factory=Counter)
    settled: Counter[bytes] = field(default_factory=Counter)

    def next_process(self) -> None:
        """What one process asked, another may ask again."""
        self.arrived, self.settled = Counter(), Counter()

    def has_settled(self, row: int) -> bool:
        """Whether the service took this row or refused it."""
        return row in self.accepted or row in self.refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on, both ways."""
        parts: list[bytes] = []
        asked: list[_Request] = []

        async def seen_receive() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                parts.append(message.get("body", b""))
                if not message.get("more_body", False):
                    asked.append(_Request.of(scope["path"], b"".join(parts)))
                    self._note(asked[-1])
                    self.at("request", self.arrived.total())
            return message

        async def seen_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.unanswered.subtract(asked[-1].rows)
                if message["status"] in _FINAL:
                    self._settle(message["status"], asked[-1])
                    self.at("answer", self.settled.total())
            await send(message)

        await self.app(scope, seen_receive, seen_send)

    def _note(self, request: _Request) -> None:
        self.arrived[request.digest] += 1
        self.unanswered.update(request.rows)

    def _settle(self, status: int, request: _Request) -> None:
        self.settled[request.digest] += 1
        if status == 200:
            for item in request.items:
                self._accept(request.path, item)
        elif len(request.rows) == 1:
            self.refused.update(request.rows)

    def _accept(self, path: str, item: dict[str, Any]) -> None:
        known_by = next(item[name] for name in (*_KEYS, *_IDENTITIES) if name in item)
        for row in _rows(item):
            if row not in self.accepted:
                self.order.setdefault((path, known_by), []).append(row)
            self.accepted[row] += 1


class _Request(NamedTuple):
    path: str
    digest: bytes
    items: list[dict[str, Any]]
    rows: list[int]

    @staticmethod
    def of(path: str, body: bytes) -> _Request:
        # Hackle's has two lists more, which stay empty.
        lists = (value for value in orjson.loads(body).values() if isinstance(value, list))
        items = [item for items in lists for item in items]
        rows = [row for item in items for row in _rows(item)]
        return _Request(path, hashlib.blake2b(body, digest_size=16).digest(), items, rows)


def _rows(item: dict[str, Any]) -> list[int]:
    """The rows in one item: one, or all that were merged into it."""
    keys = (key for key in item["properties"] if key.startswith(_OWN))
    return sorted(int(key.removeprefix(_OWN)) for key in keys)
