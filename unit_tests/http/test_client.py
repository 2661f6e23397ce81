"""One body, tried until Heap accepts or refuses it; time is handed in."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random
from typing import Any

import pytest
import requests
import requests_mock

from bulk_destination.errors import (
    InterruptedSyncError,
    UnavailableError,
)
from bulk_destination.http.client import BulkClient, verdict_on
from bulk_destination.http.pacing import LONGEST_WAIT, RetryPolicy
from bulk_destination.http.replies import Accepted, NotTheService, Refused, TooLarge
from destination_heap_analytics.config import HeapConfig
from destination_heap_analytics.service import endpoint

TRACK = {"api_type": "track", "event_column": "event", "identity_column": "who"}
HEAP = endpoint(
    HeapConfig.parse({"app_id": "11", "base_url": "https://heap.example", "api": TRACK})
)
URL = HEAP.url
BODY = b'{"app_id":"11","events":[]}'


@dataclass
class Time:
    """A clock that only waiting moves."""

    now: float = 1000.0
    waits: list[float] = field(default_factory=list)
    ends: bool = False

    def clock(self) -> float:
        return self.now

    def pause(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now += seconds
        return self.ends


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def http() -> Iterator[requests_mock.Mocker]:
    with requests_mock.Mocker() as mocker:
        yield mocker


def _client(time: Time, policy: RetryPolicy | None = None) -> BulkClient:
    return BulkClient(
        HEAP,
        policy or RetryPolicy(),
        pause=time.pause,
        clock=time.clock,
        random=Random(7),
    )


# -- settled -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, "{}", "application/json"),
        (200, "OK", "text/html; charset=utf-8"),
        (200, "OK", "text/plain"),
        (204, "", ""),
    ],
)
def test_accepted(
    status: int, body: str, kind: str, time: Time, http: requests_mock.Mocker
) -> None:
    """`{}`, `OK` under whatever type a framework gives it, and 204 are acceptance."""
    http.post(URL, status_code=status, text=body, headers={"Content-Type": kind})
    client = _client(time)
    assert client.post(BODY) == Accepted()
    [request] = http.request_history
    assert request.body == BODY
    assert request.headers["Content-Type"] == "application/json"
    assert (client.sent, client.retries, time.waits) == (1, 0, [])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("postBody.events[0].event is missing", "postBody.events[0].event is missing"),
        ('{"error":"no identity"}', "no identity"),
        ("{}", "{}"),
    ],
)
def test_refused(body: str, words: str, time: Time, http: requests_mock.Mocker) -> None:
    """A 400 is final, in Heap's words, be they text or JSON."""
    http.post(URL, status_code=400, text=body)
    assert _client(time).post(BODY) == Refused(words)
    assert http.call_count == 1


def test_too_large(time: Time, http: requests_mock.Mocker) -> None:
    """A 413 is final for this body."""
    http.post(URL, status_code=413, text="<html></html>")
    assert _client(time).post(BODY) == TooLarge()
    assert http.call_count == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"status_code": 404, "text": "not found"},
        {"status_code": 404, "text": "<html></html>"},
        {"status_code": 200, "text": "<!DOCTYPE html><html></html>"},
        {"status_code": 301, "headers": {"Location": "https://other.example/"}},
        {"status_code": 302, "headers": {"Location": "https://other.example/"}},
        {"status_code": 307, "headers": {"Location": "https://other.example/"}},
        {"status_code": 401},
        {"status_code": 403},
    ],
    ids=lambda answer: f"{answer['status_code']} {answer.get('text', '')[:6]}",
)
def test_not_heap(answer: dict[str, Any], time: Time, http: requests_mock.Mocker) -> None:
    """A page, a redirect or a 404 is not acceptance; what follows is not the client's to decide."""
    http.post(URL, **answer)
    http.register_uri(requests_mock.ANY, "https://other.example/", text="{}")
    reply = _client(time).post(BODY)
    assert isinstance(reply, NotTheService)
    assert str(answer["status_code"]) in reply.sign
    assert http.call_count == 1
    assert "base_url" in str(verdict_on(HEAP, reply))


def test_a_body_posted_before_waits_first(time: Time, http: requests_mock.Mocker) -> None:
    """As long as nothing is settled, the time of the policy goes on, whatever is asked."""
    http.post(URL, status_code=403)
    client = _client(time, RetryPolicy(give_up_after=60))
    client.post(BODY)

    def insist() -> None:
        for tried in range(1, 100):
            client.post(BODY, tried=tried)

    with pytest.raises(UnavailableError, match="status 403"):
        insist()
    assert 30 < time.now - 1000 < 60
    assert client.retries == http.call_count - 1


def test_what_is_settled_begins_the_time_anew(time: Time, http: requests_mock.Mocker) -> None:
    """Trouble that something accepted lies between is not one."""
    page, yes = {"status_code": 403}, {"status_code": 200, "text": "{}"}
    http.post(URL, [page, yes] * 40)
    client = _client(time, RetryPolicy(first=8, give_up_after=10))
    for _ in range(40):
        assert isinstance(client.post(BODY), NotTheService)
        assert client.post(BODY, tried=1) == Accepted()
    assert time.now - 1000 > 60


# -- tried again ---------------------------------------------------------------------------------

TROUBLE: list[dict[str, Any]] = [
    {"status_code": 429},
    {"status_code": 500, "text": "<html>"},
    {"status_code": 502},
    {"status_code": 503},
    {"status_code": 504},
    {"exc": requests.exceptions.ConnectionError},
    {"exc": requests.exceptions.ConnectTimeout},
    {"exc": requests.exceptions.ReadTimeout},
    {"exc": requests.exceptions.ChunkedEncodingError},
    {"exc": requests.exceptions.ConnectionError(ConnectionResetError(104, "reset"))},
]


@pytest.mark.parametrize("trouble", TROUBLE, ids=str)
def test_trouble_is_retried_with_the_same_bytes(
    trouble: dict[str, Any], time: Time, http: requests_mock.Mocker
) -> None:
    """429, 5xx, resets and timeouts: the same request again, until it is accepted."""
    http.post(URL, [trouble, trouble, {"status_code": 200, "text": "{}"}])
    client = _client(time)
    assert client.post(BODY) == Accepted()
    assert [request.body for request in http.request_history] == [BODY] * 3
    assert (client.sent, client.retries, len(time.waits)) == (3, 2, 2)


def test_refusal_after_trouble_is_a_refusal(time: Time, http: requests_mock.Mocker) -> None:
    """A retry's answer counts like the first one's."""
    http.post(URL, [{"status_code": 503}, {"status_code": 400, "text": "no"}])
    assert _client(time).post(BODY) == Refused("no")


def test_retry_after_in_seconds(time: Time, http: requests_mock.Mocker) -> None:
    """The service names the wait."""
    late = {"status_code": 429, "headers": {"Retry-After": "17"}}
    http.post(URL, [late, {"status_code": 200, "text": "{}"}])
    _client(time).post(BODY)
    assert time.waits == [17.0]


def test_retry_after_as_a_date(time: Time, http: requests_mock.Mocker) -> None:
    """The service may name a moment instead."""
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    late = {"status_code": 503, "headers": {"Retry-After": moment}}
    http.post(URL, [late, {"status_code": 200, "text": "{}"}])
    _client(time).post(BODY)
    assert len(time.waits) == 1
    assert 50 < time.waits[0] <= 60


@pytest.mark.parametrize("header", ["86400", "Fri, 31 Dec 9999 23:59:59 GMT", "9" * 400])
def test_retry_after_is_capped(header: str, time: Time, http: requests_mock.Mocker) -> None:
    """No single wait may hold the source for hours."""
    late = {"status_code": 429, "headers": {"Retry-After": header}}
    http.post(URL, [late, {"status_code": 200, "text": "{}"}])
    _client(time).post(BODY)
    assert time.waits == [LONGEST_WAIT]


@pytest.mark.parametrize("header", ["soon", "", "-1", "Mon, 01 Jan 2020 00:00:00 +9999999999999"])
def test_strange_retry_after_is_no_error(
    header: str, time: Time, http: requests_mock.Mocker
) -> None:
    """A header that says nothing is as none."""
    late = {"status_code": 429, "headers": {"Retry-After": header}}
    http.post(URL, [late, {"status_code": 200, "text": "{}"}])
    assert _client(time).post(BODY) == Accepted()
    assert time.waits[0] <= 0.5


# -- bounded -------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", TROUBLE, ids=str)
def test_giving_up_in_time(trouble: dict[str, Any], time: Time, http: requests_mock.Mocker) -> None:
    """After the policy's time it is told how the last try ended; ten minutes by default."""
    http.post(URL, **trouble)
    with pytest.raises(UnavailableError) as raised:
        _client(time).post(BODY)
    assert time.now - 1000 < 600
    assert time.now - 1000 > 600 - 30
    assert "600 s" in str(raised.value)
    assert raised.value.cause


@pytest.mark.parametrize("limit", [1.0, 30.0, 600.0])
def test_answers_that_never_come_are_within_the_time(
    limit: float, time: Time, http: requests_mock.Mocker
) -> None:
    """A service that lets every try run into its timeout does not stretch the whole."""

    def hang(request: Any, context: Any) -> str:
        _, read = request.timeout
        time.now += read
        raise requests.exceptions.ReadTimeout

    http.post(URL, text=hang)
    with pytest.raises(UnavailableError):
        _client(time, RetryPolicy(give_up_after=limit)).post(BODY)
    assert time.now - 1000 <= limit + 1


def test_backoff_grows_with_full_jitter() -> None:
    """The wait before retry n is evenly in 0 .. first * 2**n, at most the longest."""
    policy = RetryPolicy(first=0.5, longest=30.0)
    assert [policy.wait(retry, None, 1.0) for retry in range(8)] == [
        *(0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0)
    ]
    assert policy.wait(5, None, 0.0) == 0.0
    assert policy.wait(5, None, 0.5) == 8.0
    assert policy.wait(10**6, None, 1.0) == 30.0


def test_retry_after_is_never_undercut() -> None:
    """The service's wait is the least; a longer own backoff stays."""
    policy = RetryPolicy()
    assert policy.wait(0, 5.0, 0.9) == 5.0
    assert policy.wait(9, 5.0, 0.9) == 27.0
    assert policy.wait(0, 1e9, 0.9) == LONGEST_WAIT


def test_end_of_the_sync_ends_the_wait(time: Time, http: requests_mock.Mocker) -> None:
    """A wait that is cut short is not followed by another try."""
    time.ends = True
    http.post(URL, status_code=503)
    with pytest.raises(InterruptedSyncError):
        _client(time).post(BODY)
    assert http.call_count == 1


@pytest.mark.parametrize("fail", [lambda http: http.post(URL, status_code=503, text="jane")])
def test_errors_hold_neither_body_nor_answer(
    fail: Callable[[requests_mock.Mocker], None], time: Time, http: requests_mock.Mocker
) -> None:
    """What is raised names sizes and causes, never what was sent or echoed."""
    fail(http)
    with pytest.raises(UnavailableError) as raised:
        _client(time).post(b'{"identity":"jane"}')
    assert "jane" not in str(raised.value)
