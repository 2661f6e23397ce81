"""The use of a quota over time, as the shapes of an SVG. Pure.

The picture is 600 wide and 100 high, whatever it shows; a step of time is one wide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sandbox.history import UseOverTime

HEIGHT: Final = 100
#: The limit stays this much below the upper edge, so that its line is one.
_HEADROOM: Final = 1.1


@dataclass(frozen=True, slots=True)
class Chart:
    """The picture of one app_id's use.

    `line` and `area` are SVG path data; `limit_at` is the height of the limit, `None` where none
    is kept; `top` is how many events the upper edge stands for; `refusals` are the places of
    steps in which requests were refused. `now`, `most` and `limit` are events, `minutes` the time
    shown.
    """

    app_id: str
    width: int
    line: str
    area: str
    limit_at: float | None
    top: int
    refusals: tuple[int, ...]
    now: int
    most: int
    limit: int | None
    minutes: float


def chart(use: UseOverTime, limit: int | None) -> Chart:
    """Draws `use`; `limit` is how many events a window may have, `None` if any number."""
    most = max(use.used)
    top = max(1, most) if limit is None else max(most, limit) * _HEADROOM

    def height(count: int) -> float:
        return round(HEIGHT - count / top * HEIGHT, 1)

    line = "".join(_steps([height(count) for count in use.used]))
    width = len(use.used)
    return Chart(
        app_id=use.app_id,
        width=width,
        line=f"M0 {line[1:]}",
        area=f"M0 {HEIGHT}{line}V{HEIGHT}Z",
        limit_at=None if limit is None else height(limit),
        top=int(top),
        refusals=tuple(at for at, count in enumerate(use.refused) if count),
        now=use.used[-1],
        most=most,
        limit=limit,
        minutes=round(width * use.step_seconds / 60, 1),
    )


def _steps(heights: Sequence[float]) -> Iterator[str]:
    """Path data that begins with `V`: up or down where the height changes, along elsewhere."""
    yield f"V{heights[0]}"
    for at in range(1, len(heights)):
        if heights[at] != heights[at - 1]:
            yield f"H{at}V{heights[at]}"
    yield f"H{len(heights)}"
