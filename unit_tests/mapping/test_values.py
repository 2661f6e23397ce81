"""What one value of a record becomes in Heap."""

import json
import math
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulk_destination.mapping.values import (
    INEXACT,
    MISSING,
    Rejected,
    timestamp,
)
from bulk_destination.protocol.messages import classify, read_exactly, read_line
from destination_heap_analytics.values import ACCOUNT, PERSON, event_name

person_identity, account_identity = PERSON.read, ACCOUNT.read

LAW = settings(derandomize=True, max_examples=100, deadline=None)
UTC_MILLISECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


# -- identities, account ids, events ------------------------------------------------------------


@pytest.mark.parametrize("read", [person_identity, account_identity])
@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (42, "42"), (-7, "-7"), (2**64, str(2**64)), (12.5, "12.5"), (1e-7, "0.0000001")],
)
def test_number_becomes_its_decimal_text(read: Any, number: float, text: str) -> None:
    """A number as identity or account id is sent as its decimal text, never with an exponent."""
    assert read(number) == text


@pytest.mark.parametrize("read", [person_identity, account_identity])
@pytest.mark.parametrize(
    "value",
    [
        *(MISSING, None, "", " ", "\t\n", True, False, {}, {"id": 1}, [], ["a"]),
        *("\u200b", "\ufeff \u2060", "\0" * 20, "\u00a0\u2028", "\u3164" * 20, "\u2800", "\ufe0f"),
        *(math.nan, math.inf, -math.inf),
    ],
    ids=repr,
)
def test_unfit_identity_rejects_the_record(read: Any, value: object) -> None:
    """Missing, blank, boolean, object and array identities reject the record."""
    result = read(value)
    assert isinstance(result, Rejected)
    assert result is not INEXACT


@pytest.mark.parametrize(
    ("read", "limit"), [(person_identity, 255), (account_identity, 1024), (event_name, 1024)]
)
def test_longest_text(read: Any, limit: int) -> None:
    """255 characters for a person, 1,024 for an account or an event; one more is rejected."""
    assert read("x" * limit) == "x" * limit
    assert isinstance(read("x" * (limit + 1)), Rejected)


def test_long_number_is_rejected() -> None:
    """A number of more than 255 digits is no identity; 255 digits are."""
    assert person_identity(10**254) == "1" + "0" * 254
    assert isinstance(person_identity(10**255), Rejected)
    assert isinstance(person_identity(10**6000), Rejected)


@pytest.mark.parametrize("spell", [str, str.upper, str.title])
@pytest.mark.parametrize(
    "word",
    [
        *("null", "undefined", "none", "nil", "nan", "n/a", "user", "guest", "anonymous"),
        *("unknown", "[object object]"),
    ],
)
def test_identity_of_nobody_is_rejected(word: str, spell: Any) -> None:
    """Words that stand for no single person would merge strangers for ever, in any casing."""
    assert isinstance(person_identity(spell(word)), Rejected)
    assert isinstance(person_identity(f" \u200b{spell(word)}\ufeff\n"), Rejected)
    assert isinstance(person_identity(spell(word) + "\ufe0f" * 20), Rejected)


@pytest.mark.parametrize(
    "text",
    [
        *("users", "guest7", "nobody", "0", "a b", "Null Island", "Zoë"),
        *("\u200bzoe", "\U0001f469\u200d\U0001f680", "zoe\0", "\ue000"),
    ],
)
def test_other_identities_stand(text: str) -> None:
    """An identity that only resembles such a word is sent as it stands."""
    assert person_identity(text) == text


def test_words_of_nobody_are_fine_account_ids() -> None:
    """The rule about strangers is for persons only."""
    assert account_identity("Guest") == "Guest"


@pytest.mark.parametrize("value", [MISSING, None, "", "  ", "\u200b", "\u3164"], ids=repr)
def test_event_without_a_name_is_rejected(value: object) -> None:
    """A missing or blank event rejects the record."""
    assert isinstance(event_name(value), Rejected)


@given(st.integers(-(10**254) + 1, 10**255 - 1), st.sampled_from(["{}", "{}.0", "[{}]"]))
@example(2**63, "{}")
@example(2**64, "{}")
@example(-(2**63) - 1, "{}")
@example(9007199254740993, "{}")
@example(9007199254740993, "{}.0")
@example(123456789012345679, "{}.0")
@LAW
def test_identifying_number_keeps_all_digits(number: int, form: str) -> None:
    """However long the number on the line is, no two ids become one."""
    line = (
        b'{"type":"RECORD","record":{"stream":"s","emitted_at":1,"data":{"id":%b}}}'
        % form.format(number).encode()
    )
    message = read_line(line)
    assert isinstance(message, dict)

    def identity(data: dict[str, Any]) -> str | Rejected:
        value = data["id"]
        return person_identity(value[0] if isinstance(value, list) else value)

    result = identity(message["data"])
    if result is INEXACT:
        again = classify(read_exactly(line))
        assert isinstance(again, dict)
        result = identity(again["data"])
    assert result == str(number)


# -- timestamps ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "2017-03-10T22:21:56+00:00",
        "2022-10-21T04:09:54.622Z",
        "2022-10-21T04:09:54Z",
        "2022-10-21T04:09:54.6Z",
        "2022-10-21T04:09:54.622-05:30",
    ],
)
def test_iso_time_with_a_zone_stands(text: str) -> None:
    """ISO 8601 with a zone and at most 3 fraction digits is sent as it stands."""
    assert timestamp(text) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2022-02-28T23:48:04.2847713Z", "2022-02-28T23:48:04.284Z"),
        ("2022-02-28T23:48:04.284771+02:00", "2022-02-28T21:48:04.284Z"),
        ("2022-02-28T23:48:04.999999999Z", "2022-02-28T23:48:04.999Z"),
        ("2022-02-28T23:48:04", "2022-02-28T23:48:04.000Z"),
        ("2022-02-28T23:48:04.5", "2022-02-28T23:48:04.500Z"),
        ("2022-02-28 23:48:04", "2022-02-28T23:48:04.000Z"),
        ("2022-02-28 23:48:04.123456+00:00", "2022-02-28T23:48:04.123Z"),
        ("2022-02-28T23:48", "2022-02-28T23:48:00.000Z"),
        ("2022-02-28", "2022-02-28T00:00:00.000Z"),
        ("20220228T234804.1234Z", "2022-02-28T23:48:04.123Z"),
        ("2022-W09-1", "2022-02-28T00:00:00.000Z"),
        ("2022-059", "2022-02-28T00:00:00.000Z"),
        (0, "1970-01-01T00:00:00.000Z"),
        (1666325394, "2022-10-21T04:09:54.000Z"),
        (1666325394.622, "2022-10-21T04:09:54.622Z"),
        (1666325394622, "2022-10-21T04:09:54.622Z"),
        (1666325394622.0, "2022-10-21T04:09:54.622Z"),
        (99999999999, "5138-11-16T09:46:39.000Z"),
        (100000000000, "1973-03-03T09:46:40.000Z"),
        (-1, "1969-12-31T23:59:59.000Z"),
    ],
)
def test_other_times_become_utc_milliseconds(value: object, text: str) -> None:
    """Other ISO 8601 (no zone is UTC) and Unix times become `YYYY-MM-DDTHH:MM:SS.mmmZ`."""
    assert timestamp(value) == text


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "now", "yesterday", "10/21/2022", "21.10.2022", "2022-13-01", "2022-02-30"),
        *("2022-02-30T00:00:00Z", "2022-10-21T25:00:00Z", "2022-10-21T04:09:54.622Z oops"),
        *("2022-10-21T04:61:54Z", "2022-366", "2022-W54-1", "12", "٢٠٢٢-١٠-٢١T00:00:00Z"),
        *(True, False, {}, [], [1666325394], {"time": 1}, math.nan, math.inf, -math.inf),
        *(1e300, 10**30, -(10**30), 1e18),
    ],
    ids=repr,
)
def test_anything_else_is_rejected(value: object) -> None:
    """What cannot be read as a time rejects the record; it is never dated "now"."""
    assert isinstance(timestamp(value), Rejected)


def _floor(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
MOMENTS = st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30), timezones=ZONES)  # noqa: DTZ001  # zones are drawn


@given(
    MOMENTS,
    st.sampled_from("T t"),
    st.sampled_from(["seconds", "milliseconds", "microseconds", "nanoseconds"]),
    st.sampled_from([".", ","]),
    st.sampled_from(["+HH:MM", "+HHMM", "+HH", "Z", ""]),
    st.booleans(),
)
@LAW
def test_any_iso_spelling_gives_the_same_instant(
    moment: datetime, separator: str, precision: str, mark: str, zone: str, basic: bool
) -> None:
    """Extended or basic, any precision, any zone: the same instant, or the text as it stands."""
    if zone in {"Z", ""}:
        moment = moment.astimezone(UTC)
    if zone == "+HH":
        moment = moment.replace(tzinfo=timezone(timedelta(hours=moment.hour - 12)))
    digits = {"seconds": 0, "milliseconds": 3, "microseconds": 6, "nanoseconds": 9}[precision]
    fraction = f"{moment.microsecond:06d}789"[:digits]
    offset = moment.strftime("%z")
    text = (
        f"{moment.year:04d}{moment:-%m-%d}{separator}{moment:%H:%M:%S}"
        + (f"{mark}{fraction}" if digits else "")
        + {"+HH:MM": f"{offset[:3]}:{offset[3:]}", "+HHMM": offset, "+HH": offset[:3]}.get(
            zone, zone
        )
    )
    if basic:
        body, tail = text[:19], text[19:]
        text = body.replace("-", "").replace(":", "") + tail.replace(":", "")
    exact = moment if digits else moment.replace(microsecond=0)
    result = timestamp(text)
    assert isinstance(result, str), text
    as_it_stands = (
        separator == "T" and digits <= 3 and mark == "." and zone in {"+HH:MM", "Z"} and not basic
    )
    if as_it_stands:
        assert result == text
    if result != text:
        assert UTC_MILLISECONDS.fullmatch(result)
    assert datetime.fromisoformat(result) == _floor(exact)


@given(st.integers(-62_000_000_000, 99_999_999_999))
@LAW
def test_unix_seconds(seconds: int) -> None:
    """A number below 1e11 is seconds since 1970."""
    expected = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    result = timestamp(seconds)
    assert isinstance(result, str)
    assert UTC_MILLISECONDS.fullmatch(result)
    assert datetime.fromisoformat(result) == expected


@given(st.integers(100_000_000_000, 253_402_300_799_999), st.sampled_from([int, float]))
@LAW
def test_unix_milliseconds(milliseconds: int, kind: Any) -> None:
    """A number from 1e11 on is milliseconds since 1970, integer or not."""
    expected = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    result = timestamp(kind(milliseconds))
    assert isinstance(result, str)
    assert UTC_MILLISECONDS.fullmatch(result)
    assert datetime.fromisoformat(result) == expected


@given(st.integers(0, 99_999_999_999_999))
@LAW
def test_unix_seconds_with_a_fraction(milliseconds: int) -> None:
    """Seconds with a fraction keep their milliseconds exactly."""
    value = json.loads(f"{milliseconds // 1000}.{milliseconds % 1000:03d}")
    expected = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    result = timestamp(value)
    assert isinstance(result, str)
    assert datetime.fromisoformat(result) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON | st.text("0123456789-:.TZ+W ", max_size=30))
@example("9999-12-31T23:59:59.9999-14:00")
@example("0001-01-01T00:00:00.0000+14:00")
@example("0000-01-01T00:00:00.0000Z")
@LAW
def test_no_value_raises(value: object) -> None:
    """Every reader takes every JSON value and gives text or a rejection."""
    for read in (timestamp, person_identity, account_identity, event_name):
        result = read(value)
        assert isinstance(result, str | Rejected)
