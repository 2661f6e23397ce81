"""A refused batch is split until the bad items stand alone."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulk_destination.delivery.batches import Batch
from bulk_destination.delivery.settlement import Part, Settlement, Step, next_step, settle
from bulk_destination.errors import ConfigurationError, Fault, WrongServiceError
from bulk_destination.http.replies import (
    Accepted,
    NotTheService,
    Refused,
    Settled,
    TooLarge,
    Unsent,
    Unsettled,
    WrongAddress,
)
from bulk_destination.mapping.payload_json import dump
from destination_heap_analytics.config import HeapConfig
from destination_heap_analytics.service import endpoint

TRACK = {"api_type": "track", "event_column": "event", "identity_column": "who"}
USERS = {"api_type": "add_user_properties", "identity_column": "who"}
TO_EVENTS, TO_USERS = (
    endpoint(HeapConfig.parse({"app_id": "11", "api": api})) for api in (TRACK, USERS)
)
LAW = settings(derandomize=True, max_examples=60, deadline=None)


@dataclass
class Lane:
    """Asks `answer`, and counts what was accepted."""

    answer: Callable[[Batch, bytes], Settled | Unsettled]
    accepted: int = 0
    known: Batch | None = None
    #: How often each body was sent on end, as it was told.
    tried: list[int] = field(default_factory=list)

    def post(self, part: Batch, body: bytes, tried: int) -> Settled | Unsettled:
        self.tried.append(tried)
        reply = self.answer(part, body)
        if isinstance(reply, Accepted):
            self.accepted += 1
            self.known = part.last()
        return reply

    def post_known(self) -> None:
        if self.known is not None:
            self.post(self.known, TO_EVENTS.body(self.known.bodies), 0)


class Service:
    """Takes a body whole or not at all; keeps what it took in order."""

    def __init__(self, list_name: str, bad: Callable[[Any], bool], limit: int = 10**9) -> None:
        self._list_name = list_name
        self._bad = bad
        self._limit = limit
        self.requests = 0
        self.items: list[Any] = []

    def __call__(self, part: Batch, body: bytes) -> Settled:
        self.requests += 1
        if len(body) > self._limit:
            return TooLarge()
        items = json.loads(body)[self._list_name]
        assert items, "no request is empty"
        for index, item in enumerate(items):
            if self._bad(item):
                return Refused(f"postBody.{self._list_name}[{index}].event is not valid")
        self.items += items
        return Accepted()


def _events(count: int) -> Batch:
    bodies = tuple(
        dump(
            {"event": "e", "identity": f"u{i}", "properties": {"n": i}, "idempotency_key": f"{i:x}"}
        )
        for i in range(count)
    )
    people = tuple(f"u{i}" for i in range(count))
    return Batch(tuple(range(1, count + 1)), people, bodies, people)


def _settle_events(count: int, poison: set[int]) -> tuple[Service, Settlement]:
    service = Service("events", lambda item: item["properties"]["n"] in poison)
    return service, settle(_events(count), TO_EVENTS, False, Lane(service))


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)))))
@example((1, {0}))
@example((7, set(range(7))))
@LAW
def test_exactly_the_bad_items_are_rejected(case: tuple[int, set[int]]) -> None:
    """Whatever is bad is rejected under its record's number; the rest lands once, in order."""
    count, poison = case
    service, settlement = _settle_events(count, poison)
    assert [rejection.position for rejection in settlement.rejections] == sorted(
        i + 1 for i in poison
    )
    assert [item["properties"]["n"] for item in service.items] == [
        i for i in range(count) if i not in poison
    ]
    assert all(item["idempotency_key"] == f"{item['properties']['n']:x}" for item in service.items)
    assert (settlement.records, settlement.merged) == (count, 0)
    assert {rejection.reason for rejection in settlement.rejections} <= {
        "refused by Heap: postBody.events[].event is not valid"
    }


@given(st.integers(0, 999))
@example(0)
@example(499)
@example(999)
@LAW
def test_one_bad_item_in_1000_costs_20_more_requests(at: int) -> None:
    """Halving finds one bad item with at most 20 more requests."""
    service, settlement = _settle_events(1000, {at})
    assert service.requests - 1 <= 20
    assert len(settlement.rejections) == 1


@given(st.sets(st.integers(0, 999), min_size=5, max_size=5))
@example({0, 250, 500, 750, 999})
@example({124, 374, 499, 624, 874})
@LAW
def test_five_scattered_bad_items_cost_100_more_requests(poison: set[int]) -> None:
    """Five bad items anywhere in 1,000 cost at most 100 more requests."""
    service, settlement = _settle_events(1000, poison)
    assert service.requests - 1 <= 100
    assert {rejection.position - 1 for rejection in settlement.rejections} == poison


def test_good_batch_is_one_request() -> None:
    """Nothing is split without need."""
    service, settlement = _settle_events(1000, set())
    assert service.requests == 1
    assert settlement.rejections == ()


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.booleans()), min_size=1)
)
@LAW
def test_bad_updates_take_no_good_ones_with_them(updates: list[tuple[str, str, bool]]) -> None:
    """Of users, too, only the bad updates are rejected; the good ones apply in their order."""
    bodies = tuple(
        dump({"identity": who, "properties": {key: n, **({f"bad{n}": 1} if bad else {})}})
        for n, (who, key, bad) in enumerate(updates)
    )
    people = tuple(who for who, _, _ in updates)
    batch = Batch(tuple(range(len(updates))), people, bodies, people)
    service = Service("users", lambda item: any(key[:3] == "bad" for key in item["properties"]))
    settlement = settle(batch, TO_USERS, True, Lane(service))

    held: dict[str, dict[str, int]] = {}
    for item in service.items:
        held.setdefault(item["identity"], {}).update(item["properties"])
    expected: dict[str, dict[str, int]] = {}
    for n, (who, key, bad) in enumerate(updates):
        if not bad:
            expected.setdefault(who, {})[key] = n
    assert held == expected
    assert [rejection.position for rejection in settlement.rejections] == [
        n for n, (_, _, bad) in enumerate(updates) if bad
    ]
    accepted = len(updates) - len(settlement.rejections)
    assert settlement.merged == accepted - len(service.items)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=60))
@LAW
def test_too_large_splits_too(sizes: list[int]) -> None:
    """A 413 splits; only what is too large by itself is rejected, and the rest keeps its order."""
    bodies = tuple(dump({"event": "x" * size}) for size in sizes)
    people = tuple(map(str, range(len(sizes))))
    batch = Batch(tuple(range(len(sizes))), people, bodies, people)
    service = Service("events", lambda item: False, limit=300)
    settlement = settle(batch, TO_EVENTS, False, Lane(service))
    fits = [len(TO_EVENTS.body([body])) <= 300 for body in bodies]
    assert [len(item["event"]) for item in service.items] == [
        size for size, fit in zip(sizes, fits, strict=True) if fit
    ]
    assert [rejection.position for rejection in settlement.rejections] == [
        at for at, fit in enumerate(fits) if not fit
    ]
    assert {rejection.reason for rejection in settlement.rejections} <= {"too_large_for_heap"}


@pytest.mark.parametrize("words", ["x" * 20_000, "is not " * 3_000, '{"error":"u%C3"} ' * 1_000])
def test_a_thousand_refused_rows_of_any_words(words: str) -> None:
    """Two thousand answers about rows of 1,000 properties cost less than 3 s of CPU."""
    properties = {f"property_{n}": f"value {n}" for n in range(1_000)}
    body = dump({"event": "e", "identity": "jane", "properties": properties})
    batch = Batch(tuple(range(1_000)), ("jane",) * 1_000, (body,) * 1_000, ("jane",) * 1_000)
    now = datetime(2026, 1, 2, tzinfo=UTC)

    def refuse(part: Batch, body: bytes) -> Settled:
        reply = TO_EVENTS.read_reply(400, {}, words.encode(), now)
        assert isinstance(reply, Refused)
        return reply

    began = time.process_time()
    settlement = settle(batch, TO_EVENTS, False, Lane(refuse))
    assert len(settlement.rejections) == 1_000
    assert time.process_time() - began < 3


def test_failure_to_settle_is_not_swallowed() -> None:
    """What the sender raises ends the settlement: nothing counts as settled."""

    def unavailable(part: Batch, body: bytes) -> Settled:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        settle(_events(3), TO_EVENTS, False, Lane(unavailable))


# -- something stands between ---------------------------------------------------------------------

PAGE = NotTheService("status 403 with a web page")


class Firewall:
    """Turns requests away that hold one of `disliked`; the service behind takes the rest."""

    def __init__(self, disliked: set[int]) -> None:
        self._disliked = disliked
        self.requests = 0
        self.items: list[int] = []
        self.before: set[int] = set()
        self.repeats: list[int] = []

    def __call__(self, part: Batch, body: bytes) -> Settled | Unsettled:
        self.requests += 1
        numbers: list[int] = [item["properties"]["n"] for item in json.loads(body)["events"]]
        if self._disliked.intersection(numbers):
            return PAGE
        repeats = self.before.intersection(numbers) or numbers[0] in self.items
        (self.repeats if repeats else self.items).extend(numbers)
        return Accepted()


def _people(count: int, people: int) -> Batch:
    """Events of so many people, each with several."""
    batch = _events(count)
    who = tuple(f"u{i % people}" for i in range(count))
    return Batch(batch.positions, who, batch.bodies, who)


@given(
    st.integers(1, 60).flatmap(
        lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), max_size=4))
    ),
    st.integers(1, 60),
    st.booleans(),
)
@example((1, {0}), 1, True)
@example((2, {1}), 2, True)
@example((2, {0}), 2, False)
@example((60, {0, 1, 2, 3}), 1, True)
@LAW
def test_what_a_firewall_turns_away_is_found(
    case: tuple[int, set[int]], people: int, proven: bool
) -> None:
    """Exactly that is rejected; the rest lands, each person's in order."""
    count, disliked = case
    firewall = Firewall(disliked)
    lane = Lane(firewall)
    if proven:
        lane.post(_events(1), TO_EVENTS.body(_events(99).bodies[98:]), 0)
        lane.known, firewall.items, firewall.before = _events(99).last(), [], {98}
    try:
        settlement = settle(_people(count, people), TO_EVENTS, False, lane)
    except WrongServiceError:  # those at the head of the first request look like a wrong address
        assert not proven
        assert not firewall.items
        assert 0 in disliked
        return
    assert {each.position - 1 for each in settlement.rejections} == disliked
    assert {each.reason for each in settlement.rejections} <= {
        "turned away before Heap: status 403 with a web page"
    }
    assert sorted(firewall.items) == sorted(set(range(count)) - disliked)
    for person in range(people):
        own = [n for n in firewall.items if n % people == person]
        assert own == sorted(own)


def test_one_that_a_firewall_turns_away_in_1000() -> None:
    """It costs two requests for each halving, and a few for the one."""
    firewall = Firewall({617})
    lane = Lane(firewall, accepted=1)
    settlement = settle(_events(1_000), TO_EVENTS, False, lane)
    assert len(settlement.rejections) == 1
    assert firewall.requests < 40


class OutageError(Exception):
    """The client's time is over."""


@given(st.integers(1, 40), st.integers(0, 10), st.integers(0, 60))
@LAW
def test_an_outage_rejects_nothing(count: int, after: int, pages: int) -> None:
    """However long the gateway has only pages: later everything lands, each once."""
    firewall = Firewall(set())
    turns = iter(range(10**9))

    def answer(part: Batch, body: bytes) -> Settled | Unsettled:
        return PAGE if after <= next(turns) < after + pages else firewall(part, body)

    settlement = settle(_events(count), TO_EVENTS, False, Lane(answer, accepted=1))
    assert settlement.rejections == ()
    assert sorted(firewall.items) == list(range(count))


@pytest.mark.parametrize("reply", [PAGE, WrongAddress("a certificate"), Unsent("no room")])
def test_an_outage_without_end_is_the_clients_to_end(reply: Unsettled) -> None:
    """Nothing is rejected, and the parts are not counted up for ever."""
    posts: list[int] = []

    def answer(part: Batch, body: bytes) -> Settled | Unsettled:
        posts.append(len(part))
        if len(posts) > 100:
            raise OutageError
        return reply

    lane = Lane(answer, accepted=1)
    with pytest.raises(OutageError):
        settle(_events(64), TO_EVENTS, False, lane)
    assert len(set(posts[-50:])) == 1
    assert lane.tried[-1] > 40  # so the client waits, longer and longer


@pytest.mark.parametrize("reply", [PAGE, WrongAddress("a certificate")])
def test_a_service_that_never_showed_itself(reply: Unsettled) -> None:
    """That is a fault of the configuration, found within few requests."""
    lane = Lane(lambda part, body: reply)
    with pytest.raises(WrongServiceError, match="base_url"):
        settle(_events(1_000), TO_EVENTS, False, lane)
    assert len(lane.tried) < 15
    assert set(lane.tried) == {0}  # none waited


def test_a_fault_that_is_told_is_believed() -> None:
    """At once, as long as nothing was accepted; afterwards it is an outage."""
    reply = NotTheService("status 401", Fault("sdk_key", "is not taken"))
    lane = Lane(lambda part, body: reply)
    with pytest.raises(ConfigurationError, match="sdk_key"):
        settle(_events(1_000), TO_EVENTS, False, lane)
    assert lane.tried == [0]
    assert next_step(Part(_events(9)), reply, 1, []) is Step.AGAIN


def test_what_does_not_go_out_whole_goes_in_halves() -> None:
    """After the second time, as a line that is too slow for much may do for less."""
    posts: list[int] = []

    def answer(part: Batch, body: bytes) -> Settled | Unsettled:
        posts.append(len(part))
        return Accepted() if len(part) <= 2 else Unsent("no room")

    settlement = settle(_events(8), TO_EVENTS, False, Lane(answer))
    assert settlement.rejections == ()
    assert posts == [8, 8, 4, 4, 2, 2, 4, 4, 2, 2]
