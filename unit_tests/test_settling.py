"""Batches, their settlement, and the states that ride behind them."""

import json
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from destination_heap_analytics.batches import MAX_BYTES, MAX_ITEMS, Batch, OpenBatch, envelope
from destination_heap_analytics.checkpoints import Checkpoints
from destination_heap_analytics.client import Settled
from destination_heap_analytics.replies import Accepted, Refused, TooLarge
from destination_heap_analytics.settlement import settle

LAW = settings(derandomize=True, deadline=None)
ENVELOPE = envelope("11", "users")


def batch_of(count: int) -> Batch:
    numbers = range(1, count + 1)
    return Batch(
        tuple(numbers),
        tuple(f"u{n}" for n in numbers),
        tuple(orjson.dumps({"identity": f"u{n}", "properties": {"n": n}}) for n in numbers),
    )


def items(body: bytes) -> list[dict[str, Any]]:
    parsed: list[dict[str, Any]] = json.loads(body)["users"]
    return parsed


@LAW
@given(st.lists(st.binary(min_size=1, max_size=40).map(lambda b: b.hex().encode()), max_size=60))
def test_batches_concatenate_to_the_payloads(bodies: list[bytes]) -> None:
    """Whatever the sizes, the batches hold the payloads, all of them, in order, once."""
    opened, closed = OpenBatch(), []
    for position, body in enumerate(bodies, start=1):
        if not opened.takes(body):
            closed.append(opened.close())
        opened.add(position, "x", body)
    closed.append(opened.close())
    assert [body for batch in closed for body in batch.bodies] == bodies
    assert [n for batch in closed for n in batch.positions] == list(range(1, len(bodies) + 1))
    assert len(opened) == 0


def test_limits() -> None:
    """1,000 items or 1 MB a request, whichever comes first; a giant goes alone."""
    opened = OpenBatch()
    for n in range(MAX_ITEMS):
        assert opened.takes(b"{}")
        opened.add(n, "x", b"{}")
    assert not opened.takes(b"{}")
    giant = OpenBatch()
    assert giant.takes(b"x" * MAX_BYTES * 2)
    giant.add(1, "x", b"x" * MAX_BYTES * 2)
    assert not giant.takes(b"{}")
    fitting = OpenBatch()
    fitting.add(1, "x", b"x" * (MAX_BYTES - 10))
    assert not fitting.takes(b"x" * 10)


UPDATES = st.lists(
    st.tuples(st.sampled_from("abc"), st.dictionaries(st.sampled_from("pq"), st.integers(0, 9))),
    min_size=1,
)


@LAW
@given(UPDATES)
def test_merging_is_applying_in_order(updates: list[tuple[str, dict[str, int]]]) -> None:
    """Several updates of one identity become one, and later values win."""
    expected: dict[str, dict[str, int]] = {}
    for who, properties in updates:
        expected.setdefault(who, {}).update(properties)
    batch = Batch(
        tuple(range(len(updates))),
        tuple(who for who, _ in updates),
        tuple(orjson.dumps({"identity": who, "properties": p}) for who, p in updates),
    )
    merged = [json.loads(body) for body in batch.merged()]
    assert {item["identity"]: item["properties"] for item in merged} == expected
    assert len(merged) == len(expected)


class Heap:
    """Refuses a whole request for one bad item, as Heap most likely does; keeps the others."""

    def __init__(self, bad: set[int], largest: int = 10**9) -> None:
        self.bad, self.largest = bad, largest
        self.taken: list[int] = []
        self.requests = 0

    def post(self, body: bytes) -> Settled:
        self.requests += 1
        if len(body) > self.largest:
            return TooLarge()
        numbers = [item["properties"]["n"] for item in items(body)]
        for index, number in enumerate(numbers):
            if number in self.bad:
                return Refused(f"postBody.users[{index}].properties.n is not valid: u{number}")
        self.taken += numbers
        return Accepted()


@LAW
@given(st.integers(1, 200), st.data())
def test_isolation(count: int, data: st.DataObject) -> None:
    """Exactly the bad items are rejected; the rest lands, in order."""
    bad = data.draw(st.sets(st.integers(1, count)))
    heap = Heap(bad)
    settlement = settle(batch_of(count), ENVELOPE, True, heap.post)
    assert {rejection.position for rejection in settlement.rejections} == bad
    assert heap.taken == [n for n in range(1, count + 1) if n not in bad]
    assert settlement.records == count
    reasons = {rejection.reason for rejection in settlement.rejections}
    assert reasons <= {"refused by Heap: postBody.users[].properties.n is not valid: …"}


@pytest.mark.parametrize("position", [1, 2, 333, 500, 501, 999, 1000])
def test_one_bad_item_is_cheap(position: int) -> None:
    """One bad item in 1,000 costs at most 20 more requests."""
    heap = Heap({position})
    settle(batch_of(1000), ENVELOPE, False, heap.post)
    assert heap.requests <= 21


def test_five_bad_items_are_affordable() -> None:
    """Five scattered bad items in 1,000 cost at most 100 more requests."""
    heap = Heap({1, 250, 500, 750, 1000})
    settle(batch_of(1000), ENVELOPE, False, heap.post)
    assert heap.requests <= 101


def test_too_large_splits_by_bytes() -> None:
    """A 413 splits; an item that is too large alone is rejected."""
    batch = batch_of(100)
    heavy = orjson.dumps({"identity": "u", "properties": {"n": 50, "x": "x" * 3000}})
    batch = Batch(
        batch.positions, batch.identities, (*batch.bodies[:49], heavy, *batch.bodies[50:])
    )
    heap = Heap(set(), largest=1500)
    settlement = settle(batch, ENVELOPE, False, heap.post)
    assert [(r.position, r.reason) for r in settlement.rejections] == [(50, "too_large_for_heap")]
    assert heap.taken == [n for n in range(1, 101) if n != 50]


def test_a_merged_item_that_is_refused_is_taken_apart() -> None:
    """Of several updates of one identity only the bad one is rejected."""
    bodies = tuple(
        orjson.dumps({"identity": "u", "properties": {"n": n, f"p{n}": n}}) for n in (1, 2, 3)
    )
    taken: list[dict[str, int]] = []

    def post(body: bytes) -> Settled:
        properties = [item["properties"] for item in items(body)]
        if any("p2" in each for each in properties):
            return Refused("no")
        taken.extend(properties)
        return Accepted()

    settlement = settle(Batch((1, 2, 3), ("u",) * 3, bodies), ENVELOPE, True, post)
    assert [rejection.position for rejection in settlement.rejections] == [2]
    assert taken == [{"n": 1, "p1": 1}, {"n": 3, "p3": 3}]


# -- states -------------------------------------------------------------------------------------


def state(number: int) -> dict[str, Any]:
    return {"type": "STATE", "state": {"type": "STREAM", "n": number}, "id": number}


@st.composite
def histories(draw: st.DrawFn) -> tuple[int, list[tuple[str, int]]]:
    lanes = draw(st.integers(1, 4))
    moves = st.tuples(
        st.sampled_from(["record", "bad", "state", "close", "settle"]), st.integers(0, lanes - 1)
    )
    return lanes, draw(st.lists(moves, max_size=80))


@LAW
@given(histories())
def test_no_state_before_its_records(history: tuple[int, list[tuple[str, int]]]) -> None:
    """At any cut: states leave in order, one for one, none before its records are settled."""
    lanes, moves = history
    checkpoints = Checkpoints()
    opened: list[list[int]] = [[] for _ in range(lanes)]
    closed: list[list[list[int]]] = [[] for _ in range(lanes)]
    settled = [0] * lanes
    read = rejected = states = 0
    unsettled: set[int] = set()
    positions: list[int] = []
    left: list[dict[str, Any]] = []

    def leave() -> Iterator[dict[str, Any]]:
        for line in checkpoints.settled(settled):
            message = json.loads(line)
            assert not [n for n in unsettled if n <= positions[message["id"]]]
            yield message

    for move, lane in [
        *moves,
        *(("close", n) for n in range(lanes)),
        *[("settle", n) for n in range(lanes)] * 90,
    ]:
        if move == "record":
            read += 1
            opened[lane].append(read)
            unsettled.add(read)
        elif move == "bad":
            read += 1
            rejected += 1
            checkpoints.rejected(read)
        elif move == "state":
            marks = [len(c) + bool(o) for c, o in zip(closed, opened, strict=True)]
            checkpoints.arrived(state(states), read, marks)
            positions.append(read)
            states += 1
        elif move == "close" and opened[lane]:
            closed[lane].append(opened[lane])
            opened[lane] = []
        elif move == "settle" and settled[lane] < len(closed[lane]):
            batch = closed[lane][settled[lane]]
            settled[lane] += 1
            unsettled -= set(batch)
            if len(batch) > 1:
                rejected += 1
                checkpoints.rejected(batch[0])
        left += leave()
    assert [message["id"] for message in left] == list(range(states))
    stats = [message["state"]["destinationStats"] for message in left]
    sent = sum(s["recordCount"] + s["rejectedRecordCount"] for s in stats)
    assert sent == (positions[-1] if positions else 0)


def test_a_state_is_echoed_raw() -> None:
    """All of a state comes back as it came in, with the statistics as floats."""
    checkpoints = Checkpoints()
    raw = {**state(3), "more": {"big": 2**80, "half": "\ud800"}}
    checkpoints.rejected(2)
    checkpoints.arrived(raw, 3, [0])
    (line,) = checkpoints.settled([0])
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    stats = {"recordCount": 2.0, "rejectedRecordCount": 1.0}
    assert json.loads(line) == {**raw, "state": {**raw["state"], "destinationStats": stats}}
    assert b'"recordCount":2.0' in line
