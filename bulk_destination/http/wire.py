"""One whole request, one whole answer: what http.client and urllib3 leave to good faith.

Both are made for peers that mean well. Here an answer that is taken for that of another request
is a record lost in silence, so the connection adds, and nothing else:

- Interim answers are read past, whatever their number between 100 and 199 (RFC 9110, 15.2);
  http.client knows 100 alone and takes a 103 for the answer.
- An answer that comes before the request has gone out whole says nothing of the request
  (`RequestUnsentError`); urllib3 takes it for the answer. Whole means that the peer's kernel has
  every byte of it.
- An answer is whole, by its own framing, or an error: a head that breaks off, lengths that
  contradict each other, a coding of transfer that is not `chunked`, chunks that are none
  (RFC 9112, 6.3, 7.1 and 8).
- Bytes behind an answer belong to no request (RFC 9112, 9.2): the connection is closed, and so it
  is after an answer that was not read to its end.
- Time is that of the whole answer and not of each byte of it; every answer has an end.
- A request is given up when the peer takes nothing of it for a while, not when it takes long.

`timeout` keeps its name: at first for connecting, and then without progress in sending; later for
one answer. Seconds.
"""

import fcntl
import http.client
import io
import math
import re
import select
import socket
import ssl
import termios
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

#: Bytes of one answer, interim ones and trailers included; what services say is far shorter.
LONGEST_ANSWER: Final = 2_000_000
#: Bytes of its head, with all interim answers before it.
LONGEST_HEAD: Final = 65_536
#: As a multiple of the time without progress, the time that sending a request may take for each
#: begun megabyte.
_SENDING_IN_ALL: Final = 12
#: How often it is looked whether the peer has taken more. Seconds.
_LOOK_AGAIN: Final = 1.0
#: Bytes that go to TLS at once: one record. What it has begun with it must be given again whole.
_TLS_RECORD: Final = 16_384

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.\d ([1-9]\d\d)(?:[ \t][^\n]*)?\r?\n")
_FIELD_LINE: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:")
_INTERIM: Final = re.compile(rb"HTTP/1\.\d 1(?!01)\d\d[^\r\n]*\r?\n(?:[^\r\n]+\r?\n)*\r?\n")
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
_LENGTH: Final = re.compile(r"\d{1,15}", re.ASCII)
_NOT_YET_FINAL: Final = re.compile(rb"HTTP/1\.\d 1(?!01)\d\d")
#: Bytes of a status line that say whether it is interim.
_TOLD_BY: Final = len(b"HTTP/1.1 103")


class RequestUnsentError(http.client.HTTPException):
    """The request did not go out whole; `status` is that of what was answered all the same."""

    def __init__(self, why: str, status: int | None = None) -> None:
        super().__init__(why)
        self.status = status


class AnswerTooLongError(http.client.HTTPException):
    """The answer has more bytes than are read."""


def final_answer_begins(early: bytes) -> bool:
    """Whether more than interim answers is in `early`, which a peer said while it was sent to."""
    while interim := _INTERIM.match(early):
        early = early[interim.end() :]
    return len(early) >= _TOLD_BY and not _NOT_YET_FINAL.match(early)


def _unacknowledged(sock: Any) -> int:
    """Bytes sent that the peer's kernel has not confirmed; 0 where ours does not tell.

    An answer to a whole request confirms it by itself: each segment carries how far its sender has
    received (RFC 9293, 3.4), and TCP reads that before it hands the segment's data on.
    """
    try:
        # tcp(7), SIOCOUTQ; Linux has it under the terminals' number.
        count = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
    except OSError:
        return 0
    return int.from_bytes(count, "little")


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

    def _answer(self, sock: Any, *args: Any, **kwargs: Any) -> "Answer":
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
        if not self.whole or not _unacknowledged(self.sock):
            return
        progress = _Progress(self.sock, self._patience)
        while _unacknowledged(self.sock) and not wait_for_read(self.sock, progress.pause):
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
        left = _unacknowledged(self._sock)
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


class Answer(http.client.HTTPResponse):
    """The final answer to what `connection` was asked. Raises HTTPException and OSError."""

    def __init__(self, sock: Any, *args: Any, connection: _Connection, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._connection = connection
        self._bytes = _Bytes(self.fp.detach(), sock, connection)
        self.fp = io.BufferedReader(self._bytes)
        self._ended = False

    def begin(self) -> None:
        """Reads the head of the final answer."""
        if self.headers is not None:
            return
        try:
            status, head, early = self._head()
        except (OSError, http.client.HTTPException) as error:
            if self._connection.whole:
                raise
            raise RequestUnsentError("the connection broke in the midst of the request") from error
        if early:
            raise RequestUnsentError(f"status {status} before the request was sent", status)
        fp, self.fp = self.fp, io.BufferedReader(io.BytesIO(head))
        try:
            super().begin()
        finally:
            self.fp = fp
        self._judge_framing()

    def _head(self) -> tuple[int, bytes, bool]:
        """Status and head of the final answer, and whether it began before the request's end."""
        left = LONGEST_HEAD
        while True:
            self.fp.peek(1)
            early = self._bytes.early
            lines: list[bytes] = []
            while not lines or lines[-1].strip(b"\r\n"):
                lines.append(self.fp.readline(left + 1))
                left -= len(lines[-1])
                if left < 0:
                    raise AnswerTooLongError("the head of the answer has no end")
                if not lines[-1].endswith(b"\n"):
                    raise http.client.RemoteDisconnected("the answer breaks off in its head")
            status = _STATUS_LINE.fullmatch(lines[0])
            if status is None:
                raise http.client.BadStatusLine("not HTTP/1")
            code = int(status[1])
            # 101 ends HTTP on this connection, and nobody asked for it (RFC 9110, 15.2.2).
            if code >= 200 or code == http.client.SWITCHING_PROTOCOLS:
                return code, lines[0] + _fields(lines[1:]), early

    def _judge_framing(self) -> None:
        codings = [word.strip().lower() for word in _words(self.headers, "Transfer-Encoding")]
        lengths = {word.strip() for word in _words(self.headers, "Content-Length")}
        if codings and codings != ["chunked"]:
            raise http.client.HTTPException("a coding of transfer that is not known")
        if len(lengths) > 1 or not all(map(_LENGTH.fullmatch, lengths)):
            raise http.client.HTTPException("lengths that contradict each other")
        if codings and (lengths or self.version == 10):  # RFC 9112, 6.1: to be closed behind it
            self.will_close = True
        elif lengths and self.length is None:  # the same one twice
            self.length = int(lengths.pop())

    def _get_chunk_left(self) -> int | None:
        """As in http.client, which takes `-5`, `0x10` and whatever ends a chunk."""
        left = self.chunk_left
        if left:
            return int(left)
        if left is not None and self.fp.read(2) != b"\r\n":
            raise http.client.IncompleteRead(b"")
        size = _CHUNK_SIZE.fullmatch(self.fp.readline(LONGEST_HEAD))
        if size is None:
            raise http.client.IncompleteRead(b"")
        left = int(size[1], 16) or None
        if left is None:
            self._read_and_discard_trailer()  # type: ignore[attr-defined]
            self._ended = True
            self._close_conn()
        self.chunk_left = left
        return left

    def _close_conn(self) -> None:
        """Lets go of the connection, which is used again only if nothing is left on it."""
        fp, self.fp = self.fp, None  # type: ignore[assignment]
        if self.headers is not None and (self.will_close or not self._is_read(fp)):
            self._connection.close()
        fp.close()

    def _is_read(self, fp: io.BufferedReader) -> bool:
        """Whether the answer was read to its end, and nothing stands behind it."""
        if not self._ended and self.length != 0:
            return False
        self._bytes.dry = True
        pending = getattr(self._connection.sock, "pending", None)
        return not fp.peek(1) and not (pending and pending())


class _Bytes(io.RawIOBase):
    """The bytes of one answer: in time, and not without end."""

    def __init__(self, file: io.RawIOBase, sock: Any, connection: _Connection) -> None:
        self._file = file  # keeps the socket open as long as the answer is
        self._sock = sock
        self._connection = connection
        self._said, connection.early = connection.early, b""
        self._until = time.monotonic() + float(sock.gettimeout() or 0.0)
        self._left = LONGEST_ANSWER
        #: Whether the bytes given last came before the peer had the whole request.
        self.early = False
        #: Nothing more is read.
        self.dry = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.dry:
            return None
        if self._said:
            count = min(len(buffer), len(self._said))
            buffer[:count], self._said = self._said[:count], self._said[count:]
            self.early = True
            return count
        if self._left <= 0:
            raise AnswerTooLongError("the answer has no end")
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left)
        try:
            count = int(self._sock.recv_into(buffer))
        except ssl.SSLEOFError:
            raise ConnectionResetError from None
        self._left -= count
        self.early = not self._connection.whole or _unacknowledged(self._sock) > 0
        return count

    def close(self) -> None:
        super().close()
        self._file.close()


def _fields(lines: list[bytes]) -> bytes:
    """The lines that are fields: others, which http.client takes for the end of the head, go."""
    kept: list[bytes] = []
    is_field = False
    for line in lines:
        if line[:1] not in b" \t":  # else it goes on with the field before it
            is_field = _FIELD_LINE.match(line) is not None
        if is_field:
            kept.append(line)
    return b"".join(kept) + b"\r\n"


def _words(headers: http.client.HTTPMessage, name: str) -> list[str]:
    return [word for value in headers.get_all(name, []) for word in value.split(",")]


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
