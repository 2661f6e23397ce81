"""The count of everything: what was read comes out as accepted, rejected or skipped. Pure."""

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

#: Reasons told apart. The service's words are part of some, so their number is not ours to know.
MAX_REASONS: Final = 100
#: Records from which on their number says something of the configuration.
ENOUGH_TO_JUDGE: Final = 100


@dataclass(slots=True)
class Ledger:
    """One sync in numbers. `merged` ones are among the accepted."""

    read: int = 0
    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    #: For each reason, the number of the first record (or line) that had it.
    first_position: dict[str, int] = field(default_factory=dict)
    #: Records that were not sent though no fault was found in them, by reason.
    skipped: Counter[str] = field(default_factory=Counter)
    #: Those of them that were to be sent, and had nothing to say.
    empty: int = 0
    #: Of the rejected: what the service refused, and what is a matter of the row alone.
    refused: int = 0
    of_rows: int = 0
    #: Fields that records had nothing for.
    lacking: set[str] = field(default_factory=set)
    #: What the first line is that was no message, in words that hold nothing of it.
    first_unreadable: str | None = None
    merged: int = 0
    truncated: int = 0
    left_out: int = 0
    requests: int = 0
    retries: int = 0
    #: Seconds in which the sync was held up by the quota.
    throttled: float = 0.0

    def add(self, other: "Ledger") -> None:
        """The counts of both."""
        for reason, position in other.first_position.items():
            self.first_position[reason] = min(position, self.first_position.get(reason, position))
        for name in ("rejected", "skipped", *_SUMMED):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.lacking |= other.lacking
        self.first_unreadable = self.first_unreadable or other.first_unreadable

    @property
    def waiting(self) -> int:
        """Records read and not settled."""
        return self.read - self.accepted - self.rejected.total() - self.skipped.total()

    def reject(self, position: int, reason: str) -> None:
        """Record `position` cannot land; `reason` holds no value."""
        if reason not in self.rejected and len(self.rejected) >= MAX_REASONS:
            reason = "other_reasons"
        self.rejected[reason] += 1
        # Lanes settle out of order: what comes first here need not be the first record.
        self.first_position[reason] = min(position, self.first_position.get(reason, position))

    def skip(self, reason: str, *, empty: bool) -> None:
        """One more record is not sent; `empty` if it was to be."""
        self.skipped[reason] += 1
        self.empty += empty

    def blame(self, *, of_row: bool, lacks: str | None) -> None:
        """What the connector rejects by itself: as `Rejected` has it."""
        self.of_rows += of_row
        if lacks is not None:
            self.lacking.add(lacks)

    @property
    def judged(self) -> int:
        """What was accepted or rejected so far."""
        return self.accepted + self.rejected.total()

    @property
    def none_accepted(self) -> bool:
        """Whether there was something to send, and nothing of it was accepted.

        What its source deleted is nothing to send; an update without a property is, as a property
        column is most likely misspelled.
        """
        return not self.accepted and bool(self.rejected or self.empty)

    @property
    def balances(self) -> bool:
        """Whether read = accepted + rejected + skipped."""
        return not self.waiting

    def reasons(self) -> str:
        """`identity_missing: 3 (first at record 17), ...`, the most frequent first."""
        return ", ".join(
            f"{reason}: {count} (first at record {self.first_position[reason]})"
            for reason, count in self.rejected.most_common()
        )

    def skips(self) -> str:
        """`deleted_in_source: 2, ...`, the most frequent first."""
        return ", ".join(f"{reason}: {count}" for reason, count in self.skipped.most_common())

    def planned(self) -> str:
        """`Records: 3 read, 2 would be sent, ...`, where nothing is sent."""
        return (
            f"Records: {self.read:,} read, {self.accepted:,} would be sent, "
            f"{self.rejected.total():,} rejected, {self.skipped.total():,} skipped"
        )

    def line(self, seconds: float, of: str | None = None) -> str:
        """The closing log line: `Ledger: {json}`; `of` names one stream of several.

        Of such a one it tells no requests: they hold records of others, too.
        """
        counts = {
            "read": self.read,
            "accepted": self.accepted,
            "rejected": self.rejected.total(),
            "rejected_by_reason": dict(self.rejected.most_common()),
            "rejected_first_at": self.first_position,
            "skipped": self.skipped.total(),
            "skipped_by_reason": dict(self.skipped.most_common()),
            "merged": self.merged,
            "truncated": self.truncated,
            "left_out": self.left_out,
        }
        if of is not None:
            return f"Ledger of stream {of}: {json.dumps(counts)}"
        counts |= {
            "requests": self.requests,
            "retries": self.retries,
            "throttled_seconds": round(self.throttled, 3),
            "seconds": round(seconds, 3),
        }
        return f"Ledger: {json.dumps(counts)}"


_SUMMED: Final = (
    *("read", "accepted", "empty", "refused", "of_rows", "merged", "truncated", "left_out"),
    *("requests", "retries", "throttled"),
)


class Ledgers:
    """A ledger for each stream, and one for what belongs to none of them.

    One stream alone has all in one, so that it is told as it always was.
    """

    def __init__(self, streams: int) -> None:
        self.of_streams = [Ledger() for _ in range(streams)]
        self.elsewhere = Ledger() if streams > 1 else self.of_streams[0]

    def of(self, stream: int | None) -> Ledger:
        """The ledger of one stream; None: of none in the catalog."""
        return self.elsewhere if stream is None else self.of_streams[stream]

    @property
    def all(self) -> Ledger:
        """The sum; what is changed in it is lost, unless there is one stream."""
        if len(self.of_streams) == 1:
            return self.elsewhere
        total = Ledger()
        for ledger in (*self.of_streams, self.elsewhere):
            total.add(ledger)
        return total
