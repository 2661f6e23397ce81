"""Stands between the socket and the local Heap and notes what was asked and what was answered.

An answer is noted before it leaves, so a state that the connector lets out because of it is
always seen later. The server's thread writes; any thread may read.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chaos.source import own_key

_OWN: Final = own_key(0)[:-1]
#: Answers that settle a request.
_FINAL: Final = frozenset({200, 400, 413})


@dataclass
class Witness:
    """An ASGI application around that of the local Heap."""

    app: ASGIApp
    #: Called at the n-th request, and at the n-th answer that settles one, of a process.
    at: Callable[[Literal["request", "answer"], int], None] = lambda *_: None
    #: Rows that Heap took, and rows that it refused alone.
    accepted: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    #: Rows in the order in which they were first accepted, by identity.
    order: dict[str, list[int]] = field(default_factory=dict)
    #: Requests of this process by the hash of their bytes: arrived, and settled.
    arrived: Counter[bytes] = field(default_factory=Counter)
    settled: Counter[bytes] = field(default_factory=Counter)

    def next_process(self) -> None:
        """What one process asked, another may ask again."""
        self.arrived, self.settled = Counter(), Counter()

    def has_settled(self, row: int) -> bool:
        """Whether Heap took this row or refused it."""
        return row in self.accepted or row in self.refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on, both ways."""
        parts: list[bytes] = []

        async def seen_receive() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                parts.append(message.get("body", b""))
                if not message.get("more_body", False):
                    self.arrived[_digest(b"".join(parts))] += 1
                    self.at("request", self.arrived.total())
            return message

        async def seen_send(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in _FINAL:
                self._settle(message["status"], b"".join(parts))
                self.at("answer", self.settled.total())
            await send(message)

        await self.app(scope, seen_receive, seen_send)

    def _settle(self, status: int, body: bytes) -> None:
        self.settled[_digest(body)] += 1
        (items,) = (value for value in orjson.loads(body).values() if isinstance(value, list))
        rows = [row for item in items for row in _rows(item)]
        if status == 200:
            for item in items:
                self._accept(item)
        elif len(rows) == 1:
            self.refused.update(rows)

    def _accept(self, item: dict[str, Any]) -> None:
        identity = item["identity"] if "identity" in item else item["account_id"]
        for row in _rows(item):
            if row not in self.accepted:
                self.accepted.add(row)
                self.order.setdefault(identity, []).append(row)


def _rows(item: dict[str, Any]) -> list[int]:
    """The rows in one item: one, or all that were merged into it."""
    keys = (key for key in item["properties"] if key.startswith(_OWN))
    return sorted(int(key.removeprefix(_OWN)) for key in keys)


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=16).digest()
