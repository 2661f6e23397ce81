"""What each page shows: a template and what it is filled with, read from the sandbox.

Every read is bounded, so that a page costs the same with ten events and with a million.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sandbox.heap.sandbox import Sandbox
from sandbox.page import views
from sandbox.page.chart import chart
from sandbox.page.views import ROWS, Query, View, missing, newest, number

CHARTS: Final = 3

Read = Callable[[Sandbox, Query], View]


def events(sandbox: Sandbox, query: Query) -> View:
    """The newest events; the first page also has the counts and the use of the quota."""
    context = views.events(sandbox.store, query, "event")
    if context["first"]:
        context |= _overview(sandbox)
    return View("events.html", "Events", "events", context, live="before" not in query)


def _overview(sandbox: Sandbox) -> dict[str, Any]:
    stats = sandbox.stats()
    options = sandbox.options
    limit = (options.events_per_minute or None) if options.quotas else None
    uses = sorted(sandbox.use_over_time(), key=lambda use: -use.used[-1])
    return {
        "stats": stats,
        "charts": [chart(use, limit) for use in uses[:CHARTS]],
        "faults": sum(stats["faults"].values()),
        "window_seconds": options.quota_window_seconds,
    }


def users(sandbox: Sandbox, query: Query) -> View:
    """The newest users."""
    return _profiles(sandbox, query, "users", "Users")


def accounts(sandbox: Sandbox, query: Query) -> View:
    """The newest accounts."""
    return _profiles(sandbox, query, "accounts", "Accounts")


def _profiles(sandbox: Sandbox, query: Query, table: str, title: str) -> View:
    before = number(query, "before")
    rows, older = newest(sandbox.store, table, before)
    context = {
        "profiles": rows,
        "older": older,
        "table": table,
        "first": before is None,
        "total": sandbox.store.counts()[table],
    }
    return View("profiles.html", title, table, context, live=before is None)


def deletions(sandbox: Sandbox, query: Query) -> View:
    """The users who were deleted last."""
    before = number(query, "before")
    rows, older = newest(sandbox.store, "deletions", before)
    context = {
        "deletions": rows,
        "older": older,
        "first": before is None,
        "total": sandbox.store.counts()["deletions"],
    }
    return View("deletions.html", "Deleted users", "deletions", context, live=before is None)


def event(sandbox: Sandbox, query: Query) -> View:
    """One event with all its properties, by its `sequence`."""
    return views.event(sandbox.store, query)


def user(sandbox: Sandbox, query: Query) -> View:
    """One user by `app_id` and `identity`, with the newest events."""
    key: dict[str, Any] = {"app_id": query.get("app_id", ""), "identity": query.get("identity", "")}
    found = sandbox.store.rows("users", limit=1, **key)
    if not found:
        return missing("users", "There is no such user (any more).")
    before = number(query, "before")
    rows, older = newest(sandbox.store, "events", before, **key)
    context = {
        "profile": found[0],
        "events": rows,
        "older": older,
        "table": "users",
        "key": key,
        "first": before is None,
    }
    return View("profile.html", "User", "users", context, live=before is None)


def account(sandbox: Sandbox, query: Query) -> View:
    """One account by `app_id` and `account_id`."""
    key: dict[str, Any] = {
        "app_id": query.get("app_id", ""),
        "account_id": query.get("account_id", ""),
    }
    found = sandbox.store.rows("accounts", limit=1, **key)
    if not found:
        return missing("accounts", "There is no such account (any more).")
    return View("profile.html", "Account", "accounts", {"profile": found[0], "table": "accounts"})


def properties(sandbox: Sandbox, _query: Query) -> View:
    """The property names seen, the most frequent ones first."""
    return views.properties(
        sandbox.store,
        "In Heap a name stays for ever. Of events, each one that is stored counts; of users and "
        "accounts, each update.",
    )


def requests(sandbox: Sandbox, query: Query) -> View:
    """The last write requests, newest first; with `only=refused` those that were refused."""
    return views.requests(sandbox.journal, query)


def search(sandbox: Sandbox, query: Query) -> View:
    """Users and accounts whose key begins with `identity`."""
    text = query.get("identity", "").strip()
    found: dict[str, list[dict[str, Any]]] = {"users": [], "accounts": []}
    if text:
        for table, column in (("users", "identity"), ("accounts", "account_id")):
            found[table] = sandbox.store.beginning_with(table, column, text, limit=ROWS + 1)
    instead = None
    if text and not any(found.values()):
        instead = views.nearest(text, lambda other: _begins(sandbox, other))
    context = {"text": text, "most": ROWS, "instead": instead, **found}
    return View("search.html", "Search", "search", context, live=bool(text))


def _begins(sandbox: Sandbox, text: str) -> bool:
    return any(
        sandbox.store.beginning_with(table, column, text, limit=1)
        for table, column in (("users", "identity"), ("accounts", "account_id"))
    )


VIEWS: Final[Mapping[str, Read]] = {
    "/": events,
    "/page/event": event,
    "/page/users": users,
    "/page/user": user,
    "/page/accounts": accounts,
    "/page/account": account,
    "/page/deletions": deletions,
    "/page/properties": properties,
    "/page/requests": requests,
    "/page/search": search,
    "/page/forget": views.forget,
}
