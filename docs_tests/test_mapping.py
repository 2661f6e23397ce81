"""Every example of the documentation, by the code that maps records."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bulk_destination.catalog import Stream
from bulk_destination.record_mapper import RecordMapper
from bulk_destination.values import Rejected
from destination_heap_analytics.apis import make_api
from destination_heap_analytics.config import HeapConfig
from destination_heap_analytics.service import MAX_ITEMS
from docs_tests.markdown import ROOT, Text, code

DOCUMENT = Text.of("docs/heap-analytics.md")
README = Text.of("README.md")
GOLDEN = ROOT / "unit_tests/golden"
APIS = ["track", "add_user_properties", "add_account_properties"]
#: The time of the sync.
NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)

Json = dict[str, Any]


def api(columns: Json, stream: str = "users") -> RecordMapper:
    """An API with these columns, for a stream whose schema is silent."""
    config = HeapConfig.parse({"app_id": "11", "api": columns})
    return make_api(config.api, Stream(stream), lambda: NOW)


def mapped(columns: Json, record: Json, stream: str = "users") -> Json | Rejected:
    """What a record becomes."""
    payload = api(columns, stream).payload(record, 1_000)
    if isinstance(payload, Rejected):
        return payload
    body: Json = json.loads(payload[1])
    return body


def columns_of(api_type: str, **fields: str) -> Json:
    """The columns of an API, for records that `record_of` makes."""
    identity = "account_id_column" if "account" in api_type else "identity_column"
    event = {"event_column": "_event"} if api_type == "track" else {}
    return {"api_type": api_type, identity: "_who", **event, **fields}


def record_of(part: Json) -> Json:
    """`part` with what every API wants beside it."""
    return {"_who": "Ada of Example Street", "_event": "Seen", **part}


def properties(api_type: str, part: Json, property_columns: str) -> Json:
    """The properties that `part` of a record becomes."""
    columns = columns_of(api_type, property_columns=property_columns)
    body = mapped(columns, record_of(part))
    assert isinstance(body, dict)
    found: Json = body["properties"]
    return found


# -- whole examples -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", APIS)
def test_api_type(name: str) -> None:
    """The configuration and the record shown become what is shown; the examples are the user's."""
    configured, record, expected = map(json.loads, DOCUMENT.below(name).blocks("json"))
    body = mapped(configured, record)
    assert isinstance(body, dict)
    if name == "track":
        assert re.fullmatch("[0-9a-f]{32}", body["idempotency_key"])
        body["idempotency_key"] = "KEY"
    assert body == expected
    golden = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    assert (configured, record) == (golden["config"]["api"], golden["record"])


@pytest.mark.parametrize("name", APIS)
def test_the_readme_s_examples(name: str) -> None:
    """What its tables show of record and payload is in the example, and comes of it."""
    golden = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    title = {"track": "`track`: each record becomes an event"}
    title["add_user_properties"] = "`add_user_properties`: each record updates a user"
    title["add_account_properties"] = "`add_account_properties`: each record updates an account"
    section = README.below(title[name])
    (configured,) = map(json.loads, section.blocks("json"))
    body = mapped(configured["api"], golden["record"])
    assert isinstance(body, dict)
    rows = section.rows
    assert rows
    shown: Json = {}
    for record, payload in rows:
        for part in re.findall(r"`([^`]*)`", record):
            _assert_within(part, golden["record"])
        shown |= json.loads("{" + code(payload) + "}")
    assert shown == {key: value for key, value in body.items() if key != "idempotency_key"}


def _assert_within(part: str, record: Json) -> None:
    """`"key": value` pairs of the record; an object may be cut short by an ellipsis."""
    for key, value in json.loads("{" + part.replace(", …", "") + "}").items():
        within = record[key]
        assert value == within or value.items() <= within.items()


# -- tables -------------------------------------------------------------------------------------

COLUMNS = DOCUMENT.below("Columns")


@pytest.mark.parametrize(("entry", "expected"), [(row[0], row[1]) for row in COLUMNS.rows])
def test_property_columns(entry: str, expected: str) -> None:
    """Each list of columns picks what its row says, for the record above the table."""
    (shown,) = re.findall(r"For the record `(.+?)`:", COLUMNS.source)
    record = json.loads(shown)
    configured = columns_of("add_user_properties", property_columns=code(entry))
    configured["identity_column"] = "_who.is"
    body = mapped(configured, {**record, "_who": {"is": "somebody at all"}})
    assert isinstance(body, dict)
    body["properties"].pop("_who.is", None)
    assert body["properties"] == json.loads(code(expected))


TYPES = Text(DOCUMENT.below("Data type map").source.partition("\nNull is never sent")[0]).table
#: Airbyte's types (https://docs.airbyte.com/platform/understanding-airbyte/supported-data-types).
AIRBYTE_TYPES = {
    *("string", "boolean", "integer", "number", "date", "time", "object"),
    *("timestamp with timezone", "timestamp without timezone"),
}


def test_every_type_is_there() -> None:
    """Airbyte's types, and what else a value can be."""
    others = {"array of the above", "array of objects or arrays"}
    odd = {"null, in any type", "not a number, infinity"}
    assert TYPES.keys() == AIRBYTE_TYPES | others | odd


@pytest.mark.parametrize("name", APIS)
@pytest.mark.parametrize("kind", TYPES)
def test_data_type(kind: str, name: str) -> None:
    """The value shown becomes the properties shown, on each API, chosen by name or by `*`."""
    before, after = (json.loads(code(cell)) for cell in TYPES[kind])
    (column,) = before
    assert properties(name, before, column) == after
    rest = properties(name, {}, "*")
    assert properties(name, before, "*") == rest | after


@pytest.mark.parametrize("spelling", ["id", "ID", "Id", "iD"])
def test_a_reserved_name(spelling: str) -> None:
    """A user property `id` gets the stream's name; on the other APIs it stays."""
    assert "becomes `users_id`" in DOCUMENT.below("Data type map").source
    assert properties("add_user_properties", {spelling: 7}, spelling) == {"users_id": 7}
    for name in ("track", "add_account_properties"):
        assert properties(name, {spelling: 7}, spelling) == {spelling: 7}


TIMES = Text(DOCUMENT.below("Data type map").source.partition("\nThe time of an event")[2]).table


@pytest.mark.parametrize("value", TIMES)
def test_timestamp(value: str) -> None:
    """Each time of an event becomes what its row says."""
    (after,) = TIMES[value]
    columns = columns_of("track", timestamp_column="_when")
    body = mapped(columns, record_of({"_when": json.loads(code(value))}))
    if after == "rejected":
        assert body == Rejected("timestamp_not_readable")
        return
    assert isinstance(body, dict)
    if after == "the time of the sync":
        assert body["timestamp"] == "2026-11-21T08:00:00.000Z"
    else:
        assert body["timestamp"] == json.loads(code(after))


def test_numbers_as_identities() -> None:
    """`12` and `12.0` are one person, and one account."""
    (shown,) = re.findall(
        r"as text: `(.+?)` and `(.+?)` become `(.+?)`", DOCUMENT.below("Data type map").source
    )
    first, second, text = map(json.loads, shown)
    for name in APIS:
        field = "account_id" if "account" in name else "identity"
        for number in (first, second):
            body = mapped(columns_of(name), record_of({"_who": number}))
            assert isinstance(body, dict)
            assert body[field] == text


# -- limits -------------------------------------------------------------------------------------

LIMITS = {
    what: int(row[0].split()[0].replace(",", ""))
    for what, row in DOCUMENT.below("Limits").table.items()
}


def test_limits_of_texts() -> None:
    """What is as long as the limit is sent whole; one more, and the row says what happens."""
    for what, api_type, field in (
        ("an identity", "track", "_who"),
        ("an event's name", "track", "_event"),
        ("an account ID", "add_account_properties", "_who"),
    ):
        columns = columns_of(api_type, property_columns="none")
        fits = mapped(columns, record_of({field: "x" * LIMITS[what]}))
        assert isinstance(fits, dict)
        assert "x" * LIMITS[what] in fits.values()
        beyond = mapped(columns, record_of({field: "x" * (LIMITS[what] + 1)}))
        assert isinstance(beyond, Rejected)
        assert beyond.reason.endswith("_too_long")


@pytest.mark.parametrize("name", APIS)
def test_limits_of_properties(name: str) -> None:
    """A longer name is left out, a longer text cut."""
    longest = LIMITS["a property's name"]
    rest = properties(name, {}, "*")
    for length, kept in ((longest, 1), (longest + 1, 0)):
        assert len(properties(name, {"n" * length: 1}, "*")) == len(rest) + kept
    longest = LIMITS["a property's text"]
    assert properties(name, {"a": "x" * longest}, "a") == {"a": "x" * longest}
    assert properties(name, {"a": "x" * (longest + 1)}, "a") == {"a": "x" * longest}


def test_limits_of_requests() -> None:
    """The size of a request and Heap's quotas are the connector's own."""
    assert LIMITS["a request"] == MAX_ITEMS
    fields = HeapConfig.model_fields
    assert LIMITS["events a minute, all together"] == fields["events_per_minute"].default
    one = LIMITS["events a minute, of one identity"]
    assert one == fields["events_per_identity_per_minute"].default


# -- rejected records ---------------------------------------------------------------------------

REASONS = DOCUMENT.below("Rejected records").rows
NAMED = [reason for row in REASONS for reason in re.findall(r"`([^`]+)`", row[0])]


def rejections() -> dict[str, Rejected | Json]:
    """What mapping makes of values that are wrong in each way."""
    long, half = "x" * 5_000, "x\ud800"
    found: dict[str, Rejected | Json] = {}
    for name, column, field in (
        ("track", "_who", "identity"),
        ("track", "_event", "event"),
        ("add_account_properties", "_who", "account_id"),
    ):
        wrong = {"missing": None, "blank": " ", "not_text": True, "too_long": long}
        if field != "event":
            wrong["not_valid_unicode"] = half
        for how, value in wrong.items():
            found[f"{field}_{how}"] = mapped(columns_of(name), record_of({column: value}))
    times = columns_of("track", timestamp_column="_when")
    found["timestamp_not_readable"] = mapped(times, record_of({"_when": "soon"}))
    found["identifier_not_exact"] = mapped(columns_of("track"), record_of({"_who": 1e19}))
    nobody = record_of({"_who": "guest"})
    found["identity_of_no_single_person"] = mapped(columns_of("track"), nobody)
    return found


def test_every_reason_is_there() -> None:
    """The reasons of the table are those that the code gives: no more, no fewer."""
    found = rejections()
    assert {reason: Rejected(reason) for reason in found} == found
    elsewhere = {
        *("unreadable", "of_another_stream", "primary_key_too_deep"),
        *("too_large_for_heap", "refused by Heap: …"),
    }
    assert set(NAMED) == set(found) | elsewhere
    assert len(NAMED) == len(set(NAMED))
    package = ROOT / "destination_heap_analytics"
    written = set(re.findall(r'Rejected\("(\w+)"\)', _all_of(package)))
    assert written <= set(NAMED)
    assert {"unreadable", "of_another_stream"} <= written
    ways = set(re.findall(r'Rejected\(f"\{field\}_(\w+)"\)', _all_of(package)))
    assert ways == {reason.removeprefix("account_id_") for reason in found if "account" in reason}


def _all_of(folder: Path) -> str:
    return "".join(file.read_text(encoding="utf-8") for file in folder.glob("*.py"))


@pytest.mark.parametrize("row", [row for row in REASONS if row[2]], ids=lambda row: row[0])
def test_rejected_for_example(row: list[str]) -> None:
    """The example of a reason is rejected for it."""
    reason, _, example = code(row[0]), row[1], json.loads(code(row[2]))
    column = "_when" if reason.startswith("timestamp") else "_who"
    columns = columns_of("track", timestamp_column="_when")
    assert mapped(columns, record_of({column: example})) == Rejected(reason)


def test_nobody_is_listed() -> None:
    """Each word that stands for nobody is rejected, as an identity, in any casing."""
    (meaning,) = [row[1] for row in REASONS if "no_single_person" in row[0]]
    words = re.findall(r"`([^`]+)`", meaning)
    assert len(words) == 11
    for word in words:
        for spelling in (word, word.upper(), f" {word.title()} "):
            body = mapped(columns_of("track"), record_of({"_who": spelling}))
            assert body == Rejected("identity_of_no_single_person"), word


# -- keys ---------------------------------------------------------------------------------------

KEYS = Text(DOCUMENT.below("Supported sync modes").source.partition("\nWhat keeps")[2]).table
STREAMS = {
    "Append + Deduped, with a primary key": Stream("users", primary_key=(("n",),)),
    "otherwise": Stream("users"),
}


@pytest.mark.parametrize("mode", KEYS)
def test_keys(mode: str) -> None:
    """Whether a record that comes again, or has changed, is the same event as its row says."""
    _, again, changed = KEYS[mode]
    config = HeapConfig.parse({"app_id": "11", "api": columns_of("track")})
    keys = []
    for plan in ("pro", "pro", "free"):
        mapper = make_api(config.api, STREAMS[mode], lambda: NOW)
        payload = mapper.payload(record_of({"n": 1, "plan": plan}), 1_000)
        assert not isinstance(payload, Rejected)
        keys.append(json.loads(payload[1])["idempotency_key"])
    assert again.startswith("the same event") == (keys[1] == keys[0])
    assert changed.startswith("the same event") == (keys[2] == keys[0])
    assert KEYS.keys() == STREAMS.keys()
