"""What a load takes from the world."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bulk_destination.delivery.quotas import MINUTE
from bulk_destination.http.client import READ_TIMEOUT
from bulk_destination.http.jobs import Patience
from bulk_destination.http.pacing import RetryPolicy


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The clocks of a load, and how patient it is, so that a test can hand in others."""

    clock: Callable[[], float] = time.monotonic
    retry_policy: RetryPolicy | None = None
    #: The minute of a quota, in seconds.
    minute: float = MINUTE
    #: The second in which at least one request starts, however often the service says "too many".
    second: float = 1.0
    #: Unix time, in seconds.
    now: Callable[[], float] = time.time
    #: Seconds for one answer.
    read_timeout: float = READ_TIMEOUT
    #: For what a service does later.
    patience: Patience = field(default_factory=Patience)
