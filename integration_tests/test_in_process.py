"""Callers in the same process: the CDK's own interface."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteMessageSerializer,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
    FailureType,
)
from airbyte_cdk.models import Type as MessageType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from bulk_destination.delivery.throttling import running_status
from bulk_destination.http.pacing import RetryPolicy
from bulk_destination.loading.surroundings import Surroundings
from bulk_destination.mapping.stream import Stream
from destination_heap_analytics import DestinationHeapAnalytics
from sandbox.heap import SandboxOptions, running

if TYPE_CHECKING:
    from integration_tests.conftest import Connector

QUICK = Surroundings(retry_policy=RetryPolicy(first=0.01, longest=0.05, give_up_after=1))


def messages(lines: list[bytes]) -> list[AirbyteMessage]:
    """The CDK's models of some lines."""
    return [AirbyteMessageSerializer.load(json.loads(line)) for line in lines]


def catalog(connector: Connector) -> ConfiguredAirbyteCatalog:
    """The CDK's model of the catalog."""
    return ConfiguredAirbyteCatalogSerializer.load(connector.catalog())


def test_write(connector: Connector) -> None:
    """Messages in, states out, records in Heap, faults retried; nothing on the way is lazy."""
    lines: list[bytes] = []
    for number in range(1_000):
        lines.append(connector.record(connector.event(number)))
        if number % 100 == 99:
            lines.append(connector.state(number))
    options = SandboxOptions(fail_rate=0.5, seed=8, fail_kinds=("503", "reset-after"))
    with running(options) as heap:
        written = DestinationHeapAnalytics(QUICK).write(
            connector.config(heap.url), catalog(connector), messages(lines)
        )
        states = list(written)
        assert sorted(row["properties"]["n"] for row in heap.events()) == list(range(1_000))
    assert [message.type for message in states] == [MessageType.STATE] * 10
    dumped = [json.loads(json.dumps(AirbyteMessageSerializer.dump(state))) for state in states]
    cursors = [state["state"]["stream"]["stream_state"]["cursor"] for state in dumped]
    assert cursors == list(range(99, 1_000, 100))
    assert [state["state"]["destinationStats"]["recordCount"] for state in dumped] == [100.0] * 10


def test_the_protocol_knows_the_status() -> None:
    """The CDK's own model reads what is said while a quota holds, and loses nothing of it."""
    message = json.loads(running_status(Stream("people", "shop"), 1_000, 61_000))
    assert AirbyteMessageSerializer.dump(AirbyteMessageSerializer.load(message)) == message


def test_write_of_nothing(connector: Connector) -> None:
    """No messages, no states, no request."""
    with running() as heap:
        config = connector.config(heap.url)
        assert list(DestinationHeapAnalytics().write(config, catalog(connector), [])) == []
        assert heap.requests() == []


def test_failures_are_traced_exceptions(connector: Connector) -> None:
    """Configuration faults and an absent Heap keep their failure types and their words."""
    record = messages([connector.record(connector.event(1))])
    with pytest.raises(AirbyteTracedException) as wrong:
        list(DestinationHeapAnalytics().write({}, catalog(connector), record))
    assert wrong.value.failure_type == FailureType.config_error
    assert "app_id" in str(wrong.value.message)
    with running(SandboxOptions(fail_rate=1, fail_kinds=("503",))) as heap:
        config = connector.config(heap.url)
        with pytest.raises(AirbyteTracedException) as away:
            list(DestinationHeapAnalytics(QUICK).write(config, catalog(connector), record))
    assert away.value.failure_type == FailureType.transient_error


def test_a_source_that_breaks(connector: Connector) -> None:
    """An error of the iterator reaches the caller; states that are safe have left before it."""

    class BrokenSourceError(Exception):
        pass

    def source() -> Iterator[AirbyteMessage]:
        yield from messages([connector.state(1)])
        raise BrokenSourceError

    states: list[AirbyteMessage] = []
    with running() as heap:
        written = DestinationHeapAnalytics(QUICK).write(
            connector.config(heap.url), catalog(connector), source()
        )
        with pytest.raises(BrokenSourceError):
            states.extend(iter(written))


def test_two_syncs_do_not_share_anything(connector: Connector) -> None:
    """One object may write twice."""
    destination = DestinationHeapAnalytics(QUICK)
    with running() as heap:
        for number in range(2):
            lines = [connector.record(connector.event(number)), connector.state(number)]
            config = connector.config(heap.url)
            assert len(list(destination.write(config, catalog(connector), messages(lines)))) == 1
        assert len(heap.events()) == 2


def _alive() -> set[threading.Thread]:
    return set(threading.enumerate())


def _none_left_of(before: set[threading.Thread], within: float = 5.0) -> bool:
    end = time.monotonic() + within
    while left := _alive() - before:
        if time.monotonic() > end:
            return False
        next(iter(left)).join(0.1)
    return True


def test_a_sync_that_is_left_early_leaves_no_thread(connector: Connector) -> None:
    """Neither its lanes nor who reads the source; and the source is read no further."""
    asked = 0

    def source() -> Iterator[AirbyteMessage]:
        nonlocal asked
        (state,) = messages([connector.state(1)])
        while asked < 10_000:
            asked += 1
            yield state

    with running() as heap:
        before = _alive()
        written = DestinationHeapAnalytics(QUICK).write(
            connector.config(heap.url), catalog(connector), source()
        )
        next(iter(written))
        written.close()  # type: ignore[attr-defined]  # a generator, as the CDK's callers know
        assert _none_left_of(before)
        assert asked < 100


def test_a_sync_that_fails_leaves_no_thread(connector: Connector) -> None:
    """A source that had more to say is let go of."""
    lines = [connector.record(connector.event(number)) for number in range(3_000)]
    with running(SandboxOptions(fail_rate=1, fail_kinds=("503",))) as heap:
        before = _alive()
        written = DestinationHeapAnalytics(QUICK).write(
            connector.config(heap.url), catalog(connector), itertools.cycle(messages(lines))
        )
        with pytest.raises(AirbyteTracedException):
            list(written)
        assert _none_left_of(before)


def test_a_source_that_breaks_lets_what_is_under_way_settle(connector: Connector) -> None:
    """The request is answered, and the state behind its records leaves, before the error does."""

    class BrokenSourceError(Exception):
        pass

    full = [connector.record(connector.event(number)) for number in range(1_000)]

    def source() -> Iterator[AirbyteMessage]:
        yield from messages([*full, connector.state(1), connector.record(connector.event(1_000))])
        time.sleep(0.5)  # the full batch is under way
        raise BrokenSourceError

    states: list[AirbyteMessage] = []
    with running(SandboxOptions(latency_ms=1_500)) as heap:
        written = DestinationHeapAnalytics().write(
            connector.config(heap.url, requests_in_flight=1), catalog(connector), source()
        )
        with pytest.raises(BrokenSourceError):
            states.extend(iter(written))
        assert len(heap.events()) == 1_000
    assert len(states) == 1
