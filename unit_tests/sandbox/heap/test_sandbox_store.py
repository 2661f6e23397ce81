"""What is kept of what was sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.heap import OptionError, Sandbox, SandboxOptions


def body(**fields: Any) -> bytes:
    return json.dumps({"app_id": "11", **fields}).encode()


def event(name: str = "E", **fields: Any) -> dict[str, Any]:
    return {"event": name, "identity": "a@example.com", **fields}


def test_event_as_sent() -> None:
    """An event comes back as it was sent, types and all."""
    heap = Sandbox(clock=lambda: 1_700_000_000.25)
    properties = {"s": "ü\u0000", "n": 1, "f": 1.5, "b": False, "l": ["x", 2], "big": 2**63}
    sent = event(timestamp="2026-01-02T03:04:05Z", properties=properties, idempotency_key="k")
    assert heap.track(body(events=[sent])).status == 200
    assert heap.events() == [
        {
            "sequence": 1,
            "app_id": "11",
            "user_id": None,
            "received_at": 1_700_000_000.25,
            **sent,
        }
    ]


def test_default_timestamp() -> None:
    """An event without timestamp is dated by its receipt; a unix number stays a number."""
    heap = Sandbox(clock=lambda: 1_700_000_000.25)
    heap.track(body(events=[event(), event(timestamp=1_600_000_000)]))
    assert [e["timestamp"] for e in heap.events()] == ["2023-11-14T22:13:20.250Z", 1_600_000_000]


def test_repeats_are_absorbed() -> None:
    """A repeat of an idempotency key is accepted and ignored, within a request and across."""
    heap = Sandbox()
    first = [event("first", idempotency_key="k"), event("second", idempotency_key="k")]
    assert heap.track(body(events=first)).body == b"{}"
    again = event("third", idempotency_key="k", identity="new@example.com")
    assert heap.track(body(**again)).status == 200
    assert [e["event"] for e in heap.events()] == ["first"]
    assert [u["identity"] for u in heap.users()] == ["a@example.com"]
    assert heap.stats()["repeats_absorbed"] == 2


def test_keys_are_per_app() -> None:
    """Two app_ids do not share idempotency keys, and events without a key all count."""
    heap = Sandbox()
    sent = event(idempotency_key="k")
    heap.track(json.dumps({"app_id": "1", **sent}).encode())
    heap.track(json.dumps({"app_id": "2", **sent}).encode())
    heap.track(body(events=[event(), event()]))
    assert heap.stats()["events"] == 4
    assert heap.stats()["repeats_absorbed"] == 0


def test_refused_requests_leave_nothing() -> None:
    """One bad item refuses its whole request."""
    heap = Sandbox()
    assert heap.track(body(events=[event(), {}])).status == 400
    users = [{"identity": "a"}, {"identity": ""}]
    assert heap.add_user_properties(body(users=users)).status == 400
    assert heap.events() == heap.users() == []


def test_events_create_users() -> None:
    """An unknown identity creates a user, once; a user_id creates none."""
    heap = Sandbox()
    heap.track(body(events=[event(), event(), {"event": "E", "user_id": "7"}]))
    assert [(u["identity"], u["properties"]) for u in heap.users()] == [("a@example.com", {})]
    assert heap.events()[2]["user_id"] == "7"


def test_identities_are_case_sensitive() -> None:
    """`A@x.com` and `a@x.com` are two users."""
    heap = Sandbox()
    heap.track(body(events=[event(identity="A@x.com"), event(identity="a@x.com")]))
    assert len(heap.users()) == 2


def test_user_properties_overwrite_in_order() -> None:
    """The last value of a property wins, within a request and across; the others stay."""
    heap = Sandbox()
    heap.track(body(**event(identity="a")))
    updates = [("a", {"x": 1, "y": 1}), ("b", {"x": 9}), ("a", {"x": 2})]
    users = [{"identity": identity, "properties": sent} for identity, sent in updates]
    assert heap.add_user_properties(body(users=users)).body == b"{}"
    heap.add_user_properties(body(identity="a", properties={"z": True}))
    found = {u["identity"]: u["properties"] for u in heap.users()}
    assert found == {"a": {"x": 2, "y": 1, "z": True}, "b": {"x": 9}}


def test_account_properties_overwrite_in_order() -> None:
    """Accounts are overwritten as users are, and answered by the text OK."""
    heap = Sandbox()
    accounts = [{"account_id": "a", "properties": {"x": n, "y": 1}} for n in (1, 2)]
    answer = heap.add_account_properties(body(accounts=accounts))
    assert (answer.status, answer.body) == (200, b"OK")
    heap.add_account_properties(body(account_id="a", properties={"y": "2"}))
    assert [a["properties"] for a in heap.accounts(account_id="a")] == [{"x": 2, "y": "2"}]


def test_reset() -> None:
    """After a reset all is empty and numbers start at 1 again."""
    heap = Sandbox()
    for _ in range(2):
        heap.track(body(**event(idempotency_key="k")))
        assert [e["sequence"] for e in heap.events()] == [1]
        heap.add_account_properties(body(account_id="a"))
        heap.reset()
        assert heap.events() == heap.users() == heap.accounts() == heap.requests() == []
        assert heap.stats()["repeats_absorbed"] == 0
        assert heap.stats()["quotas"]["in_window"] == {}


def test_file(tmp_path: Path) -> None:
    """A file outlives the sandbox, idempotency keys included."""
    options = SandboxOptions(db=tmp_path / "heap.db")
    for _ in range(2):
        heap = Sandbox(options)
        heap.track(body(**event(idempotency_key="k")))
        assert heap.stats()["events"] == 1
        heap.close()


def test_property_counts(tmp_path: Path) -> None:
    """Names are counted by JSON type: of stored events, and of every update of a profile."""
    options = SandboxOptions(db=tmp_path / "heap.db")
    heap = Sandbox(options)
    sent = {"s": "x", "n": 1, "f": 1.5, "b": True, "l": []}
    heap.track(body(events=[event(properties=sent, idempotency_key="k"), event(properties=sent)]))
    repeat = event(properties=sent | {"new": 1}, idempotency_key="k")
    heap.track(body(events=[repeat, event(properties={"n": "1"}, idempotency_key="l"), repeat]))
    heap.track(body(events=[event(properties=sent), {}]))  # refused
    users = [{"identity": "a", "properties": {"s": n}} for n in ("x", 1, 2)]
    heap.add_user_properties(body(users=users))
    heap.close()
    heap = Sandbox(options)
    found, more = heap.store.property_counts(limit=10)
    assert [(one["source"], one["name"], one["types"], one["count"]) for one in found] == [
        ("events", "n", {"number": 2, "string": 1}, 3),
        ("users", "s", {"number": 2, "string": 1}, 3),
        ("events", "b", {"boolean": 2}, 2),
        ("events", "f", {"number": 2}, 2),
        ("events", "l", {"array": 2}, 2),
        ("events", "s", {"string": 2}, 2),
    ]
    assert more == 0
    assert heap.store.property_counts(limit=2) == (found[:2], 4)
    heap.reset()
    assert heap.store.property_counts(limit=10) == ([], 0)
    heap.close()


def test_newest_first() -> None:
    """Rows can be walked from the newest to the oldest."""
    heap = Sandbox()
    heap.track(body(events=[event(identity=f"u{n % 2}") for n in range(6)]))

    def found(**asked: Any) -> list[int]:
        return [row["sequence"] for row in heap.store.rows("events", newest_first=True, **asked)]

    assert found(limit=2) == [6, 5]
    assert found(limit=2, before=5) == [4, 3]
    assert found(identity="u0", after=1) == [5, 3]


def test_beginning_with() -> None:
    """Identities are found by how they begin; no character has a meaning of its own."""
    heap = Sandbox()
    identities = ["a", "ab", "b", "A", "a%", "a_", "a*", "ä"]
    heap.add_user_properties(body(users=[{"identity": one} for one in identities]))

    def found(text: str, limit: int = 99) -> list[str]:
        rows = heap.store.beginning_with("users", "identity", text, limit=limit)
        return [row["identity"] for row in rows]

    assert found("a") == ["a", "a%", "a*", "a_", "ab"]
    assert found("a%") == ["a%"]
    assert found("ä") == ["ä"]
    assert found("a", limit=2) == ["a", "a%"]
    assert found("c") == []
    with pytest.raises(KeyError):
        heap.store.beginning_with("events", "properties", "x", limit=1)


def test_options_tell_all_faults() -> None:
    """Options that make no sense do not come into being, and all faults are told at once."""
    with pytest.raises(OptionError) as caught:
        SandboxOptions(
            port=-1,
            fail_rate=float("nan"),
            fail_kinds=("fire",),
            latency_ms=-1,
            hang_seconds=-1,
            max_body_bytes=0,
            events_per_minute=-1,
            quota_window_seconds=0,
        )
    assert len(caught.value.faults) == 8
