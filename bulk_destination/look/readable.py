"""What a sync says to a platform, line by line, as a person reads it. Pure.

States and statuses are for the platform alone; a person is told the counts.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from bulk_destination.look.shown_values import plain

_LEDGER: Final = "Ledger"
#: A dry run's plan for machines; people were told it line by line.
_PLAN: Final = "Plan: {"
#: By the level of a log message: how it looks.
_STYLES: Final = {"WARN": "yellow", "ERROR": "red", "FATAL": "red"}


def readable(line: bytes) -> tuple[str, str] | None:
    """The text and the style of a line on stdout; None, if it says nothing to a person."""
    message = json.loads(line)
    match message:
        case {"type": "LOG", "log": {"message": words}} if words.startswith(_PLAN):
            return None
        case {"type": "LOG", "log": {"level": level, "message": words}}:
            return plain(told(words)), _STYLES.get(level, "")
        case {"type": "TRACE", "trace": {"type": "ERROR", "error": {"message": words}}}:
            return plain(words), "bold red"
    return None


def told(words: str) -> str:
    """A log message; the counts in a closing one as a person would say them."""
    begun, found, counts = words.partition(": {")
    if not (found and begun.startswith(_LEDGER)):
        return words
    with suppress(KeyError, TypeError, ValueError):  # No reason to end a sync.
        return f"{begun}: {counted(json.loads(f'{{{counts}'))}"
    return words


def counted(ledger: Mapping[str, Any]) -> str:
    """The counts of a closing line, less those that are nothing.

    >>> counted({"read": 1200, "accepted": 1200, "rejected": 0, "requests": 2, "seconds": 1.25})
    '1,200 records read, 1,200 accepted, 0 rejected; 2 requests; 1.2 s'
    """
    told = [f"{ledger['read']:,} records read", f"{ledger['accepted']:,} accepted"]
    reasons = ", ".join(
        f"{reason} {count:,}" for reason, count in ledger.get("rejected_by_reason", {}).items()
    )
    told.append(f"{ledger['rejected']:,} rejected{f' ({reasons})' if reasons else ''}")
    told += [
        f"{ledger[name]:,} {words}"
        for name, words in (
            ("skipped", "skipped"),
            ("merged", "sent as one with a later update"),
            ("truncated", "texts cut"),
            ("left_out", "values left out"),
        )
        if ledger.get(name)
    ]
    ended = []
    if requests := ledger.get("requests"):
        again = f", {ledger['retries']:,} of them again" if ledger.get("retries") else ""
        ended.append(f"{requests:,} {'request' if requests == 1 else 'requests'}{again}")
    if "seconds" in ledger:  # of all, not of one stream
        ended.append(f"{ledger['seconds']:.1f} s")
    if ledger.get("throttled_seconds"):
        ended.append(f"{ledger['throttled_seconds']:.0f} s of these waiting for the quota")
    return "; ".join([", ".join(told), *ended])
