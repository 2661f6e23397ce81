"""How users are deleted in Heap: what may be configured, and what Heap's answers mean."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulk_destination.connection import connect
from bulk_destination.errors import ConfigurationError
from bulk_destination.http.jobs import Done, Given, NotDone, Pending, Taken, Unauthorised
from bulk_destination.http.replies import NotTheService, Refused, Reply, TryLater
from destination_heap_analytics.config import DeleteUsersConfig, HeapConfig
from destination_heap_analytics.deletion import deletion_endpoint, hold, token_endpoint
from destination_heap_analytics.service import HEAP

Json = dict[str, Any]

KEY = "a-key-of-nobody-77"
API: Json = {
    **{"api_type": "delete_users", "identity_column": "email"},
    **{"api_key": KEY, "confirm": "3000610572"},
}
CONFIG: Json = {"app_id": "3000610572", "api": API}


def with_api(**fields: Any) -> Json:
    """The configuration with other fields of `api`."""
    return {**CONFIG, "api": {**API, **fields}}


def faults(config: Json, *streams: Json) -> dict[str, str]:
    """All that is wrong, by its path; of the configuration alone, if there is no stream."""

    def look() -> object:
        if streams:
            return connect(HEAP, config, {"streams": [*streams]})
        return HeapConfig.parse(config)

    with pytest.raises(ConfigurationError) as raised:
        look()
    return {fault.path: fault.message for fault in raised.value.faults}


def stream(name: str = "requests", *columns: str, **more: Any) -> Json:
    """One of a configured catalog."""
    schema: Json = {"properties": {column: {} for column in columns}} if columns else {}
    return {
        "stream": {"name": name, "json_schema": schema},
        **{"destination_sync_mode": "append", **more},
    }


# -- the configuration ---------------------------------------------------------------------------


def test_the_least() -> None:
    """A hundred users of one sync, unless it is said; the key shows in no repr."""
    config = HeapConfig.parse(with_api(confirm=" 3000610572 ", api_key=f" {KEY}\n"))
    assert isinstance(config.api, DeleteUsersConfig)
    assert config.api.most_users == 100
    assert config.api.api_key.get_secret_value() == KEY
    assert KEY not in repr(config)
    assert KEY not in repr(token_endpoint(config, config.api).headers)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("user_id, email", "must be one column: where the first is empty, another could name"),
        ("lower(email)", "what a function makes of one may be somebody else"),
        ("sha256(lower(email))", "what a function makes of one may be somebody else"),
        ("'ann@x.com'", "a fixed text would be the same person in every record"),
        ("email,", "nothing stands where a column should be"),
        ("", "must not be blank"),
        (None, "is required"),
        (7, "must be text"),
    ],
)
def test_a_column_that_is_not_plain(column: object, words: str) -> None:
    """Each is a fault that says why, also for `check`, which knows no stream."""
    [(path, message)] = faults(with_api(identity_column=column)).items()
    assert path == "api.identity_column"
    assert words in message


@pytest.mark.parametrize("column", ["email", "identities.email", '"Amount, EUR"', "Email (work)"])
def test_a_plain_column(column: str) -> None:
    """Paths and names in double quotes are columns as well."""
    HeapConfig.parse(with_api(identity_column=column))


def test_a_column_that_the_stream_lacks() -> None:
    """It is an error, with the nearest name, before anything is sent."""
    told = faults(with_api(identity_column="emial"), stream("requests", "email"))
    assert "email" in told["api.identity_column"]


@pytest.mark.parametrize(
    ("fields", "path", "words"),
    [
        ({"confirm": "11"}, "api.confirm", "must be the environment's ID once more"),
        ({"confirm": None}, "api.confirm", "is required"),
        ({"confirm": 3000610572}, "api.confirm", "must be text"),
        ({"api_key": " "}, "api.api_key", "must not be blank"),
        ({"api_key": None}, "api.api_key", "is required"),
        ({"most_users": 0}, "api.most_users", "must be at least 1"),
        ({"most_users": 100_001}, "api.most_users", "must be at most 100000"),
    ],
)
def test_a_field_that_is_wrong(fields: Json, path: str, words: str) -> None:
    """Each is told at its place, and the environment's ID stands in none."""
    told = faults(with_api(**fields))
    assert [path] == [*told]
    assert words in told[path]
    assert "3000610572" not in told[path]


def test_all_at_once() -> None:
    """What hangs on two fields is told with the rest."""
    told = faults({**with_api(confirm="11", property_columns="*"), "max_retry_seconds": 0})
    assert told.keys() == {"api.confirm", "max_retry_seconds"}


# -- what it may stand beside --------------------------------------------------------------------


def test_it_is_no_choice_for_one_of_several_streams() -> None:
    """Neither is its word said to be one."""
    several = {"api_type": "by_stream", "streams": [{"stream": "requests", "api": API}]}
    told = faults({**CONFIG, "api": several})
    assert "delete_users" not in told["api.streams.0.api.api_type"]


def test_one_stream_only() -> None:
    """And the error offers no way to delete by several."""
    told = faults(CONFIG, stream("a"), stream("b"))
    assert told["catalog"].startswith("must have exactly one stream, and has 2")
    assert "by_stream" not in told["catalog"]


@pytest.mark.parametrize("name", ["event", "user", "account", "users"])
def test_no_object_beside_it(name: str) -> None:
    """A mapping that says what the stream becomes contradicts that it deletes."""
    told = faults(CONFIG, stream(destination_object_name=name))
    assert "must not be set" in told["catalog.streams.0.destination_object_name"]


def test_no_update() -> None:
    """Nor does a mode for updates fit."""
    told = faults(CONFIG, stream(destination_sync_mode="update"))
    assert "catalog.streams.0.destination_sync_mode" in told


def test_overwrite_is_not_told_that_all_stays() -> None:
    """What it says of other loads would be a lie."""
    connected = connect(HEAP, CONFIG, {"streams": [stream(destination_sync_mode="overwrite")]})
    assert connected.warnings == ()


# -- what Heap's answers mean --------------------------------------------------------------------

NOW = datetime(2026, 11, 26, tzinfo=UTC)
PARSED = HeapConfig.parse(CONFIG)
assert isinstance(PARSED.api, DeleteUsersConfig)
TOKEN = token_endpoint(PARSED, PARSED.api)
DELETION = deletion_endpoint(PARSED)
STATUS = hold(PARSED, PARSED.api).jobs.status("a/b 1")


def read(endpoint: Any, status: int, answer: object, **headers: str) -> Reply:
    """What an answer means to an endpoint."""
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    found: Reply = endpoint.read_reply(status, headers, body, NOW)
    return found


def test_where_they_are() -> None:
    """The number of a request is a part of the path, whatever is in it."""
    base = "https://heapanalytics.com/api/public/v0"
    assert TOKEN.url == f"{base}/auth_token"
    assert DELETION.url == f"{base}/user_deletion"
    assert STATUS.url == f"{base}/deletion_status/a%2Fb%201"
    assert (TOKEN.method, DELETION.method, STATUS.method) == ("POST", "POST", "GET")
    assert TOKEN.body([]) == STATUS.body([]) == b""
    assert DELETION.body([b"{}", b"{}"]) == b'{"users":[{},{}]}'


#: What a refusal without words means, while there was no token.
NO_TOKEN = hold(PARSED, PARSED.api).jobs.no_token("status 401")
ERROR = {"err": {"message": "Unauthorized"}}


@pytest.mark.parametrize(
    ("endpoint", "status", "answer", "reply"),
    [
        (TOKEN, 200, {"access_token": "t-1"}, Given("t-1")),
        (TOKEN, 200, {"access_token": ""}, NotTheService("status 200 without a token")),
        (TOKEN, 200, ["t-1"], NotTheService("status 200 without a token")),
        (TOKEN, 401, ERROR, Unauthorised("Unauthorized")),
        (TOKEN, 401, b"", NotTheService("status 401", NO_TOKEN)),
        (TOKEN, 403, ERROR, Unauthorised("Unauthorized")),
        (TOKEN, 403, b"", NotTheService("status 403")),
        (TOKEN, 403, b"<html>", NotTheService("status 403 with a web page")),
        (TOKEN, 401, b"<html>", NotTheService("status 401 with a web page")),
        (TOKEN, 400, ERROR, Refused("Unauthorized")),
        (TOKEN, 500, ERROR, TryLater("status 500")),
        (DELETION, 201, {"deletion_request_id": "7", "status": "pending"}, Taken("7")),
        (DELETION, 200, {"deletion_request_id": 7}, Taken("7")),
        (DELETION, 201, {"deletion_request_id": "7", "status": "complete"}, Taken("7", True)),
        (DELETION, 201, b"", NotTheService("status 201 without the number of a request")),
        (DELETION, 201, {"deletion_request_id": True},
         NotTheService("status 201 without the number of a request")),
        (DELETION, 201, {"deletion_request_id": "7", "error": "it broke"},
         NotTheService("status 201 with an error in its JSON")),
        (DELETION, 401, ERROR, Unauthorised("Unauthorized")),
        (DELETION, 401, b"", Unauthorised("")),
        (DELETION, 403, ERROR, Unauthorised("Unauthorized")),
        (DELETION, 400, ERROR, Refused("Unauthorized")),
        (STATUS, 200, {"status": "complete"}, Done()),
        (STATUS, 200, {"status": "COMPLETED"}, Done()),
        (STATUS, 200, {"status": "pending"}, Pending()),
        (STATUS, 200, {"status": "being looked at"}, Pending()),
        (STATUS, 200, {"status": "failed", "message": "why"}, NotDone("why")),
        (STATUS, 200, b"", NotTheService("status 200 without that of a request")),
        (STATUS, 404, ERROR, NotDone("Unauthorized", is_final=False)),
        (STATUS, 404, b"<html>", NotTheService("status 404 with a web page")),
        (STATUS, 401, ERROR, Unauthorised("Unauthorized")),
    ],
)  # fmt: skip
def test_an_answer(endpoint: Any, status: int, answer: object, reply: Reply) -> None:
    """Those that are published, and those that nobody has seen."""
    found = read(endpoint, status, answer)
    assert (type(found), found) == (type(reply), reply)


def test_an_answer_that_is_packed() -> None:
    """It is read as it would be unpacked."""
    packed = gzip.compress(b'{"access_token": "t-1"}')
    assert read(TOKEN, 200, packed, **{"Content-Encoding": "gzip"}) == Given("t-1")


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["status", "access_token", "deletion_request_id", "err", "message"]),
            inner,
        )
    ),
    max_leaves=5,
)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(
    st.sampled_from([TOKEN, DELETION, STATUS]),
    st.sampled_from([200, 201, 204, 302, 400, 401, 403, 404, 413, 429, 500]),
    st.binary(max_size=20) | ANY_JSON,
)
def test_any_answer(endpoint: Any, status: int, answer: object) -> None:
    """None raises, and only a 2xx is a yes."""
    found = read(endpoint, status, answer)
    if isinstance(found, Given | Taken | Done | Pending):
        assert 200 <= status < 300
