"""No window of a minute, wherever it lies, may hold more than the quota."""

from __future__ import annotations

import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from bulk_destination.delivery.quotas import MINUTE, Quotas, Window

LAW = settings(max_examples=300, deadline=None)
SECONDS = 10.0


@given(
    st.integers(1, 20),
    st.sampled_from([1, 2, 1 << 15]),
    st.lists(
        st.tuples(
            st.sampled_from(["ada", "bob"]),
            st.integers(1, 20),
            st.floats(0, 7),  # the pause before the try
            st.floats(0, 15),  # how long it takes
            st.floats(0, 1),  # when within it the service counts
        ),
        max_size=30,
    ),
)
@LAW
def test_exact_over_any_window(
    limit: int, cells: int, tries: list[tuple[str, int, float, float, float]]
) -> None:
    """Whenever, within a try, the service counts it: no window holds more than the limit.

    With few cells identities share them, and older tries are thrown together.
    """
    window = Window(limit, SECONDS, cells)
    now = 0.0
    under_way: list[tuple[float, dict[str, int]]] = []
    counted: list[tuple[float, str, int]] = []
    for identity, wanted, pause, takes, share in tries:
        now += pause
        for end, counts in sorted(under_way, key=lambda pair: pair[0]):
            if end <= now:
                window.end(counts, end)
        under_way = [pair for pair in under_way if pair[0] > now]
        count = min(wanted, window.room(identity, now))
        if count > 0:
            window.begin({identity: count})
            under_way.append((now + takes, {identity: count}))
            counted.append((now + share * takes, identity, count))
    for end, identity, _ in counted:
        within = [
            count for at, whose, count in counted if whose == identity and end - SECONDS < at <= end
        ]
        assert sum(within) <= limit


@given(
    st.integers(1, 9),
    st.lists(st.tuples(st.integers(1, 9), st.floats(0.01, 3)), max_size=20),
    st.integers(1, 9),
)
@LAW
def test_opens_when_it_says(limit: int, tries: list[tuple[int, float]], wanted: int) -> None:
    """After the wait it names there is room, and a moment before there was none."""
    wanted = min(wanted, limit)
    window = Window(limit, SECONDS)
    now = 0.0
    for count, pause in tries:
        now += pause
        if count <= window.room("ada", now):
            window.begin({"ada": count})
            window.end({"ada": count}, now)
    wait = window.opens_in({"ada": wanted}, now)
    assert wait is not None
    if wait:
        assert window.room("ada", now + wait - 1e-6) < wanted
    assert window.room("ada", now + wait + 1e-6) >= wanted


def test_a_try_under_way_counts() -> None:
    """How long it will take is not known, so neither is the wait."""
    window = Window(2, SECONDS)
    window.begin({"ada": 2})
    assert window.room("ada", 1_000.0) == 0
    assert window.opens_in({"ada": 1}, 1_000.0) is None
    window.end({"ada": 2}, 1_000.0)
    assert window.opens_in({"ada": 1}, 1_004.0) == 6.0


def test_what_is_over_is_forgotten() -> None:
    """Memory holds a minute, not the sync."""
    window = Window(5, SECONDS)
    for number in range(1_000):
        window.begin({f"u{number}": 1})
        window.end({f"u{number}": 1}, number / 1.0)
    window.room("anyone", 1_000.0)
    assert len(window._ended) <= SECONDS  # memory is what is tested
    assert sum(window._used) <= SECONDS


def test_any_number_of_identities_takes_the_same_memory() -> None:
    """More than a million within one minute."""
    window = Window(1_000, MINUTE)
    tracemalloc.start()
    try:
        for number in range(0, 1_200_000, 1_000):
            counts = {f"person{number + each}": 1 for each in range(1_000)}
            now = number / 1_200_000 * MINUTE
            window.begin(counts)
            window.end(counts, now)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2_500_000
    assert 0 < window.room("person0", now) < 1_000
    assert window.room("person0", 2.001 * MINUTE) == 1_000


def test_zero_lifts_a_limit() -> None:
    """As in the configuration."""
    assert Quotas(0, 7).app_window().room("", 0.0) > 10**12
    assert Quotas(7, 0).app_window().room("", 0.0) == 7
    assert Quotas(7, 0).identity_window().room("ada", 0.0) > 10**12
