"""States: what comes back, in which order, and never before its records are safe."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from integration_tests.services import EVENTS, both
from sandbox.heap import running

if TYPE_CHECKING:
    from integration_tests.conftest import Connector


@both
def test_states_come_back_as_they_were(connector: Connector) -> None:
    """GLOBAL, LEGACY, empty and unknown parts, huge integers: one for one, raw but the stats."""
    huge = 123456789012345678901234567890
    sent: list[dict[str, Any]] = [
        {"type": "STATE", "state": {"type": "LEGACY", "data": {"cursor": huge}}, "id": 1},
        {
            "type": "STATE",
            "id": 2,
            "state": {
                "type": "GLOBAL",
                "global": {
                    "shared_state": {"lsn": 2**64 + 1},
                    "stream_states": [
                        {"stream_descriptor": {"name": "people"}, "stream_state": {}}
                    ],
                },
            },
        },
        {
            "type": "STATE",
            "id": 2**70,
            "unknown": {"at the top": [1.5, None, True]},
            "state": {
                "type": "STREAM",
                "stream": {
                    "stream_descriptor": {"name": "people", "namespace": None},
                    "stream_state": {"text": 'é\u2028\\ " 😀', "float": 0.1, "no": None},
                },
                "sourceStats": {"recordCount": 2.0, "later": "field"},
                "destinationStats": {"recordCount": 99.0},
                "more": {},
            },
        },
        # A source of the old kind: no type, no id.
        {"type": "STATE", "state": {"data": {}}},
        {
            "type": "STATE",
            "state": {"type": "STREAM", "stream": {"stream_descriptor": {"name": "people"}}},
            "id": 5,
        },
    ]
    good = [connector.record(connector.event(n)) for n in range(10)]
    bad = connector.record({"name": "no one did it"})
    lines = [json.dumps(state, ensure_ascii=False).encode() + b"\n" for state in sent]
    with connector.running() as local:
        order = [lines[0], *good[:3], lines[1], *good[3:7], bad, bad, lines[2], lines[3]]
        order += [bad, *good[7:], lines[4]]
        outcome = connector.write_here(connector.config(local.url), order).succeeded()
        assert connector.landed(local) == list(range(10))
    assert [connector.stats(state) for state in outcome.states] == [
        (0.0, 0.0),
        (3.0, 0.0),
        (4.0, 2.0),
        (0.0, 0.0),
        (3.0, 1.0),
    ]
    for state, before in zip(outcome.states, sent, strict=True):
        state["state"].pop("destinationStats")
        before["state"].pop("destinationStats", None)
        assert state == before
    assert str(huge).encode() in outcome.stdout
    # Floats, also in the text: the platform's reader is not Python's.
    assert b'"recordCount":3.0' in outcome.stdout.replace(b": ", b":")


@both
def test_a_state_behind_every_record(connector: Connector) -> None:
    """3,000 states ride behind their records and force no batch out."""
    lines: list[bytes] = []
    for number in range(3_000):
        lines += [connector.record(connector.event(number)), connector.state(number)]
    _, _, most = EVENTS[connector.api]
    with connector.running() as local:
        outcome = connector.write_here(connector.config(local.url), lines).succeeded()
        assert len(local.requests()) == 3_000 // most
    assert [state["id"] for state in outcome.states] == list(range(3_000))
    assert {connector.stats(state) for state in outcome.states} == {(1.0, 0.0)}


def test_no_state_before_its_records(connector: Connector) -> None:
    """At the moment a state is seen on stdout, the service holds every record before it."""
    numbers = 4_000
    looked: list[int] = []
    trouble = {"latency_ms": 30, "fail_rate": 0.4, "seed": 11}
    with connector.running(**trouble, fail_kinds=("503", "reset-before")) as local:

        def look(state: dict[str, Any]) -> None:
            assert set(range(state["id"])) <= set(connector.landed(local))
            looked.append(state["id"])

        process = connector.start_write(connector.config(local.url), on_state=look)
        lines: list[bytes] = []
        for number in range(1, numbers + 1):
            lines.append(connector.record(connector.event(number - 1)))
            if number % 200 == 0:
                lines.append(connector.state(number))
        process.send_all([b"".join(lines)])
        process.finish().succeeded()
    assert looked == list(range(200, numbers + 1, 200))


def test_a_quiet_source_gets_its_states(connector: Connector) -> None:
    """With stdin open and silent: states with nothing before them at once, others after 10 s."""
    with running() as heap:
        process = connector.start_write(connector.config(heap.url))
        process.send(connector.state(1))
        process.wait_for(b'"STATE"', 1)
        sent_at = time.monotonic()
        process.send(connector.record(connector.event(1)), connector.state(2))
        # A line that is not yet whole waits too, and is no record.
        process.send(connector.record(connector.event(2))[:-20])
        process.wait_for(b'"STATE"', 2, timeout=20)
        assert 8 < time.monotonic() - sent_at < 15
        assert len(heap.events()) == 1
        process.send(connector.record(connector.event(2))[-20:], connector.state(3))
        process.end_input()
        outcome = process.finish().succeeded()
        assert len(heap.events()) == 2
    assert [state["id"] for state in outcome.states] == [1, 2, 3]


def test_large_states_do_not_fill_the_memory(connector: Connector) -> None:
    """What waits behind an open batch is bounded in bytes, too, and not only in number.

    Unbounded, these 40 MB of states take 500 MB.
    """
    partitions = {f"partition_{number}": {"cursor": number} for number in range(1_500)}
    more = json.dumps(partitions).encode()[1:-1]

    def lines() -> Iterator[bytes]:
        for number in range(1_000):
            yield connector.record(connector.event(number))
            cursor = b'"cursor": %d' % number
            yield connector.state(number).replace(cursor, cursor + b", " + more)

    with running() as heap:
        process = connector.start_write(connector.config(heap.url))
        process.send_all(lines())
        outcome = process.finish(240).succeeded()
        assert len(heap.events()) == 1_000
    cursors = [state["state"]["stream"]["stream_state"]["cursor"] for state in outcome.states]
    assert cursors == list(range(1_000))
    assert outcome.peak_bytes < 300_000_000
