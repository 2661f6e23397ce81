"""Heap's form, `spec.json`, in agreement with what the configuration's model takes."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bulk_destination.errors import ConfigurationError
from bulk_destination.rejected.object_storage_config import LocalStorage, NoStorage, S3Storage
from destination_heap_analytics.config import (
    AccountPropertiesConfig,
    ByObject,
    ByStream,
    DeleteUsersConfig,
    HeapConfig,
    StreamConfig,
    TrackConfig,
    UserPropertiesConfig,
)

ROOT = Path(__file__).parents[2]
FORM = json.loads((ROOT / "destination_heap_analytics/spec.json").read_bytes())[
    "connectionSpecification"
]
#: A configuration as this form makes it, and one as that of 0.1.x did.
GOOD: dict[str, Any] = {
    "app_id": "3000610572",
    "base_url": "https://c.eu.heap-api.com",
    "api": {
        "api_type": "track",
        "event_column": "name",
        "identity_column": "who",
        "property_columns": "a, b.* , c as d",
    },
}
PUBLISHED: dict[str, Any] = {
    "app_id": "11",
    "base_url": "https://heapanalytics.com",
    "api": {
        "api_type": "track",
        "property_columns": "*",
        "event_column": "e",
        "identity_column": "i",
        "timestamp_column": "",
    },
}

SIMPLE = {
    "track": TrackConfig,
    "add_user_properties": UserPropertiesConfig,
    "add_account_properties": AccountPropertiesConfig,
}
MODELS = {
    **SIMPLE,
    "by_stream": ByStream,
    "by_object": ByObject,
    "delete_users": DeleteUsersConfig,
}
#: What the form shows of one stream of several.
ENTRY = FORM["properties"]["api"]["oneOf"][3]["properties"]["streams"]["items"]
STORAGES = {"None": NoStorage, "S3": S3Storage, "Local": LocalStorage}


def test_form_and_configuration_agree() -> None:
    """The same fields, the same required ones, the same defaults."""
    # Airbyte shows `oneOf` as a choice only where a constant tells the options apart.
    apis = FORM["properties"]["api"]["oneOf"]
    assert [option["properties"]["api_type"]["const"] for option in apis] == list(MODELS)
    pairs: list[tuple[dict[str, Any], Any]] = [(FORM, HeapConfig), (ENTRY, StreamConfig)]
    for option in FORM["properties"]["api"]["oneOf"]:
        pairs.append((option, MODELS[option["properties"]["api_type"]["const"]]))
    for option in FORM["properties"]["object_storage_config"]["oneOf"]:
        pairs.append((option, STORAGES[option["properties"]["storage_type"]["const"]]))
    for shown, model in pairs:
        fields = model.model_fields
        assert set(shown["properties"]) == set(fields)
        required = {name for name, field in fields.items() if field.is_required()}
        assert set(shown["required"]) == required
        for name, field in fields.items():
            if not field.is_required() and field.default is not None:
                default = shown["properties"][name].get("default")
                assert default == field.default, name


def test_a_stream_of_several_in_the_form() -> None:
    """Its choices are those of a single stream, written out: Airbyte's form resolves no `$ref`."""
    assert "$ref" not in json.dumps(FORM)
    apis = FORM["properties"]["api"]["oneOf"]
    assert ENTRY["properties"]["api"]["oneOf"] == apis[: len(SIMPLE)]
    for each in (ENTRY, *apis):
        assert [field["order"] for field in each["properties"].values()] == list(
            range(len(each["properties"]))
        )
        for name, field in each["properties"].items():
            assert name == "api_type" or (field["title"] and field["description"])


def test_the_key_in_the_form_is_a_secret() -> None:
    """Airbyte masks it, in the form and in what it stores; it does so below `oneOf` alone."""
    options = FORM["properties"]["api"]["oneOf"]
    secret = {
        (option["properties"]["api_type"]["const"], name)
        for option in options
        for name, field in option["properties"].items()
        if field.get("airbyte_secret")
    }
    assert secret == {("delete_users", "api_key")}


def test_rejected_records_in_the_form() -> None:
    """A choice by a constant, each field explained, and what is secret is marked so."""
    shown = FORM["properties"]["object_storage_config"]
    assert shown["title"]
    assert shown["description"]
    secret = set()
    for option in shown["oneOf"]:
        assert option["title"] == option["properties"]["storage_type"]["const"]
        for name, field in option["properties"].items():
            assert field["type"] == "string"
            assert name == "storage_type" or (field["title"] and field["description"])
            if field.get("airbyte_secret"):
                secret.add(name)
        assert [field["order"] for field in option["properties"].values()] == list(
            range(len(option["properties"]))
        )
    assert [option["title"] for option in shown["oneOf"]] == list(STORAGES)
    assert secret == {"access_key_id", "secret_access_key"}


def test_what_the_form_takes_is_taken() -> None:
    """Valid and invalid configurations are told apart alike by the form and by the connector."""
    form = jsonschema.Draft7Validator(FORM)
    bucket = {"s3_bucket_name": "b-1", "s3_bucket_region": "us-east-1", "bucket_path": "a/b"}
    s3 = {"storage_type": "S3", **bucket}
    key = {"access_key_id": "a", "secret_access_key": "b"}
    stores = [
        {"storage_type": "None"},
        {"storage_type": "Local", "path": "/rejected"},
        s3,
        {**s3, **key, "s3_endpoint": "http://localhost:9000"},
        {**s3, "access_key_id": "", "secret_access_key": "", "role_arn": "", "s3_endpoint": ""},
    ]
    several = [
        {"stream": "orders", "api": GOOD["api"]},
        {"stream": "users", "namespace": "", "api": {"api_type": "add_user_properties"}},
        {"stream": " users ", "namespace": "crm", "api": {"api_type": "add_account_properties"}},
    ]
    several[1]["api"]["identity_column"] = several[2]["api"]["account_id_column"] = "id"
    by_stream = GOOD | {"api": {"api_type": "by_stream", "streams": several}}
    by_object = GOOD | {"api": {"api_type": "by_object"}}
    storing = [GOOD | {"object_storage_config": store} for store in stores]
    pasted = copy.deepcopy(GOOD) | {"app_id": " 11 ", "base_url": " https://heapanalytics.com/ "}
    local = copy.deepcopy(GOOD) | {"base_url": "http://localhost:8087"}
    for config in (GOOD, PUBLISHED, pasted, local, by_stream, by_object, *storing):
        form.validate(config)
        HeapConfig.parse(config)
    for change in (
        {"app_id": "abc"},
        {"app_id": 11},
        {"app_id": ""},
        {"base_url": "http://heapanalytics.com"},
        {"base_url": 1},
        {"base_url": "https://"},
        {"base_url": "heapanalytics.com"},
        {"base_url": "https://heapanalytics.com/?a=b"},
        {"api": {"api_type": "track", "event_column": "e"}},
        {"api": {"api_type": "track", "event_column": "e", "identity_column": " "}},
        {"api": {"api_type": "other"}},
        {"api": {"api_type": "by_stream"}},
        {"api": {"api_type": "by_stream", "streams": []}},
        {"api": {"api_type": "by_stream", "streams": [{"stream": "orders"}]}},
        {"api": {"api_type": "by_stream", "streams": [{"stream": " ", "api": GOOD["api"]}]}},
        {"api": {"api_type": "by_stream", "streams": [{"stream": "a", "api": by_stream["api"]}]}},
        {"api": {"api_type": "by_stream", "streams": [{"stream": "a", "api": by_object["api"]}]}},
        {"requests_in_flight": 0},
        {"requests_in_flight": "4"},
        {"max_retry_seconds": 0.5},
        {"object_storage_config": {"storage_type": "GCS"}},
        {"object_storage_config": {"storage_type": "Local", "path": "rejected"}},
        {"object_storage_config": {**s3, "s3_bucket_name": "s3://b"}},
        {"object_storage_config": {**s3, "s3_endpoint": "http://minio.example.com"}},
    ):
        config = copy.deepcopy(GOOD) | change
        assert not form.is_valid(config), change
        with pytest.raises(ConfigurationError):
            HeapConfig.parse(config)
