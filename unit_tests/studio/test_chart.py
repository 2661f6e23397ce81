"""No event is off the chart, and none is too small to be seen."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bulk_destination.studio.chart import HEIGHT, WIDTH, bars

DAYS = st.dictionaries(st.integers(1, 3_652_059), st.integers(1, 10**6), max_size=50)


@given(DAYS)
@example({1: 1, 2: 14_399, 61: 2_916})
def test_all_events_are_shown_within_the_picture(days: dict[int, int]) -> None:
    drawn = bars(days)
    assert len(drawn) <= 60
    assert sum(int(bar.words.rpartition(" ")[2].replace(",", "")) for bar in drawn) == sum(
        days.values()
    )
    for bar in drawn:
        assert bar.x >= 0
        assert bar.x + bar.width <= WIDTH + 1
        assert 2 <= bar.height <= HEIGHT
        assert bar.y + bar.height == pytest.approx(HEIGHT)
    assert [bar.x for bar in drawn] == sorted({bar.x for bar in drawn})


def test_a_bar_says_what_it_stands_for() -> None:
    assert [bar.words for bar in bars({738_000: 1_200, 738_001: 1})] == [
        "2021-07-29: 1,200",
        "2021-07-30: 1",
    ]
    assert bars({}) == ()
