"""The request log: what was asked, how it was answered, and what stood out. Thread safe.

Knows nothing of the service. Holds names, sizes, counts and reasons, never a request's values,
and a bounded number of each.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

LAST_REQUESTS: Final = 1_000
LAST_REASONS: Final = 100
OTHER_PATHS: Final = "(other)"
NO_ANSWER: Final = "none"


@dataclass(frozen=True, slots=True)
class Entry:
    """One write request.

    `number` counts from 1 and is the number of its fault draw. `status` is `None` where the
    connection was broken instead of answered. `items` is `None` where nobody counted them.
    `bytes` is the size of the body as it arrived; `arrived_at` is Unix seconds.
    """

    number: int
    path: str
    status: int | None
    items: int | None
    bytes: int
    arrived_at: float
    fault: str | None
    reason: str | None


class Journal:
    """Counts every request and remembers the last ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way = 0
        self._start_over()

    def _start_over(self) -> None:
        self._next_number = 1
        self._most_at_once = self._under_way
        self._largest_items = 0
        self._largest_bytes = 0
        self._refused = 0
        self._by_path: Counter[str] = Counter()
        self._by_status: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._requests: deque[Entry] = deque(maxlen=LAST_REQUESTS)
        self._reasons: deque[dict[str, Any]] = deque(maxlen=LAST_REASONS)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Counts a request as being served while the block runs."""
        with self._lock:
            self._under_way += 1
            self._most_at_once = max(self._most_at_once, self._under_way)
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1

    def next_number(self) -> int:
        """The number of a write request whose body has arrived: 1, 2, 3, ..."""
        with self._lock:
            number = self._next_number
            self._next_number += 1
            return number

    def record(self, entry: Entry) -> None:
        """Write down one write request."""
        with self._lock:
            self._requests.append(entry)
            self._count(entry.path, entry.status)
            self._largest_bytes = max(self._largest_bytes, entry.bytes)
            self._largest_items = max(self._largest_items, entry.items or 0)
            if entry.fault is not None:
                self._faults[entry.fault] += 1
            if entry.reason is not None:
                self._refused += 1
                seen = ("number", "path", "status", "arrived_at", "reason")
                self._reasons.append({name: getattr(entry, name) for name in seen})

    def stray(self, path: str | None, status: int) -> None:
        """Count a request that no endpoint takes.

        `path` is `None` for an unknown one: the caller chose it, so it is neither kept, which
        could grow without end, nor shown.
        """
        with self._lock:
            self._count(path or OTHER_PATHS, status)

    def _count(self, path: str, status: int | None) -> None:
        self._by_path[path] += 1
        self._by_status[NO_ANSWER if status is None else str(status)] += 1

    def requests(self) -> list[dict[str, Any]]:
        """The last 1,000 write requests, oldest first, as JSON objects."""
        with self._lock:
            entries = list(self._requests)
        return [asdict(entry) for entry in entries]

    def stats(self) -> dict[str, Any]:
        """All counts, as a JSON object."""
        with self._lock:
            return {
                "requests": {
                    "total": self._by_path.total(),
                    "by_path": dict(self._by_path),
                    "by_status": dict(self._by_status),
                    "most_at_once": self._most_at_once,
                    "largest": {"items": self._largest_items, "bytes": self._largest_bytes},
                },
                "refused": {"total": self._refused, "reasons": list(self._reasons)},
                "faults": dict(self._faults),
            }

    def reset(self) -> None:
        """Forget everything; the next write request is number 1 again."""
        with self._lock:
            self._start_over()
