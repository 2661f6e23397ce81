"""A local Hackle as an object: events to write, and what it holds to read back.

    POST headers and body -> validation -> store -> answer

`app` puts it on HTTP; tests may call it directly.
"""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Any

from hackle_sandbox import validation
from hackle_sandbox.options import SandboxOptions
from hackle_sandbox.store import Store
from hackle_sandbox.validation import ValidationError
from sandbox.answers import Answer
from sandbox.intake import Clock, Write
from sandbox.journal import Journal


class Sandbox:
    """One Hackle with everything it was sent. Safe to use from any thread.

    `clock` returns Unix seconds; it dates what arrives. Raises `sqlite3.Error` if the file named
    by the options is no database.
    """

    def __init__(
        self, options: SandboxOptions | None = None, *, clock: Clock = time.time, url: str = ""
    ) -> None:
        self.options = options or SandboxOptions()
        self.url = url
        self.clock = clock
        self.journal = Journal()
        self._lock = threading.RLock()
        self.store = Store(self.options.db, deduplicate=self.options.deduplicate)
        self._repeats = 0
        self._poison = frozenset(self.options.poison)

    def track(self, write: Write) -> Answer:
        """`POST /api/v2/events`: all events of a request, or none. Any 2xx is success."""
        try:
            key = validation.read_key(write.headers)
            events = validation.read_events(write.body, self._poison)
        except ValidationError as fault:
            text = fault.message(quote=self.options.quote_values)
            return Answer(fault.status, text.encode(), items=fault.items, reason=fault.message())
        with self._lock:
            self._repeats += self.store.add_events(workspace_of(key), events, self.clock())
        return Answer(200, items=len(events))

    # What the sandbox offers beside.

    def events(
        self,
        *,
        workspace: str | None = None,
        user_id: str | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """Stored events, oldest first: those numbered above `after`, all of them by default.

        Each has `sequence`, `workspace`, `insert_id`, `timestamp` (Unix milliseconds),
        `user_id`, `event_key`, `value`, `properties`, `sent` (the event as it came) and
        `received_at` (Unix seconds).
        """
        return self.store.rows(
            "events", workspace=workspace, user_id=user_id, after=after, limit=limit
        )

    def users(
        self,
        *,
        workspace: str | None = None,
        user_id: str | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """Users in the order of their first sight.

        Each has `sequence`, `workspace`, `user_id`, `properties`, `created_at` and `updated_at`.
        """
        return self.store.rows(
            "users", workspace=workspace, user_id=user_id, after=after, limit=limit
        )

    def requests(self) -> list[dict[str, Any]]:
        """The last 1,000 write requests, oldest first; see `journal.Entry`."""
        return self.journal.requests()

    def stats(self) -> dict[str, Any]:
        """Counts of everything; the shape is that of `GET /stats`."""
        with self._lock:
            repeats = self._repeats
        return {
            **self.store.counts(),
            "deduplicates": self.options.deduplicate,
            "repeats_absorbed": repeats,
            **self.journal.stats(),
        }

    def reset(self) -> None:
        """Empty everything: data, counts and the request log."""
        with self._lock:
            self.store.reset()
            self._repeats = 0
            self.journal.reset()

    def close(self) -> None:
        """Close the store."""
        self.store.close()


def workspace_of(sdk_key: str) -> str:
    """A name for what one SDK key writes to; the key is a secret and is not kept."""
    return hashlib.sha256(sdk_key.encode()).hexdigest()[:12]
