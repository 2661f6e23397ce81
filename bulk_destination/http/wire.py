"""One whole request by a connection of urllib3's, and what requests sends by.

urllib3 is made for peers that mean well. Here a record that did not arrive must be known, so this
adds, and nothing else:

- What comes before the request has gone out whole is no answer to it (`answer.py`). Whole means
  that the peer's kernel has every byte of it.
- A request is given up when the peer takes nothing of it for a while, not when it takes long.
- Connecting has one time for all addresses of a host, a proxy's answer and TLS.

`timeout` keeps its name: at first for connecting, and then without progress in sending; later for
one answer. Seconds.
"""

import math
import select
import socket
import ssl
import time
from typing import Any, Final

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
)
from urllib3.response import HTTPResponse
from urllib3.util.connection import create_connection
from urllib3.util.wait import wait_for_read

from bulk_destination.http.answer import (
    LONGEST_HEAD,
    Answer,
    RequestUnsentError,
    final_answer_begins,
    unacknowledged,
)

#: As a multiple of the time without progress, the time that sending a request may take for each
#: begun megabyte.
_SENDING_IN_ALL: Final = 12
#: How often it is looked whether the peer has taken more. Seconds.
_LOOK_AGAIN: Final = 1.0
#: Bytes that go to TLS at once: one record. What it has begun with it must be given again whole.
_TLS_RECORD: Final = 16_384


class _Connection(HTTPConnection):
    """What both schemes have in common."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: Whether all of the request so far was handed to the kernel.
        self.whole = True
        #: What the peer said meanwhile.
        self.early = b""
        self._head = b""
        self._holds_head = False
        self._connected_by = math.inf
        self._patience = 0.0
        self._sending_ends = math.inf

    def _answer(self, sock: Any, *args: Any, **kwargs: Any) -> Answer:
        return Answer(sock, *args, connection=self, **kwargs)

    response_class = _answer  # type: ignore[assignment]  # http.client only calls it

    def connect(self) -> None:
        """Connects in `timeout`: all addresses of the host, a proxy's answer, TLS, together."""
        self._connected_by = time.monotonic() + float(self.timeout or 0.0)
        super().connect()

    def _new_conn(self) -> socket.socket:
        """As urllib3's, which gives that time to each address of the host."""
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except UnicodeError:
            raise LocationParseError(self.host) from None
        failed: OSError = TimeoutError("timed out")
        for place in found:
            left = self._connected_by - time.monotonic()
            if left <= 0:
                break
            # Half of what is left, so that the last one has some, too.
            share = left if place is found[-1] else left / 2
            try:
                sock = create_connection(
                    (str(place[4][0]), self.port), share, self.source_address, self.socket_options
                )
            except OSError as error:
                failed = error
            else:
                sock.settimeout(self._left_to_connect())
                return sock
        if isinstance(failed, TimeoutError):
            raise ConnectTimeoutError(self, "connecting took too long") from failed
        raise NewConnectionError(self, "no address of the host took the connection") from failed

    def _tunnel(self) -> None:
        """Asks a proxy to pass on what follows; TLS, if any, has what time is left then."""
        self.sock.settimeout(self._left_to_connect())
        super()._tunnel()
        self.sock.settimeout(self._left_to_connect())

    def _left_to_connect(self) -> float:
        left = self._connected_by - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left

    def request(self, method: str, url: str, body: Any = None, *args: Any, **kwargs: Any) -> None:
        """Sends one request; the answer is another matter."""
        if self.sock is None:
            self.connect()
        self.whole, self.early = True, b""
        self._patience = float(self.timeout or 0.0)
        megabytes = 1 + (len(body) // 1_000_000 if isinstance(body, bytes) else 0)
        self._sending_ends = time.monotonic() + _SENDING_IN_ALL * self._patience * megabytes
        # With the body: one packet where that is small, and one call in any case. Each call lets
        # other threads run, and has to wait until it may go on.
        self._holds_head = isinstance(body, bytes) and len(body) > 0
        super().request(method, url, body, *args, **kwargs)

    def send(self, data: Any) -> None:
        """Sends as long as the peer takes something, and has not answered.

        Raises a BrokenPipeError where it does not take all, upon which urllib3 reads the answer.
        """
        if self._holds_head:
            self._head, self._holds_head = data, False
            return
        if not isinstance(data, bytes):
            super().send(data)
            return
        parts = [part for part in (self._head, data) if part]
        self._head = b""
        if not isinstance(self.sock, socket.socket):  # TLS within a proxy's TLS
            together = b"".join(parts)
            for at in range(0, len(together), _TLS_RECORD):
                self.sock.settimeout(self._patience or self.sock.gettimeout())
                self.sock.sendall(together[at : at + _TLS_RECORD])
            return
        seconds = self.sock.gettimeout()
        try:
            if wait_for_read(self.sock, 0) and self._is_answered(self.sock):
                raise ConnectionAbortedError
            self._send([memoryview(part) for part in parts], self.sock)
            # A proxy's answer to CONNECT is read by it.
            self.sock.settimeout(seconds)
        except OSError as error:
            self.whole = False
            raise BrokenPipeError from error

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 has it
        """The one final answer, its body not yet read."""
        self._await_arrival()
        return super().getresponse()

    def _send(self, parts: list[memoryview], sock: socket.socket) -> None:
        # All at once as a rule: the kernel's buffers hold a whole request.
        sock.settimeout(0)
        progress = _Progress(sock, self._patience or float(self.timeout or 0.0))
        while parts:
            try:
                if isinstance(sock, ssl.SSLSocket):
                    sent = sock.send(parts[0][:_TLS_RECORD])
                else:
                    sent = sock.sendmsg(parts)
                parts = _without(parts, sent)
            except (BlockingIOError, ssl.SSLWantWriteError):
                ready = progress.wait(select.POLLIN | select.POLLOUT, self._sending_ends)
            except ssl.SSLWantReadError:
                ready = progress.wait(select.POLLIN, self._sending_ends)
            else:
                progress.made()
                continue
            if ready & select.POLLIN and self._is_answered(sock):
                raise ConnectionAbortedError

    def _is_answered(self, sock: socket.socket) -> bool:
        """Whether what can be read is more than interim answers, and letters of TLS itself."""
        sock.settimeout(0)
        try:
            said = sock.recv(LONGEST_HEAD)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        if not said:  # Who has said goodbye cannot answer any more.
            raise ConnectionResetError
        self.early += said
        return len(self.early) > LONGEST_HEAD or final_answer_begins(self.early)

    def _await_arrival(self) -> None:
        """Waits until the peer has the whole request, or answers."""
        if not self.whole or not unacknowledged(self.sock):
            return
        progress = _Progress(self.sock, self._patience)
        while unacknowledged(self.sock) and not wait_for_read(self.sock, progress.pause):
            progress.look(self._sending_ends)


def _without(parts: list[memoryview], sent: int) -> list[memoryview]:
    """What is left of them without the first `sent` bytes."""
    left = []
    for part in parts:
        if sent < len(part):
            left.append(part[sent:])
        sent = max(0, sent - len(part))
    return left


class _Progress:
    """Whether the peer still takes what it is sent."""

    def __init__(self, sock: socket.socket, patience: float) -> None:
        self._sock = sock
        self._patience = patience
        self._left: float = math.inf
        self._until = time.monotonic() + patience

    @property
    def pause(self) -> float:
        """Seconds until it is looked again."""
        return min(_LOOK_AGAIN, self._patience / 2)

    def made(self) -> None:
        """The kernel took something."""
        self._until = time.monotonic() + self._patience

    def look(self, end: float) -> None:
        """Raises a RequestUnsentError if nothing was taken for too long, or it is past `end`."""
        left = unacknowledged(self._sock)
        if left < self._left:
            self.made()
        self._left = left
        if time.monotonic() > min(self._until, end):
            raise RequestUnsentError("the request could not be sent in time")

    def wait(self, events: int, end: float) -> int:
        """Which of `events` of poll(2) has come."""
        poll = select.poll()
        poll.register(self._sock, events)
        while not (ready := poll.poll(self.pause * 1_000)):
            self.look(end)
        return ready[0][1]


class Connection(_Connection):
    """To an address or a proxy, in the clear."""


class SecureConnection(_Connection, HTTPSConnection):
    """The same within TLS, where an end that nobody signed is none (RFC 9112, 9.8)."""

    def connect(self) -> None:
        super().connect()
        if isinstance(self.sock, ssl.SSLSocket):
            self.sock.suppress_ragged_eofs = False  # type: ignore[attr-defined]

    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> Any:
        secure = super()._connect_tls_proxy(hostname, sock)
        return _Hurried(secure) if self.proxy_is_tunneling else secure


class _Hurried:
    """A socket whose timeout is that of all it does until it is set anew.

    urllib3 speaks TLS within TLS by many small reads, and each would have the whole of it.
    """

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self.settimeout(sock.gettimeout())

    def settimeout(self, seconds: float | None) -> None:
        self._until = time.monotonic() + (seconds or 0.0)

    def gettimeout(self) -> float:
        return max(1e-3, self._until - time.monotonic())

    def recv(self, count: int) -> bytes:
        return bytes(self._in_time().recv(count))

    def recv_into(self, buffer: Any) -> int:
        return int(self._in_time().recv_into(buffer))

    def sendall(self, data: bytes) -> None:
        self._in_time().sendall(data)

    def _in_time(self) -> Any:
        if self._until <= time.monotonic():
            raise TimeoutError("timed out")
        self._sock.settimeout(self.gettimeout())
        return self._sock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _Pool(HTTPConnectionPool):
    ConnectionCls = Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = SecureConnection


#: For a `PoolManager` of urllib3, by scheme.
POOLS: Final = {"http": _Pool, "https": _SecurePool}


class WireAdapter(HTTPAdapter):
    """What requests sends by. A SOCKS proxy keeps its own connections, lest it be passed by."""

    #: For the address that was asked last: the pool of its connections. A client has one address,
    #: and to find the pool would take a look at the file system, and longer than all else here.
    _asked: tuple[Any, ...] = ()
    _pool: Any = None

    def get_connection_with_tls_context(
        self, request: Any, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        asked = request.url, verify, proxies, cert
        if self._asked != asked:
            self._pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
            self._asked = asked
        return self._pool

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _make_ours(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):
            _make_ours(manager)
        return manager


def _make_ours(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = POOLS
