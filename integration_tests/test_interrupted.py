"""A process that is stopped: by force, by request, or because nobody reads it any more."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from integration_tests.services import EVENTS, both
from sandbox.heap import SandboxOptions, running

if TYPE_CHECKING:
    from integration_tests.conftest import Connector, Serve


def numbered(connector: Connector, start: int, end: int, every: int) -> bytes:
    """Records `start` to `end`, each `every`th followed by a state that says where to go on."""
    lines: list[bytes] = []
    for number in range(start, end):
        lines.append(connector.record(connector.event(number)))
        if (number + 1) % every == 0:
            lines.append(connector.state(number + 1))
    return b"".join(lines)


@both
def test_kill_and_start_again(connector: Connector) -> None:
    """kill -9 at random moments, each time begun again from the last state: every event once."""
    random_ = random.Random(99)
    total, kills = 9_000, 3
    at, killed = 0, 0
    trouble = {"latency_ms": 60, "fail_rate": 0.2, "seed": 4}

    def paced(start: int) -> Iterator[bytes]:
        # A source with a pace of its own, so that batches are open and under way all the time.
        for chunk in range(start, total, 300):
            yield numbered(connector, chunk, min(chunk + 300, total), 20)
            time.sleep(0.03)

    with connector.running(**trouble, fail_kinds=("503", "reset-after")) as local:
        config = connector.config(local.url, requests_in_flight=3)
        while True:
            process = connector.start_write(config)
            process.send_all(paced(at))
            if killed < kills:
                process.wait_for(b'"LOG"')
                time.sleep(0.2 + random_.random() * 0.6)
                process.signal(signal.SIGKILL)
                killed += 1
                process.finish()
            else:
                process.finish().succeeded()
            at = max((state["id"] for state in process.states), default=at)
            assert set(range(at)) <= set(connector.landed(local))
            if at == total and killed == kills:
                break
        assert connector.landed(local) == list(range(total))


@both
def test_asked_to_stop(connector: Connector) -> None:
    """SIGTERM: requests under way finish, their states leave, and the exit code is not 0."""
    _, _, most = EVENTS[connector.api]
    with connector.running(latency_ms=700) as local:
        config = connector.config(local.url, requests_in_flight=1)
        process = connector.start_write(config)
        process.send(numbered(connector, 0, 4 * most, most // 2))
        # The first request is acknowledged and the second under way; stdin stays open.
        process.wait_for(b'"STATE"', 2)
        time.sleep(0.2)
        began = time.monotonic()
        process.signal(signal.SIGTERM)
        outcome = process.finish(timeout=15)
        assert time.monotonic() - began < 10
        held = connector.landed(local)
    assert outcome.code not in {0, -signal.SIGTERM}
    assert outcome.error["failure_type"] == "transient_error"
    assert "SIGTERM" in outcome.error["message"]
    ids = [state["id"] for state in outcome.states]
    assert ids == [most // 2, most, most + most // 2, 2 * most]
    assert held == list(range(2 * most))
    assert outcome.ledger["accepted"] == 2 * most


def test_asked_to_stop_while_heap_is_away(connector: Connector, serve: Serve) -> None:
    """SIGINT does not wait for a Retry-After of a minute; a second signal does no harm."""
    asked: list[int] = []

    def script(number: int, body: bytes) -> tuple[int, dict[str, str], bytes]:
        asked.append(number)
        return 429, {"Retry-After": "60"}, b""

    process = connector.start_write(connector.config(serve(script), requests_in_flight=1))
    process.send(connector.state(1), numbered(connector, 0, 3_000, 500))
    process.wait_for(b'"STATE"')
    patience = time.monotonic() + 20
    while not asked and time.monotonic() < patience:
        time.sleep(0.02)
    process.signal(signal.SIGINT)
    process.signal(signal.SIGTERM)
    outcome = process.finish(timeout=10)
    assert outcome.code != 0
    assert outcome.error["failure_type"] == "transient_error"
    assert [state["id"] for state in outcome.states] == [1]


def test_nobody_reads_stdout(connector: Connector) -> None:
    """The reader is gone: the process ends by itself, not with 0, and does not hang."""
    with running(SandboxOptions(quotas=False)) as heap:
        process = connector.start_write(connector.config(heap.url))
        process.hang_up_on = b'"STATE"'
        process.send_all([numbered(connector, 0, 3_000, 10)] * 2)
        outcome = process.finish()
    assert outcome.code > 0


def test_nobody_reads_stdout_for_a_while(connector: Connector) -> None:
    """A reader that is slow with a full pipe loses nothing: states wait, in order."""
    lines = numbered(connector, 0, 3_000, 1)
    seen: list[int] = []

    def dawdle(state: dict[str, Any]) -> None:
        if not seen:
            time.sleep(1.5)
        seen.append(state["id"])

    with running(SandboxOptions(quotas=False)) as heap:
        process = connector.start_write(connector.config(heap.url), on_state=dawdle)
        process.send_all([lines])
        process.finish().succeeded()
    assert seen == list(range(1, 3_001))
