"""When events happened, as the shapes of a small SVG. Pure.

The picture is 600 wide and 60 high, whatever it shows; each bar is one of equal parts of the time
from the first day to the last.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

WIDTH: Final = 600
HEIGHT: Final = 60
#: No more bars than can be told apart on a phone.
_MOST_BARS: Final = 60


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its left edge, its upper one, its width and height, and what it stands for."""

    x: float
    y: float
    width: float
    height: float
    words: str


def bars(days: Mapping[int, int]) -> tuple[Bar, ...]:
    """The events of each day, by the day's ordinal (`date.toordinal`), as bars."""
    if not days:
        return ()
    first, last = min(days), max(days)
    step = -(-(last - first + 1) // _MOST_BARS)
    count = (last - first) // step + 1
    events = [0] * count
    for day, number in days.items():
        events[(day - first) // step] += number
    most, width = max(events), WIDTH / count
    return tuple(
        Bar(
            round(at * width, 1),
            round(HEIGHT - height, 1),
            round(max(1.0, width - 1), 1),
            height,
            _words(first + at * step, min(last, first + at * step + step - 1), number),
        )
        for at, number in enumerate(events)
        # What is there is seen, however little it is.
        if (height := round(max(2.0, HEIGHT * number / most), 1) if number else 0.0)
    )


def _words(first: int, last: int, events: int) -> str:
    until = "" if first == last else f" to {date.fromordinal(last).isoformat()}"
    return f"{date.fromordinal(first).isoformat()}{until}: {events:,}"
