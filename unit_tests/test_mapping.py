"""Contract, sections 3 to 5: what a record becomes on each API."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from destination_heap_analytics.apis import Api, Payload, idempotency_key, make_api
from destination_heap_analytics.catalog import Stream
from destination_heap_analytics.config import parse_config
from destination_heap_analytics.messages import RecordMessage, read_exactly, read_line
from destination_heap_analytics.values import INEXACT, Rejected

LAW = settings(derandomize=True, deadline=None)
NOON = datetime(2026, 11, 21, 12, 0, 0, 123_456, tzinfo=UTC)
REQUIRED = {
    "track": {"event_column": "event", "identity_column": "who"},
    "add_user_properties": {"identity_column": "who"},
    "add_account_properties": {"account_id_column": "who"},
}
MakeApi = Callable[..., Api]


@pytest.fixture(scope="session")
def api() -> MakeApi:
    """Builds an API type: `api("track", schema=..., primary_key=..., property_columns="a,b")`."""

    def make(
        api_type: str,
        *,
        stream: Stream = Stream("people"),  # noqa: B008  # frozen
        **columns: Any,
    ) -> Api:
        config = parse_config(
            {"app_id": "11", "api": {"api_type": api_type, **REQUIRED[api_type], **columns}}
        )
        return make_api(config.api, stream, now=lambda: NOON)

    return make


APIS = ["track", "add_user_properties", "add_account_properties"]
EVENT = {"event": "Order", "who": "alice", "at": "2026-01-02T03:04:05Z", "n": 1}


def item(outcome: object) -> dict[str, Any]:
    assert isinstance(outcome, Payload), outcome
    parsed: dict[str, Any] = json.loads(outcome.body)
    return parsed


def test_default_timestamp(api: Any) -> None:
    """Not set, null or missing: the current time, in UTC with milliseconds."""
    for columns, data in [
        ({}, EVENT),
        ({"timestamp_column": "at"}, {**EVENT, "at": None}),
        ({"timestamp_column": "at"}, {"event": "e", "who": "w"}),
    ]:
        sent = item(api("track", **columns).payload(data, 7))
        assert sent["timestamp"] == "2026-11-21T12:00:00.123Z"


def key_of(outcome: object) -> str:
    return str(item(outcome)["idempotency_key"])


def test_keys_are_pinned(api: Any) -> None:
    """The same on every run, machine and Python version: these were written down once."""
    assert idempotency_key(b"") == "cae66941d9efbd404e4d88758ea67670"
    track = api("track", timestamp_column="at")
    assert key_of(track.payload(EVENT, 1)) == "e3a10a4c0ab3e5b1e2984affccb4a37b"
    deduped = api("track", stream=Stream("orders", "shop", None, (("n",),)), timestamp_column="at")
    assert key_of(deduped.payload(EVENT, 1)) == "6652b4a0dd792e310187776c79e399e6"


def test_key_of_the_whole_event(api: Any) -> None:
    """Equal events share a key, in whatever order their columns come; any difference ends that."""
    track = api("track", timestamp_column="at")
    key = key_of(track.payload(EVENT, 1))
    assert key_of(track.payload(dict(reversed(EVENT.items())), 2)) == key
    for change in ({"n": 2}, {"who": "bob"}, {"event": "Other"}, {"at": "2026-01-02T03:04:06Z"}):
        assert key_of(track.payload({**EVENT, **change}, 1)) != key


def test_key_with_a_defaulted_timestamp(api: Any) -> None:
    """The record's `emitted_at` stands in for a time that is not its own."""
    track = api("track")
    assert key_of(track.payload(EVENT, 1)) == key_of(track.payload(EVENT, 1))
    assert key_of(track.payload(EVENT, 1)) != key_of(track.payload(EVENT, 2))


def test_key_of_the_row(api: Any) -> None:
    """With a primary key, a corrected row keeps its key; another row or stream has its own."""
    track = api("track", stream=Stream("orders", None, None, (("n",), ("at",))))
    key = key_of(track.payload(EVENT, 1))
    assert key_of(track.payload({**EVENT, "event": "Corrected"}, 2)) == key
    assert key_of(track.payload({**EVENT, "n": "1"}, 1)) != key
    for other in (
        Stream("other", None, None, (("n",), ("at",))),
        Stream("orders", "x", None, (("n",), ("at",))),
    ):
        assert key_of(api("track", stream=other).payload(EVENT, 1)) != key
    without = {**EVENT, "n": None}
    assert key_of(track.payload(without, 1)) != key_of(track.payload({**without, "who": "b"}, 1))


def test_no_personal_data_in_the_key(api: Any) -> None:
    """A hash of fixed length, in hexadecimal."""
    for name in ("a", "alice@example.com" * 9):
        key = key_of(api("track").payload({**EVENT, "who": name}, 1))
        assert len(key) == 32
        assert set(key) <= set("0123456789abcdef")


def test_ids_beyond_64_bits_stay_apart(api: Any) -> None:
    """Digits are kept where a fast parser would round two ids, or two keys, into one."""

    def outcomes(api_type: str, field: str, digits: str, **more: Any) -> object:
        data = {"event": "e", "who": "w", "at": 1, "id": 1, field: "@"}
        line = json.dumps({"type": "RECORD", "record": {"stream": "s", "data": data}})
        line = line.replace('"@"', digits)
        message = read_line(line.encode())
        assert isinstance(message, RecordMessage)
        configured = api(api_type, **more)
        outcome = configured.payload(message.data, 1)
        if outcome is INEXACT:
            exact: Any = read_exactly(line.encode())
            outcome = configured.payload(exact["record"]["data"], 1)
        return outcome

    digits = "123456789012345678901234567890"
    for api_type in APIS:
        outcome = outcomes(api_type, "who", digits)
        assert isinstance(outcome, Payload)
        assert outcome.identity == digits
    rows = Stream("s", None, None, (("id",),))
    keys = {key_of(outcomes("track", "id", digits[:-1] + last, stream=rows)) for last in "123"}
    assert len(keys) == 3


@pytest.mark.parametrize("spelling", ["id", "ID", "Id", "iD"])
def test_reserved_id(api: Any, spelling: str) -> None:
    """Heap reserves `id` on users: it is sent as `<stream>_id`, and said once. Not elsewhere."""
    users = api("add_user_properties")
    sent = item(users.payload({"who": "w", spelling: 5}, 1))
    assert sent["properties"] == {"who": "w", "people_id": 5}
    assert len(users.warnings()) == 1
    assert item(api("add_account_properties").payload({"who": "w", spelling: 5}, 1))[
        "properties"
    ] == {
        "who": "w",
        spelling: 5,
    }


def test_reserved_id_meets_its_substitute(api: Any) -> None:
    """A genuine `<stream>_id` wins over a renamed `id`, which is counted as left out."""
    users = api("add_user_properties")
    sent = item(users.payload({"who": "w", "id": 5, "people_id": 6}, 1))
    assert sent["properties"]["people_id"] == 6
    assert users.adjustments.left_out == 1


@pytest.mark.parametrize(
    ("api_type", "data", "reason"),
    [
        ("track", {"event": "e"}, "identity_missing"),
        ("track", {"who": "w"}, "event_missing"),
        ("track", {"event": "e", "who": "w", "at": "soon"}, "timestamp_not_readable"),
        ("track", {"event": "e", "who": "Guest"}, "identity_of_no_single_person"),
        ("add_user_properties", {"who": {}}, "identity_not_text"),
        ("add_account_properties", {"who": True}, "account_id_not_text"),
    ],
)
def test_rejected(api: Any, api_type: str, data: dict[str, Any], reason: str) -> None:
    """What cannot be sent is a value with a reason."""
    columns = {"timestamp_column": "at"} if api_type == "track" else {}
    assert api(api_type, **columns).payload(data, 1) == Rejected(reason)


def test_lone_surrogates_are_repaired(api: Any) -> None:
    """Text that no UTF-8 can carry is repaired in a property and in an event's name."""
    sent = item(api("track").payload({**EVENT, "event": "a\udc00", "n\ud800": "\ud83dx"}, 1))
    assert sent["event"] == "a\ufffd"
    assert sent["properties"]["n\ufffd"] == "\ufffdx"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
RECORDS = st.dictionaries(st.sampled_from(["who", "event", "at", "id", "x.y", "x", ""]), JSON)


@LAW
@given(RECORDS, JSON)
def test_mapping_never_raises(record: dict[str, Any], emitted_at: Any) -> None:
    """Any JSON record becomes a payload that is valid JSON, or a rejection."""
    for api_type, columns in {
        "track": {"event_column": "event", "identity_column": "who", "timestamp_column": "at"},
        "add_user_properties": {"identity_column": "who"},
        "add_account_properties": {"account_id_column": "who"},
    }.items():
        config = parse_config({"app_id": "1", "api": {"api_type": api_type, **columns}})
        for stream in (Stream("s"), Stream("s", None, None, (("id",),))):
            outcome = make_api(config.api, stream).payload(record, emitted_at)
            if isinstance(outcome, Payload):
                sent = json.loads(outcome.body)
                assert sent[{"add_account_properties": "account_id"}.get(api_type, "identity")]
                assert all(
                    type(value) in {str, int, float, bool} for value in sent["properties"].values()
                )
            else:
                assert isinstance(outcome, Rejected)
