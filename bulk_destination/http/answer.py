"""One whole answer: what http.client and urllib3 leave to good faith.

Both are made for peers that mean well. Here an answer that is taken for that of another request
is a record lost in silence, so this adds, and nothing else:

- Interim answers are read past, whatever their number between 100 and 199 (RFC 9110, 15.2);
  http.client knows 100 alone and takes a 103 for the answer.
- An answer that began before the request had gone out whole says nothing of the request
  (`RequestUnsentError`); urllib3 takes it for the answer.
- An answer is whole, by its own framing, or an error: a head that breaks off, lengths that
  contradict each other, a coding of transfer that is not `chunked`, chunks that are none
  (RFC 9112, 6.3, 7.1 and 8).
- Bytes behind an answer belong to no request (RFC 9112, 9.2): the connection is closed, and so it
  is after an answer that was not read to its end.
- Time is that of the whole answer and not of each byte of it; every answer has an end.
"""

import fcntl
import http.client
import io
import re
import ssl
import termios
import time
from typing import Any, Final, Protocol

#: Bytes of one answer, interim ones and trailers included; what services say is far shorter.
LONGEST_ANSWER: Final = 2_000_000
#: Bytes of its head, with all interim answers before it.
LONGEST_HEAD: Final = 65_536

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


class Asked(Protocol):
    """The connection that an answer comes by."""

    #: Whether all of the request so far was handed to the kernel.
    whole: bool
    #: What the peer said meanwhile.
    early: bytes
    sock: Any

    def close(self) -> None:
        """It is not used again."""


def final_answer_begins(early: bytes) -> bool:
    """Whether more than interim answers is in `early`, which a peer said while it was sent to."""
    while interim := _INTERIM.match(early):
        early = early[interim.end() :]
    return len(early) >= _TOLD_BY and not _NOT_YET_FINAL.match(early)


def unacknowledged(sock: Any) -> int:
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


class Answer(http.client.HTTPResponse):
    """The final answer to what `connection` was asked. Raises HTTPException and OSError."""

    def __init__(self, sock: Any, *args: Any, connection: Asked, **kwargs: Any) -> None:
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

    def __init__(self, file: io.RawIOBase, sock: Any, connection: Asked) -> None:
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
        self.early = not self._connection.whole or unacknowledged(self._sock) > 0
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
