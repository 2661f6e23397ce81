"""A source and a runner that others wrote: source-faker, PyAirbyte, the connector, a local Heap.

PyAirbyte starts the connector as a process and pipes into it what the source says. It takes a
sync for a success that reported an error and ended with 0, so what counts here is what Heap holds.
Between PyAirbyte and each program a tap writes down what the program says, and changes nothing.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from integration_tests.chaos.leaks import leaks
from sandbox.heap import Sandbox, SandboxOptions, running

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[1] / ".cache"
CONNECTOR = Path(sys.executable).with_name("destination-heap-analytics")
APP_ID = "11"
COUNT = 1_000
#: Seconds; on a slow machine too, nothing here takes as long.
PATIENCE = 300

#: Runs a program, and files what it says under the number of the call and its command.
TAP = """#!/usr/bin/env bash
set -o pipefail
"{program}" "$@" | tee "{folder}/$(printf %03d $(ls "{folder}" | wc -l))-$1"
"""

Json = dict[str, Any]


@dataclass(frozen=True)
class Tap:
    """A program to be called instead of another one, and what that one said."""

    program: Path
    folder: Path

    @classmethod
    def on(cls, program: Path, folder: Path) -> "Tap":
        folder.mkdir()
        script = folder.with_suffix(".sh")
        script.write_text(TAP.format(program=program, folder=folder))
        script.chmod(0o755)
        return cls(script, folder)

    def said(self, command: str) -> list[list[Json]]:
        """The messages of each call of `command`, oldest call first."""
        return [messages(call.read_bytes()) for call in sorted(self.folder.glob(f"*-{command}"))]


@dataclass(frozen=True)
class Sync:
    """One sync: the source's records and states, and the states that the connector let out."""

    records: list[Json]
    source_states: list[Json]
    states: list[Json]


def messages(said: bytes) -> list[Json]:
    return [json.loads(line) for line in said.splitlines()]


def states_in(said: list[Json]) -> list[Json]:
    return [message["state"] for message in said if message["type"] == "STATE"]


def records_in(said: list[Json]) -> list[Json]:
    return [message["record"]["data"] for message in said if message["type"] == "RECORD"]


@pytest.fixture
def heap() -> Iterator[Sandbox]:
    with running(SandboxOptions()) as sandbox:
        yield sandbox


def program_of(environment: str, name: str) -> Path:
    program = ENVIRONMENTS / environment / "bin" / name
    if not program.exists():
        pytest.fail(f"{environment} is not installed: run `make real-source-environments` first")
    return program


def run(command: Sequence[str | Path], folder: Path, stdin: bytes = b"") -> bytes:
    """What `command` says; it inherits nothing of the shell's environment."""
    done = subprocess.run(
        command,
        input=stdin,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "AIRBYTE_LOGGING_ROOT": str(folder)},
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, (done.stdout[-4_000:] + done.stderr[-4_000:]).decode()
    return done.stdout


def written(folder: Path, name: str, value: Json) -> Path:
    file = folder / f"{name}.json"
    file.write_text(json.dumps(value))
    return file


def connector_config(folder: Path, heap: Sandbox, api: Json) -> Path:
    return written(folder, "config", {"app_id": APP_ID, "base_url": heap.url, "api": api})


def pyairbyte_syncs(
    folder: Path, heap: Sandbox, api: Json, streams: list[str], states: list[str], *options: str
) -> list[Sync]:
    """One sync after another, as many as `states`, each with the state kept under that name."""
    source = Tap.on(program_of("source-faker", "source-faker"), folder / "source")
    connector = Tap.on(CONNECTOR, folder / "connector")
    command: list[str | Path] = [program_of("pyairbyte", "python"), HERE / "pyairbyte_sync.py"]
    command += ["--source", source.program, "--destination", connector.program]
    command += ["--config", connector_config(folder, heap, api)]
    for stream in streams:
        command += ["--stream", stream]
    command += ["--count", str(COUNT), *options]
    for state in states:
        command += ["--state", folder / f"{state}.duckdb"]
    run(command, folder)
    calls = list(zip(source.said("read"), connector.said("write"), strict=True))
    for read, wrote in calls:
        assert_nothing_shown(read, wrote)
    return [Sync(records_in(read), states_in(read), states_in(wrote)) for read, wrote in calls]


def position(state: Json) -> tuple[str, Json, float]:
    """What a source wants back of its state: the stream, how far it is, records since the last."""
    stream = state["stream"]
    count = state["sourceStats"]["recordCount"]
    return stream["stream_descriptor"]["name"], stream["stream_state"], count


def assert_states_are_the_sources(done: Sync) -> None:
    assert done.source_states
    assert [position(state) for state in done.states] == [
        position(state) for state in done.source_states
    ]
    for state in done.states:
        stats = state["destinationStats"]
        assert stats["recordCount"] == state["sourceStats"]["recordCount"]
        assert stats["rejectedRecordCount"] == 0
    assert sum(s["destinationStats"]["recordCount"] for s in done.states) == len(done.records)


def assert_nothing_shown(read: list[Json], wrote: list[Json]) -> None:
    """No value of the source's records is in what the connector said, states aside."""
    fed, shown = ([json.dumps(message).encode() for message in said] for said in (read, wrote))
    assert not leaks(fed, None, shown)


def leaves(value: Json, prefix: str = "") -> Json:
    """Every scalar under its dotted path."""
    found: Json = {}
    for name, inner in value.items():
        found |= (
            leaves(inner, f"{prefix}{name}.")
            if isinstance(inner, dict)
            else {f"{prefix}{name}": inner}
        )
    return found


def test_a_thousand_users(heap: Sandbox, tmp_path: Path) -> None:
    """Every user of the source is in Heap with all leaves, its `id` beside Heap's own.

    The check before it leaves nothing in Heap.
    """
    api = {"api_type": "add_user_properties", "identity_column": "email"}
    mode = "--write-strategy", "append"
    (done,) = pyairbyte_syncs(tmp_path, heap, api, ["users"], ["kept"], "--check", *mode)

    assert len(done.records) == COUNT
    held = {user["identity"]: user["properties"] for user in heap.users(app_id=APP_ID)}
    expected = {}
    for user in done.records:
        properties = leaves(user)
        properties["users_id"] = properties.pop("id")
        assert {"name", "age", "address.city"} <= properties.keys()
        expected[user["email"]] = properties
    assert held == expected
    assert heap.stats()["events"] == 0
    assert_states_are_the_sources(done)


def test_purchases_three_times(heap: Sandbox, tmp_path: Path) -> None:
    """An incremental sync adds nothing where nothing is new; nor does one whose state was lost.

    The second sync starts from the state that the connector emitted in the first. The third has
    none, so the source says everything again, and the primary key keeps each event single.
    """
    api = {
        "api_type": "track",
        "event_column": "product_id",
        "identity_column": "user_id",
        "timestamp_column": "created_at",
        "property_columns": "id as purchase, purchased_at, returned_at",
    }
    states = ["kept", "kept", "lost"]
    mode = "--write-strategy", "merge"
    first, second, third = pyairbyte_syncs(tmp_path, heap, api, ["purchases"], states, *mode)

    assert len(first.records) == len(third.records) == COUNT
    assert second.records == []
    for done in (first, second, third):
        assert_states_are_the_sources(done)
    events = heap.events(app_id=APP_ID)
    assert len({event["idempotency_key"] for event in events}) == len(events) == COUNT
    assert heap.stats()["repeats_absorbed"] == COUNT

    def by_purchase(event: Json) -> int:
        purchase: int = event["properties"]["purchase"]
        return purchase

    fields = "event", "identity", "timestamp", "properties"
    assert [
        {name: event[name] for name in fields} for event in sorted(events, key=by_purchase)
    ] == [event_of(purchase) for purchase in first.records]


def event_of(purchase: Json) -> Json:
    optional = {
        name: purchase[name]
        for name in ("purchased_at", "returned_at")
        if purchase.get(name) is not None
    }
    # The source says neither zone nor milliseconds here, but microseconds.
    created = datetime.fromisoformat(purchase["created_at"]).replace(tzinfo=UTC)
    return {
        "event": str(purchase["product_id"]),
        "identity": str(purchase["user_id"]),
        "timestamp": created.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "properties": {"purchase": purchase["id"], **optional},
    }


def test_users_and_purchases_in_one_sync_twice(heap: Sandbox, tmp_path: Path) -> None:
    """Both land by one `write`. The next adds nothing, nor does one whose state was lost."""
    api = {
        "api_type": "by_stream",
        "streams": [
            {
                "stream": "users",
                "api": {"api_type": "add_user_properties", "identity_column": "id"},
            },
            {
                "stream": "purchases",
                "api": {
                    "api_type": "track",
                    "event_column": "'Purchased'",
                    "identity_column": "user_id",
                    "property_columns": "id as purchase, product_id",
                },
            },
        ],
    }
    mode = "--write-strategy", "merge"
    names, states = ["users", "purchases"], ["kept", "kept", "lost"]
    first, second, third = pyairbyte_syncs(tmp_path, heap, api, names, states, "--check", *mode)

    assert len(first.records) == len(third.records) == 2 * COUNT
    assert second.records == []
    for done in (first, second, third):
        assert_each_stream_has_its_states(done)
    events = heap.events(app_id=APP_ID)
    purchases = [record for record in first.records if "user_id" in record]
    assert {event["properties"]["purchase"] for event in events} == {p["id"] for p in purchases}
    assert len(events) == len(purchases) == COUNT
    assert heap.stats()["repeats_absorbed"] == COUNT
    users = {str(record["id"]) for record in first.records if "user_id" not in record}
    held = {user["identity"] for user in heap.users(app_id=APP_ID) if user["properties"]}
    assert held == users
    assert len(held) == COUNT


def assert_each_stream_has_its_states(done: Sync) -> None:
    """In the order of the source, counting its own records; between streams there is none."""
    by_stream: dict[str, tuple[list[Json], list[Json]]] = {}
    for which, states in enumerate((done.source_states, done.states)):
        for state in states:
            name = state["stream"]["stream_descriptor"]["name"]
            by_stream.setdefault(name, ([], []))[which].append(state)
    for source_states, states in by_stream.values():
        count = sum(state["sourceStats"]["recordCount"] for state in source_states)
        records: list[Json] = [{}] * int(count)
        assert_states_are_the_sources(Sync(records, source_states, states))


def test_products_as_the_platform_pipes_them(heap: Sandbox, tmp_path: Path) -> None:
    """Every product is an account in Heap, and each state comes back with the platform's `id`.

    The platform passes records and states on, and numbers the states.
    """
    product = {
        "stream": {
            "name": "products",
            "json_schema": {},
            "supported_sync_modes": ["full_refresh", "incremental"],
        },
        "sync_mode": "incremental",
        "destination_sync_mode": "append",
    }
    catalog = written(tmp_path, "catalog", {"streams": [product]})
    faker = written(tmp_path, "faker", {"seed": 42, "records_per_slice": 10, "parallelism": 1})
    source = program_of("source-faker", "source-faker")
    said = messages(run([source, "read", "--config", faker, "--catalog", catalog], tmp_path))
    passed_on = [message for message in said if message["type"] in {"RECORD", "STATE"}]
    for number, state in enumerate(states_in(passed_on)):
        state["id"] = number

    api = {"api_type": "add_account_properties", "account_id_column": "id"}
    config = connector_config(tmp_path, heap, api)
    stdin = b"".join(json.dumps(message).encode() + b"\n" for message in passed_on)
    wrote = messages(
        run([CONNECTOR, "write", "--config", config, "--catalog", catalog], tmp_path, stdin)
    )

    assert_nothing_shown(said, wrote)
    products = records_in(said)
    assert len(products) == 100
    held = {account["account_id"]: account["properties"] for account in heap.accounts()}
    assert held == {str(product["id"]): product for product in products}
    done = Sync(products, states_in(passed_on), states_in(wrote))
    assert_states_are_the_sources(done)
    assert [state["id"] for state in done.states] == list(range(len(done.source_states)))
