"""What came of a write request, in a word and a sentence. Pure.

Whoever watches a client has to tell apart what it did wrong, what it is to send again, and what
the stand-in was told to do to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sandbox.faults import WORDS

TOO_MANY: Final = 429


@dataclass(frozen=True, slots=True)
class Outcome:
    """`kind` is the name of a style; `word` stands beside the status, `fault` below."""

    kind: str
    word: str
    fault: str | None


def outcome(entry: dict[str, Any]) -> Outcome:
    """Of an entry of the request log, as `Journal.requests` has it."""
    kind, word = _by_status(entry["status"])
    fault = entry["fault"]
    return Outcome(kind, word, None if fault is None else f"{fault}: {WORDS[fault]}")


def _by_status(status: int | None) -> tuple[str, str]:
    if status is None:
        return "broken", "no answer"
    if status < 300:
        return "taken", "taken"
    if status == TOO_MANY:
        return "later", "too many, to be sent later"
    if status >= 500:
        return "failed", "failed, to be sent again"
    return "refused", "refused"
