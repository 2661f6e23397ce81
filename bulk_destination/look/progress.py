"""What a long sync says of itself every ten seconds. Pure: the clock is handed in.

While nothing happens at all, nothing is said.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from bulk_destination.ledger import Ledger

#: Seconds between two lines.
EVERY: Final = 10.0
#: Streams that a line names.
_MOST_STREAMS: Final = 10


@dataclass(slots=True)
class Progress:
    """When something could last be said, and what it was."""

    asked_at: float
    _read_then: int = 0
    _said: str = ""

    def due_in(self, now: float) -> float:
        """Seconds until the next line."""
        return max(0.0, self.asked_at + EVERY - now)

    def line(self, ledger: Ledger, now: float) -> str | None:
        """What to say now, if it is time and there is news; its rate is that of the last while."""
        if self.due_in(now):
            return None
        rate = (ledger.read - self._read_then) / (now - self.asked_at)
        self.asked_at, self._read_then = now, ledger.read
        skipped = ledger.skipped.total()
        counts = (
            f"{ledger.accepted:,} accepted, {ledger.rejected.total():,} rejected, "
            f"{f'{skipped:,} skipped, ' if skipped else ''}"
            f"{ledger.retries:,} retries, {ledger.throttled:.0f} s held up by the quota"
        )
        before, self._said = self._said, f"{ledger.read} {counts}"
        if self._said == before:
            return None
        return f"So far: {ledger.read:,} records read ({rate:,.0f}/s), {counts}"


def by_stream(ledgers: Iterable[tuple[str, Ledger]]) -> str:
    """How far each of several streams is, by its name; those without a record are left out."""
    said = [
        f"{name} {ledger.read:,} read, {ledger.accepted:,} accepted"
        + (f", {rejected:,} rejected" if (rejected := ledger.rejected.total()) else "")
        for name, ledger in ledgers
        if ledger.read
    ]
    more = f"; and {len(said) - _MOST_STREAMS} more" if len(said) > _MOST_STREAMS else ""
    return f"By stream: {'; '.join(said[:_MOST_STREAMS])}{more}"
