"""Records become Hackle's track events."""

import json
import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulk_destination.mapping.stream import Stream
from bulk_destination.mapping.values import DELETED, INEXACT, Rejected
from destination_hackle.config import HackleConfig
from destination_hackle.payloads import UserEvents
from destination_hackle.service import ENVELOPE, MAX_ITEMS, headers
from sandbox.hackle.validation import read_events, read_key

LAW = settings(derandomize=True, max_examples=200, deadline=None)

NOON = datetime(2026, 1, 2, 12, 0, 0, 678_900, tzinfo=UTC)
NOON_MS = 1_767_355_200_678
RECORD = {"event": "purchase", "user": "ae2182e0", "at": "2022-10-21T04:09:54Z", "amount": 13200}
EMITTED_AT = 1_700_000_000_000
COLUMNS = {
    "event_key_column": "event",
    "user_id_column": "user",
    "value_column": "amount",
    "timestamp_column": "at",
    "property_columns": "pay.*, discount",
}
NOT_TEXT: list[object] = [7, 1.5, math.inf, True, {}, ["purchase"]]


def _events(stream: Stream | None = None, **fields: Any) -> UserEvents:
    config = HackleConfig.parse({"sdk_key": "k", **COLUMNS, **fields})
    return UserEvents(config, stream or Stream("orders"), now=lambda: NOON)


def _body(
    record: dict[str, Any], events: UserEvents | None = None, emitted_at: object = EMITTED_AT
) -> dict[str, Any]:
    payload = (events or _events()).payload(record, emitted_at)
    assert isinstance(payload, tuple), payload
    body: dict[str, Any] = json.loads(payload[1])
    assert payload[0] == body["userId"]
    assert body == read_events(_request(payload[1]))[0].sent
    return body


def _request(*bodies: bytes) -> bytes:
    head, tail = ENVELOPE
    return head + b",".join(bodies) + tail


def _id(record: dict[str, Any], emitted_at: object = EMITTED_AT, **stream: Any) -> str:
    fields = stream.pop("fields", {})
    events = _events(Stream(stream.pop("name", "orders"), **stream), **fields)
    insert_id: str = _body(record, events, emitted_at)["insertId"]
    return insert_id


# -- the shape ----------------------------------------------------------------------------------


def test_an_event() -> None:
    """Every field of the SDK's, and no other."""
    body = _body({**RECORD, "pay": {"method": "CARD"}, "discount": True})
    assert len(body.pop("insertId")) == 32
    assert body == {
        "timestamp": 1_666_325_394_000,
        "userId": "ae2182e0",
        "identifiers": {"$id": "ae2182e0"},
        "userProperties": {},
        "hackleProperties": {},
        "eventTypeId": 0,
        "eventTypeKey": "purchase",
        "value": 13200,
        "properties": {"pay.method": "CARD", "discount": True},
    }


def test_a_request() -> None:
    """500 events in the SDK's envelope, with the SDK's headers; the local Hackle takes them."""
    events = _events()
    payloads = [events.payload({**RECORD, "n": n}, EMITTED_AT) for n in range(MAX_ITEMS)]
    read = read_events(_request(*(p[1] for p in payloads if isinstance(p, tuple))))
    assert len(read) == MAX_ITEMS
    assert read_key(headers("k", 1_700_000_000.1234)) == "k"
    assert headers("k", 1_700_000_000.1234)["X-HACKLE-SDK-TIME"] == "1700000000123"


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_half_a_character_is_repaired(text: str) -> None:
    """Only in what says nothing of who it is; all fields stay, null included."""
    body = _body({**RECORD, "event": text, "amount": None, "discount": text})
    assert body["eventTypeKey"] == text.translate({0xD800: 0xFFFD, 0xDFFF: 0xFFFD})
    assert body["value"] is None
    assert _events().payload({**RECORD, "user": text}, 1) == Rejected("user_id_not_valid_unicode")


# -- event key and user -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (None, "event_key_missing"),
        ("", "event_key_blank"),
        (" \t", "event_key_blank"),
        ("\u200b", "event_key_blank"),
        *((unfit, "event_key_not_text") for unfit in NOT_TEXT),
    ],
)
def test_event_key(key: object, reason: str) -> None:
    """An event key is text; anything else rejects the record."""
    assert _events().payload({**RECORD, "event": key}, 1) == Rejected(reason)
    assert _events().payload({"user": "u"}, 1) == Rejected("event_key_missing")


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        (None, "user_id_missing"),
        ("", "user_id_blank"),
        (" ", "user_id_blank"),
        ("\u200b", "user_id_blank"),
        ("u" * 513, "user_id_too_long"),
        *((unfit, "user_id_not_text") for unfit in NOT_TEXT[2:]),
        *(
            (nobody, "user_id_of_no_single_person")
            for nobody in ("null", " Undefined ", "GUEST", "[object Object]", "anonymous", "N/A")
        ),
    ],
)
def test_user(user: object, reason: str) -> None:
    """Who is no single person rejects the record."""
    assert _events().payload({**RECORD, "user": user}, 1) == Rejected(reason)


@pytest.mark.parametrize(
    ("user", "sent"), [("u" * 512, "u" * 512), (42, "42"), (12.0, "12"), ("한글", "한글"), (0, "0")]
)
def test_user_that_is_taken(user: object, sent: str) -> None:
    """Up to 512 characters; a number is its decimal text."""
    body = _body({**RECORD, "user": user})
    assert body["userId"] == body["identifiers"]["$id"] == sent


def test_a_user_that_is_no_exact_number_is_read_again() -> None:
    """Two users must not become one double."""
    assert _events().payload({**RECORD, "user": 2.0**63}, 1) is INEXACT


# -- value --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "sent", "converted"),
    [
        (13200, 13200, 0),
        (-0.5, -0.5, 0),
        (2**53, 2**53, 0),
        (None, None, 0),
        ("13200", 13200, 1),
        ("12.50", 12.5, 1),
        ("-1e3", -1000.0, 1),
        (str(2**53), 2**53, 1),
    ],
)
def test_value(value: object, sent: object, converted: int) -> None:
    """A number, or text that is exactly one, which is counted."""
    events = _events()
    body = _body({**RECORD, "amount": value}, events)
    assert body["value"] == sent
    assert type(body["value"]) is type(sent)
    assert events.adjustments.converted == converted
    assert len(events.warnings()) == 2 + converted  # two columns of properties never came


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "13,200", "1 2", " 1", "1\n", "0x10", "007", "+1", ".5", "1.", "NaN", "inf"),
        *("１２", "1_000", True, {}, [], [1]),
    ],
)
def test_no_value(value: object) -> None:
    """Whatever is no number rejects the record: an event with no value would say another thing."""
    assert _events().payload({**RECORD, "amount": value}, 1) == Rejected("value_not_a_number")


@pytest.mark.parametrize(
    "value",
    [2**53 + 1, -(2**53) - 1, 1e300, math.inf, math.nan, "9007199254740993", "1e999", "9" * 5000],
)
def test_value_out_of_range(value: object) -> None:
    """So does a number that the SDK would not send."""
    assert _events().payload({**RECORD, "amount": value}, 1) == Rejected("value_out_of_range")


def test_value_not_configured_or_missing() -> None:
    """No value then; a column that never came is named."""
    assert _body(RECORD, _events(value_column=""))["value"] is None
    events = _events()
    assert _body({"event": "e", "user": "u"}, events)["value"] is None
    assert any("`amount` (value_column)" in warning for warning in events.warnings())


# -- timestamp ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "sent"),
    [
        ("2022-10-21T04:09:54Z", 1_666_325_394_000),
        ("2022-10-21T06:09:54.123+02:00", 1_666_325_394_123),
        ("2022-10-21T04:09:54.1239999Z", 1_666_325_394_123),
        ("2022-10-21 04:09:54", 1_666_325_394_000),
        ("2022-10-21", 1_666_310_400_000),
        (1_666_325_394, 1_666_325_394_000),
        (1_666_325_394_123, 1_666_325_394_123),
        ("1969-12-31T23:59:59.999Z", -1),
        (None, NOON_MS),
        (" ", NOON_MS),
    ],
)
def test_timestamp(when: object, sent: int) -> None:
    """All that can be read, as milliseconds; null is the time of the sync."""
    assert _body({**RECORD, "at": when})["timestamp"] == sent


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        ("yesterday", "not_readable"),
        (True, "not_readable"),
        ({}, "not_readable"),
        ("2022-13-01", "not_readable"),
        (1e300, "not_plausible"),
        (0, "not_plausible"),
        (20260102, "not_plausible"),
        ("9999-12-31", "is_year_9999"),
    ],
)
def test_timestamp_that_cannot_be_read(when: object, reason: str) -> None:
    """Never dated now: the record is rejected."""
    assert _events().payload({**RECORD, "at": when}, 1) == Rejected(f"timestamp_{reason}")


def test_time_zone() -> None:
    """Of a time that says none."""
    events = _events(time_zone="Asia/Seoul")
    sent = _body({**RECORD, "at": "2022-10-21 13:09:54"}, events)["timestamp"]
    assert sent == 1_666_325_394_000


def test_timestamp_not_configured_or_missing() -> None:
    """The time of the sync then; a column that never came is named."""
    assert _body(RECORD, _events(timestamp_column=""))["timestamp"] == NOON_MS
    events = _events()
    assert _body({"event": "e", "user": "u"}, events)["timestamp"] == NOON_MS
    assert any("`at` (timestamp_column)" in warning for warning in events.warnings())


def test_columns_that_no_record_had_are_told_with_the_nearest() -> None:
    """Of several columns, those near to any of them."""
    events = _events(timestamp_column='paid_at, "creatd"', value_column="", property_columns="who")
    _body({"event": "e", "user": "u", "who": "w", "created": 1, "amount": 2}, events)
    assert events.warnings() == [
        '`paid_at, "creatd"` (timestamp_column) was in no record: all events are dated by the time '
        "of the sync; did you mean `created`?"
    ]
    events = _events(timestamp_column="", value_column="amont", property_columns="who")
    _body({"event": "e", "user": "u", "who": "w", "amount": 2}, events)
    assert events.warnings() == [
        "`amont` (value_column) was in no record: no event has one; did you mean `amount`?"
    ]


@LAW
@given(
    st.datetimes(datetime(1, 1, 2), datetime(9998, 12, 30), timezones=st.just(UTC)).filter(  # noqa: DTZ001
        lambda moment: moment != datetime(1970, 1, 1, tzinfo=UTC)
    )
)
def test_every_moment(moment: datetime) -> None:
    """Down to the millisecond, whatever is below it dropped."""
    sent = _body({**RECORD, "at": moment.isoformat()})["timestamp"]
    assert sent == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


# -- properties ---------------------------------------------------------------------------------


def _properties(record: dict[str, Any], events: UserEvents, **adjusted: int) -> dict[str, Any]:
    found: dict[str, Any] = _body({**RECORD, **record}, events)["properties"]
    counts = {"truncated": 0, "left_out": 0, **adjusted}
    assert events.adjustments.truncated == counts["truncated"]
    assert events.adjustments.left_out == counts["left_out"]
    return found


def test_all_properties() -> None:
    """`*` is all leaves, by their paths; null is none, an array of scalars one text."""
    record: dict[str, Any] = {
        "pay": {"method": "CARD", "x": None},
        "tags": ["a", 1, True, None],
        "n": None,
        "visits": [{"n": 1}, [2]],
        "empty": [],
    }
    assert _properties(record, _events(property_columns="*")) == {
        **RECORD,
        "pay.method": "CARD",
        "tags": "a||1||true",
        "visits.0.n": 1,
        "visits.1": "2",
        "empty": "",
    }


def test_chosen_properties() -> None:
    """Columns under other names, in objects, and those that never came."""
    events = _events(property_columns="pay.method as pay_method, discount.*, nme")
    record = {"pay": {"method": "CARD"}, "discount": {"amount": 800}, "name": "x"}
    assert _properties(record, events) == {"pay_method": "CARD", "discount.amount": 800}
    assert events.warnings() == ["`nme` (property_columns) was in no record; did you mean `name`?"]


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    ("value", "sent", "adjusted"),
    [
        ("v" * 1_024, "v" * 1_024, {}),
        ("v" * 1_025, "v" * 1_024, {"truncated": 1}),
        (["v" * 1_000, "w" * 1_000], "v" * 1_000 + "||" + "w" * 22, {"truncated": 1}),
        (2**53, 2**53, {}),
        (2**53 + 1, None, {"left_out": 1}),
        (-1e300, None, {"left_out": 1}),
        (math.nan, None, {"left_out": 1}),
        ([1, math.inf, 2**60, "a"], "1||a", {"left_out": 2}),
        (False, False, {}),
        ("", "", {}),
    ],
)
def test_what_does_not_fit(
    value: object, sent: object, adjusted: dict[str, int], nested: bool
) -> None:
    """Cut or left out, and counted; the rest goes on."""
    record = {"pay": {"x": value}} if nested else {"pay.x": value}
    for columns in ("*", "pay.x"):
        properties = _properties(record, _events(property_columns=columns), **adjusted)
        assert properties.get("pay.x") == sent
        assert ("pay.x" in properties) == (sent is not None)


@pytest.mark.parametrize("columns", ["*", "keys, keys.*"])
def test_names_that_do_not_fit(columns: str) -> None:
    """1 to 128 characters; the others are left out, and counted."""
    keys = {"k" * 123: 1, "k" * 124: 2, "k" * 125: {"x": 1}}
    properties = _properties({"keys": keys}, _events(property_columns="keys"), left_out=2)
    assert properties == {"keys." + "k" * 123: 1}
    properties = _properties(
        {"k" * 128: 1, "k" * 129: 2, "": 3}, _events(property_columns="*"), left_out=2
    )
    assert properties == {**RECORD, "k" * 128: 1}


def test_too_many_properties() -> None:
    """128 at most: those that are named, then by name, whatever the order of the columns."""
    columns = [(f"c{n:03}", n) for n in range(200)]
    random.Random(1).shuffle(columns)
    events = _events(property_columns="*, c199 as last")
    properties = _properties(dict(columns), events, left_out=77)
    assert len(properties) == 128
    assert "last" in properties
    assert list(properties) == sorted(properties)
    again = _events(property_columns="*, c199 as last")
    assert _properties(dict(reversed(columns)), again, left_out=77) == properties
    assert any("205 properties" in warning for warning in events.warnings())


@pytest.mark.parametrize(("count", "warned"), [(64, False), (65, True), (128, True)])
def test_many_properties(count: int, warned: bool) -> None:
    """Above what Hackle's documents allow there is a warning, and all are sent."""
    events = _events(property_columns="many")
    sent = _properties({"many": {str(n): n for n in range(count)}}, events)
    assert len(sent) == count
    assert any("documents allow 64" in warning for warning in events.warnings()) == warned


# -- insert ids ---------------------------------------------------------------------------------


def test_the_same_event_has_the_same_id() -> None:
    """On every run and machine: the figure was written down once."""
    assert _id(RECORD) == _id(dict(reversed(RECORD.items())))
    assert _id(RECORD) == "7b7e330dc63518154f598d5aa5263758"


@pytest.mark.parametrize("name", RECORD)
def test_another_event_has_another_id(name: str) -> None:
    """Each of its parts counts."""
    other = {"event": "refund", "user": "b", "at": "2022-10-21T04:09:55Z", "amount": 1}
    assert _id(RECORD) != _id({**RECORD, name: other[name]})
    assert _id(RECORD) != _id({**RECORD, "discount": 1})


def test_no_time_of_its_own() -> None:
    """Then `emitted_at` stands in for it, so that a repeat has the same id at another time."""
    record = {**RECORD, "at": None}
    assert _id(record) == _id(record)
    assert _id(record, emitted_at=2) != _id(record)


def test_primary_key() -> None:
    """Where the mode deduplicates, a row keeps its id whatever else changes."""
    keyed: dict[str, Any] = {"primary_key": (("id",),), "deduplicates": True}
    row = {**RECORD, "id": 7}
    assert _id(row, **keyed) == _id({**row, "amount": 1, "user": "b"}, **keyed)
    assert _id(row, **keyed) != _id({**row, "id": 8}, **keyed)
    assert _id(row, **keyed) != _id(row, name="others", **keyed)
    assert _id(RECORD, **keyed) == _id(RECORD)
    inexact = _events(Stream("orders", primary_key=(("id",),))).payload({**row, "id": 1e20}, 1)
    assert inexact is INEXACT


def test_what_an_event_is_known_by() -> None:
    """As for the other service: event id, key and what is sent, or the whole record."""
    row = {**RECORD, "id": 7}
    by_id = _events(event_id_column="id")
    changed = {**row, "amount": 1, "at": None}
    assert _body(row, by_id)["insertId"] == _body(changed, by_id)["insertId"]
    assert _id(row, primary_key=(("id",),)) != _id({**row, "amount": 1}, primary_key=(("id",),))
    only = _events(property_columns="'x' as y")
    assert _body(row, only)["insertId"] != _body({**row, "id": 8}, only)["insertId"]
    assert _id(row) == _id({**row, "_ab_cdc_lsn": 1})
    fixed = {_body(row, _events(event_key_column=f"'{n}'"))["insertId"] for n in "ab"}
    assert len(fixed) == 2


def test_what_is_skipped() -> None:
    """A row that its source deleted; an event without a property is one all the same."""
    assert _events().payload({"id": 1, "_ab_cdc_deleted_at": "2026-01-02"}, 1) is DELETED
    assert _body(RECORD, _events(property_columns="zzz"))["properties"] == {}


# -- laws ---------------------------------------------------------------------------------------

TEXT = st.text(max_size=6) | st.sampled_from(["purchase", "13200", "null", "2022-10-21T04:09:54Z"])
NUMBERS = st.integers() | st.floats() | st.sampled_from([2**53, -(2**53) - 1, 1_666_325_394])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT | st.just("v" * 1_030),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)
RECORDS = st.dictionaries(
    st.sampled_from(["event", "user", "at", "amount", "pay", "discount", "n" * 130]) | TEXT, JSON
)


@LAW
@given(RECORDS, st.sampled_from(["*", "pay.*, discount", "*, pay as event"]))
@example({**RECORD, "pay": {str(n): {"x": n} for n in range(300)}}, "*")
@example({**RECORD, "\ud800": "\udfff", "amount": None}, "*")
def test_whatever_is_sent_is_taken(record: dict[str, Any], columns: str) -> None:
    """A record is rejected, or its event is one that the SDK could have sent; nothing raises."""
    with_user = {"event": "e", "user": "u", **record}
    for given_record in (record, with_user):
        payload = _events(property_columns=columns).payload(given_record, EMITTED_AT)
        if isinstance(payload, tuple):
            (read,) = read_events(_request(payload[1]))
            assert read.user_id == payload[0]
        else:
            assert payload.reason.replace("_", "").isalpha()


@LAW
@given(RECORDS, st.randoms(use_true_random=False))
def test_the_order_of_columns_does_not_count(record: dict[str, Any], dice: random.Random) -> None:
    """The same record gives the same bytes, in whatever order its columns come."""
    record = {**record, **RECORD}
    shuffled = list(record.items())
    dice.shuffle(shuffled)
    columns = "pay, discount, event, user"
    first = _events(property_columns=columns).payload(record, EMITTED_AT)
    assert first == _events(property_columns=columns).payload(dict(shuffled), EMITTED_AT)


@LAW
@given(RECORDS)
def test_no_value_can_be_read_in_an_id(record: dict[str, Any]) -> None:
    """32 hexadecimal digits, whatever went in."""
    payload = _events().payload({**record, "event": "e", "user": "u"}, EMITTED_AT)
    if isinstance(payload, tuple):
        insert_id = orjson.loads(payload[1])["insertId"]
        assert len(insert_id) == 32
        assert set(insert_id) <= set("0123456789abcdef")
