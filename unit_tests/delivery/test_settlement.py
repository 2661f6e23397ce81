"""A refused batch is split until the bad items stand alone."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulk_destination.delivery.batches import Batch
from bulk_destination.delivery.settlement import Settlement, settle
from bulk_destination.http.client import Settled
from bulk_destination.http.replies import Accepted, Refused, TooLarge
from bulk_destination.mapping.payload_json import dump
from destination_heap_analytics.config import HeapConfig
from destination_heap_analytics.service import endpoint

TRACK = {"api_type": "track", "event_column": "event", "identity_column": "who"}
USERS = {"api_type": "add_user_properties", "identity_column": "who"}
TO_EVENTS, TO_USERS = (
    endpoint(HeapConfig.parse({"app_id": "11", "api": api})) for api in (TRACK, USERS)
)
LAW = settings(derandomize=True, max_examples=60, deadline=None)


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
    return Batch(tuple(range(1, count + 1)), tuple(f"u{i}" for i in range(count)), bodies)


def _settle_events(count: int, poison: set[int]) -> tuple[Service, Settlement]:
    service = Service("events", lambda item: item["properties"]["n"] in poison)
    return service, settle(_events(count), TO_EVENTS, False, service)


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
    batch = Batch(tuple(range(len(updates))), tuple(who for who, _, _ in updates), bodies)
    service = Service("users", lambda item: any(key[:3] == "bad" for key in item["properties"]))
    settlement = settle(batch, TO_USERS, True, service)

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
    batch = Batch(tuple(range(len(sizes))), tuple(map(str, range(len(sizes)))), bodies)
    service = Service("events", lambda item: False, limit=300)
    settlement = settle(batch, TO_EVENTS, False, service)
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
    batch = Batch(tuple(range(1_000)), ("jane",) * 1_000, (body,) * 1_000)
    now = datetime(2026, 1, 2, tzinfo=UTC)

    def refuse(part: Batch, body: bytes) -> Settled:
        reply = TO_EVENTS.read_reply(400, {}, words.encode(), now)
        assert isinstance(reply, Refused)
        return reply

    began = time.process_time()
    settlement = settle(batch, TO_EVENTS, False, refuse)
    assert len(settlement.rejections) == 1_000
    assert time.process_time() - began < 3


def test_failure_to_settle_is_not_swallowed() -> None:
    """What the sender raises ends the settlement: nothing counts as settled."""

    def unavailable(part: Batch, body: bytes) -> Settled:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        settle(_events(3), TO_EVENTS, False, unavailable)
