"""A Heap that says yes: reads each request, waits if asked to, answers 200 as Heap's pages say.

That is `{}` for events and users, and the text `OK` for accounts. It looks at nothing else, so
that the two cores are left to what is measured. It prints its port, and when its stdin closes,
what it counted: `{"requests": 3, "bytes": 1234}`.

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
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def serve(connection: socket.socket, delay: float, bodies: list[int]) -> None:
    """Answers the requests of one connection until its client closes it; notes their bytes."""
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
            while missing > 0:
                got = connection.recv_into(room, min(missing, len(room)))
                if not got:
                    return
                missing -= got
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

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection, delay, bodies), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        print(listener.getsockname()[1], flush=True)
        threading.Thread(target=accept, daemon=True).start()
        sys.stdin.read()
    print(json.dumps({"requests": len(bodies), "bytes": sum(bodies)}))


if __name__ == "__main__":
    main()
