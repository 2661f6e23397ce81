"""JobClient: one body, posted as a job, and accepted when the service has done it.

It speaks by three `BulkClient`s: one gets tokens, one posts, one asks how far a job is. Each tries
again what `BulkClient` does, with the same bytes; so a job may be posted twice where an answer
was lost.

The service says when a token ends, and need not keep its word. So a token is renewed in time, and
also where it is refused; if a young one is refused twice in a row, it is not the token's fault.
"""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from bulk_destination.errors import (
    ConfigurationError,
    InterruptedSyncError,
    JobFailedError,
    UnavailableError,
)
from bulk_destination.http.client import READ_TIMEOUT, BulkClient, verdict_on
from bulk_destination.http.endpoint import Endpoint
from bulk_destination.http.jobs import (
    Done,
    Given,
    Jobs,
    NotDone,
    Patience,
    Pending,
    Taken,
    Unauthorised,
)
from bulk_destination.http.pacing import RetryPolicy
from bulk_destination.http.replies import (
    Accepted,
    NotTheService,
    Refused,
    Settled,
    TooLarge,
    Unsettled,
    WrongAddress,
)

#: A token that is refused within so many seconds was not too old. Seconds.
_YOUNG: Final = 60.0
#: So many young ones in a row.
_MOST_REFUSED: Final = 2
#: Waits that are not worth a line.
_SHORT: Final = 10.0
#: A number that is shown; what a service gives besides may be anything.
_PLAIN_NUMBER: Final = re.compile(r"[0-9A-Za-z-]{1,64}")


@dataclass(slots=True)
class JobClient:
    """Posts JSON bodies as jobs. Not thread-safe; `pause` and `tell` are as a `BulkClient`'s.

    `say` is given lines for the log: numbers of jobs, never what is in them.
    """

    endpoint: Endpoint
    jobs: Jobs
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    patience: Patience = field(default_factory=Patience)
    pause: Callable[[float], bool] = field(default_factory=lambda: threading.Event().wait)
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    read_timeout: float = READ_TIMEOUT
    tell: Callable[[str, float, float], None] = lambda *_: None
    say: Callable[[str], None] = lambda _: None
    _clients: list[BulkClient] = field(default_factory=list)
    _tokens: BulkClient = field(init=False)
    _posts: BulkClient = field(init=False)
    _token: str = field(default="", repr=False)
    #: None before there was any.
    _token_since: float | None = None
    #: Young tokens that were refused in a row.
    _refused: int = 0
    #: Whether anything was allowed so far: then a refusal without words is something on the way.
    _had_yes: bool = False
    #: Seconds in which jobs were waited for.
    _waited: float = 0.0

    def __post_init__(self) -> None:
        self._tokens = self._client(self.jobs.token)
        self._posts = self._client(self._with_token(self.endpoint))

    @property
    def sent(self) -> int:
        """Requests so far, of all three kinds."""
        return sum(client.sent for client in self._clients)

    @property
    def retries(self) -> int:
        """How many of them were repeats of one that failed."""
        return sum(client.retries for client in self._clients)

    def post(self, body: bytes, tried: int = 0) -> Settled | Unsettled:
        """Posts `body` until it is done, or it may help to ask otherwise.

        Raises what `BulkClient.post` does; ConfigurationError where no token is given, or it is
        not allowed to do this; JobFailedError where the service says that it will not be done.
        """
        reply = self._allowed(self._posts, body, tried)
        if not isinstance(reply, Accepted):
            return reply
        if not isinstance(reply, Taken):
            return NotTheService("a yes without the number of a job")
        number = self._shown(reply.number, body)
        self.say(f"{self.endpoint.service} has taken {self.jobs.name} {number}")
        if not reply.is_done:
            self._await(reply.number, number)
        return Accepted()

    def close(self) -> None:
        """Closes all connections."""
        for client in self._clients:
            client.close()

    def _client(self, endpoint: Endpoint) -> BulkClient:
        client = BulkClient(
            endpoint,
            self.policy,
            self.pause,
            clock=self.clock,
            now=self.now,
            read_timeout=self.read_timeout,
            tell=self.tell,
        )
        self._clients.append(client)
        return client

    def _with_token(self, endpoint: Endpoint) -> Endpoint:
        bare = endpoint.headers
        return replace(
            endpoint,
            headers=lambda now: {**bare(now), "Authorization": f"Bearer {self._token}"},
        )

    def _allowed(self, client: BulkClient, body: bytes, tried: int) -> Settled | Unsettled:
        """What comes of `body` with a token that is taken."""
        began, tries = self.clock(), 0
        while True:
            self._renew()
            reply = client.post(body, tried=tried)
            if not isinstance(reply, Unauthorised):
                self._refused = 0
                self._had_yes |= isinstance(reply, Accepted)
                return reply
            tries += 1
            now = self.clock()
            is_young = self._token_since is not None and now - self._token_since < _YOUNG
            self._refused = self._refused + 1 if is_young else 0
            self._token = ""
            if self._refused >= _MOST_REFUSED and self._had_yes and not reply.words:
                self._refused = 0
                return NotTheService("a refusal without words")
            if self._refused >= _MOST_REFUSED:
                words = client.endpoint.words.reason(client.endpoint.service, reply.words)
                raise ConfigurationError([self.jobs.not_allowed(words)])
            if now - began >= self.policy.give_up_after:
                raise UnavailableError(
                    self.endpoint.service, self.policy.give_up_after, tries, "the token ended"
                )

    def _renew(self) -> None:
        """Has a token that is not too old."""
        since = self._token_since
        if self._token and since is not None and self.clock() - since < self.jobs.token_seconds:
            return
        endpoint, tried = self.jobs.token, 0
        while True:
            since = self.clock()
            reply = self._tokens.post(endpoint.body([]), tried=tried)
            match reply:
                case Given(token):
                    self._token, self._token_since = token, since
                    return
                case Refused(words):
                    said = endpoint.words.reason(endpoint.service, words)
                    raise ConfigurationError([self.jobs.no_token(said)])
                case Accepted() | TooLarge():
                    reply = NotTheService("an answer without a token")
            # Once there was a token, this is an outage: the client gives it its time.
            is_new = self._token_since is None and tried
            if is_new and isinstance(reply, NotTheService | WrongAddress):
                raise verdict_on(endpoint, reply)
            tried += 1

    def _await(self, number: str, shown: str) -> None:
        """Returns when the job is done, or has been waited for long enough."""
        service, name = self.endpoint.service, f"{self.jobs.name} {shown}"
        client = self._client(self._with_token(self.jobs.status(number)))
        began, wait, tried = self.clock(), self.patience.first, 0
        while True:
            if self.pause(wait):
                raise InterruptedSyncError(f"the sync was stopped while {name} was waited for")
            self._waited += wait
            reply = self._allowed(client, client.endpoint.body([]), tried)
            tried = 0
            match reply:
                case Done():
                    lasted = self.clock() - began
                    self.say(f"{service} has completed {name}, after {lasted:,.0f} s")
                    return
                case NotDone(words, is_final=True):
                    said = client.endpoint.words.reason(service, words)
                    raise JobFailedError(service, name, said)
                case Pending() | NotDone():
                    pass
                case _:  # The client gives it its time.
                    tried = 1
            if self._waited >= self.patience.in_all:
                if isinstance(reply, Pending):
                    self.say(
                        f"{service} has taken {name} and not completed it in "
                        f"{self.clock() - began:,.0f} s. It is not waited for any longer: ask "
                        f"{service} by this number whether it is complete"
                    )
                    return
                unknown = isinstance(reply, NotDone)
                why = "it is not known there" if unknown else "its status cannot be read"
                raise JobFailedError(service, name, why)
            wait = min(wait * self.patience.growth, self.patience.longest)
            if wait >= _SHORT:
                self.say(
                    f"{service} has not completed {name} yet, after "
                    f"{self.clock() - began:,.0f} s. Asking again in {wait:.0f} s"
                )

    def _shown(self, number: str, body: bytes) -> str:
        """The number, unless it is none, or something that was sent."""
        plain = _PLAIN_NUMBER.fullmatch(number) and f'"{number}"'.encode() not in body
        return number if plain else "(of a number that cannot be shown)"
