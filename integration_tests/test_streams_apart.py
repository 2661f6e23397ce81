"""What is judged for a sync is judged for each stream of it: none costs another anything."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bulk_destination.delivery.deliveries import GRACE
from bulk_destination.rejected import saving
from integration_tests.several import (
    ACCOUNTS,
    ENTRIES,
    THREE,
    TRACK,
    USERS,
    Json,
    catalog,
    config,
    left,
    row,
    state,
)
from sandbox.heap import SandboxOptions, running

if TYPE_CHECKING:
    from integration_tests.conftest import Connector, Outcome, Serve

Answer = tuple[int, dict[str, str], bytes]

TAKEN: Answer = (200, {}, b"{}")


def by_list(users: Callable[[], Answer]) -> Callable[[int, bytes], Answer]:
    """A Heap that takes all but users, which `users` answers."""

    def script(_: int, body: bytes) -> Answer:
        return users() if b'"users":' in body else TAKEN

    return script


def ledgers(outcome: Outcome) -> dict[str, Json]:
    """By stream, what its ledger says."""
    found = re.findall(r"^Ledger of stream `(.*?)`: (\{.*\})$", outcome.logs, re.MULTILINE)
    return {name: json.loads(counts) for name, counts in found}


@pytest.mark.parametrize(
    ("answer", "failure_type"),
    [((503, {}, b""), "transient_error"), ((404, {}, b"nothing here"), "config_error")],
)
def test_an_endpoint_that_is_down(
    connector: Connector, serve: Serve, answer: Answer, failure_type: str
) -> None:
    """What is good of the others lands, and their states leave, though it comes after the end."""
    url = serve(by_list(lambda: answer))
    process = connector.start_write(config(url, max_retry_seconds=1), catalog(*THREE))
    process.send(*(row(stream, 1) for stream in THREE), *(state(stream, 1) for stream in THREE))
    process.wait_for(b"Stream `users` is given up, the others go on")
    for number in range(2, 4):
        process.send(*(row(stream, number) for stream in THREE))
        process.send(*(state(stream, number) for stream in THREE))
    process.end_input()
    outcome = process.finish()
    assert outcome.error["failure_type"] == failure_type
    assert "Stream `users`: " in outcome.error["message"]
    for stream in ("orders", "companies"):
        assert stream not in outcome.error["message"]
        assert [number for number, *_ in left(outcome.states, stream)] == [1, 2, 3]
        assert ledgers(outcome)[stream]["accepted"] == 3
    assert left(outcome.states, "users") == []


def test_all_endpoints_are_down(connector: Connector, serve: Serve) -> None:
    """One error names all streams, and the input is read no further."""
    url = serve(lambda *_: (503, {}, b""))
    process = connector.start_write(config(url, max_retry_seconds=1), catalog(*THREE))
    process.send(*(row(stream, 1) for stream in THREE), state("users", 1))
    outcome = process.finish()  # its stdin is still open
    assert outcome.error["failure_type"] == "transient_error"
    assert all(f"`{stream}`" in outcome.error["message"] for stream in THREE)
    assert outcome.states == []


def test_a_refused_stream_that_shares_its_endpoint(connector: Connector, serve: Serve) -> None:
    """One batch finds its fault: what waits of it is not sent, and the other lands and goes on."""
    under_way, most, refused = 0, 0, 0
    lock = threading.Lock()

    def script(_: int, body: bytes) -> Answer:
        nonlocal under_way, most, refused
        if b"refuse me" not in body:
            return TAKEN
        with lock:
            under_way, refused = under_way + 1, refused + 1
            most = max(most, under_way)
        time.sleep(0.001)  # so that two at once would be seen
        with lock:
            under_way -= 1
        return 400, {}, b'{"error": "no such event"}'

    entries = [{"stream": name, "api": TRACK} for name in ("good", "bad")]
    lines = []
    for number in range(4_000):
        for name in ("good", "bad"):
            record = json.loads(row("orders", number))
            record["record"]["stream"] = name
            record["record"]["data"]["name"] = "refuse me" if name == "bad" else "Ordered"
            lines.append(json.dumps(record).encode() + b"\n")
    lines += [state("good", 1), state("bad", 2)]
    outcome = connector.write_here(config(serve(script), entries), lines, catalog("good", "bad"))
    assert outcome.error["failure_type"] == "config_error"
    assert "Stream `bad`: No record could be sent" in outcome.error["message"]
    assert "good" not in outcome.error["message"]
    assert left(outcome.states, "good") == [(1, 4_000.0, 0.0)]
    assert left(outcome.states, "bad") == []
    assert most == 1
    assert refused < 1_500, "more than one batch was taken apart, in which every second is bad"
    assert ledgers(outcome)["bad"]["rejected"] == 500


def test_merged_and_requests(connector: Connector) -> None:
    """Merged are those of the stream they are of; requests hold several, so the sum alone tells."""
    entries = [{"stream": name, "api": USERS} for name in ("a", "b")]
    lines = []
    for number in range(300):
        for name in ("a", "b"):
            who = f"{name}{number if name == 'a' else number % 3}@example.com"
            record = {"stream": name, "data": {"who": who, "n": number}, "emitted_at": 1}
            lines.append(json.dumps({"type": "RECORD", "record": record}).encode() + b"\n")
    with running() as heap:
        outcome = connector.write_here(config(heap.url, entries), lines, catalog("a", "b"))
        assert len(heap.users()) == 303
    found = ledgers(outcome.succeeded())
    assert (found["a"]["merged"], found["b"]["merged"]) == (0, 297)
    assert outcome.ledger["merged"] == 297
    assert outcome.ledger["requests"] > 0
    assert all("requests" not in each for each in found.values())


def test_a_quota_holds_one_stream_only(connector: Connector) -> None:
    """While events wait for their minute, users and accounts land and their states leave."""
    with running(SandboxOptions(quotas=False)) as heap:
        slow = config(heap.url, events_per_minute=10)
        process = connector.start_write(slow, catalog(*THREE))
        lines = [row(stream, number) for number in range(100) for stream in THREE]
        process.send(*lines, *(state(stream, 1) for stream in THREE))
        process.wait_for(b'"STATE"', count=2)
        process.signal(signal.SIGTERM)
        outcome = process.finish()
        assert (len(heap.events()), len(heap.accounts())) == (10, 100)
    assert left(outcome.states, "users") == [(1, 100.0, 0.0)]
    assert left(outcome.states, "companies") == [(1, 100.0, 0.0)]
    assert left(outcome.states, "orders") == []


def test_global_states_wait_for_all(connector: Connector, serve: Serve) -> None:
    """One that comes behind a record of a stream that fails never leaves; one before it does."""

    def everywhere(number: int) -> bytes:
        parts = [{"stream_descriptor": {"name": name}, "stream_state": {}} for name in THREE]
        inner = {"type": "GLOBAL", "global": {"stream_states": parts}}
        return json.dumps({"type": "STATE", "id": number, "state": inner}).encode() + b"\n"

    lines = [row("orders", 1), row("companies", 1), everywhere(1), row("users", 1), everywhere(2)]
    lines += [row("orders", 2), everywhere(3)]
    url = serve(by_list(lambda: (503, {}, b"")))
    outcome = connector.write(config(url, max_retry_seconds=1), lines, catalog(*THREE))
    assert outcome.error["failure_type"] == "transient_error"
    assert [each["id"] for each in outcome.states] == [1]
    assert ledgers(outcome)["orders"]["accepted"] == 2


def test_a_stream_that_can_send_nothing_ends_no_other(connector: Connector) -> None:
    """Its states would wait without an end; the others are read to theirs, and land."""
    lines = []
    for number in range(10_500):
        lines += [row("users", number, who=None), state("users", number)]
        if number % 100 == 0:
            lines += [row("orders", number), state("orders", number)]
    with running(SandboxOptions(quotas=False)) as heap:
        both = config(heap.url, ENTRIES[:2])
        outcome = connector.write_here(both, lines, catalog("orders", "users"))
        assert len(heap.events()) == 105
    assert outcome.error["failure_type"] == "config_error"
    assert "Stream `users`: No record could be sent" in outcome.error["message"]
    assert len(left(outcome.states, "orders")) == 105
    assert left(outcome.states, "users") == []


@pytest.mark.parametrize(
    ("percent", "strange", "fails"), [(50, 101, True), (51, 101, False), (0, 1, False)]
)
def test_what_is_of_no_stream_counts_in_the_share_of_all(
    connector: Connector, percent: int, strange: int, fails: bool
) -> None:
    """No stream's own verdict knows of it; below 100 records in all, nobody judges."""
    lines = [row(stream, number) for number in range(49) for stream in ("users", "companies")]
    lines += [row("users", 1).replace(b'"users"', b'"gone"')] * (strange // 2)
    lines += [b"no message\n"] * (strange - strange // 2)
    lines += [state("users", 1), state("companies", 2)]
    both = catalog("users", "companies")
    with running() as heap:
        wanted = config(heap.url, ENTRIES[1:], max_rejected_percent=percent)
        for dry in (True, False):
            outcome = connector.write_here({**wanted, "dry_run": dry}, lines, both)
            assert outcome.code == int(fails)
        assert len(heap.users()) == len(heap.accounts()) == 49
    assert sorted(each["id"] for each in outcome.states) == [1, 2]
    if fails:
        assert outcome.error["failure_type"] == "config_error"
        assert outcome.error["message"].startswith(f"More than {percent} % of 199 records were")


def test_rejected_records_of_a_stream_that_is_given_up(
    connector: Connector, serve: Serve, tmp_path: Path
) -> None:
    """They are read again, so no file has to hold them; those of the others are in files."""
    kept = tmp_path / "kept"
    kept.mkdir()
    lines = [row(stream, number) for number in range(50) for stream in THREE]
    lines += [row(stream, 99, who=None, id=None) for stream in THREE]
    lines += [state(stream, 1) for stream in THREE]
    storage = {"storage_type": "Local", "path": str(kept)}
    url = serve(by_list(lambda: (503, {}, b"")))
    there = config(url, max_retry_seconds=1, object_storage_config=storage)
    outcome = connector.write(there, lines, catalog(*THREE))
    assert left(outcome.states, "orders") == [(1, 50.0, 1.0)]
    assert left(outcome.states, "companies") == [(1, 50.0, 1.0)]
    assert left(outcome.states, "users") == []
    found = {path.parent.name for path in kept.rglob("*.jsonl")}
    assert {"orders", "companies"} <= found


def test_a_signal_while_all_endpoints_hang(connector: Connector, serve: Serve) -> None:
    """The end comes in the time that one has, not in that of one after the other."""
    asked, over = threading.Semaphore(0), threading.Event()

    def script(*_: Any) -> Answer:
        asked.release()
        over.wait(120)
        return TAKEN

    process = connector.start_write(config(serve(script)), catalog(*THREE))
    process.send(*(row(stream, n) for n in range(1_000) for stream in THREE))
    for _ in THREE:
        assert asked.acquire(timeout=60)
    began = time.monotonic()
    process.signal(signal.SIGTERM)
    outcome = process.finish()
    over.set()
    assert time.monotonic() - began < GRACE + saving.GRACE
    assert outcome.error["failure_type"] == "transient_error"


def test_two_streams_to_one_account_in_the_order_of_the_input(connector: Connector) -> None:
    """As for users: the later row wins, whichever stream it is of."""
    entries = [{"stream": name, "api": ACCOUNTS} for name in ("a", "b")]
    lines = []
    for number in range(3_000):
        data = {"id": f"company {number % 7}", "n": number}
        record = {"stream": "ab"[number % 5 % 2], "data": data, "emitted_at": 1}
        lines.append(json.dumps({"type": "RECORD", "record": record}).encode() + b"\n")
    with running() as heap:
        connector.write_here(config(heap.url, entries), lines, catalog("a", "b")).succeeded()
        values = {each["account_id"]: each["properties"]["n"] for each in heap.accounts()}
    assert values == {f"company {n % 7}": n for n in range(2_993, 3_000)}


def test_what_hangs_takes_no_place_of_another(connector: Connector, serve: Serve) -> None:
    """Of eight requests at once users hold one, and events have all others."""
    lock = threading.Condition()
    over, full = threading.Event(), threading.Event()
    under_way: dict[str, int] = {"users": 0, "events": 0}
    proven: set[str] = set()
    most = 0

    def script(_: int, body: bytes) -> Answer:
        nonlocal most
        kind = "users" if b'"users":' in body else "events"
        with lock:
            under_way[kind] += 1
            most = max(most, sum(under_way.values()))
            is_first = kind not in proven
            proven.add(kind)
            if under_way == {"users": 1, "events": 7}:
                full.set()
        if kind == "users":
            over.wait(60)
        elif not is_first:
            full.wait(60)
        with lock:
            under_way[kind] -= 1
        return TAKEN

    both = config(serve(script), ENTRIES[:2], requests_in_flight=8, events_per_minute=0)
    process = connector.start_write(both, catalog("orders", "users"))
    lines = [row("users", number) for number in range(3_000)]
    lines += [row("orders", number) for number in range(12_000)]
    process.send_all([*lines, state("orders", 1), state("users", 2)])
    assert full.wait(60)
    process.wait_for(b'"STATE"')
    over.set()
    outcome = process.finish().succeeded()
    assert [each["id"] for each in outcome.states] == [1, 2]
    assert most == 8
