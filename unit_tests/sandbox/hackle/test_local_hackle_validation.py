"""What the local Hackle takes is what hackle-sdk 3.9.0 can send, and nothing else."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.hackle.validation import ValidationError, read_events, read_key

HEADERS = {
    "X-HACKLE-SDK-KEY": "key",
    "X-HACKLE-SDK-NAME": "python-sdk",
    "X-HACKLE-SDK-VERSION": "3.9.0",
    "X-HACKLE-SDK-TIME": "1700000000000",
    "Content-Type": "application/json",
}
Json = dict[str, Any]


def event(**fields: Any) -> Json:
    """The first event of the SDK's own documentation, as it is on the wire."""
    return {
        "insertId": "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
        "timestamp": 1_700_000_000_000,
        "userId": "ae2182e0",
        "identifiers": {"$id": "ae2182e0"},
        "userProperties": {},
        "hackleProperties": {},
        "eventTypeId": 0,
        "eventTypeKey": "purchase",
        "value": None,
        "properties": {},
        **fields,
    }


def body(*events: Json, **fields: Any) -> bytes:
    document = {"exposureEvents": [], "trackEvents": [*events], "remoteConfigEvents": []}
    return json.dumps({**document, **fields}).encode()


@pytest.mark.parametrize(
    "fields",
    [
        {"value": 13200, "properties": {"pay_method": "CARD", "discount_amount": 800, "d": True}},
        {"value": -0.5, "properties": {"k" * 128: "v" * 1_024}},
        {"value": 2**53, "properties": {"n": -(2**53)}},
        {"properties": {f"p{n}": n for n in range(128)}},
        {"properties": {"list": ["a", 1, 0.5]}, "userProperties": {"plan": "pro"}},
        {"eventTypeKey": "$properties", "properties": {"$set": {"plan": "pro"}}},
        {"userId": None, "identifiers": {"$deviceId": "d"}},
        {"userId": "u" * 512, "identifiers": {"$id": "u" * 512, "other": "o"}},
        {"eventTypeId": 7, "timestamp": 0},
    ],
)
def test_taken(fields: Json) -> None:
    """Everything that the SDK lets through is taken, and kept as it came."""
    (read,) = read_events(body(event(**fields)))
    assert read.sent == event(**fields)
    assert (read.value, read.properties) == (read.sent["value"], read.sent["properties"])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"insertId": ""}, "insertId is not a non-empty string"),
        ({"insertId": 7}, "insertId is not a non-empty string"),
        ({"timestamp": "2026-01-31T09:30:00Z"}, "timestamp is not a whole number"),
        ({"timestamp": 1.5}, "timestamp is not a whole number"),
        ({"timestamp": True}, "timestamp is not a whole number"),
        ({"userId": "another"}, "userId is not the identifier $id"),
        ({"identifiers": {}}, "identifiers is empty"),
        ({"identifiers": {"$id": ""}}, "identifiers.$id is not a non-empty string"),
        ({"identifiers": {"$id": 7}}, "identifiers.$id is not a non-empty string"),
        ({"userId": "u" * 513}, "userId is longer than 512 characters"),
        ({"identifiers": {"t" * 129: "x"}}, "identifiers has a type that is not of 1 to 128"),
        ({"hackleProperties": {"a": 1}}, "hackleProperties is not an empty object"),
        ({"eventTypeId": None}, "eventTypeId is not a whole number"),
        ({"eventTypeKey": ""}, "eventTypeKey is not a non-empty string"),
        ({"eventTypeKey": 7}, "eventTypeKey is not a non-empty string"),
        ({"value": "13200"}, "value is not null and no finite number"),
        ({"value": True}, "value is not null and no finite number"),
        ({"value": 2**53 + 1}, "value is not null and no finite number"),
        ({"properties": []}, "properties is not an object"),
        ({"properties": {"": 1}}, "properties has a key that is not of 1 to 128"),
        ({"properties": {"k" * 129: 1}}, "properties has a key that is not of 1 to 128"),
        ({"properties": {"a": "v" * 1_025}}, "properties.a is longer than 1024"),
        ({"properties": {"a": 2**53 + 1}}, "properties.a is not a boolean, a string or"),
        ({"properties": {"a": None}}, "properties.a is not a boolean, a string or"),
        ({"properties": {"$a": None}}, "properties.$a is not a boolean, a string or"),
        ({"properties": {"a": {}}}, "properties.a is not a boolean, a string or"),
        ({"properties": {"a": [True]}}, "properties.a is not an array of strings and"),
        ({"properties": {f"p{n}": n for n in range(129)}}, "properties has more than 128 keys"),
        ({"userProperties": {"a": {}}}, "userProperties.a is not a boolean, a string or"),
        ({"insert_id": "x"}, " has a field that the SDK does not send"),
    ],
)
def test_refused(fields: Json, message: str) -> None:
    """One field that the SDK could not have sent so refuses the request, and is named."""
    with pytest.raises(ValidationError) as fault:
        read_events(body(event(), event(**fields)))
    assert fault.value.message().startswith("trackEvents[1]")
    assert message in fault.value.message()
    assert fault.value.items == 2


@pytest.mark.parametrize("name", event())
def test_every_field_is_needed(name: str) -> None:
    """The SDK sends all fields, so one that lacks is misspelled."""
    sent = event()
    del sent[name]
    with pytest.raises(ValidationError) as fault:
        read_events(body(sent))
    assert fault.value.message() == f"trackEvents[0].{name} is missing"


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b"{", "body is not valid JSON"),
        (b"\x1f\x8b", "body is not valid JSON"),
        (body(event(value=float("nan"))), "body is not valid JSON"),
        (b"[]", "body is not an object"),
        (b'{"trackEvents": []}', "is missing"),
        (body(), "trackEvents is not an array of 1 to 500 events"),
        (body(*[event()] * 501), "trackEvents is not an array of 1 to 500 events"),
        (body(event(), exposureEvents=[{}]), "exposureEvents is not empty"),
        (body(event(), more=1), "body has a field that the SDK does not send"),
    ],
)
def test_refused_bodies(sent: bytes, message: str) -> None:
    """So does an envelope that is not the SDK's."""
    with pytest.raises(ValidationError) as fault:
        read_events(sent)
    assert message in fault.value.message()


def test_most_events() -> None:
    """500 go at once."""
    assert len(read_events(body(*[event()] * 500))) == 500


@pytest.mark.parametrize("name", HEADERS)
def test_headers(name: str) -> None:
    """All headers of the SDK are needed; without a key it is 401."""
    assert read_key(HEADERS) == "key"
    for headers in ({**HEADERS, name: " "}, {k: v for k, v in HEADERS.items() if k != name}):
        with pytest.raises(ValidationError) as fault:
            read_key(headers)
        assert fault.value.status == (401 if name == "X-HACKLE-SDK-KEY" else 400)
        assert name in fault.value.message()


def test_values_are_quoted_on_demand_only() -> None:
    """What is kept of a refusal holds no value."""
    with pytest.raises(ValidationError) as fault:
        read_events(body(event(value="secret")))
    assert "secret" not in fault.value.message()
    assert fault.value.message(quote=True).endswith(': "secret"')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings(
    derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # a busy machine is no fault
@given(name=st.sampled_from(list(event())), value=JSON)
def test_any_json(name: str, value: Any) -> None:
    """Whatever stands in a field is taken or refused in words; nothing else is raised."""
    with suppress(ValidationError):
        (read,) = read_events(body(event(**{name: value})))
        assert read.sent == event(**{name: value})
