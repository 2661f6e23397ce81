"""What any stand-in is as an object, whatever its service takes: it keeps, counts and forgets."""

from __future__ import annotations

import threading
from typing import Any, Generic, TypeVar

from sandbox.database import Database
from sandbox.intake import Clock
from sandbox.journal import Journal
from sandbox.options import ServiceOptions

Options = TypeVar("Options", bound=ServiceOptions)
Store = TypeVar("Store", bound=Database)


class StandIn(Generic[Options, Store]):
    """One service with everything it was sent. Safe to use from any thread.

    `clock` returns Unix seconds; it dates what arrives. `url` says where it listens.
    """

    def __init__(self, options: Options, store: Store, *, clock: Clock, url: str) -> None:
        self.options = options
        self.store = store
        self.clock = clock
        self.url = url
        self.journal = Journal()
        self._lock = threading.RLock()
        self._repeats = 0
        self._poison = frozenset(options.poison)

    def events(
        self,
        *,
        after: int = 0,
        limit: int | None = None,
        most_bytes: int | None = None,
        **whose: Any,
    ) -> list[dict[str, Any]]:
        """Stored events, oldest first: those numbered above `after`, all of them by default.

        `whose` names columns and what must be in them; None is no condition.
        """
        return self.store.rows("events", after=after, limit=limit, most_bytes=most_bytes, **whose)

    def users(
        self,
        *,
        after: int = 0,
        limit: int | None = None,
        most_bytes: int | None = None,
        **whose: Any,
    ) -> list[dict[str, Any]]:
        """Users in the order of their first sight; chosen as events are."""
        return self.store.rows("users", after=after, limit=limit, most_bytes=most_bytes, **whose)

    def requests(self) -> list[dict[str, Any]]:
        """The last 1,000 write requests, oldest first; see `journal.Entry`."""
        return self.journal.requests()

    @property
    def repeats(self) -> int:
        """How many repeats were absorbed."""
        with self._lock:
            return self._repeats

    def reset(self) -> None:
        """Empty everything: data, counts and the request log."""
        with self._lock:
            self.store.reset()
            self._repeats = 0
            self.journal.reset()

    def close(self) -> None:
        """Close the store."""
        self.store.close()
