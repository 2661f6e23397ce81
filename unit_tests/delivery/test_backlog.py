"""A busy identity steps aside; nothing is lost, and nobody's order changes."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from bulk_destination.delivery.backlog import Backlog
from bulk_destination.delivery.batches import Batch
from bulk_destination.delivery.quotas import Window

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
