"""A busy identity steps aside; nothing is lost, and nobody's order changes."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from bulk_destination.delivery.backlog import Backlog
from bulk_destination.delivery.batches import Batch
from bulk_destination.delivery.quotas import Spacing, Window

LAW = settings(max_examples=300, deadline=None)
MINUTE = 60.0


def batch(first: int, identities: str) -> Batch:
    """One item a letter, numbered from `first`."""
    positions = tuple(range(first, first + len(identities)))
    return Batch(positions, tuple(identities), tuple(b"%d" % position for position in positions))


def send(window: Window, request: Batch, now: float) -> None:
    """What a sender does with a request."""
    window.begin(Counter(request.identities))
    window.end(Counter(request.identities), now)


def test_others_pass_a_busy_identity() -> None:
    """`a` may send two a minute; `b` and `c` behind it are not kept waiting."""
    window = Window(2, MINUTE)
    backlog = Backlog(window, 1_000)
    backlog.add(batch(1, "aaaab"))
    backlog.add(batch(6, "cac"))
    first = backlog.pick(0.0)
    assert first.positions == (1, 2, 5, 6, 8)
    send(window, first, 0.0)
    assert backlog.settled() == 0, "both batches still hold parked items"
    assert not backlog.pick(1.0)
    assert backlog.opens_in(1.0) == MINUTE - 1.0
    second = backlog.pick(MINUTE)
    assert second.positions == (3, 4)
    send(window, second, MINUTE)
    assert backlog.settled() == 1
    third = backlog.pick(2 * MINUTE)
    assert third.positions == (7,)
    assert backlog.settled() == 1
    assert backlog.opens_in(2 * MINUTE) is None


def test_batches_are_whole_in_order() -> None:
    """A later batch that is whole waits for an earlier one: states lean on the order."""
    window = Window(1, MINUTE)
    backlog = Backlog(window, 1_000)
    backlog.add(batch(1, "aa"))
    backlog.add(batch(3, "b"))
    first = backlog.pick(0.0)
    assert first.positions == (1, 3)
    send(window, first, 0.0)
    assert backlog.settled() == 0
    second = backlog.pick(MINUTE)
    assert second.positions == (2,)
    assert backlog.settled() == 2


@given(
    st.integers(1, 4),
    st.lists(st.text("abcd", min_size=1, max_size=12), max_size=6),
    st.randoms(use_true_random=False),
)
@LAW
def test_all_leave_once_in_order_within_the_quota(
    limit: int, batches: list[str], random: Random
) -> None:
    """However requests are cut short and batches come in between."""
    window = Window(limit, MINUTE)
    backlog = Backlog(window, 1_000)
    coming = list(batches)
    identities: dict[int, str] = {}
    sent: list[int] = []
    whole, now = 0, 0.0
    while coming or backlog.opens_in(now) is not None:
        if coming and random.random() < 0.5:
            arriving = coming.pop(0)
            arrived = batch(len(identities) + 1, arriving)
            identities.update(zip(arrived.positions, arrived.identities, strict=True))
            backlog.add(arrived)
        now += random.choice([0.0, MINUTE / 2])
        request = backlog.pick(now)
        if not request:
            now += backlog.opens_in(now) or 0.0
            continue
        assert max(Counter(request.identities).values()) <= limit
        back = random.randrange(len(request))
        backlog.put_back(back)
        request = request.cut(len(request) - back)[0]
        send(window, request, now)
        sent += request.positions
        whole += backlog.settled()
    assert sorted(sent) == list(identities)
    for identity in "abcd":
        own = [position for position in sent if identities[position] == identity]
        assert own == sorted(own)
    assert whole == len(batches)


def test_a_request_is_never_too_large() -> None:
    """The limits of a request hold for what was parked, too."""
    window = Window(5_000, MINUTE)
    backlog = Backlog(window, 1_000)
    backlog.add(batch(1, "a" * 1_000))
    backlog.add(batch(1_001, "b" * 1_000))
    backlog.pick(0.0)
    backlog.put_back(400)
    backlog.settled()
    second = backlog.pick(0.0)
    assert len(second) == 1_000
    assert second.positions[0] == 601


def test_a_batch_goes_as_it_came() -> None:
    """Where nothing is parked it is not taken apart, and put back it keeps its place."""
    backlog = Backlog(Window(2, MINUTE), 1_000)
    first, second = batch(1, "aab"), batch(4, "c")
    backlog.add(first)
    backlog.add(second)
    assert backlog.pick(0.0) is first
    backlog.put_back(3)
    assert backlog.pick(0.0) is first
    backlog.put_back(1)
    assert backlog.settled() == 0
    assert backlog.pick(0.0).positions == (3, 4)
    assert backlog.settled() == 2


def test_parked_updates_go_as_one() -> None:
    """Where updates merge, a request has its number of identities, not of updates."""
    spacing = Spacing(2, MINUTE, 1 << 16)
    backlog = Backlog(spacing, 3, merges=True)
    backlog.add(batch(1, "aab"))
    first = backlog.pick(0.0)
    assert first.positions == (1, 2, 3)
    spacing.end(spacing.uses(first.identities), 0.0)
    backlog.add(batch(4, "aaa"))
    backlog.add(batch(7, "aca"))
    backlog.add(batch(10, "def"))
    others = backlog.pick(1.0)
    assert others.positions == (8, 10, 11)
    spacing.end(spacing.uses(others.identities), 1.0)
    wait = backlog.opens_in(2.0)
    assert wait == 0.0
    assert backlog.pick(2.0).positions == (12,)
    wait = backlog.opens_in(2.0)
    assert wait is not None
    assert wait > 0
    rest = backlog.pick(2.0 + wait)
    assert rest.positions == (4, 5, 6, 7, 9)
    assert {*rest.identities} == {"a"}


@given(
    st.integers(1, 4),
    st.sampled_from([1, 2, 1 << 16]),
    st.integers(1, 3),
    st.lists(st.text("abcd", min_size=1, max_size=12), max_size=6),
    st.randoms(use_true_random=False),
)
@LAW
def test_merging_ones_leave_once_in_order_within_the_limit(
    limit: int, cells: int, most: int, batches: list[str], random: Random
) -> None:
    """However few cells there are, and whenever batches come in between."""
    spacing = Spacing(limit, MINUTE, cells)
    backlog = Backlog(spacing, most, merges=True)
    coming = list(batches)
    identities: dict[int, str] = {}
    sent: list[int] = []
    moments: dict[str, list[float]] = {}
    whole, now = 0, 0.0
    while coming or backlog.opens_in(now) is not None:
        if coming and random.random() < 0.5:
            arrived = batch(len(identities) + 1, coming.pop(0))
            identities.update(zip(arrived.positions, arrived.identities, strict=True))
            backlog.add(arrived)
        request = backlog.pick(now)
        if not request:
            now += backlog.opens_in(now) or 0.0
            continue
        for identity in set(request.identities):
            moments.setdefault(identity, []).append(now)
        spacing.end(spacing.uses(request.identities), now)
        sent += request.positions
        whole += backlog.settled()
        now += random.choice([0.0, 0.0, MINUTE / 3])
    assert sorted(sent) == list(identities)
    for identity in "abcd":
        own = [position for position in sent if identities[position] == identity]
        assert own == sorted(own)
    for own_moments in moments.values():
        for first, over in zip(own_moments, own_moments[limit:], strict=False):
            assert over - first > MINUTE * 0.9999
    assert whole == len(batches)
