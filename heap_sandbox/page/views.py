"""What each page shows: a template and what it is filled with, read from the sandbox.

Every read is bounded, so that a page costs the same with ten events and with a million.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from heap_sandbox.journal import LAST_REQUESTS
from heap_sandbox.page.chart import chart
from heap_sandbox.sandbox import Sandbox

ROWS: Final = 50
NAMES: Final = 500
CHARTS: Final = 3

Query = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class View:
    """`title` names the page, `nav` the place in the navigation that it belongs to.

    `live` tells whether the page is asked for again while it is open: older rows do not change.
    """

    template: str
    title: str
    nav: str
    context: Mapping[str, Any]
    live: bool = True
    status: int = 200


Read = Callable[[Sandbox, Query], View]


def events(sandbox: Sandbox, query: Query) -> View:
    """The newest events; the first page also has the counts and the use of the quota."""
    before = _number(query, "before")
    rows, older = _rows(sandbox, "events", before)
    context: dict[str, Any] = {"events": rows, "older": older, "first": before is None}
    if before is None:
        context |= _overview(sandbox)
    return View("events.html", "Events", "events", context, live=before is None)


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
    before = _number(query, "before")
    rows, older = _rows(sandbox, table, before)
    context = {
        "profiles": rows,
        "older": older,
        "table": table,
        "first": before is None,
        "total": sandbox.store.counts()[table],
    }
    return View("profiles.html", title, table, context, live=before is None)


def event(sandbox: Sandbox, query: Query) -> View:
    """One event with all its properties, by its `sequence`."""
    sequence = _number(query, "sequence") or 0
    found = sandbox.store.rows("events", after=sequence - 1, before=sequence + 1)
    if not found:
        return _missing("events", "There is no such event (any more).")
    return View("event.html", f"Event {sequence}", "events", {"event": found[0]}, live=False)


def user(sandbox: Sandbox, query: Query) -> View:
    """One user by `app_id` and `identity`, with the newest events."""
    key: dict[str, Any] = {"app_id": query.get("app_id", ""), "identity": query.get("identity", "")}
    found = sandbox.store.rows("users", limit=1, **key)
    if not found:
        return _missing("users", "There is no such user (any more).")
    before = _number(query, "before")
    rows, older = _rows(sandbox, "events", before, **key)
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
        return _missing("accounts", "There is no such account (any more).")
    return View("profile.html", "Account", "accounts", {"profile": found[0], "table": "accounts"})


def properties(sandbox: Sandbox, _query: Query) -> View:
    """The property names seen, the most frequent ones first."""
    names, more = sandbox.store.property_counts(limit=NAMES)
    return View("properties.html", "Properties", "properties", {"names": names, "more": more})


def requests(sandbox: Sandbox, query: Query) -> View:
    """The last write requests, newest first; with `only=refused` those that were refused."""
    only_refused = query.get("only") == "refused"
    found = sandbox.journal.requests()[::-1]
    if only_refused:
        found = [one for one in found if one["reason"] is not None]
    context = {
        "requests": found[: 2 * ROWS],
        "only_refused": only_refused,
        "refused": sandbox.journal.stats()["refused"]["total"],
        "remembered": LAST_REQUESTS,
    }
    return View("requests.html", "Requests", "requests", context)


def search(sandbox: Sandbox, query: Query) -> View:
    """Users and accounts whose key begins with `identity`."""
    text = query.get("identity", "").strip()
    found: dict[str, list[dict[str, Any]]] = {"users": [], "accounts": []}
    if text:
        for table, column in (("users", "identity"), ("accounts", "account_id")):
            found[table] = sandbox.store.beginning_with(table, column, text, limit=ROWS + 1)
    context = {"text": text, "most": ROWS, **found}
    return View("search.html", "Search", "search", context, live=bool(text))


def _rows(
    sandbox: Sandbox, table: str, before: int | None, **equal: Any
) -> tuple[list[dict[str, Any]], int | None]:
    """The newest rows below `before`, and where the next older ones begin."""
    rows = sandbox.store.rows(table, before=before, limit=ROWS + 1, newest_first=True, **equal)
    shown = rows[:ROWS]
    return shown, shown[-1]["sequence"] if len(rows) > ROWS else None


def _missing(nav: str, message: str) -> View:
    return View("missing.html", "Not found", nav, {"message": message}, live=False, status=404)


def _number(query: Query, name: str) -> int | None:
    """A whole number out of the query; `None` where there is none, or nonsense."""
    text = query.get(name, "")
    # 18 digits at most: more would not fit into SQLite's integers.
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


VIEWS: Final[Mapping[str, Read]] = {
    "/": events,
    "/page/event": event,
    "/page/users": users,
    "/page/user": user,
    "/page/accounts": accounts,
    "/page/account": account,
    "/page/properties": properties,
    "/page/requests": requests,
    "/page/search": search,
}
