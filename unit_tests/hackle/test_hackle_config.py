"""Hackle's configuration and form: one frozen value, or every fault at once."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bulk_destination.errors import ConfigurationError
from bulk_destination.mapping.stream import Stream
from destination_hackle.config import HackleConfig
from destination_hackle.payloads import UserEvents

ROOT = Path(__file__).parents[2]
LEAST = {"sdk_key": "k3y", "event_key_column": "event", "user_id_column": "user"}
SPEC = json.loads((ROOT / "destination_hackle/spec.json").read_bytes())
FORM = SPEC["connectionSpecification"]
S3 = {
    "storage_type": "S3",
    "s3_bucket_name": "b-1",
    "s3_bucket_region": "us-east-1",
    "bucket_path": "a/b",
}


def _faults(raw: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as raised:
        HackleConfig.parse(raw)
    return {fault.path: fault.message for fault in raised.value.faults}


def test_least_configuration() -> None:
    """Key and two columns are enough; no pace is kept unless one is set."""
    config = HackleConfig.parse(LEAST)
    assert config.base_url == "https://event.hackle.io"
    assert config.property_columns == "*"
    assert (config.value_column, config.timestamp_column) == (None, None)
    assert config.quotas is None
    paced = HackleConfig.parse({**LEAST, "events_per_minute": 600}).quotas
    assert paced is not None
    assert (paced.per_app, paced.per_identity) == (600, 0)


def test_all_faults_at_once() -> None:
    """Each with its path, and none with the value."""
    faults = _faults(
        {
            "sdk_key": "s3cret\nkey",
            "base_url": "http://event.hackle.io",
            "user_id_column": " ",
            "value_column": 7,
            "property_columns": "a, b as a",
            "events_per_minute": -1,
            "object_storage_config": {**S3, "s3_bucket_name": "s3://b"},
        }
    )
    assert faults.keys() == {
        *("sdk_key", "base_url", "event_key_column", "user_id_column", "value_column"),
        *("property_columns", "events_per_minute", "object_storage_config.s3_bucket_name"),
    }
    assert faults["event_key_column"] == "is required"
    assert faults["sdk_key"] == "must be the key alone, without blanks"
    assert "s3cret" not in str(faults)


def test_storage_is_told_apart_by_its_constant() -> None:
    """A choice that is not there is named as such."""
    for store, words in (
        ({}, "is required: `None`, `Local` or `S3`"),
        ({"storage_type": "GCS"}, "must be `None`, `Local` or `S3`"),
    ):
        found = _faults({**LEAST, "object_storage_config": store})
        assert found == {"object_storage_config.storage_type": words}


def test_the_key_is_not_shown() -> None:
    """Not by accident, either."""
    assert "k3y" not in repr(HackleConfig.parse(LEAST))


def test_columns_that_the_stream_lacks() -> None:
    """Each is named with its field and the nearest names."""
    schema: dict[str, Any] = {
        "properties": {"event": {}, "user_id": {}, "pay": {"properties": {"method": {}}}}
    }
    config = HackleConfig.parse(
        {
            **LEAST,
            "value_column": "pay.method",
            "timestamp_column": "at",
            "property_columns": "pay_method, pay.way",
        }
    )
    with pytest.raises(ConfigurationError) as raised:
        UserEvents(config, Stream("orders", schema=schema))
    faults = raised.value.faults
    assert [fault.path for fault in faults] == [
        "user_id_column",
        "timestamp_column",
        "property_columns",
    ]
    assert "the stream has no column `user`; did you mean `user_id`" in str(faults[0])
    UserEvents(config, Stream("orders"))


# -- the form -----------------------------------------------------------------------------------


def test_form_and_configuration_agree() -> None:
    """The same fields, the same required ones, the same defaults."""
    jsonschema.Draft7Validator.check_schema(FORM)
    fields = HackleConfig.model_fields
    assert list(FORM["properties"]) == sorted(
        fields, key=lambda name: int(FORM["properties"][name]["order"])
    )
    assert set(FORM["required"]) == {n for n, field in fields.items() if field.is_required()}
    for name, field in fields.items():
        shown = FORM["properties"][name]
        assert shown["title"]
        assert shown["description"]
        if not field.is_required() and field.default is not None:
            assert shown["default"] == field.default
        else:
            assert "default" not in shown
    assert [n for n, shown in FORM["properties"].items() if shown.get("airbyte_secret")] == [
        "sdk_key"
    ]


def test_rejected_records_as_for_heap() -> None:
    """One place for rejected records, one form for it."""
    heap = json.loads((ROOT / "destination_heap_analytics/spec.json").read_bytes())
    shown, of_heap = (
        json.dumps(form["properties"]["object_storage_config"]["oneOf"])
        for form in (FORM, heap["connectionSpecification"])
    )
    assert shown == of_heap.replace("heap/rejected", "hackle/rejected")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"sdk_key": " k3y\n", "base_url": " https://event.hackle.io/ "},
        {"base_url": "http://localhost:8088", "value_column": "", "timestamp_column": "at"},
        {"object_storage_config": S3},
        {"object_storage_config": {"storage_type": "None"}, "events_per_minute": 0},
    ],
)
def test_taken_by_both(change: dict[str, Any]) -> None:
    """What the form takes is taken."""
    jsonschema.Draft7Validator(FORM).validate({**LEAST, **change})
    HackleConfig.parse({**LEAST, **change})


@pytest.mark.parametrize(
    "change",
    [
        *({"sdk_key": key} for key in ("", " ", "a b", "ключ", 7)),
        *({"base_url": url} for url in ("event.hackle.io", "http://event.hackle.io", "https://")),
        *({"event_key_column": column} for column in ("", " ", None)),
        {"user_id_column": 1},
        {"requests_in_flight": 17},
        {"max_retry_seconds": 0},
        {"events_per_minute": "600"},
        {"object_storage_config": {"storage_type": "Local", "path": "rejected"}},
    ],
)
def test_refused_by_both(change: dict[str, Any]) -> None:
    """What the form refuses is refused."""
    assert not jsonschema.Draft7Validator(FORM).is_valid({**LEAST, **change})
    with pytest.raises(ConfigurationError):
        HackleConfig.parse({**LEAST, **change})
