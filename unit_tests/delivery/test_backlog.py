"""What may go fills requests, the rest steps aside; nothing is lost, and no key's order changes."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from bulk_destination.delivery.backlog import Backlog, Request
from bulk_destination.delivery.batches import Batch
from bulk_destination.delivery.quotas import IdentityLimit, Spacing, Window

LAW = settings(max_examples=300, deadline=None)
MINUTE = 60.0


def batch(first: int, identities: str, keys: str | None = None) -> Batch:
    """One item a letter, numbered from `first`; the letters are their keys where none are given."""
    positions = tuple(range(first, first + len(identities)))
    bodies = tuple(b"%d" % position for position in positions)
    return Batch(positions, tuple(identities), bodies, tuple(keys or identities))


def picked(backlog: Backlog, now: float = 0.0, most: int | None = None) -> Request:
    """What is picked, and there is something."""
    request = backlog.pick(now, most)
    assert request is not None
    return request


def send(limit: IdentityLimit, request: Request, now: float) -> None:
    """What a sender does with a request."""
    uses = limit.uses(request.batch.identities)
    limit.begin(uses)
    limit.end(uses, now)


# -- requests under way -------------------------------------------------------------------------


def test_a_batch_goes_as_it_came() -> None:
    """Where nothing is in its way it is not taken apart, and put back it keeps its place."""
    backlog = Backlog(1_000)
    first, second = batch(1, "aab"), batch(4, "c")
    backlog.add(first)
    backlog.add(second)
    request = picked(backlog)
    assert request.batch is first
    backlog.put_back(request)
    request = picked(backlog)
    assert request.batch is first
    other = picked(backlog)
    assert other.batch is second
    assert backlog.settled(other) == 0, "an earlier batch is under way"
    assert backlog.settled(request) == 2
    assert backlog.opens_in(0.0) is None


def test_what_is_under_way_holds_up_its_own_keys_only() -> None:
    """`a` is in a request under way; those behind it fill the next one, and `a` goes later."""
    backlog = Backlog(3)
    backlog.add(batch(1, "ab"))
    backlog.add(batch(3, "aca"))
    backlog.add(batch(6, "de"))
    first = picked(backlog)
    second = picked(backlog)
    assert second.batch.positions == (4, 6, 7)
    assert backlog.pick(0.0) is None
    assert backlog.opens_in(0.0) is None, "that hangs on the first request"
    assert backlog.settled(second) == 0
    assert backlog.settled(first) == 1
    assert backlog.opens_in(0.0) == 0.0
    third = picked(backlog)
    assert third.batch.positions == (3, 5)
    assert backlog.settled(third) == 2


def test_nothing_passes_what_stepped_aside() -> None:
    """Also when its key is free again, and also in a batch that comes later."""
    backlog = Backlog(2)
    backlog.add(batch(1, "a"))
    first = picked(backlog)
    backlog.add(batch(2, "abc"))
    second = picked(backlog)
    assert second.batch.positions == (3, 4)
    backlog.settled(first)
    backlog.add(batch(5, "ad"))
    assert picked(backlog).batch.positions == (2, 5)


def test_a_key_is_not_an_identity() -> None:
    """Two versions of one event, about different people, stay in order; others of both go on."""
    backlog = Backlog(10)
    backlog.add(batch(1, "a", "1"))
    first = picked(backlog)
    backlog.add(batch(2, "bba", "123"))
    second = picked(backlog)
    assert second.batch.positions == (3, 4)
    backlog.settled(first)
    assert picked(backlog).batch.positions == (2,)


def test_a_key_over_the_quota_of_one_is_kept_in_order_for_another() -> None:
    """The first version of an event waits for its identity's quota; the second waits for it."""
    window = Window(1, MINUTE)
    backlog = Backlog(10, window)
    backlog.add(batch(1, "aab", "122"))
    first = picked(backlog)
    assert first.batch.positions == (1,)
    send(window, first, 0.0)
    backlog.settled(first)
    assert backlog.pick(1.0) is None
    assert picked(backlog, MINUTE).batch.positions == (2, 3)


def test_a_whole_batch_does_not_pass_what_stepped_aside_either() -> None:
    """The second version comes in a batch of its own, about somebody who has all his quota."""
    window = Window(1, MINUTE)
    backlog = Backlog(10, window)
    backlog.add(batch(1, "aa", "12"))
    first = picked(backlog)
    send(window, first, 0.0)
    backlog.settled(first)
    assert backlog.pick(1.0) is None
    backlog.add(batch(3, "b", "2"))
    assert backlog.pick(1.0) is None
    assert picked(backlog, MINUTE).batch.positions == (2, 3)


@given(
    st.integers(1, 4),
    st.lists(
        st.lists(st.sampled_from(["a0", "a1", "b1", "b2", "c2"]), min_size=1, max_size=8),
        max_size=6,
    ),
    st.booleans(),
    st.sampled_from([None, 1, 2]),
    st.randoms(use_true_random=False),
)
@LAW
def test_all_leave_once_in_order_per_key(
    most: int, batches: list[list[str]], own_keys: bool, limit: int | None, random: Random
) -> None:
    """However many requests are under way, and in whichever order they are settled."""
    window = None if limit is None else Window(limit, MINUTE)
    backlog = Backlog(most, window)
    # An item is two letters: whom it is about, and what it is known by.
    coming = [
        ("".join(item[0] for item in items), "".join(item[own_keys] for item in items))
        for items in batches
    ]
    keys_of: dict[int, str] = {}
    begun: list[int] = []
    under_way: list[Request] = []
    whole, handed, now = 0, [0], 0.0
    settled: set[int] = set()
    while coming or under_way or backlog.opens_in(now) is not None:
        if coming and random.random() < 0.4:
            arrived = batch(len(keys_of) + 1, *coming.pop(0))
            keys_of.update(zip(arrived.positions, arrived.keys, strict=True))
            backlog.add(arrived)
            handed.append(arrived.positions[-1])
        request = backlog.pick(now, random.randint(1, most))
        if request is not None and random.random() < 0.2:
            backlog.put_back(request)
        elif request is not None:
            busy = {key for each in under_way for key in each.batch.keys}
            assert busy.isdisjoint(request.batch.keys)
            assert len(request.batch) <= most
            if window is not None:
                assert max(Counter(request.batch.identities).values()) <= window.limit
                send(window, request, now)
            begun += request.batch.positions
            under_way.append(request)
        elif not under_way:
            now += backlog.opens_in(now) or 0.0
        if under_way and random.random() < 0.5:
            done = under_way.pop(random.randrange(len(under_way)))
            settled.update(done.batch.positions)
            whole += backlog.settled(done)
            assert settled.issuperset(range(1, handed[whole] + 1)), "a state would leave too early"
            assert whole == len(handed) - 1 or not settled.issuperset(
                range(1, handed[whole + 1] + 1)
            ), "a state would leave too late"
    assert sorted(begun) == list(keys_of)
    for key in set(keys_of.values()):
        own = [position for position in begun if keys_of[position] == key]
        assert own == sorted(own)
    assert whole == len(batches)


# -- quotas of identities -----------------------------------------------------------------------


def test_others_pass_a_busy_identity() -> None:
    """`a` may send two a minute; `b` and `c` behind it are not kept waiting."""
    window = Window(2, MINUTE)
    backlog = Backlog(1_000, window)
    backlog.add(batch(1, "aaaab"))
    backlog.add(batch(6, "cac"))
    first = picked(backlog)
    assert first.batch.positions == (1, 2, 5, 6, 8)
    send(window, first, 0.0)
    assert backlog.settled(first) == 0, "both batches still hold items that stepped aside"
    assert backlog.pick(1.0) is None
    assert backlog.opens_in(1.0) == MINUTE - 1.0
    second = picked(backlog, MINUTE)
    assert second.batch.positions == (3, 4)
    send(window, second, MINUTE)
    assert backlog.settled(second) == 1
    third = picked(backlog, 2 * MINUTE)
    assert third.batch.positions == (7,)
    assert backlog.settled(third) == 1
    assert backlog.opens_in(2 * MINUTE) is None


def test_batches_are_whole_in_order() -> None:
    """A later batch that is whole waits for an earlier one: states lean on the order."""
    window = Window(1, MINUTE)
    backlog = Backlog(1_000, window)
    backlog.add(batch(1, "aa"))
    backlog.add(batch(3, "b"))
    first = picked(backlog)
    assert first.batch.positions == (1, 3)
    send(window, first, 0.0)
    assert backlog.settled(first) == 0
    second = picked(backlog, MINUTE)
    assert second.batch.positions == (2,)
    assert backlog.settled(second) == 2


def test_batches_go_as_they_came_while_an_identity_waits() -> None:
    """What waits for its quota does not have every batch behind it taken apart."""
    window = Window(1, MINUTE)
    backlog = Backlog(1_000, window)
    backlog.add(batch(1, "aa"))
    send(window, picked(backlog), 0.0)
    assert backlog.pick(1.0) is None
    whole = batch(3, "bc")
    backlog.add(whole)
    assert picked(backlog, 1.0).batch is whole


def test_a_request_is_never_too_large() -> None:
    """The limits of a request hold for what was taken apart, too."""
    backlog = Backlog(1_000)
    for first in range(1, 4_001, 800):
        backlog.add(batch(first, "a" * 800, "".join(map(chr, range(first, first + 800)))))
    first_request = picked(backlog, 0.0, 600)
    assert first_request.batch.positions == tuple(range(1, 601))
    assert picked(backlog).batch.positions == tuple(range(601, 1_601))


def test_updates_that_stepped_aside_go_as_one() -> None:
    """Where updates merge, a request has its number of identities, not of updates."""
    spacing = Spacing(2, MINUTE, 1 << 16)
    backlog = Backlog(3, spacing, merges=True)
    backlog.add(batch(1, "aab"))
    first = picked(backlog)
    assert first.batch.positions == (1, 2, 3)
    send(spacing, first, 0.0)
    backlog.settled(first)
    backlog.add(batch(4, "aaa"))
    backlog.add(batch(7, "aca"))
    backlog.add(batch(10, "def"))
    others = picked(backlog, 1.0)
    assert others.batch.positions == (8, 10, 11)
    send(spacing, others, 1.0)
    backlog.settled(others)
    assert backlog.opens_in(2.0) == 0.0
    assert picked(backlog, 2.0).batch.positions == (12,)
    wait = backlog.opens_in(2.0)
    assert wait is not None
    assert wait > 0
    rest = picked(backlog, 2.0 + wait)
    assert rest.batch.positions == (4, 5, 6, 7, 9)
    assert {*rest.batch.identities} == {"a"}


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
    backlog = Backlog(most, spacing, merges=True)
    coming = list(batches)
    identities: dict[int, str] = {}
    sent: list[int] = []
    moments: dict[str, list[float]] = {}
    under_way: list[Request] = []
    whole, now = 0, 0.0
    while coming or under_way or backlog.opens_in(now) is not None:
        if coming and random.random() < 0.5:
            arrived = batch(len(identities) + 1, coming.pop(0))
            identities.update(zip(arrived.positions, arrived.identities, strict=True))
            backlog.add(arrived)
        request = backlog.pick(now)
        if request is not None:
            for identity in set(request.batch.identities):
                moments.setdefault(identity, []).append(now)
            sent += request.batch.positions
            under_way.append(request)
        elif not under_way:
            now += backlog.opens_in(now) or 0.0
        if under_way and random.random() < 0.5:
            done = under_way.pop(random.randrange(len(under_way)))
            spacing.end(spacing.uses(done.batch.identities), now)
            whole += backlog.settled(done)
        now += random.choice([0.0, 0.0, MINUTE / 3])
    assert sorted(sent) == list(identities)
    for identity in "abcd":
        own = [position for position in sent if identities[position] == identity]
        assert own == sorted(own)
    for own_moments in moments.values():
        for first, over in zip(own_moments, own_moments[limit:], strict=False):
            assert over - first > MINUTE * 0.9999
    assert whole == len(batches)


# -- several streams ----------------------------------------------------------------------------


@LAW
@given(
    st.lists(st.text("abcd", min_size=1, max_size=12), min_size=1, max_size=12),
    st.integers(0, 1 << 30),
    st.booleans(),
    st.booleans(),
)
def test_a_stream_is_let_go(batches: list[str], seed: int, merges: bool, has_quota: bool) -> None:
    """At any moment: nothing more of it is picked, all else is once, and every batch ends whole."""
    random = Random(seed)
    limit = Window(5, MINUTE) if has_quota else None
    backlog = Backlog(4, limit, merges=merges)
    of: dict[int, int] = {}
    weight, first = 0, 1
    for letters in batches:
        plain = batch(first, letters)
        streams = tuple(random.randrange(3) for _ in letters)
        of |= dict(zip(plain.positions, streams, strict=True))
        handed = Batch(plain.positions, plain.identities, plain.bodies, plain.keys, streams)
        backlog.add(handed)
        weight += handed.weight
        first += len(letters)
    drops_at, now = random.randrange(len(of) + 1), 0.0
    under_way: list[Request] = []
    sent: list[int] = []
    whole = 0
    dropped: tuple[int, ...] | None = None
    for step in range(20 * len(of) + 40):
        if step == drops_at:
            gone = backlog.drop(1)
            dropped, whole, weight = gone.positions, whole + gone.batches, weight - gone.weight
        if under_way and random.random() < 0.5:
            done = under_way.pop(random.randrange(len(under_way)))
            whole += backlog.settled(done)
            weight -= done.batch.weight
        elif (request := backlog.pick(now)) is not None:
            assert request.batch.streams == tuple(of[each] for each in request.batch.positions)
            assert dropped is None or 1 not in request.batch.streams
            if random.random() < 0.2:
                backlog.put_back(request)
                continue
            if limit is not None:
                send(limit, request, now)
            sent += request.batch.positions
            under_way.append(request)
        else:
            now += MINUTE
    for done in under_way:
        whole += backlog.settled(done)
        weight -= done.batch.weight
    assert dropped is not None
    assert sorted([*sent, *dropped]) == [*of]
    assert all(of[each] == 1 for each in dropped)
    assert (whole, weight) == (len(batches), 0)
