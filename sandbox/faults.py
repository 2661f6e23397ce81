"""Faults on purpose: which request meets which trouble. Pure; knows no socket and no service.

The n-th write request gets the n-th draw of its seed, so a run can be repeated exactly, and
two clients that arrive in another order still meet the same row of faults.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final

from sandbox.answers import HTML, Answer

RESET_BEFORE: Final = "reset-before"
RESET_AFTER: Final = "reset-after"
HANG: Final = "hang"
HANG_AFTER: Final = "hang-after"


@dataclass(frozen=True, slots=True)
class Fault:
    """One drawn fault. `retry_seconds` is 0 or 1 and used only by the kinds that announce it."""

    kind: str
    retry_seconds: int


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """How often (`rate`, 0 to 1), by which `seed`, and out of which `kinds` faults are drawn."""

    rate: float
    seed: int
    kinds: tuple[str, ...]

    def draw(self, number: int) -> Fault | None:
        """The fault of write request `number` (counted from 1), or `None` for an honest answer."""
        if self.rate == 0:
            return None
        # A generator per number instead of one that runs on: the draw then depends on nothing
        # but seed and number, whatever was drawn before it.
        dice = random.Random(f"{self.seed}/{number}")
        if dice.random() >= self.rate:
            return None
        kind = self.kinds[int(dice.random() * len(self.kinds))]
        return Fault(kind, retry_seconds=int(dice.random() * 2))


def answer(fault: Fault, now: float) -> Answer:
    """What a fault answers at Unix time `now`. That of an `UNANSWERED` kind is never sent."""
    return _ANSWERS[fault.kind](fault, now)


def _always(answer: Answer) -> Callable[[Fault, float], Answer]:
    return lambda _fault, _now: answer


def _retry_after(text: str) -> Answer:
    return Answer(429, b"Too Many Requests", headers=(("Retry-After", text),))


def _after_seconds(fault: Fault, _now: float) -> Answer:
    return _retry_after(str(fault.retry_seconds))


def _after_date(_fault: Fault, now: float) -> Answer:
    # An HTTP date has whole seconds only: this one is 0.5 to 1.5 s ahead, never already past.
    return _retry_after(formatdate(int(now + 1.5), usegmt=True))


_NEVER_SENT: Final = Answer(0)
_HTML: Final = b"<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>"

# Retry-After comes as seconds or as an HTTP date: RFC 9110, section 10.2.3.
_ANSWERS: Final[dict[str, Callable[[Fault, float], Answer]]] = {
    "429": _always(Answer(429, b"Too Many Requests")),
    "429-seconds": _after_seconds,
    "429-date": _after_date,
    "500": _always(Answer(500, b"Internal Server Error")),
    "502-html": _always(Answer(502, _HTML, media_type=HTML)),
    "503": _always(Answer(503, b"Service Unavailable")),
    RESET_BEFORE: _always(_NEVER_SENT),
    RESET_AFTER: _always(_NEVER_SENT),
    HANG: _always(_NEVER_SENT),
    HANG_AFTER: _always(_NEVER_SENT),
}

HANGS: Final = frozenset({HANG, HANG_AFTER})
TAKEN: Final = frozenset({RESET_AFTER, HANG_AFTER})
"""The service takes what was sent, and the client does not hear of it."""
UNANSWERED: Final = frozenset({RESET_BEFORE, *TAKEN, *HANGS})

KINDS: Final = tuple(_ANSWERS)
WORDS: Final = {
    "429": "nothing was taken",
    "429-seconds": "nothing was taken; Retry-After in seconds",
    "429-date": "nothing was taken; Retry-After as a date",
    "500": "nothing was taken",
    "502-html": "nothing was taken; a gateway's page",
    "503": "nothing was taken",
    RESET_BEFORE: "nothing was taken, and the connection was reset",
    RESET_AFTER: "it was taken, and the connection reset before an answer",
    HANG: "nothing was taken, and no answer came until the connection was reset",
    HANG_AFTER: "it was taken, and no answer came until the connection was reset",
}
"""What each kind does to a request, for people."""
DEFAULT_KINDS: Final = tuple(kind for kind in KINDS if kind not in HANGS)
"""A hang outlasts most read timeouts, so it comes only to those who ask for it by name."""
