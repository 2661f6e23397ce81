"""How long to wait. Pure: clocks and randomness are handed in."""

from dataclasses import dataclass
from typing import Final

#: No single wait is longer, whatever a service asks for: Airbyte ends a sync whose destination
#: does not read for two hours.
LONGEST_WAIT: Final = 120.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to ask again, and when to stop asking. Seconds.

    The wait before retry n is drawn evenly from 0 to `first * 2**n`, at most `longest` ("full
    jitter": lanes that failed together do not come back together). A `Retry-After` is obeyed up
    to `LONGEST_WAIT`. `give_up_after` bounds one request with all its retries; its default is
    what a deployment or a failover of a web service takes, with room.
    """

    first: float = 0.5
    longest: float = 30.0
    give_up_after: float = 600.0

    def wait(self, retry: int, asked_for: float | None, jitter: float) -> float:
        """Seconds before retry number `retry` (from 0), with `jitter` in [0, 1)."""
        backoff = jitter * min(self.longest, self.first * 2.0 ** min(retry, 32))
        return backoff if asked_for is None else min(LONGEST_WAIT, max(asked_for, backoff))
