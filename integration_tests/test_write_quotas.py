"""Heap's quotas over real sockets: kept to the event, used to the full, and said while they hold.

A minute is a second here, on both sides.
"""

from __future__ import annotations

import signal
import time
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from bulk_destination.http.pacing import RetryPolicy
from bulk_destination.sync import Surroundings
from sandbox.heap import Sandbox, SandboxOptions, running

if TYPE_CHECKING:
    from integration_tests.conftest import Connector, Outcome

#: The sandbox's minute, and the connector's, longer by as much as two clocks may differ.
WINDOW = 1.0
MINUTE = 1.05
SURROUNDINGS = Surroundings(retry_policy=RetryPolicy(first=0.01, longest=0.05), minute=MINUTE)


def options(app: int, identity: int = 0, **faults: Any) -> SandboxOptions:
    """A sandbox with these quotas."""
    return SandboxOptions(
        events_per_minute=app,
        events_per_identity_per_minute=identity,
        quota_window_seconds=WINDOW,
        **faults,
    )


def write(
    connector: Connector, heap: Sandbox, identities: list[str], every: int = 100
) -> tuple[Outcome, list[dict[str, Any]]]:
    """Loads one event for each of `identities`, a state after `every` of them."""
    lines: list[bytes] = []
    for number, identity in enumerate(identities, start=1):
        lines.append(connector.record(connector.event(number, identity)))
        if number % every == 0:
            lines.append(connector.state(number))
    quotas: dict[str, Any] = {
        "events_per_minute": heap.options.events_per_minute,
        "events_per_identity_per_minute": heap.options.events_per_identity_per_minute,
    }
    outcome = connector.write_here(
        connector.config(heap.url, **quotas), lines, surroundings=SURROUNDINGS
    ).succeeded()
    assert 429 not in {request["status"] for request in heap.requests()}
    assert [state["id"] for state in outcome.states] == [
        number for number in range(1, len(identities) + 1) if number % every == 0
    ]
    events = heap.events()
    numbers = [event["properties"]["n"] for event in events]
    assert sorted(numbers) == list(range(1, len(identities) + 1))
    for identity in set(identities):
        own = [event["properties"]["n"] for event in events if event["identity"] == identity]
        assert own == sorted(own), "events of one identity changed places"
    return outcome, events


def test_quota_of_the_app(connector: Connector) -> None:
    """No event over it, none held back that could go, and the platform hears why it waits."""
    limit, minutes = 600, 4
    began = time.time()
    with running(options(limit)) as heap:
        everyone = [f"person{n}@example.com" for n in range(limit * (minutes + 1))]
        outcome, events = write(connector, heap, everyone)
    arrivals = [event["received_at"] for event in events]
    spent = max(arrivals) - min(arrivals)
    assert minutes * WINDOW <= spent < minutes * MINUTE * 1.3
    assert outcome.ledger["retries"] == 0
    assert minutes * WINDOW * 0.8 < outcome.ledger["throttled_seconds"] <= spent * 1.1
    assert f"The quota of {limit} events a minute is used up" in outcome.logs
    (status,) = outcome.stream_statuses
    assert status["stream_descriptor"] == {"name": "people"}
    assert status["status"] == "RUNNING"
    (reason,) = status["reasons"]
    assert reason["type"] == "RATE_LIMITED"
    reset = reason["rate_limited"]["quota_reset"] / 1000
    assert began < reset < time.time()


def test_busy_identity_does_not_hold_up_others(connector: Connector) -> None:
    """Its events wait in their order while all others pass them."""
    limit, busy = 100, "robot@example.com"
    others = [f"person{n}@example.com" for n in range(3_000)]
    with running(options(0, limit)) as heap:
        _, events = write(connector, heap, [busy] * limit * 4 + others, every=50)
    own = [event["received_at"] for event in events if event["identity"] == busy]
    rest = [event["received_at"] for event in events if event["identity"] != busy]
    first = min(own)
    assert max(rest) - first < 2 * WINDOW
    assert 3 * WINDOW <= max(own) - first < 3 * MINUTE * 1.5


def test_busy_identity_leaves_the_quota_to_others(connector: Connector) -> None:
    """With both quotas on and a tenth of all events of one identity, the app's is used up."""
    per_app, per_identity, minutes = 400, 40, 4
    others = (f"person{n}@example.com" for n in range(per_app * minutes))
    busy = per_identity * minutes
    mixed = [*["robot@example.com"] * busy, *islice(others, per_app * minutes - busy)]
    with running(options(per_app, per_identity)) as heap:
        _, events = write(connector, heap, mixed)
    first = min(event["received_at"] for event in events)
    rest = [event["received_at"] for event in events if event["identity"] != "robot@example.com"]
    assert max(rest) - first < (minutes - 1) * MINUTE * 1.3


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_repeats_count(connector: Connector, seed: int) -> None:
    """A request that Heap took before the connection broke has used the quota, and its repeat
    uses it again: neither meets a 429.
    """
    faults: dict[str, Any] = {
        "fail_rate": 0.4,
        "seed": seed,
        "fail_kinds": ("503", "reset-before", "reset-after"),
    }
    with running(options(500, 60, **faults)) as heap:
        identities = [f"person{n % 7}@example.com" for n in range(600)]
        outcome, _ = write(connector, heap, identities)
    assert outcome.ledger["retries"] > 0


@pytest.mark.parametrize("api", ["add_user_properties", "add_account_properties"])
def test_only_track_has_quotas(connector: Connector, api: str) -> None:
    """Heap publishes none for the other two: the fields change nothing there."""
    lines = [connector.record(connector.event(n)) for n in range(2_000)]
    with running() as heap:
        outcome = connector.write_here(
            connector.config(heap.url, api, events_per_minute=1), lines, surroundings=SURROUNDINGS
        ).succeeded()
    assert outcome.ledger["throttled_seconds"] == 0
    assert outcome.ledger["requests"] <= 4


def test_a_signal_ends_the_wait(connector: Connector) -> None:
    """Stopped while the quota holds it up, the connector ends at once; what is safe has left."""
    with running() as heap:
        process = connector.start_write(connector.config(heap.url, events_per_minute=1_000))
        for number in range(1, 3_001):
            process.send(connector.record(connector.event(number)), connector.state(number))
        process.end_input()
        process.wait_for(b"RATE_LIMITED")
        process.signal(signal.SIGTERM)
        outcome = process.finish(timeout=20)
        landed = [event["properties"]["n"] for event in heap.events()]
    assert outcome.error["failure_type"] == "transient_error"
    assert "SIGTERM" in outcome.error["message"]
    assert len(landed) == len(set(landed)) == 1_000
    ids = [state["id"] for state in outcome.states]
    assert ids == list(range(1, len(ids) + 1))
    assert set(range(1, len(ids) + 1)) <= set(landed)
