"""What to say while requests are tried again: at once, and then seldom. Pure."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

#: The same cause is said again at most so often. Seconds.
_AGAIN_AFTER: Final = 60.0


def host_of(url: str) -> str:
    """The host of an address, with its port if it names one."""
    return urlsplit(url).netloc.rpartition("@")[2]


@dataclass(slots=True)
class Outages:
    """Which causes were told, and when."""

    #: Who does not answer as it should, and where, as in `Service at host`.
    who: str
    _said_at: dict[str, float] = field(default_factory=dict)

    def retried(self, cause: str, lasted: float, left: float, now: float) -> str | None:
        """A request is tried again; returns what to log, if it is time to say so.

        It has not been settled for `lasted` seconds, and is tried again for `left` more.
        """
        if now - self._said_at.get(cause, -_AGAIN_AFTER) < _AGAIN_AFTER:
            return None
        self._said_at[cause] = now
        so_far = f", for {lasted:.0f} s now" if lasted >= 1 else ""
        return f"{self.who}: {cause}{so_far}. Trying again, for up to {left:.0f} s"
