"""The sandbox as its clients meet it: over HTTP."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from sandbox.heap import Sandbox, SandboxOptions, running
from sandbox.server import HttpParser


@pytest.fixture(params=["h11", "httptools"])
def heap(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    http: HttpParser = request.param
    with running(http=http) as sandbox:
        yield sandbox


def post(heap: Sandbox, path: str, **body: Any) -> requests.Response:
    return requests.post(heap.url + path, json={"app_id": "11", **body}, timeout=5)


def get(heap: Sandbox, path: str) -> Any:
    answer = requests.get(heap.url + path, timeout=5)
    assert answer.status_code == 200
    return answer.json()


def test_success(heap: Sandbox) -> None:
    """Track and users are answered by `{}` as JSON, accounts by the text OK."""
    for path, fields in (
        ("/api/track", {"event": "E", "identity": "a"}),
        ("/api/add_user_properties", {"identity": "a"}),
    ):
        answer = post(heap, path, **fields)
        assert (answer.status_code, answer.json()) == (200, {})
        assert answer.headers["content-type"] == "application/json"
    answer = post(heap, "/api/add_account_properties", account_id="a")
    assert (answer.status_code, answer.text) == (200, "OK")
    assert answer.headers["content-type"].startswith("text/plain")


def test_refusal(heap: Sandbox) -> None:
    """A refusal is 400 with plain text that names the field and no value."""
    secret = {"event": "E", "identity": "a", "timestamp": "secret"}
    answer = post(heap, "/api/track", events=[secret])
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text == "postBody.events[0].timestamp is not a valid unix,iso8601 timestamp"


def test_quoting() -> None:
    """Told to, the text of a 400 quotes the value; what the sandbox keeps never does."""
    with running(SandboxOptions(quote_values=True)) as heap:
        answer = post(heap, "/api/track", event="E", identity="a", timestamp="secret")
        assert answer.text.endswith('timestamp: "secret"')
        assert "secret" not in requests.get(f"{heap.url}/stats", timeout=5).text
        assert "secret" not in requests.get(f"{heap.url}/requests", timeout=5).text


def test_poison() -> None:
    """A poisoned item is refused by its index, and with it its request."""
    with running(SandboxOptions(poison=("bad", "worse"))) as heap:
        values = ("good", "good", "worse")
        users = [{"identity": str(n), "properties": {"p": v}} for n, v in enumerate(values)]
        answer = post(heap, "/api/add_user_properties", users=users)
        assert answer.text == "postBody.users[2].properties.p is not valid"
        assert heap.users() == []
        assert post(heap, "/api/add_user_properties", users=users[:2]).status_code == 200


def test_other_methods_and_paths(heap: Sandbox) -> None:
    """Not POST is 405, another path 404, both in plain text; both are counted."""
    for path in ("/api/track", "/api/add_user_properties", "/api/add_account_properties"):
        answer = requests.get(heap.url + path, timeout=5)
        assert answer.status_code == 405
        assert "<" not in answer.text
    for path in ("/api/track/", "/api/identify", "/api"):
        answer = requests.post(heap.url + path, timeout=5, allow_redirects=False)
        assert answer.status_code == 404
    seen = heap.stats()["requests"]
    assert seen["by_status"] == {"405": 3, "404": 3}
    assert seen["by_path"]["(other)"] == 3


def test_paging(heap: Sandbox) -> None:
    """Pages follow each other by sequence number until next_after is null."""
    made = [{"event": "E", "identity": f"u{n % 3}"} for n in range(25)]
    post(heap, "/api/track", events=made)
    found: list[int] = []
    after: int | None = 0
    while after is not None:
        page = get(heap, f"/events?limit=10&after={after}")
        found += [event["sequence"] for event in page["events"]]
        after = page["next_after"]
    assert found == list(range(1, 26))
    assert get(heap, "/users?limit=3")["next_after"] is None
    assert [u["identity"] for u in get(heap, "/users?limit=2")["users"]] == ["u0", "u1"]


def test_filters(heap: Sandbox) -> None:
    """Reads can be narrowed to an app_id, an identity or an account."""
    post(heap, "/api/track", events=[{"event": "E", "identity": i} for i in "aab"])
    post(heap, "/api/add_account_properties", accounts=[{"account_id": i} for i in "xy"])
    assert len(get(heap, "/events?identity=a")["events"]) == 2
    assert len(get(heap, "/events?identity=a&app_id=12")["events"]) == 0
    assert len(get(heap, "/users?identity=b&app_id=11")["users"]) == 1
    assert [a["account_id"] for a in get(heap, "/accounts?account_id=y")["accounts"]] == ["y"]


@pytest.mark.parametrize("query", ["limit=0", "limit=10001", "limit=x", "after=-1", "after=1e3"])
def test_bad_paging(heap: Sandbox, query: str) -> None:
    """A page that cannot be is 400 with the allowed range."""
    answer = requests.get(f"{heap.url}/events?{query}", timeout=5)
    assert answer.status_code == 400
    assert "must be a whole number from" in answer.text


def test_requests_and_stats(heap: Sandbox) -> None:
    """The request log and the counts tell what came and how it was answered."""
    sent = post(heap, "/api/track", events=[{"event": "E", "identity": "a"}] * 3)
    post(heap, "/api/track", events=[{}, {}])
    first, second = get(heap, "/requests")["requests"]
    assert first["bytes"] == len(sent.request.body or b"")
    assert (first["number"], first["status"], first["items"], first["fault"]) == (1, 200, 3, None)
    assert (second["number"], second["status"], second["items"]) == (2, 400, 2)
    assert abs(first["arrived_at"] - time.time()) < 5
    stats = get(heap, "/stats")
    assert stats["requests"]["by_path"] == {"/api/track": 2}
    assert stats["requests"]["by_status"] == {"200": 1, "400": 1}
    assert stats["requests"]["largest"] == {"items": 3, "bytes": first["bytes"]}
    assert stats["refused"]["total"] == 1
    (refused,) = stats["refused"]["reasons"]
    assert refused["reason"].startswith("postBody.events[0].event ")
    assert (stats["events"], stats["users"], stats["accounts"]) == (3, 1, 0)
    assert stats["quotas"]["in_window"]["11"]["events"] == 3


def test_logs_are_bounded() -> None:
    """The last 1,000 requests and the last 100 reasons are remembered, all are counted."""
    with running() as heap, requests.Session() as session:
        for _ in range(1_005):
            session.post(f"{heap.url}/api/track", data=b"{}", timeout=5)
        assert [r["number"] for r in heap.requests()] == list(range(6, 1_006))
        refused = heap.stats()["refused"]
        assert (refused["total"], len(refused["reasons"])) == (1_005, 100)
        assert refused["reasons"][-1]["number"] == 1_005


def test_reset(heap: Sandbox) -> None:
    """POST /reset empties everything; GET does not."""
    post(heap, "/api/track", event="E", identity="a")
    assert requests.get(f"{heap.url}/reset", timeout=5).status_code == 405
    assert len(heap.events()) == 1
    assert requests.post(f"{heap.url}/reset", timeout=5).status_code == 200
    assert heap.events() == heap.users() == heap.requests() == []


def test_healthz(heap: Sandbox) -> None:
    """The health check says ok."""
    assert requests.get(f"{heap.url}/healthz", timeout=5).text == "ok"


def test_most_at_once() -> None:
    """Requests that are served at the same time are counted as such."""
    with running(SandboxOptions(latency_ms=200)) as heap:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: post(heap, "/api/track", event="E", identity="a"), range(4)))
        assert heap.stats()["requests"]["most_at_once"] == 4


def test_a_client_that_leaves_mid_body(heap: Sandbox) -> None:
    """Half a body is nothing: not stored, not numbered, and the sandbox goes on."""
    port = int(heap.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as client:
        head = b"POST /api/track HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
        client.sendall(head + b'{"app_id"')
        time.sleep(0.05)
    post(heap, "/api/track", event="E", identity="a")
    assert [entry["number"] for entry in heap.requests()] == [1]


def test_reads_from_other_threads() -> None:
    """Reading while clients write is safe from any thread."""
    with running(SandboxOptions(quotas=False)) as heap:
        done = threading.Event()

        def read() -> int:
            reads = 0
            while not done.is_set():
                heap.stats()
                heap.requests()
                heap.events(limit=10)
                reads += 1
            return reads

        with ThreadPoolExecutor(2) as pool:
            reader = pool.submit(read)
            for _ in range(50):
                post(heap, "/api/track", events=[{"event": "E", "identity": "a"}] * 10)
            done.set()
            assert reader.result() > 0
        assert len(heap.events()) == 500


def test_starting_and_stopping_is_cheap() -> None:
    """A sandbox for every test costs under 100 ms, start and stop together."""
    begun = time.monotonic()
    for _ in range(10):
        with running() as heap:
            assert heap.events() == []
    assert (time.monotonic() - begun) / 10 < 0.1


def test_port_is_free_afterwards() -> None:
    """A port can be had again as soon as the sandbox has stopped."""
    with running() as heap:
        post(heap, "/api/track", event="E", identity="a")
        port = int(heap.url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"), running(SandboxOptions(port=port)):
            pass
    with running(SandboxOptions(port=port)) as heap:
        assert heap.url == f"http://127.0.0.1:{port}"


def test_errors_of_the_sandbox_name_no_value(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug in the sandbox is a 500, and its log line quotes nothing of the request."""

    def broken(self: Sandbox, body: bytes) -> None:
        raise KeyError(body.decode())

    monkeypatch.setattr(Sandbox, "track", broken)
    with running() as heap:
        answer = post(heap, "/api/track", event="secret", identity="a")
        assert answer.status_code == 500
        assert "secret" not in answer.text
    assert "KeyError" in caplog.text
    assert "secret" not in caplog.text


def test_content_type_is_not_asked_for(heap: Sandbox) -> None:
    """The body counts, not its declared type: Heap's page asks for JSON, not for a header."""
    body = json.dumps({"app_id": "11", "event": "E", "identity": "a"}).encode()
    assert requests.post(f"{heap.url}/api/track", data=body, timeout=5).status_code == 200
