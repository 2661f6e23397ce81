"""A service that takes a request as a job: it gives the job a number, and does it later. Pure.

Each request of a job bears a token, which ends after a while. What the three kinds of answers are
is said here; which of a service's answers is which, its connector says.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from bulk_destination.errors import Fault
from bulk_destination.http.endpoint import Endpoint
from bulk_destination.http.replies import Accepted, Refused


@dataclass(frozen=True, slots=True)
class Given(Accepted):
    """A token."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Taken(Accepted):
    """The request is a job now. Its number is the receipt: the service knows the job by it."""

    number: str
    is_done: bool = False


@dataclass(frozen=True, slots=True)
class Done(Accepted):
    """The job is done."""


@dataclass(frozen=True, slots=True)
class Pending(Accepted):
    """The job is not done yet."""


@dataclass(frozen=True, slots=True)
class NotDone(Refused):
    """The job has failed, or the service does not know it (any more, or yet)."""

    is_final: bool = True


@dataclass(frozen=True, slots=True)
class Unauthorised(Refused):
    """Who asks may not ask this, or not with this token."""


@dataclass(frozen=True, slots=True)
class Jobs:
    """How a service does jobs, beside the endpoint that takes them."""

    #: What one is called in a sentence.
    name: str
    #: Gives a token, in answer to a request without items.
    token: Endpoint
    #: Seconds that a token is used, at most.
    token_seconds: float
    #: Where to ask how far the job of a number is.
    status: Callable[[str], Endpoint]
    #: What to do where no token is given, or what a new one was given for is not allowed; by the
    #: service's words, as they may be shown.
    no_token: Callable[[str], Fault]
    not_allowed: Callable[[str], Fault]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a job is waited for. Seconds.

    It is asked after `first`, and then after ever longer waits, up to `longest`. All jobs of one
    sync together are waited for `in_all`: beyond that, a job that was taken counts as done.
    """

    first: float = 1.0
    growth: float = 1.5
    longest: float = 60.0
    in_all: float = 1_800.0
