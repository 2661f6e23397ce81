"""Upgrading from the published connector, 0.1.x: what it accepted, and each row of what differs."""

from __future__ import annotations

import itertools
import json
import subprocess
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bulk_destination.delivery.quotas import Quotas
from bulk_destination.errors import ConfigurationError
from bulk_destination.mapping.stream import Stream
from bulk_destination.mapping.values import Rejected, Skipped
from destination_heap_analytics.apis import make_api
from destination_heap_analytics.config import HeapConfig
from integration_tests.chaos.process import inherited, program
from integration_tests.docs.markdown import ROOT, Text
from sandbox.heap import Sandbox, SandboxOptions, running

TABLE = Text.of("docs/heap-analytics.md").below("Upgrading from 0.1.x").table
FORM = json.loads((ROOT / "destination_heap_analytics/spec.json").read_text(encoding="utf-8"))

Json = dict[str, Any]

# -- what it accepted ---------------------------------------------------------------------------

#: Every field of its form, filled in and left as it was; a field left blank was an empty text.
PUBLISHED_APIS: list[Json] = [
    *(
        {
            "api_type": "track",
            "property_columns": columns,
            "event_column": "identities.connection",
            "identity_column": "email",
            **when,
        }
        for columns in ("*", "blocked,created_at,name")
        for when in ({}, {"timestamp_column": ""}, {"timestamp_column": "updated_at"})
    ),
    *(
        {"api_type": "add_user_properties", "property_columns": columns, "identity_column": "id"}
        for columns in ("*", "identities_provider,created_at")
    ),
    *(
        {
            "api_type": "add_account_properties",
            "property_columns": columns,
            "account_id_column": "identities.user_id",
        }
        for columns in ("*", "family_name,email_verified,blocked")
    ),
]
PUBLISHED: list[Json] = [
    {"app_id": "11", "base_url": base_url, "api": api, **extra}
    for api, base_url, extra in itertools.product(
        PUBLISHED_APIS,
        ["https://heapanalytics.com", "https://heapanalytics.com/", "https://c.eu.heap-api.com"],
        [{}, {"anything": {"else": 1}}],
    )
]


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda config: config["api"]["api_type"])
def test_what_it_accepted_is_accepted(published: Json) -> None:
    """By the connector and by its form, with all its fields as they were."""
    jsonschema.Draft7Validator(FORM["connectionSpecification"]).validate(published)
    config = HeapConfig.parse(published)
    assert config.app_id == published["app_id"]
    assert config.base_url == published["base_url"].rstrip("/")
    assert config.api.api_type == published["api"]["api_type"]
    for field, value in published["api"].items():
        if field.endswith("_column"):
            assert getattr(config.api, field) == (value or None)


# -- what differs -------------------------------------------------------------------------------

#: A test of each row, by its first cell.
ROWS: dict[str, Callable[[Path], None]] = {}


def row(what: str) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    """Makes a function the test of a row."""

    def add(test: Callable[[Path], None]) -> Callable[[Path], None]:
        assert what not in ROWS
        ROWS[what] = test
        return test

    return add


@pytest.mark.parametrize("what", TABLE)
def test_row(what: str, tmp_path: Path) -> None:
    """What a row of the table says holds; a row without a test fails."""
    assert what in ROWS, f"the row {what!r} has no test"
    assert all(TABLE[what]), "0.1.x, here, and why"
    ROWS[what](tmp_path)


def test_no_row_is_missing() -> None:
    """What is tested here as a difference is told in the table."""
    assert list(ROWS) == list(TABLE)


@dataclass(frozen=True)
class Ran:
    """One command of the connector: its exit code and messages."""

    code: int
    messages: list[Json]

    @property
    def states(self) -> list[Json]:
        return [message for message in self.messages if message["type"] == "STATE"]

    @property
    def error(self) -> Json:
        (error,) = [m["trace"]["error"] for m in self.messages if m["type"] == "TRACE"]
        assert isinstance(error, dict)
        return error

    @property
    def ledger(self) -> Json:
        said = [m["log"]["message"] for m in self.messages if m["type"] == "LOG"]
        (ledger,) = [json.loads(s.partition(" ")[2]) for s in said if s.startswith("Ledger: ")]
        assert isinstance(ledger, dict)
        return ledger


def config_of(heap: Sandbox, **api: str) -> Json:
    """A configuration of 0.1.x for the events of `seen`, but for its address."""
    columns = {"event_column": "event", "identity_column": "who", "property_columns": "*"}
    return {"app_id": "11", "base_url": heap.url, "api": {"api_type": "track", **columns, **api}}


def seen(number: int, **fields: Any) -> Json:
    """The data of a record."""
    return {"event": "Seen", "who": f"person{number}@example.com", "n": number, **fields}


def run(folder: Path, command: str, config: Json, records: list[Json] | None = None) -> Ran:
    """A command, as Airbyte runs it; a state stands behind the records."""
    (folder / "config.json").write_text(json.dumps(config))
    properties: Json = {name: {} for name in (records or [{}])[0]}
    stream: Json = {"name": "visits", "json_schema": {"type": "object", "properties": properties}}
    stream["supported_sync_modes"] = ["full_refresh", "incremental"]
    configured = {"sync_mode": "incremental", "destination_sync_mode": "append"}
    (folder / "catalog.json").write_text(
        json.dumps({"streams": [{"stream": stream, **configured}]})
    )
    lines = [
        {"type": "RECORD", "record": {"stream": "visits", "data": data, "emitted_at": 1}}
        for data in records or []
    ]
    descriptor = {"stream_descriptor": {"name": "visits"}, "stream_state": {"at": len(lines)}}
    lines.append({"type": "STATE", "state": {"type": "STREAM", "stream": descriptor}})
    to_write = ["--catalog", "catalog.json"] if command == "write" else []
    done = subprocess.run(
        [*program("heap"), command, "--config", "config.json", *to_write],
        input="".join(f"{json.dumps(line)}\n" for line in lines).encode() if to_write else b"",
        cwd=folder,
        env=inherited(),
        capture_output=True,
        timeout=120,
        check=False,
    )
    return Ran(done.returncode, [json.loads(line) for line in done.stdout.splitlines()])


def faults(config: Json) -> set[str]:
    """The paths of what is wrong with a configuration."""
    with pytest.raises(ConfigurationError) as raised:
        HeapConfig.parse(config)
    return {fault.path for fault in raised.value.faults}


def mapped(api: Json, record: Json) -> Json | Rejected:
    """What a record becomes."""
    config = HeapConfig.parse({"app_id": "11", "api": api})
    payload = make_api(config.api, Stream("users")).payload(record, 1)
    assert not isinstance(payload, Skipped)
    if isinstance(payload, Rejected):
        return payload
    body: Json = json.loads(payload[1])
    return body


TRACK = {"api_type": "track", "event_column": "event", "identity_column": "who"}
USERS = {"api_type": "add_user_properties", "identity_column": "who"}
ACCOUNTS = {"api_type": "add_account_properties", "account_id_column": "who"}


@row("`app_id`")
def digits_and_no_default(_: Path) -> None:
    """Digits, and no default."""
    for wrong in ({"app_id": "my-app"}, {"app_id": ""}, {}):
        assert faults({**wrong, "api": USERS}) == {"app_id"}
    field = FORM["connectionSpecification"]["properties"]["app_id"]
    assert "default" not in field


@row("`base_url`")
def https_with_a_default(_: Path) -> None:
    """It need not be filled in, and is `https` but for this machine."""
    assert HeapConfig.parse({"app_id": "11", "api": USERS}).base_url == "https://heapanalytics.com"
    HeapConfig.parse({"app_id": "11", "api": USERS, "base_url": "http://127.0.0.1:8087"})
    wrong = {"app_id": "11", "api": USERS, "base_url": "http://heapanalytics.com"}
    assert faults(wrong) == {"base_url"}


@row("`property_columns`")
def all_by_default(_: Path) -> None:
    """All columns where nothing is said; objects and other names."""
    record = {"who": "person@example.com", "plan": "pro", "a": {"b": 1, "c": 2}}
    everything = {"plan": "pro", "a.b": 1, "a.c": 2, "who": "person@example.com"}
    for columns, expected in (
        ({}, everything),
        ({"property_columns": "*"}, everything),
        ({"property_columns": "a.*, plan as plan_name"}, {"plan_name": "pro", "a.b": 1, "a.c": 2}),
    ):
        body = mapped({**USERS, **columns}, record)
        assert isinstance(body, dict)
        assert body["properties"] == expected


@row("a column that the stream does not have")
def a_slip_of_the_pen(folder: Path) -> None:
    """An error before the first request, with the nearest name."""
    with running() as heap:
        done = run(folder, "write", config_of(heap, identity_column="whom"), [seen(1)])
        assert heap.requests() == []
    assert done.code == 1
    assert done.error["failure_type"] == "config_error"
    assert "did you mean `who`" in done.error["message"]
    assert done.states == []


@row("an array of texts or numbers")
def arrays_are_joined(_: Path) -> None:
    """One text, on all three APIs."""
    for api in (TRACK, USERS, ACCOUNTS):
        record = {"who": "person@example.com", "event": "Seen", "roles": ["admin", 7]}
        body = mapped({**api, "property_columns": "roles"}, record)
        assert isinstance(body, dict)
        assert body["properties"] == {"roles": "admin||7"}


@row("a user property `id`")
def a_reserved_name(_: Path) -> None:
    """It gets the stream's name."""
    body = mapped({**USERS, "property_columns": "id"}, {"who": "person@example.com", "id": 7})
    assert isinstance(body, dict)
    assert body["properties"] == {"users_id": 7}


@row("an identity that belongs to nobody, such as `guest`")
def nobody(_: Path) -> None:
    """Events and users; an account may be called so."""
    for api in (TRACK, USERS):
        body = mapped(api, {"who": "guest", "event": "Seen"})
        assert body == Rejected("identity_of_no_single_person")
    assert isinstance(mapped(ACCOUNTS, {"who": "guest"}), dict)


@row("a time that cannot be read")
def no_guess(_: Path) -> None:
    """Rejected, whatever it is."""
    for when in ("yesterday", "2026-13-01T00:00:00Z", True, {"at": 1}):
        body = mapped({**TRACK, "timestamp_column": "at"}, seen(1, at=when))
        assert body == Rejected("timestamp_not_readable")


@row("a time with more than 3 digits of a second, or a Unix time")
def finer_times(_: Path) -> None:
    """UTC in milliseconds."""
    for when in ("2026-01-31T11:30:00.1234567+02:00", 1769851800.123, 1769851800123):
        body = mapped({**TRACK, "timestamp_column": "at"}, seen(1, at=when))
        assert isinstance(body, dict)
        assert body["timestamp"] == "2026-01-31T09:30:00.123Z"


@row("requests")
def in_bulk(folder: Path) -> None:
    """Far fewer than records, and none with more than 1,000."""
    with running(SandboxOptions(quotas=False)) as heap:
        done = run(folder, "write", config_of(heap), [seen(number) for number in range(2_500)])
        assert done.code == 0
        assert len(heap.events()) == 2_500
        requests = heap.stats()["requests"]
    assert requests["total"] <= 12
    assert 500 <= requests["largest"]["items"] <= 1_000


@row("HTTP errors")
def nothing_is_lost(folder: Path) -> None:
    """All that Heap takes in the end lands; what it never takes is counted."""
    kinds = ("429", "500", "503", "reset-after")
    options = SandboxOptions(fail_rate=0.3, seed=1, fail_kinds=kinds, poison=("bad",))
    records = [seen(number, note="bad" if number == 7 else "good") for number in range(100)]
    with running(options) as heap:
        done = run(folder, "write", config_of(heap), records)
        landed = {event["properties"]["n"] for event in heap.events()}
    assert done.code == 0
    assert landed == set(range(100)) - {7}
    assert done.ledger["accepted"] == 99
    assert done.ledger["rejected"] == 1
    assert len(done.states) == 1


@row("states")
def none_before_its_records(folder: Path) -> None:
    """None comes back where Heap took nothing; the next sync brings it."""
    with running(SandboxOptions(fail_rate=1, fail_kinds=("503",))) as heap:
        failed = run(folder, "write", config_of(heap) | {"max_retry_seconds": 1}, [seen(1)])
    assert failed.code == 1
    assert failed.error["failure_type"] == "transient_error"
    assert failed.states == []
    with running() as heap:
        done = run(folder, "write", config_of(heap), [seen(1)])
    assert [state["state"]["stream"]["stream_state"] for state in done.states] == [{"at": 1}]


@row("a sync that lands nothing")
def a_wrong_column(folder: Path) -> None:
    """It fails, and passes no state on, unless its rows are bad by themselves."""
    with running() as heap:
        config = config_of(heap, identity_column="event")
        done = run(folder, "write", config, [seen(1, event={"of": 1}), seen(2, event={"of": 2})])
        assert heap.events() == []
        assert done.code == 1
        assert done.states == []
        quiet = run(folder, "write", config, [seen(1, event="guest"), seen(2, event="null")])
        assert heap.events() == []
    assert quiet.code == 0
    assert quiet.states != []


@row("a record that comes again")
def a_repeat(folder: Path) -> None:
    """It is the same event, in another process too, whether it has a time of its own or not."""
    with running() as heap:
        for _ in range(2):
            for config in (config_of(heap), config_of(heap, timestamp_column="at")):
                records = [seen(number, at="2026-01-31T09:30:00Z") for number in range(20)]
                assert run(folder, "write", config, records).code == 0
        assert len(heap.events()) == 2 * 20
        assert heap.stats()["repeats_absorbed"] == 2 * 20


@row("events that 0.1.x loaded")
def without_a_key(folder: Path) -> None:
    """One request for each, as it sent them; a sync that reads the rows again adds them once."""
    with running() as heap:
        for number in range(3):
            event = {"app_id": "11", "event": "Seen", "identity": f"person{number}@example.com"}
            body = json.dumps({**event, "properties": seen(number)}).encode()
            request = urllib.request.Request(
                f"{heap.url}/api/track", body, {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert answer.status == 200
        counts = []
        for _ in range(2):
            assert run(folder, "write", config_of(heap), [seen(n) for n in range(3)]).code == 0
            counts.append(len(heap.events()))
    assert counts == [6, 6]


@row("quotas")
def kept_from_this_side(_: Path) -> None:
    """A configuration of 0.1.x gets Heap's quotas for events and users; accounts have none."""
    quotas = {
        "track": Quotas(15_000, 1_000),
        "add_user_properties": Quotas(requests_per_identity=30),
        "add_account_properties": None,
    }
    for published in PUBLISHED:
        config = HeapConfig.parse(published)
        assert config.quotas(config.api) == quotas[str(published["api"]["api_type"])]


@row("check")
def it_is_your_data(folder: Path) -> None:
    """It succeeds, and Heap holds nothing afterwards."""
    with running() as heap:
        done = run(folder, "check", config_of(heap))
        (status,) = [m for m in done.messages if m["type"] == "CONNECTION_STATUS"]
        assert status["connectionStatus"]["status"] == "SUCCEEDED"
        assert len(heap.requests()) > 0
        assert (heap.events(), heap.users(), heap.accounts()) == ([], [], [])
