"""A Heap that fails: what a loader loses or doubles where a service is not well.

Of its answers, 2 in 100 are 503 before anything is taken, and 1 in 100 connections is reset after
all was taken, by a seed. An event named `Refused` makes it refuse the whole request, with words as
Heap's. An event whose idempotency key was there before is ignored, as Heap's pages say. It prints
its port, and when its stdin closes, what it counted: `events` that are there, and how many of them
are `distinct` by their property `id`.

    python -m benchmarks.failing_service SEED
"""

import json
import socket
import struct
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any, Final

import orjson

from benchmarks.inputs import REFUSED

UNAVAILABLE: Final = 0.02
RESET: Final = 0.01


@dataclass(slots=True)
class Store:
    """What is there. Thread-safe."""

    dice: Random
    requests: int = 0
    received: int = 0
    events: int = 0
    ids: set[int] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, body: bytes) -> tuple[int | None, bytes]:
        """The status and words for one request; None resets its connection."""
        with self.lock:
            self.requests += 1
            self.received += len(body)
            fate = self.dice.random()
            if fate < UNAVAILABLE:
                return 503, b""
            sent = orjson.loads(body)
            # Segment's SDK says `batch`, to a service that knows an event by its `messageId`.
            events: list[dict[str, Any]] = sent.get("events") or sent["batch"]
            for index, event in enumerate(events):
                if event["event"] == REFUSED:
                    return 400, f"postBody.events[{index}].event is not taken".encode()
            for event in events:
                self._take(event)
        return (None if fate < UNAVAILABLE + RESET else 200), b"{}"

    def _take(self, event: dict[str, Any]) -> None:
        key = event.get("idempotency_key") or event.get("messageId")
        if key is None or key not in self.keys:
            self.events += 1
            self.ids.add(event["properties"]["id"])
        if key is not None:
            self.keys.add(key)


def main() -> None:
    """Serves until stdin closes."""
    store = Store(Random(int(sys.argv[1])))

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            status, words = store.answer(self.rfile.read(int(self.headers["Content-Length"])))
            if status is None:
                # Closed at once, and what was to be sent is not (socket(7), SO_LINGER).
                self.connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(words)))
            self.end_headers()
            self.wfile.write(words)

        def log_message(self, *_: Any) -> None:
            """Nothing is said of single requests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        server.daemon_threads = True
        print(server.server_address[1], flush=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdin.read()
        server.shutdown()
    counted = {"requests": store.requests, "bytes": store.received, "events": store.events}
    print(json.dumps({**counted, "distinct": len(store.ids)}))


if __name__ == "__main__":
    main()
