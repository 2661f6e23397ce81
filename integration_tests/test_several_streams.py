"""Orders, users and companies in one sync: each goes its way, and none costs another anything."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from integration_tests.chaos.process import program
from integration_tests.several import (
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
    from integration_tests.conftest import Connector, Serve


def test_three_streams_in_one_sync(connector: Connector) -> None:
    """All land where they belong; each stream's states count its own, and so do the ledgers."""
    lines = [row(stream, number) for number in range(1_500) for stream in THREE]
    lines += [row("orders", 1, who=None), b"not a message\n"]
    lines += [state(stream, at) for at, stream in enumerate(THREE)]
    with running(SandboxOptions(quotas=False)) as heap:
        outcome = connector.write(config(heap.url), lines, catalog(*THREE)).succeeded()
        assert len(heap.events()) == 1_500
        assert len(heap.users()) == 1_500
        assert len(heap.accounts()) == 1_500
    assert left(outcome.states, "orders") == [(0, 1_500.0, 2.0)]
    assert left(outcome.states, "users") == [(1, 1_500.0, 0.0)]
    assert left(outcome.states, "companies") == [(2, 1_500.0, 0.0)]
    ledger = outcome.ledger
    assert (ledger["read"], ledger["accepted"], ledger["rejected"]) == (4_502, 4_500, 2)
    assert ledger["rejected_by_reason"] == {"identity_missing": 1, "unreadable": 1}
    for stream in THREE:
        assert f"Ledger of stream `{stream}`: " in outcome.logs


def test_a_refused_stream_costs_no_other_anything(connector: Connector, serve: Serve) -> None:
    """What is good lands and its states leave; the error names the stream; it is asked little."""
    users: list[int] = []
    refused: list[int] = []

    def script(number: int, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if b'"users":' in body:
            refused.append(number)
            return 400, {}, b'{"error": "no such property"}'
        users.append(number)
        return 200, {}, b"{}"

    lines = [row(stream, number) for number in range(5_000) for stream in ("orders", "users")]
    lines += [state("users", 1), state("orders", 2)]
    both = config(serve(script), ENTRIES[:2])
    outcome = connector.write_here(both, lines, catalog("orders", "users"))
    assert outcome.error["failure_type"] == "config_error"
    assert "`users`" in outcome.error["message"]
    assert "`orders`" not in outcome.error["message"]
    assert left(outcome.states, "orders") == [(2, 5_000.0, 0.0)]
    assert left(outcome.states, "users") == []
    assert len(refused) < 5_000


def test_a_stream_that_is_held_holds_no_other(connector: Connector, serve: Serve) -> None:
    """While users hang, the state of orders leaves."""
    seen = threading.Event()

    def script(number: int, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if b'"users":' in body:
            assert seen.wait(30)
        return 200, {}, b"{}"

    def look(message: Json) -> None:
        if message["state"]["stream"]["stream_descriptor"]["name"] == "orders":
            seen.set()

    process = connector.start_write(
        config(serve(script), ENTRIES[:2]), catalog("orders", "users"), on_state=look
    )
    lines = [row(stream, number) for number in range(1_000) for stream in ("orders", "users")]
    process.send_all([*lines, state("users", 1), state("orders", 2)])
    outcome = process.finish().succeeded()
    assert [each["id"] for each in outcome.states] == [2, 1]


def test_order_per_user_across_streams(connector: Connector) -> None:
    """Of two streams that update the same users, the later row wins, whichever stream it is of."""
    entries = [{"stream": name, "api": USERS} for name in ("a", "b")]
    lines = []
    for number in range(4_000):
        data = {"who": f"p{number % 40}@example.com", "n": number}
        record = {"stream": "ab"[number % 3 % 2], "data": data, "emitted_at": 1}
        lines.append(json.dumps({"type": "RECORD", "record": record}).encode() + b"\n")
    with running() as heap:
        connector.write_here(config(heap.url, entries), lines, catalog("a", "b")).succeeded()
        values = {user["identity"]: user["properties"]["n"] for user in heap.users()}
    assert values == {f"p{n % 40}@example.com": n for n in range(3_960, 4_000)}


def test_objects_of_the_connection(connector: Connector) -> None:
    """`destination_object_name` decides, by fixed names; all other fields are properties."""
    streams = {
        "orders": {"destination_object_name": "event"},
        "users": {"destination_object_name": "user"},
        "companies": {"destination_object_name": "account"},
    }
    rows = {
        "orders": {
            "event": "Ordered",
            "identity": "ann@example.com",
            "timestamp": "2026-01-31T09:30:00Z",
            "idempotency_key": "o-1",
            "total": 5,
        },
        "users": {"identity": "ann@example.com", "plan": "pro"},
        "companies": {"account_id": "Acme", "seats": 3},
    }
    lines = []
    for name, data in rows.items():
        record = {"stream": name, "data": data, "emitted_at": 1}
        lines.append(json.dumps({"type": "RECORD", "record": record}).encode() + b"\n")
    mapped = {**config("x"), "api": {"api_type": "by_object"}}
    with running() as heap:
        mapped["base_url"] = heap.url
        connector.write_here(mapped, [*lines, *lines], catalog(*THREE, **streams)).succeeded()
        [event] = heap.events()
        [user] = heap.users()
        [account] = heap.accounts()
    assert (event["event"], event["identity"]) == ("Ordered", "ann@example.com")
    assert event["timestamp"] == "2026-01-31T09:30:00Z"
    assert event["properties"] == {"total": 5}
    assert user["properties"] == {"plan": "pro"}
    assert account["properties"] == {"seats": 3}


@pytest.mark.parametrize("namespace", ["crm", "shop"])
def test_a_record_without_a_namespace_is_of_neither(connector: Connector, namespace: str) -> None:
    """Where two streams have its name; one that names its own lands."""
    entries = [{"stream": "users", "api": USERS}]
    two: Json = {"streams": []}
    for each in ("crm", "shop"):
        two["streams"].append({"stream": {"name": "users", "namespace": each}})
    named = json.loads(row("users", 1))
    named["record"]["namespace"] = namespace
    with running() as heap:
        lines = [json.dumps(named).encode() + b"\n", row("users", 2)]
        outcome = connector.write_here(config(heap.url, entries), lines, two).succeeded()
        assert [user["identity"] for user in heap.users()] == ["p1@example.com"]
    assert outcome.ledger["rejected_by_reason"] == {"of_another_stream": 1}


def test_all_records_are_of_no_stream(connector: Connector) -> None:
    """The error names the streams that there are; a dry run ends so, too."""
    lines = [row("orders", n).replace(b'"orders"', b'"gone"') for n in range(3)]
    names = ", ".join(f"`{stream}`" for stream in THREE)
    with running() as heap:
        for dry in (False, True):
            outcome = connector.write_here(config(heap.url, dry_run=dry), lines, catalog(*THREE))
            assert outcome.error["failure_type"] == "config_error"
            assert f"a stream of the catalog, which has {names}" in outcome.error["message"]
    files = connector.file(config("http://127.0.0.1:9")), connector.file(catalog(*THREE))
    shown = subprocess.run(
        [*program("heap"), "preview", "--config", files[0], "--catalog", files[1], "--json"],
        input=b"".join(lines),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert f"which has {names}" in json.loads(shown.stdout)["would_fail"]


def test_rejected_files_tell_streams_apart(connector: Connector, tmp_path: Path) -> None:
    """Each stream's lie in a folder of its own, and what is of none lies beside them."""
    kept = tmp_path / "kept"
    kept.mkdir()
    storage = {"storage_type": "Local", "path": str(kept)}
    lines = [row(stream, 1) for stream in THREE]
    lines += [row("orders", 2, who=None), row("users", 3, who=None)]
    lines.append(row("orders", 4).replace(b'"orders"', b'"gone"'))
    with running() as heap:
        wanted = config(heap.url, object_storage_config=storage)
        connector.write_here(wanted, lines, catalog(*THREE)).succeeded()
    found = sorted(str(path.relative_to(kept).parent) for path in kept.rglob("*.jsonl"))
    assert found == ["0/.of_no_stream", "0/orders", "0/users"]


def test_a_plan_tells_streams_apart(connector: Connector) -> None:
    """Preview and dry run: each stream's own, and the sum."""
    lines = [row(stream, number) for number in range(10) for stream in THREE]
    args = [connector.file(config("http://127.0.0.1:9")), connector.file(catalog(*THREE))]
    preview = ["preview", "--config", args[0], "--catalog", args[1]]
    # By itself, as it shows values: they are the user's own.
    shown = subprocess.run(
        [*program("heap"), *preview, "--json"],
        input=b"".join(lines),
        capture_output=True,
        check=True,
    )
    plan = json.loads(shown.stdout)
    assert (plan["read"], plan["would_be_sent"]) == (30, 30)
    assert [each["stream"] for each in plan["streams"]] == [*THREE]
    assert [each["would_be_sent"] for each in plan["streams"]] == [10, 10, 10]
    assert plan["requests"] == sum(each["requests"] for each in plan["streams"]) == 3
    assert [each["stream"] for each in plan["records"][:3]] == [*THREE]
    shown = subprocess.run(
        [*program("heap"), *preview, "--records", "3"],
        input=b"".join([*lines, row("users", 1, who=None)]),
        capture_output=True,
        check=False,
    )
    tables = shown.stdout.decode()
    assert all(f"Stream `{stream}`" in tables for stream in THREE)
    total = tables.partition("The whole input")[2]
    assert re.search(r"records read\W+31\b.*would be rejected\W+1\b", total, re.DOTALL)
    few = lines[:15]  # A name that comes often may be told.
    dry = connector.write_here(config("http://127.0.0.1:9", dry_run=True), few, catalog(*THREE))
    assert dry.code == 0
    assert all(f"Stream `{stream}`:" in dry.logs for stream in THREE)


def test_what_is_said_before_anything_is_sent_names_its_stream(connector: Connector) -> None:
    """By `write` in the log; by `preview` below the stream, whichever comes first."""
    entries = [{"stream": "users", "api": USERS}, {"stream": "orders", "api": TRACK}]
    lines = [row("users", 1), row("orders", 1)]
    words = "No key of these events is known"
    with running() as heap:
        outcome = connector.write_here(config(heap.url, entries), lines, catalog("users", "orders"))
    assert f"Stream `orders`: {words}" in outcome.succeeded().logs
    assert outcome.logs.count(words) == 1
    files = connector.file(config(heap.url, entries)), connector.file(catalog("users", "orders"))
    shown = subprocess.run(
        [*program("heap"), "preview", "--config", files[0], "--catalog", files[1]],
        input=b"".join(lines),
        capture_output=True,
        check=True,
    ).stdout.decode()
    assert shown.index("Stream `orders`") < shown.index(words) < shown.index("The whole input")
    assert shown.count(words) == 1


@pytest.mark.parametrize(
    ("entries", "path"),
    [
        ([], "api.streams"),
        ([ENTRIES[0], {"stream": " orders ", "api": USERS}], "api.streams"),
        ([{"stream": " ", "api": USERS}], "api.streams.0.stream"),
        ([{"stream": "orders", "api": {"api_type": "by_stream"}}], "api.streams.0.api.api_type"),
        (
            [ENTRIES[0], {"stream": "users", "api": {**TRACK, "event_column": ""}}],
            "api.streams.1.api.event_column",
        ),
        (ENTRIES[:2], "api.streams"),
    ],
)
def test_bad_entries(connector: Connector, entries: list[Json], path: str) -> None:
    """Each fault has its path; nothing is sent."""
    outcome = connector.write_here(config("http://127.0.0.1:9", entries), [], catalog(*THREE))
    assert outcome.error["failure_type"] == "config_error"
    assert f"{path}: " in outcome.error["message"]


def test_all_streams_without_an_entry_are_told_at_once(connector: Connector) -> None:
    """And an entry without a stream is a warning."""
    entries = [{"stream": "ordrs", "api": TRACK}, ENTRIES[0]]
    outcome = connector.write_here(config("http://127.0.0.1:9", entries), [], catalog(*THREE))
    words = "has no entry for `users`, `companies`; no stream has its entry for `ordrs`"
    assert words in outcome.error["message"]
    with running() as heap:
        known = connector.write_here(config(heap.url, entries), [], catalog("orders"))
    assert "`api.streams.0` is ignored" in known.succeeded().logs


def test_discover(connector: Connector) -> None:
    """One message with the three objects; it asks nobody, and a file that is none is an error."""
    outcome = connector.run_here(
        "discover", "--config", connector.file(config("http://127.0.0.1:9"))
    )
    assert outcome.code == 0
    [message] = outcome.messages
    assert message["type"] == "DESTINATION_CATALOG"
    found = {
        each["object_name"]: (each["sync_mode"], each.get("matching_keys"))
        for each in message["destination_catalog"]["operations"]
    }
    assert found == {
        "event": ("append", None),
        "user": ("append_dedup", [["identity"]]),
        "account": ("append_dedup", [["account_id"]]),
    }
    for each in message["destination_catalog"]["operations"]:
        schema = each["json_schema"]
        assert schema["additionalProperties"] is True
        keys = each.get("matching_keys", [[]])[0]
        assert not set(keys) & set(schema.get("required", ()))
    broken = connector.run_here("discover", "--config", connector.file(b"{"))
    assert broken.error["failure_type"] == "config_error"
