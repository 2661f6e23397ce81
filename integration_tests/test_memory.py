"""The peak of a process's memory stays below what docs/speed.md says, whatever comes in.

Each is `main.py` itself, with nothing imported before. Without what bounds it, each case takes
twice the ceiling or more.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from sandbox.heap import running

if TYPE_CHECKING:
    from pathlib import Path

    from integration_tests.conftest import Connector, Outcome

#: docs/speed.md says so.
CEILING = 160_000_000
#: The end of what proves a place for rejected records.
BODY = b"{}\n"


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """An address at which a connection is given to `answer` once its request was sent."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    while not connection.recv(65_536).endswith(BODY):
                        pass
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


def data(count: int) -> bytes:
    """A record with `count` properties."""
    properties = {"name": "E", "who": "ada", **{f"property_{n}": n for n in range(count)}}
    return json.dumps(properties).encode()


def large_states(connector: Connector, who: str | None) -> Iterator[bytes]:
    """A state of 5 MB behind each record."""
    for number in range(40):
        yield connector.record({**connector.event(number), "who": who or f"person{number}"})
        cursor = b'"cursor": %d' % number
        yield connector.state(number).replace(
            cursor, cursor + b', "more": "%b"' % (b"x" * 5_000_000)
        )


def test_large_states(connector: Connector) -> None:
    """200 MB of them, each behind a record of its own."""
    with running() as heap:
        outcome = connector.write(connector.config(heap.url), large_states(connector, None))
    assert outcome.code == 0
    assert len(outcome.states) == 40
    assert_small(outcome)


def test_large_states_that_stay(connector: Connector) -> None:
    """While nothing was accepted they wait on disk; once it was, they leave one by one."""

    def lines(last: bytes) -> Iterator[bytes]:
        yield from large_states(connector, "guest")
        yield last
        yield connector.state(40)

    with running() as heap:
        config = connector.config(heap.url)
        outcome = connector.write(config, lines(connector.record(connector.event(1))))
        assert outcome.code == 0
        assert [state["id"] for state in outcome.states] == list(range(41))
        assert_small(outcome)
        outcome = connector.write(config, lines(b""))
    assert outcome.code == 0  # A quiet hour: they leave at the end.
    assert len(outcome.states) == 41
    assert_small(outcome)


def test_a_wide_record(connector: Connector) -> None:
    """150,000 properties, nearly 4 MB, three in a row."""
    line = b'{"type":"RECORD","record":{"stream":"people","emitted_at":1,"data":%b}}\n'
    with running() as heap:
        outcome = connector.write(connector.config(heap.url), [line % data(150_000)] * 3)
        assert len(heap.requests()) == 3
    assert outcome.code == 0
    assert_small(outcome)


@pytest.mark.parametrize("kept", [False, True])
def test_a_line_without_end(connector: Connector, tmp_path: Path, kept: bool) -> None:
    """A record of 200 MB is counted, and streamed to its file if there are files."""
    folder = tmp_path / "rejected"
    folder.mkdir()
    storage = {"storage_type": "Local", "path": str(folder)} if kept else None
    begin, end = connector.record({**connector.event(1), "text": "%"}).split(b"%")

    def lines() -> Iterator[bytes]:
        yield connector.record(connector.event(0))
        yield begin
        for _ in range(200):
            yield b"x" * 1_000_000
        yield end

    with running() as heap:
        config = connector.config(heap.url, object_storage_config=storage)
        outcome = connector.write(config, lines())
    assert outcome.code == 0
    assert outcome.ledger["rejected_by_reason"] == {"too_long": 1}
    sizes = [file.stat().st_size for file in folder.rglob("*.jsonl")]
    assert sizes == ([len(begin + end) + 200_000_000] if kept else [])
    assert_small(outcome)


def test_lines_that_are_nearly_too_long(connector: Connector, tmp_path: Path) -> None:
    """Text of 15 MB, line after line, kept until it is settled."""
    folder = tmp_path / "rejected"
    folder.mkdir()
    storage = {"storage_type": "Local", "path": str(folder)}
    lines = (connector.record({**connector.event(n), "text": "x" * 15_000_000}) for n in range(6))
    with running() as heap:
        config = connector.config(heap.url, object_storage_config=storage)
        outcome = connector.write(config, lines)
        assert len(heap.events()) == 6
    assert outcome.code == 0
    assert_small(outcome)
