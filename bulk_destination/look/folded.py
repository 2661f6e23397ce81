"""A preview for a terminal: what differs only in values is folded, what is rejected says why.

A plan is for every eye and counts; this is for the user's own, and shows values.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import orjson
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bulk_destination.connection import Connection
from bulk_destination.look.blame import Blamed, blamed
from bulk_destination.look.dry_run import DryRun
from bulk_destination.look.plan import Plan
from bulk_destination.look.shapes import Shape, Shapes
from bulk_destination.look.shown_values import beginning, one_line, plain
from bulk_destination.mapping.record_mapper import Payload
from bulk_destination.mapping.values import MISSING, OF_ANOTHER_STREAM, Rejected, Skipped
from bulk_destination.protocol.lines import Line, LongLine
from bulk_destination.protocol.messages import read_line

#: Rejected records of one reason that are looked at, for values that differ.
_LOOKED_AT: Final = 100
#: Values of them that are shown.
_EXAMPLES: Final = 3
#: Rows of a list; `--json` has all.
_MOST_ROWS: Final = 30
#: Names in a line.
_MOST_NAMES: Final = 12


@dataclass(slots=True)
class Rejections:
    """The records of one stream that were rejected for one reason."""

    first: int
    count: int = 0
    about: str | None = None
    #: What they held, each once, as far as looked at.
    examples: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class Folded:
    """What became of the records, stream by stream; None is of what belongs to none."""

    connection: Connection
    shapes: dict[int, Shapes] = field(default_factory=dict)
    rejections: dict[tuple[int | None, str], Rejections] = field(default_factory=dict)

    def add(
        self, stream: int | None, position: int, line: Line, taken: Payload | Rejected | Skipped
    ) -> None:
        """One more record."""
        if isinstance(taken, tuple):
            shapes = self.shapes.setdefault(stream or 0, Shapes())
            shapes.add(orjson.loads(taken[1]), position)
        elif isinstance(taken, Rejected):
            found = self.rejections.setdefault((stream, taken.reason), Rejections(position))
            found.count += 1
            if found.count <= _LOOKED_AT and len(found.examples) <= _EXAMPLES:
                self._look(found, stream, taken, line)

    def _look(self, found: Rejections, stream: int | None, taken: Rejected, line: Line) -> None:
        message = read_line(line)
        if type(message) is not dict:
            head = line.head if isinstance(line, LongLine) else line
            found.examples[f"the line begins `{beginning(head)}`"] = None
        elif taken is OF_ANOTHER_STREAM:
            found.examples[f"its stream is {one_line(message.get('stream'))}"] = None
        elif about := blamed(self.connection.routes[stream or 0], taken.reason, message["data"]):
            found.about = about.field
            found.examples[_held(about)] = None


def _held(about: Blamed) -> str:
    return ", ".join(
        f"`{plain(column)}` is not there"
        if value is MISSING
        else f"`{plain(column)}` held {one_line(value)}"
        for column, value in about.held
    )


def parts(folded: Folded, walk: DryRun[Line], most: int) -> Iterator[RenderableType]:
    """All of it; `most` shapes of each stream are shown."""
    yield Text(f"Nothing was sent to {walk.service}. This is what `write` would do.", style="bold")
    several = len(walk.plans) > 1
    for number, plan in enumerate(walk.plans):
        if several:
            yield _heading(f"Stream {plan.stream}")
        if plan.held is None:
            yield from _shapes(folded.shapes.get(number, Shapes()), most)
        else:
            yield from _held_back(plan)
        yield from _rejected(folded, number, plan)
        yield from _plan(plan, "This stream" if several else "The whole input")
    if several:
        yield from _rejected(folded, None, None)
        yield from _sum(walk)
    yield Text(f"\nNothing was sent to {walk.service}.", style="bold")


def _heading(words: str, style: str = "bold") -> Text:
    return Text(f"\n{plain(words)}", style=style)


def _records(count: int) -> str:
    return _many(count, "record")


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _shapes(shapes: Shapes, most: int) -> Iterator[RenderableType]:
    found = shapes.most_common()
    if not found:
        return
    first, *others = found
    if others or shapes.others:
        become = "becomes" if first.count == 1 else "become"
        words = (
            f"{first.count:,} of {_records(shapes.count)} {become}, as record {first.position:,}:"
        )
    elif first.count == 1:
        words = f"Record {first.position:,} becomes:"
    else:
        words = f"{_records(first.count)} become, as record {first.position:,} (values differ):"
    yield _heading(words)
    yield _rows([(name, one_line(value)) for name, value in first.values()])
    for shape in others[: max(0, most - 1)]:
        yield _difference(shape, first)
    rest = others[max(0, most - 1) :]
    if rest or shapes.others:
        more = shapes.others + sum(shape.count for shape in rest)
        words = f"{more:,} more have other properties; --records N shows more kinds of them"
        yield Text(words, style="dim")


def _held_back(plan: Plan) -> Iterator[RenderableType]:
    """What would be sent when the source has ended, one identity a line."""
    if not plan.first_held:
        yield _heading(f"{plan.held}")
        return
    yield _heading(f"{plan.held}; the first {len(plan.first_held)}:")
    for identity in plan.first_held:
        yield Text(f"   {plain(identity)}", style="bold red")


def _difference(shape: Shape, first: Shape) -> Text:
    have, had = dict(shape.values()), set(first.names())
    added = [f"{plain(name)} {one_line(have[name])}" for name in have if name not in had]
    lacking = [plain(name) for name in first.names() if name not in have]
    words = []
    if added:
        words.append(f"also {_some(added)}")
    if lacking:
        words.append(f"no {_some(lacking)}")
    has = "has" if shape.count == 1 else "have"
    return Text(f"{shape.count:,} more {has} {' and '.join(words)} (record {shape.position:,})")


def _some(words: Sequence[str]) -> str:
    shown = ", ".join(words[:_MOST_NAMES])
    more = len(words) - _MOST_NAMES
    return f"{shown} and {more:,} more" if more > 0 else shown


def _rejected(folded: Folded, stream: int | None, plan: Plan | None) -> Iterator[RenderableType]:
    found = {
        reason: each
        for (of, reason), each in folded.rejections.items()
        # Of one stream alone, what belongs to none is told with it.
        if of == stream or (of is None and plan is not None and len(folded.connection.routes) == 1)
    }
    if not found:
        return
    count = sum(each.count for each in found.values())
    yield _heading(f"{_records(count)} would be rejected:", "bold red")
    for reason, each in sorted(found.items(), key=lambda item: -item[1].count):
        first = f"first: record {each.first:,}" if each.count > 1 else f"record {each.first:,}"
        yield Text(f"  {each.count:,} {plain(reason)} ({first})", style="red")
        about = f"{each.about}: " if each.about is not None else ""
        examples = [*each.examples]
        shown = "; ".join(examples[:_EXAMPLES])
        more = "; and others" if len(examples) > _EXAMPLES else ""
        if shown:
            yield Padding(Text(f"{about}{shown}{more}"), (0, 0, 0, 4))


def _plan(plan: Plan, title: str) -> Iterator[RenderableType]:
    ledger, found = plan.ledger, plan.as_json()
    rows: list[tuple[str, str]] = [
        ("records read", f"{ledger.read:,}"),
        ("would be sent", f"{ledger.accepted:,}"),
        ("would be rejected", f"{ledger.rejected.total():,}"),
        *((f"skipped: {reason}", f"{count:,}") for reason, count in ledger.skipped.most_common()),
        *(
            (f"{name} was `{plain(value)}`", f"{count:,}")
            for name, counts in found["found_by"].items()
            for value, count in counts.items()
        ),
    ]
    if times := found["times"]:
        rows.append(("time", f"{times['first']} to {times['last']}"))
    if found["without_a_time"]:
        rows.append(("without a time, dated by the sync", f"{found['without_a_time']:,}"))
    rows += [(f"texts cut: {plain(name)}", f"{n:,}") for name, n in found["cut"].items()]
    rows.append(("requests", f"{plan.requests:,} with {plan.bytes:,} bytes"))
    if seconds := plan.quota_seconds:
        rows.append((f"held up by {plan.service}'s quota, about", f"{seconds:,.0f} s"))
    yield _heading(title)
    yield _rows(rows)
    if events := [(plain(name), f"{count:,}") for name, count in plan.events()]:
        yield _heading(f"Events ({_many(found['event_names'], 'name')})")
        yield from _limited(events)
    if properties := [
        (plain(name), f"{use['count']:,} ({', '.join(use['types'])})")
        for name, use in found["properties"].items()
    ]:
        yield _heading(f"Properties ({_many(found['property_names'], 'name')})")
        yield from _limited(properties)
    dangers = (*found["dangers"], *found["warnings"])
    if dangers or plan.would_fail is not None:
        yield Text("")
    for words in dangers:
        yield Text(f"! {plain(words)}", style="yellow")
    if plan.would_fail is not None:
        yield Text(f"! {plain(plan.would_fail)}", style="red")


def _sum(walk: DryRun[Line]) -> Iterator[RenderableType]:
    total = walk.ledgers.all
    found = walk.as_json()
    rows = [
        ("records read", f"{total.read:,}"),
        ("would be sent", f"{total.accepted:,}"),
        ("would be rejected", f"{total.rejected.total():,}"),
        *((f"skipped: {reason}", f"{count:,}") for reason, count in total.skipped.most_common()),
        ("requests", f"{found['requests']:,} with {found['bytes']:,} bytes"),
    ]
    if seconds := walk.quota_seconds:
        rows.append((f"held up by {walk.service}'s quota, about", f"{seconds:,.0f} s"))
    yield _heading("The whole input")
    yield _rows(rows)
    if walk.warnings or walk.error_of_all is not None:
        yield Text("")
    for words in walk.warnings:
        yield Text(f"! {plain(words)}", style="yellow")
    if walk.error_of_all is not None:
        yield Text(f"! {plain(f'A sync would fail: {walk.error_of_all}')}", style="red")


def _limited(rows: list[tuple[str, str]]) -> Iterator[RenderableType]:
    yield _rows(rows[:_MOST_ROWS])
    if (more := len(rows) - _MOST_ROWS) > 0:
        yield Text(f"  and {more:,} more; --json has all", style="dim")


def _rows(rows: Sequence[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=1)
    table.add_column(max_width=34, overflow="fold", style="cyan")
    table.add_column(ratio=1, overflow="fold")
    for name, value in rows:
        table.add_row("", Text(plain(name)), Text(value))
    return table
