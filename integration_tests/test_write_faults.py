"""Trouble on the way to a service: retried, isolated or reported; nothing lost or doubled."""

from __future__ import annotations

import json
import random
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from bulk_destination.http.pacing import RetryPolicy
from bulk_destination.loading.surroundings import Surroundings
from integration_tests.services import EVENTS, both, every_api
from sandbox.heap import SandboxOptions, running

if TYPE_CHECKING:
    from integration_tests.conftest import Connector, Serve

#: Each API's faults; `hang` is tried apart.
KINDS = ("429", "429-seconds", "500", "502-html", "503", "reset-before", "reset-after")


def some_lines(connector: Connector, count: int) -> list[bytes]:
    """Records with a state behind every hundredth."""
    lines: list[bytes] = []
    for number in range(count):
        lines.append(connector.record(connector.event(number)))
        if number % 100 == 99:
            lines.append(connector.state(number))
    return lines


def refused(words: bytes) -> tuple[int, dict[str, str], bytes]:
    """A 400 as a service gives it."""
    return 400, {}, words


@every_api
@pytest.mark.parametrize("kind", KINDS)
def test_passing_faults(connector: Connector, kind: str) -> None:
    """Every second request meets the fault: exit 0, each record there once, states in order."""
    count = 1_500
    # Waits of a whole second are rarer, for the sake of time.
    rate = 0.3 if kind == "429-seconds" else 0.5
    trouble = {"fail_rate": rate, "seed": 3, "fail_kinds": (kind,), "max_body_bytes": 40_000}
    with connector.running(**trouble) as local:
        outcome = connector.write_here(
            connector.config(local.url), some_lines(connector, count)
        ).succeeded()
        assert connector.landed(local) == list(range(count))
        faults = local.stats()["faults"][kind]
    assert outcome.ledger["retries"] == faults > 0
    assert [state["id"] for state in outcome.states] == list(range(99, count, 100))
    assert {connector.stats(state) for state in outcome.states} == {(100.0, 0.0)}


@both
def test_a_process_under_all_faults(connector: Connector) -> None:
    """The same with all kinds, over a process's own sockets and its own waits."""
    with connector.running(fail_rate=0.3, seed=21) as local:
        outcome = connector.write(
            connector.config(local.url), some_lines(connector, 3_000)
        ).succeeded()
        assert connector.landed(local) == list(range(3_000))
    assert len(outcome.states) == 30


@pytest.mark.parametrize("trouble", ["closed port", "503", "hang"])
def test_heap_does_not_come_back(connector: Connector, serve: Serve, trouble: str) -> None:
    """After max_retry_seconds: a transient error, what was accepted is acknowledged first."""
    stored: set[int] = set()

    def script(number: int, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if number > 2:
            return 503, {}, b""
        stored.update(event["properties"]["n"] for event in json.loads(body)["events"])
        return 200, {}, b"{}"

    lines = [connector.record(connector.event(n)) for n in range(5_000)]
    lines = [line for n in range(5_000) for line in (lines[n], connector.state(n + 1))]
    soon = Surroundings(retry_policy=RetryPolicy(first=0.05, give_up_after=1))
    if trouble == "503":
        config = connector.config(serve(script), max_retry_seconds=1, requests_in_flight=1)
        outcome = connector.write(config, lines)
        assert [state["id"] for state in outcome.states] == list(range(1, 2_001))
        assert stored == set(range(2_000))
    elif trouble == "closed port":
        with socket.socket() as bound:  # bound and not listening: nobody else can take it
            bound.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{bound.getsockname()[1]}"
            outcome = connector.write_here(connector.config(url), lines, surroundings=soon)
        assert outcome.states == []
    else:
        options = SandboxOptions(fail_rate=1, fail_kinds=("hang",), hang_seconds=3)
        with running(options) as heap:
            outcome = connector.write_here(connector.config(heap.url), lines, surroundings=soon)
        assert outcome.states == []
    assert outcome.error["failure_type"] == "transient_error"
    assert "1 s" in outcome.error["message"]
    assert outcome.seconds < 30
    # The failure is the last word but for the ledger; states come before it.
    kinds = [message["type"] for message in outcome.messages]
    assert "STATE" not in kinds[kinds.index("TRACE") :]


@every_api
def test_bad_items_stand_alone(connector: Connector) -> None:
    """Whole batches are refused for a few items: those are rejected in its words, no others."""
    random_ = random.Random(17)
    poisoned = set(random_.sample(range(2_000), 12))
    lines: list[bytes] = []
    for number in range(2_000):
        data = connector.event(number) | {"plan": "venom" if number in poisoned else "free"}
        lines.append(connector.record(data))
        if number % 100 == 99:
            lines.append(connector.state(number))
    with connector.running(poison=("venom",), quote_values=True) as local:
        outcome = connector.write_here(connector.config(local.url), lines).succeeded()
        assert connector.landed(local) == sorted(set(range(2_000)) - poisoned)
    ((reason, count),) = outcome.ledger["rejected_by_reason"].items()
    assert count == len(poisoned)
    assert "is not valid" in reason
    assert outcome.ledger["rejected_first_at"] == {reason: min(poisoned) + 1}
    for state in outcome.states:
        bad = len(poisoned & set(range(state["id"] - 99, state["id"] + 1)))
        assert connector.stats(state) == (100.0 - bad, float(bad))
    assert b"venom" not in outcome.stdout


def test_bodies_too_large(connector: Connector) -> None:
    """A 413 splits; one item that is too large alone is rejected, the rest lands in order."""
    lines = [connector.record({"who": "one", "v": n, "text": "t" * 500}) for n in range(300)]
    lines += [connector.record({"who": "two", **{f"c{n}": "t" * 900 for n in range(50)}})]
    lines += [connector.record({"who": "three", "v": 1})]
    with running(SandboxOptions(max_body_bytes=20_000)) as heap:
        config = connector.config(heap.url, "add_user_properties", requests_in_flight=1)
        outcome = connector.write_here(config, [*lines, connector.state(1)]).succeeded()
        users = {user["identity"]: user["properties"]["v"] for user in heap.users()}
    assert users == {"one": 299, "three": 1}
    assert sum(outcome.ledger["rejected_by_reason"].values()) == 1
    assert [connector.stats(state) for state in outcome.states] == [(301.0, 1.0)]


WEB_PAGE = b"<!doctype html><html><body>Welcome</body></html>"


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (404, {}, b"not found"),
        (401, {}, b"{}"),
        (403, {}, b""),
        (405, {}, b""),
        (200, {"Content-Type": "text/html"}, WEB_PAGE),
        (302, {"Location": "/login"}, b""),
        (301, {"Location": "https://example.com/"}, WEB_PAGE),
        (308, {"Location": "/api/track/"}, b""),
    ],
)
def test_something_else_answers(
    connector: Connector, serve: Serve, status: int, headers: dict[str, str], body: bytes
) -> None:
    """An address that is not Heap's is an error of configuration, at once and without waiting.

    What was sent may hold one record that a firewall turns away, so a part of it is tried alone:
    that costs a dozen requests, and no byte leaves that had not left already.
    """
    asked: list[bytes] = []

    def script(number: int, sent: bytes) -> tuple[int, dict[str, str], bytes]:
        asked.append(sent)
        return status, headers, body

    outcome = connector.write_here(connector.config(serve(script)), some_lines(connector, 3_000))
    assert outcome.error["failure_type"] == "config_error"
    assert "base_url" in outcome.error["message"]
    assert str(status) in outcome.error["message"]
    assert outcome.states == []
    assert len(asked) < 15
    assert all(event in asked[0] for sent in asked for event in sent.split(b'{"event"')[1:-1])
    assert outcome.ledger["retries"] == 0


@both
def test_first_request_refused_to_the_last_item(connector: Connector, serve: Serve) -> None:
    """Nothing of the first request can land: config_error in the service's words, no state."""
    asked: list[int] = []
    events, _, _ = EVENTS[connector.api]

    def script(number: int, body: bytes) -> tuple[int, dict[str, str], bytes]:
        asked.append(len(json.loads(body)[events]))
        return refused(b"timestamp is not a valid string")

    outcome = connector.write_here(connector.config(serve(script)), some_lines(connector, 1_200))
    assert outcome.error["failure_type"] == "config_error"
    assert "timestamp is not a valid string: " in outcome.error["message"]
    assert outcome.states == []
    # One request was made and no other: it was halved down to its last item.
    assert len(asked) == 2 * asked[0] - 1


@both
def test_no_record_can_be_mapped(connector: Connector) -> None:
    """Every record rejected before anyone is asked: exit is not 0, and no state leaves."""
    reason = "identity_missing" if connector.service == "heap" else "user_id_missing"
    lines: list[bytes] = []
    for number in range(300):
        lines += [connector.record({"name": "E", "n": number}), connector.state(number)]
    with connector.running() as local:
        outcome = connector.write_here(connector.config(local.url), lines)
        assert local.requests() == []
    assert outcome.code != 0
    assert f"{reason}: 300" in outcome.error["message"]
    assert outcome.states == []
    assert outcome.ledger["rejected_by_reason"] == {reason: 300}


def test_bad_first_records_do_not_end_a_good_sync(connector: Connector) -> None:
    """Rejected records at the start hold their states only until something lands."""
    lines: list[bytes] = [connector.record({"name": "E"}), connector.state(0)]
    lines += some_lines(connector, 1_200)
    with running() as heap:
        outcome = connector.write_here(connector.config(heap.url), lines).succeeded()
        assert connector.landed(heap) == list(range(1_200))
    assert [connector.stats(state) for state in outcome.states][:2] == [(0.0, 1.0), (100.0, 0.0)]


@both
def test_retries_send_the_same_bytes(connector: Connector, serve: Serve) -> None:
    """Each retry is the request again, byte by byte; keys stay when a batch is split."""
    bodies: list[bytes] = []
    list_of_events, key, _ = EVENTS[connector.api]

    def script(number: int, body: bytes) -> tuple[int, dict[str, str], bytes]:
        bodies.append(body)
        if number <= 3:
            return 503, {}, b""
        if number == 4:
            return refused(b"{}")
        return 200, {}, b"{}"

    lines = [connector.record(connector.event(n)) for n in range(100)]
    config = connector.config(serve(script), requests_in_flight=1)
    connector.write_here(config, lines).succeeded()
    assert len(bodies) == 6
    assert len(set(bodies[:4])) == 1
    events: list[list[Any]] = [json.loads(body)[list_of_events] for body in bodies]
    assert events[4] + events[5] == events[0]
    assert len({event[key] for event in events[0]}) == 100


@both
def test_retry_after_is_obeyed(connector: Connector, serve: Serve) -> None:
    """A 429 that names 2 seconds is not asked again before they are over."""
    moments: list[float] = []

    def script(number: int, body: bytes) -> tuple[int, dict[str, str], bytes]:
        moments.append(time.monotonic())
        return (429, {"Retry-After": "2"}, b"") if number == 1 else (200, {}, b"{}")

    lines = [connector.record(connector.event(1))]
    connector.write_here(connector.config(serve(script)), lines).succeeded()
    assert moments[1] - moments[0] >= 2
