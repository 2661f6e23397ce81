"""What each page shows: a template and what it is filled with, read from the sandbox.

Every read is bounded, so that a page costs the same with ten events and with a million.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sandbox.hackle.sandbox import Sandbox
from sandbox.page import views
from sandbox.page.views import ROWS, Query, View, missing, newest, number


def events(sandbox: Sandbox, query: Query) -> View:
    """The newest events; the first page also has the counts."""
    context = views.events(sandbox.store, query, "event_key")
    if context["first"]:
        stats = sandbox.stats()
        context |= {"stats": stats, "faults": sum(stats["faults"].values())}
    return View("events.html", "Events", "events", context, live="before" not in query)


def event(sandbox: Sandbox, query: Query) -> View:
    """One event with all that is kept of it, by its `sequence`."""
    return views.event(sandbox.store, query)


def users(sandbox: Sandbox, query: Query) -> View:
    """The newest users."""
    before = number(query, "before")
    rows, older = newest(sandbox.store, "users", before)
    context = {
        "users": rows,
        "older": older,
        "first": before is None,
        "total": sandbox.store.counts()["users"],
    }
    return View("users.html", "Users", "users", context, live=before is None)


def user(sandbox: Sandbox, query: Query) -> View:
    """One user by `workspace` and `user_id`, with the newest events."""
    key: dict[str, Any] = {name: query.get(name, "") for name in ("workspace", "user_id")}
    found = sandbox.store.rows("users", limit=1, **key)
    if not found:
        return missing("users", "There is no such user (any more).")
    before = number(query, "before")
    rows, older = newest(sandbox.store, "events", before, **key)
    context = {
        "user": found[0],
        "events": rows,
        "older": older,
        "key": key,
        "first": before is None,
    }
    return View("user.html", "User", "users", context, live=before is None)


def properties(sandbox: Sandbox, _query: Query) -> View:
    """The property names seen, the most frequent ones first."""
    return views.properties(sandbox.store, "Each event that is stored counts.")


def requests(sandbox: Sandbox, query: Query) -> View:
    """The last write requests, newest first; with `only=refused` those that were refused."""
    return views.requests(sandbox.journal, query)


def search(sandbox: Sandbox, query: Query) -> View:
    """Users whose identifier begins with the text searched for."""
    text = query.get("user_id", "").strip()

    def beginning_with(start: str, limit: int) -> list[dict[str, Any]]:
        return sandbox.store.beginning_with("users", "user_id", start, limit=limit)

    found = beginning_with(text, ROWS + 1) if text else []
    instead = None
    if text and not found:
        instead = views.nearest(text, lambda other: bool(beginning_with(other, 1)))
    context = {"text": text, "most": ROWS, "instead": instead, "users": found}
    return View("search.html", "Search", "search", context, live=bool(text))


VIEWS: Final[Mapping[str, Callable[[Sandbox, Query], View]]] = {
    "/": events,
    "/page/event": event,
    "/page/users": users,
    "/page/user": user,
    "/page/properties": properties,
    "/page/requests": requests,
    "/page/search": search,
    "/page/forget": views.forget,
}
