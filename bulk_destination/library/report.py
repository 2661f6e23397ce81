"""What a load came to: a frozen value, which can be pickled and added. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bulk_destination.ledger import Ledger
from bulk_destination.library.tables import Shown, Table
from bulk_destination.mapping.values import Adjustments


@dataclass(frozen=True, slots=True)
class Reason:
    """Why rows were rejected or skipped."""

    #: As in the tables of reasons of the documentation.
    reason: str
    #: How many rows.
    count: int
    #: The number of the first of them, from 1; of skipped rows it is not kept (0).
    first: int = 0


@dataclass(frozen=True, slots=True)
class Report(Shown):
    """A load in numbers. `read = accepted + rejected + skipped` at the end.

    Shows itself as a table, in a terminal and in a notebook. It holds no value of a row. Reports of
    parts of one load (of Spark's tasks) add up: `sum(reports, Report())`.
    """

    #: Rows that were taken from the caller.
    read: int = 0
    #: Rows that the service has; merged ones are among them.
    accepted: int = 0
    #: Rows that cannot land, the most frequent reason first.
    rejected_by_reason: tuple[Reason, ...] = ()
    #: Rows that were not sent though no fault was found in them.
    skipped_by_reason: tuple[Reason, ...] = ()
    #: How many leading rows are safe: accepted, or rejected and written down.
    settled: int = 0
    #: Updates of one user or account that went as one with a later one.
    merged: int = 0
    #: Values that were cut to fit the service.
    truncated: int = 0
    #: Values that were left out, as the service takes none such.
    left_out: int = 0
    #: Requests sent, repeats included.
    requests: int = 0
    #: How many of them were repeats.
    retries: int = 0
    #: From the first row to the last answer.
    seconds: float = 0.0
    #: Seconds in which the service's quota held the load up.
    throttled_seconds: float = 0.0
    #: Names of properties that were sent, sorted: of the first thousand rows all, and then of one
    #: in 64.
    property_names: tuple[str, ...] = ()
    #: What to look at: columns that no row had, texts that were cut, and the like.
    warnings: tuple[str, ...] = ()

    @property
    def rejected(self) -> int:
        """Rows that cannot land."""
        return sum(each.count for each in self.rejected_by_reason)

    @property
    def skipped(self) -> int:
        """Rows that were not sent though no fault was found in them."""
        return sum(each.count for each in self.skipped_by_reason)

    def __add__(self, other: "Report") -> "Report":
        """Both as one. The seconds are those of the longer, as parts run side by side.

        First positions and `settled` are of parts, so in a sum they say nothing of all rows.
        """
        return Report(
            read=self.read + other.read,
            accepted=self.accepted + other.accepted,
            rejected_by_reason=_added(self.rejected_by_reason, other.rejected_by_reason),
            skipped_by_reason=_added(self.skipped_by_reason, other.skipped_by_reason),
            settled=self.settled + other.settled,
            merged=self.merged + other.merged,
            truncated=self.truncated + other.truncated,
            left_out=self.left_out + other.left_out,
            requests=self.requests + other.requests,
            retries=self.retries + other.retries,
            seconds=max(self.seconds, other.seconds),
            throttled_seconds=max(self.throttled_seconds, other.throttled_seconds),
            property_names=tuple(sorted({*self.property_names, *other.property_names})),
            warnings=tuple(dict.fromkeys((*self.warnings, *other.warnings))),
        )

    def tables(self) -> Iterator[Table]:
        """As it is shown."""
        rows = [("rows read", self.read), ("accepted", self.accepted)]
        rows += [
            (f"rejected: {each.reason} (first: {each.first})", each.count)
            for each in self.rejected_by_reason
        ]
        rows += [(f"skipped: {each.reason}", each.count) for each in self.skipped_by_reason]
        others = {
            "leading rows that are safe": self.settled,
            "updates merged": self.merged,
            "values cut": self.truncated,
            "values left out": self.left_out,
            "requests": self.requests,
            "requests repeated": self.retries,
            "property names": len(self.property_names),
        }
        rows += others.items()
        cells = [(name, f"{count:,}") for name, count in rows]
        cells.append(("seconds", f"{self.seconds:,.1f}"))
        if self.throttled_seconds:
            cells.append(("held up by the quota, seconds", f"{self.throttled_seconds:,.1f}"))
        yield Table("Load", (), tuple(cells), notes=self.warnings)


def _added(ours: Iterable[Reason], theirs: Iterable[Reason]) -> tuple[Reason, ...]:
    counts: Counter[str] = Counter()
    firsts: dict[str, int] = {}
    for each in (*ours, *theirs):
        counts[each.reason] += each.count
        firsts[each.reason] = min(each.first, firsts.get(each.reason, each.first))
    return tuple(Reason(reason, count, firsts[reason]) for reason, count in counts.most_common())


def reasons(counts: Counter[str], firsts: dict[str, int] | None = None) -> tuple[Reason, ...]:
    """Counts by reason, the most frequent first."""
    return tuple(
        Reason(reason, count, (firsts or {}).get(reason, 0))
        for reason, count in counts.most_common()
    )


def report_of(
    ledger: Ledger,
    adjustments: Adjustments,
    *,
    settled: int,
    seconds: float,
    names: Iterable[str] = (),
    warnings: Iterable[str] = (),
) -> Report:
    """The report of a load with these counts, which may still change."""
    return Report(
        read=ledger.read,
        accepted=ledger.accepted,
        rejected_by_reason=reasons(ledger.rejected, ledger.first_position),
        skipped_by_reason=reasons(ledger.skipped),
        settled=settled,
        merged=ledger.merged,
        truncated=adjustments.truncated,
        left_out=adjustments.left_out,
        requests=ledger.requests,
        retries=ledger.retries,
        seconds=seconds,
        throttled_seconds=ledger.throttled,
        property_names=tuple(sorted(names)),
        warnings=tuple(warnings),
    )
