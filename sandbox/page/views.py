"""What a page shows: a template and what it is filled with.

Every read is bounded, so that a page costs the same with ten events and with a million.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sandbox.database import Database
from sandbox.http import Service
from sandbox.journal import LAST_REQUESTS, Journal
from sandbox.page.outcomes import outcome

ROWS: Final = 50
NAMES: Final = 500
#: Event names on the first page; that of properties has `NAMES` of them.
FIRST_NAMES: Final = 12
#: Of a text that is searched for in vain, so many characters are looked at.
LONGEST_SEARCHED: Final = 64

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


def events(database: Database, query: Query, column: str) -> dict[str, Any]:
    """What a page of events shows: the newest, those before `before`, those that are `named`.

    `column` holds the events' names.
    """
    before, named = number(query, "before"), query.get("event")
    rows, older = newest(database, "events", before, **{column: named})
    first = before is None and named is None
    names, more = database.event_counts(limit=FIRST_NAMES) if first else ([], 0)
    link = {} if named is None else {"event": named}
    return {
        "events": rows,
        "older": older and {**link, "before": older},
        "newest": link if before is not None else None,
        "first": first,
        "named": named,
        "of_that_name": 0 if named is None else database.event_count(named),
        "names": names,
        "more": more,
    }


def properties(database: Database, about: str) -> View:
    """The names seen, the most frequent ones first; `about` says what of properties was counted."""
    names, more = database.property_counts(limit=NAMES)
    event_names, more_events = database.event_counts(limit=NAMES)
    context = {
        "names": names,
        "more": more,
        "about": about,
        "event_names": event_names,
        "more_events": more_events,
    }
    return View("properties.html", "Names", "properties", context)


def forget(service: Service, _query: Query) -> View:
    """Asks before everything is deleted; `POST /reset` does it."""
    stats = service.stats()
    counts = {name: stats[name] for name in ("events", "users", "accounts") if name in stats}
    context = {"counts": counts, "requests": stats["requests"]["total"]}
    return View("forget.html", "Forget all?", "events", context, live=False)


def nearest(text: str, is_there: Callable[[str], bool]) -> str | None:
    """What else to search for where nothing begins with `text`; `is_there` asks for one text.

    The longest beginning of it with which something begins, in its own letters or in others.
    """
    for length in range(min(len(text), LONGEST_SEARCHED), 0, -1):
        begun = text[:length]
        for each in (begun, begun.lower(), begun.upper(), begun.title()):
            if each != text and is_there(each):
                return each
    return None


def requests(journal: Journal, query: Query) -> View:
    """The last write requests, newest first.

    With `only=refused` those that were refused, with `only=faults` those that met one on purpose.
    """
    only = query.get("only")
    told_by = {"refused": "reason", "faults": "fault"}.get(only or "")
    found = journal.requests()[::-1]
    if told_by is not None:
        found = [one for one in found if one[told_by] is not None]
    stats = journal.stats()
    context = {
        "requests": [{**one, "outcome": outcome(one)} for one in found[: 2 * ROWS]],
        "only": only if told_by else None,
        "refused": stats["refused"]["total"],
        "faults": sum(stats["faults"].values()),
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


def missing(nav: str, message: str, *, status: int = 404) -> View:
    """What a link shows that leads to something that is gone, or to no page."""
    context = {"message": message, "about": nav}
    return View("missing.html", "Not found", nav, context, live=False, status=status)


def number(query: Query, name: str) -> int | None:
    """A whole number out of the query; `None` where there is none, or nonsense."""
    text = query.get(name, "")
    # 18 digits at most: more would not fit into SQLite's integers.
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
