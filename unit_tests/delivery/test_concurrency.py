"""The number of requests at once, against services that are simulated: each a promise and a figure.

The figures are the worst of the seeds, with some room; all of it is the same on every machine.
"""

from __future__ import annotations

from functools import partial
from statistics import mean
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulk_destination.delivery.concurrency import (
    MOST,
    START,
    Answer,
    ConcurrencyLimit,
    Places,
    Try,
)
from unit_tests.delivery.simulation import ROWS, Service, Simulation

if TYPE_CHECKING:
    from collections.abc import Callable

LAW = settings(max_examples=200, deadline=None)
SEEDS = (1, 2, 3)
#: What the sync's own processor makes; 100 requests a second.
AT_ONCE = 100_000.0


def always(seconds: float) -> Callable[[float], float]:
    """A latency that does not change."""
    return lambda _: seconds


def changing(first: float, later: float, at: float = 20.0) -> Callable[[float], float]:
    """One that does."""
    return lambda now: first if now < at else later


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("noise", [0.0, 0.2, 0.5])
@pytest.mark.parametrize(
    ("latency", "share", "since"),
    [(0.005, 0.98, 10), (0.05, 0.98, 10), (0.25, 0.95, 10), (1.0, 0.5, 10), (3.0, 0.19, 30)],
)
def test_a_slow_line_is_filled(
    latency: float, share: float, since: float, noise: float, seed: int
) -> None:
    """After 10 s, most of the speed that there would be if the service took no time.

    64 requests at once are 64 % of it at 1 s, and 21 % at 3 s.
    """
    service = Service(always(latency), noise=noise)
    run = Simulation(service, seed).run(60)
    assert run.speed(since, 60) >= share * AT_ONCE


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("latency", [0.005, 0.05, 0.25])
def test_a_slower_processor_is_kept_busy(latency: float, seed: int) -> None:
    """Of 40,000 rows a second nearly all, and not more requests at once than have work."""
    run = Simulation(Service(always(latency), noise=0.3), seed, lambda _: 40_000.0).run(60)
    assert run.speed(10, 60) >= 0.98 * 40_000
    assert max(run.limits(10)) <= max(START, 4 * 40 * latency)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("latency", [0.25, 1.0])
@pytest.mark.parametrize("workers", [2, 8, 24])
def test_no_more_than_brings_more(workers: int, latency: float, noise: float, seed: int) -> None:
    """A service that works on so many at once and lets the others queue: the queue stays short."""
    run = Simulation(Service(always(latency), workers=workers, noise=noise), seed).run(90)
    best = min(AT_ONCE, workers / latency * ROWS)
    assert run.speed(30, 90) >= 0.85 * best
    assert mean(run.limits(30)) <= max(START + 1, 2 * workers)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("latency", [0.25, 1.0])
@pytest.mark.parametrize("most", [8, 24])
def test_a_service_that_refuses_more(most: int, latency: float, seed: int) -> None:
    """503 above a number: that number is found, and seldom tried."""
    run = Simulation(Service(always(latency), refuses_above=most, noise=0.2), seed).run(120)
    assert run.speed(30, 120) >= 0.75 * min(AT_ONCE, most / latency * ROWS)
    assert run.share(Answer.STRAINED, 30) < 0.02


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("latency", "share"), [(0.05, 0.85), (0.25, 0.4), (1.0, 0.15)])
def test_a_few_failures_are_no_strain(latency: float, share: float, seed: int) -> None:
    """2 % of 503, whatever the number is: speed is still several times that of the start."""
    run = Simulation(Service(always(latency), failing=0.02, noise=0.2), seed).run(60)
    assert run.speed(10, 60) >= share * AT_ONCE


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fixed_windows", [False, True])
@pytest.mark.parametrize("latency", [0.005, 0.05, 0.25])
def test_a_rate_is_kept(latency: float, fixed_windows: bool, seed: int) -> None:
    """429 above 20 requests a second: nearly all of those, and after 20 s next to no 429."""
    service = Service(always(latency), rate=20, fixed_windows=fixed_windows, noise=0.2)
    run = Simulation(service, seed).run(120)
    assert run.speed(20, 120) >= 0.95 * 20 * ROWS
    assert run.share(Answer.TOO_MANY, 20) < 0.01


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("fixed_windows", [False, True])
def test_a_rate_behind_a_long_line(fixed_windows: bool, seed: int) -> None:
    """The same where an answer takes a second, from when so many can be under way."""
    service = Service(always(1.0), rate=20, fixed_windows=fixed_windows, noise=0.2)
    run = Simulation(service, seed).run(160)
    assert run.speed(60, 160) >= 0.9 * 20 * ROWS
    assert run.share(Answer.TOO_MANY, 20) < 0.01


def test_a_rate_that_is_lifted() -> None:
    """What a service could not take an hour ago is tried again."""
    service = Service(always(0.05), rate=20)
    run = Simulation(service)

    def lifting(now: float) -> float:
        service.rate = 20 if now < 60 else 10_000
        return 0.05

    service.latency = lifting
    run.run(150)
    assert run.speed(30, 60) < 21 * ROWS
    assert run.speed(120, 150) >= 0.9 * AT_ONCE


@pytest.mark.parametrize("seed", SEEDS)
def test_slower_answers_make_it_fall(seed: int) -> None:
    """At the first round of slow answers, not when all is worse; then it is found anew."""
    service = Service(changing(0.25, 1.0), workers=24, noise=0.2)
    run = Simulation(service, seed, requests_in_memory=200).run(80)
    before = mean(run.limits(15)[: 5 * 96])
    fallen = min(each.limit for each in run.seen if 20 <= each.at < 24)
    assert fallen <= 0.75 * before
    assert run.speed(50, 80) >= 0.85 * 24 * ROWS


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("first", "later", "share"), [(0.05, 1.0, 0.5), (1.0, 0.05, 0.98), (0.25, 0.05, 0.98)]
)
def test_a_line_that_changes(first: float, later: float, share: float, seed: int) -> None:
    """What was right at noon is not kept at night: 15 s later the other number is found."""
    run = Simulation(Service(changing(first, later), noise=0.2), seed).run(65)
    assert run.speed(35, 65) >= share * AT_ONCE


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("at", [0.125, 0.375, 0.75, 1.25])
@pytest.mark.parametrize(("seconds", "times"), [(0.1, 6.0), (0.3, 2.0), (1.0, 3.0)])
def test_a_hiccup_while_it_grows(at: float, seconds: float, times: float, seed: int) -> None:
    """One slow moment of a machine or a line, and the number is found all the same, in time."""

    def latency(now: float) -> float:
        return 0.25 * times if at <= now < at + seconds else 0.25

    run = Simulation(Service(latency, noise=0.2), seed).run(20)
    assert run.speed(10, 20) >= 0.95 * AT_ONCE


@pytest.mark.parametrize("seed", SEEDS)
def test_a_slow_source_teaches_nothing(seed: int) -> None:
    """The number stays where it began while the input holds up, and is found when it does not."""

    def source(now: float) -> float:
        return 5_000.0 if now < 60 else AT_ONCE

    run = Simulation(Service(always(0.25), noise=0.2), seed, source).run(100)
    assert {each.limit for each in run.seen if each.at < 60} == {START}
    assert run.speed(70, 100) >= 0.9 * AT_ONCE


@pytest.mark.parametrize("seed", SEEDS)
def test_a_quota_of_ours_teaches_nothing(seed: int) -> None:
    """Eight requests a second are two under way: the number stays, and is found afterwards."""

    def quota(now: float) -> float:
        return 8.0 if now < 60 else 1_000.0

    run = Simulation(Service(always(0.25), noise=0.2), seed, quota=quota).run(100)
    assert {each.limit for each in run.seen if each.at < 60} == {START}
    assert run.speed(5, 60) >= 0.98 * 8 * ROWS
    assert run.speed(70, 100) >= 0.9 * AT_ONCE


@pytest.mark.parametrize("seed", SEEDS)
def test_what_nobody_uses_is_taken_back(seed: int) -> None:
    """Else a service would get all at once when it slows down or the source is fast again."""

    def source(now: float) -> float:
        return AT_ONCE if now < 20 else 5_000.0

    run = Simulation(Service(always(0.25), noise=0.2), seed, source).run(100)
    assert max(each.limit for each in run.seen if each.at < 20) > 20
    assert max(run.limits(80)) <= START


@pytest.mark.parametrize("seed", SEEDS)
def test_memory_teaches_nothing(seed: int) -> None:
    """Where memory holds 12 requests, no more are under way, and the number stays near."""
    run = Simulation(Service(always(1.0), noise=0.2), seed, requests_in_memory=12).run(60)
    assert max(each.under_way for each in run.seen) <= 12
    assert run.speed(15, 60) >= 0.9 * 12 * ROWS
    assert max(run.limits(20)) <= 2 * 12


def test_a_small_sync_asks_no_more_often() -> None:
    """The number says when batches go, never how many there are."""
    run = Simulation(Service(always(0.05)))
    run.rows_per_second = lambda now: AT_ONCE if now < 0.049 else 1e-6
    run.run(10)
    assert run.starts == 5


# -- single answers -----------------------------------------------------------------------------


def answered(
    limit: ConcurrencyLimit, answers: list[Answer], now: float, seconds: float = 0.1
) -> None:
    """As many tries at once as there are answers; all end together."""
    tries = [limit.begin(now) for _ in answers]
    for each, answer in zip(tries, answers, strict=True):
        limit.end(each, answer, ROWS, now + seconds)


def test_time_without_a_request_is_no_round() -> None:
    """However late the first one comes, the number doubles with the first answers."""
    limit = ConcurrencyLimit()
    answered(limit, [Answer.TAKEN] * START, 1_000.0, seconds=1.0)
    assert limit.limit == 2 * START


def test_strain_falls_once_for_what_was_under_way() -> None:
    """Eight failures at once are one event, as a lost window of TCP is."""
    limit = ConcurrencyLimit(start=10)
    answered(limit, [Answer.STRAINED] * 8, 0.0)
    assert limit.limit == 7
    answered(limit, [Answer.STRAINED] * 7, 1.0)
    assert limit.limit == 4


def test_one_failure_is_anyones() -> None:
    """The second within the round is the service's."""
    limit = ConcurrencyLimit(start=10)
    answered(limit, [Answer.STRAINED, *[Answer.TAKEN] * 5], 0.0)
    assert limit.limit == 10
    answered(limit, [Answer.STRAINED], 0.2)
    assert limit.limit == 7


def test_it_never_falls_below_one() -> None:
    """A service that fails for hours is still asked, one request at a time."""
    limit = ConcurrencyLimit()
    for now in range(100):
        answered(limit, [Answer.STRAINED] * limit.limit, float(now))
    assert limit.limit == 1
    assert limit.opens_in(1_000.0) == 0.0


def test_a_fixed_number_is_fixed() -> None:
    """Whatever is observed; but the distance of starts is found."""
    fixed = ConcurrencyLimit(start=3, least=3, most=3)
    service = Service(always(0.1), rate=20, failing=0.05)
    run = Simulation(service, limit=fixed).run(60)
    assert {each.limit for each in run.seen} == {3}
    assert run.share(Answer.TOO_MANY, 20) < 0.02


def test_too_many_is_told_apart_from_slow() -> None:
    """After a 429 starts are apart, and the number of requests at once is what it was."""
    limit = ConcurrencyLimit(start=8)
    answered(limit, [*[Answer.TAKEN] * 4, *[Answer.TOO_MANY] * 4], 0.0)
    assert limit.limit == 8
    limit.begin(1.0)
    assert limit.opens_in(1.0) == pytest.approx(1 / (0.9 * 4), rel=0.1)


def test_the_second_is_handed_in() -> None:
    """Of a shorter one, starts are as much nearer to one another."""
    waits: list[float | None] = []
    for second in (1.0, 0.01):
        limit = ConcurrencyLimit(start=8, second=second)
        now = 0.0
        for _ in range(20):
            now += limit.opens_in(now) or 0.0
            limit.end(limit.begin(now), Answer.TOO_MANY, ROWS, now + second / 2)
        limit.begin(now)
        waits.append(limit.opens_in(now))
    assert waits == [pytest.approx(1.0, rel=0.2), pytest.approx(0.01, rel=0.2)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(Answer)),
            st.floats(0, 5),  # the pause before it
            st.integers(0, 63),  # which of those under way ends
            st.booleans(),  # whether one ends at all, or only begins
        ),
        max_size=400,
    )
)
@LAW
def test_laws(steps: list[tuple[Answer, float, int, bool]]) -> None:
    """Whatever comes: 1 to 64, never more begin, and after the wait that it names one may."""
    limit = ConcurrencyLimit()
    under_way: list[Try] = []
    now = 0.0
    for answer, pause, which, ends in steps:
        now += pause
        if ends and under_way:
            limit.end(under_way.pop(which % len(under_way)), answer, ROWS, now)
        wait = limit.opens_in(now)
        assert (wait is None) == (len(under_way) >= limit.limit)
        if wait is not None:
            assert 0.0 <= wait <= 2.0
            now += wait + 1e-9
            assert limit.opens_in(now) == pytest.approx(0.0, abs=1e-6)
            under_way.append(limit.begin(now))
        assert limit.under_way == len(under_way)
        assert 1 <= limit.limit <= MOST


# -- several endpoints ---------------------------------------------------------------------------


@given(
    st.integers(1, 64),
    st.integers(2, 5),
    st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=300),
)
def test_places_of_several_endpoints(
    most: int, endpoints: int, tries: list[tuple[int, bool]]
) -> None:
    """Never more than the number, but one for each; who was told no hears of the next place."""
    places = Places(most, endpoints)
    under_way = [0] * endpoints
    told: set[int] = set()
    places.tell = [partial(told.add, endpoint) for endpoint in range(endpoints)]
    refused: set[int] = set()
    for number, begins in tries:
        endpoint = number % endpoints
        if begins:
            if places.has_one_for(endpoint):
                places.take(endpoint)
                under_way[endpoint] += 1
            else:
                refused.add(endpoint)
        elif under_way[endpoint]:
            told.clear()
            places.give_back(endpoint)
            under_way[endpoint] -= 1
            assert told == refused
            refused.clear()
        assert sum(under_way) <= max(most, endpoints)
        for each, own in enumerate(under_way):
            if not own:
                assert places.has_one_for(each)
    for each in range(endpoints):
        while under_way[each]:
            places.give_back(each)
            under_way[each] -= 1
    alone = 0
    while places.has_one_for(0):
        places.take(0)
        alone += 1
    assert alone == max(1, most - (endpoints - 1))
