"""`write --progress`: how far a sync is, on the terminal of a person who watches.

Counts stand at the foot and are gone at the end; what is said stays above them. Where stdout is
the same terminal, the platform's lines are told in words.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bulk_destination.ledger import Ledger, Ledgers
from bulk_destination.look.readable import readable, told

#: Streams that are told apart, so that all fits on a screen.
_MOST_STREAMS: Final = 12


class Watched:
    """What is shown: counts as they were last told, and a wait as it passes."""

    def __init__(self, streams: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._streams = streams
        self._clock = clock
        self._began = clock()
        self._ledgers: Sequence[Ledger] = [Ledger() for _ in streams]
        self._all = Ledger()
        self._waits_for = ""
        self._waits_until = 0.0

    def counts(self, ledgers: Ledgers) -> None:
        """How far it is."""
        self._ledgers, self._all = ledgers.of_streams, ledgers.all

    def waits(self, service: str, seconds: float, of_identities: bool) -> None:
        """Something waits for a quota: of all, or of single identities while others go on."""
        until = self._clock() + seconds
        if until > self._waits_until:
            whose = " for some identities" if of_identities else ""
            self._waits_for, self._waits_until = f"waiting for {service}'s quota{whose}", until

    def sum(self) -> Text:
        """All of it in a line."""
        line = self._all.line(self._clock() - self._began)
        return Text(told(line), style="bold")

    def __rich__(self) -> RenderableType:
        table = Table.grid(padding=(0, 3, 0, 0))
        shown = list(zip(self._streams, self._ledgers, strict=True))
        several = len(shown) > 1
        for name, ledger in shown[:_MOST_STREAMS]:
            table.add_row(*([Text(name)] if several else []), *_counts(ledger))
        if several:
            more = len(shown) - _MOST_STREAMS
            all_of_them = "all" if more <= 0 else f"all, {more:,} more among them"
            table.add_row(Text(all_of_them), *_counts(self._all), style="bold")
        requests = f"{self._all.requests:,} requests, {self._all.retries:,} of them again"
        passed = int(self._clock() - self._began)
        lines: list[RenderableType] = [
            table,
            Text(f"{requests}; {passed // 60}:{passed % 60:02}", style="dim"),
        ]
        if (left := self._waits_until - self._clock()) > 0:
            lines.append(Text(f"{self._waits_for}, {left:.0f} s left", style="yellow"))
        return Group(*lines)


def _counts(ledger: Ledger) -> list[Text]:
    rejected = ledger.rejected.total()
    return [
        Text(f"{ledger.read:,} read"),
        Text(f"{ledger.accepted:,} accepted", style="green"),
        Text(f"{rejected:,} rejected", style="red" if rejected else ""),
        Text(f"{ledger.waiting:,} waiting"),
    ]


class ReadableOutput:
    """A stdout that is the terminal: each message is told above the counts, in words."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def write(self, line: bytes, /) -> None:
        """One message, whole."""
        if found := readable(line):
            words, style = found
            self._console.print(Text(words, style=style))

    def flush(self) -> None:
        """Nothing waits."""


def watching_console() -> Console | None:
    """The terminal on stderr, if there is one."""
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    return Console(stderr=True, highlight=False)


@contextmanager
def shown(console: Console, watched: Watched, *, sums_up: bool) -> Iterator[None]:
    """Shows it at the foot while the block runs; `sums_up` leaves a line of it, else nothing."""
    live = Live(
        watched,
        console=console,
        refresh_per_second=4,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    try:
        with live:
            yield
    finally:
        if sums_up:
            console.print(watched.sum())
