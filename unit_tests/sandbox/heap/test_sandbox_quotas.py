"""The sliding window, by a clock of the test's own."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.heap import Sandbox, SandboxOptions
from sandbox.quotas import SlidingWindow, Use


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_window_slides() -> None:
    """Uses leave the window 60 s after they came, not at the turn of the minute."""
    window = SlidingWindow(60)
    assert window.admit(59, [Use("a", 6, 10)]) is None
    assert window.admit(61, [Use("a", 5, 10)]) == Use("a", 5, 10)
    assert window.admit(118.9, [Use("a", 5, 10)]) is not None
    assert window.admit(119, [Use("a", 5, 10)]) is None


def test_all_or_nothing() -> None:
    """If one use is over its limit, none of the request is counted."""
    window = SlidingWindow(60)
    assert window.admit(0, [Use("a", 1, 1), Use("b", 2, 1)]) == Use("b", 2, 1)
    assert window.used(0) == {}


def test_memory() -> None:
    """What left the window is forgotten, keys and all."""
    window = SlidingWindow(60)
    for second in range(1_000):
        window.admit(second, [Use(f"identity {second}", 1, None)])
    assert len(window.used(999)) == 60
    assert window.used(2_000) == {}


@given(st.lists(st.tuples(st.floats(0, 50), st.integers(1, 5)), max_size=60))
def test_never_over_the_limit(steps: list[tuple[float, int]]) -> None:
    """Whatever the arrivals, no 60 s hold more than the limit, and no room is withheld."""
    window = SlidingWindow(60)
    now = 0.0
    admitted: list[tuple[float, int]] = []
    for wait, count in steps:
        now += wait
        inside = sum(n for at, n in admitted if at > now - 60)
        refused = window.admit(now, [Use("a", count, 10)])
        assert (refused is not None) == (inside + count > 10)
        if refused is None:
            admitted.append((now, count))


def events(identity: Callable[[int], str], count: int, app_id: str = "11") -> bytes:
    made = [{"event": "E", "identity": identity(n), "idempotency_key": "k"} for n in range(count)]
    return json.dumps({"app_id": app_id, "events": made}).encode()


def one(_: int) -> str:
    return "a@example.com"


def test_quota_of_an_identity() -> None:
    """1,000 events a minute for one identity; the next is 429 until the first have left."""
    clock = Clock()
    heap = Sandbox(clock=clock)
    assert heap.track(events(one, 999)).status == 200
    clock.now += 59.9
    assert heap.track(events(one, 2)).status == 429
    assert heap.track(events(one, 1)).status == 200
    assert heap.track(events(lambda _: "b@example.com", 1)).status == 200
    assert heap.track(events(one, 1, app_id="12")).status == 200
    clock.now += 0.1
    assert heap.track(events(one, 999)).status == 200


def test_quota_of_an_app() -> None:
    """15,000 events a minute for one app_id, repeats included; another has its own."""
    clock = Clock()
    heap = Sandbox(clock=clock)
    for _ in range(15):
        assert heap.track(events(str, 1_000)).status == 200
    answer = heap.track(events(lambda _: "new", 1))
    assert answer.status == 429
    assert heap.users(identity="new") == []
    assert answer.reason == "over 15000 events in 60 s for one app_id"
    assert heap.track(events(str, 1, app_id="12")).status == 200
    used = heap.stats()["quotas"]["in_window"]
    assert used["11"] == {"events": 15_000, "most_of_one_identity": 15}
    clock.now += 60
    assert heap.track(events(str, 1_000)).status == 200


def test_refused_requests_do_not_count() -> None:
    """A 400 and a 429 leave the quota as it was."""
    heap = Sandbox(SandboxOptions(events_per_minute=2), clock=Clock())
    assert heap.track(events(lambda _: "", 2)).status == 400
    assert heap.track(events(one, 3)).status == 429
    assert heap.track(events(one, 2)).status == 200


def test_quotas_can_be_lifted() -> None:
    """Without quotas, or with 0 for one of them, nothing is 429."""
    for options in (
        SandboxOptions(quotas=False, events_per_minute=1),
        SandboxOptions(events_per_minute=0, events_per_identity_per_minute=0),
    ):
        heap = Sandbox(options, clock=Clock())
        assert [heap.track(events(one, 1_000)).status for _ in range(16)] == [200] * 16


def users(*identities: str, app_id: str = "11") -> bytes:
    made = [{"identity": identity} for identity in identities]
    return json.dumps({"app_id": app_id, "users": made}).encode()


def test_quota_of_a_user() -> None:
    """30 requests in 30 s for one identity, single ones too; as often in one request as it is."""
    clock = Clock()
    heap = Sandbox(clock=clock)
    single = json.dumps({"app_id": "11", "identity": "a", "properties": {"n": 1}}).encode()
    for _ in range(15):
        assert heap.add_user_properties(users(*"aaa", "b")).status == 200
        assert heap.add_user_properties(single).status == 200
    answer = heap.add_user_properties(users("a", "new"))
    assert answer.status == 429
    assert answer.reason == "over 30 requests in 30 s for one identity"
    assert heap.users(identity="new") == []
    assert heap.add_user_properties(users("b")).status == 200
    assert heap.add_user_properties(users("a", app_id="12")).status == 200
    clock.now += 29.9
    assert heap.add_user_properties(users("a")).status == 429
    clock.now += 0.1
    assert heap.add_user_properties(users("a")).status == 200


@pytest.mark.parametrize(
    "options", [SandboxOptions(quotas=False), SandboxOptions(user_requests_per_identity=0)]
)
def test_quota_of_a_user_can_be_lifted(options: SandboxOptions) -> None:
    """With the others, or alone."""
    heap = Sandbox(options, clock=Clock())
    assert {heap.add_user_properties(users("a")).status for _ in range(100)} == {200}


def test_accounts_have_no_quota() -> None:
    """Heap publishes no quota for accounts, so none is kept; users have none of events."""
    heap = Sandbox(SandboxOptions(events_per_minute=1), clock=Clock())
    assert heap.add_user_properties(users(*map(str, range(1_000)))).status == 200
    for _ in range(40):
        body = {"app_id": "11", "accounts": [{"account_id": "a"}] * 1_000}
        assert heap.add_account_properties(json.dumps(body).encode()).status == 200
