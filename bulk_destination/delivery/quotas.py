"""A service's quotas, kept from this side so that 429 is not met. Pure: the clock is handed in.

A service counts events per minute and refuses what is over. Which moment of a request it
counts, and where its minutes begin, is rarely said. So a try counts from its start until a minute
after its end, whatever came of it: any 60 s that the service could look at then hold no more than
the quota.
"""

import math
from array import array
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from mmap import mmap
from typing import Any, Final, Protocol

#: The service's minute, and a tenth of a second for two clocks that do not run alike.
MINUTE: Final = 60.1
_UNLIMITED: Final = 1 << 62
#: In which a window counts its keys. A quota of 1,000 is met too early only where as many events
#: of other identities fell into the same cell: from some 30 million a minute on.
CELLS: Final = 1 << 15
#: The same for a `Spacing`: 8 MB. In the long run a cell takes one identity in two seconds, so half
#: as many as there are cells is the most a second, though each identity comes only once.
_SPACING_CELLS: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Quotas:
    """What a service takes in any `seconds`, a minute; 0 sets no limit."""

    #: Events of the app, and of one identity.
    per_app: int = 0
    per_identity: int = 0
    #: Requests that hold something about one identity, in any half of the time.
    requests_per_identity: int = 0
    seconds: float = MINUTE

    @property
    def counts_events(self) -> bool:
        """Whether events, and not only requests, have a limit."""
        return bool(self.per_app or self.per_identity)

    def app_window(self) -> "Window | None":
        """A window for the app, if it has a limit."""
        return Window(self.per_app, self.seconds, cells=1) if self.per_app else None

    def identity_limit(self) -> "IdentityLimit":
        """What single identities may send."""
        if self.requests_per_identity:
            return Spacing(self.requests_per_identity, self.seconds / 2, _SPACING_CELLS)
        return Window(self.per_identity or _UNLIMITED, self.seconds)


class IdentityLimit(Protocol):
    """When what about single identities may be sent. What a request uses is of its own kind."""

    def uses(self, identities: Iterable[str]) -> Mapping[Any, int]:
        """What a request with an item about each of `identities` uses."""

    def may_all(self, identities: Iterable[str], now: float) -> bool:
        """Whether such a request may start now."""

    def room(self, identity: str, now: float, /) -> int:
        """How many items about `identity` a request may hold that starts now."""

    def opens_in(self, uses: Mapping[Any, int], now: float, /) -> float | None:
        """Seconds until a request with these uses may start; None while nobody can tell."""

    def begin(self, uses: Mapping[Any, int], /) -> None:
        """A try starts."""

    def end(self, uses: Mapping[Any, int], now: float, /) -> None:
        """A try that began has ended."""


class Window:
    """What tries have used of a quota lately, key by key (an identity, or one key for the app).

    Keys share cells by their hash: two may be taken for one, and then send less than they may, but
    never one for two. Memory: 4 bytes a cell, and 8 for each key of a try while it counts. Where
    those get too many, the older tries are thrown together and count as long as the last of them.
    So it is bounded, whatever the number of keys.
    """

    def __init__(self, limit: int, seconds: float = MINUTE, cells: int = CELLS) -> None:
        self.limit = limit
        self._seconds = seconds
        self._used = array("I", [0]) * cells
        self._ended: deque[_Ended] = deque()
        self._remembered = 0

    def uses(self, identities: Iterable[str]) -> Mapping[str, int]:
        """What a request with an item about each of `identities` would use."""
        return Counter(identities)

    def may_all(self, identities: Iterable[str], now: float) -> bool:
        """Whether such a request may start now."""
        return self.opens_in(self.uses(identities), now) == 0

    def room(self, key: str, now: float) -> int:
        """How many more events of `key` may start now."""
        self._forget(now)
        return self.limit - self._used[hash(key) % len(self._used)]

    def opens_in(self, counts: Mapping[str, int], now: float) -> float | None:
        """Seconds until `counts` more may start; None while that hangs on a try under way."""
        self._forget(now)
        missing = {
            cell: over
            for cell, count in self._by_cell(counts).items()
            if (over := count + self._used[cell] - self.limit) > 0
        }
        if not missing:
            return 0.0
        for ended in self._ended:
            for cell in [*missing]:
                missing[cell] -= ended.used(cell)
                if missing[cell] <= 0:
                    del missing[cell]
            if not missing:
                return ended.at + self._seconds - now
        return None

    def begin(self, counts: Mapping[str, int]) -> None:
        """A try with `counts` events starts."""
        for cell, count in self._by_cell(counts).items():
            self._used[cell] += count

    def end(self, counts: Mapping[str, int], now: float) -> None:
        """A try that began with `counts` has ended."""
        self._ended.append(_Ended.of(now, self._by_cell(counts)))
        self._remembered += len(counts)
        if self._remembered > 4 * len(self._used) and len(self._ended) > 1:
            self._throw_together()

    def _by_cell(self, counts: Mapping[str, int]) -> Counter[int]:
        found: Counter[int] = Counter()
        for key, count in counts.items():
            found[hash(key) % len(self._used)] += count
        return found

    def _forget(self, now: float) -> None:
        """Tries that ended long enough ago count no more."""
        while self._ended and self._ended[0].at + self._seconds <= now:
            over = self._ended.popleft()
            self._remembered -= len(over.cells)
            for cell, count in zip(over.cells, over.counts, strict=True):
                self._used[cell] -= count

    def _throw_together(self) -> None:
        """Makes the older half of the tries one, which takes at most a number a cell."""
        together: Counter[int] = Counter()
        at = 0.0
        for _ in range((len(self._ended) + 1) // 2):
            old = self._ended.popleft()
            at = old.at
            for cell, count in zip(old.cells, old.counts, strict=True):
                together[cell] += count
        self._ended.appendleft(_Ended.of(at, together))
        self._remembered = sum(len(ended.cells) for ended in self._ended)


@dataclass(frozen=True, slots=True)
class _Ended:
    """A try that has ended: what it used, cell by cell in their order."""

    at: float
    cells: "array[int]"
    counts: "array[int]"

    @classmethod
    def of(cls, at: float, counts: Mapping[int, int]) -> "_Ended":
        cells = sorted(counts)
        return cls(at, array("I", cells), array("I", map(counts.__getitem__, cells)))

    def used(self, cell: int) -> int:
        """Events in `cell`."""
        at = bisect_left(self.cells, cell)
        return self.counts[at] if at < len(self.cells) and self.cells[at] == cell else 0


class Spacing:
    """When an identity may be in a request again, so that no `seconds` have more than `limit`.

    Half of the limit may go at once, the rest is spread over the time: what comes meanwhile for
    a busy identity is merged into its next request, and it never waits long. This is the generic
    cell rate algorithm (ITU-T I.371): all that is known of an identity is the time at which it
    would have used nothing. As in a `Window`, a try counts until its end at the latest.

    Identities share cells by their hash: two may be taken for one, and then send less than they
    may, but never one for two. So memory is the same for any number of identities. Of one identity
    there is one try at a time: one under way is counted when it ends.
    """

    def __init__(self, limit: int, seconds: float, cells: int) -> None:
        at_once = (limit + 1) // 2
        self._step = seconds / (limit + 1 - at_once)
        self._ahead = (at_once - 1) * self._step
        # By the clock, which never goes below 0. Of pages that nothing was written to yet, a small
        # sync takes no memory.
        self._unused_from = memoryview(mmap(-1, cells * 8)).cast("d")
        #: The latest of all: mostly nobody is busy, and one look is enough.
        self._last = -math.inf

    def uses(self, identities: Iterable[str]) -> Mapping[int, int]:
        """What a request about `identities` would use: their cells."""
        cells = len(self._unused_from)
        return {hash(identity) % cells: 1 for identity in identities}

    def may_all(self, identities: Iterable[str], now: float) -> bool:
        """Whether such a request may start now."""
        return self._last <= now + self._ahead or not self.opens_in(self.uses(identities), now)

    def room(self, identity: str, now: float) -> int:
        """How many items about `identity` the next request may hold: any number, or none."""
        return 0 if self.opens_in(self.uses((identity,)), now) else _UNLIMITED

    def opens_in(self, uses: Mapping[int, int], now: float) -> float:
        """Seconds until a request with these uses may start."""
        last = max(map(self._unused_from.__getitem__, uses))
        return 0.0 if last <= now + self._ahead else last - self._ahead - now

    def begin(self, uses: Mapping[int, int]) -> None:
        """A try with these uses starts."""

    def end(self, uses: Mapping[int, int], now: float) -> None:
        """It has ended."""
        cells, step = self._unused_from, self._step
        for cell in uses:
            unused_from = cells[cell]
            cells[cell] = (unused_from if unused_from > now else now) + step
        self._last = max(self._last, *map(cells.__getitem__, uses))
