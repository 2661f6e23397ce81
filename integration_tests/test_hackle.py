"""What only Hackle's connector does; all that both do is tested for both."""

from __future__ import annotations

import json
import re
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from bulk_destination.http.pacing import RetryPolicy
from bulk_destination.loading.surroundings import Surroundings
from integration_tests.services import PURCHASE_COLUMNS, PURCHASES, SDK_KEY
from sandbox.hackle import SandboxOptions, running

if TYPE_CHECKING:
    from integration_tests.conftest import Connector, Json, Serve


def status_of_check(connector: Connector, config: object) -> Json:
    """The status, by a process in its own time."""
    process = connector.start("check", "--config", connector.file(config))
    process.end_input()
    outcome = process.finish()
    assert (outcome.code, outcome.stderr) == (0, b"")
    (message,) = outcome.of_type("CONNECTION_STATUS")
    found: Json = message["connectionStatus"]
    return found


def test_the_users_examples(hackle: Connector) -> None:
    """Each purchase of the document lands to the letter, and a second run adds none."""
    lines = [hackle.record(data, emitted_at=n) for n, data in enumerate(PURCHASES)]
    with running() as local:
        config = hackle.config(local.url, **PURCHASE_COLUMNS)
        before = time.time() * 1_000
        for _ in range(2):
            outcome = hackle.write(config, [*lines, hackle.state(1)]).succeeded()
            assert [hackle.stats(state) for state in outcome.states] == [(3.0, 0.0)]
        events = local.events()
        assert local.stats()["repeats_absorbed"] == 3
    assert [(event["value"], event["properties"]) for event in events] == [
        (None, {}),
        (13200, {}),
        (13200, {"pay_method": "CARD", "discount_amount": 800, "is_discount": True}),
    ]
    assert events[2]["properties"]["is_discount"] is True
    assert {(event["event_key"], event["user_id"]) for event in events} == {
        ("purchase", "ae2182e0")
    }
    assert all(before <= event["timestamp"] <= time.time() * 1_000 for event in events)
    assert all(re.fullmatch(r"[0-9a-f]{32,}", event["insert_id"]) for event in events)


def test_values_and_times(hackle: Connector) -> None:
    """Numbers as they are, texts that are numbers converted and counted, times in milliseconds."""
    times = {
        "2024-02-03T04:05:06.789Z": 1_706_933_106_789,
        "2024-02-03T04:05:06+09:00": 1_706_900_706_000,
        1_706_933_106: 1_706_933_106_000,
        1_706_933_106_789: 1_706_933_106_789,
    }
    values: dict[Any, int | float] = {2**53: 2**53, -0.5: -0.5, "13200": 13200, "1.5e3": 1500.0}
    lines = [
        hackle.record({"name": "paid", "who": f"p{n}", "amount": value, "at": moment})
        for n, (value, moment) in enumerate(zip(values, times, strict=True))
    ]
    with running() as local:
        config = hackle.config(local.url, value_column="amount", timestamp_column="at")
        outcome = hackle.write_here(config, lines).succeeded()
        events = sorted(local.events(), key=lambda event: str(event["user_id"]))
    assert [json.dumps(event["value"]) for event in events] == [
        json.dumps(value) for value in values.values()
    ]
    assert [event["timestamp"] for event in events] == list(times.values())
    assert "`amount` (value_column): 2 texts became numbers" in outcome.logs


def test_rejected_by_reason(hackle: Connector) -> None:
    """What the SDK would drop without a word is rejected, and the ledger says why and how often."""
    good: Json = {"name": "paid", "who": "p1", "amount": 1, "at": "2024-02-03"}
    wrong: list[tuple[str, Json]] = [
        ("event_key_missing", {"name": None}),
        ("event_key_blank", {"name": " "}),
        ("event_key_not_text", {"name": 7}),
        ("user_id_missing", {"who": None}),
        ("user_id_blank", {"who": ""}),
        ("user_id_too_long", {"who": "x" * 513}),
        ("user_id_of_no_single_person", {"who": "undefined"}),
        ("value_not_a_number", {"amount": "12,5"}),
        ("value_not_a_number", {"amount": True}),
        ("value_out_of_range", {"amount": 2**53 + 1}),
        ("value_out_of_range", {"amount": "1e400"}),
        ("timestamp_not_readable", {"at": "soon-ish"}),
    ]
    lines = [hackle.record({**good, **changed, "n": n}) for n, (_, changed) in enumerate(wrong)]
    lines += [hackle.record({**good, "who": "x" * 512}), hackle.state(1)]
    with running() as local:
        config = hackle.config(local.url, value_column="amount", timestamp_column="at")
        outcome = hackle.write_here(config, lines).succeeded()
        assert [event["user_id"] for event in local.events()] == ["x" * 512]
    expected: dict[str, int] = {}
    for reason, _ in wrong:
        expected[reason] = expected.get(reason, 0) + 1
    assert outcome.ledger["rejected_by_reason"] == expected
    assert [hackle.stats(state) for state in outcome.states] == [(1.0, float(len(wrong)))]


def test_a_refused_request_is_split(hackle: Connector) -> None:
    """500 events a request: of one with a bad event 499 land, and the others are whole."""
    lines = [hackle.record(hackle.event(n)) for n in range(1_500)]
    lines[700] = hackle.record({**hackle.event(700), "plan": "venom"})
    with running(SandboxOptions(poison=("venom",))) as local:
        config = hackle.config(local.url, requests_in_flight=1)
        outcome = hackle.write_here(config, [*lines, hackle.state(1)]).succeeded()
        assert hackle.landed(local) == [n for n in range(1_500) if n != 700]
        items = [entry["items"] for entry in local.requests() if entry["status"] == 200]
        refused = [entry["items"] for entry in local.requests() if entry["status"] == 400]
    assert items.count(500) == 2
    assert sum(items) == 1_499
    assert refused == sorted(refused, reverse=True)
    assert (refused[0], refused[-1]) == (500, 1)
    assert [hackle.stats(state) for state in outcome.states] == [(1_499.0, 1.0)]


def test_bodies_too_large(hackle: Connector) -> None:
    """A 413 splits; one event that is too large alone is rejected, the rest lands in order."""
    lines = [hackle.record(hackle.event(n, "one") | {"text": "t" * 500}) for n in range(300)]
    large = {f"c{n}": "t" * 900 for n in range(50)}
    lines.insert(100, hackle.record(hackle.event(-1, "one") | large))
    with running(SandboxOptions(max_body_bytes=20_000)) as local:
        config = hackle.config(local.url, requests_in_flight=1)
        outcome = hackle.write_here(config, [*lines, hackle.state(1)]).succeeded()
        assert [event["properties"]["n"] for event in local.events()] == list(range(300))
    assert outcome.ledger["rejected_by_reason"] == {"too_large_for_hackle": 1}


def test_each_try_has_its_own_time(hackle: Connector) -> None:
    """The same bytes with every try, and X-HACKLE-SDK-TIME says when that try was made."""
    tries: list[tuple[float, str, bytes]] = []
    lock = Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                tries.append((time.time(), self.headers["X-HACKLE-SDK-TIME"], body))
            self.send_response(503 if len(tries) < 4 else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    policy = RetryPolicy(first=0.3, longest=0.3)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        config = hackle.config(url, requests_in_flight=1)
        lines = [hackle.record(hackle.event(n)) for n in range(20)]
        hackle.write_here(config, lines, surroundings=Surroundings(retry_policy=policy)).succeeded()
        server.shutdown()
    assert len(tries) == 4
    assert len({body for _, _, body in tries}) == 1
    for arrived, said, _ in tries:
        assert re.fullmatch(r"\d{13}", said)
        assert -1 <= arrived * 1_000 - int(said) < 1_000  # It may be rounded up.
    assert len({said for _, said, _ in tries}) == 4


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_not_taken(hackle: Connector, serve: Serve, status: int) -> None:
    """The fault is in the configuration: the first answer ends the sync, and no state leaves."""
    asked: list[int] = []

    def script(number: int, _: bytes) -> tuple[int, dict[str, str], bytes]:
        asked.append(number)
        return status, {}, f"the SDK key {SDK_KEY} is unknown".encode()

    url = serve(script)
    lines = [line for n in range(900) for line in (hackle.record(hackle.event(n)), hackle.state(n))]
    outcome = hackle.write_here(hackle.config(url, requests_in_flight=1), lines)
    assert outcome.error["failure_type"] == "config_error"
    assert outcome.error["message"].startswith("sdk_key: ")
    assert (outcome.states, asked) == ([], [1])
    found = status_of_check(hackle, hackle.config(url))
    assert found["status"] == "FAILED"
    assert "sdk_key: Hackle does not take it" in found["message"]
    assert SDK_KEY not in json.dumps(found)


@pytest.mark.parametrize(
    ("status", "headers", "body", "succeeds"),
    [
        (200, {}, b"", True),
        (202, {"Content-Type": "application/json"}, b"{}", True),
        (400, {"Content-Type": "application/json"}, b'{"message": "no events"}', True),
        (200, {"Content-Type": "text/html"}, b"<html>Welcome</html>", False),
        (404, {}, b"not found", False),
        (405, {}, b"", False),
        (302, {"Location": "https://example.com/"}, b"", False),
        (413, {}, b"", False),
    ],
)
def test_what_a_check_makes_of_answers(
    hackle: Connector,
    serve: Serve,
    status: int,
    headers: dict[str, str],
    body: bytes,
    succeeds: bool,
) -> None:
    """Yes and no to a request without events are both well; what is no such service is not."""
    bodies: list[bytes] = []

    def script(_: int, asked: bytes) -> tuple[int, dict[str, str], bytes]:
        bodies.append(asked)
        return status, headers, body

    url = serve(script)
    outcome = hackle.run_here("check", "--config", hackle.file(hackle.config(url)))
    (message,) = outcome.of_type("CONNECTION_STATUS")
    found = message["connectionStatus"]
    assert found["status"] == ("SUCCEEDED" if succeeds else "FAILED")
    if not succeeds:
        assert url in found["message"]
    assert [json.loads(one)["trackEvents"] for one in bodies] == [[]]


def test_a_check_adds_nothing(hackle: Connector) -> None:
    """One request, without an event."""
    with running() as local:
        assert status_of_check(hackle, hackle.config(local.url))["status"] == "SUCCEEDED"
        assert local.events() == local.users() == []
        assert len(local.requests()) == 1


def test_all_faults_of_the_configuration(hackle: Connector) -> None:
    """Each with its path, none with its value."""
    wrong = {"sdk_key": "secret key", "base_url": "http://secret.example.com", "value_column": 7}
    found = status_of_check(hackle, wrong)
    assert found["status"] == "FAILED"
    for path in ("sdk_key", "base_url", "value_column", "event_key_column", "user_id_column"):
        assert f"{path}: " in found["message"]
    assert "secret" not in found["message"]


def test_spec(hackle: Connector) -> None:
    """By a process: one SPEC with a valid form that fits what is loaded here."""
    process = hackle.start("spec")
    process.end_input()
    outcome = process.finish()
    assert (outcome.code, outcome.stderr) == (0, b"")
    (message,) = outcome.of_type("SPEC")
    form = message["spec"]["connectionSpecification"]
    jsonschema.Draft7Validator.check_schema(form)
    assert jsonschema.Draft7Validator(form).is_valid(hackle.config("https://event.hackle.io"))
    assert form["properties"]["sdk_key"]["airbyte_secret"] is True
    modes = message["spec"]["supported_destination_sync_modes"]
    assert set(modes) == {"append", "append_dedup", "overwrite"}


def test_events_per_minute_is_held(hackle: Connector) -> None:
    """Where a limit is set, no minute has more; a minute is a second here."""
    limit, minutes, minute = 400, 2, 1.05
    lines = [hackle.record(hackle.event(n)) for n in range(limit * (minutes + 1))]
    policy = RetryPolicy(first=0.01, longest=0.05)
    with running() as local:
        outcome = hackle.write_here(
            hackle.config(local.url, events_per_minute=limit),
            lines,
            surroundings=Surroundings(retry_policy=policy, minute=minute),
        ).succeeded()
        arrivals = [event["received_at"] for event in local.events()]
    assert len(arrivals) == len(lines)
    gaps = [later - earlier for earlier, later in zip(arrivals, arrivals[limit:], strict=False)]
    assert min(gaps) >= minute * 0.99
    # Held up, not brought to a stop; a busy machine adds to it.
    assert arrivals[-1] - arrivals[0] < minutes * minute * 3
    assert f"The quota of {limit} events a minute is used up" in outcome.logs
    assert outcome.stream_statuses


def test_without_a_limit_nothing_waits(hackle: Connector) -> None:
    """Hackle publishes no quota: by default, none is kept."""
    lines = [hackle.record(hackle.event(n, "one")) for n in range(5_000)]
    with running() as local:
        outcome = hackle.write_here(hackle.config(local.url), lines).succeeded()
        assert len(local.events()) == 5_000
        assert outcome.ledger["requests"] == len(local.requests()) <= 10 + 4
    assert outcome.ledger["throttled_seconds"] == 0
