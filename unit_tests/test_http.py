"""Replies as values, retries, and what else can come over HTTP."""

from datetime import UTC, datetime
from random import Random

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from requests_mock import Mocker

from destination_heap_analytics.client import HeapClient
from destination_heap_analytics.errors import (
    HeapUnavailableError,
    InterruptedSyncError,
    NotHeapError,
)
from destination_heap_analytics.messages import PassedOver, Unreadable, read_line
from destination_heap_analytics.pacing import LONGEST_WAIT, RetryPolicy
from destination_heap_analytics.replies import (
    Accepted,
    NotHeap,
    Refused,
    Reply,
    TooLarge,
    TryLater,
    read_reply,
    reason_for,
)

LAW = settings(derandomize=True, deadline=None)
URL = "https://heapanalytics.com/api/track"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PAGE = b" <!doctype html><html></html>"


@pytest.mark.parametrize(
    ("status", "headers", "body", "reply"),
    [
        (200, {}, b"{}", Accepted()),
        (200, {"Content-Type": "text/html"}, b"OK", Accepted()),
        (204, {}, b"", Accepted()),
        (200, {}, PAGE, NotHeap("status 200 with a web page")),
        (400, {}, b"{}", Refused("{}")),
        (400, {}, b"postBody.events[0] is bad", Refused("postBody.events[0] is bad")),
        (400, {}, b'{"message": "bad"}', Refused("bad")),
        (422, {}, b"no", Refused("no")),
        (400, {}, PAGE, NotHeap("status 400 with a web page")),
        (413, {}, PAGE, TooLarge()),
        (404, {}, b"", NotHeap("status 404")),
        (401, {}, b"{}", NotHeap("status 401")),
        (302, {}, b"", NotHeap("status 302, a redirect to another address")),
        (429, {}, b"", TryLater("status 429")),
        (429, {"Retry-After": "7"}, b"", TryLater("status 429", 7.0)),
        (503, {"Retry-After": "Sat, 21 Nov 2026 12:00:30 GMT"}, b"", TryLater("status 503", 30.0)),
        (503, {"Retry-After": "soon"}, b"", TryLater("status 503")),
        (502, {}, PAGE, TryLater("status 502")),
        (500, {}, b"", TryLater("status 500")),
    ],
)
def test_reply(status: int, headers: dict[str, str], body: bytes, reply: Reply) -> None:
    """Each answer as a value."""
    assert read_reply(status, headers, body, NOW) == reply


class Clock:
    """Time that passes only by waiting."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def pause(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.now += seconds
        return False


def client(clock: Clock, policy: RetryPolicy | None = None) -> HeapClient:
    return HeapClient(URL, policy or RetryPolicy(), clock.pause, lambda: clock.now, Random(5))


@pytest.mark.parametrize(
    "fault",
    [
        {"status_code": 429},
        {"status_code": 503},
        {"exc": requests.ConnectionError},
        {"exc": requests.ReadTimeout},
        {"exc": requests.exceptions.ChunkedEncodingError},
    ],
)
def test_retried_with_the_same_bytes(requests_mock: Mocker, fault: dict[str, object]) -> None:
    """What may pass by itself is asked again, with the same bytes, after growing waits."""
    requests_mock.post(URL, [fault, fault, fault, {"text": "{}"}])
    clock = Clock()
    asking = client(clock)
    assert asking.post(b"body") == Accepted()
    assert [request.body for request in requests_mock.request_history] == [b"body"] * 4
    assert (asking.sent, asking.retries) == (4, 3)
    assert all(wait <= 0.5 * 2**retry for retry, wait in enumerate(clock.waits))


def test_retry_after_is_obeyed_up_to_a_cap(requests_mock: Mocker) -> None:
    """A service may ask for time, but not for hours."""
    answers = [{"status_code": 429, "headers": {"Retry-After": wait}} for wait in ("9", "86400")]
    requests_mock.post(URL, [*answers, {"text": "{}"}])
    clock = Clock()
    client(clock).post(b"")
    assert clock.waits == [9.0, LONGEST_WAIT]


def test_bounded_in_time(requests_mock: Mocker) -> None:
    """After the time for one request it ends, and says how the last try went."""
    requests_mock.post(URL, status_code=503)
    clock = Clock()
    with pytest.raises(HeapUnavailableError, match=r"within 600 s .*status 503"):
        client(clock).post(b"")
    assert 500 < clock.now < 600


def test_a_wait_can_be_cut_short(requests_mock: Mocker) -> None:
    """When the sync ends, nobody sleeps on."""
    requests_mock.post(URL, status_code=503)
    stopped = HeapClient(URL, pause=lambda _: True)
    with pytest.raises(InterruptedSyncError):
        stopped.post(b"")
    assert stopped.sent == 1


@pytest.mark.parametrize("status", [404, 302, 403])
def test_not_heap(requests_mock: Mocker, status: int) -> None:
    """Something else at the address is never asked again, and no redirect is followed."""
    requests_mock.post(URL, status_code=status, headers={"Location": "https://elsewhere.example"})
    with pytest.raises(NotHeapError, match="base_url"):
        client(Clock()).post(b"")
    assert len(requests_mock.request_history) == 1


@pytest.mark.parametrize(("settled", "reply"), [(400, Refused("x")), (413, TooLarge())])
def test_settled_is_never_asked_again(requests_mock: Mocker, settled: int, reply: Reply) -> None:
    """A refusal is an answer."""
    requests_mock.post(URL, status_code=settled, text="x")
    assert client(Clock()).post(b"") == reply
    assert len(requests_mock.request_history) == 1


@LAW
@given(st.integers(0, 2000), st.none() | st.floats(0, 1e9), st.floats(0, 1, exclude_max=True))
def test_waits_are_bounded(retry: int, asked_for: float | None, jitter: float) -> None:
    """No wait is negative, or longer than the longest."""
    assert 0 <= RetryPolicy().wait(retry, asked_for, jitter) <= LONGEST_WAIT


@pytest.mark.parametrize(
    "words",
    [
        "postBody.users[3].properties.mail is not valid: alice@example.com",
        "value 'Alice Liddell' of Alice (id 4711) is bad",
        'bad: "4711"',
        "Liddell",
    ],
)
def test_a_reason_holds_no_value(words: str) -> None:
    """Heap's words are kept, but for what stands in the item."""
    item = b'{"identity":"alice@example.com","properties":{"name":"Alice Liddell","n":4711}}'
    reason = reason_for(Refused(words), item)
    for value in ("alice", "liddell", "4711", "example.com"):
        assert value not in reason.lower()


def test_a_reason_is_heaps_own_text() -> None:
    """The words of Heap's validator survive."""
    words = "postBody.events[17].timestamp is not a valid unix,iso8601 timestamp"
    reason = reason_for(Refused(words), b'{"identity":"bob","event":"Sign up","properties":{}}')
    assert reason == (
        "refused by Heap: postBody.events[].timestamp is not a valid unix,iso8601 timestamp"
    )


@LAW
@given(st.binary() | st.text().map(str.encode))
def test_reading_never_raises(line: bytes) -> None:
    """Any line is some message."""
    read_line(line)


@pytest.mark.parametrize("kind", ["LOG", "TRACE", "CONTROL"])
def test_other_messages_are_passed_over(kind: str) -> None:
    """PyAirbyte pipes more than records and states; none of it is counted."""
    assert read_line(b'{"type":"%s"}' % kind.encode()) == PassedOver()
    assert read_line(b"  \r") == PassedOver()


@pytest.mark.parametrize(
    "line",
    [
        *(b"x", b"[]", b"{}", b'{"type":"RECORD"}', b'{"type":"STATE"}', b'{"type":"NONSENSE"}'),
        *(b'{"type":{}}', b'{"type":"RECORD","record":{"data":[]}}', b"\xff", b"[" * 100_000),
    ],
)
def test_unreadable(line: bytes) -> None:
    """What is no Airbyte message may have been a record."""
    assert read_line(line) == Unreadable()
