"""What a load would do, as a frozen value. Pure.

Values and names are shown as they are: a plan is for the caller's own eyes.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bulk_destination.library.report import Reason
from bulk_destination.library.tables import Shown, Table

#: Rows of one table; the value has all.
_MOST_ROWS: Final = 50
#: Characters of a record or a payload that are shown.
_MOST_CHARACTERS: Final = 1_500


@dataclass(frozen=True, slots=True)
class Sample:
    """One row, and what became of it: a payload, or the reason for none."""

    #: The number of the row, from 1.
    position: int
    #: As it was read, with values as in JSON.
    row: Any
    #: As it would be sent.
    payload: Mapping[str, Any] | None = None
    #: Why it would be rejected.
    rejected: str | None = None
    #: Why it would not be sent though no fault was found in it.
    skipped: str | None = None


@dataclass(frozen=True, slots=True)
class PropertyPlan:
    """A property that rows have."""

    #: As the service would have it.
    name: str
    #: Rows that have it.
    count: int
    #: The JSON types of its values, the most frequent first.
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LoadPlan(Shown):
    """What `load` would do with these rows. Nothing was sent.

    Shows itself as tables, in a terminal and in a notebook.
    """

    #: The service, as in a sentence.
    service: str
    #: Rows that were taken from the caller.
    read: int
    #: Rows that would be sent.
    accepted: int
    #: Rows that could not land, the most frequent reason first.
    rejected_by_reason: tuple[Reason, ...]
    #: Rows that would not be sent though no fault was found in them.
    skipped_by_reason: tuple[Reason, ...]
    #: Updates that would go as one with a later one of the same user or account.
    merged: int
    #: Values that would be cut to fit the service.
    truncated: int
    #: Values that would be left out, as the service takes none such.
    left_out: int
    #: Requests that would be sent, if none had to be repeated.
    requests: int
    #: Bytes of their bodies.
    bytes: int
    #: For how long the service's quota would hold the load up.
    quota_seconds: float
    #: The first and the last time of events, in UTC; None where there is none.
    times: tuple[str, str] | None
    #: Event names and how many rows have them, the most frequent first; empty for updates.
    events: tuple[tuple[str, int], ...]
    #: The most frequent first.
    properties: tuple[PropertyPlan, ...]
    #: The first rows, and the first rejected ones.
    samples: tuple[Sample, ...]
    #: What to look at before it cannot be taken back.
    warnings: tuple[str, ...]
    #: With what words `load` would fail, if it would.
    would_fail: str | None

    @property
    def rejected(self) -> int:
        """Rows that could not land."""
        return sum(each.count for each in self.rejected_by_reason)

    @property
    def skipped(self) -> int:
        """Rows that would not be sent though no fault was found in them."""
        return sum(each.count for each in self.skipped_by_reason)

    def tables(self) -> Iterator[Table]:
        """As it is shown."""
        if self.samples:
            rows = tuple(
                (str(each.position), _shown(each.row), _outcome(each)) for each in self.samples
            )
            yield Table("Rows", ("#", "row in", "payload out"), rows)
        counts = [("rows read", self.read), ("would be sent", self.accepted)]
        counts += [
            (f"rejected: {each.reason} (first: {each.first})", each.count)
            for each in self.rejected_by_reason
        ]
        counts += [(f"skipped: {each.reason}", each.count) for each in self.skipped_by_reason]
        counts += {
            "updates merged": self.merged,
            "values cut": self.truncated,
            "values left out": self.left_out,
            "property names": len(self.properties),
            "requests": self.requests,
            "bytes": self.bytes,
            f"held up by {self.service}'s quota, seconds, about": round(self.quota_seconds),
        }.items()
        cells = [(name, f"{count:,}") for name, count in counts]
        if self.times is not None:
            cells += zip(("first time", "last time"), self.times, strict=True)
        failure = () if self.would_fail is None else (self.would_fail,)
        sent = f"Nothing was sent to {self.service}"
        yield Table(sent, (), tuple(cells), notes=(*self.warnings, *failure))
        if self.events:
            events = tuple((name, f"{count:,}") for name, count in self.events[:_MOST_ROWS])
            yield Table(_of("Events", len(self.events)), ("event", "rows"), events)
        if self.properties:
            used = tuple(
                (each.name, f"{each.count:,}", ", ".join(each.types))
                for each in self.properties[:_MOST_ROWS]
            )
            title = _of("Properties", len(self.properties))
            yield Table(title, ("property", "rows", "types"), used)


def plan_of(
    service: str,
    found: Mapping[str, Any],
    *,
    rejected: tuple[Reason, ...],
    skipped: tuple[Reason, ...],
    samples: tuple[Sample, ...],
    warnings: tuple[str, ...],
) -> LoadPlan:
    """The value of a plan for machines (`look/plan.py`), as `found`."""
    times = found["times"]
    return LoadPlan(
        service=service,
        read=found["read"],
        accepted=found["would_be_sent"],
        rejected_by_reason=rejected,
        skipped_by_reason=skipped,
        merged=found["merged"],
        truncated=found["truncated"],
        left_out=found["left_out"],
        requests=found["requests"],
        bytes=found["bytes"],
        quota_seconds=found["quota_seconds"],
        times=None if times is None else (times["first"], times["last"]),
        events=tuple(found["events"].items()),
        properties=tuple(
            PropertyPlan(name, use["count"], tuple(use["types"]))
            for name, use in found["properties"].items()
        ),
        samples=samples,
        warnings=(*found["dangers"], *found["warnings"], *warnings),
        would_fail=found["would_fail"],
    )


def _of(title: str, count: int) -> str:
    return title if count <= _MOST_ROWS else f"{title} (the first {_MOST_ROWS} of {count:,})"


def _outcome(sample: Sample) -> str:
    if sample.rejected is not None:
        return f"rejected: {sample.rejected}"
    return _shown(sample.payload) if sample.skipped is None else f"skipped: {sample.skipped}"


def _shown(value: object) -> str:
    try:
        text = json.dumps(value, indent=1, ensure_ascii=False, default=str)
    except RecursionError:
        return "(nested too deeply to be shown)"
    except ValueError:
        return "(holds a number that is too large to be shown)"
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]} …"
