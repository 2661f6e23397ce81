"""HeapClient: one body, tried until it is accepted or refused. All HTTP is here."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Final

import requests
import urllib3.exceptions

from destination_heap_analytics.errors import (
    HeapUnavailableError,
    InterruptedSyncError,
    NotHeapError,
)
from destination_heap_analytics.pacing import RetryPolicy
from destination_heap_analytics.replies import (
    Accepted,
    NotHeap,
    Refused,
    Reply,
    TooLarge,
    TryLater,
    read_reply,
)

#: Seconds to connect, and to wait for an answer; a bulk request of 1,000 items may take long.
CONNECT_TIMEOUT: Final = 10.0
READ_TIMEOUT: Final = 60.0

#: Bytes of an answer that are read; what Heap says is far shorter.
LONGEST_ANSWER: Final = 1_000_000

HOST_UNKNOWN: Final = "the host name does not resolve"

Settled = Accepted | Refused | TooLarge


@dataclass(slots=True)
class HeapClient:
    """Posts JSON bodies to one path of Heap. Not thread-safe: one client a thread.

    `pause(seconds)` waits and tells whether the wait was cut short by the end of the sync.
    """

    url: str
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    pause: Callable[[float], bool] = field(default_factory=lambda: threading.Event().wait)
    clock: Callable[[], float] = time.monotonic
    random: Random = field(default_factory=Random)
    read_timeout: float = READ_TIMEOUT
    #: Requests sent so far, and how many of them were repeats.
    sent: int = 0
    retries: int = 0
    _session: requests.Session = field(default_factory=requests.Session)

    def post(
        self, body: bytes, turn: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> Settled:
        """Posts `body` until Heap settles it; the same bytes each time.

        Each try happens within a `turn()`, and what that waits is not held against Heap.
        Raises HeapUnavailableError when the policy's time is over, NotHeapError when something
        else answers, InterruptedSyncError when the sync ends during a wait.
        """
        deadline = self.clock() + self.policy.give_up_after
        retry = 0
        while True:
            asked = self.clock()
            with turn():
                deadline += self.clock() - asked
                reply = self.ask(body, min(self.read_timeout, max(1.0, deadline - self.clock())))
            if isinstance(reply, NotHeap):
                raise NotHeapError(
                    f"{self.url} answered with {reply.sign}. Set base_url to Heap's address: "
                    "https://heapanalytics.com, or https://c.eu.heap-api.com for EU data"
                )
            if not isinstance(reply, TryLater):
                return reply
            wait = self.policy.wait(retry, reply.wait, self.random.random())
            if self.clock() + wait >= deadline:
                raise HeapUnavailableError(self.policy.give_up_after, retry + 1, reply.cause)
            if self.pause(wait):
                raise InterruptedSyncError("the sync was stopped while a request was to be retried")
            retry += 1
            self.retries += 1

    def ask(self, body: bytes, read_timeout: float) -> Reply:
        """One try, whatever comes of it as a value; an answer may take `read_timeout` seconds."""
        self.sent += 1
        late = self.clock() + read_timeout
        try:
            with self._session.post(
                self.url,
                data=body,
                headers={"Content-Type": "application/json"},
                timeout=(min(CONNECT_TIMEOUT, read_timeout), read_timeout),
                # A redirect would turn the POST into a GET, and a 200 of that into a lie.
                allow_redirects=False,
                stream=True,
            ) as response:
                answer = self._read(response, late)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            return _failure(error)
        return read_reply(response.status_code, response.headers, answer, datetime.now(UTC))

    def _read(self, response: requests.Response, late: float) -> bytes:
        """The body, in time: the timeout of the socket begins anew with each byte."""
        answer = b""
        while len(answer) < LONGEST_ANSWER and (
            part := response.raw.read1(LONGEST_ANSWER, decode_content=True)
        ):
            answer += part
            if self.clock() > late:
                raise requests.Timeout
        return answer

    def close(self) -> None:
        """Closes the connection."""
        self._session.close()


def _failure(error: Exception) -> TryLater | NotHeap:
    causes = _causes(error)
    if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(
        error
    ):
        return NotHeap("a TLS certificate that this machine does not trust")
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return NotHeap("an address that is not valid")
    for kind, words in _NETWORK_WORDS.items():
        if any(isinstance(cause, kind) for cause in causes):
            return TryLater(words)
    return TryLater("the connection broke")


#: The lower libraries' errors in words, the most telling first.
_NETWORK_WORDS: Final[dict[type[BaseException], str]] = {
    urllib3.exceptions.NameResolutionError: HOST_UNKNOWN,
    socket.gaierror: HOST_UNKNOWN,
    ConnectionRefusedError: "the connection was refused",
    requests.exceptions.SSLError: "TLS failed",
    requests.exceptions.ProxyError: "the proxy failed",
    requests.exceptions.ConnectTimeout: "connecting took too long",
    requests.exceptions.Timeout: "no answer in time",
    urllib3.exceptions.ReadTimeoutError: "no answer in time",
    ConnectionResetError: "the connection was reset",
}


def _causes(error: BaseException) -> list[BaseException]:
    """The error, what it wraps and what it came from, outermost first."""
    found: list[BaseException] = []
    queue: list[object] = [error]
    while queue:
        cause = queue.pop(0)
        if isinstance(cause, BaseException) and cause not in found:
            found.append(cause)
            queue += [
                *cause.args,
                getattr(cause, "reason", None),
                cause.__cause__,
                cause.__context__,
            ]
    return found
