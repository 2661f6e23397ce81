"""What a page shows: a template and what it is filled with.

Every read is bounded, so that a page costs the same with ten events and with a million.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sandbox.database import Database
from sandbox.journal import LAST_REQUESTS, Journal

ROWS: Final = 50
NAMES: Final = 500

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


def event(database: Database, query: Query) -> View:
    """One event by its `sequence`."""
    sequence = number(query, "sequence") or 0
    found = database.rows("events", after=sequence - 1, before=sequence + 1)
    if not found:
        return missing("events", "There is no such event (any more).")
    return View("event.html", f"Event {sequence}", "events", {"event": found[0]}, live=False)


def properties(database: Database, about: str) -> View:
    """The property names seen, the most frequent ones first; `about` says what was counted."""
    names, more = database.property_counts(limit=NAMES)
    context = {"names": names, "more": more, "about": about}
    return View("properties.html", "Properties", "properties", context)


def requests(journal: Journal, query: Query) -> View:
    """The last write requests, newest first; with `only=refused` those that were refused."""
    only_refused = query.get("only") == "refused"
    found = journal.requests()[::-1]
    if only_refused:
        found = [one for one in found if one["reason"] is not None]
    context = {
        "requests": found[: 2 * ROWS],
        "only_refused": only_refused,
        "refused": journal.stats()["refused"]["total"],
        "remembered": LAST_REQUESTS,
    }
    return View("requests.html", "Requests", "requests", context)


def newest(
    database: Database, table: str, before: int | None, **equal: Any
) -> tuple[list[dict[str, Any]], int | None]:
    """The newest rows below `before`, and where the next older ones begin."""
    rows = database.rows(table, before=before, limit=ROWS + 1, newest_first=True, **equal)
    shown = rows[:ROWS]
    return shown, shown[-1]["sequence"] if len(rows) > ROWS else None


def missing(nav: str, message: str) -> View:
    """What a link shows that leads to something that is gone."""
    return View("missing.html", "Not found", nav, {"message": message}, live=False, status=404)


def number(query: Query, name: str) -> int | None:
    """A whole number out of the query; `None` where there is none, or nonsense."""
    text = query.get(name, "")
    # 18 digits at most: more would not fit into SQLite's integers.
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
