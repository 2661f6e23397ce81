"""What is typed becomes the configuration, and what is wrong with it finds its field."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bulk_destination.studio.form import Input, blamed, entry_of, inputs, mended, parts_of, read
from destination_heap_analytics.service import HEAP

ROOT = Path(__file__).parents[2]


def _specification(connector: str) -> Any:
    return json.loads((ROOT / connector / "spec.json").read_bytes())["connectionSpecification"]


PARTS = parts_of(_specification("destination_heap_analytics"))
TRACK = {
    "app_id": "11",
    "base_url": "https://heapanalytics.com",
    "api": "track",
    "api.track.event_column": "'Order placed'",
    "api.track.identity_column": "user_id",
    "api.track.property_columns": "*",
    "api.track.time_zone": "UTC",
    "api.add_user_properties.identity_column": "of another choice",
    "max_retry_seconds": "600",
    "object_storage_config": "None",
}


def test_what_was_typed_is_a_configuration() -> None:
    """It holds no more than that: what is as by default, or of another choice, is left out."""
    api = {"api_type": "track", "event_column": "'Order placed'", "identity_column": "user_id"}
    assert read(PARTS, TRACK) == {"app_id": "11", "api": api}
    assert HEAP.config.parse(read(PARTS, TRACK)).base_url == "https://heapanalytics.com"


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ({"max_retry_seconds": "60"}, {"max_retry_seconds": 60}),
        ({"max_retry_seconds": "a while"}, {"max_retry_seconds": "a while"}),
        ({"max_retry_seconds": "٣"}, {"max_retry_seconds": "٣"}),
        ({"max_retry_seconds": "9" * 5_000}, {"max_retry_seconds": "9" * 5_000}),
        ({"max_rejected_percent": "2.5"}, {"max_rejected_percent": 2.5}),
        ({"dry_run": "on"}, {"dry_run": True}),
        (
            {"object_storage_config": "Local", "object_storage_config.Local.path": "/rejected"},
            {"object_storage_config": {"storage_type": "Local", "path": "/rejected"}},
        ),
        ({"object_storage_config": "what is this"}, {}),
    ],
)
def test_a_value_has_the_type_of_its_field(typed: dict[str, str], found: dict[str, Any]) -> None:
    """What is none of that type stays as it was typed, and is told of by the configuration."""
    config = read(PARTS, TRACK | typed)
    assert {key: value for key, value in config.items() if key not in {"app_id", "api"}} == found


def test_each_stream_of_a_sample_has_an_entry() -> None:
    parts = parts_of(_specification("destination_heap_analytics"), [("orders", None), ("u", "crm")])
    names = [field.name for field in inputs(parts, {"api": "by_stream"})]
    assert "api.by_stream.streams.1.api.track.event_column" in names
    given = {
        "api": "by_stream",
        "api.by_stream.streams.0.stream": "orders",
        "api.by_stream.streams.0.api": "track",
        "api.by_stream.streams.1.stream": "u",
        "api.by_stream.streams.1.namespace": "elsewhere",
        "api.by_stream.streams.1.api": "add_user_properties",
        "api.by_stream.streams.1.api.add_user_properties.identity_column": "id",
    }
    assert read(parts, given)["api"]["streams"] == [
        {"stream": "orders", "api": {"api_type": "track"}},
        {
            "stream": "u",
            "namespace": "elsewhere",
            "api": {"api_type": "add_user_properties", "identity_column": "id"},
        },
    ]


@pytest.mark.parametrize("connector", ["destination_heap_analytics", "destination_hackle"])
def test_every_field_of_the_form_is_there_once(connector: str) -> None:
    names = [field.name for field in inputs(parts_of(_specification(connector)))]
    assert len(names) == len(set(names))
    leaves = _leaves(_specification(connector))
    assert len(names) == leaves


def _leaves(schema: Mapping[str, Any]) -> int:
    count = 0
    for part in schema.get("properties", {}).values():
        if "oneOf" in part:
            count += sum(map(_leaves, part["oneOf"]))
        elif "items" in part:
            count += _leaves(part["items"])
        elif "const" not in part:
            count += 1
    return count


def test_a_secret_is_left_out_where_it_is_not_asked_for() -> None:
    parts = parts_of(_specification("destination_hackle"))
    given = {"sdk_key": "s3cret", "event_key_column": "e", "user_id_column": "u"}
    assert read(parts, given)["sdk_key"] == "s3cret"
    assert "s3cret" not in json.dumps(read(parts, given, secrets=False))


def test_a_mapping_is_seen_before_the_account_is_known() -> None:
    """But no example stands in for a column: what would be seen then is somebody else's mapping."""
    wrong = ["app_id", "base_url", "api.event_column"]
    config = {"base_url": "nowhere", "api": {"api_type": "track"}, "dry_run": True}
    found = mended(PARTS, config, wrong)
    assert found["app_id"].isdigit()
    assert "base_url" not in found
    assert found["api"] == {"api_type": "track"}
    hackle = parts_of(_specification("destination_hackle"))
    assert mended(hackle, {}, ["sdk_key", "event_key_column"]).keys() == {"sdk_key"}


@pytest.mark.parametrize(
    ("reason", "key"),
    [
        ("identity_of_no_single_person", "identity_column"),
        ("event_missing", "event_column"),
        ("event_id_missing", "event_id_column"),
        ("timestamp_is_year_9999", "timestamp_column"),
        ("unreadable", None),
    ],
)
def test_the_field_to_blame(reason: str, key: str | None) -> None:
    found = blamed(PARTS, TRACK, reason)
    assert (found.key if isinstance(found, Input) else None) == key


@pytest.mark.parametrize(
    ("stream", "at"), [(("orders", "a"), 0), (("orders", "b"), 1), (("users", None), 2)]
)
def test_the_field_to_blame_is_of_the_records_own_stream(
    stream: tuple[str, str | None], at: int
) -> None:
    streams = [("orders", "a"), ("orders", "b"), ("users", None)]
    parts = parts_of(_specification("destination_heap_analytics"), streams)
    given = {"api": "by_stream"}
    for number, (name, namespace) in enumerate(streams):
        entry = f"api.by_stream.streams.{number}"
        given |= {f"{entry}.stream": name, f"{entry}.namespace": namespace or ""}
        given |= {f"{entry}.api": "track", f"{entry}.api.track.identity_column": "id"}
    found = blamed(entry_of(parts, given, stream), given, "identity_missing")
    assert found is not None
    assert found.path.startswith(f"api.streams.{at}.")
