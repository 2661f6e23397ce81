"""Records become payloads of Heap's three APIs."""

import hashlib
import json
import math
import random
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulk_destination.errors import ConfigurationError
from bulk_destination.mapping.record_mapper import RecordMapper
from bulk_destination.mapping.stream import Stream
from bulk_destination.mapping.values import DELETED, INEXACT, NOTHING_TO_SAY, Rejected
from bulk_destination.protocol.messages import classify, read_exactly, read_line
from destination_heap_analytics.apis import make_api
from destination_heap_analytics.config import HeapConfig

LAW = settings(derandomize=True, max_examples=100, deadline=None)

TRACK = {
    "api_type": "track",
    "event_column": "event",
    "identity_column": "email",
    "timestamp_column": "at",
}
USERS = {"api_type": "add_user_properties", "identity_column": "email"}
ACCOUNTS = {"api_type": "add_account_properties", "account_id_column": "email"}
ALL = [TRACK, USERS, ACCOUNTS]
NOON = datetime(2026, 1, 2, 12, 0, 0, 678_900, tzinfo=UTC)
RECORD = {"email": "a@example.com", "event": "Signed up", "at": "2022-10-21T04:09:54Z", "n": 1}
EMITTED_AT = 1_700_000_000_000


def _api(columns: dict[str, str], stream: Stream | None = None) -> RecordMapper:
    config = HeapConfig.parse({"app_id": "11", "api": columns}).api
    return make_api(config, stream or Stream("users"), now=lambda: NOON)


def _body(
    api: RecordMapper, record: dict[str, Any], emitted_at: object = EMITTED_AT
) -> dict[str, Any]:
    payload = api.payload(record, emitted_at)
    assert isinstance(payload, tuple), payload
    body: dict[str, Any] = json.loads(payload[1])
    assert payload[0] == body.get("identity", body.get("account_id"))
    return body


def _key(record: dict[str, Any], emitted_at: object = EMITTED_AT, **stream: Any) -> str:
    columns = {**TRACK, **stream.pop("columns", {})}
    name = stream.pop("name", "users")
    key: str = _body(_api(columns, Stream(name, **stream)), record, emitted_at)["idempotency_key"]
    return key


# -- the shape of each ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "fields"),
    [
        (
            TRACK,
            {"event", "identity", "timestamp", "properties", "idempotency_key"},
        ),
        (USERS, {"identity", "properties"}),
        (ACCOUNTS, {"account_id", "properties"}),
    ],
    ids=lambda value: value["api_type"] if isinstance(value, dict) else "",
)
def test_each_api_has_its_fields(columns: dict[str, str], fields: set[str]) -> None:
    """Exactly the documented fields of an item."""
    assert set(_body(_api(columns), RECORD)) == fields


# -- what is not sent ----------------------------------------------------------------------------


@pytest.mark.parametrize("columns", ALL, ids=lambda c: str(c["api_type"]))
def test_what_the_source_deleted_is_skipped(columns: dict[str, str]) -> None:
    """Before anything else is judged: a delete may carry its key alone."""
    api = _api(columns)
    for when in ("2026-01-02T00:00:00Z", 1, True):
        assert api.payload({"id": 1, "_ab_cdc_deleted_at": when}, 1) is DELETED
    for blank in (None, "", " "):
        assert isinstance(api.payload({**RECORD, "_ab_cdc_deleted_at": blank}, 1), tuple)


@pytest.mark.parametrize(
    "named",
    [
        {"property_columns": "n, _ab_cdc_deleted_at as gone"},
        {"property_columns": '"_ab_cdc_deleted_at" as gone, n'},
        {"property_columns": "*", "timestamp_column": "_ab_cdc_deleted_at, at"},
        {"property_columns": "*", "event_column": "_ab_cdc_deleted_at, 'Changed'"},
    ],
)
def test_a_configuration_that_names_the_deletion_gets_it(named: dict[str, str]) -> None:
    """A deletion may be the event."""
    deleted = {**RECORD, "_ab_cdc_deleted_at": "2026-01-02T00:00:00Z"}
    assert isinstance(_api({**TRACK, **named}).payload(deleted, 1), tuple)
    excluded = {**TRACK, "property_columns": "* except (_ab_cdc_deleted_at)"}
    assert _api(excluded).payload(deleted, 1) is DELETED


@pytest.mark.parametrize("columns", [USERS, ACCOUNTS], ids=lambda c: str(c["api_type"]))
def test_an_update_that_has_nothing_to_say_is_skipped(columns: dict[str, str]) -> None:
    """Heap would make an empty user of it; a fixed text alone says nothing of anybody."""
    for wanted in ("zzz", "zzz, 'crm' as source", "lower(zzz) as z, sha256('crm') as source"):
        api = _api({**columns, "property_columns": wanted})
        assert api.payload(RECORD, 1) is NOTHING_TO_SAY
        assert isinstance(api.payload({**RECORD, "zzz": "1"}, 1), tuple)
    assert _body(_api({**columns, "property_columns": "'crm' as source"}), RECORD)
    assert isinstance(_api({**columns, "property_columns": "zzz"}).payload({}, 1), Rejected)


def test_an_event_needs_no_property() -> None:
    """That it happened is something to say."""
    assert _body(_api({**TRACK, "property_columns": "zzz"}), RECORD)["properties"] == {}


# -- what may be written for a column -----------------------------------------------------------


def test_a_table_of_orders_becomes_events() -> None:
    """A fixed name, columns that may say who, a hash: nothing has to be made in the source."""
    columns = {
        "api_type": "track",
        "event_column": "'Order placed'",
        "identity_column": "user_id, sha256(lower(email))",
        "timestamp_column": "paid_at, created_at",
        "property_columns": "* except (email), 'shop' as source, json(lines) as items",
    }
    order = {"email": " Ann@x.com", "created_at": "2026-01-02T03:04:05Z", "lines": [{"n": 1}]}
    body = _body(_api(columns), order)
    assert body["event"] == "Order placed"
    assert body["identity"] == hashlib.sha256(b"ann@x.com").hexdigest()
    assert body["timestamp"] == "2026-01-02T03:04:05Z"
    assert body["properties"] == {
        "created_at": "2026-01-02T03:04:05Z",
        "lines.0.n": 1,
        "source": "shop",
        "items": '[{"n":1}]',
    }
    body = _body(_api(columns), {**order, "user_id": 7, "paid_at": "2026-02-03T00:00:00Z"})
    assert (body["identity"], body["timestamp"]) == ("7", "2026-02-03T00:00:00Z")


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("event_column", "''", "'' cannot be sent: event_blank"),
        ("event_column", f"status, '{'x' * 1_025}'", "cannot be sent: event_too_long"),
        ("timestamp_column", "at, 'soon'", "'soon' cannot be sent: timestamp_not_readable"),
    ],
)
def test_a_fixed_text_must_be_fit_to_be_sent(field: str, text: str, words: str) -> None:
    """Or every record would be rejected."""
    with pytest.raises(ConfigurationError, match="cannot be sent") as raised:
        _api({**TRACK, field: text})
    assert raised.value.faults[0].path == f"api.{field}"
    assert words in str(raised.value)


def test_faults_of_all_fields_at_once() -> None:
    """Each with the field that it is in."""
    columns = {**TRACK, "event_column": "evnt", "property_columns": "emial, * except (nn)"}
    schema: dict[str, Any] = {"properties": {name: {} for name in RECORD}}
    with pytest.raises(ConfigurationError) as raised:
        _api(columns, Stream("users", schema=schema))
    assert [fault.path for fault in raised.value.faults] == [
        "api.event_column",
        *["api.property_columns"] * 2,
    ]


@pytest.mark.parametrize("columns", ALL, ids=lambda c: str(c["api_type"]))
def test_arrays_are_joined_on_all_three(columns: dict[str, str]) -> None:
    """`||` is not for events only."""
    properties = _body(_api(columns), {**RECORD, "tags": ["a", "b"]})["properties"]
    assert properties["tags"] == "a||b"


@pytest.mark.parametrize("columns", ALL, ids=lambda c: str(c["api_type"]))
def test_what_was_changed_is_counted(columns: dict[str, str]) -> None:
    """Cut texts and left-out values are counted over the whole sync."""
    api = _api(columns)
    for _ in range(3):
        _body(api, {**RECORD, "long": "x" * 1024, "nan": math.nan, "n" * 1024: 1, "m": 10**400})
    assert (api.adjustments.truncated, api.adjustments.left_out) == (3, 9)


@pytest.mark.parametrize("columns", [TRACK, USERS], ids=lambda c: str(c["api_type"]))
@pytest.mark.parametrize(
    "identity", [None, "", " ", True, {}, [], "x" * 256, "NULL", "Anonymous"], ids=repr
)
def test_record_without_a_person_is_rejected(columns: dict[str, str], identity: object) -> None:
    """An unfit identity rejects the record, on events and on users."""
    assert isinstance(_api(columns).payload({**RECORD, "email": identity}, 1), Rejected)
    assert isinstance(_api(columns).payload({"event": "x"}, 1), Rejected)


@pytest.mark.parametrize("account", [None, "", True, {}, [], "x" * 1025], ids=repr)
def test_record_without_an_account_is_rejected(account: object) -> None:
    """An unfit account id rejects the record."""
    assert isinstance(_api(ACCOUNTS).payload({"email": account}, 1), Rejected)


@pytest.mark.parametrize("event", [None, "", "  ", "x" * 1025], ids=repr)
def test_record_without_an_event_is_rejected(event: object) -> None:
    """A missing, blank or over-long event rejects the record."""
    assert isinstance(_api(TRACK).payload({**RECORD, "event": event}, 1), Rejected)


@pytest.mark.parametrize("at", ["yesterday", 0, True, [], {}, math.nan])
def test_unreadable_timestamp_is_rejected(at: object) -> None:
    """An event whose time cannot be read is never dated "now"."""
    assert isinstance(_api(TRACK).payload({**RECORD, "at": at}, 1), Rejected)


@pytest.mark.parametrize(
    ("columns", "record"),
    [
        ({**TRACK, "timestamp_column": ""}, RECORD),
        (TRACK, {**RECORD, "at": None}),
        (TRACK, {**RECORD, "at": " "}),
        (TRACK, {key: value for key, value in RECORD.items() if key != "at"}),
    ],
    ids=["column not set", "null", "blank", "missing"],
)
def test_timestamp_defaults_to_the_current_time(
    columns: dict[str, str], record: dict[str, Any]
) -> None:
    """Without a time of its own, an event is dated now, in milliseconds."""
    assert _body(_api(columns), record)["timestamp"] == "2026-01-02T12:00:00.678Z"


@pytest.mark.parametrize("columns", ALL, ids=lambda c: str(c["api_type"]))
def test_lone_surrogate_is_repaired(columns: dict[str, str]) -> None:
    """Half a character inside a good record does not cost the record."""
    line = (
        b'{"type":"RECORD","record":{"stream":"s","emitted_at":1,"data":'
        b'{"email":"a","event":"e","note":"x\\ud83dy","nan":NaN,"ok":1}}}'
    )
    message = read_line(line)
    assert isinstance(message, dict)
    properties = _body(_api(columns), message["data"])["properties"]
    assert properties["note"] == "x\ufffdy"
    assert properties["ok"] == 1
    assert "nan" not in properties


# -- Heap's reserved name ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["id", "ID", "Id", "iD"])
def test_id_of_a_user_gets_the_stream_s_name(name: str) -> None:
    """Heap reserves `id`, in any casing, on users: it is sent as `<stream>_id`, said once."""
    api = _api(USERS)
    for number in (7, 8):
        properties = _body(api, {"email": "a", name: number})["properties"]
        assert properties == {"email": "a", "users_id": number}
    assert sum("users_id" in warning for warning in api.warnings()) == 1


def test_names_that_only_hold_id_stand() -> None:
    """`user_id`, `ids` and `identities.id` are not `id`."""
    record = {"email": "a", "user_ids": 1, "ids": 2, "identities": {"id": 3}}
    api = _api(USERS)
    assert _body(api, record)["properties"] == {
        "email": "a",
        "user_ids": 1,
        "ids": 2,
        "identities.id": 3,
    }
    assert api.warnings() == []


def test_id_under_another_name_is_reserved_too() -> None:
    """`path as id` is the same name, and `id as number` is another."""
    api = _api({**USERS, "property_columns": "n as ID"})
    assert _body(api, {"email": "a", "n": 1})["properties"] == {"users_id": 1}
    api = _api({**USERS, "property_columns": "id as number"})
    assert _body(api, {"email": "a", "id": 1})["properties"] == {"number": 1}


@pytest.mark.parametrize("columns", [TRACK, ACCOUNTS], ids=lambda c: str(c["api_type"]))
def test_id_elsewhere_stands(columns: dict[str, str]) -> None:
    """Only users have the reserved name."""
    assert _body(_api(columns), {**RECORD, "id": 7})["properties"]["id"] == 7


# -- idempotency keys ----------------------------------------------------------------------------

DEDUP: dict[str, Any] = {
    "namespace": "app",
    "primary_key": (("id",),),
    "deduplicates": True,
}
#: The same stream in another mode.
APPEND = {**DEDUP, "deduplicates": False}
ROW = {**RECORD, "id": 7}
UNDATED = {**ROW, "at": None}


@pytest.mark.parametrize(
    ("key", "literal"),
    [
        (_key(ROW, **DEDUP), "33aec23d02d4b359efa3c32c24952fef"),
        (_key({**ROW, "id": "Zoë"}, **DEDUP), "24bd07373fdd973af7451a528d649a6d"),
    ],
    ids=["primary key", "text key"],
)
def test_keys_of_version_1_0_stay(key: str, literal: str) -> None:
    """A deduplicating sync by one column goes on as it was."""
    assert key == literal


@pytest.mark.parametrize(
    ("key", "literal"),
    [
        (
            _key(ROW, **DEDUP, columns={"event_column": "'Order placed'"}),
            "df371716500e6cd15989928503bb172d",
        ),
        (
            _key({**ROW, "b": "x"}, primary_key=(("id",), ("b",)), deduplicates=True),
            "cd333566fc7050a50b320b1ed70a1efb",
        ),
        (_key(ROW, columns={"event_id_column": "id"}), "b0b1ee391b0d44cf9e8e579266e1a8ec"),
        (_key(ROW, **APPEND), "8191f2b3f2b07f5996a4e8e01b8ab3a5"),
        (_key(UNDATED, **APPEND), "f10c3f3e931b58d9498c71428f1f2000"),
        (_key(RECORD), "b675e6e1d1e92fd9a060835ef8899824"),
        (_key({**RECORD, "at": None}), "9860c761a197843ff6269012c11c1996"),
        (
            _key({**RECORD, "n": 0.1, "u": "ü\u2028", "t": True, "o": {"b": [1], "a": None}}),
            "22a07273e68be3b82957e4f2cb4dd40d",
        ),
    ],
    ids=[
        *("a fixed name", "a compound key", "event id", "append", "append, no time", "no key"),
        *("neither key nor time", "values"),
    ],
)
def test_pinned_keys(key: str, literal: str) -> None:
    """The same on every run, machine and Python version: a changed key doubles every event."""
    assert key == literal
    assert re.fullmatch("[0-9a-f]{32}", key)


# -- -- each row of the table in `idempotency.py`


def test_an_event_id_is_all_that_an_event_is_known_by() -> None:
    """In any mode, whatever else has changed; and a fixed name goes with it."""
    by_id = {"columns": {"event_id_column": "id"}}
    key = _key(ROW, **by_id)
    for stream in (DEDUP, APPEND):
        assert _key(ROW, **stream, **by_id) == _key({**UNDATED, "n": 2}, 5, **stream, **by_id)
    assert key == _key({**ROW, "id": "7"}, **by_id), "as text"
    assert key != _key({**ROW, "id": 8}, **by_id)
    assert key != _key(ROW, columns={"event_id_column": "id", "event_column": "'Placed'"})
    assert _key({**ROW, "id": None}, columns={"event_id_column": "id, n"}) == _key(
        {**ROW, "id": 1}, **by_id
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [(None, "missing"), ("", "blank"), (" ", "blank"), (True, "not_text"), ([1], "not_text")],
)
def test_a_record_without_its_event_id_is_rejected(value: object, reason: str) -> None:
    """Else it would be known by something else, and might land twice; nothing can be taken back."""
    api = _api({**TRACK, "event_id_column": "id"})
    assert api.payload({**ROW, "id": value}, 1) == Rejected(f"event_id_{reason}")


def test_a_primary_key_in_a_mode_that_does_not_deduplicate() -> None:
    """Key and all that is sent: a row that has changed is another event, one read again is not."""
    assert _key(ROW, 1, **APPEND) == _key(ROW, 2, **APPEND)
    assert _key(ROW, **APPEND) != _key({**ROW, "n": 2}, **APPEND)
    assert _key(ROW, **APPEND) != _key({**ROW, "id": 8}, **APPEND)
    some = {**APPEND, "columns": {"property_columns": "n"}}
    assert _key(ROW, **some) == _key({**ROW, "other": 1}, **some)
    assert _key(ROW, **some) != _key({**ROW, "id": 8}, **some), "though all that is sent is equal"
    assert _key(UNDATED, 1, **APPEND) == _key(UNDATED, 2, **APPEND), "without the time"


def test_without_a_key_the_whole_record_is_what_an_event_is_known_by() -> None:
    """Two orders of one customer, one day and one amount are two events."""
    columns = {"property_columns": "n"}
    first, second = {**RECORD, "order": 1}, {**RECORD, "order": 2}
    assert _key(first, columns=columns) != _key(second, columns=columns)
    assert _key(first, 1, columns=columns) == _key(first, 2, columns=columns)
    undated = {**first, "at": None}
    assert _key(undated, 1) != _key(undated, 2)
    assert _key(undated, 1) == _key(undated, 1)


@pytest.mark.parametrize("stream", [DEDUP, APPEND, {}], ids=["dedup", "append", "no key"])
def test_bookkeeping_is_no_part_of_a_key(stream: dict[str, Any]) -> None:
    """A row that is read again has other numbers of its source's own; nor are those sent."""
    book = {"_ab_cdc_lsn": 1, "_ab_source_file_last_modified": "x", "_airbyte_extracted_at": "y"}
    again = {name: f"{value}!" for name, value in book.items()}
    assert _key({**ROW, **book}, **stream) == _key({**ROW, **again}, **stream)
    assert _key({**ROW, **book}, **stream) == _key(ROW, **stream)
    api = _api(TRACK, Stream("users", **stream))
    for record in ({**ROW, **book}, ROW, {**ROW, **book, "new": 1}):
        sent = _body(api, record)["properties"]
        assert not [name for name in sent if name.startswith("_")]
    named = {**TRACK, "property_columns": "_ab_cdc_lsn as lsn, *"}
    assert _body(_api(named), {**ROW, **book})["properties"]["lsn"] == 1


@pytest.mark.parametrize("stream", [DEDUP, APPEND, {}], ids=["dedup", "append", "no key"])
def test_one_table_under_two_names_is_two_sets_of_events(stream: dict[str, Any]) -> None:
    """The name as it is written: that a status was filled in later makes no new event of a row."""
    placed = {**stream, "columns": {"event_column": "'Order placed'"}}
    shipped = {**stream, "columns": {"event_column": "'Order shipped'"}}
    assert _key(ROW, **placed) != _key(ROW, **shipped)
    either = {**DEDUP, "columns": {"event_column": "status, 'Order'"}}
    assert _key(ROW, **either) == _key({**ROW, "status": "paid"}, **either)


def test_parts_of_a_key_are_taken_by_name() -> None:
    """A catalog may give them in any order."""
    row = {**ROW, "b": 8}
    for mode in (True, False):
        keys = {
            _key(row, primary_key=parts, deduplicates=mode)
            for parts in ((("id",), ("b",)), (("b",), ("id",)))
        }
        assert len(keys) == 1


def test_rows_of_the_table_do_not_meet() -> None:
    """What one row of it hashes is never what another does."""
    row = {**ROW, "id": "7"}
    keys = [
        _key(row, columns={"event_id_column": "id"}),
        _key(row, primary_key=(("id",),), deduplicates=True),
        _key(row, primary_key=(("id",),)),
        _key(row),
        _key({**row, "at": None}, primary_key=(("id",),)),
        _key({**row, "at": None}),
    ]
    assert len(set(keys)) == len(keys)


def test_that_no_key_is_known_is_told_before() -> None:
    """With the way out; a part of a key that no record has is told after."""
    notice = _api(TRACK, Stream("users")).notices()
    assert "event_id_column" in notice[0]
    for told in (
        _api(TRACK, Stream("users", **APPEND)),
        _api({**TRACK, "event_id_column": "id"}),
        _api(USERS),
    ):
        assert told.notices() == []
    api = _api(TRACK, Stream("users", primary_key=(("id",), ("tenant", "no"))))
    _body(api, ROW)
    assert [words for words in api.warnings() if "key" in words] == [
        "`tenant.no` (primary key) was in no record, so it keys no event",
        "Events that lack a part of their primary key: 1. Each is known by all columns of its "
        "record, and is a new event where one has changed",
    ]


# -- -- what all rows have in common


def test_equal_primary_keys() -> None:
    """However a source writes one: an object in any order, a whole number as a float."""
    ones = [{"a": 1, "b": 2}, {"b": 2, "a": 1}]
    assert len({_key({**ROW, "id": one}, **DEDUP) for one in ones}) == 1
    assert len({_key({**ROW, "id": one}, **DEDUP) for one in (7, 7.0)}) == 1


@pytest.mark.parametrize("nothing", [math.nan, math.inf, -math.inf, "", " "])
def test_what_many_rows_have_is_no_primary_key(nothing: object) -> None:
    """Their events are known by all that is sent, or all but the first would be lost."""
    keys = {_key({**ROW, "id": nothing, "n": n}, **DEDUP) for n in range(2)}
    assert len(keys) == 2


def test_key_is_the_same_under_any_key_order() -> None:
    """A source may order a record's keys as it likes."""
    record = {**RECORD, "o": {"x": 1, "y": {"z": 2, "w": [1, "a"]}}}
    backwards = {
        **{"o": {"y": {"w": [1, "a"], "z": 2}, "x": 1}},
        **dict(reversed(RECORD.items())),
    }
    assert _key(record) == _key(backwards)
    keys = list(record)
    random.Random(1).shuffle(keys)
    assert _key(record) == _key({key: record[key] for key in keys})


@pytest.mark.parametrize(
    "change",
    [
        {"email": "b"},
        {"event": "x"},
        {"at": "2022-10-21T04:09:55Z"},
        {"n": 2},
        {"n": "1"},
        {"m": 1},
    ],
    ids=repr,
)
def test_key_is_made_of_the_whole_mapped_event(change: dict[str, Any]) -> None:
    """Two events that differ in anything that is sent are two events."""
    assert _key({**RECORD, **change}) != _key(RECORD)


def test_emitted_at_stands_in_for_a_defaulted_time() -> None:
    """A time of the run's own would give every retry another key."""
    record = {**RECORD, "at": None}
    config = HeapConfig.parse({"app_id": "11", "api": TRACK}).api
    later = make_api(config, Stream("users"), now=lambda: NOON.replace(hour=13))
    assert _body(later, record)["idempotency_key"] == _key(record)
    assert _body(later, record)["timestamp"] != _body(_api(TRACK), record)["timestamp"]
    assert _key(record, emitted_at=1) != _key(record, emitted_at=2)


def test_primary_key_tells_rows_apart() -> None:
    """Another row, stream or namespace is another event, and so is a key of another type."""
    keys = [
        _key(ROW, **DEDUP),
        _key({**ROW, "id": 8}, **DEDUP),
        _key({**ROW, "id": "7"}, **DEDUP),
        _key(ROW, **{**DEDUP, "namespace": "other"}),
        _key(ROW, **{**DEDUP, "namespace": None}),
        _key(ROW, **DEDUP, name="orders"),
    ]
    assert len(set(keys)) == len(keys)


def test_compound_and_nested_primary_keys() -> None:
    """The parts of a compound key do not run into one another."""
    stream: dict[str, Any] = {"primary_key": (("a",), ("b", "c")), "deduplicates": True}
    assert _key({**RECORD, "a": "x", "b": {"c": "yz"}}, **stream) != _key(
        {**RECORD, "a": "xy", "b": {"c": "z"}}, **stream
    )
    assert _key({**RECORD, "a": "x", "b": {"c": "y", "d": 1}}, **stream) == _key(
        {**RECORD, "a": "x", "b": {"c": "y", "d": 2}}, **stream
    )


def test_corrected_row_keeps_its_key() -> None:
    """Under append_dedup a row keeps its key whatever else of it changes, its time too."""
    corrected = {"id": 7, "email": "b", "event": "y", "at": None, "n": 9}
    assert _key(corrected, emitted_at=5, **DEDUP) == _key(ROW, **DEDUP)


@pytest.mark.parametrize("missing", [{"id": None}, {}], ids=["null", "missing"])
def test_rows_without_their_primary_key_are_not_one(missing: dict[str, Any]) -> None:
    """A null key names no row: such events are told apart by what they say."""
    first = {**RECORD, **missing, "n": 1}
    assert _key(first, **DEDUP) != _key({**first, "n": 2}, **DEDUP)


def test_long_primary_keys_are_not_one() -> None:
    """Integers beyond 64 bits are told apart by all their digits."""
    keys = set()
    for number in (2**70, 2**70 + 1, 2**70 + 2):
        line = b'{"type":"RECORD","record":{"stream":"s","data":%b}}' % (
            json.dumps({**RECORD, "id": number}).encode()
        )
        message = read_line(line)
        assert isinstance(message, dict)
        api = _api(TRACK, Stream("users", **DEDUP))
        payload = api.payload(message["data"], 1)
        if payload is INEXACT:
            again = classify(read_exactly(line))
            assert isinstance(again, dict)
            payload = api.payload(again["data"], 1)
        assert isinstance(payload, tuple)
        keys.add(json.loads(payload[1])["idempotency_key"])
    assert len(keys) == 3


def test_no_personal_data_in_a_key() -> None:
    """The key is a hash; users and accounts carry none, as the last write wins there."""
    assert "a@example" not in _key(RECORD)
    for columns in (USERS, ACCOUNTS):
        assert "idempotency_key" not in _body(_api(columns), RECORD)


# -- at the end of a sync ------------------------------------------------------------------------


@pytest.mark.parametrize("columns", ALL, ids=lambda c: str(c["api_type"]))
def test_column_in_no_record_is_named(columns: dict[str, str]) -> None:
    """A column that never came is warned of, with the nearest names; a value never is."""
    api = _api({**columns, "property_columns": "nickname, n"})
    _body(api, {**RECORD, "nicknames": "Secret"})
    warnings = [warning for warning in api.warnings() if "nickname" in warning]
    assert len(warnings) == 1
    assert "`nicknames`" in warnings[0]
    assert "Secret" not in warnings[0]


def test_timestamp_column_in_no_record_is_named() -> None:
    """Else all events would silently be dated by the sync. Of several, those near to any."""
    api = _api({**TRACK, "timestamp_column": "paid_at, lower(creatd_at)"})
    _body(api, {"email": "a", "event": "e", "created_at": "2026-01-01"})
    assert api.warnings() == [
        "`paid_at, lower(creatd_at)` (timestamp_column) was in no record: all events are dated by "
        "the time of the sync; did you mean `created_at`?"
    ]
    _body(api, {"email": "a", "event": "e", "paid_at": "2026-01-01"})
    assert not any("timestamp_column) was in no" in warning for warning in api.warnings())
    assert not any("no record" in warning for warning in _api(USERS).warnings())


# -- laws ----------------------------------------------------------------------------------------

TEXT = st.text(st.characters(), max_size=6) | st.just("x" * 1024) | st.just("\ud800")
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "email": st.just("a@example.com") | VALUES,
        "event": st.just("e") | VALUES,
        "at": st.none() | VALUES,
        "id": VALUES,
    },
).flatmap(
    lambda named: st.dictionaries(TEXT, VALUES, max_size=4).map(lambda more: {**more, **named})
)


@pytest.mark.parametrize("columns", ALL, ids=lambda c: str(c["api_type"]))
@given(RECORDS)
@example({"email": "a", "event": "e", "": {"": [{"": "x" * 2000}]}})
@example({"email": "a", "event": "e", "n": 10**400, "id": 10**400})
@example({"email": "a", "event": "e", "deep": {"\ud800": "\udfff", "l": ["\ud800", {}]}})
@LAW
def test_mapping_never_raises_and_sends_what_heap_takes(
    columns: dict[str, str], record: dict[str, Any]
) -> None:
    """Any JSON record is a payload of scalars within Heap's limits, or a rejection."""
    stream = Stream("users", primary_key=(("id",),))
    payload = _api(columns, stream).payload(record, EMITTED_AT)
    if not isinstance(payload, tuple):
        assert re.fullmatch(r"[a-z_0-9]+", payload.reason)
        return

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    body = json.loads(payload[1].decode("utf-8"), parse_constant=refuse)
    for name, value in body["properties"].items():
        assert 1 <= len(name) <= 1023
        assert type(value) in {str, int, float, bool}
        if isinstance(value, str):
            assert len(value) < 1024
        if isinstance(value, float):
            assert math.isfinite(value)
    identity = body.get("identity", body.get("account_id"))
    assert type(identity) is str
    assert identity.strip()


@pytest.mark.parametrize(
    "odd",
    [["\ud800"], {"a": ["\ud800", 10**400]}, json.loads("[" * 600 + "]" * 600)],
    ids=["surrogate", "below", "deep"],
)
def test_no_emitted_at_and_no_primary_key_stops_a_sync(odd: object) -> None:
    """They are only hashed: the key is there, and it is the same again."""
    record = {**RECORD, "at": None}
    key = _key(record, emitted_at=odd)
    assert key == _key(record, emitted_at=odd) != _key(record)
    by_row = _key({**RECORD, "id": odd}, primary_key=(("id",),), deduplicates=True)
    again = {**RECORD, "id": odd, "n": 2}
    assert by_row == _key(again, primary_key=(("id",),), deduplicates=True)


def test_a_key_nested_deeper_than_calls_may_be_stops_no_sync() -> None:
    """Its record is rejected: without its key it could land twice."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    api = _api(TRACK, Stream("users", primary_key=(("id",),)))
    assert api.payload({**RECORD, "id": deep}, EMITTED_AT) == Rejected("primary_key_too_deep")
