"""How much of a quota was used over time, for the last windows. Pure: all times are handed in.

Counts are kept by step, a sixtieth of the window: a second, where the window is a minute.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

STEPS_A_WINDOW: Final = 60
WINDOWS: Final = 10


@dataclass(frozen=True, slots=True)
class UseOverTime:
    """One app_id's last `WINDOWS` windows, oldest step first.

    `used` has for each step the units in the window that ends with it; `refused` the units that
    were asked for in that step and not granted. A step lasts `step_seconds`.
    """

    app_id: str
    used: tuple[int, ...]
    refused: tuple[int, ...]
    step_seconds: float


@dataclass(slots=True)
class _Step:
    number: int
    taken: int = 0
    refused: int = 0


class UseHistory:
    """Remembers what was taken and refused, by app_id. Not thread safe.

    Memory: one entry for each step with any use, of the app_ids seen within the kept time.
    """

    def __init__(self, window_seconds: float) -> None:
        self._step_seconds = window_seconds / STEPS_A_WINDOW
        self._steps: dict[str, deque[_Step]] = {}

    def take(self, now: float, app_id: str, count: int) -> None:
        """`count` units were taken at the time `now`, in seconds."""
        self._step(now, app_id).taken += count

    def refuse(self, now: float, app_id: str, count: int) -> None:
        """`count` units were asked for and refused."""
        self._step(now, app_id).refused += count

    def over_time(self, now: float) -> list[UseOverTime]:
        """What is remembered at `now`, by app_id; without those that have nothing left."""
        self._drop(now)
        newest = self._number(now)
        return [self._curve(app_id, newest) for app_id in sorted(self._steps)]

    def clear(self) -> None:
        """Forget everything."""
        self._steps.clear()

    def _number(self, now: float) -> int:
        return int(now // self._step_seconds)

    def _step(self, now: float, app_id: str) -> _Step:
        number = self._number(now)
        if app_id not in self._steps:
            self._drop(now)
            self._steps[app_id] = deque()
        steps = self._steps[app_id]
        # A clock that was set back adds to the newest step instead of breaking the order.
        if not steps or steps[-1].number < number:
            steps.append(_Step(number))
            self._shorten(steps, number)
        return steps[-1]

    def _shorten(self, steps: deque[_Step], newest: int) -> None:
        # One window more than is shown: its uses still count in the oldest steps shown.
        while steps and steps[0].number <= newest - STEPS_A_WINDOW * (WINDOWS + 1):
            steps.popleft()

    def _drop(self, now: float) -> None:
        newest = self._number(now)
        for app_id, steps in list(self._steps.items()):
            self._shorten(steps, newest)
            if not steps:
                del self._steps[app_id]

    def _curve(self, app_id: str, newest: int) -> UseOverTime:
        shown = STEPS_A_WINDOW * WINDOWS
        oldest = newest - shown - STEPS_A_WINDOW + 1
        taken = [0] * (shown + STEPS_A_WINDOW)
        refused = list(taken)
        for step in self._steps[app_id]:
            place = min(step.number, newest) - oldest
            taken[place] += step.taken
            refused[place] += step.refused
        sums = list(accumulate(taken))
        return UseOverTime(
            app_id,
            tuple(
                sums[end] - sums[end - STEPS_A_WINDOW] for end in range(STEPS_A_WINDOW, len(sums))
            ),
            tuple(refused[STEPS_A_WINDOW:]),
            self._step_seconds,
        )
