"""All requests are made of one backlog: what is slow, or the same again, holds up only itself."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.heap import SandboxOptions, running

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration_tests.conftest import Connector, Serve

SLOW = "slow@example.com"


@dataclass
class PartlyHanging:
    """A Heap that lets the first request about one person hang, once it has accepted something."""

    released: threading.Event = field(default_factory=threading.Event)
    hanging: threading.Event = field(default_factory=threading.Event)
    landed: list[int] = field(default_factory=list)
    #: The events that came with those of the request that hung.
    held: set[int] = field(default_factory=set)
    sizes: list[int] = field(default_factory=list)

    def __call__(self, _: int, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """The script that is served."""
        request: dict[str, Any] = json.loads(body)
        items = request.get("events") or request["users"]
        people = {item["identity"] for item in items}
        numbers = [item["properties"]["n"] for item in items]
        if self.landed and SLOW in people and not self.hanging.is_set():
            self.held.update(numbers)
            self.hanging.set()
            self.released.wait()
        self.sizes.append(len(items))
        self.landed += numbers
        return 200, {}, b"{}"


def wait_until(happened: Callable[[], bool]) -> None:
    """Waits, for as long as it takes on a busy machine."""
    patience = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < patience
        time.sleep(0.02)


def test_a_slow_request_holds_up_no_other(connector: Connector, serve: Serve) -> None:
    """Updates of others land while one hangs; those of its people, and the state, wait for it."""
    # In the second batch, somebody who comes again in each of the ten behind it.
    people = [f"person{n}@example.com" for n in range(12_000)]
    people[1_500::1_000] = [SLOW] * 11
    lines = [connector.record(connector.event(n, who)) for n, who in enumerate(people)]
    heap = PartlyHanging()
    config = connector.config(serve(heap), "add_user_properties")
    process = connector.start_write(config)
    process.send_all([*lines, connector.state(1)])
    wait_until(heap.hanging.is_set)
    again = set(range(2_500, 12_000, 1_000))
    wait_until(lambda: {*range(12_000)} - heap.held - again <= {*heap.landed})
    assert len(heap.held) == 1_000
    assert not again & {*heap.landed}
    assert process.states == []
    heap.released.set()
    process.finish().succeeded()
    # Those of the same person go as one, and the last value wins.
    assert again & {*heap.landed} == {max(again)}
    assert len(heap.landed) == 12_000 - len(again) + 1
    assert [state["id"] for state in process.states] == [1]


def test_requests_are_full_however_many_are_under_way(connector: Connector, serve: Serve) -> None:
    """Each item that steps aside makes room for one behind it."""
    heap = PartlyHanging()
    lines = [
        connector.record(connector.event(n, SLOW if n % 500 == 0 else f"person{n}@example.com"))
        for n in range(20_000)
    ]
    config = connector.config(serve(heap), "add_user_properties", requests_in_flight=8)
    process = connector.start_write(config)
    process.send_all(lines)
    wait_until(heap.hanging.is_set)
    wait_until(lambda: len(heap.landed) >= 18_000)
    # Two updates of one person are one item.
    assert min(heap.sizes) >= 990
    heap.released.set()
    process.finish().succeeded()
    others = [n for n in range(20_000) if n % 500]
    assert sorted(n for n in heap.landed if n % 500) == others
    assert max(heap.landed) == 19_999


@pytest.mark.parametrize("latency_ms", [0, 300])
@pytest.mark.parametrize("api", ["track", "add_user_properties", "add_account_properties"])
def test_a_small_sync_is_few_requests(connector: Connector, api: str, latency_ms: float) -> None:
    """5,000 records are at most 8, however many could be under way, and wherever states stand."""
    lines = [
        line
        for n in range(5_000)
        for line in (
            connector.record(connector.event(n)),
            *([connector.state(n)] if n % 700 == 0 else []),
        )
    ]
    with running(SandboxOptions(latency_ms=latency_ms)) as heap:
        outcome = connector.write_here(connector.config(heap.url, api), lines).succeeded()
        assert len(heap.requests()) <= 8
    assert outcome.ledger["accepted"] == 5_000


@pytest.mark.parametrize("requests_in_flight", [None, 8])
def test_events_of_one_person_are_under_way_at_once(
    connector: Connector, serve: Serve, requests_in_flight: int | None
) -> None:
    """Heap orders events by their time: only those with one key have to come in order."""
    under_way, most = [0], [0]
    lock = threading.Lock()
    together = threading.Barrier(4)

    def script(number: int, _: bytes) -> tuple[int, dict[str, str], bytes]:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        if number in range(2, 6):  # the four behind the first
            together.wait(timeout=60)
        with lock:
            under_way[0] -= 1
        return 200, {}, b"{}"

    lines = [connector.record(connector.event(n, SLOW)) for n in range(5_000)]
    given: dict[str, Any] = (
        {} if requests_in_flight is None else {"requests_in_flight": requests_in_flight}
    )
    config = connector.config(
        serve(script), events_per_minute=0, events_per_identity_per_minute=0, **given
    )
    connector.write_here(config, lines).succeeded()
    assert most[0] == 4


def test_versions_of_one_event_come_in_order(connector: Connector, serve: Serve) -> None:
    """Heap keeps the first: the second waits until that has landed, whoever it is about."""
    landed: list[int] = []
    hanging, released = threading.Event(), threading.Event()

    def script(number: int, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if number == 2:
            hanging.set()
            released.wait()
        landed.extend(event["properties"]["version"] for event in json.loads(body)["events"])
        return 200, {}, b"{}"

    catalog = connector.catalog(mode="append_dedup", sync_mode="incremental", key=[["n"]])
    rows = [
        connector.event(n if n != 2_500 else 1_500, f"p{n}@example.com") | {"version": n}
        for n in range(4_000)
    ]
    process = connector.start_write(connector.config(serve(script)), catalog)
    process.send_all([connector.record(row) for row in rows])
    wait_until(hanging.is_set)
    wait_until(lambda: len(landed) >= 2_999)
    assert {2_500, 1_500}.isdisjoint(landed)
    released.set()
    process.finish().succeeded()
    assert landed.index(1_500) < landed.index(2_500)
    assert sorted(landed) == [*range(4_000)]


def test_memory_stops_the_source(connector: Connector, serve: Serve) -> None:
    """While a request hangs and 40 MB are for its person, the source is slowed; nothing is lost."""
    filler = {f"text{n}": f"{n}" * 1_000 for n in range(5)}
    count, taken = 8_000, [0]
    heap = PartlyHanging()
    process = connector.start_write(connector.config(serve(heap), "add_user_properties"))

    def feed() -> None:
        for n in range(0, count, 20):
            some = (connector.event(n + more, SLOW) | filler for more in range(20))
            process.send(*map(connector.record, some))
            taken[0] = n
        process.end_input()

    threading.Thread(target=feed, daemon=True).start()
    wait_until(heap.hanging.is_set)
    stalled_at = -1
    while stalled_at != taken[0]:
        stalled_at = taken[0]
        time.sleep(4)
    # 18 MB of items wait at most, and some more in pipes and buffers.
    assert 2_000 < stalled_at < 5_000
    heap.released.set()
    outcome = process.finish().succeeded()
    # Merged, the last value of each property wins.
    assert max(heap.landed) == count - 1
    assert outcome.ledger["accepted"] == count
    assert outcome.peak_bytes < 300_000_000
