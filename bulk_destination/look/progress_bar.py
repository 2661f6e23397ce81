"""`write --progress`: a live bar on stderr, for a person who watches."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bulk_destination.ledger import Ledger


@contextmanager
def progress_bar() -> Iterator[Callable[[Ledger], None] | None]:
    """Gives what a sync is to show its counts to; None where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    # Only here: it takes a while to import, and most runs have no terminal.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (
        BarColumn(bar_width=20),
        TextColumn("{task.fields[read]:,} read"),
        TextColumn("{task.fields[accepted]:,} accepted"),
        TextColumn("{task.fields[rejected]:,} rejected"),
        TextColumn("{task.fields[retries]:,} retries"),
        TextColumn("{task.fields[throttled]:.0f} s held up"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, redirect_stdout=False, redirect_stderr=False) as bar:
        task = bar.add_task("", total=None, **_counts(Ledger()))
        yield lambda ledger: bar.update(task, **_counts(ledger))


def _counts(ledger: Ledger) -> dict[str, Any]:
    return {
        "read": ledger.read,
        "accepted": ledger.accepted,
        "rejected": ledger.rejected.total(),
        "retries": ledger.retries,
        "throttled": ledger.throttled,
    }
