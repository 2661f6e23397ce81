"""BulkClient: one body, tried until it is accepted or refused. All HTTP is here."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.cookiejar import DefaultCookiePolicy
from random import Random
from typing import Any, Final

import requests
import urllib3.exceptions

from bulk_destination.errors import (
    ConfigurationError,
    Fault,
    InterruptedSyncError,
    SyncError,
    UnavailableError,
    WrongServiceError,
)
from bulk_destination.http.answer import RequestUnsentError
from bulk_destination.http.endpoint import Endpoint
from bulk_destination.http.pacing import RetryPolicy
from bulk_destination.http.replies import (
    Misconfigured,
    NotTheService,
    Reply,
    Settled,
    TooLarge,
    TryLater,
    Unsent,
    Unsettled,
    WrongAddress,
)
from bulk_destination.http.signs import ACCEPT_ENCODING, LONGEST_BODY
from bulk_destination.http.wire import WireAdapter

#: Seconds to connect, and to send without progress; and to wait for an answer: a bulk request of
#: 1,000 items may take long.
CONNECT_TIMEOUT: Final = 10.0
READ_TIMEOUT: Final = 60.0

HOST_UNKNOWN: Final = "the host name does not resolve"

#: Is told what came of a try.
Told = Callable[[Reply], object]


class _Session(requests.Session):
    """Sends what it is given: it keeps no cookies, and never looks at a redirect.

    Even redirects that are not followed would be parsed, and read to their end.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        for scheme in ("http://", "https://"):
            self.mount(scheme, WireAdapter())

    def resolve_redirects(self, *_: Any, **__: Any) -> Iterator[Any]:
        return iter(())


def _no_turn() -> AbstractContextManager[Told]:
    """Any time will do, and nobody asks what came of it."""
    return nullcontext(lambda _: None)


@dataclass(slots=True)
class _Trouble:
    """How long nothing was settled."""

    since: float
    tries: int = 0
    cause: str = ""
    asked_for: float | None = None


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
    #: Told of each retry: why, for how many seconds nothing was settled, and how many are left.
    tell: Callable[[str, float, float], None] = lambda *_: None
    #: Requests sent so far, and how many of them were repeats.
    sent: int = 0
    retries: int = 0
    _session: requests.Session = field(default_factory=_Session)
    _prepared: tuple[requests.PreparedRequest, Mapping[str, Any]] | None = None
    #: None while the last request was settled.
    _trouble: _Trouble | None = None

    def post(
        self,
        body: bytes,
        turn: Callable[[], AbstractContextManager[Told]] = _no_turn,
        tried: int = 0,
    ) -> Settled | Unsettled:
        """Posts `body` until the service settles it, or it may help to ask otherwise.

        The same bytes each time. `tried` is how often they were posted before: then it waits
        first. Each try happens within a `turn()`, which is told its reply, and what that waits is
        not held against the service.
        Raises UnavailableError when the policy's time is over since something was settled,
        ConfigurationError when no request can be made, InterruptedSyncError when the sync ends
        during a wait.
        """
        while True:
            if tried:
                self._wait(tried)
            asked = self.clock()
            trouble = self._trouble = self._trouble or _Trouble(asked)
            with turn() as told:
                trouble.since += self.clock() - asked
                left = trouble.since + self.policy.give_up_after - self.clock()
                reply = self.ask(body, min(self.read_timeout, max(1.0, left)))
                told(reply)
            match reply:
                case Misconfigured(fault):
                    raise ConfigurationError([fault])
                case TryLater(cause, asked_for):
                    trouble.cause, trouble.asked_for = cause, asked_for
                case Unsent(cause) | NotTheService(cause) | WrongAddress(cause):
                    trouble.cause, trouble.asked_for = cause, None
                    trouble.tries += 1
                    return reply
                case _:
                    self._trouble = None
                    return reply
            trouble.tries += 1
            tried += 1

    def _wait(self, tried: int) -> None:
        """Waits before a body is posted again."""
        now = self.clock()
        trouble = self._trouble or _Trouble(now)
        wait = self.policy.wait(tried - 1, trouble.asked_for, self.random.random())
        ends = trouble.since + self.policy.give_up_after
        if now + wait >= ends:
            raise UnavailableError(
                *(self.endpoint.service, self.policy.give_up_after, trouble.tries, trouble.cause)
            )
        if trouble.cause:
            self.tell(trouble.cause, now - trouble.since, ends - now)
        if self.pause(wait):
            raise InterruptedSyncError("the sync was stopped while a request was to be retried")
        self.retries += 1

    def ask(self, body: bytes, read_timeout: float) -> Reply:
        """One try, whatever comes of it as a value; an answer may take `read_timeout` seconds."""
        self.sent += 1
        try:
            request, settings = self._request(body)
            with self._session.send(
                request,
                timeout=(min(CONNECT_TIMEOUT, read_timeout), read_timeout),
                # A redirect would turn the POST into a GET, and a 200 of that into a lie.
                allow_redirects=False,
                **settings,
            ) as response:
                status = response.status_code
                answer = self._read(response)
        except (OSError, urllib3.exceptions.HTTPError) as error:  # requests' errors are OSErrors
            return _failure(error)
        if len(answer) > LONGEST_BODY and 200 <= status < 300:
            return NotTheService(f"status {status} with words without end")
        now = datetime.fromtimestamp(self.now(), UTC)
        return self.endpoint.read_reply(status, response.headers, answer, now)

    def _request(self, body: bytes) -> tuple[requests.PreparedRequest, Mapping[str, Any]]:
        """One try's request, and what the environment says of proxies and certificates.

        `Session.post` would read the environment and `.netrc`, parse the URL and build the
        request anew each time: 0.8 of its 1.8 ms of CPU, in which no other thread gets on.
        """
        if self._prepared is None:
            headers = {**requests.utils.default_headers(), "Accept-Encoding": ACCEPT_ENCODING}
            # Not by the session, which would add what `.netrc` has for that host.
            way = self.endpoint.method, self.endpoint.url
            empty = requests.Request(*way, headers).prepare()
            self._prepared = (
                empty,
                self._session.merge_environment_settings(empty.url, {}, True, None, None),
            )
            proxy = requests.utils.select_proxy(self.endpoint.url, self._prepared[1]["proxies"])
            if proxy and ("\\" in proxy or not proxy.isprintable()):
                # urllib3 ends the host at a backslash: it may be another than is meant.
                self._prepared = None
                raise requests.exceptions.InvalidSchema
        empty, settings = self._prepared
        # A copy, so that no body stays here: up to a megabyte a lane.
        request = empty.copy()
        request.headers.update(self.endpoint.headers(self.now()))
        request.prepare_body(body, None)
        return request, settings

    def _read(self, response: requests.Response) -> bytes:
        """The body as it came, or a little more than is read of one."""
        answer = b""
        # Of "too large" all is said in the status, and the rest may never come.
        while len(answer) <= LONGEST_BODY and response.status_code != 413:
            part = response.raw.read1(LONGEST_BODY + 1 - len(answer), decode_content=False)
            if not part:
                break
            answer += part
        return answer

    def close(self) -> None:
        """Closes the connection."""
        self._session.close()


def verdict_on(endpoint: Endpoint, reply: NotTheService | WrongAddress) -> SyncError:
    """What such a reply means as long as the service has not shown itself."""
    if isinstance(reply, NotTheService) and reply.fault is not None:
        return ConfigurationError([reply.fault])
    return WrongServiceError(endpoint.url, reply.sign, endpoint.service, endpoint.addresses)


def _is_of_proxy(error: Exception) -> bool:
    """Whether requests did not like a proxy's URL, for which it has no error of its own."""
    of_proxy = requests.exceptions.InvalidSchema | requests.exceptions.InvalidProxyURL
    return isinstance(error, of_proxy) or (
        isinstance(error, requests.exceptions.InvalidURL) and error.request is not None
    )


def _failure(error: Exception) -> TooLarge | TryLater | Unsent | WrongAddress | Misconfigured:
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
        return WrongAddress("a TLS certificate that this machine does not trust")
    if isinstance(error, requests.exceptions.InvalidURL | urllib3.exceptions.LocationParseError):
        return WrongAddress("an address that is not valid")
    for cause in causes:
        if isinstance(cause, RequestUnsentError):
            return TooLarge() if cause.status == 413 else Unsent(str(cause))
    for kind, words in _NETWORK_WORDS.items():
        if any(isinstance(cause, kind) for cause in causes):
            return TryLater(words, is_strain=words == _NO_ANSWER)
    return TryLater("the connection broke")


_NO_ANSWER: Final = "no answer in time"
#: The lower libraries' errors in words, the most telling first.
_NETWORK_WORDS: Final[dict[type[BaseException], str]] = {
    urllib3.exceptions.NameResolutionError: HOST_UNKNOWN,
    socket.gaierror: HOST_UNKNOWN,
    ConnectionRefusedError: "the connection was refused",
    requests.exceptions.SSLError: "TLS failed",
    requests.exceptions.ProxyError: "the proxy failed",
    requests.exceptions.ConnectTimeout: "connecting took too long",
    requests.exceptions.Timeout: _NO_ANSWER,
    urllib3.exceptions.ReadTimeoutError: _NO_ANSWER,
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
