"""When something happened: what is read, and what is no time."""

import json
import math
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulk_destination.mapping.times import AHEAD, Times
from bulk_destination.mapping.values import Rejected

LAW = settings(derandomize=True, max_examples=100, deadline=None)
UTC_MILLISECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def timestamp(value: object, zone: str = "UTC") -> str | Rejected:
    """What is sent for a value that stands in a record."""
    return Times(ZoneInfo(zone), lambda: NOW).read(value)


@pytest.mark.parametrize(
    "text",
    [
        *("2017-03-10T22:21:56+00:00", "2022-10-21T04:09:54.622Z", "2022-10-21T04:09:54Z"),
        *("2022-10-21T04:09:54.6-03:30", "2022-10-21T04:09Z", "1492-10-12T02:00:00Z"),
        *("2120-01-01T00:00:00Z", "1970-01-01T00:00:01Z", "1969-12-31T23:59:59.9Z"),
        *("0001-01-02T00:00:00Z", "9998-12-31T23:59:59Z"),
    ],
)
def test_iso_time_with_a_zone_stands(text: str) -> None:
    """ISO 8601 with a zone and at most 3 fraction digits is sent as it stands."""
    assert timestamp(text) == text
    assert timestamp(f" {text}\n") == text


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
        ("2022-02-28 23:48:04 UTC", "2022-02-28T23:48:04.000Z"),
        ("2022-02-28 23:48:04.5 utc", "2022-02-28T23:48:04.500Z"),
        ("2022-02-28 23:48:04 +00:00", "2022-02-28T23:48:04.000Z"),
        ("2022-02-28 23:48:04 +0200", "2022-02-28T21:48:04.000Z"),
        ("2022-02-28T23:48:04 Z", "2022-02-28T23:48:04.000Z"),
        (" 2022-02-28 23:48:04\t", "2022-02-28T23:48:04.000Z"),
        ("2022-02-28T23:48", "2022-02-28T23:48:00.000Z"),
        ("2022-02-28", "2022-02-28T00:00:00.000Z"),
        ("1848-02-21", "1848-02-21T00:00:00.000Z"),
        ("20220228T234804.1234Z", "2022-02-28T23:48:04.123Z"),
        ("2022-W09-1", "2022-02-28T00:00:00.000Z"),
        ("2022W091", "2022-02-28T00:00:00.000Z"),
        ("2022-059", "2022-02-28T00:00:00.000Z"),
        ("2022059T0102", "2022-02-28T01:02:00.000Z"),
        ("2024-366", "2024-12-31T00:00:00.000Z"),
        (1666325394, "2022-10-21T04:09:54.000Z"),
        (1666325394.622, "2022-10-21T04:09:54.622Z"),
        (1666325394622, "2022-10-21T04:09:54.622Z"),
        (1666325394622.0, "2022-10-21T04:09:54.622Z"),
        ("1706121500", "2024-01-24T18:38:20.000Z"),
        ("1706121500123", "2024-01-24T18:38:20.123Z"),
        ("1706121500.25", "2024-01-24T18:38:20.250Z"),
        ("20260102", "2026-01-02T00:00:00.000Z"),
        ("2026010203", "2026-01-02T03:00:00.000Z"),
        ("202601020304", "2026-01-02T03:04:00.000Z"),
        ("20260102030405", "2026-01-02T03:04:05.000Z"),
        ("19900101", "1990-01-01T00:00:00.000Z"),
        (631_152_000, "1990-01-01T00:00:00.000Z"),
        (631_152_000_000, "1990-01-01T00:00:00.000Z"),
    ],
)
def test_other_times_become_utc_milliseconds(value: object, text: str) -> None:
    """Other ISO 8601, Unix times and compact dates become `YYYY-MM-DDTHH:MM:SS.mmmZ`."""
    assert timestamp(value) == text


@pytest.mark.parametrize(
    "value",
    [
        *("now", "yesterday", "10/21/2022", "21.10.2022", "2022-13-01", "2022-02-30"),
        *("2022-02-30T00:00:00Z", "2022-10-21T25:00:00Z", "2022-10-21T04:09:54.622Z oops"),
        *("2022-10-21T04:61:54Z", "2022-366", "2022-W54-1", "2022-000", "٢٠٢٢-١٠-٢١T00:00:00Z"),
        *("2022-02-28 23:48:04  UTC", "2022-02-28 UTC", "0000-00-00 00:00:00", "-5", "1e9"),
        *(True, False, {}, [], [1666325394], {"time": 1}, math.nan),
    ],
    ids=repr,
)
def test_anything_else_is_rejected(value: object) -> None:
    """What cannot be read as a time rejects the record; it is never dated "now"."""
    assert timestamp(value) == Rejected("timestamp_not_readable")


@pytest.mark.parametrize(
    "value",
    [
        *(0, 1, -1, 2026, 20260102, 202601020304, 20260102030405, 46024.128, 631_151_999),
        *(
            math.inf,
            -math.inf,
            99999999999,
            100000000000,
            1e300,
            10**30,
            -(10**30),
            631_151_999_999,
            -1666325394,
        ),
        *("0", "2026", "46024.128", "19891231", "20261301", "2026022901", "20260102.5", "2022059"),
        *("999999999999999999999999", "20260102246060"),
    ],
    ids=repr,
)
def test_a_number_that_is_no_plausible_time_is_rejected(value: object) -> None:
    """A date written as digits, a serial day of a spreadsheet, a year: none is 1970."""
    assert timestamp(value) == Rejected("timestamp_not_plausible")


@pytest.mark.parametrize("kind", [int, str, float])
def test_finer_units_are_named(kind: Any) -> None:
    """What is wrong can then be mended in the source."""
    assert timestamp(kind(1666325394622000)) == Rejected("timestamp_in_microseconds")
    assert timestamp(1666325394622000000) == Rejected("timestamp_in_nanoseconds")


def test_a_unix_time_may_be_a_year_ahead() -> None:
    """No more: a subscription's end is, a slip of a digit is not."""
    latest = int((NOW + AHEAD).timestamp())
    assert isinstance(timestamp(latest), str)
    assert isinstance(timestamp(latest * 1_000), str)
    assert timestamp(latest + 1) == Rejected("timestamp_not_plausible")
    assert isinstance(timestamp("2120-01-01"), str), "text says what it means"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0001-01-01T00:00:00Z", "timestamp_is_0001_01_01"),
        ("0001-01-01", "timestamp_is_0001_01_01"),
        ("0001-01-01T00:00:00+14:00", "timestamp_is_0001_01_01"),
        ("0001-01-01 05:00:00", "timestamp_is_0001_01_01"),
        ("1970-01-01T00:00:00Z", "timestamp_is_1970_01_01"),
        ("1970-01-01", "timestamp_is_1970_01_01"),
        ("1970-01-01 00:00:00 UTC", "timestamp_is_1970_01_01"),
        ("1969-12-31T19:00:00-05:00", "timestamp_is_1970_01_01"),
        ("1970-01-01T00:00:00+02:00", "timestamp_is_1970_01_01"),
        ("9999-12-31T23:59:59.999Z", "timestamp_is_year_9999"),
        ("9999-12-31", "timestamp_is_year_9999"),
        ("9999-12-31T23:59:59.9999-14:00", "timestamp_is_year_9999"),
        ("9998-12-31T23:00:00-05:00", "timestamp_is_year_9999"),
        ("99991231", "timestamp_is_year_9999"),
    ],
)
def test_what_programs_write_for_no_time(text: str, reason: str) -> None:
    """It is named in the reason, whatever its zone."""
    assert timestamp(text) == Rejected(reason)


# -- time_zone -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "zone", "text"),
    [
        ("2026-01-31 09:30:00", "Europe/Riga", "2026-01-31T07:30:00.000Z"),
        ("2026-07-31 09:30:00", "Europe/Riga", "2026-07-31T06:30:00.000Z"),
        ("2026-01-31", "America/New_York", "2026-01-31T05:00:00.000Z"),
        ("202601310930", "Asia/Kolkata", "2026-01-31T04:00:00.000Z"),
        ("2026-01-31T09:30:00Z", "Europe/Riga", "2026-01-31T09:30:00Z"),
        ("2026-01-31 09:30:00 UTC", "Europe/Riga", "2026-01-31T09:30:00.000Z"),
        (1769851800, "Europe/Riga", "2026-01-31T09:30:00.000Z"),
        ("2026-11-01 01:30:00", "America/New_York", "2026-11-01T05:30:00.000Z"),
        ("2026-03-08 02:30:00", "America/New_York", "2026-03-08T07:30:00.000Z"),
    ],
    ids=[
        *("winter", "summer", "a day", "digits", "has a zone", "has a zone behind a blank", "unix"),
        *("an hour that comes twice is the first", "one that never comes moves forward"),
    ],
)
def test_a_time_without_a_zone_is_in_the_configured_one(
    value: object, zone: str, text: str
) -> None:
    """And one that says its own is in that."""
    assert timestamp(value, zone) == text


@pytest.mark.parametrize("text", ["1970-01-01 00:00:00", "1970-01-01 02:00:00", "9999-12-31"])
def test_no_time_is_none_in_any_zone(text: str) -> None:
    """As it is written, or in UTC."""
    assert isinstance(timestamp(text, "Europe/Helsinki"), Rejected)


# -- laws ----------------------------------------------------------------------------------------


def _floor(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


ZONES = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
MOMENTS = st.datetimes(datetime(1000, 1, 2), datetime(9998, 12, 30), timezones=ZONES)  # noqa: DTZ001  # zones are drawn


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


@given(st.integers(631_152_000, 1_790_000_000), st.sampled_from([int, float, str]))
@LAW
def test_unix_seconds(seconds: int, kind: Any) -> None:
    """From 1990 on, as a number or as text."""
    expected = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    result = timestamp(kind(seconds))
    assert isinstance(result, str)
    assert UTC_MILLISECONDS.fullmatch(result)
    assert datetime.fromisoformat(result) == expected


@given(st.integers(631_152_000_000, 1_790_000_000_000), st.sampled_from([int, float, str]))
@LAW
def test_unix_milliseconds(milliseconds: int, kind: Any) -> None:
    """The same, a thousand times as large."""
    expected = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    result = timestamp(kind(milliseconds))
    assert isinstance(result, str)
    assert UTC_MILLISECONDS.fullmatch(result)
    assert datetime.fromisoformat(result) == expected


@given(st.integers(631_152_000_000, 1_790_000_000_000))
@LAW
def test_unix_seconds_with_a_fraction(milliseconds: int) -> None:
    """Seconds with a fraction keep their milliseconds exactly."""
    value = json.loads(f"{milliseconds // 1000}.{milliseconds % 1000:03d}")
    expected = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    result = timestamp(value)
    assert isinstance(result, str)
    assert datetime.fromisoformat(result) == expected


@given(st.datetimes(datetime(1990, 1, 2), datetime(9998, 12, 30)), st.integers(4, 7))  # noqa: DTZ001
@LAW
def test_compact_dates(moment: datetime, pairs: int) -> None:
    """Text of 8, 10, 12 or 14 digits, where it is no Unix time."""
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    written = f"{moment:%Y%m%d%H%M%S}"[: 2 * pairs]
    result = timestamp(written)
    assert isinstance(result, str)
    if f"{datetime.fromisoformat(result):%Y%m%d%H%M%S}"[: 2 * pairs] != written:
        seconds = datetime.fromisoformat(result).timestamp()
        assert int(written) in (seconds, seconds * 1_000), "a Unix time goes first"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    JSON | st.text("0123456789-:.TZ+W UTC", max_size=30),
    st.sampled_from(["UTC", "Pacific/Kiritimati", "America/New_York"]),
)
@example("9999-12-31T23:59:59.9999-14:00", "UTC")
@example("0001-01-01T00:00:00.0000+14:00", "UTC")
@example("0000-01-01T00:00:00.0000Z", "UTC")
@example("0001-01-02", "Pacific/Kiritimati")
@example(10**6_000, "UTC")
@example("1" * 6_000, "UTC")
@LAW
def test_no_value_raises(value: object, zone: str) -> None:
    """Every JSON value gives text or a rejection."""
    assert isinstance(timestamp(value, zone), str | Rejected)
