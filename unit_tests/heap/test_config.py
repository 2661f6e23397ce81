"""The configuration: one frozen value, or every fault at once."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulk_destination.config import unknown_fields
from bulk_destination.errors import ConfigurationError
from destination_heap_analytics.config import (
    AccountPropertiesConfig,
    HeapConfig,
    TrackConfig,
    UserPropertiesConfig,
)

LAW = settings(derandomize=True, max_examples=100, deadline=None)

TRACK = {"api_type": "track", "event_column": "event", "identity_column": "email"}
USERS = {"api_type": "add_user_properties", "identity_column": "email"}
ACCOUNTS = {"api_type": "add_account_properties", "account_id_column": "company"}


def _faults(raw: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as raised:
        HeapConfig.parse(raw)
    faults = {fault.path: fault.message for fault in raised.value.faults}
    assert len(faults) == len(raised.value.faults), "one line a fault"
    for path in faults:
        assert path in str(raised.value)
    return faults


# -- what is taken ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("api", "kind"),
    [(TRACK, TrackConfig), (USERS, UserPropertiesConfig), (ACCOUNTS, AccountPropertiesConfig)],
)
def test_least_configuration(api: dict[str, str], kind: type) -> None:
    """`app_id` and the required columns are enough; the rest has defaults."""
    config = HeapConfig.parse({"app_id": "11", "api": api})
    assert isinstance(config.api, kind)
    assert config.base_url == "https://heapanalytics.com"
    assert vars(config.api)["property_columns"] == "*"


@pytest.mark.parametrize(
    "api",
    [
        {**TRACK, "property_columns": "*"},
        {**TRACK, "property_columns": "*", "timestamp_column": "updated_at"},
        {**TRACK, "property_columns": "a,b.c", "timestamp_column": ""},
        {**USERS, "property_columns": "*"},
        {**ACCOUNTS, "property_columns": "name"},
        {**ACCOUNTS, "property_columns": "*", "anything": {"else": 1}},
    ],
)
@pytest.mark.parametrize(
    "base_url",
    ["https://heapanalytics.com", "https://heapanalytics.com/", "https://c.eu.heap-api.com"],
)
def test_published_configuration_stays_valid(api: dict[str, Any], base_url: str) -> None:
    """All that the forms of 0.1.x made is taken, unknown fields too."""
    config = HeapConfig.parse({"app_id": "11", "base_url": base_url, "api": api, "extra": [1]})
    assert config.base_url == base_url.rstrip("/")
    assert config.app_id == "11"


@pytest.mark.parametrize("blank", ["", "  ", None])
def test_blank_timestamp_column_is_not_set(blank: str | None) -> None:
    """The published form sent an empty text for a field left blank."""
    config = HeapConfig.parse({"app_id": "11", "api": {**TRACK, "timestamp_column": blank}})
    assert isinstance(config.api, TrackConfig)
    assert config.api.timestamp_column is None


@pytest.mark.parametrize("unset", [None, "", "  "])
def test_blank_and_null_are_as_if_the_field_were_not_there(unset: str | None) -> None:
    """Wherever one may be left out."""
    optional = (
        *("base_url", "requests_in_flight", "max_retry_seconds", "events_per_minute"),
        *("events_per_identity_per_minute", "object_storage_config", "dry_run"),
    )
    of_track = ("timestamp_column", "time_zone", "event_id_column")
    least = {"app_id": "11", "api": TRACK}
    api = {**TRACK, **dict.fromkeys(of_track, unset)}
    assert HeapConfig.parse({**least, **dict.fromkeys(optional, unset), "api": api}) == (
        HeapConfig.parse(least)
    )
    s3 = {
        "storage_type": "S3",
        "s3_bucket_name": "abc",
        "s3_bucket_region": "x",
        "bucket_path": "y",
    }
    parts = ("access_key_id", "secret_access_key", "role_arn", "s3_endpoint")
    with_blanks = {**s3, **dict.fromkeys(parts, unset)}
    assert HeapConfig.parse({**least, "object_storage_config": with_blanks}) == (
        HeapConfig.parse({**least, "object_storage_config": s3})
    )


def test_blank_property_columns_do_not_become_all() -> None:
    """Null is not set; blanks or commas alone are a slip that must not send everything."""
    for text in ("", " ", ",", " , "):
        faults = _faults({"app_id": "11", "api": {**USERS, "property_columns": text}})
        assert "write `*`" in faults["api.property_columns"]
    config = HeapConfig.parse({"app_id": "11", "api": {**USERS, "property_columns": None}})
    assert vars(config.api)["property_columns"] == "*"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("europe/riga", "did you mean `Europe/Riga`"),
        ("Europe", "such as Europe/Riga"),
        ("../../etc/passwd", "such as Europe/Riga"),
        ("+02:00", "such as Europe/Riga"),
        *((name, "such as Europe/Riga") for name in ("localtime", "posixrules", "Factory")),
        *((f"{kind}/Europe/Riga", "did you mean `Europe/Riga`") for kind in ("posix", "right")),
    ],
)
def test_time_zone_that_is_none(name: str, hint: str) -> None:
    """Names of the IANA's list, whose case counts."""
    words = _faults({"app_id": "11", "api": {**TRACK, "time_zone": name}})["api.time_zone"]
    assert hint in words
    assert f"`{name}`" not in words
    config = HeapConfig.parse({"app_id": "11", "api": {**TRACK, "time_zone": " Europe/Riga"}}).api
    assert isinstance(config, TrackConfig)
    assert config.time_zone == "Europe/Riga"


def test_columns_stay_as_they_were_written() -> None:
    """What they mean depends on the stream, so they are read when there is one."""
    api = {**USERS, "identity_column": " it's ", "property_columns": " a , b.c as d "}
    config = HeapConfig.parse({"app_id": "11", "api": api}).api
    assert isinstance(config, UserPropertiesConfig)
    assert config.identity_column == "it's"
    assert config.property_columns == " a , b.c as d "


@pytest.mark.parametrize(
    ("columns", "path", "words"),
    [
        ({**TRACK, "event_column": "lower(status"}, "event_column", "`lower(` has no `)`"),
        (
            {**TRACK, "identity_column": "email, 'nobody'"},
            "identity_column",
            "`'nobody'` would be the same for every record: all would become one",
        ),
        ({**ACCOUNTS, "account_id_column": "'Acme'"}, "account_id_column", "all would become one"),
        ({**TRACK, "timestamp_column": "json(at)"}, "timestamp_column", "`json` stands in"),
        ({**USERS, "property_columns": " , "}, "property_columns", "write `*` to send all"),
        ({**USERS, "property_columns": "'x'"}, "property_columns", "write `'x' as name`"),
    ],
)
def test_what_no_stream_could_make_sense_of(columns: dict[str, str], path: str, words: str) -> None:
    """`check` knows no stream, and tells so much."""
    assert words in _faults({"app_id": "11", "api": columns})[f"api.{path}"]


@pytest.mark.parametrize("app_id", ["11", "3000610572", "99999999999999999999"])
def test_app_id_is_digits_as_text(app_id: str) -> None:
    """Ids exceed 32 bits, so they are text."""
    assert HeapConfig.parse({"app_id": app_id, "api": USERS}).app_id == app_id


@pytest.mark.parametrize(
    "url",
    ["http://localhost", "http://localhost:8080", "http://127.0.0.1:9", "http://[::1]:8080"],
)
def test_plain_http_on_this_machine(url: str) -> None:
    """`http` is for a loopback host."""
    assert HeapConfig.parse({"app_id": "11", "api": USERS, "base_url": url}).base_url == url


def test_configuration_is_frozen() -> None:
    """What travels cannot change on the way."""
    config = HeapConfig.parse({"app_id": "11", "api": USERS})
    with pytest.raises(ValueError, match="frozen"):
        config.app_id = "12"


# -- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("app_id", ["", " ", "abc", "1 1", "-1", "1.5", "１１", 11, None, True])
def test_app_id_that_is_none(app_id: object) -> None:
    """Only digits, only as text; there is no default."""
    assert set(_faults({"app_id": app_id, "api": USERS})) == {"app_id"}
    assert set(_faults({"api": USERS})) == {"app_id"}


@pytest.mark.parametrize(
    "url",
    [
        *("http://heapanalytics.com", "http://10.0.0.1", "http://localhost.evil.example"),
        *("http://127.0.0.1.evil.example", "ftp://heapanalytics.com", "heapanalytics.com"),
        *("https://", "https:// heap", 5, "http://0.0.0.0"),
    ],
)
def test_address_that_is_none(url: object) -> None:
    """Personal data never travels in the clear."""
    assert set(_faults({"app_id": "11", "api": USERS, "base_url": url})) == {"base_url"}


@pytest.mark.parametrize(
    ("api", "column"),
    [
        (TRACK, "event_column"),
        (TRACK, "identity_column"),
        (USERS, "identity_column"),
        (ACCOUNTS, "account_id_column"),
    ],
)
@pytest.mark.parametrize("value", ["missing", "", "  ", 7, None], ids=repr)
def test_required_column(api: dict[str, str], column: str, value: object) -> None:
    """Each API type's columns must be there, and be text."""
    broken = {key: text for key, text in api.items() if key != column}
    if value != "missing":
        broken[column] = value  # type: ignore[assignment]
    assert set(_faults({"app_id": "11", "api": broken})) == {f"api.{column}"}


@pytest.mark.parametrize("kind", [None, "", "Track", "identify", 1])
def test_unknown_api_type(kind: object) -> None:
    """The fault names the field and the three that are known."""
    faults = _faults({"app_id": "11", "api": {**USERS, "api_type": kind}})
    assert set(faults) == {"api.api_type"}
    for known in ("track", "add_user_properties", "add_account_properties"):
        assert known in faults["api.api_type"]


@pytest.mark.parametrize("api", [None, "track", [], 1])
def test_api_that_is_no_object(api: object) -> None:
    """`api` itself is named."""
    assert [path.split(".")[0] for path in _faults({"app_id": "11", "api": api})] == ["api"]


def test_all_faults_at_once() -> None:
    """One round of corrections is enough: every fault with its path."""
    api = {
        "api_type": "track",
        "identity_column": "",
        "timestamp_column": 5,
        "property_columns": "a as x, b as x",
    }
    faults = _faults({"app_id": "secret-id", "base_url": "http://far.example", "api": api})
    assert set(faults) == {
        "app_id",
        "base_url",
        "api.event_column",
        "api.identity_column",
        "api.timestamp_column",
        "api.property_columns",
    }


@pytest.mark.parametrize("count", [0, 1, 3])
def test_faults_of_entries_are_those_that_there_are(count: int) -> None:
    """Where each entry has one, the list is not said to be empty; an empty one is."""
    entry = {"stream": "a", "api": {**USERS, "identity_column": ""}}
    faults = _faults({"app_id": "11", "api": {"api_type": "by_stream", "streams": [entry] * count}})
    if count:
        assert set(faults) == {f"api.streams.{at}.api.identity_column" for at in range(count)}
    else:
        assert faults == {"api.streams": "must have at least one entry"}


def test_what_the_stream_lacks_is_told_with_the_rest() -> None:
    """Where one stream is known: all of a text, and not only what no stream could heal."""
    api = {**TRACK, "event_column": "'Order", "time_zone": "Mars", "property_columns": "emial, 'x'"}
    raw = {"app_id": "secret-id", "api": api}
    schema: dict[str, Any] = {"properties": {"email": {}}}
    with pytest.raises(ConfigurationError) as raised:
        HeapConfig.parse(raw, [schema])
    assert [fault.path for fault in raised.value.faults] == [
        *("app_id", "api.property_columns", "api.event_column", "api.time_zone")
    ]
    assert "did you mean `email`?" in str(raised.value)
    assert "`'x'` needs a name" in str(raised.value)
    for unknown in ([], [None], [schema, schema]):
        with pytest.raises(ConfigurationError) as raised:
            HeapConfig.parse(raw, unknown)
        assert "did you mean" not in str(raised.value)


def test_an_entry_for_another_stream_is_not_held_against_this_one() -> None:
    """Its columns are read where it is known which stream it is for."""
    streams = [{"stream": "orders", "api": {**USERS, "property_columns": "emial, 'x'"}}]
    raw = {"app_id": "secret-id", "api": {"api_type": "by_stream", "streams": streams}}
    with pytest.raises(ConfigurationError) as raised:
        HeapConfig.parse(raw, [{"properties": {"email": {}}}])
    assert [str(fault) for fault in raised.value.faults] == [
        "app_id: must be digits only: Heap's environment id (Account > Manage > Projects)",
        "api.streams.0.api.property_columns: `'x'` needs a name: write `'x' as name`",
    ]


def test_faults_hold_no_values() -> None:
    """An address may hold a password and an id is the only credential: neither is repeated."""
    with pytest.raises(ConfigurationError) as raised:
        HeapConfig.parse(
            {
                "app_id": "s3cret-one",
                "base_url": "https://me:s3cret-two@heap.example/?token=s3cret-three",
                "api": {"api_type": "s3cret-four", "identity_column": {"s3cret-five": 1}},
            }
        )
    assert "s3cret" not in str(raised.value)
    assert len(raised.value.faults) >= 3


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "app_id": JSON,
            "base_url": JSON | st.text().map("https://".__add__),
            "api": JSON
            | st.fixed_dictionaries(
                {"api_type": st.sampled_from(["track", "add_user_properties"])},
                optional={
                    "event_column": JSON,
                    "identity_column": JSON,
                    "property_columns": JSON,
                    "timestamp_column": JSON,
                },
            ),
        },
    )
)
@LAW
def test_any_json_is_taken_or_faulted(raw: dict[str, Any]) -> None:
    """No configuration makes another error than ConfigurationError."""
    with contextlib.suppress(ConfigurationError):
        HeapConfig.parse(raw)


def test_a_field_that_nobody_reads_is_told() -> None:
    """A misspelled one, wherever it is, with the name that was meant; no value."""
    raw = {"app_id": "11", "dryrun": "value", "jane@example.com": 1}
    api = {"api_type": "add_user_properties", "identity_column": "a", "propery_columns": "value"}
    words = list(unknown_fields(HeapConfig.parse({**raw, "api": api})))
    assert words == [
        "`dryrun` is no field of the configuration, and is ignored; did you mean `dry_run`?",
        "`(16 characters)` is no field of the configuration, and is ignored",
        "`api.propery_columns` is no field of the configuration, and is ignored; did you mean "
        "`property_columns` or `identity_column`?",
    ]


def test_bounds_are_told() -> None:
    """In words like the others."""
    api = {"api_type": "add_user_properties", "identity_column": "a", "property_columns": "a as"}
    with pytest.raises(ConfigurationError) as caught:
        HeapConfig.parse({"app_id": "11", "requests_in_flight": 17, "api": {**api, "x": "{y}"}})
    assert "requests_in_flight: must be at most 16" in str(caught.value)


@pytest.mark.parametrize("text", ["{}", "{ge}", "a as , {0}"])
def test_braces_are_text(text: str) -> None:
    """What a user wrote is no pattern of ours."""
    api = {
        "api_type": "add_user_properties",
        "identity_column": "a",
        "property_columns": f"{text} as",
    }
    with pytest.raises(ConfigurationError, match="property_columns"):
        HeapConfig.parse({"app_id": "11", "api": api})


@pytest.mark.parametrize(
    ("given", "number"),
    [({}, None), ({"requests_in_flight": 4}, None), ({"requests_in_flight": 5}, 5)],
)
def test_requests_in_flight_left_out_is_found(given: dict[str, Any], number: int | None) -> None:
    """4 was the form's default, and is stored where nobody chose it."""
    api = {"api_type": "add_user_properties", "identity_column": "a"}
    assert HeapConfig.parse({"app_id": "11", "api": api, **given}).requests_in_flight == number
