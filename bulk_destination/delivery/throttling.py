"""What to say while the quota holds the sync up: seldom, and with the time left. Pure."""

import json
from dataclasses import dataclass
from typing import Final

from bulk_destination.delivery.quotas import Quotas
from bulk_destination.mapping.stream import Stream

#: Said again at most so often, and no longer true when nothing waited for so long. Seconds.
_AGAIN_AFTER: Final = 60.0


@dataclass(slots=True)
class Throttling:
    """Whether the sync is held up, as it was last said."""

    quotas: Quotas | None
    _said_at: float | None = None
    _waits_until: float = 0.0

    def waits(self, seconds: float, of_identities: bool, waiting: int, now: float) -> str | None:
        """A lane waits; returns what to log, if it is time to say so.

        `waiting` is the number of records read and not settled.
        """
        self._waits_until = max(self._waits_until, now + seconds)
        if self.quotas is None or (
            self._said_at is not None and now - self._said_at < _AGAIN_AFTER
        ):
            return None
        self._said_at = now
        if of_identities:
            used_up = (
                f"were in as many requests as they may ({self.quotas.requests_per_identity:,} in "
                f"half a minute), so that their updates are merged"
                if self.quotas.requests_per_identity
                else f"have used up their {self.quotas.per_identity:,} events a minute"
            )
            return (
                f"Some identities {used_up}; {waiting:,} records wait, the next go in "
                f"{seconds:.0f} s. Others are not held up"
            )
        minutes = -(-waiting // self.quotas.per_app)
        return (
            f"The quota of {self.quotas.per_app:,} events a minute is used up; {waiting:,} records "
            f"wait, the next go in {seconds:.0f} s, all of them within about {minutes} min"
        )

    def is_over(self, now: float) -> bool:
        """Whether what was said does not hold any more; true once."""
        if self._said_at is None or now < self._waits_until + _AGAIN_AFTER:
            return False
        self._said_at = None
        return True


def running_status(stream: Stream, emitted_at: int, quota_reset: int | None = None) -> bytes:
    """A TRACE line: the stream is loading, or RATE_LIMITED until `quota_reset`.

    Both times are Unix milliseconds (airbyte-protocol 0.17, AirbyteStreamStatusReason).
    """
    descriptor = {"name": stream.name}
    if stream.namespace is not None:
        descriptor["namespace"] = stream.namespace
    status: dict[str, object] = {"stream_descriptor": descriptor, "status": "RUNNING"}
    if quota_reset is not None:
        limited = {"type": "RATE_LIMITED", "rate_limited": {"quota_reset": quota_reset}}
        status["reasons"] = [limited]
    trace = {"type": "STREAM_STATUS", "emitted_at": emitted_at, "stream_status": status}
    return json.dumps({"type": "TRACE", "trace": trace}, separators=(",", ":")).encode() + b"\n"
