"""When something happened: what a record says becomes a moment, or a rejection. Pure.

Never the current time, and never a guess: a number that would be 1970 is most likely a date written
as digits, and what programs write for "no time" is none.
"""

import re
from collections.abc import Callable, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Final

from bulk_destination.mapping.values import Rejected

#: The current time in UTC; handed in, so that tests choose it.
Now = Callable[[], datetime]

#: Before it, a number is no Unix time.
EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
#: How far ahead of now one may be.
AHEAD: Final = timedelta(days=366)

#: Sent as it stands; more than milliseconds is not what every service takes.
_ACCEPTED: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d)"
_is_accepted: Final = re.compile(_ACCEPTED, re.ASCII).fullmatch
#: The same but for the years that hold what programs write for "no time", in whatever zone.
_is_plausible: Final = re.compile(rf"(?!0001|19(?:69|70)|999[89]){_ACCEPTED}", re.ASCII).fullmatch
#: Dates with a day (calendar, week or ordinal form), optionally a time, optionally a zone.
_ISO_8601: Final = re.compile(
    r"(?P<date>\d{4}-\d\d-\d\d|\d{8}|\d{4}-?W\d\d-?[1-7]|\d{4}-?\d{3})"
    r"(?:[Tt ](?P<hour>\d\d)"
    r"(?::?(?P<minute>\d\d)(?::?(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?)?"
    r" ?(?P<zone>[Zz]|[Uu][Tt][Cc]|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)
_CALENDAR: Final = re.compile(r"\d{4}-\d\d-\d\d|\d{8}", re.ASCII)
_DIGITS: Final = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_COMPACT: Final = re.compile(r"(\d{8})(\d\d)?(\d\d)?(\d\d)?", re.ASCII)

_NOT_READABLE: Final = Rejected("timestamp_not_readable", of_row=True)
_NOT_PLAUSIBLE: Final = Rejected("timestamp_not_plausible", of_row=True)
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  # as it is written, in any zone
#: Seconds of a unit, by the power of ten that divides it.
_FINER: Final = {10**6: "microseconds", 10**9: "nanoseconds"}


@dataclass(slots=True)
class Times:
    """Reads times; one without a zone is in `zone`, and is counted."""

    zone: tzinfo
    now: Now
    #: How many named no zone.
    without_zone: int = 0

    def read(self, value: object) -> str | Rejected:
        """A moment as text of at most milliseconds, or a rejection.

        ISO 8601 with a zone and at most 3 fraction digits stays as it is. Other ISO 8601 and Unix
        times become `YYYY-MM-DDTHH:MM:SS.mmmZ`. A number, also as text, is a Unix time from 1990 to
        a year from now, in seconds or milliseconds; text of digits may also be
        `YYYYMMDD[HH[MM[SS]]]`.
        """
        if type(value) is str:
            if _is_plausible(value):  # Nearly all, so without a call.
                try:
                    datetime.fromisoformat(value)
                except ValueError:
                    return _NOT_READABLE
                return value
            return self._read_text(value.strip())
        if type(value) is int or type(value) is float:
            return _sent(self._from_unix(value))
        return _NOT_READABLE

    def _read_text(self, text: str) -> str | Rejected:
        if _is_accepted(text):
            try:
                return _no_time(datetime.fromisoformat(text)) or text
            except ValueError:
                return _NOT_READABLE
        if _DIGITS.fullmatch(text):
            unix = self._from_unix(text)
            if isinstance(unix, Rejected) and (compact := _COMPACT.fullmatch(text)):
                return _sent(self._from_compact(compact))
            return _sent(unix)
        iso = _ISO_8601.fullmatch(text)
        return _NOT_READABLE if iso is None else _sent(self._from_iso(iso))

    def _from_unix(self, number: int | float | str) -> datetime | Rejected:
        try:
            value = Decimal(str(number))
            earliest, latest = EARLIEST.timestamp(), (self.now() + AHEAD).timestamp()
            for per_second in (1, 1_000):
                if earliest * per_second <= value <= latest * per_second:
                    seconds, rest = divmod(int(value * 1_000 / per_second), 1_000)
                    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1_000)
            for per_second, unit in _FINER.items():
                if earliest * per_second <= value <= latest * per_second:
                    return Rejected(f"timestamp_in_{unit}", of_row=True)
        except (ValueError, OverflowError, ArithmeticError):
            return _NOT_READABLE  # NaN, and more digits than Python makes text of
        return _NOT_PLAUSIBLE

    def _from_compact(self, match: re.Match[str]) -> datetime | Rejected:
        day, *clock = match.groups("00")
        try:
            local = datetime.fromisoformat(f"{day}T{''.join(clock)}")
        except ValueError:
            return _NOT_PLAUSIBLE
        if local.year < EARLIEST.year:
            return _NOT_PLAUSIBLE
        return self._zoned(local)

    def _from_iso(self, match: re.Match[str]) -> datetime | Rejected:
        zone = match["zone"] or ""
        offset = "+00:00" if zone[:1] in "ZzUu" else f"{zone[:3]}:{zone[3:].lstrip(':') or '00'}"
        fraction = (match["fraction"] or "")[:6].ljust(6, "0")
        clock = f"{match['hour'] or '00'}:{match['minute'] or '00'}:{match['second'] or '00'}"
        try:
            day = _day(match["date"])
            moment = datetime.fromisoformat(f"{day}T{clock}.{fraction}{offset}")
        except ValueError:
            return _NOT_READABLE
        return self._in_utc(moment) if zone else self._zoned(moment)

    def _zoned(self, local: datetime) -> datetime | Rejected:
        moment = self._in_utc(local.replace(tzinfo=self.zone))
        self.without_zone += not isinstance(moment, Rejected)
        return moment

    @staticmethod
    def _in_utc(moment: datetime) -> datetime | Rejected:
        """Of an hour that comes twice the first; one that never comes moves forward (PEP 495)."""
        none = _no_time(moment)
        return none or moment.astimezone(UTC)


def zone_assumed(times: Times, column: object, fields_set: Set[str]) -> list[str]:
    """What to say where times named no zone and nobody said which is meant."""
    if not times.without_zone or "time_zone" in fields_set:
        return []
    return [f"`{column}` names no zone in {times.without_zone:,} records; read as UTC (time_zone)"]


def utc_milliseconds(moment: datetime) -> str:
    """`YYYY-MM-DDTHH:MM:SS.mmmZ`; what is below a millisecond is dropped, not rounded."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z".rjust(24, "0")


def _sent(moment: datetime | Rejected) -> str | Rejected:
    return moment if isinstance(moment, Rejected) else utc_milliseconds(moment)


def _no_time(moment: datetime) -> Rejected | None:
    """What programs write for "none", as it is written or in UTC; None for a time."""
    written = moment.replace(tzinfo=None)
    try:
        utc = moment.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:  # just outside of the years 1 to 9999
        utc = written
    for one in (written, utc):
        if one.date() == date.min:
            return Rejected("timestamp_is_0001_01_01", of_row=True)
        if one == _EPOCH:
            return Rejected("timestamp_is_1970_01_01", of_row=True)
        if one.year == 9999:
            return Rejected("timestamp_is_year_9999", of_row=True)
    return None


def _day(text: str) -> date:
    """A day in one of ISO 8601's three forms."""
    if _CALENDAR.fullmatch(text):
        return date.fromisoformat(text)
    # Heavy to import, and needed by the rarer forms only: weeks, and days of a year.
    import pendulum  # noqa: PLC0415

    day = pendulum.parse(text, strict=True, exact=True)
    assert isinstance(day, date)  # noqa: S101  # `exact`: a day is no moment
    return day
