"""The three examples of the connector's documentation, input to output, to the letter."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bulk_destination.mapping.stream import Stream
from destination_heap_analytics.apis import make_api
from destination_heap_analytics.config import HeapConfig

GOLDEN = Path(__file__).with_name("golden")
EXAMPLES = ["track", "add_user_properties", "add_account_properties"]


def _load(name: str) -> dict[str, Any]:
    example: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return example


def _schema_of(value: object) -> dict[str, Any]:
    if isinstance(value, dict):
        return {"type": "object", "properties": {k: _schema_of(v) for k, v in value.items()}}
    return {"type": ["null", "boolean" if isinstance(value, bool) else "string"]}


def _payload(example: dict[str, Any], schema: dict[str, Any] | None) -> dict[str, Any]:
    config = HeapConfig.parse(example["config"])
    stream = Stream("users", schema=schema)
    payload = make_api(config.api, stream).payload(example["record"], 1_666_325_394_622)
    assert isinstance(payload, tuple)
    body: dict[str, Any] = json.loads(payload[1])
    return body


@pytest.mark.parametrize("with_schema", [True, False], ids=["listed columns", "silent schema"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_documented_example(name: str, with_schema: bool) -> None:
    """The documented record becomes the documented payload, whatever the schema says."""
    example = _load(name)
    body = _payload(example, _schema_of(example["record"]) if with_schema else None)
    key = body.pop("idempotency_key", None)
    assert body == example["expected"]
    assert (key is not None) == (name == "track")


def test_documented_event_has_an_idempotency_key() -> None:
    """An event carries a key of 32 hexadecimal digits."""
    key = _payload(_load("track"), None)["idempotency_key"]
    assert re.fullmatch(r"[0-9a-f]{32}", key)


def test_the_record_s_own_nickname_is_sent() -> None:
    """The record says `Noe`; the document's `Neo` is a slip."""
    assert _payload(_load("add_user_properties"), None)["properties"]["nickname"] == "Noe"
