"""What a request takes from its surroundings: proxies, certificates; and what it does not."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from socket import SHUT_RDWR, create_connection, socket
from ssl import PROTOCOL_TLS_SERVER, SSLContext

import pytest

from bulk_destination.errors import ConfigurationError
from bulk_destination.http.client import BulkClient
from bulk_destination.http.endpoint import Endpoint
from bulk_destination.http.pacing import RetryPolicy
from bulk_destination.http.replies import Accepted, WrongAddress, read_reply
from integration_tests.certificates import self_signed


@dataclass(frozen=True)
class Seen:
    """One request as it came: its first line's address, its headers and its body."""

    address: str
    headers: dict[str, str]
    body: bytes


class Peer(ThreadingHTTPServer):
    """Answers each request with the next of `statuses` (200 after the last) and a cookie."""

    def __init__(self, *statuses: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[Seen] = []
        self.statuses = list(statuses)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    server: Peer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append(Seen(self.path, dict(self.headers), body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Set-Cookie", f"turn={len(self.server.seen)}; Path=/")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with Peer(503) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def _client(url: str) -> BulkClient:
    turns = count(1)
    there = Endpoint(
        *("Nowhere", "any", url, (b"", b""), 10, read_reply),
        keeps_for_ever=False,
        headers=lambda _: {"Content-Type": "application/json", "X-Turn": str(next(turns))},
    )
    return BulkClient(there, RetryPolicy(give_up_after=30), lambda _: False)


def test_each_try_is_a_whole_request(peer: Peer) -> None:
    """Its own headers, the same bytes, and no cookie that an answer before it set."""
    client = _client(f"http://127.0.0.1:{peer.port}/in?x=1")
    assert [client.post(b"first"), client.post(b"and another")] == [Accepted(), Accepted()]
    assert [(seen.address, seen.body) for seen in peer.seen] == [
        ("/in?x=1", b"first"),
        ("/in?x=1", b"first"),
        ("/in?x=1", b"and another"),
    ]
    assert [seen.headers["X-Turn"] for seen in peer.seen] == ["1", "2", "3"]
    assert not any("Cookie" in seen.headers for seen in peer.seen)
    assert not client._session.cookies
    assert {seen.headers["Content-Type"] for seen in peer.seen} == {"application/json"}
    assert [seen.headers["Content-Length"] for seen in peer.seen] == ["5", "5", "11"]


def test_proxy_of_the_environment(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """`http_proxy` is asked in the service's place, for each try."""
    monkeypatch.setenv("http_proxy", f"http://someone:secret@127.0.0.1:{peer.port}")
    client = _client("http://nosuch.invalid/in")
    assert [client.post(b"1"), client.post(b"2")] == [Accepted(), Accepted()]
    assert [seen.address for seen in peer.seen] == ["http://nosuch.invalid/in"] * 3
    assert all(seen.headers["Proxy-Authorization"].startswith("Basic ") for seen in peer.seen)


def test_netrc(peer: Peer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the machine keeps for that host is somebody else's: it does not go along."""
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login someone password secret\n")
    monkeypatch.setenv("NETRC", str(file))
    client = _client(f"http://127.0.0.1:{peer.port}/in")
    assert [client.post(b"1"), client.post(b"2")] == [Accepted(), Accepted()]
    assert not any("Authorization" in seen.headers for seen in peer.seen)


def test_certificates_of_the_environment(
    peer: Peer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`REQUESTS_CA_BUNDLE` says whom to trust, and without it a stranger is not trusted."""
    bundle = self_signed(tmp_path / "peer.pem")
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle)
    peer.socket = context.wrap_socket(peer.socket, server_side=True)
    url = f"https://127.0.0.1:{peer.port}/in"
    assert _client(url).post(b"1") == WrongAddress(
        "a TLS certificate that this machine does not trust"
    )
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    assert _client(url).post(b"2") == Accepted()
    assert {seen.body for seen in peer.seen} == {b"2"}


class Tunnel(ThreadingHTTPServer):
    """A proxy that passes on what follows CONNECT."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        #: Where to, for each connection.
        self.asked: list[str] = []


class _Passing(BaseHTTPRequestHandler):
    server: Tunnel

    def do_CONNECT(self) -> None:
        self.server.asked.append(self.path)
        host, port = self.path.rsplit(":", 1)
        with create_connection((host, int(port))) as there:
            self.send_response(200, "Connection established")
            self.end_headers()
            back = threading.Thread(target=_pass_on, args=(there, self.connection), daemon=True)
            back.start()
            _pass_on(self.connection, there)
            back.join()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def _pass_on(source: socket, target: socket) -> None:
    with suppress(OSError):
        while part := source.recv(65_536):
            target.sendall(part)
    with suppress(OSError):
        target.shutdown(SHUT_RDWR)


@pytest.mark.parametrize("by_tls", [False, True], ids=["proxy in the clear", "proxy by TLS"])
@pytest.mark.parametrize("size", [10, 900_000])
def test_tls_through_a_proxy(
    peer: Peer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, by_tls: bool, size: int
) -> None:
    """As most companies reach a service: `https_proxy`, and TLS within what CONNECT opens."""
    bundle = self_signed(tmp_path / "peer.pem")
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle)
    peer.socket = context.wrap_socket(peer.socket, server_side=True)
    with Tunnel() as tunnel:
        if by_tls:
            tunnel.socket = context.wrap_socket(tunnel.socket, server_side=True)
        threading.Thread(target=tunnel.serve_forever, daemon=True).start()
        scheme, port = "https" if by_tls else "http", tunnel.server_address[1]
        monkeypatch.setenv("https_proxy", f"{scheme}://127.0.0.1:{port}")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        client = _client(f"https://127.0.0.1:{peer.port}/in")
        assert [client.post(b"1" * size), client.post(b"2" * size)] == [Accepted(), Accepted()]
        client.close()
        tunnel.shutdown()
    # The peer's first answer is a 503: said within the tunnel, so it is tried again there.
    assert [seen.body[:1] for seen in peer.seen] == [b"1", b"1", b"2"]
    assert tunnel.asked == [f"127.0.0.1:{peer.port}"]


@pytest.mark.parametrize(
    ("variable", "value", "url"),
    [
        ("REQUESTS_CA_BUNDLE", "/nowhere.pem", "https://127.0.0.1:9/in"),
        ("http_proxy", "foo://127.0.0.1:1", "http://heap.invalid/in"),
        ("http_proxy", "http://[bad", "http://heap.invalid/in"),
        ("all_proxy", "socks5://127.0.0.1:1", "http://heap.invalid/in"),
        ("http_proxy", "http://127.0.0.1:9\\@proxy.invalid", "http://heap.invalid/in"),
        ("all_proxy", "127.0.0.1:9\\x", "http://heap.invalid/in"),
        ("http_proxy", "http://127.0.0.1:9/\x7f", "http://heap.invalid/in"),
        ("http_proxy", "http://127.0.0.1:99999", "http://heap.invalid/in"),
        ("http_proxy", "http:///", "http://heap.invalid/in"),
    ],
)
def test_a_variable_that_is_wrong_is_named(
    variable: str, value: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the address of the service, and it is not tried again."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=variable):
        _client(url).post(b"1")
