"""Answers that no service should give: without an end, or not as HTTP has them."""

from __future__ import annotations

import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from bulk_destination.errors import UnavailableError
from bulk_destination.http.client import BulkClient
from bulk_destination.http.endpoint import Endpoint
from bulk_destination.http.pacing import RetryPolicy
from bulk_destination.http.replies import NotTheService
from destination_heap_analytics.config import HeapConfig
from destination_heap_analytics.service import endpoint

if TYPE_CHECKING:
    from integration_tests.conftest import Connector

POLICY = RetryPolicy(first=0.01, longest=0.05, give_up_after=2)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 300000000\r\n\r\n"


@contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """An address at which every request is read and given to `answer`."""

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


def endpoint_at(base_url: str) -> Endpoint:
    """Heap's users at `base_url`."""
    api = {"api_type": "add_user_properties", "identity_column": "who"}
    return endpoint(HeapConfig.parse({"app_id": "11", "base_url": base_url, "api": api}))


def test_answer_that_trickles_is_no_answer_in_time() -> None:
    """Each byte comes in time and the whole never: the time for one request still holds."""

    def trickle(connection: socket.socket) -> None:
        connection.sendall(HEAD)
        for _ in range(100):
            connection.sendall(b" ")
            time.sleep(0.2)

    with answering(trickle) as url:
        client = BulkClient(endpoint_at(url), POLICY, read_timeout=0.5)
        began = time.monotonic()
        with pytest.raises(UnavailableError) as gave_up:
            client.post(b"{}")
        client.close()
    assert gave_up.value.cause == "no answer in time"
    assert time.monotonic() - began < 10


def test_answer_without_end_is_not_kept() -> None:
    """It is no yes, as it is not whole; and memory does not grow with it."""

    def flood(connection: socket.socket) -> None:
        connection.sendall(HEAD)
        for _ in range(300):
            connection.sendall(b" " * 1_000_000)

    with answering(flood) as url:
        client = BulkClient(endpoint_at(url), POLICY)
        tracemalloc.start()
        try:
            assert client.post(b"{}") == NotTheService("status 200 with words without end")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            client.close()
    assert peak < 20_000_000


@pytest.mark.parametrize("location", ["http://127.0.0.1:9/", "http://[bad"])
def test_redirect_is_not_looked_into(location: str) -> None:
    """Neither where it leads to nor what it says, which here has no end."""

    def redirect(connection: socket.socket) -> None:
        head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 300000000\r\n\r\n"
        connection.sendall(head.encode())
        for _ in range(300):
            connection.sendall(b" " * 1_000_000)

    with answering(redirect) as url:
        client = BulkClient(endpoint_at(url), POLICY)
        tracemalloc.start()
        try:
            reply = client.post(b"{}")
            assert reply == NotTheService("status 302, a redirect to another address")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            client.close()
    assert peak < 20_000_000


@pytest.mark.parametrize("page", [b"\xef\xbb\xbf<html>log in", "<html>log in".encode("utf-16")])
def test_web_page_behind_a_mark(page: bytes) -> None:
    """A 200 of a network that wants a login is no yes."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(page)
    with answering(lambda connection: connection.sendall(head + page)) as url:
        client = BulkClient(endpoint_at(url), POLICY)
        assert client.post(b"{}") == NotTheService("status 200 with a web page")
        client.close()


def test_header_that_is_none(connector: Connector) -> None:
    """urllib3 warns with its text, and it may hold what was sent: it stands in no log."""
    answer = b"HTTP/1.1 200 OK\r\nno header but person1@example.com\r\n\r\n{}"
    lines = [connector.record(connector.event(1)), connector.state(1)]
    with answering(lambda connection: connection.sendall(answer)) as url:
        process = connector.start_write(connector.config(url))
        process.send_all(lines)
        outcome = process.finish()
    assert b"person1" not in outcome.stdout + outcome.stderr
    assert outcome.succeeded().ledger["accepted"] == 1
