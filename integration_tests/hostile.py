"""Peers on loopback that do what no service should, byte by byte over real sockets.

They share nothing with the local services: those fail in the ways that their makers thought of.
A peer is a function that is given each connection, in a thread of its own:

    def talk(line: Line) -> None:
        while line.request():
            line.send(answer(200) * 2)

    with peer(talk) as there: ...  # there.url
"""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

#: Seconds after which a peer lets go of a connection that says nothing.
_PATIENCE = 30.0


def answer(status: int, body: bytes = b"{}", *fields: bytes, version: bytes = b"1.1") -> bytes:
    """An answer as HTTP has it; `fields` are lines of its head, without their ends."""
    head = b"HTTP/%s %d Whatever" % (version, status)
    length = (
        ()
        if any(b":" in each and b"ength" in each for each in fields)
        else (b"Content-Length: %d" % len(body),)
    )
    return b"\r\n".join([head, *fields, *length, b"", body])


def interim(status: int) -> bytes:
    """An answer that announces another."""
    return b"HTTP/1.1 %d Wait\r\nLink: </style.css>; rel=preload\r\n\r\n" % status


@dataclass
class Line:
    """One connection, from the peer's end."""

    socket: socket.socket
    #: From 1, in the order of the connections.
    number: int
    peer: Peer
    _seen: bytes = b""

    def head(self) -> bytes | None:
        """Reads a request's head; None if the other end is gone."""
        while b"\r\n\r\n" not in self._seen:
            if not self._read():
                return None
        head, _, self._seen = self._seen.partition(b"\r\n\r\n")
        return head

    def length(self, head: bytes) -> int:
        """How long a body `head` announces; a GET announces none."""
        lengths = [
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        ]
        return lengths[0] if lengths else 0

    def body(self, head: bytes, piece: int = 65_536, every: float = 0.0) -> bytes | None:
        """Reads the body that `head` announces, a `piece` each time, `every` so many seconds."""
        length = self.length(head)
        while len(self._seen) < length:
            time.sleep(every)
            if not self._read(piece):
                return None
        body, self._seen = self._seen[:length], self._seen[length:]
        with self.peer.lock:
            self.peer.bodies.append(body)
        return body

    def taken(self) -> bytes:
        """What was read of the body while the head was."""
        return self._seen

    def request(self) -> bytes | None:
        """Reads a whole request; its body."""
        head = self.head()
        return None if head is None else self.body(head)

    def _read(self, most: int = 65_536) -> bool:
        part = self.socket.recv(most)
        self._seen += part
        return bool(part)

    def send(self, data: bytes) -> None:
        """Sends all of it, in as few packets as it takes."""
        self.socket.sendall(data)

    def trickle(self, data: bytes, every: float) -> None:
        """Sends a byte at a time, `every` so many seconds."""
        for at in range(len(data)):
            self.send(data[at : at + 1])
            time.sleep(every)

    def reset(self) -> None:
        """Breaks the connection with a TCP RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def wait_until_gone(self) -> None:
        """Reads nothing and says nothing until the other end is gone, or for `_PATIENCE`."""
        poll = select.poll()
        poll.register(self.socket, select.POLLRDHUP)
        poll.poll(_PATIENCE * 1_000)


Talk = Callable[[Line], None]


@dataclass
class Peer:
    """Where it is, and what it was asked."""

    url: str
    lock: threading.Lock = field(default_factory=threading.Lock)
    #: The bodies that it read, in the order it read them.
    bodies: list[bytes] = field(default_factory=list)
    #: How many connections there were.
    connections: int = 0


@contextmanager
def peer(talk: Talk, buffer: int | None = None) -> Iterator[Peer]:
    """A peer that talks so; its kernel takes `buffer` bytes, about, that it has not read."""
    lines: list[Line] = []
    with socket.socket() as listener:
        if buffer is not None:  # what connections inherit
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            # Packets of loopback are larger than such a buffer, and sent by a timer then.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1_400)
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        there = Peer(f"http://127.0.0.1:{listener.getsockname()[1]}")

        def take(line: Line) -> None:
            with line.socket, suppress(OSError):
                talk(line)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connection.settimeout(_PATIENCE)
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    there.connections += 1
                    lines.append(Line(connection, there.connections, there))
                    threading.Thread(target=take, args=(lines[-1],), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield there
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for line in lines:
                with suppress(OSError):
                    line.socket.shutdown(socket.SHUT_RDWR)
    thread.join(10)
