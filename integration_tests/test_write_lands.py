"""What lands in Heap, for each API type, at volume, in order and over runs."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.heap import Sandbox, SandboxOptions, running

if TYPE_CHECKING:
    from integration_tests.conftest import Connector

WITHOUT_QUOTAS = SandboxOptions(quotas=False)

#: The record of the user's three examples, each with the values of its own example.
USER: dict[str, Any] = {
    "blocked": False,
    "created_at": "2022-10-21T04:09:54.622Z",
    "email": "evalyn_shields@hotmail.com",
    "email_verified": False,
    "family_name": "Brakus",
    "given_name": "Camden",
    "identities": {
        "user_id": "0a12757f-4b19-4e93-969e-c3a2e98fe82b",
        "connection": "Username-Password-Authentication",
        "provider": "auth0",
        "isSocial": False,
    },
    "name": "Jordan Yost",
    "nickname": "Noe",
    "updated_at": "2022-10-21T04:09:54.622Z",
    "user_id": "auth0|0a12757f-4b19-4e93-969e-c3a2e98fe82b",
}


def stored(heap: Sandbox, table: str) -> list[dict[str, Any]]:
    """The rows of a table without what the sandbox adds."""
    rows: list[dict[str, Any]] = getattr(heap, table)()
    added = {"sequence", "received_at", "created_at", "updated_at", "app_id", "user_id"}
    return [{name: row[name] for name in row.keys() - added} for row in rows]


def test_the_users_examples(connector: Connector) -> None:
    """Each of the three examples lands to the letter."""
    columns: dict[str, Any] = {
        "track": {
            "property_columns": "blocked,created_at,name",
            "event_column": "identities.connection",
            "identity_column": "email",
            "timestamp_column": "updated_at",
        },
        "add_user_properties": {
            "property_columns": "identities_provider,created_at,nickname",
            "identity_column": "user_id",
        },
        "add_account_properties": {
            "property_columns": "family_name,email_verified,blocked",
            "account_id_column": "identities.user_id",
        },
    }
    with running() as heap:
        for api_type, api in columns.items():
            config = {
                "app_id": "11",
                "base_url": heap.url,
                "api": {"api_type": api_type, **api},
            }
            lines = [connector.record(USER), connector.state(1)]
            outcome = connector.write_here(config, lines).succeeded()
            assert [connector.stats(state) for state in outcome.states] == [(1.0, 0.0)]
        (event,) = stored(heap, "events")
        key = event.pop("idempotency_key")
        assert len(key) >= 8
        assert set(key) <= set("0123456789abcdef")
        assert event == {
            "identity": "evalyn_shields@hotmail.com",
            "event": "Username-Password-Authentication",
            "timestamp": "2022-10-21T04:09:54.622Z",
            "properties": {
                "blocked": False,
                "created_at": "2022-10-21T04:09:54.622Z",
                "name": "Jordan Yost",
            },
        }
        # Heap knows the event's person as a user too.
        assert [user for user in stored(heap, "users") if user["properties"]] == [
            {
                "identity": "auth0|0a12757f-4b19-4e93-969e-c3a2e98fe82b",
                "properties": {
                    "identities_provider": "auth0",
                    "created_at": "2022-10-21T04:09:54.622Z",
                    "nickname": "Noe",
                },
            }
        ]
        assert stored(heap, "accounts") == [
            {
                "account_id": "0a12757f-4b19-4e93-969e-c3a2e98fe82b",
                "properties": {"family_name": "Brakus", "email_verified": False, "blocked": False},
            }
        ]


def test_events_at_volume_and_again(connector: Connector) -> None:
    """5,000 events: each there once, few requests; a second run adds none, in every mode."""
    numbers = range(5_000)
    lines = [connector.record(connector.event(n)) for n in numbers]
    with running(WITHOUT_QUOTAS) as heap:
        config = connector.config(heap.url)
        outcome = connector.write(config, [*lines, connector.state(5_000)]).succeeded()
        assert [connector.stats(state) for state in outcome.states] == [(5_000.0, 0.0)]
        assert sorted(event["properties"]["n"] for event in heap.events()) == list(numbers)
        assert outcome.ledger["accepted"] == 5_000
        sent = heap.requests()
        # Full ones, however many are under way.
        assert [entry["items"] for entry in sent] == [1_000] * 5
        assert outcome.ledger["requests"] == len(sent)
        for mode in ("overwrite", "append"):
            for sync_mode in ("full_refresh", "incremental"):
                again = connector.catalog(mode=mode, sync_mode=sync_mode)
                connector.write_here(config, lines, again).succeeded()
        assert len(heap.events()) == 5_000


def test_deduplication_keeps_the_first_event_of_a_primary_key(connector: Connector) -> None:
    """append_dedup: one event a primary key, whatever else changes, over runs too."""
    catalog = connector.catalog(mode="append_dedup", sync_mode="incremental", key=[["n"]])
    lines = [connector.record(connector.event(n % 50) | {"version": n}) for n in range(500)]
    with running() as heap:
        config = connector.config(heap.url, requests_in_flight=1)
        connector.write_here(config, lines, catalog).succeeded()
        changed = [connector.record(connector.event(n) | {"version": -1}) for n in range(50)]
        connector.write_here(config, changed, catalog).succeeded()
        versions = sorted(event["properties"]["version"] for event in heap.events())
    assert versions == list(range(50))


@pytest.mark.parametrize("mode", ["overwrite", "append", "append_dedup", "overwrite_dedup"])
def test_every_destination_mode_is_accepted(connector: Connector, mode: str) -> None:
    """Heap has no delete: each mode loads the same, and a mode newer than the CDK's too."""
    with running() as heap:
        lines = [connector.record(connector.event(1)), connector.state(1)]
        catalog = connector.catalog(mode=mode, sync_mode="incremental", key=[["n"]])
        outcome = connector.write_here(connector.config(heap.url), lines, catalog).succeeded()
        assert len(heap.events()) == len(outcome.states) == 1


@pytest.mark.parametrize("api", ["add_user_properties", "add_account_properties"])
def test_properties_equal_updates_applied_in_order(connector: Connector, api: str) -> None:
    """6,000 updates of few, hot identities over slow parallel requests: the last value wins."""
    random_ = random.Random(7)
    expected: dict[str, dict[str, Any]] = {}
    lines: list[bytes] = []
    for number in range(6_000):
        # One in three is about the same person; a few hundred others share the rest.
        who = "hot" if random_.random() < 0.3 else f"p{random_.randrange(400)}"
        update = {
            f"f{random_.randrange(6)}": random_.choice([number, str(number), True, None, 0.5])
            for _ in range(3)
        }
        lines.append(connector.record({"who": who, **update}))
        known = expected.setdefault(who, {"who": who})
        known.update((name, value) for name, value in update.items() if value is not None)
        if number % 500 == 0:
            lines.append(connector.state(number))
    options = SandboxOptions(latency_ms=40, fail_rate=0.3, seed=5, fail_kinds=("503", "429"))
    with running(options) as heap:
        outcome = connector.write_here(connector.config(heap.url, api), lines).succeeded()
        table = "users" if api == "add_user_properties" else "accounts"
        rows: list[dict[str, Any]] = getattr(heap, table)()
        key = "identity" if table == "users" else "account_id"
        assert {row[key]: row["properties"] for row in rows} == expected
        assert max(entry["items"] or 0 for entry in heap.requests()) <= 1_000
    assert outcome.ledger["accepted"] == 6_000
    assert outcome.ledger["merged"] > 0
    assert len(outcome.states) == 12


def test_values_on_the_wire(connector: Connector) -> None:
    """Nested, long, null, boolean and array values land as the contract maps them."""
    data = {
        "who": 12345678901,
        "id": 5,
        "nil": None,
        "yes": True,
        "deep": {"a": {"b": 1.5}, "empty": {}},
        "tags": ["a", 1, True],
        "visits": [{"date": "d0"}, {"date": "d1"}],
        "long": "x" * 1_024,
        "k" * 1_024: 1,
        "just": "y" * 1_023,
    }
    with running() as heap:
        lines = [connector.record(data)]
        outcome = connector.write_here(
            connector.config(heap.url, "add_user_properties"), lines
        ).succeeded()
        (user,) = heap.users()
    assert user["identity"] == "12345678901"
    assert user["properties"] == {
        "who": 12345678901,
        "people_id": 5,
        "yes": True,
        "deep.a.b": 1.5,
        "tags": "a||1||true",
        "visits.0.date": "d0",
        "visits.1.date": "d1",
        "long": "x" * 1_023,
        "just": "y" * 1_023,
    }
    assert outcome.ledger["truncated"] == 1
    assert outcome.ledger["left_out"] == 1
    assert "people_id" in outcome.logs


@pytest.mark.parametrize("latency_ms", [150, 1_000])
def test_memory_stays_bounded(connector: Connector, latency_ms: float) -> None:
    """80,000 distinct records, 100 MB of input before a slow Heap: the process stays small.

    The slower it is, the more requests are under way.
    """
    filler = "lorem ipsum " * 85

    def lines() -> Any:
        for start in range(0, 80_000, 200):
            yield b"".join(
                b'{"type":"RECORD","record":{"stream":"people","emitted_at":1,"data":'
                b'{"who":"c%d","text":"%d %b"}}}\n' % (n, n, filler.encode())
                for n in range(start, start + 200)
            )
            yield connector.state(start + 200)

    with running(SandboxOptions(latency_ms=latency_ms)) as heap:
        config = connector.config(heap.url, "add_account_properties")
        outcome = connector.write(config, lines()).succeeded()
        assert heap.stats()["accounts"] == 80_000
        # At 1 MB a request.
        assert len(heap.requests()) <= 130
    assert [state["id"] for state in outcome.states] == list(range(200, 80_001, 200))
    assert sum(connector.stats(state)[0] for state in outcome.states) == 80_000.0
    if outcome.peak_bytes:
        assert outcome.peak_bytes < 120_000_000, outcome.peak_bytes  # docs/speed.md says so
