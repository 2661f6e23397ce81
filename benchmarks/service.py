"""A Heap that says yes: reads each request, waits if asked to, answers 200 as Heap's pages say.

That is `{}` for events and users, and the text `OK` for accounts. It looks at nothing else, so
that the two cores are left to what is measured; only as a Hackle it counts the events, as Hackle's
SDK may lose some. It prints its port, and when its stdin closes, what it counted:
`{"requests": 3, "bytes": 1234, "events": 0}`.

    python -m benchmarks.service SECONDS
"""

import json
import re
import socket
import sys
import threading
import time

_TAKEN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
_ACCOUNTS_TAKEN = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nOK"
_ACCOUNTS = b"POST /api/add_account_properties "
_HACKLE = b"POST /api/v2/events "
#: Once in each event of Hackle's, whose values here hold no quotation mark.
_EVENT = b'"insertId"'
#: Hackle's SDK asks for its workspace, and goes on without one.
_ASKED = b"GET "
_NOT_THERE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def serve(connection: socket.socket, delay: float, bodies: list[int], events: list[int]) -> None:
    """Answers the requests of one connection until its client closes it.

    Notes the bytes of each, and of Hackle's the events.
    """
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
            if chunks:
                events.append(b"".join(chunks).count(_EVENT))
            answer = _ACCOUNTS_TAKEN if received.startswith(_ACCOUNTS) else _TAKEN
            received = b""
            bodies.append(body)
            if delay:
                time.sleep(delay)
            connection.sendall(answer)


def main() -> None:
    """Serves until stdin closes."""
    delay = float(sys.argv[1])
    bodies: list[int] = []
    events: list[int] = []

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            args = (connection, delay, bodies, events)
            threading.Thread(target=serve, args=args, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        print(listener.getsockname()[1], flush=True)
        threading.Thread(target=accept, daemon=True).start()
        sys.stdin.read()
    print(json.dumps({"requests": len(bodies), "bytes": sum(bodies), "events": sum(events)}))


if __name__ == "__main__":
    main()
