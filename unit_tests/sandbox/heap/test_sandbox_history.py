"""Use of a quota over time, and its picture."""

from __future__ import annotations

import random

import pytest

from sandbox.history import STEPS_A_WINDOW, WINDOWS, UseHistory, UseOverTime
from sandbox.page.chart import HEIGHT, chart

SHOWN = STEPS_A_WINDOW * WINDOWS


def the_only(history: UseHistory, now: float) -> UseOverTime:
    (found,) = history.over_time(now)
    return found


def test_use_enters_and_leaves() -> None:
    """What is taken counts for one window, from its own second on."""
    history = UseHistory(60)
    history.take(1_000.5, "11", 7)
    history.take(1_010, "11", 3)
    found = the_only(history, 1_100)
    at = {second: found.used[SHOWN - 1 - (1_100 - second)] for second in range(990, 1_101)}
    assert (at[999], at[1_000], at[1_009], at[1_010]) == (0, 7, 7, 10)
    assert (at[1_059], at[1_060], at[1_069], at[1_070], at[1_100]) == (10, 3, 3, 0, 0)
    assert (len(found.used), found.step_seconds) == (SHOWN, 1.0)


def test_against_a_slow_count() -> None:
    """At every moment the curve agrees with adding up the steps of the window."""
    dice = random.Random(5)
    history = UseHistory(6.0)
    taken: list[tuple[int, int]] = []
    tick = 50_000
    for _ in range(1_500):
        tick += dice.randrange(4)
        count = dice.randrange(1, 9)
        # Half of a step past its beginning: no rounding decides which step it is.
        history.take((tick + 0.5) / 10, "11", count)
        taken.append((tick, count))
    found = the_only(history, (tick + 0.5) / 10)
    for place in range(0, SHOWN, 7):
        end = tick - (SHOWN - 1 - place)
        window = [count for at, count in taken if end - STEPS_A_WINDOW < at <= end]
        assert found.used[place] == sum(window)


def test_refused_is_not_used() -> None:
    """What was refused is marked where it happened, and is not counted as used."""
    history = UseHistory(60)
    history.refuse(1_000, "11", 9)
    found = the_only(history, 1_002)
    assert sum(found.used) == 0
    assert [at for at, count in enumerate(found.refused) if count] == [SHOWN - 3]


def test_each_app_id_has_its_own() -> None:
    """App_ids do not mix, and one that has been quiet for long enough is forgotten."""
    history = UseHistory(60)
    history.take(1_000, "2", 1)
    history.take(1_500, "1", 2)
    assert [(one.app_id, max(one.used)) for one in history.over_time(1_500)] == [("1", 2), ("2", 1)]
    assert [one.app_id for one in history.over_time(1_000 + 11 * 60)] == ["1"]
    history.clear()
    assert history.over_time(1_500) == []


def test_memory() -> None:
    """Neither time nor ever new app_ids fill the memory."""
    history = UseHistory(60)
    for second in range(20_000):
        history.take(second, "11", 1)
        history.take(second, f"new {second}", 1)
    steps = history._steps
    assert sum(map(len, steps.values())) <= 2 * STEPS_A_WINDOW * (WINDOWS + 1)


def test_a_clock_that_is_set_back() -> None:
    """It breaks nothing; what comes counts as of the newest moment."""
    history = UseHistory(60)
    history.take(2_000, "11", 1)
    history.take(1_000, "11", 1)
    assert the_only(history, 2_000).used[-1] == 2
    assert the_only(history, 1_000).used[-1] == 2


def use(*used: int, refused: tuple[int, ...] = ()) -> UseOverTime:
    return UseOverTime("11", used, refused or (0,) * len(used), 1.0)


def test_picture() -> None:
    """The line goes up and down where the use does, below the limit's own line."""
    drawn = chart(use(0, 50, 50, 100), limit=100)
    assert drawn.line == "M0 100.0H1V54.5H3V9.1H4"
    assert drawn.area == "M0 100V100.0H1V54.5H3V9.1H4V100Z"
    assert drawn.limit_at == 9.1
    assert (drawn.now, drawn.most, drawn.limit, drawn.width) == (100, 100, 100, 4)


def test_picture_without_limit() -> None:
    """Where none is kept, the highest use fills the picture."""
    drawn = chart(use(0, 10), None)
    assert drawn.limit_at is None
    assert drawn.line == "M0 100.0H1V0.0H2"
    assert drawn.top == 10


@pytest.mark.parametrize("most", [1, 999, 1_000, 5_000])
def test_the_limit_is_in_the_picture(most: int) -> None:
    """However far away it is, and however far it was passed."""
    drawn = chart(use(0, most), 1_000)
    assert drawn.limit_at is not None
    assert 0 < drawn.limit_at < HEIGHT


def test_picture_of_nothing() -> None:
    """No use is a line on the floor, and what was refused has its place."""
    drawn = chart(use(0, 0, 0, refused=(0, 5, 0)), None)
    assert drawn.line == f"M0 {HEIGHT}.0H3"
    assert drawn.refusals == (1,)
