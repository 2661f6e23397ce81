"""Every example of the documentation, by the code that maps records."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bulk_destination.mapping.record_mapper import RecordMapper
from bulk_destination.mapping.stream import Stream
from bulk_destination.mapping.values import Rejected, Skipped
from destination_hackle import service as hackle_service
from destination_hackle.config import HackleConfig
from destination_hackle.payloads import UserEvents
from destination_heap_analytics import service as heap_service
from destination_heap_analytics.apis import make_api
from destination_heap_analytics.config import HeapConfig
from integration_tests.docs.markdown import ROOT, Text, code

README = Text.of("README.md")
GOLDEN = ROOT / "unit_tests/heap/golden"
README_APIS = {
    "track": "becomes an event",
    "add_user_properties": "updates a user",
    "add_account_properties": "updates an account",
}
APIS = ["track", "add_user_properties", "add_account_properties"]
#: What a record of Hackle's becomes; the rest are Heap's.
USER_EVENT = "user event"
KINDS = [*APIS, USER_EVENT]
HEAP, HACKLE = Text.of("docs/heap-analytics.md"), Text.of("docs/hackle.md")
PAGES = {"heap": HEAP, "hackle": HACKLE}
#: The time of the sync.
NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)

Json = dict[str, Any]


def page_of(kind: str) -> Text:
    """The document that describes a kind."""
    return HACKLE if kind == USER_EVENT else HEAP


def mapper(columns: Json, stream: Stream) -> RecordMapper:
    """What maps records by these columns: Hackle's, where they name an event key."""
    if "event_key_column" in columns:
        return UserEvents(HackleConfig.parse({"sdk_key": "key", **columns}), stream, lambda: NOW)
    config = HeapConfig.parse({"app_id": "11", "api": columns})
    return make_api(config.api, stream, lambda: NOW)


def mapped(columns: Json, record: Json, stream: str = "users") -> Json | Rejected:
    """What a record becomes, in a stream whose schema is silent."""
    payload = mapper(columns, Stream(stream)).payload(record, 1_000)
    if isinstance(payload, Rejected):
        return payload
    if isinstance(payload, Skipped):
        return {"properties": {}}  # An update that says nothing is not sent at all.
    body: Json = json.loads(payload[1])
    return body


def columns_of(kind: str, **fields: str) -> Json:
    """The columns of a kind, for records that `record_of` makes."""
    if kind == USER_EVENT:
        return {"event_key_column": "_event", "user_id_column": "_who", **fields}
    identity = "account_id_column" if "account" in kind else "identity_column"
    event = {"event_column": "_event"} if kind == "track" else {}
    return {"api_type": kind, identity: "_who", **event, **fields}


def record_of(part: Json) -> Json:
    """`part` with what every kind wants beside it."""
    return {"_who": "Ada of Example Street", "_event": "Seen", **part}


def properties(kind: str, part: Json, property_columns: str) -> Json:
    """The properties that `part` of a record becomes."""
    columns = columns_of(kind, property_columns=property_columns)
    body = mapped(columns, record_of(part))
    assert isinstance(body, dict)
    found: Json = body["properties"]
    return found


# -- whole examples -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", APIS)
def test_api_type(name: str) -> None:
    """The configuration and the record shown become what is shown; the examples are the user's."""
    configured, record, expected = map(json.loads, HEAP.below(name).blocks("json"))
    body = mapped(configured, record)
    assert isinstance(body, dict)
    if name == "track":
        assert re.fullmatch("[0-9a-f]{32}", body["idempotency_key"])
        body["idempotency_key"] = "KEY"
    assert body == expected
    golden = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    assert (configured, record) == (golden["config"]["api"], golden["record"])


def test_user_event() -> None:
    """The same for Hackle: the purchase of its documents."""
    configured, record, expected = map(json.loads, HACKLE.below("The events").blocks("json"))
    body = mapped(configured, record)
    assert isinstance(body, dict)
    assert re.fullmatch("[0-9a-f]{32}", body["insertId"])
    body["insertId"] = "KEY"
    assert body == expected
    wanted = {"eventTypeKey": "purchase", "userId": "ae2182e0", "value": 13200}
    assert wanted.items() <= body.items()
    shown = {"pay_method": "CARD", "discount_amount": 800, "is_discount": True}
    assert body["properties"] == shown


@pytest.mark.parametrize(("name", "becomes"), README_APIS.items())
def test_the_readme_s_examples(name: str, becomes: str) -> None:
    """What its tables show of a record becomes what they show, and that is all of it.

    The user and the account are those of the user's own examples.
    """
    section = README.below(f"`{name}`: each record {becomes}")
    (configured,) = map(json.loads, section.blocks("json"))
    record: Json = {}
    shown: Json = {}
    for before, after in section.rows:
        for part in re.findall(r"`([^`]*)`", before):
            record |= json.loads("{" + part.replace(", …", "") + "}")
        shown |= json.loads("{" + code(after) + "}")
    body = mapped(configured["api"], record)
    assert isinstance(body, dict)
    assert shown == {key: value for key, value in body.items() if key != "idempotency_key"}
    if name != "track":
        golden = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
        assert configured["api"] == golden["config"]["api"]
        for key, value in record.items():
            within = golden["record"][key]
            assert value == within or value.items() <= within.items()


# -- tables -------------------------------------------------------------------------------------

COLUMNS = [
    (page, row[0], row[1]) for page, text in PAGES.items() for row in text.below("Columns").rows
]


@pytest.mark.parametrize(("page", "entry", "expected"), COLUMNS)
def test_property_columns(page: str, entry: str, expected: str) -> None:
    """Each list of columns picks what its row says, for the record above the table."""
    (shown,) = re.findall(r"For the record `(.+?)`:", PAGES[page].below("Columns").source)
    record = json.loads(shown)
    kind = {"heap": "add_user_properties", "hackle": USER_EVENT}[page]
    own = {"_who": {"is": "somebody at all"}, "_event": {"is": "Seen"}}
    configured = {
        field: f"{column}.is" if column in own else column
        for field, column in columns_of(kind, property_columns=code(entry)).items()
    }
    body = mapped(configured, {**record, **own})
    assert isinstance(body, dict)
    for name in own:
        body["properties"].pop(f"{name}.is", None)
    assert body["properties"] == json.loads(code(expected))


def table_of_types(page: Text) -> dict[str, list[str]]:
    """The first table of the data type map."""
    return Text(page.below("Data type map").source.partition("\nNull is never sent")[0]).table


#: Airbyte's types (https://docs.airbyte.com/platform/understanding-airbyte/supported-data-types).
AIRBYTE_TYPES = {
    *("string", "boolean", "integer", "number", "date", "time", "object"),
    *("timestamp with timezone", "timestamp without timezone"),
}


@pytest.mark.parametrize("page", PAGES)
def test_every_type_is_there(page: str) -> None:
    """Airbyte's types, and what else a value can be."""
    others = {"array of the above", "array of objects or arrays"}
    odd = {"null, in any type", "not a number, infinity"}
    assert table_of_types(PAGES[page]).keys() >= AIRBYTE_TYPES | others | odd


TYPES = [(kind, what) for kind in KINDS for what in table_of_types(page_of(kind))]


@pytest.mark.parametrize(("kind", "what"), TYPES)
def test_data_type(kind: str, what: str) -> None:
    """The value shown becomes the properties shown, chosen by name or by `*`."""
    before, after = (json.loads(code(cell)) for cell in table_of_types(page_of(kind))[what])
    (column,) = before
    assert properties(kind, before, column) == after
    rest = properties(kind, {}, "*")
    assert properties(kind, before, "*") == rest | after


def test_a_number_as_text() -> None:
    """It stays text on all of Heap's APIs."""
    assert "A number that comes as text, as from a CSV file, stays text." in HEAP.source
    for name in ("track", "add_user_properties", "add_account_properties"):
        assert properties(name, {"price": "9.50"}, "price") == {"price": "9.50"}


@pytest.mark.parametrize("spelling", ["id", "ID", "Id", "iD"])
def test_a_reserved_name(spelling: str) -> None:
    """A user property `id` gets the stream's name; on the other APIs it stays."""
    assert "becomes `users_id`" in HEAP.below("Data type map").source
    assert properties("add_user_properties", {spelling: 7}, spelling) == {"users_id": 7}
    for name in ("track", "add_account_properties"):
        assert properties(name, {spelling: 7}, spelling) == {spelling: 7}


def table_of_times(page: Text) -> dict[str, list[str]]:
    """The second table of the data type map."""
    rest = page.below("Data type map").source.partition("\nThe time of an event")[2]
    return Text(rest.partition("\nThe value of an event")[0]).table


TIMES = [(kind, when) for kind in ("track", USER_EVENT) for when in table_of_times(page_of(kind))]


@pytest.mark.parametrize(("kind", "when"), TIMES)
def test_timestamp(kind: str, when: str) -> None:
    """Each time of an event becomes what its row says."""
    (after,) = table_of_times(page_of(kind))[when]
    columns = columns_of(kind, timestamp_column="_when")
    body = mapped(columns, record_of({"_when": json.loads(code(when))}))
    if after == "rejected":
        assert isinstance(body, Rejected)
        assert body.reason.startswith("timestamp_")
        return
    assert isinstance(body, dict)
    if after == "the time of the sync":
        now = {"track": "2026-11-21T08:00:00.000Z", USER_EVENT: int(NOW.timestamp() * 1000)}
        assert body["timestamp"] == now[kind]
    else:
        assert body["timestamp"] == json.loads(code(after))


VALUES = Text(HACKLE.below("Data type map").source.partition("\nThe value of an event")[2]).table


@pytest.mark.parametrize("value", VALUES)
def test_value(value: str) -> None:
    """Each value of an event becomes what its row says."""
    (after,) = VALUES[value]
    columns = columns_of(USER_EVENT, value_column="_value")
    body = mapped(columns, record_of({"_value": json.loads(code(value))}))
    if after == "rejected":
        assert isinstance(body, Rejected)
        assert body.reason.startswith("value_")
        return
    assert isinstance(body, dict)
    assert body["value"] == (None if after == "no value" else json.loads(code(after)))


def test_numbers_as_identities() -> None:
    """`12` and `12.0` are one person, and one account."""
    for kind in KINDS:
        shown = re.findall(
            r"as text: `(.+?)` and `(.+?)` become `(.+?)`",
            page_of(kind).below("Data type map").source,
        )
        first, second, text = map(json.loads, *shown)
        field = "account_id" if "account" in kind else "identity"
        for number in (first, second):
            body = mapped(columns_of(kind), record_of({"_who": number}))
            assert isinstance(body, dict)
            assert body["userId" if kind == USER_EVENT else field] == text


# -- limits -------------------------------------------------------------------------------------

LIMITS = {
    page: {
        what: int(row[0].split()[0].replace(",", ""))
        for what, row in text.below("Limits").table.items()
        if row[0] != "none"
    }
    for page, text in PAGES.items()
}


def limits_of(kind: str) -> dict[str, int]:
    return LIMITS["hackle" if kind == USER_EVENT else "heap"]


def test_limits_of_texts() -> None:
    """What is as long as the limit is sent whole; one more, and the row says what happens."""
    for what, kind, field in (
        ("an identity", "track", "_who"),
        ("an event's name", "track", "_event"),
        ("an account ID", "add_account_properties", "_who"),
        ("a user identifier", USER_EVENT, "_who"),
    ):
        columns, limit = columns_of(kind, property_columns="'x' as note"), limits_of(kind)[what]
        fits = mapped(columns, record_of({field: "x" * limit}))
        assert isinstance(fits, dict)
        assert "x" * limit in fits.values()
        beyond = mapped(columns, record_of({field: "x" * (limit + 1)}))
        assert isinstance(beyond, Rejected)
        assert beyond.reason.endswith("_too_long")


@pytest.mark.parametrize("kind", KINDS)
def test_limits_of_properties(kind: str) -> None:
    """A longer name is left out, a longer text cut."""
    longest = limits_of(kind)["a property's name"]
    rest = properties(kind, {}, "*")
    for length, kept in ((longest, 1), (longest + 1, 0)):
        assert len(properties(kind, {"n" * length: 1}, "*")) == len(rest) + kept
    longest = limits_of(kind)["a property's text"]
    assert properties(kind, {"a": "x" * longest}, "a") == {"a": "x" * longest}
    assert properties(kind, {"a": "x" * (longest + 1)}, "a") == {"a": "x" * longest}


def test_limits_of_an_event() -> None:
    """How many properties Hackle takes; the number where it begins to warn is there, too."""
    most = limits_of(USER_EVENT)["properties of an event"]
    many = {f"p{number:03}": number for number in range(most + 1)}
    kept = properties(USER_EVENT, many, ", ".join(many))
    assert list(kept) == list(many)[:most]
    assert "64" in " ".join(HACKLE.below("Limits").table["properties of an event"])


def test_limits_of_requests() -> None:
    """The size of a request and the quotas are the connector's own."""
    heap, hackle = LIMITS["heap"], LIMITS["hackle"]
    assert heap["a request"] == heap_service.MAX_ITEMS
    assert hackle["a request"] == hackle_service.MAX_ITEMS
    fields = HeapConfig.model_fields
    assert heap["events a minute, all together"] == fields["events_per_minute"].default
    one = heap["events a minute, of one identity"]
    assert one == fields["events_per_identity_per_minute"].default
    # Hackle publishes none, and none is kept unless the user asks for one.
    assert "events a minute" not in hackle
    assert HackleConfig.model_fields["events_per_minute"].default == 0


# -- rejected records ---------------------------------------------------------------------------

REASONS = {page: text.below("Rejected records").rows for page, text in PAGES.items()}

#: What is read of a record, and as which field: by service.
FIELDS = {
    "heap": [
        ("track", "_who", "identity"),
        ("track", "_event", "event"),
        ("add_account_properties", "_who", "account_id"),
    ],
    "hackle": [(USER_EVENT, "_who", "user_id"), (USER_EVENT, "_event", "event_key")],
}
EVENTS = {"heap": ("track", "identity"), "hackle": (USER_EVENT, "user_id")}


def rejections(page: str) -> dict[str, Rejected | Json]:
    """What mapping makes of values that are wrong in each way."""
    found: dict[str, Rejected | Json] = {}
    for kind, column, field in FIELDS[page]:
        wrong = {"missing": None, "blank": " ", "not_text": True, "too_long": "x" * 5_000}
        if "event" not in field:
            wrong["not_valid_unicode"] = "x\ud800"
        if field == "event_key":
            del wrong["too_long"]
        for how, value in wrong.items():
            found[f"{field}_{how}"] = mapped(columns_of(kind), record_of({column: value}))
    kind, person = EVENTS[page]
    times = columns_of(kind, timestamp_column="_when")
    for reason, when in {
        "not_readable": "soon",
        "not_plausible": 20260131,
        "in_microseconds": 1_769_851_800_000_000,
        "in_nanoseconds": 1_769_851_800_000_000_000,
        "is_0001_01_01": "0001-01-01T00:00:00Z",
        "is_1970_01_01": "1970-01-01",
        "is_year_9999": "9999-12-31",
    }.items():
        found[f"timestamp_{reason}"] = mapped(times, record_of({"_when": when}))
    known = columns_of(kind, event_id_column="_id")
    ways = {"missing": None, "blank": " ", "not_text": True, "not_valid_unicode": "x\ud800"}
    for how, value in ways.items():
        found[f"event_id_{how}"] = mapped(known, record_of({"_id": value}))
    found["identifier_not_exact"] = mapped(columns_of(kind), record_of({"_who": 1e19}))
    nobody = record_of({"_who": "guest"})
    found[f"{person}_of_no_single_person"] = mapped(columns_of(kind), nobody)
    if page == "hackle":
        valued = columns_of(kind, value_column="_value")
        found["value_not_a_number"] = mapped(valued, record_of({"_value": "many"}))
        found["value_out_of_range"] = mapped(valued, record_of({"_value": 2**53 + 1}))
    return found


@pytest.mark.parametrize(
    ("page", "package"),
    [("heap", "destination_heap_analytics"), ("hackle", "destination_hackle")],
)
def test_every_reason_is_there(page: str, package: str) -> None:
    """The reasons of the table are those that the code gives: no more, no fewer."""
    found = rejections(page)
    assert {reason: Rejected(reason) for reason in found} == found
    named = [reason for row in REASONS[page] for reason in re.findall(r"`([^`]+)`", row[0])]
    elsewhere = {
        *("unreadable", "too_long", "of_another_stream", "primary_key_too_deep"),
        *("not_a_mapping", "key_not_text"),
        *(f"too_large_for_{page}", f"refused by {page.title()}: …"),
    }
    assert set(named) == set(found) | elsewhere
    assert len(named) == len(set(named))
    source = _all_of("bulk_destination") + _all_of(package)
    written = set(re.findall(r'Rejected\("(\w+)"[,)]', source))
    assert written <= set(named)
    assert {"unreadable", "of_another_stream"} <= written
    ways = set(re.findall(r'Rejected\(f"\{(?:self\.)?field\}_(\w+)"[,)]', source))
    field = f"{EVENTS[page][1]}_"
    assert ways == {reason.removeprefix(field) for reason in found if reason.startswith(field)}


def _all_of(package: str) -> str:
    return "".join(file.read_text(encoding="utf-8") for file in (ROOT / package).rglob("*.py"))


EXAMPLES = [(page, row) for page, rows in REASONS.items() for row in rows if row[2]]


@pytest.mark.parametrize(
    ("page", "row"), EXAMPLES, ids=lambda value: value if isinstance(value, str) else value[0]
)
def test_rejected_for_example(page: str, row: list[str]) -> None:
    """The example of a reason is rejected for it."""
    reason, _, example = code(row[0]), row[1], json.loads(code(row[2]))
    kind, _ = EVENTS[page]
    columns = columns_of(kind, timestamp_column="_when")
    if page == "hackle":
        columns["value_column"] = "_value"
    by_field = {"timestamp": "_when", "value": "_value", "event": "_event"}
    column = by_field.get(reason.partition("_")[0], "_who")
    assert mapped(columns, record_of({column: example})) == Rejected(reason)


@pytest.mark.parametrize("page", PAGES)
def test_nobody_is_listed(page: str) -> None:
    """Each word that stands for nobody is rejected, as an identity, in any casing."""
    kind, field = EVENTS[page]
    (meaning,) = [row[1] for row in REASONS[page] if "no_single_person" in row[0]]
    words = re.findall(r"`([^`]+)`", meaning)
    assert len(words) == 11
    for word in words:
        for spelling in (word, word.upper(), f" {word.title()} "):
            body = mapped(columns_of(kind), record_of({"_who": spelling}))
            assert body == Rejected(f"{field}_of_no_single_person"), word


# -- keys ---------------------------------------------------------------------------------------

KEYED = Stream("users", primary_key=(("n",),))
#: Each row's stream, and the columns that it speaks of.
STREAMS: dict[str, tuple[Stream, Json]] = {
    "any, with an event ID column": (Stream("users"), {"event_id_column": "n"}),
    "Append + Deduped, with a primary key": (replace(KEYED, deduplicates=True), {}),
    "another, with a primary key": (KEYED, {}),
    "any other, with a timestamp": (Stream("users"), {"timestamp_column": "at"}),
    "any other, without a timestamp": (Stream("users"), {}),
}


@pytest.mark.parametrize("mode", STREAMS)
@pytest.mark.parametrize(("page", "key"), [("heap", "idempotency_key"), ("hackle", "insertId")])
def test_keys(page: str, key: str, mode: str) -> None:
    """Whether a record that comes again, or has changed, has the same key as its row says."""
    section = PAGES[page].below("Supported sync modes").source
    table = Text(section.partition("\nWhat keeps")[2]).table
    assert table.keys() == STREAMS.keys()
    _, again, changed = table[mode]
    keys = []
    for plan in ("pro", "pro", "free"):
        stream, columns = STREAMS[mode]
        mapping = mapper(columns_of(EVENTS[page][0], **columns), stream)
        record = record_of({"n": 1, "plan": plan, "at": "2026-01-31T09:30:00Z"})
        payload = mapping.payload(record, 1_000)
        assert isinstance(payload, tuple)
        keys.append(json.loads(payload[1])[key])
    same = ("the same event", "the same id")
    assert again.startswith(same) == (keys[1] == keys[0])
    assert changed.startswith(same) == (keys[2] == keys[0])
