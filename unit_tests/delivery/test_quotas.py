"""No window of a minute, wherever it lies, may hold more than the quota."""

from __future__ import annotations

import math
import tracemalloc
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from bulk_destination.delivery.quotas import MINUTE, Quotas, Spacing, Window

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
    """Far more than it has cells, within one minute: what all of them use is thrown together."""
    window = Window(1_000, MINUTE, cells=8_192)
    tracemalloc.start()
    try:
        for number in range(0, 250_000, 1_000):
            counts = {f"person{number + each}": 1 for each in range(1_000)}
            now = number / 250_000 * MINUTE
            window.begin(counts)
            window.end(counts, now)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 600_000  # of each, 8 bytes would be 2,000,000
    assert 0 < window.room("person0", now) < 1_000
    assert window.room("person0", 2.001 * MINUTE) == 1_000


def test_zero_lifts_a_limit() -> None:
    """As in the configuration."""
    assert Quotas(0, 7).app_window() is None
    app = Quotas(7, 0).app_window()
    assert app is not None
    assert app.room("", 0.0) == 7
    assert Quotas(7, 0).identity_limit().room("ada", 0.0) > 10**12


# -- requests of one identity -------------------------------------------------------------------

#: With so few cells most identities share one; with so many hardly any do.
CELLS = st.sampled_from([1, 3, 1 << 16])
TRIES = st.lists(
    st.tuples(
        st.sets(st.sampled_from(["ada", "bob", "cyd", "dan"]), min_size=1),
        st.sampled_from([0.0, 0.0, 0.0, 0.3, 4.0, 30.0]),  # the pause before the try
        st.sampled_from([0.0, 0.01, 0.5, 7.0]),  # how long it takes
        st.floats(0, 1),  # when within it the service counts
    ),
    max_size=200,
)


@given(st.integers(1, 30), CELLS, TRIES)
@LAW
def test_requests_of_one_identity_over_any_window(
    limit: int, cells: int, tries: list[tuple[set[str], float, float, float]]
) -> None:
    """One try after the other: no window, wherever it lies, holds more of one."""
    spacing = Spacing(limit, SECONDS, cells)
    now = 0.0
    counted: dict[str, list[float]] = {}
    for identities, pause, takes, share in tries:
        now += pause
        uses = spacing.uses(identities)
        while wait := spacing.opens_in(uses, now):
            # The sum may be the last digit short of it, and then that is waited for.
            now = max(now + wait, math.nextafter(now, math.inf))
        assert all(spacing.room(identity, now) for identity in identities)
        spacing.begin(uses)
        for identity in identities:
            counted.setdefault(identity, []).append(now + share * takes)
        now += takes
        spacing.end(uses, now)
    for moments in counted.values():
        for first, over in zip(moments, moments[limit:], strict=False):
            assert over - first > SECONDS * 0.9999


@given(st.integers(2, 30), TRIES)
@LAW
def test_nobody_waits_long(limit: int, tries: list[tuple[set[str], float, float, float]]) -> None:
    """Half of the limit goes at once, and then one in its share of the time."""
    spacing = Spacing(limit, SECONDS, 1 << 16)
    for _ in range(limit // 2):
        assert spacing.room("eve", 0.0)
        spacing.end(spacing.uses(["eve"]), 0.0)
    now = 0.0
    for identities, pause, takes, _ in tries:
        now += pause
        uses = spacing.uses(identities)
        wait = spacing.opens_in(uses, now)
        assert wait <= SECONDS / (limit / 2)
        now += wait + takes
        spacing.end(uses, now)


def test_any_number_of_identities_take_the_same_memory() -> None:
    """Below 9 MB, whatever it counts."""
    limit = Quotas(requests_per_identity=30).identity_limit()
    assert isinstance(limit, Spacing)
    before = _bytes_of(limit)
    for number in range(0, 300_000, 1_000):
        limit.end(limit.uses(f"person{number + n}" for n in range(1_000)), float(number))
    assert _bytes_of(limit) == before
    assert before < 9_000_000


def test_identities_that_come_once_do_not_hold_each_other_up() -> None:
    """200,000 others a second for a minute, by a 256th of all: none is taken for one too many."""
    whole = Quotas(requests_per_identity=30).identity_limit()
    assert isinstance(whole, Spacing)
    limit = Spacing(30, MINUTE / 2, len(whole._unused_from) // 256)
    random = Random(1)
    for number in range(60 * 200_000 // 256):
        now, identity = number * 256 / 200_000, f"{random.getrandbits(64)}"
        assert limit.room(identity, now) > 0
        limit.end(limit.uses((identity,)), now)


def _bytes_of(limit: Spacing) -> int:
    cells = limit._unused_from  # memory is what is tested
    return len(cells) * cells.itemsize
