"""A local Hackle as an object: events to write, and what it holds to read back.

    POST headers and body -> validation -> store -> answer

`app` puts it on HTTP; tests may call it directly.
"""

from __future__ import annotations

import hashlib
import time
from typing import Any

from sandbox.answers import Answer
from sandbox.hackle import validation
from sandbox.hackle.options import SandboxOptions
from sandbox.hackle.store import Store
from sandbox.hackle.validation import ValidationError
from sandbox.intake import Clock, Write
from sandbox.standin import StandIn


class Sandbox(StandIn[SandboxOptions, Store]):
    """One Hackle with everything it was sent.

    Each event has `sequence`, `workspace`, `insert_id`, `timestamp` (Unix milliseconds),
    `user_id`, `event_key`, `value`, `properties`, `sent` (the event as it came) and `received_at`
    (Unix seconds); each user has `sequence`, `workspace`, `user_id`, `properties`, `created_at`
    and `updated_at`. Raises `sqlite3.Error` if the file named by the options is no database.
    """

    def __init__(
        self, options: SandboxOptions | None = None, *, clock: Clock = time.time, url: str = ""
    ) -> None:
        chosen = options or SandboxOptions()
        store = Store(chosen.db, deduplicate=chosen.deduplicate)
        super().__init__(chosen, store, clock=clock, url=url)

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

    def stats(self) -> dict[str, Any]:
        """Counts of everything; the shape is that of `GET /stats`."""
        return {
            **self.store.counts(),
            "deduplicates": self.options.deduplicate,
            "repeats_absorbed": self.repeats,
            **self.journal.stats(),
        }


def workspace_of(sdk_key: str) -> str:
    """A name for what one SDK key writes to; the key is a secret and is not kept."""
    return hashlib.sha256(sdk_key.encode()).hexdigest()[:12]
