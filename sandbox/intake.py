"""What befalls every write request before and after the service has judged it.

    body read -> numbered -> fault drawn -> judged -> written down -> delayed -> answered

Knows nothing of the service: the judge is handed in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sandbox import faults
from sandbox.answers import Answer
from sandbox.faults import Fault, FaultPlan
from sandbox.journal import Entry, Journal
from sandbox.server import disconnected, reset


@dataclass(frozen=True, slots=True)
class Write:
    """One request as it arrived: `body` as sent, `headers` by name in any casing.

    `named` has what stands in the path where the service's own has a name in braces.
    """

    body: bytes
    headers: Mapping[str, str]
    named: Mapping[str, str] = field(default_factory=dict)


Judge = Callable[[Write], Answer]
Clock = Callable[[], float]
"""Returns Unix seconds."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What clients have to bear: faults, slowness and a limit on the body."""

    plan: FaultPlan
    hang_seconds: float
    latency_seconds: float
    max_body_bytes: int | None


@dataclass(frozen=True, slots=True)
class _Body:
    content: bytes
    size: int


class Intake:
    """An ASGI application for one write path."""

    def __init__(
        self, path: str, judge: Judge, conditions: Conditions, journal: Journal, clock: Clock
    ) -> None:
        self._path = path
        self._judge = judge
        self._conditions = conditions
        self._journal = journal
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request from its first byte to the end of its answer."""
        with self._journal.under_way():
            arrived_at = self._clock()
            body = await self._read(receive)
            if body is None:
                return
            number = self._journal.next_number()
            fault = self._conditions.plan.draw(number)
            answer = self._answer(body, scope, fault)
            if fault is not None and fault.kind in faults.UNANSWERED:
                status = None
            else:
                status = answer.status
            self._journal.record(
                Entry(
                    number=number,
                    path=self._path,
                    status=status,
                    items=answer.items,
                    bytes=body.size,
                    arrived_at=arrived_at,
                    fault=fault.kind if fault else None,
                    reason=answer.reason,
                )
            )
            if self._conditions.latency_seconds:
                await asyncio.sleep(self._conditions.latency_seconds)
            if status is None:
                await self._break_off(fault, scope, receive)
            else:
                response = Response(answer.body, status, dict(answer.headers))
                response.headers["content-type"] = answer.media_type
                await response(scope, receive, send)

    async def _read(self, receive: Receive) -> _Body | None:
        """The whole body, or `None` if the client left before its end.

        A body over the limit is read to its end without being kept: a server that answers and
        hangs up amid the upload would show most clients a broken pipe instead of the 413.
        """
        limit = self._conditions.max_body_bytes
        kept: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            part = message.get("body", b"")
            size += len(part)
            if limit is None or size <= limit:
                kept.append(part)
            else:
                kept.clear()
            if not message.get("more_body", False):
                return _Body(b"".join(kept), size)

    def _answer(self, body: _Body, scope: Scope, fault: Fault | None) -> Answer:
        if fault is not None and fault.kind not in faults.TAKEN:
            return faults.answer(fault, self._clock())
        limit = self._conditions.max_body_bytes
        if limit is not None and body.size > limit:
            reason = f"the body is larger than {limit} bytes"
            return Answer(413, b"Content Too Large", reason=reason)
        named = scope.get("path_params", {})
        return self._judge(Write(body.content, Headers(scope=scope), named))

    async def _break_off(self, fault: Fault | None, scope: Scope, receive: Receive) -> None:
        if fault is not None and fault.kind in faults.HANGS:
            with suppress(TimeoutError):
                await asyncio.wait_for(disconnected(receive), self._conditions.hang_seconds)
        reset(scope)
        await disconnected(receive)
