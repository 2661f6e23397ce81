"""PyAirbyte's smoke test of a destination: small streams of data that destinations stumble over.

It only asks whether the destination ended well. What counts here is what the service holds.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import sandbox.hackle
from integration_tests.chaos.scenario import Service
from sandbox.hackle.sandbox import workspace_of
from sandbox.heap import Sandbox, running

HERE = Path(__file__).parent
PYTHON = HERE.parents[1] / ".cache" / "pyairbyte" / "bin" / "python"
CONNECTORS: dict[Service, Path] = {
    "heap": Path(sys.executable).with_name("destination-heap-analytics"),
    "hackle": Path(sys.executable).with_name("destination-hackle"),
}
PATIENCE = 600

#: What the scenarios are loaded by, unless named below: each has a column `id`.
USERS = {"api_type": "add_user_properties", "identity_column": "id"}
OTHER_APIS = {
    "schema_with_no_primary_key": {
        "api_type": "track",
        "event_column": "event_type",
        "identity_column": "event_id",
    }
}
#: What becomes an event of Hackle: the columns of its key, its user and its value.
USER_EVENTS = {
    "basic_types": ("name", "id", "amount"),
    "unicode_and_special_strings": ("unicode_text", "id", ""),
    "large_string_values": ("short_value", "id", ""),
    "large_batch_stream": ("category", "id", "value"),
    "schema_with_no_primary_key": ("event_type", "event_id", ""),
    "duplicate_primary_keys": ("name", "id", ""),
}
#: Each runs alone, and all of them at once, as so many streams of one connection.
SCENARIOS = {
    *("basic_types", "timestamp_types", "time_types", "null_handling", "union_types"),
    *("large_decimals_and_numbers", "special_number_values", "large_string_values"),
    *("nested_json_objects", "array_of_primitives", "unicode_and_special_strings"),
    *("column_naming_edge_cases", "table_naming_edge_cases", "CamelCaseStreamName"),
    *("wide_table_50_columns", "long_column_names", "sparse_records", "duplicate_primary_keys"),
    *("empty_stream", "single_record_stream", "large_batch_stream", "schema_with_no_primary_key"),
}
SEVERAL = ",".join(sorted(SCENARIOS))
#: One configuration for all; blanks and dots of a name are as they come.
ALL_AT_ONCE = {
    "api_type": "by_stream",
    "streams": [
        {"stream": name, "api": OTHER_APIS.get(name, USERS)}
        for name in sorted({*SCENARIOS, "_preflight_basic_types"})
    ],
}

Json = dict[str, Any]


def test_smoke(tmp_path: Path) -> None:
    """Each scenario is delivered, and every user or event of it is in Heap.

    All at once, too, after a preflight that passed: users of all streams that have the same `id`
    are one, and of events each is there.
    """
    app_ids = {name: str(number) for number, name in enumerate([*sorted(SCENARIOS), SEVERAL], 1)}
    with running() as heap:
        plan = [
            {
                "scenarios": name,
                "config": {
                    "app_id": app_id,
                    "base_url": heap.url,
                    "api": ALL_AT_ONCE if name == SEVERAL else OTHER_APIS.get(name, USERS),
                },
                "preflight": name == SEVERAL,
            }
            for name, app_id in app_ids.items()
        ]
        results = smoke_tested("heap", plan, tmp_path)
        assert_all_at_once(heap, app_ids.pop(SEVERAL), results.pop(SEVERAL))
        for name, found in results.items():
            assert found["error"] is None, f"{name}: {found['error']}"
            assert found["success"], name
            assert found["records_delivered"] == len(found["records"]), name
        assert results.keys() == SCENARIOS
        assert_all_arrived(heap, app_ids, {name: results[name]["records"] for name in results})


def test_smoke_of_hackle(tmp_path: Path) -> None:
    """Each scenario that has a text for the event key is delivered, and its events are there."""
    with sandbox.hackle.running() as hackle:
        plan = [
            {
                "scenarios": name,
                "config": {
                    "sdk_key": name,
                    "base_url": hackle.url,
                    "event_key_column": key,
                    "user_id_column": user,
                    "value_column": value,
                },
                "preflight": False,
            }
            for name, (key, user, value) in USER_EVENTS.items()
        ]
        results = smoke_tested("hackle", plan, tmp_path, "--some")
        assert results.keys() == USER_EVENTS.keys()
        for name, found in results.items():
            assert found["error"] is None, f"{name}: {found['error']}"
            assert found["records_delivered"] == len(found["records"]), name
            events = hackle.events(workspace=workspace_of(name))
            assert_user_events(name, found["records"], events)


def assert_user_events(scenario: str, records: list[Json], events: list[Json]) -> None:
    """The first record of each primary key is an event, if it has an event key.

    Without a primary key, each different record is one.
    """
    key, user, value = USER_EVENTS[scenario]
    first: dict[Any, Json] = {}
    for record in records:
        if record[key]:
            first.setdefault(record.get("id", json.dumps(record, sort_keys=True)), record)
    expected = Counter((one[key], str(one[user]), one.get(value)) for one in first.values())
    found = Counter((event["event_key"], event["user_id"], event["value"]) for event in events)
    assert found == expected, scenario
    landed = [event["properties"] for event in events]
    for record in first.values():
        scalars = {
            name: one[:1_024] if isinstance(one, str) else one
            for name, one in record.items()
            if isinstance(one, str | bool | int | float)
        }
        assert any(scalars.items() <= properties.items() for properties in landed), scenario


def smoke_tested(
    service: Service, plan: list[Json], folder: Path, *options: str
) -> dict[str, Json]:
    """What `pyairbyte_smoke.py` says of each test; it inherits nothing of the shell."""
    if not PYTHON.exists():
        pytest.fail("PyAirbyte is not installed: run `make integration-tests`")
    done = subprocess.run(
        [PYTHON, HERE / "pyairbyte_smoke.py", "--destination", CONNECTORS[service], *options],
        input=json.dumps(plan),
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "AIRBYTE_LOGGING_ROOT": str(folder)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    return {line["scenarios"]: line for line in map(json.loads, done.stdout.splitlines())}


def assert_all_at_once(heap: Sandbox, app_id: str, found: Json) -> None:
    """All streams were delivered by one sync, each as its entry says."""
    assert found["preflight_passed"] is True
    assert found["error"] is None, found["error"]
    assert found["success"]
    assert found["records_delivered"] == len(found["records"])
    users = {user["identity"]: user["properties"] for user in heap.users(app_id=app_id)}
    wanted = {str(record["id"]) for record in found["records"] if record.get("id") is not None}
    assert wanted <= users.keys()
    # A user that several streams know has what each of them says.
    assert {"basic_types_id", "null_handling_id", "wide_table_50_columns_id"} <= users["1"].keys()
    events = {(event["event"], event["identity"]) for event in heap.events(app_id=app_id)}
    assert events == {("click", "evt_001"), ("view", "evt_002")}


def assert_all_arrived(
    heap: Sandbox, app_ids: dict[str, str], records: dict[str, list[Json]]
) -> None:
    """What each scenario is about is in Heap as it should be."""
    held = {
        name: {user["identity"]: user["properties"] for user in heap.users(app_id=app_id)}
        for name, app_id in app_ids.items()
    }
    for name in SCENARIOS - OTHER_APIS.keys():
        assert_scalars_arrived(name, records[name], held[name])
    assert held["empty_stream"] == {}
    assert len(held["large_batch_stream"]) == 1_000
    nested = held["nested_json_objects"]["1"]
    assert nested["metadata.tags"] == "a||b||c"
    assert nested["nested_deep.level1.level2.value"] == "deep"
    assert nested["items_array.0.sku"] == "ABC"
    assert held["array_of_primitives"]["1"]["integer_array"] == "1||2||3"
    assert held["union_types"]["1"]["object_or_string.key"] == "value"
    # The rows of `schema_with_no_primary_key` that are the same to the letter are one event.
    events = heap.events(app_id=app_ids["schema_with_no_primary_key"])
    assert {(event["event"], event["identity"]) for event in events} == {
        ("click", "evt_001"),
        ("view", "evt_002"),
    }
    assert len(events) == 2


def assert_scalars_arrived(stream: str, records: list[Json], users: dict[str, Json]) -> None:
    """Each user has the last value that is not null of every column that holds a scalar.

    Heap reserves `id`, and takes texts of fewer than 1,024 characters.
    """
    expected: dict[str, Json] = {}
    for record in records:
        user = expected.setdefault(str(record["id"]), {})
        for name, value in record.items():
            if isinstance(value, str):
                user[name] = value[:1_023]
            elif isinstance(value, bool | int | float):
                user[f"{stream}_id" if name == "id" else name] = value
    assert users.keys() == expected.keys(), stream
    for identity, properties in expected.items():
        assert properties.items() <= users[identity].items(), f"{stream}, user {identity}"
