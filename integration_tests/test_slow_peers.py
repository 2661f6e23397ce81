"""Peers that take their time: a byte now and then, or nothing at all, and never an end."""

from __future__ import annotations

import gzip
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from bulk_destination import connection_check
from bulk_destination.connection_check import failed_check
from bulk_destination.delivery import deliveries
from bulk_destination.errors import ObjectStorageError
from bulk_destination.http.replies import Accepted, NotTheService, TryLater, Unsent
from bulk_destination.rejected import saving
from destination_heap_analytics.service import HEAP
from integration_tests.certificates import self_signed
from integration_tests.hostile import Line, answer, interim, peer
from integration_tests.test_whole_answers import LARGE, client_of

if TYPE_CHECKING:
    from integration_tests.conftest import Connector

#: Seconds between two bytes: each comes in time, and the whole never.
EVERY = 0.1
#: Seconds for a try, and what a busy machine may add.
TRY, GRACE = 0.6, 2.5
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def packed_nothing() -> bytes:
    """gzip that goes on and on and unpacks to nothing: empty blocks."""
    return gzip.compress(b"", mtime=0)[:10] + b"\x00\x00\x00\xff\xff" * 200_000


TRICKLES: dict[str, Callable[[Line], None]] = {
    "status": lambda line: line.trickle(b"HTTP/1.1 200 " + b"O" * 1_000, EVERY),
    "field": lambda line: line.trickle(OK + b"X-Slow: " + b"a" * 1_000, EVERY),
    "interim": lambda line: line.trickle(interim(102) * 50, EVERY / 5),
    "body": lambda line: line.trickle(OK + b"Content-Length: 999\r\n\r\n" + b" " * 999, EVERY),
    "chunk size": lambda line: line.trickle(CHUNKED + b"0" * 1_000, EVERY),
    "chunk": lambda line: line.trickle(CHUNKED + b"3E7\r\n" + b" " * 999, EVERY),
    "trailers": lambda line: line.trickle(CHUNKED + b"0\r\nX: " + b"a" * 999, EVERY),
    "nothing": lambda line: line.wait_until_gone(),
}


@pytest.mark.parametrize("trickle", TRICKLES.values(), ids=TRICKLES.keys())
def test_a_try_has_an_end(trickle: Callable[[Line], None]) -> None:
    """Whatever of the answer it is that comes by the byte."""

    def talk(line: Line) -> None:
        line.request()
        trickle(line)

    with peer(talk) as there:
        client = client_of(there.url)
        began = time.monotonic()
        reply = client.ask(b"{}", TRY)
        client.close()
    assert reply == TryLater("no answer in time", is_strain=True)
    assert time.monotonic() - began < TRY + GRACE


@pytest.mark.parametrize("by_proxy", [False, True])
def test_a_proxy_and_tls_that_trickle(monkeypatch: pytest.MonkeyPatch, by_proxy: bool) -> None:
    """What a proxy says to CONNECT, and a handshake that never ends."""

    def talk(line: Line) -> None:
        if not by_proxy:  # TLS is begun at once: a record that says how long it is, slowly
            line.trickle(b"\x16\x03\x03\x3f\xff" + b"\x02" * 1_000, EVERY)
        line.head()
        line.trickle(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 1_000, EVERY)

    with peer(talk) as there:
        url = there.url.replace("http:", "https:")
        if by_proxy:
            monkeypatch.setenv("https_proxy", there.url)
            monkeypatch.setenv("no_proxy", "")
            url = "https://service.invalid"
        client = client_of(url)
        began = time.monotonic()
        reply = client.ask(b"{}", TRY)
        client.close()
    assert isinstance(reply, TryLater)
    assert time.monotonic() - began < TRY + GRACE


@pytest.mark.parametrize("trickled", ["CONNECT", "handshake", "answer"])
def test_tls_within_the_tls_of_a_proxy_that_trickles(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trickled: str
) -> None:
    """What it says to CONNECT, the handshake behind that, and what is said within it."""
    bundle = self_signed(tmp_path / "peer.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle)

    def service(line: Line) -> None:
        within = _within_tls(line, context)
        within.request()
        within.trickle(OK + b"X-Slow: " + b"a" * 1_000, EVERY)

    def proxy(line: Line) -> None:
        within = _within_tls(line, context)
        within.head()
        if trickled == "CONNECT":
            within.trickle(OK + b"X-Slow: " + b"a" * 1_000, EVERY)
        within.send(OK + b"\r\n")
        if trickled == "handshake":
            within.trickle(b"\x16\x03\x03\x3f\xff" + b"\x02" * 1_000, EVERY)
        _pass_on(within.socket, behind.url)

    with peer(service) as behind, peer(proxy) as there:
        monkeypatch.setenv("https_proxy", there.url.replace("http:", "https:"))
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        client = client_of(behind.url.replace("http:", "https:"))
        began = time.monotonic()
        reply = client.ask(b"{}", TRY)
        client.close()
        assert (len(behind.bodies) == 1) == (trickled == "answer")
    assert isinstance(reply, TryLater)
    assert time.monotonic() - began < 2 * TRY + GRACE


def _within_tls(line: Line, context: ssl.SSLContext) -> Line:
    return Line(context.wrap_socket(line.socket, server_side=True), line.number, line.peer)


def _pass_on(here: socket.socket, url: str) -> None:
    """Both ways, until either end is gone."""
    place = urlsplit(url)

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while part := source.recv(65_536):
                target.sendall(part)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    with socket.create_connection((place.hostname, place.port), 30) as there:
        back = threading.Thread(target=pump, args=(there, here), daemon=True)
        back.start()
        pump(here, there)
        back.join(10)


def test_all_addresses_of_a_host_have_one_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of them take no connection and do not say so, as behind a firewall."""
    with ExitStack() as stack:
        full: list[tuple[int, int, int, str, tuple[str, int]]] = []
        for number in range(2, 8):
            listener = stack.enter_context(socket.socket())
            listener.bind((f"127.0.0.{number}", 0 if not full else full[0][4][1]))
            listener.listen(0)
            place = listener.getsockname()
            for _ in range(2):  # whoever comes after them is not heard
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(place)
            full.append((socket.AF_INET, socket.SOCK_STREAM, 6, "", place))
        real = socket.getaddrinfo

        def resolve(host: str, *args: object, **kwargs: object) -> object:
            return full if host == "many.test" else real(host, *args, **kwargs)  # type: ignore[arg-type]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        client = client_of(f"https://many.test:{full[0][4][1]}")
        began = time.monotonic()
        reply = client.ask(b"{}", TRY)
    assert reply == TryLater("connecting took too long")
    assert time.monotonic() - began < TRY + GRACE


@pytest.mark.parametrize(
    "packed", [packed_nothing(), gzip.compress(b" " * 50_000_000, mtime=0)], ids=["none", "bomb"]
)
def test_what_unpacks_to_nothing_or_too_much(packed: bytes) -> None:
    """It costs little, and is no yes."""
    packed = packed[:900_000]

    def talk(line: Line) -> None:
        while line.request() is not None:
            line.send(answer(200, packed, b"Content-Encoding: gzip"))

    with peer(talk) as there:
        client = client_of(there.url)
        began = time.process_time()
        assert isinstance(client.ask(b"{}", 10), NotTheService)
        assert time.process_time() - began < 1
        client.close()


# -- sending --------------------------------------------------------------------------------------


def test_a_slow_line_takes_a_large_request() -> None:
    """It takes many times as long as an answer may, but goes on."""
    body = LARGE[:1_000_000]

    def talk(line: Line) -> None:
        head = line.head() or b""
        left = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        left -= len(line.taken())
        while left:
            time.sleep(0.02)
            left -= len(line.socket.recv(min(left, 20_000)))
        line.send(answer(200))

    with peer(talk, buffer=4_096) as there:
        client = client_of(there.url)
        began = time.monotonic()
        assert client.ask(body, 1) == Accepted()
        assert time.monotonic() - began > 2
        client.close()


def test_a_peer_that_stops_reading_ends_the_try() -> None:
    """Nothing of the request is taken any more: it is not waited for as for an answer."""

    def talk(line: Line) -> None:
        line.head()
        line.wait_until_gone()

    with peer(talk, buffer=4_096) as there:
        client = client_of(there.url)
        began = time.monotonic()
        assert client.ask(LARGE, TRY) == Unsent("the request could not be sent in time")
        assert time.monotonic() - began < TRY + GRACE
        client.close()


# -- the end, whatever the peer does --------------------------------------------------------------


def test_a_signal_ends_a_sync_whatever_the_peer_does(
    connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the grace that requests under way have, with what was settled by then."""
    asked = threading.Event()

    def talk(line: Line) -> None:
        while line.request() is not None:
            if len(line.peer.bodies) > 1:
                asked.set()
                line.trickle(b"HTTP/1.1 200 " + b"O" * 100_000, EVERY)
            line.send(answer(200))

    lines = [connector.record(connector.event(n)) for n in range(1_000)] + [connector.state(1)]
    lines += [connector.record(connector.event(n)) for n in range(1_000)] + [connector.state(2)]
    with peer(talk) as there:
        process = connector.start_write(connector.config(there.url, requests_in_flight=1))
        process.send(*lines)
        assert asked.wait(60)
        process.wait_for(b'"STATE"')
        began = time.monotonic()
        process.signal(signal.SIGTERM)
        outcome = process.finish()
    assert time.monotonic() - began < deliveries.GRACE + saving.GRACE
    assert outcome.error["failure_type"] == "transient_error"
    assert [state["id"] for state in outcome.states] == [1]


def test_saving_that_hangs_ends_with_the_sync() -> None:
    """A network folder may hold on to a call for ever."""
    hanging, entered = threading.Event(), threading.Event()
    one = saving.Saving()

    def hang() -> None:
        entered.set()
        hanging.wait(60)

    def hurry() -> None:
        entered.wait()
        one.hurry()

    threading.Thread(target=hurry, daemon=True).start()
    began = time.monotonic()
    with pytest.raises(ObjectStorageError, match="longer"):
        one.run(hang)
    hanging.set()
    assert time.monotonic() - began < saving.GRACE + GRACE
    one.run(lambda: None)  # what does not hang is saved


def test_a_check_always_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its time, whatever holds it up: here a resolver of names that does not answer."""
    let_go = threading.Event()

    def hang(*_: object, **__: object) -> None:
        let_go.wait(60)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(connection_check, "CHECK_SECONDS", 0.5)
    api = {"api_type": "add_user_properties", "identity_column": "who"}
    began = time.monotonic()
    fault = failed_check(HEAP, {"app_id": "11", "base_url": "https://heap.invalid", "api": api})
    let_go.set()
    assert fault is not None
    assert "not over" in fault
    assert time.monotonic() - began < GRACE


def test_a_check_of_what_trickles(connector: Connector) -> None:
    """It fails within its own time."""

    def talk(line: Line) -> None:
        line.request()
        line.trickle(b"HTTP/1.1 200 " + b"O" * 100_000, EVERY)

    with peer(talk) as there:
        began = time.monotonic()
        outcome = connector.run_here(
            "check", "--config", connector.file(connector.config(there.url))
        )
    (status,) = outcome.of_type("CONNECTION_STATUS")
    assert status["connectionStatus"]["status"] == "FAILED"
    assert time.monotonic() - began < 15


# -- an outage is named ---------------------------------------------------------------------------


def test_a_service_that_is_down_is_named_at_once(connector: Connector) -> None:
    """Where, why and how long; again when the cause changes, and not at each retry."""
    turns = iter([answer(503, b"x")] * 20 + [answer(502, b"x")] * 20)

    def talk(line: Line) -> None:
        while line.request() is not None:
            line.send(next(turns, answer(200)))

    lines = [connector.record(connector.event(n)) for n in range(10)]
    with peer(talk) as there:
        outcome = connector.write_here(connector.config(there.url), lines).succeeded()
    host = there.url.removeprefix("http://")
    told = [line for line in outcome.logs.split("\n") if line.startswith(f"Heap at {host}: ")]
    assert [line.split(": ")[1].split(",")[0].split(".")[0] for line in told] == [
        *("status 503", "status 502"),
    ]
    assert "for up to 600 s" in told[0]
    assert outcome.ledger["retries"] == 40


def test_a_retry_is_told_before_the_end_of_the_outage(connector: Connector) -> None:
    """Whoever watches the log need not wait until it is over."""
    with socket.socket() as bound:  # bound and not listening
        bound.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{bound.getsockname()[1]}"
        config = connector.config(f"http://{host}")
        process = connector.start_write(config)
        process.send(connector.record(connector.event(1)))
        process.end_input()
        process.wait_for(f"Heap at {host}: the connection was refused".encode())
        process.signal(signal.SIGTERM)
        process.finish()
