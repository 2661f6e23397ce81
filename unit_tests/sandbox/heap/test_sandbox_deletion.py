"""Users who are deleted in a local Heap: by whom, in which words, and what is left of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox.heap import OptionError, Sandbox, SandboxOptions, running

PUBLIC = "/api/public/v0"
EVIL = "<script>alert(1)</script>"


class Clock:
    """A clock that moves when it is told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def heap(clock: Clock) -> Iterator[Sandbox]:
    with running(SandboxOptions(quotas=False), clock=clock) as sandbox:
        yield sandbox


def token(heap: Sandbox, app_id: str = "11", key: str = "local-api-key") -> requests.Response:
    return requests.post(f"{heap.url}{PUBLIC}/auth_token", auth=(app_id, key), timeout=5)


def bearer(heap: Sandbox, app_id: str = "11") -> dict[str, str]:
    return {"Authorization": f"Bearer {token(heap, app_id).json()['access_token']}"}


def delete(heap: Sandbox, headers: dict[str, str], *users: dict[str, Any]) -> requests.Response:
    url = f"{heap.url}{PUBLIC}/user_deletion"
    return requests.post(url, json={"users": [*users]}, headers=headers, timeout=5)


def status(heap: Sandbox, headers: dict[str, str], number: str) -> requests.Response:
    url = f"{heap.url}{PUBLIC}/deletion_status/{number}"
    return requests.get(url, headers=headers, timeout=5)


def load(heap: Sandbox, *identities: str) -> None:
    events = [{"event": "E", "identity": identity} for identity in identities]
    for app_id in ("11", "12"):
        body = {"app_id": app_id, "events": events}
        assert requests.post(f"{heap.url}/api/track", json=body, timeout=5).status_code == 200


def test_deleted(heap: Sandbox, clock: Clock) -> None:
    """The user is gone, with all events and in all environments; the deletion is there to see."""
    load(heap, "ann", "bob", "bob")
    answer = delete(heap, bearer(heap), {"identity": "bob"}, {"identity": "nobody"})
    assert answer.status_code == 201
    number = answer.json()["deletion_request_id"]
    assert answer.json()["status"] == "pending"
    assert {event["identity"] for event in heap.events()} == {"ann"}
    assert [user["identity"] for user in heap.users()] == ["ann", "ann"]
    counts = heap.stats()
    assert (counts["events"], counts["users"], counts["deletions"]) == (2, 2, 2)
    listed = requests.get(f"{heap.url}/deletions", timeout=5).json()["deletions"]
    shown = [(row["identity"], row["request"], row["events"]) for row in listed]
    assert shown == [("bob", number, 4), ("nobody", number, 0)]
    assert status(heap, bearer(heap), number).json() == {"status": "pending"}
    clock.now += 2
    assert status(heap, bearer(heap), number).json() == {"status": "complete"}


def test_who_may_not(heap: Sandbox, clock: Clock) -> None:
    """A wrong key gets no token, and what has none, or an old one, deletes nobody."""
    load(heap, "ann")
    for answer in (token(heap, key="another"), token(heap, app_id="x"), token(heap, key="")):
        assert (answer.status_code, answer.json()) == (401, {"err": {"message": "Unauthorized"}})
    good = bearer(heap)
    number = delete(heap, good, {"identity": "nobody"}).json()["deletion_request_id"]
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic x"}):
        assert delete(heap, headers, {"identity": "ann"}).status_code == 401
        assert status(heap, headers, number).status_code == 401
    assert status(heap, bearer(heap, "12"), number).status_code == 404
    assert status(heap, good, "unknown").status_code == 404
    clock.now += 300
    assert delete(heap, good, {"identity": "ann"}).status_code == 401
    assert [event["identity"] for event in heap.events()] == ["ann", "ann"]


def test_not_the_main_production_environment() -> None:
    """It says so, and deletes nobody."""
    with running(SandboxOptions(main_production=False)) as heap:
        answer = delete(heap, bearer(heap), {"identity": "ann"})
        assert answer.status_code == 403
        assert "Main Production" in answer.json()["err"]["message"]
        assert heap.deletions() == []


@pytest.mark.parametrize(
    ("users", "problem"),
    [
        ([], "postBody.users is not a valid array of 1 to 10000 items"),
        ([{"identity": "a"}] * 10_001, "postBody.users is not a valid array of 1 to 10000 items"),
        ([{"identity": " "}], "postBody.users[0].identity is not a valid non-blank string"),
        ([{"identity": 7}], "postBody.users[0].identity is not a valid non-blank string"),
        ([{"identity": "a" * 256}], "postBody.users[0].identity is longer than 255 characters"),
        ([{}], "postBody.users[0] does not have exactly one of identity, user_id"),
        ([{"user_id": "x"}], "postBody.users[0].user_id is not a valid decimal string of 0 to"),
    ],
)
def test_a_request_that_is_refused(
    heap: Sandbox, users: list[dict[str, Any]], problem: str
) -> None:
    """In Heap's manner, and nobody of it is deleted."""
    answer = delete(heap, bearer(heap), *users)
    assert answer.status_code == 400
    assert answer.json()["err"]["message"].startswith(problem)
    assert heap.deletions() == []


def test_by_the_id_of_the_sdk(heap: Sandbox) -> None:
    """The other of the two, and as many as a request takes."""
    body = {"app_id": "11", "event": "E", "user_id": "7"}
    requests.post(f"{heap.url}/api/track", json=body, timeout=5)
    users = [{"user_id": "7"}, *({"identity": f"person{n}"} for n in range(9_999))]
    assert delete(heap, bearer(heap), *users).status_code == 201
    assert heap.events() == []
    assert len(heap.deletions()) == 10_000


def test_the_page(heap: Sandbox) -> None:
    """Who was deleted is shown as text, and is on no other page."""
    load(heap, EVIL)
    assert delete(heap, bearer(heap), {"identity": EVIL}).status_code == 201
    html = requests.get(f"{heap.url}/page/deletions", timeout=5).text
    assert "&lt;script&gt;alert(1)" in html
    assert EVIL not in html
    assert "2 events of theirs went, too" in html
    for path in ("/", "/page/users", "/page/search?identity=%3Cscript"):
        shown = requests.get(heap.url + path, timeout=5).text
        assert "user-" not in shown
        assert "event-1" not in shown


def test_forgotten(heap: Sandbox) -> None:
    """With all the rest; tokens, too."""
    old = bearer(heap)
    delete(heap, old, {"identity": "ann"})
    requests.post(f"{heap.url}/reset", timeout=5)
    assert heap.deletions() == []
    assert delete(heap, old, {"identity": "ann"}).status_code == 401


@pytest.mark.parametrize(
    "options", [{"api_key": " "}, {"token_seconds": 0}, {"deletion_seconds": -1}]
)
def test_options_that_make_no_sense(options: dict[str, Any]) -> None:
    """They are refused."""
    with pytest.raises(OptionError):
        SandboxOptions(**options)
