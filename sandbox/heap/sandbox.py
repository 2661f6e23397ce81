"""A local Heap as an object: its APIs to write to, and what they hold to read back.

    POST body -> validation -> quotas -> store -> answer

`app` puts it on HTTP; tests may call it directly.
"""

from __future__ import annotations

import secrets
import time
import uuid
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from sandbox.answers import JSON, Answer
from sandbox.heap import validation
from sandbox.heap.options import SandboxOptions
from sandbox.heap.store import Store
from sandbox.heap.validation import Event, Form, Item, Profile, Request, ValidationError
from sandbox.history import UseHistory, UseOverTime
from sandbox.intake import Clock, Write
from sandbox.quotas import SlidingWindow, Use
from sandbox.standin import StandIn


class Sandbox(StandIn[SandboxOptions, Store]):
    """One Heap with everything it was sent.

    Each event has `sequence`, `app_id`, `event`, `identity`, `user_id`, `timestamp` (as sent; the
    time of receipt if none was), `properties`, `idempotency_key` and `received_at` (Unix
    seconds); each user has `sequence`, `app_id`, `identity`, `properties`, `created_at` and
    `updated_at`. The clock moves the quota window, too. Raises `sqlite3.Error` if the file named
    by the options is no database.
    """

    def __init__(
        self, options: SandboxOptions | None = None, *, clock: Clock = time.time, url: str = ""
    ) -> None:
        chosen = options or SandboxOptions()
        super().__init__(chosen, Store(chosen.db), clock=clock, url=url)
        self._window = SlidingWindow(self.options.quota_window_seconds)
        self._user_requests = SlidingWindow(self.options.quota_window_seconds / 2)
        self._history = UseHistory(self.options.quota_window_seconds)
        #: The environment of each token, and when it ends.
        self._tokens: dict[str, tuple[str, float]] = {}

    # What Heap offers.

    def track(self, body: bytes) -> Answer:
        """`POST /api/track`, single or bulk."""
        return self._take(validation.TRACK, body, self._add_events)

    def add_user_properties(self, body: bytes) -> Answer:
        """`POST /api/add_user_properties`, single or bulk."""
        return self._take(validation.ADD_USER_PROPERTIES, body, self._add_users)

    def add_account_properties(self, body: bytes) -> Answer:
        """`POST /api/add_account_properties`, single or bulk."""
        return self._take(validation.ADD_ACCOUNT_PROPERTIES, body, self._add_accounts)

    def _take(
        self, form: Form[Item], body: bytes, add: Callable[[Request[Item]], Answer]
    ) -> Answer:
        try:
            request = form.read(body, self._poison)
        except ValidationError as fault:
            text = fault.message(quote=self.options.quote_values)
            return Answer(400, text.encode(), items=fault.items, reason=fault.message())
        with self._lock:
            return add(request)

    # Errors of these three have an `err` with a `message` (user-deletion page). That the key is the
    # environment's is all that Basic says; a token is of the environment that it was given for.

    def auth_token(self, write: Write) -> Answer:
        """`POST /api/public/v0/auth_token`: a token for the environment and its key."""
        app_id = self._basic(write.headers.get("authorization", ""))
        if app_id is None:
            return _error(401, "Unauthorized")
        with self._lock:
            token = secrets.token_urlsafe(24)
            self._tokens[token] = app_id, self.clock() + self.options.token_seconds
        return _json(200, {"access_token": token})

    def user_deletion(self, write: Write) -> Answer:
        """`POST /api/public/v0/user_deletion`, up to 10,000 users; they are gone at once."""
        app_id = self._of_token(write)
        if app_id is None:
            return _error(401, "Unauthorized")
        if not self.options.main_production:
            return _error(403, "Unauthorized: app_id is not the Main Production environment")
        try:
            request = validation.USER_DELETION.read(write.body, self._poison, app_id)
        except ValidationError as fault:
            text = fault.message(quote=self.options.quote_values)
            return _error(400, text, items=fault.items, reason=fault.message())
        number = str(uuid.uuid4())
        with self._lock:
            now = self.clock()
            self.store.delete_users(app_id, number, request.items, now)
        return _json(
            201,
            {
                "deletion_request_location": f"/api/public/v0/deletion_status/{number}",
                "deletion_request_id": number,
                "status": "pending",
            },
            items=len(request.items),
        )

    def deletion_status(self, write: Write) -> Answer:
        """`GET /api/public/v0/deletion_status/{number}`."""
        app_id = self._of_token(write)
        if app_id is None:
            return _error(401, "Unauthorized")
        asked = self.store.rows("deletions", limit=1, request=write.named.get("number", ""))
        if not asked or asked[0]["app_id"] != app_id:
            return _error(404, "Deletion request not found")
        is_done = self.clock() >= asked[0]["asked_at"] + self.options.deletion_seconds
        return _json(200, {"status": "complete" if is_done else "pending"})

    def _basic(self, header: str) -> str | None:
        kind, _, coded = header.partition(" ")
        try:
            app_id, _, key = b64decode(coded, validate=True).decode().partition(":")
        except ValueError:
            return None
        is_known = kind.lower() == "basic" and key == self.options.api_key
        return app_id if is_known and app_id.isascii() and app_id.isdigit() else None

    def _of_token(self, write: Write) -> str | None:
        """The environment that a token was given for, if it lives."""
        token = write.headers.get("authorization", "").removeprefix("Bearer ")
        with self._lock:
            app_id, until = self._tokens.get(token, ("", 0.0))
            if self.clock() < until:
                return app_id
            self._tokens.pop(token, None)
        return None

    def _add_events(self, request: Request[Event]) -> Answer:
        now = self.clock()
        count = len(request.items)
        over = self._window.admit(now, list(self._uses(request)))
        if over is not None:
            whose = "identity" if isinstance(over.key, tuple) else "app_id"
            self._history.refuse(now, request.app_id, count)
            reason = f"over {over.limit} events in {self._seconds:g} s for one {whose}"
            return Answer(429, b"Too Many Requests", items=count, reason=reason)
        self._history.take(now, request.app_id, count)
        self._repeats += self.store.add_events(request.app_id, request.items, now)
        return Answer(200, b"{}", JSON, items=count)

    def _add_users(self, request: Request[Profile]) -> Answer:
        now, count = self.clock(), len(request.items)
        over = self._user_requests.admit(now, list(self._uses_of_users(request)))
        if over is not None:
            reason = f"over {over.limit} requests in {self._seconds / 2:g} s for one identity"
            return Answer(429, b"Too Many Requests", items=count, reason=reason)
        self.store.add_user_properties(request.app_id, request.items, now)
        return Answer(200, b"{}", JSON, items=len(request.items))

    def _add_accounts(self, request: Request[Profile]) -> Answer:
        self.store.add_account_properties(request.app_id, request.items, self.clock())
        return Answer(200, b"OK", items=len(request.items))

    # The bulk track page counts events per app_id and per identity; an event without identity
    # is counted under its user_id.

    def _uses(self, request: Request[Event]) -> Iterable[Use]:
        if not self.options.quotas:
            return
        yield Use(request.app_id, len(request.items), self.options.events_per_minute or None)
        senders = Counter((event.identity, event.user_id) for event in request.items)
        for sender, count in senders.items():
            limit = self.options.events_per_identity_per_minute or None
            yield Use((request.app_id, *sender), count, limit)

    # The page of the single add_user_properties counts requests per identity. The page of the bulk
    # form, with the same address, says nothing; a request counts once for each it is about.

    def _uses_of_users(self, request: Request[Profile]) -> Iterable[Use]:
        limit = self.options.user_requests_per_identity
        if self.options.quotas and limit:
            for identity in {user.key for user in request.items}:
                yield Use((request.app_id, identity), 1, limit)

    @property
    def _seconds(self) -> float:
        return self.options.quota_window_seconds

    # What the sandbox offers beside.

    def accounts(
        self,
        *,
        after: int = 0,
        limit: int | None = None,
        most_bytes: int | None = None,
        **whose: Any,
    ) -> list[dict[str, Any]]:
        """Accounts in the order of their first sight; as users, with `account_id`."""
        return self.store.rows("accounts", after=after, limit=limit, most_bytes=most_bytes, **whose)

    def deletions(
        self,
        *,
        after: int = 0,
        limit: int | None = None,
        most_bytes: int | None = None,
        **whose: Any,
    ) -> list[dict[str, Any]]:
        """Users who were deleted, in that order, each with `request`, by which it was asked.

        `events` counts what went with them; a user who is deleted again is there again.
        """
        return self.store.rows(
            "deletions", after=after, limit=limit, most_bytes=most_bytes, **whose
        )

    def use_over_time(self) -> list[UseOverTime]:
        """Events taken by the quota window, for the last ten windows, by app_id."""
        with self._lock:
            return self._history.over_time(self.clock())

    def stats(self) -> dict[str, Any]:
        """Counts of everything; the shape is that of `GET /stats`."""
        with self._lock:
            used = self._window.used(self.clock())
        busiest: dict[str, int] = {}
        for key, count in used.items():
            if isinstance(key, tuple):
                busiest[key[0]] = max(busiest.get(key[0], 0), count)
        return {
            **self.store.counts(),
            "repeats_absorbed": self.repeats,
            **self.journal.stats(),
            "quotas": {
                "kept": self.options.quotas,
                "window_seconds": self.options.quota_window_seconds,
                "events_per_minute": self.options.events_per_minute,
                "events_per_identity_per_minute": self.options.events_per_identity_per_minute,
                "user_requests_per_identity": self.options.user_requests_per_identity,
                "in_window": {
                    key: {"events": count, "most_of_one_identity": busiest[key]}
                    for key, count in used.items()
                    if isinstance(key, str)
                },
            },
        }

    def reset(self) -> None:
        """Empty everything: data, quotas, counts and the request log."""
        with self._lock:
            super().reset()
            self._window.clear()
            self._user_requests.clear()
            self._history.clear()
            self._tokens.clear()


def _json(status: int, document: dict[str, str], items: int | None = None) -> Answer:
    return Answer(status, orjson.dumps(document), JSON, items=items)


def _error(
    status: int, message: str, items: int | None = None, reason: str | None = None
) -> Answer:
    body = orjson.dumps({"err": {"message": message}})
    return Answer(status, body, JSON, items=items, reason=reason or message)
