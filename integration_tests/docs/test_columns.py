"""docs/columns.md and docs/recipes.md, read as data: what they show becomes what they show."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from bulk_destination.mapping.grammar import read_value
from bulk_destination.mapping.lookups import Found, compile_expression
from bulk_destination.mapping.schema import read_schema
from bulk_destination.mapping.stream import Stream
from bulk_destination.mapping.values import Rejected, Skipped
from destination_heap_analytics.apis import make_api
from destination_heap_analytics.config import HeapConfig
from integration_tests.docs.markdown import Text, code

Json = dict[str, Any]

COLUMNS, RECIPES = Text.of("docs/columns.md"), Text.of("docs/recipes.md")


def _schema_of(value: object) -> Json:
    if isinstance(value, dict):
        return {"type": "object", "properties": {k: _schema_of(one) for k, one in value.items()}}
    return {}


def _becomes(api: Json, record: Json, schema: Json | None) -> Json:
    config = HeapConfig.parse({"app_id": "11", "api": api}).api
    payload = make_api(config, Stream("users", schema=read_schema(schema))).payload(record, 1_000)
    if isinstance(payload, Rejected):
        return {"rejected": payload.reason}
    if isinstance(payload, Skipped):
        return {"skipped": payload.reason}
    body: Json = json.loads(payload[1])
    if "idempotency_key" in body:
        assert re.fullmatch("[0-9a-f]{32}", body["idempotency_key"])
        body["idempotency_key"] = "KEY"
    return body


def _record(section: str) -> Json:
    (shown,) = re.findall(r"For the record `(.+?)`:", COLUMNS.below(section).source)
    record: Json = json.loads(shown)
    return record


@pytest.mark.parametrize("with_schema", [True, False], ids=["listed columns", "silent schema"])
@pytest.mark.parametrize(
    ("written", "gives"), [row[::2] for row in COLUMNS.below("One value").rows]
)
def test_one_value(written: str, gives: str, with_schema: bool) -> None:
    """Each row gives what it says, for the record above the table."""
    record = _record("One value")
    schema = read_schema(_schema_of(record)) if with_schema else None
    expression = read_value(code(written), "value", schema)
    assert not isinstance(expression, list), expression
    assert compile_expression(expression, schema, Found(expression))(record) == json.loads(
        code(gives)
    )


@pytest.mark.parametrize(("written", "gives"), COLUMNS.below("Properties").rows)
def test_properties(written: str, gives: str) -> None:
    """The same for `property_columns`."""
    record = {**_record("Properties"), "_ab_who": "ann"}
    users = {"api_type": "add_user_properties", "identity_column": "_ab_who"}
    body = _becomes({**users, "property_columns": code(written)}, record, _schema_of(record))
    assert body["properties"] == json.loads(code(gives))


@pytest.mark.parametrize("recipe", RECIPES.headings[1:])
def test_recipe(recipe: str) -> None:
    """Each record becomes what is shown, with a schema that lists what the records have."""
    api, records, expected = map(json.loads, RECIPES.below(recipe).blocks("json"))
    schema = _schema_of({name: value for record in records for name, value in record.items()})
    assert [_becomes(api, record, schema) for record in records] == expected


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("*", {"plan": "pro", "email": "Ann@x.com"}),
        ("*, lower(email) as email", {"plan": "pro", "email": "ann@x.com"}),
        ("* except (email)", {"plan": "pro"}),
    ],
)
def test_columns_of_other_fields(written: str, sent: Json) -> None:
    """`*` sends the column of the identity as it is written, unless it is told otherwise."""
    assert written == "*" or f"`{written}`" in COLUMNS.below("Properties").source
    users = {"api_type": "add_user_properties", "identity_column": "lower(email)"}
    record = {"plan": "pro", "email": "Ann@x.com"}
    body = _becomes({**users, "property_columns": written}, record, None)
    assert (body["identity"], body["properties"]) == ("ann@x.com", sent)
