"""Stands on the way to the service as proxies and gateways do, and fails as they do.

Byte by byte over real sockets, so it can say what no server's library would. What it answers
itself never reaches the service: it is not stored, whatever the answer says.
"""

from __future__ import annotations

import hashlib
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Final
from urllib.parse import urlsplit

from integration_tests.chaos.scenario import Kind, Trouble
from integration_tests.chaos.source import DISLIKED, own_key
from integration_tests.hostile import Line, Peer, answer, interim, peer

#: Bytes of a request that the relay's kernel takes, about, before the relay reads them.
_BUFFER: Final = 8_192
#: A request of which so much is left is certainly not in that kernel.
_UNSENT: Final = 32_000
#: So often one request of a process is turned away by a page. A third time, a record that stands
#: alone could be rejected for it.
_PAGES: Final = 2
#: Seconds between two pieces of a request that is read slowly, and their bytes.
_PAUSE, _PIECE = 0.002, 4_096
#: Seconds that the service may say nothing: longer than it hangs.
_PATIENCE: Final = 30.0

_HTML: Final = b"<!DOCTYPE html><html><body>Request blocked</body></html>"
_PAGES_OF_GATEWAYS: Final = (
    answer(403, _HTML),
    answer(404, _HTML),
    answer(200, _HTML),
    answer(401, b""),
    answer(302, b"", b"Location: /login"),
)
_OWN: Final = re.compile(rb'"%s(\d+)"' % own_key(0)[:-1].encode())
#: Before the request has gone out whole; a yes among them.
_EARLY: Final = (answer(200), answer(503, b"later"), answer(403, _HTML))
#: Where all of it may have gone out, no yes and no page: it would be an answer to the whole.
_UNREAD: Final = answer(503, b"later", b"Connection: close")


@dataclass
class Relay:
    """Between the connector and the service at `there`, an URL."""

    trouble: Trouble
    there: str
    #: What was met so far.
    met: Counter[str] = field(default_factory=Counter)
    #: Requests of this process that the relay answered: read whole, by the hash of their bytes.
    turned_away: Counter[bytes] = field(default_factory=Counter)
    #: And those that it did not read whole.
    cut_short: int = 0
    #: Rows that the firewall turned away alone, by how often.
    disliked: Counter[int] = field(default_factory=Counter)
    _asked: int = 0
    #: Where a lane of this process has seen a yes: it has asked again since.
    _known: set[bytes] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    #: Requests that were neither answered nor given up.
    _open: int = 0
    _closed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def answered(self) -> int:
        """Requests of this process that the service did not see."""
        return self.turned_away.total() + self.cut_short

    def has_refused(self, row: int) -> bool:
        """Whether the firewall has shown twice that it is this row which it dislikes."""
        return self.disliked[row] > 1

    def next_process(self) -> None:
        """The next one knows nothing of the service yet. Waits for what the last one had sent."""
        with self._closed:
            self._closed.wait_for(lambda: not self._open, _PATIENCE)
        with self._lock:
            self.turned_away, self.cut_short, self._known = Counter(), 0, set()

    def __call__(self, line: Line) -> None:
        """Talks on one connection of the connector."""
        place = urlsplit(self.there)
        said_yes, asked = False, b""
        with socket.create_connection((place.hostname, place.port), _PATIENCE) as upstream:
            service = Line(upstream, line.number, Peer(self.there))
            while (head := line.head()) is not None:
                with self._lock:
                    self._asked += 1
                    kind, dice = self.trouble.draw(self._asked)
                    if said_yes:
                        self._known.add(asked)
                    asked = head.split(b"\r\n", 1)[0]
                if kind == "early":
                    self._answer_early(line, head, dice)
                    return
                with self._under_way():
                    said_yes = self._pass_on(line, service, head, kind, dice)

    def _pass_on(
        self, line: Line, service: Line, head: bytes, kind: Kind | None, dice: Random
    ) -> bool:
        """One request and its answer; whether that was the service's yes."""
        if kind == "interim":
            line.send(interim(dice.choice((100, 102, 103))))
        body = line.body(head, _PIECE, _PAUSE) if kind == "slow" else line.body(head)
        if body is None:
            raise ConnectionError
        if self._is_disliked(body):
            line.send(_PAGES_OF_GATEWAYS[0])
            return False
        if kind == "page" and self._may_turn_away(head.split(b"\r\n", 1)[0], body):
            line.send(dice.choice(_PAGES_OF_GATEWAYS))
            return False
        service.send(head + b"\r\n\r\n" + body)
        answered = _answer_of(service)
        if answered is None:
            line.reset()
            raise ConnectionError
        self._hand_back(line, answered, kind, dice)
        return answered.startswith(b"HTTP/1.1 200")

    def _answer_early(self, line: Line, head: bytes, dice: Random) -> None:
        """Before the request is read. Then this connection is of no use to anybody."""
        is_early = line.length(head) - len(line.taken()) > _UNSENT
        with self._lock:
            self.met["early" if is_early else "unread"] += 1
            self.cut_short += 1
        line.send(dice.choice(_EARLY) if is_early else _UNREAD)
        line.socket.shutdown(socket.SHUT_WR)
        line.wait_until_gone()

    def _is_disliked(self, body: bytes) -> bool:
        if not self.trouble.dislikes or DISLIKED.encode() not in body:
            return False
        rows = {int(number) for number in _OWN.findall(body)}
        with self._lock:
            self.met["firewall"] += 1
            self.turned_away[_digest(body)] += 1
            if len(rows) == 1:
                self.disliked.update(rows)
        return True

    def _may_turn_away(self, asked: bytes, body: bytes) -> bool:
        digest = _digest(body)
        with self._lock:
            may = asked in self._known and self.turned_away[digest] < _PAGES
            if may:
                self.met["page"] += 1
                self.turned_away[digest] += 1
        return may

    def _hand_back(self, line: Line, answered: bytes, kind: Kind | None, dice: Random) -> None:
        if kind in {"interim", "doubled", "trickle", "slow"}:
            with self._lock:
                self.met[kind] += 1
        match kind:
            case "interim":
                ahead = [dice.choice((100, 102, 103)) for _ in range(dice.randint(1, 4))]
                line.send(b"".join(map(interim, ahead)) + answered)
            case "doubled":
                line.send(answered * 2)
            case "trickle":
                line.trickle(answered, self.trouble.trickle / len(answered))
            case _:
                line.send(answered)

    @contextmanager
    def _under_way(self) -> Iterator[None]:
        with self._closed:
            self._open += 1
        try:
            yield
        finally:
            with self._closed:
                self._open -= 1
                self._closed.notify_all()


def _digest(body: bytes) -> bytes:
    """As the witness knows a request."""
    return hashlib.blake2b(body, digest_size=16).digest()


def _answer_of(service: Line) -> bytes | None:
    """One answer of the local service, as it came; None if it broke the connection."""
    with suppress(ConnectionError):
        if (head := service.head()) is not None and (body := service.body(head)) is not None:
            return head + b"\r\n\r\n" + body
    return None


@contextmanager
def relayed(trouble: Trouble, there: str) -> Iterator[tuple[str, Relay]]:
    """The URL to ask instead of `there`, and who answers; that of the service without trouble."""
    relay = Relay(trouble, there)
    if not trouble.kinds:
        yield there, relay
        return
    with peer(relay, _BUFFER if {"early", "slow"} & {*trouble.kinds} else None) as before:
        yield before.url, relay
