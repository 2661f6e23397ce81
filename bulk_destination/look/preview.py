"""`preview`: what a sync would do, for a person at a terminal. Values are shown: it is theirs."""

import io
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from bulk_destination.connection import Connection
from bulk_destination.look import folded
from bulk_destination.look.dry_run import DryRun
from bulk_destination.look.folded import Folded
from bulk_destination.look.plan import FIRST, Plan
from bulk_destination.look.shown_values import plain
from bulk_destination.mapping.record_mapper import Payload
from bulk_destination.mapping.stream import Stream
from bulk_destination.mapping.values import Rejected, Skipped
from bulk_destination.protocol.lines import Line, LongLine
from bulk_destination.protocol.messages import read_line, read_lines

#: Like diff and grep: nothing failed, but there is something to look at.
SOMETHING_REJECTED: Final = 3
#: Rows of a table for a terminal; `--json` has all.
_MOST_ROWS: Final = 50
#: Characters of a record or payload shown side by side.
_MOST_CHARACTERS: Final = 1_500


@dataclass(frozen=True, slots=True)
class Sample:
    """One record, and what became of it: the payload, or the reason for none."""

    position: int
    record: Any
    payload: Any = None
    rejected: str | None = None
    skipped: str | None = None
    #: Of several: the one that it is of.
    stream: Stream | None = None

    def as_json(self) -> dict[str, Any]:
        """The sample for machines."""
        outcome = {"payload": self.payload}
        if self.rejected is not None:
            outcome = {"rejected": self.rejected}
        elif self.skipped is not None:
            outcome = {"skipped": self.skipped}
        # NaN and infinities, which some sources send, are no JSON.
        record = json.loads(json.dumps(self.record), parse_constant=lambda _: None)
        found = {"position": self.position, "record": record, **outcome}
        if self.stream is not None:
            found |= {"stream": self.stream.name, "namespace": self.stream.namespace}
        return found


@dataclass(slots=True)
class Preview:
    """The plan for all of the input, and samples: the first records, and the first rejected."""

    connection: Connection
    most: int
    samples: list[Sample] = field(default_factory=list)
    #: What becomes of all records, where somebody wants it told so.
    folded: Folded | None = None
    _rejected: int = 0

    def of(self, source: Iterable[Sequence[Line]]) -> DryRun[Line]:
        """Reads `source` to its end."""
        walk = DryRun(self.connection, read_lines, tells_all=True)
        for lines in source:
            for line, taken in walk.take(lines):
                self._sample(walk, line, taken)
                if self.folded is not None:
                    self.folded.add(walk.stream, walk.position, line, taken)
        walk.finish()
        return walk

    def _sample(self, walk: DryRun[Line], line: Line, taken: Payload | Rejected | Skipped) -> None:
        position, stream = walk.position, walk.one_of_several
        is_rejected = isinstance(taken, Rejected)
        self._rejected += is_rejected
        if position > self.most and not (is_rejected and self._rejected <= self.most):
            return
        message = read_line(line)
        raw = line.head if isinstance(line, LongLine) else line
        record: Any = message["data"] if type(message) is dict else raw.decode(errors="replace")
        try:
            json.dumps(record)
        except RecursionError:
            record = "(nested too deeply to be shown)"
        if isinstance(taken, Rejected):
            sample = Sample(position, record, rejected=taken.reason, stream=stream)
        elif isinstance(taken, Skipped):
            sample = Sample(position, record, skipped=taken.reason, stream=stream)
        else:
            sample = Sample(position, record, orjson.loads(taken[1]), stream=stream)
        self.samples.append(sample)


def show(preview: Preview, walk: DryRun[Line], as_json: bool) -> int:
    """Prints it on stdout; returns the exit code. Raises an OSError if stdout takes no more."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Half an emoji, or an umlaut where the terminal knows ASCII only.
        sys.stdout.reconfigure(errors="backslashreplace")
    if as_json:
        samples = [sample.as_json() for sample in preview.samples]
        print(json.dumps({**walk.as_json(), "records": samples}))
    else:
        console = Console(file=sys.stdout, highlight=False)
        told = preview.folded
        found = _parts(preview, walk) if told is None else folded.parts(told, walk, preview.most)
        for part in found:
            console.print(part)
    sys.stdout.flush()  # Now, while who called can tell that it failed.
    fails = walk.ledgers.all.rejected or walk.would_fail is not None
    return SOMETHING_REJECTED if fails else 0


def _parts(preview: Preview, walk: DryRun[Line]) -> Iterator[RenderableType]:
    yield Text(f"Nothing was sent to {walk.service}. This is what `write` would do.", style="bold")
    if preview.samples:
        yield _samples(preview.samples)
    several = len(walk.plans) > 1
    for plan in walk.plans:
        yield from _plan(plan, f"Stream {plan.stream}" if several else "The whole input")
    if several:
        yield _sum(walk)
        for words in walk.warnings:
            yield Text(f"! {plain(words)}", style="yellow")
        if walk.error_of_all is not None:
            yield Text(f"! {plain(f'A sync would fail: {walk.error_of_all}')}", style="red")
    yield Text(f"Nothing was sent to {walk.service}.", style="bold")


def _sum(walk: DryRun[Line]) -> Table:
    """What all streams come to, with what belongs to none of them."""
    table = Table(title="The whole input", title_justify="left", box=box.ROUNDED, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    total = walk.ledgers.all
    table.add_row("records read", f"{total.read:,}")
    table.add_row("would be sent", f"{total.accepted:,}", style="green")
    for reason, count in total.rejected.most_common():
        table.add_row(f"rejected: {plain(reason)}", f"{count:,}", style="red")
    for reason, count in total.skipped.most_common():
        table.add_row(f"skipped: {reason}", f"{count:,}")
    found = walk.as_json()
    table.add_row("requests", f"{found['requests']:,}")
    table.add_row("bytes", f"{found['bytes']:,}")
    seconds = f"{walk.quota_seconds:,.0f} s"
    table.add_row(f"held up by {walk.service}'s quota, about", seconds)
    return table


def _plan(plan: Plan, title: str) -> Iterator[RenderableType]:
    yield _summary(plan, title)
    if plan.held is not None:
        yield _table(
            f"{plan.held}; the first {FIRST}", ["identity"], [[e] for e in plan.first_held]
        )
    if events := [[*row] for row in plan.events()]:
        yield _table("Events", ["event", "records"], events)
    found = plan.as_json()
    rows = [
        [name, use["count"], ", ".join(use["types"])] for name, use in found["properties"].items()
    ]
    if rows:
        yield _table("Properties", ["property", "records", "types"], rows)
    for warning in (*found["dangers"], *found["warnings"]):
        yield Text(f"! {plain(warning)}", style="yellow")
    if plan.would_fail is not None:
        yield Text(f"! {plain(plan.would_fail)}", style="red")


def _samples(samples: list[Sample]) -> Table:
    table = Table(title="Records", title_justify="left", box=box.ROUNDED, show_lines=True)
    table.add_column("#", justify="right")
    table.add_column("record in", ratio=1, overflow="fold")
    table.add_column("payload out", ratio=1, overflow="fold")
    for sample in samples:
        outcome, style = _json(sample.payload), ""
        if sample.rejected is not None:
            outcome, style = Text(f"rejected: {sample.rejected}"), "red"
        elif sample.skipped is not None:
            outcome, style = Text(f"skipped: {sample.skipped}"), "dim"
        record = _json(sample.record)
        if sample.stream is not None:
            record = Text.assemble((f"{plain(str(sample.stream))}\n", "bold"), record)
        table.add_row(str(sample.position), record, outcome, style=style)
    return table


def _summary(plan: Plan, title: str) -> Table:
    table = Table(title=plain(title), title_justify="left", box=box.ROUNDED, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    ledger, found = plan.ledger, plan.as_json()
    table.add_row("records read", f"{ledger.read:,}")
    table.add_row("would be sent", f"{ledger.accepted:,}", style="green")
    for reason, count in ledger.rejected.most_common():
        first = ledger.first_position[reason]
        table.add_row(f"rejected: {plain(reason)} (first: {first})", f"{count:,}", style="red")
    for reason, count in ledger.skipped.most_common():
        table.add_row(f"skipped: {reason}", f"{count:,}")
    for name, counts in found["found_by"].items():
        for value, count in counts.items():
            table.add_row(f"{name} was `{plain(value)}`", f"{count:,}")
    if times := found["times"]:
        table.add_row("first time", times["first"])
        table.add_row("last time", times["last"])
    if found["without_a_time"]:
        table.add_row("without a time, dated by the sync", f"{found['without_a_time']:,}")
    if plan.held is None:
        table.add_row("property names", f"{found['property_names']:,}")
    for name, count in found["cut"].items():
        table.add_row(f"texts cut: {plain(name)}", f"{count:,}")
    table.add_row("requests", f"{plan.requests:,}")
    table.add_row("bytes", f"{plan.bytes:,}")
    table.add_row(f"held up by {plan.service}'s quota, about", f"{plan.quota_seconds:,.0f} s")
    return table


def _table(title: str, columns: list[str], rows: list[list[Any]]) -> Table:
    if len(rows) > _MOST_ROWS:
        title = f"{title} (the first {_MOST_ROWS} of {len(rows):,}; --json has all)"
    table = Table(title=title, title_justify="left", box=box.ROUNDED)
    for column in columns:
        table.add_column(column, justify="right" if column == "records" else "left")
    for row in rows[:_MOST_ROWS]:
        table.add_row(
            *(Text(f"{cell:,}" if isinstance(cell, int) else plain(cell)) for cell in row)
        )
    return table


def _json(value: object) -> Text:
    text = plain(json.dumps(value, indent=1, ensure_ascii=False))
    return Text(text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]} …")
