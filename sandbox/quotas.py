"""Quotas over a true sliding window. Pure: the time of every use is handed in.

One window serves any number of quotas at once, each named by a key. Exact, because the uses of
a request share one moment: they enter together and leave together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Use:
    """`count` units taken from the quota `key`; `limit` is `None` where it is only counted."""

    key: Hashable
    count: int
    limit: int | None


class SlidingWindow:
    """What was used in the last `seconds`, at most. Not thread safe.

    Memory: one entry for each use still inside the window. What left the window is dropped at
    the next call, and a key with nothing left is forgotten.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._uses: deque[tuple[float, tuple[tuple[Hashable, int], ...]]] = deque()
        self._totals: dict[Hashable, int] = {}

    def admit(self, now: float, uses: Sequence[Use]) -> Use | None:
        """Take all `uses` at the time `now`, in seconds, or none of them.

        Returns the first use that would go over its limit, or `None` if all were taken. What is
        refused is not counted: a caller that keeps on asking does not lock itself out.
        """
        self._drop(now)
        for use in uses:
            if use.limit is not None and self._totals.get(use.key, 0) + use.count > use.limit:
                return use
        for use in uses:
            self._totals[use.key] = self._totals.get(use.key, 0) + use.count
        if uses:
            self._uses.append((now, tuple((use.key, use.count) for use in uses)))
        return None

    def used(self, now: float) -> dict[Hashable, int]:
        """Units in the window at `now`, by key; keys without any are not in it."""
        self._drop(now)
        return dict(self._totals)

    def clear(self) -> None:
        """Forget every use."""
        self._uses.clear()
        self._totals.clear()

    def _drop(self, now: float) -> None:
        while self._uses and self._uses[0][0] <= now - self._seconds:
            _, left = self._uses.popleft()
            for key, count in left:
                rest = self._totals[key] - count
                if rest:
                    self._totals[key] = rest
                else:
                    del self._totals[key]
