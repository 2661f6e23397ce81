"""Heap's quotas over real sockets: kept to the event, used to the full, and said while they hold.

A minute is a second here, on both sides.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from bulk_destination.http.pacing import RetryPolicy
from bulk_destination.loading.surroundings import Surroundings
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
        "fail_rate": 0.7,
        "seed": seed,
        "fail_kinds": ("503", "reset-before", "reset-after"),
    }
    with running(options(500, 60, **faults)) as heap:
        identities = [f"person{n % 7}@example.com" for n in range(600)]
        outcome, _ = write(connector, heap, identities)
    assert outcome.ledger["retries"] > 0


@pytest.mark.parametrize("api", ["add_user_properties", "add_account_properties"])
def test_only_track_has_quotas_of_events(connector: Connector, api: str) -> None:
    """Heap publishes none for the other two: the field changes nothing there."""
    lines = [connector.record(connector.event(n)) for n in range(2_000)]
    with running() as heap:
        outcome = connector.write_here(
            connector.config(heap.url, api, events_per_minute=1), lines, surroundings=SURROUNDINGS
        ).succeeded()
    assert outcome.ledger["throttled_seconds"] == 0
    assert outcome.ledger["requests"] <= 4


# -- users: 30 requests in half of a window for one identity --------------------------------------

BUSY = "robot@example.com"


def update(
    connector: Connector,
    heap: Sandbox,
    lines: Iterable[bytes],
    surroundings: Surroundings = SURROUNDINGS,
    **options: Any,
) -> Outcome:
    """Loads `lines` as users, with the limit of an identity kept unless `options` say otherwise."""
    chosen = {"events_per_identity_per_minute": 1_000, **options}
    config = connector.config(heap.url, "add_user_properties", **chosen)
    return connector.write_here(config, lines, surroundings=surroundings).succeeded()


def updates(connector: Connector, identities: list[str]) -> Iterator[bytes]:
    """One update for each of `identities`, numbered, a state after every 100."""
    for number, identity in enumerate(identities, start=1):
        yield connector.record({"who": identity, "n": number, f"p{number % 7}": number})
        if number % 100 == 0:
            yield connector.state(number)


def holds_the_last_of_each(heap: Sandbox, identities: list[str]) -> None:
    """Order is kept for each identity: the later value won, property by property."""
    expected: dict[str, dict[str, Any]] = {}
    for number, identity in enumerate(identities, start=1):
        properties = {"who": identity, "n": number, f"p{number % 7}": number}
        expected.setdefault(identity, {}).update(properties)
    assert {user["identity"]: user["properties"] for user in heap.users()} == expected


def test_a_busy_user_is_merged(connector: Connector) -> None:
    """40,000 updates of one identity: no 429, nothing lost, every state out, and others pass."""
    others = [f"person{n}@example.com" for n in range(2_000)]
    identities = [*[BUSY] * 30_000, *others, *[BUSY] * 10_000]
    with running(options(0)) as heap:
        outcome = update(connector, heap, updates(connector, identities))
        assert {request["status"] for request in heap.requests()} == {200}
        holds_the_last_of_each(heap, identities)
    assert outcome.ledger["accepted"] == len(identities)
    assert outcome.ledger["merged"] > 39_900
    assert [state["id"] for state in outcome.states] == list(range(100, 42_001, 100))


def test_a_busy_user_does_not_hold_up_others(connector: Connector) -> None:
    """What waits of it is one request, and those behind it go on at once."""
    others = [f"person{n}@example.com" for n in range(3_000)]
    identities = [*[BUSY] * 30_000, *others]
    slow = replace(SURROUNDINGS, minute=20.0)
    with running(SandboxOptions(quota_window_seconds=20.0)) as heap:
        outcome = update(connector, heap, updates(connector, identities), slow)
        moments = {user["identity"]: user["updated_at"] for user in heap.users()}
        asked = heap.requests()
        holds_the_last_of_each(heap, identities)
    assert {request["status"] for request in asked} == {200}
    assert len(asked) < len(identities) / 1_000 - 3
    del moments[BUSY]
    assert max(moments.values()) - min(moments.values()) < 5
    assert outcome.ledger["accepted"] == len(identities)


@pytest.mark.parametrize("seed", [1, 2])
def test_tries_and_splits_of_a_busy_user_count(connector: Connector, seed: int) -> None:
    """Requests that fail, that are too large, and that are refused for a record of another."""
    random = Random(seed)
    people = [BUSY, BUSY, *(f"person{n}@example.com" for n in range(5))]
    identities = [random.choice(people) for _ in range(200)]
    trouble: dict[str, Any] = {
        **{"fail_rate": 0.2, "seed": seed, "fail_kinds": ("503", "reset-before", "reset-after")},
        **{"poison": ("venom",), "max_body_bytes": 300},
    }
    refused = {random.randrange(200) for _ in range(4)}
    patient = replace(SURROUNDINGS, minute=2.1)
    with running(SandboxOptions(quota_window_seconds=2.0, **trouble)) as heap:
        lines = [*updates(connector, identities)]
        for number in refused:
            other = f"bad{number}@example.com"
            lines.insert(number, connector.record({"who": other, "note": "venom"}))
        outcome = update(connector, heap, lines, patient, requests_in_flight=1)
        assert 429 not in {request["status"] for request in heap.requests()}
        holds_the_last_of_each(heap, identities)
    assert outcome.ledger["retries"] > 0
    assert outcome.ledger["rejected"] == len(refused)


def test_the_limit_of_users_can_be_lifted(connector: Connector) -> None:
    """By 0, as the other limits of one identity: Heap then has to say what is too much."""
    with running(options(0, user_requests_per_identity=0)) as heap:
        identities = [BUSY] * 40_000
        lines = updates(connector, identities)
        update(connector, heap, lines, events_per_identity_per_minute=0, requests_in_flight=1)
        assert len(heap.requests()) == 40
        holds_the_last_of_each(heap, identities)


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
