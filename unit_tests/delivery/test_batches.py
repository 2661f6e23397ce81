"""Payloads become bulk requests, whatever their sizes."""

import json
import subprocess
import sys
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulk_destination.delivery.batches import MAX_BYTES, Batch, OpenBatch
from bulk_destination.mapping.payload_json import dump

ROOT = Path(__file__).parents[2]
MAX_ITEMS = 1000
LAW = settings(derandomize=True, max_examples=100, deadline=None)

SIZES = st.lists(
    st.tuples(
        st.sampled_from([2, 3, 999, 1000, 1001, 250_000, 999_999, 1_000_001]), st.integers(1, 9)
    )
    | st.tuples(st.integers(2, 300), st.integers(1, 1500)),
    max_size=4,
)


@given(SIZES)
@example([(2, 1000), (2, 1)])
@example([(1000, 1000)])
@example([(999_999, 1), (2, 1)])
@LAW
def test_batches_in_order_are_the_payloads_in_order(sizes: list[tuple[int, int]]) -> None:
    """At any sizes nothing is lost, doubled or moved, and each batch is within both limits."""
    bodies = [b'"%b"' % (b"x" * (size - 2)) for size, count in sizes for _ in range(count)]
    batches: list[Batch] = []
    batch = OpenBatch(MAX_ITEMS)
    for position, body in enumerate(bodies, start=1):
        if not batch.add(position, f"i{position}", body, f"k{position}"):
            batches.append(batch.close())
            assert batch.add(position, f"i{position}", body, f"k{position}")
    if len(batch):
        batches.append(batch.close())
    assert len(batch) == 0
    assert [body for closed in batches for body in closed.bodies] == bodies
    assert [key for closed in batches for key in closed.keys] == [
        f"k{position}" for position in range(1, len(bodies) + 1)
    ]
    assert [at for closed in batches for at in closed.positions] == [*range(1, len(bodies) + 1)]
    for closed in batches:
        assert 1 <= len(closed) <= MAX_ITEMS
        assert closed.size == sum(map(len, closed.bodies))
        assert len(b",".join(closed.bodies)) <= MAX_BYTES or len(closed) == 1
    for before, after in pairwise(batches):
        full = len(before) == MAX_ITEMS
        assert full or before.size + len(before) + len(after.bodies[0]) >= MAX_BYTES - 1


@given(st.lists(st.integers(1, 50), min_size=2, max_size=40))
@LAW
def test_parts_of_a_batch_are_the_batch(sizes: list[int]) -> None:
    """Halves by count or by size: none empty, together the whole, in order."""
    numbers = tuple(map(str, range(len(sizes))))
    bodies = tuple(b"x" * size for size in sizes)
    whole = Batch(tuple(range(len(sizes))), numbers, bodies, tuple(f"k{each}" for each in numbers))
    for first, second in (whole.halves(), whole.halves_by_size()):
        assert len(first) > 0
        assert len(second) > 0
        assert first.positions + second.positions == whole.positions
        assert first.identities + second.identities == whole.identities
        assert first.bodies + second.bodies == whole.bodies
        assert first.keys + second.keys == whole.keys
    first, second = whole.halves()
    assert abs(len(first) - len(second)) <= 1
    first, second = whole.halves_by_size()
    assert abs(first.size - second.size) <= 2 * max(sizes)


@given(SIZES, st.lists(st.integers(1, 700), min_size=1))
@example([(999_999, 1), (2, 1)], [1])
@example([(1_000_001, 2), (2, 3)], [5])
@LAW
def test_many_are_added_as_one_by_one(sizes: list[tuple[int, int]], at_once: list[int]) -> None:
    """However many come together, each goes into the batch that it would go into alone."""
    bodies = [b'"%b"' % (b"x" * (size - 2)) for size, count in sizes for _ in range(count)]
    alone, batch, together = OpenBatch(MAX_ITEMS), OpenBatch(MAX_ITEMS), cycle(at_once)
    one_by_one: list[Batch] = []
    batches: list[Batch] = []
    for position, body in enumerate(bodies):
        if not alone.add(position, f"i{position}", body, f"k{position}"):
            one_by_one.append(alone.close())
            alone.add(position, f"i{position}", body, f"k{position}")
    numbers = range(len(bodies))
    names, keys = tuple(f"i{n}" for n in numbers), tuple(f"k{n}" for n in numbers)
    items = Batch(tuple(numbers), names, tuple(bodies), keys)
    while items:
        some, items = items.cut(next(together))
        while some:
            added = batch.extend(some)
            assert added or len(batch)
            _, some = some.cut(added)
            if some:
                batches.append(batch.close())
    assert [*batches, batch.close()] == [*one_by_one, alone.close()]
    assert batch.size == 0


UPDATES = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "A", "ü"]),
        st.dictionaries(
            st.sampled_from(["x", "y", "z.0"]),
            st.integers(-(2**63), 2**64 - 1)
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(st.characters(exclude_categories=["Cs"]))
            | st.booleans(),
        ),
    ),
    max_size=12,
)


@given(UPDATES)
@LAW
def test_merged_is_the_updates_applied_in_order(updates: list[tuple[str, dict[str, Any]]]) -> None:
    """One item an identity, later values winning, identities kept apart by their casing."""
    expected: dict[str, dict[str, Any]] = {}
    for identity, properties in updates:
        expected.setdefault(identity, {}).update(properties)
    bodies = tuple(dump({"identity": who, "properties": what}) for who, what in updates)
    people = tuple(who for who, _ in updates)
    merged = Batch(tuple(range(len(updates))), people, bodies, people).merged()
    items = [json.loads(item) for item in merged]
    assert [item["identity"] for item in items] == list(expected)
    for item in items:
        assert json.dumps(item["properties"], sort_keys=True) == json.dumps(
            expected[item["identity"]], sort_keys=True
        )


_FILL = """
from pathlib import Path
from bulk_destination.delivery.batches import OpenBatch
from bulk_destination.mapping.stream import Stream
from destination_heap_analytics.apis import make_api
from destination_heap_analytics.config import HeapConfig

def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

api = {"api_type": "add_user_properties", "identity_column": "text0"}
mapper = make_api(HeapConfig.parse({"app_id": "11", "api": api}).api, Stream("users"))
record = {f"text{n}": "x" * 200 for n in range(19)}
batch, batches, added = OpenBatch(10_000), [], 0
before = resident()
for position in range(5_000):
    body = mapper.payload(record, 0)[1]
    if not batch.add(position, "somebody", body, "somebody"):
        batches.append(batch.close())
        batch.add(position, "somebody", body, "somebody")
    added += len(body)
print((resident() - before) / added)
"""


def test_memory_of_a_batch() -> None:
    """Bodies take the memory that their bytes need, whatever orjson wrote them into."""
    # In a process of its own, as memory that others have left free would hide it.
    done = subprocess.run(
        [sys.executable, "-c", _FILL], capture_output=True, check=True, text=True, cwd=ROOT
    )
    assert 0.5 < float(done.stdout) < 1.5


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("ab")), max_size=12))
def test_what_is_of_one_stream(rows: list[tuple[int, str]]) -> None:
    """Parted, in order, each item once; and of what is merged, whose came later."""
    people = tuple(identity for _, identity in rows)
    bodies = tuple(b'{"properties":{"n":%d}}' % each for each in range(len(rows)))
    streams = tuple(stream for stream, _ in rows)
    whole = Batch(tuple(range(len(rows))), people, bodies, people, streams)
    own, others = whole.parted_by_stream(1)
    assert set(own.streams) <= {1}
    assert 1 not in others.streams
    assert sorted(own.positions + others.positions) == list(whole.positions)
    assert list(own.positions) == sorted(own.positions)
    first, second = whole.halves()
    assert first.streams + second.streams == whole.streams
    merged = whole.put_into_earlier()
    assert merged.total() == len(whole) - len(whole.merged())
    assert all(count <= streams.count(stream) for stream, count in merged.items())
