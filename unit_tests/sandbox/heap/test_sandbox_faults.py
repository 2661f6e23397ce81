"""Faults, drawn and met over real sockets."""

from __future__ import annotations

import json
import threading
import time
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from sandbox.faults import DEFAULT_KINDS, FaultPlan
from sandbox.heap import Sandbox, SandboxOptions, running
from sandbox.server import HttpParser

EVENT = {"app_id": "11", "event": "E", "identity": "a@example.com"}


def track(heap: Sandbox, body: Any = EVENT) -> requests.Response:
    return requests.post(f"{heap.url}/api/track", json=body, timeout=5)


def only(kind: str, **options: Any) -> SandboxOptions:
    return SandboxOptions(fail_rate=1, fail_kinds=(kind,), **options)


def test_draws_repeat() -> None:
    """The same seed gives the same draws, in whatever order they are asked for."""
    plan = FaultPlan(0.5, 7, DEFAULT_KINDS)
    draws = [plan.draw(n) for n in range(1, 200)]
    assert [plan.draw(n) for n in range(199, 0, -1)] == draws[::-1]
    assert [FaultPlan(0.5, 8, DEFAULT_KINDS).draw(n) for n in range(1, 200)] != draws


def test_draws_do_not_change() -> None:
    """A seed written down in a bug report means the same in every version."""
    plan = FaultPlan(0.5, 1, DEFAULT_KINDS)
    drawn = [fault.kind if (fault := plan.draw(n)) else None for n in range(1, 9)]
    assert drawn[:4] == ["502-html", "reset-before", "429-seconds", None]
    assert drawn[4:] == ["reset-after", None, None, None]


def test_rate_and_kinds() -> None:
    """About RATE of the requests fail, and every default kind comes up; a hang never does."""
    draws = [FaultPlan(0.3, 1, DEFAULT_KINDS).draw(n) for n in range(5_000)]
    faults = [fault for fault in draws if fault]
    assert 0.27 < len(faults) / len(draws) < 0.33
    assert {fault.kind for fault in faults} == set(DEFAULT_KINDS)
    assert "hang" not in DEFAULT_KINDS
    assert {fault.retry_seconds for fault in faults} == {0, 1}


def test_no_faults_by_default() -> None:
    """A rate of 0 never draws a fault, a rate of 1 always does."""
    assert not any(FaultPlan(0, 1, DEFAULT_KINDS).draw(n) for n in range(100))
    assert all(FaultPlan(1, 1, DEFAULT_KINDS).draw(n) for n in range(100))


@pytest.mark.parametrize(
    ("kind", "status"), [("429", 429), ("500", 500), ("502-html", 502), ("503", 503)]
)
def test_statuses(kind: str, status: int) -> None:
    """A drawn status is answered, without Retry-After, and nothing is stored."""
    with running(only(kind)) as heap:
        answer = track(heap)
        assert answer.status_code == status
        assert "Retry-After" not in answer.headers
        assert heap.events() == []
        assert heap.stats()["faults"] == {kind: 1}
        assert heap.stats()["refused"]["total"] == 0


def test_502_is_html() -> None:
    """A 502 looks like a gateway's: HTML."""
    with running(only("502-html")) as heap:
        answer = track(heap)
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.text.startswith("<html>")


def test_retry_after_seconds() -> None:
    """Retry-After as seconds is 0 or 1."""
    with running(only("429-seconds")) as heap:
        answers = [track(heap) for _ in range(12)]
        assert {answer.headers["Retry-After"] for answer in answers} == {"0", "1"}


def test_retry_after_date() -> None:
    """Retry-After as an HTTP date is about a second ahead."""
    with running(only("429-date")) as heap:
        asked = time.time()
        until = parsedate_to_datetime(track(heap).headers["Retry-After"]).timestamp()
        assert -0.1 < until - asked < 2.5


@pytest.mark.parametrize("http", ["h11", "httptools"])
@pytest.mark.parametrize(("kind", "stored"), [("reset-before", 0), ("reset-after", 1)])
def test_resets(kind: str, stored: int, http: HttpParser) -> None:
    """A reset is a TCP reset; what was taken before it stays taken."""
    with running(only(kind), http=http) as heap:
        with pytest.raises(requests.ConnectionError, match="reset by peer"):
            track(heap)
        assert len(heap.events()) == stored
        (entry,) = heap.requests()
        assert (entry["status"], entry["fault"]) == (None, kind)


@pytest.mark.parametrize("http", ["h11", "httptools"])
@pytest.mark.parametrize(("kind", "stored"), [("hang", 0), ("hang-after", 1)])
def test_hang(kind: str, stored: int, http: HttpParser) -> None:
    """A hang keeps the connection open in silence and then resets it."""
    with running(only(kind, hang_seconds=0.2), http=http) as heap:
        begun = time.monotonic()
        with pytest.raises(requests.ConnectionError, match="reset by peer"):
            track(heap)
        assert time.monotonic() - begun >= 0.2
        assert len(heap.events()) == stored


@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_hang_outlasts_a_timeout(http: HttpParser, caplog: pytest.LogCaptureFixture) -> None:
    """A client that gives up on a hang keeps nobody from stopping, and is no error to log."""
    with running(only("hang"), http=http) as heap:
        with pytest.raises(requests.ReadTimeout):
            requests.post(f"{heap.url}/api/track", json=EVENT, timeout=0.1)
        time.sleep(0.2)
    assert not caplog.records


def test_stop_during_a_hang() -> None:
    """A sandbox stops at once, whoever still waits for an answer."""
    broken = threading.Event()

    def wait(heap: Sandbox) -> None:
        with pytest.raises(requests.ConnectionError):
            track(heap)
        broken.set()

    with running(only("hang")) as heap:
        client = threading.Thread(target=wait, args=(heap,))
        client.start()
        while not heap.requests():
            time.sleep(0.005)
        begun = time.monotonic()
    assert time.monotonic() - begun < 1
    client.join()
    assert broken.is_set()


def test_seeded_run_repeats() -> None:
    """Two runs with one seed meet the same faults, request by request."""

    def run() -> list[tuple[int | None, str | None]]:
        with running(SandboxOptions(fail_rate=0.5, seed=3)) as heap:
            for _ in range(30):
                try:
                    track(heap)
                except requests.ConnectionError:
                    continue
            return [(entry["status"], entry["fault"]) for entry in heap.requests()]

    first = run()
    assert len(first) == 30
    assert run() == first


def test_faults_spare_reads() -> None:
    """Only write requests meet faults."""
    with running(only("503")) as heap:
        assert requests.get(f"{heap.url}/stats", timeout=5).status_code == 200


def test_latency() -> None:
    """Every write answer is delayed; the event is stored before."""
    with running(SandboxOptions(latency_ms=150)) as heap:
        begun = time.monotonic()
        assert track(heap).status_code == 200
        assert time.monotonic() - begun >= 0.15


@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_body_limit(http: HttpParser) -> None:
    """A body over the limit is 413, however large; one at the limit passes."""
    body = json.dumps(EVENT).encode()
    with running(SandboxOptions(max_body_bytes=len(body)), http=http) as heap:
        session = requests.Session()
        url = f"{heap.url}/api/track"
        assert session.post(url, data=body, timeout=5).status_code == 200
        assert session.post(url, data=body + b" ", timeout=5).status_code == 413
        assert session.post(url, data=body + b" " * 3_000_000, timeout=5).status_code == 413
        assert session.post(url, data=body, timeout=5).status_code == 200
        assert heap.stats()["events"] == 2
        assert heap.stats()["refused"]["total"] == 2
