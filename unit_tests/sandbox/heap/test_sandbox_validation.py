"""The rules by which the sandbox refuses a body, one promise each."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.heap import Sandbox
from sandbox.heap.validation import (
    ADD_ACCOUNT_PROPERTIES,
    ADD_USER_PROPERTIES,
    TRACK,
    Form,
    ValidationError,
)

EVENT = {"event": "Signed Up", "identity": "a@example.com"}
USER = {"identity": "a@example.com"}
ACCOUNT = {"account_id": "acme"}


def fault(form: Form[Any], body: Any, poison: tuple[str, ...] = ()) -> str:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(ValidationError) as caught:
        form.read(raw, frozenset(poison))
    return caught.value.message()


def event_fault(poison: tuple[str, ...] = (), **fields: Any) -> str:
    return fault(TRACK, {"app_id": "11", "events": [EVENT, {**EVENT, **fields}]}, poison)


def accepts(form: Form[Any], item: dict[str, Any]) -> bool:
    read = form.read(json.dumps({"app_id": "11", form.list_name: [item]}).encode())
    return len(read.items) == 1


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b'{"app_id": NaN}', b'{"a": Infinity}', b'{"a": "\\ud800"}']
)
def test_json(body: bytes) -> None:
    """What strict JSON does not know is refused, NaN and infinities included."""
    assert fault(TRACK, body) == "postBody is not valid JSON"


@pytest.mark.parametrize("body", [[], "text", 1, None])
def test_object_body(body: Any) -> None:
    """A body that is JSON but no object is refused."""
    assert fault(TRACK, body) == "postBody is not a valid object"


@pytest.mark.parametrize("app_id", [None, 11, "", "abc", "1 1", "-1", "1.0", "١١", True])
@pytest.mark.parametrize("form", [TRACK, ADD_USER_PROPERTIES, ADD_ACCOUNT_PROPERTIES])
def test_app_id(form: Form[Any], app_id: Any) -> None:
    """An app_id is a string of digits, on every API."""
    body = {"app_id": app_id, form.list_name: []}
    assert fault(form, body) == "postBody.app_id is not a valid app_id string"


def test_large_app_id() -> None:
    """Ids beyond 32 bits are valid."""
    body = json.dumps({"app_id": "3000610572", **EVENT}).encode()
    assert TRACK.read(body).app_id == "3000610572"


@pytest.mark.parametrize(
    ("form", "item"),
    [(TRACK, EVENT), (ADD_USER_PROPERTIES, USER), (ADD_ACCOUNT_PROPERTIES, ACCOUNT)],
)
def test_item_count(form: Form[Any], item: dict[str, str]) -> None:
    """1 to 1,000 items make a request, on every API."""
    path = f"postBody.{form.list_name}"
    for count in (1, 1_000):
        body = json.dumps({"app_id": "11", form.list_name: [item] * count}).encode()
        assert len(form.read(body).items) == count
    for count in (0, 1_001):
        message = fault(form, {"app_id": "11", form.list_name: [item] * count})
        assert message == f"{path} is not a valid array of 1 to 1000 items"
    assert fault(form, {"app_id": "11", form.list_name: item}) == f"{path} is not a valid array"


@pytest.mark.parametrize("item", [None, "text", 1, []])
def test_item_object(item: Any) -> None:
    """Items are objects."""
    body = {"app_id": "11", "events": [EVENT, item]}
    assert fault(TRACK, body) == "postBody.events[1] is not a valid object"


def test_single_form_is_item_0() -> None:
    """The single form is judged as item 0 of the bulk form, in Heap's own words."""
    body = {"app_id": "11", **EVENT, "timestamp": "2022-02-28T23:48:04.2847713Z"}
    words = "postBody.events[0].timestamp is not a valid unix,iso8601 timestamp"
    assert fault(TRACK, body) == words
    assert fault(ADD_USER_PROPERTIES, {"app_id": "11"}).startswith("postBody.users[0].identity ")
    missing = fault(ADD_ACCOUNT_PROPERTIES, {"app_id": "11"})
    assert missing.startswith("postBody.accounts[0].account_id ")


def test_first_fault_only() -> None:
    """Of many faults the first is named, and the items are counted."""
    body = {"app_id": "11", "events": [EVENT, {**EVENT, "event": ""}, {}]}
    with pytest.raises(ValidationError) as caught:
        TRACK.read(json.dumps(body).encode())
    assert caught.value.message().startswith("postBody.events[1].event ")
    assert caught.value.items == 3


@pytest.mark.parametrize("event", [None, "", "  ", 1, "x" * 1_025])
def test_event_name(event: Any) -> None:
    """An event has a name that is not blank and has at most 1,024 characters."""
    assert event_fault(event=event).startswith("postBody.events[1].event ")
    assert accepts(TRACK, {**EVENT, "event": "é" * 1_024})


@pytest.mark.parametrize("identity", [None, "", "\t", 5, True, "x" * 256])
def test_identity(identity: Any) -> None:
    """An identity is a string of 1 to 255 characters, not blank."""
    assert event_fault(identity=identity).startswith("postBody.events[1].identity ")
    user = fault(ADD_USER_PROPERTIES, {"app_id": "11", "identity": identity})
    assert user.startswith("postBody.users[0].identity ")
    assert accepts(TRACK, {**EVENT, "identity": "é" * 255})


def test_exactly_one_of_identity_and_user_id() -> None:
    """An event has an identity or a user_id, never both or neither."""
    words = "does not have exactly one of identity, user_id"
    assert event_fault(user_id="1") == f"postBody.events[1] {words}"
    assert fault(TRACK, {"app_id": "11", "event": "E"}) == f"postBody.events[0] {words}"


def test_users_have_an_identity() -> None:
    """A user_id does not stand in for the identity of a user."""
    message = fault(ADD_USER_PROPERTIES, {"app_id": "11", "user_id": "1"})
    assert message.startswith("postBody.users[0].identity ")


@pytest.mark.parametrize(
    "user_id", [1, "", "-1", "1.0", "abc", str(2**53), "9" * 17, "9" * 5_000, None]
)
def test_user_id(user_id: Any) -> None:
    """A user_id is a decimal string of 0 to 2^53-1."""
    body = {"app_id": "11", "event": "E", "user_id": user_id}
    assert fault(TRACK, body).startswith("postBody.events[0].user_id ")
    for valid in ("0", str(2**53 - 1)):
        assert accepts(TRACK, {"event": "E", "user_id": valid})


@pytest.mark.parametrize("account_id", [None, "", " ", 7])
def test_account_id(account_id: Any) -> None:
    """An account_id is a string that is not blank."""
    message = fault(ADD_ACCOUNT_PROPERTIES, {"app_id": "11", "account_id": account_id})
    assert message.startswith("postBody.accounts[0].account_id ")


@pytest.mark.parametrize("key", [None, "", 1])
def test_idempotency_key(key: Any) -> None:
    """An idempotency key, if there is one, is a string that is not empty."""
    assert event_fault(idempotency_key=key).startswith("postBody.events[1].idempotency_key ")
    assert accepts(TRACK, {**EVENT, "idempotency_key": " "})


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-01-02T03:04:05.123Z",
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05.1+05:30",
        "2026-01-02T03:04:05-0800",
        "2026-01-02T03:04",
        "2026-01-02",
        1_700_000_000,
        1_700_000_000_123,
        1_700_000_000.5,
    ],
)
def test_good_timestamps(timestamp: Any) -> None:
    """ISO 8601 with at most 3 fraction digits passes, and so does a number."""
    assert accepts(TRACK, {**EVENT, "timestamp": timestamp})


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-01-02T03:04:05.1234Z",
        "2026-01-02T03:04:05.123456Z",
        "2026-01-02 03:04:05Z",
        "2026-02-30T00:00:00Z",
        "2026-01-02T25:00:00Z",
        "20260102T030405Z",
        "yesterday",
        "1700000000",
        2**63,
        -1e300,
        "",
        None,
        True,
        {},
    ],
)
def test_bad_timestamps(timestamp: Any) -> None:
    """Finer fractions, dates that are none and other types are refused."""
    words = "postBody.events[1].timestamp is not a valid unix,iso8601 timestamp"
    assert event_fault(timestamp=timestamp) == words


@pytest.mark.parametrize("properties", [None, [], "text"])
def test_properties_object(properties: Any) -> None:
    """Properties, if there are any, are an object."""
    message = event_fault(properties=properties)
    assert message == "postBody.events[1].properties is not a valid object"


@pytest.mark.parametrize("value", ["", "x" * 1_023, 0, -1, 1.5, True, False])
@pytest.mark.parametrize(
    ("form", "item"),
    [(TRACK, EVENT), (ADD_USER_PROPERTIES, USER), (ADD_ACCOUNT_PROPERTIES, ACCOUNT)],
)
def test_scalars(form: Form[Any], item: dict[str, str], value: Any) -> None:
    """Strings, numbers and booleans pass on every API."""
    assert accepts(form, {**item, "properties": {"p": value}})


@pytest.mark.parametrize("value", [None, {}, {"a": 1}, [None], [[1]], [{}]])
def test_other_values(value: Any) -> None:
    """Null, nested objects and arrays of more than scalars are refused."""
    words = "is not a valid string,number,boolean,array of these"
    assert event_fault(properties={"p": value}) == f"postBody.events[1].properties.p {words}"


def test_arrays() -> None:
    """Arrays of scalars pass on track only."""
    assert accepts(TRACK, {**EVENT, "properties": {"p": ["a", 1, True, 2.5], "q": []}})
    for form, item in ((ADD_USER_PROPERTIES, USER), (ADD_ACCOUNT_PROPERTIES, ACCOUNT)):
        message = fault(form, {"app_id": "11", **item, "properties": {"p": ["a"]}})
        assert message.endswith("[0].properties.p is not a valid string,number,boolean")


def test_property_lengths() -> None:
    """Property keys and string values have fewer than 1,024 characters."""
    assert accepts(TRACK, {**EVENT, "properties": {"k" * 1_023: "é" * 1_023}})
    value = event_fault(properties={"p": "x" * 1_024})
    assert value == "postBody.events[1].properties.p has 1024 characters or more"
    key = event_fault(properties={"k" * 1_024: 1})
    assert key.endswith("k has a name of 1024 characters or more")
    assert len(key) < 200


@pytest.mark.parametrize("key", ["id", "ID", "Id", "iD"])
def test_reserved_id(key: str) -> None:
    """No user property is named `id`, in any casing; events and accounts may have one."""
    message = fault(ADD_USER_PROPERTIES, {"app_id": "11", **USER, "properties": {key: 1}})
    assert message == f"postBody.users[0].properties.{key} is not a valid user property name"
    assert accepts(TRACK, {**EVENT, "properties": {key: 1}})
    assert accepts(ADD_ACCOUNT_PROPERTIES, {**ACCOUNT, "properties": {key: 1}})


def test_unknown_fields() -> None:
    """Fields nobody speaks of are accepted, at the top and in items."""
    body = {"app_id": "11", "library": "x", "events": [{**EVENT, "session_id": "1", "x": None}]}
    assert TRACK.read(json.dumps(body).encode()).items[0].event == "Signed Up"


@pytest.mark.parametrize("properties", [{"p": "13"}, {"13": 1}, {"p": ["a", "13"]}])
def test_poison(properties: dict[str, Any]) -> None:
    """A poisonous key or value is refused, and nothing that only looks like it."""
    name = next(iter(properties))
    assert event_fault(("13",), properties=properties) == (
        f"postBody.events[1].properties.{name} is not valid"
    )
    body = json.dumps({"app_id": "11", **EVENT, "properties": {"p": 13, "q": "131"}}).encode()
    assert TRACK.read(body, frozenset({"13"}))


def test_values_are_quoted_on_demand_only() -> None:
    """A message holds the offending value only if asked to, and then not all of a long one."""
    body = {"app_id": "11", **EVENT, "properties": {"p": "secret" * 1_000}}
    with pytest.raises(ValidationError) as caught:
        TRACK.read(json.dumps(body).encode())
    assert "secret" not in caught.value.message()
    assert "secret" in caught.value.message(quote=True)
    assert len(caught.value.message(quote=True)) < 300


TEXT = st.text("a1é \u0000", max_size=3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(
    ["app_id", "events", "event", "identity", "user_id", "timestamp", "properties", "x"]
)


@settings(
    derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # a busy machine is no fault
@given(st.dictionaries(FIELDS, JSON | st.lists(st.dictionaries(FIELDS, JSON), max_size=3)))
def test_any_json(body: dict[str, Any]) -> None:
    """Whatever the JSON, it is taken, or refused with a path; nothing else happens."""
    answer = Sandbox().track(json.dumps({"app_id": "11", **body}).encode())
    assert answer.status == 200 or answer.body.startswith(b"postBody")
