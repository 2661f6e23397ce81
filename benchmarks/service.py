"""A Heap that says yes: reads each request, waits if asked to, answers 200 as Heap's pages say.

That is `{}` for events and users, and the text `OK` for accounts. It looks at nothing else, so
that the two cores are left to what is measured; only as a Hackle it counts the events, as Hackle's
SDK may lose some. With `--takes` it answers 429 to what is beyond so many requests a second. It
prints its port, and when its stdin closes, what it counted, once more for what it answered
`--warm-up` seconds after the first request and later:
`{"requests": 3, "bytes": 1234, "events": 0, "late": {"seconds": 2.0, "bytes": 789, "refused": 0,
"requests": 2}}`. `bytes` are those of requests that it took.

    python -m benchmarks.service SECONDS [--takes REQUESTS_A_SECOND] [--warm-up SECONDS]
"""

import argparse
import json
import re
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

_TAKEN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
_ACCOUNTS_TAKEN = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nOK"
_ACCOUNTS = b"POST /api/add_account_properties "
_HACKLE = b"POST /api/v2/events "
#: Once in each event of Hackle's, whose values here hold no quotation mark.
_EVENT = b'"insertId"'
#: Hackle's SDK asks for its workspace, and goes on without one.
_ASKED = b"GET "
_NOT_THERE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
_TOO_MANY = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answered:
    """A request: when it was answered, its bytes, its events if it is Hackle's, if it was taken."""

    at: float
    size: int
    events: int
    taken: bool


@dataclass(slots=True)
class Rate:
    """Requests a second that are taken; what comes in a second may come at once. Thread-safe."""

    takes: float
    _left: float = field(init=False)
    _filled_at: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._left = self.takes

    def take(self) -> bool:
        """Whether one more is taken now."""
        with self._lock:
            now = time.monotonic()
            self._left = min(self.takes, self._left + (now - self._filled_at) * self.takes)
            self._filled_at = now
            if self._left < 1:
                return False
            self._left -= 1
            return True


def counted(answered: list[Answered], began: float, warm_up: float) -> dict[str, Any]:
    """What is printed; `began` is when the first request came."""
    late = [each for each in answered if each.at >= began + warm_up]
    return {
        "requests": len(answered),
        "bytes": sum(each.size for each in answered if each.taken),
        "events": sum(each.events for each in answered),
        "late": {
            "seconds": max((each.at for each in late), default=began) - began - warm_up,
            "bytes": sum(each.size for each in late if each.taken),
            "refused": sum(not each.taken for each in late),
            "requests": len(late),
        },
    }


def serve(
    connection: socket.socket, delay: float, rate: Rate | None, answered: list[Answered]
) -> None:
    """Answers the requests of one connection until its client closes it, and notes each."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    room = memoryview(bytearray(1 << 20))
    with connection:
        received = b""
        while True:
            while (end := received.find(b"\r\n\r\n")) < 0:
                got = connection.recv_into(room)
                if not got:
                    return
                received += room[:got]
            length = _LENGTH.search(received[:end])
            body = int(length[1]) if length else 0
            missing = body - (len(received) - end - 4)
            chunks = [received] if received.startswith(_HACKLE) else None
            while missing > 0:
                got = connection.recv_into(room, min(missing, len(room)))
                if not got:
                    return
                missing -= got
                if chunks:
                    chunks.append(bytes(room[:got]))
            if received.startswith(_ASKED):
                received = b""
                connection.sendall(_NOT_THERE)
                continue
            taken = rate is None or rate.take()
            if not taken:
                answer = _TOO_MANY
            else:
                answer = _ACCOUNTS_TAKEN if received.startswith(_ACCOUNTS) else _TAKEN
                if delay:
                    time.sleep(delay)
            received = b""
            events = b"".join(chunks).count(_EVENT) if chunks else 0
            answered.append(Answered(time.monotonic(), body, events, taken))
            connection.sendall(answer)


def main() -> None:
    """Serves until stdin closes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--takes", type=float)
    parser.add_argument("--warm-up", type=float, default=0.0)
    asked = parser.parse_args()
    rate = Rate(asked.takes) if asked.takes else None
    answered: list[Answered] = []
    began: list[float] = []

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            began.append(time.monotonic())
            args = (connection, asked.seconds, rate, answered)
            threading.Thread(target=serve, args=args, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        print(listener.getsockname()[1], flush=True)
        threading.Thread(target=accept, daemon=True).start()
        sys.stdin.read()
    print(json.dumps(counted(answered, min(began, default=0.0), asked.warm_up)))


if __name__ == "__main__":
    main()
