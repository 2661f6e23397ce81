"""BulkClient: one body, tried until it is accepted or refused. All HTTP is here."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import requests
import urllib3.exceptions

from bulk_destination.errors import (
    ConfigurationError,
    Fault,
    InterruptedSyncError,
    UnavailableError,
    WrongServiceError,
)
from bulk_destination.http.endpoint import Endpoint
from bulk_destination.http.pacing import RetryPolicy
from bulk_destination.http.replies import (
    Accepted,
    Misconfigured,
    Refused,
    Reply,
    TooLarge,
    TryLater,
    WrongService,
)

#: Seconds to connect, and to wait for an answer; a bulk request of 1,000 items may take long.
CONNECT_TIMEOUT: Final = 10.0
READ_TIMEOUT: Final = 60.0

#: Bytes of an answer that are read; what services say is far shorter.
LONGEST_ANSWER: Final = 1_000_000

HOST_UNKNOWN: Final = "the host name does not resolve"

Settled = Accepted | Refused | TooLarge


class _Session(requests.Session):
    """Never looks at a redirect: even those not followed would be parsed, and read to their end."""

    def resolve_redirects(self, *_: Any, **__: Any) -> Iterator[Any]:
        return iter(())


@dataclass(slots=True)
class BulkClient:
    """Posts JSON bodies to one endpoint. Not thread-safe: one client a thread.

    `pause(seconds)` waits and tells whether the wait was cut short by the end of the sync.
    """

    endpoint: Endpoint
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    pause: Callable[[float], bool] = field(default_factory=lambda: threading.Event().wait)
    clock: Callable[[], float] = time.monotonic
    #: Unix time, in seconds.
    now: Callable[[], float] = time.time
    random: Random = field(default_factory=Random)
    read_timeout: float = READ_TIMEOUT
    #: Requests sent so far, and how many of them were repeats.
    sent: int = 0
    retries: int = 0
    _session: requests.Session = field(default_factory=_Session)
    _prepared: tuple[requests.PreparedRequest, Mapping[str, Any]] | None = None

    def post(
        self, body: bytes, turn: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> Settled:
        """Posts `body` until the service settles it; the same bytes each time.

        Each try happens within a `turn()`, and what that waits is not held against the service.
        Raises UnavailableError when the policy's time is over, WrongServiceError when something
        else answers, ConfigurationError when the service says what the user has to change,
        InterruptedSyncError when the sync ends during a wait.
        """
        deadline = self.clock() + self.policy.give_up_after
        retry = 0
        while True:
            asked = self.clock()
            with turn():
                deadline += self.clock() - asked
                reply = self.ask(body, min(self.read_timeout, max(1.0, deadline - self.clock())))
            if isinstance(reply, WrongService):
                there = self.endpoint
                raise WrongServiceError(there.url, reply.sign, there.service, there.addresses)
            if isinstance(reply, Misconfigured):
                raise ConfigurationError([reply.fault])
            if not isinstance(reply, TryLater):
                return reply
            wait = self.policy.wait(retry, reply.wait, self.random.random())
            if self.clock() + wait >= deadline:
                raise UnavailableError(
                    self.endpoint.service, self.policy.give_up_after, retry + 1, reply.cause
                )
            if self.pause(wait):
                raise InterruptedSyncError("the sync was stopped while a request was to be retried")
            retry += 1
            self.retries += 1

    def ask(self, body: bytes, read_timeout: float) -> Reply:
        """One try, whatever comes of it as a value; an answer may take `read_timeout` seconds."""
        self.sent += 1
        late = self.clock() + read_timeout
        try:
            request, settings = self._request(body)
            with self._session.send(
                request,
                timeout=(min(CONNECT_TIMEOUT, read_timeout), read_timeout),
                # A redirect would turn the POST into a GET, and a 200 of that into a lie.
                allow_redirects=False,
                **settings,
            ) as response:
                answer = self._read(response, late)
        except (OSError, urllib3.exceptions.HTTPError) as error:  # requests' errors are OSErrors
            return _failure(error)
        now = datetime.fromtimestamp(self.now(), UTC)
        return self.endpoint.read_reply(response.status_code, response.headers, answer, now)

    def _request(self, body: bytes) -> tuple[requests.PreparedRequest, Mapping[str, Any]]:
        """One try's request, and what the environment says of proxies and certificates.

        `Session.post` would read the environment and `.netrc`, parse the URL and build the
        request anew each time: 0.8 of its 1.8 ms of CPU, in which no other thread gets on.
        """
        session = self._session
        if self._prepared is None:
            empty = session.prepare_request(requests.Request("POST", self.endpoint.url))
            self._prepared = (
                empty,
                session.merge_environment_settings(empty.url, {}, True, None, None),
            )
        empty, settings = self._prepared
        # A copy, so that no body stays here: up to a megabyte a lane.
        request = empty.copy()
        request.headers.update(self.endpoint.headers(self.now()))
        request.prepare_body(body, None)
        if session.cookies:  # those that came with earlier answers
            request.prepare_cookies(session.cookies)
        return request, settings

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


def _is_of_proxy(error: Exception) -> bool:
    """Whether requests did not like a proxy's URL, for which it has no error of its own."""
    return isinstance(error, requests.exceptions.InvalidSchema) or (
        isinstance(error, requests.exceptions.InvalidURL) and error.request is not None
    )


def _failure(error: Exception) -> TryLater | WrongService | Misconfigured:
    causes = _causes(error)
    if type(error) is OSError and error.errno is None:  # requests looks before it connects
        return Misconfigured(
            Fault("REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE", "name no file with certificates")
        )
    if _is_of_proxy(error):
        return Misconfigured(
            Fault("https_proxy, http_proxy, all_proxy", "name a proxy that cannot be used")
        )
    if isinstance(error, requests.exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(
        error
    ):
        return WrongService("a TLS certificate that this machine does not trust")
    if isinstance(error, requests.exceptions.InvalidURL | urllib3.exceptions.LocationParseError):
        return WrongService("an address that is not valid")
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
