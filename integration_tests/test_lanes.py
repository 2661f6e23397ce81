"""One identity's requests hang: the others go on, until memory says so."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration_tests.conftest import Connector, Serve

SLOW = "slow@example.com"
PEOPLE = [SLOW, *(f"person{n}@example.com" for n in range(40))]


@dataclass
class PartlyHanging:
    """A Heap that lets requests about one person hang, once it has accepted something."""

    hangs: bool = True
    released: threading.Event = field(default_factory=threading.Event)
    hanging: threading.Event = field(default_factory=threading.Event)
    landed: set[int] = field(default_factory=set)
    #: Whose events came in one request.
    together: list[set[str]] = field(default_factory=list)

    def __call__(self, _: int, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """The script that is served."""
        events: list[dict[str, Any]] = json.loads(body)["events"]
        people = {event["identity"] for event in events}
        if self.hangs and self.landed and SLOW in people:
            self.hanging.set()
            self.released.wait()
        self.together.append(people)
        self.landed.update(event["properties"]["n"] for event in events)
        return 200, {}, b"{}"


def wait_until(happened: Callable[[], bool]) -> None:
    """Waits, for as long as it takes on a busy machine."""
    patience = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < patience
        time.sleep(0.02)


def test_a_slow_lane_holds_up_no_other(connector: Connector, serve: Serve) -> None:
    """All records of the other lanes land while one hangs; the state behind them waits for it."""
    people = [PEOPLE[n % len(PEOPLE)] for n in range(12_000)]
    lines = [connector.record(connector.event(n, who)) for n, who in enumerate(people)]
    heap = PartlyHanging(hangs=False)
    connector.write_here(connector.config(serve(heap)), lines).succeeded()
    same_lane = set[str]().union(*(those for those in heap.together if SLOW in those))
    others = {n for n, who in enumerate(people) if who not in same_lane}
    assert len(others) > len(people) / 2

    heap = PartlyHanging()
    process = connector.start_write(connector.config(serve(heap)))
    process.send_all([*lines, connector.state(1)])
    wait_until(lambda: others <= heap.landed)
    assert heap.hanging.is_set()
    assert len(heap.landed) < len(people)
    assert process.states == []
    heap.released.set()
    process.finish().succeeded()
    assert heap.landed == set(range(len(people)))
    assert [state["id"] for state in process.states] == [1]


def test_memory_stops_the_source(connector: Connector, serve: Serve) -> None:
    """While one lane hangs and 40 MB are for it, the source is slowed, and then nothing is lost."""
    filler = {f"text{n}": f"{n}" * 1_000 for n in range(5)}
    count, taken = 8_000, [0]
    heap = PartlyHanging()
    process = connector.start_write(connector.config(serve(heap)))

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
    # 16 MB wait at most, and some more in pipes and buffers.
    assert 2_000 < stalled_at < 5_000
    heap.released.set()
    outcome = process.finish().succeeded()
    assert heap.landed == set(range(count))
    assert outcome.peak_bytes < 300_000_000
