"""A service's quotas, kept from this side so that 429 is not met. Pure: the clock is handed in.

A service counts events per minute and refuses what is over. Which moment of a request it
counts, and where its minutes begin, is rarely said. So a try counts from its start until a minute
after its end, whatever came of it: any 60 s that the service could look at then hold no more than
the quota.
"""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

#: The service's minute, and a tenth of a second for two clocks that do not run alike.
MINUTE: Final = 60.1
_UNLIMITED: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Quotas:
    """Events that may start in any `seconds`: of the app, and of one identity; 0 lifts a limit."""

    per_app: int
    per_identity: int
    seconds: float = MINUTE

    def app_window(self) -> "Window":
        """A window for the app."""
        return Window(self.per_app or _UNLIMITED, self.seconds)

    def identity_window(self) -> "Window":
        """A window for the identities of one lane."""
        return Window(self.per_identity or _UNLIMITED, self.seconds)


class Window:
    """What tries have used of a quota lately, key by key (an identity, or one key for the app).

    Memory: one entry a key and one a try, for as long as it counts.
    """

    def __init__(self, limit: int, seconds: float = MINUTE) -> None:
        self.limit = limit
        self._seconds = seconds
        self._used: Counter[str] = Counter()
        self._ended: deque[tuple[float, Mapping[str, int]]] = deque()

    def room(self, key: str, now: float) -> int:
        """How many more events of `key` may start now."""
        while self._ended and self._ended[0][0] + self._seconds <= now:
            _, counts = self._ended.popleft()
            self._used.subtract(counts)
            for over in counts:
                if not self._used[over]:
                    del self._used[over]
        return self.limit - self._used[key]

    def opens_in(self, counts: Mapping[str, int], now: float) -> float | None:
        """Seconds until `counts` more may start; None while that hangs on a try under way."""
        missing = {key: count - self.room(key, now) for key, count in counts.items()}
        missing = {key: count for key, count in missing.items() if count > 0}
        if not missing:
            return 0.0
        for ended, used in self._ended:
            for key in missing.keys() & used.keys():
                missing[key] -= used[key]
                if missing[key] <= 0:
                    del missing[key]
            if not missing:
                return ended + self._seconds - now
        return None

    def begin(self, counts: Mapping[str, int]) -> None:
        """A try with `counts` events starts."""
        self._used.update(counts)

    def end(self, counts: Mapping[str, int], now: float) -> None:
        """A try that began with `counts` has ended."""
        self._ended.append((now, counts))
