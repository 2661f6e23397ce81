"""The peak of a process's memory stays below what docs/speed.md says, whatever comes in.

Each is `main.py` itself, with nothing imported before. Without what bounds it, each case takes
twice the ceiling or more.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from sandbox.heap import running

if TYPE_CHECKING:
    from integration_tests.conftest import Connector, Outcome

#: docs/speed.md says so.
CEILING = 160_000_000


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """An address at which every connection is given to `answer` once something was sent."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.recv(65_536)
                    answer(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def assert_small(outcome: Outcome) -> None:
    """Its peak is known, and below the ceiling."""
    assert 0 < outcome.peak_bytes < CEILING, f"{outcome.peak_bytes:,} bytes"


@pytest.mark.parametrize("status", [b"200 OK", b"403 Forbidden", b"503 Slow Down"])
def test_an_answer_of_s3_without_end(connector: Connector, status: bytes) -> None:
    """It is not read to its end: `check` fails in words."""
    chunk = b"10000\r\n" + b"<" * 0x10000 + b"\r\n"

    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 %b\r\nTransfer-Encoding: chunked\r\n\r\n" % status)
        for _ in range(5_000):
            connection.sendall(chunk)

    with running() as heap, answering(flood) as url:
        storage = {
            "storage_type": "S3",
            "s3_bucket_name": "bucket",
            "s3_bucket_region": "eu-central-1",
            "bucket_path": "/",
            "s3_endpoint": url,
            "access_key_id": "a",
            "secret_access_key": "b",
        }
        config = connector.config(heap.url, object_storage_config=storage)
        outcome = connector.start("check", "--config", connector.file(config)).finish()
    (message,) = outcome.of_type("CONNECTION_STATUS")
    assert message["connectionStatus"]["status"] == "FAILED"
    assert_small(outcome)
    assert "S3 could not be reached (AnswerTooLongError)" in message["connectionStatus"]["message"]
