"""A service's reply as a value, before it is a verdict. Pure.

Services document few statuses; all else is met safely either way. A body is read as text: some
answer `{}`, some JSON, some plain words such as `postBody.events[0].timestamp is not a valid
unix,iso8601 timestamp`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from bulk_destination.errors import Fault
from bulk_destination.http.signs import sign_of_another, unpacked
from bulk_destination.http.words import said_in


@dataclass(frozen=True, slots=True)
class Accepted:
    """The service took every item."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The service took no item, for the reason in its own words. Asking again gives the same.

    `answer` is what it said as it came, or the beginning of that: for files, never for logs.
    """

    words: str
    answer: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The body has too many bytes."""


@dataclass(frozen=True, slots=True)
class TryLater:
    """Not settled: the same bytes again, after `wait` seconds where the service named a time."""

    cause: str
    wait: float | None = None
    #: Whether these were more requests than the service takes in a time (429), or the service, or
    #: what stands before it, cannot keep up.
    is_too_many: bool = False
    is_strain: bool = False


@dataclass(frozen=True, slots=True)
class Unsent:
    """The request did not go out whole, so nothing is known of it. A smaller one may."""

    cause: str


@dataclass(frozen=True, slots=True)
class NotTheService:
    """Something else answered, as far as the answer shows: a page, a gateway, a firewall.

    While the service has not shown itself, the fault is in the configuration, and most likely
    `fault`, if there is one. Afterwards it is an outage on the way, or what the request holds.
    """

    sign: str
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class WrongAddress:
    """Nobody was asked: there is no such address, or whoever is there cannot be trusted."""

    sign: str


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """No request can be made at all while what surrounds the connector stays as it is."""

    fault: Fault


#: What settles a request.
Settled = Accepted | Refused | TooLarge
#: What leaves it open, and may have to do with what it holds, or whom it went to.
Unsettled = Unsent | NotTheService | WrongAddress
Reply = Settled | Unsettled | TryLater | Misconfigured

_TRY_LATER: Final = {408, 425, 429}
_REFUSED: Final = {400, 422}
#: RFC 9110, 15.5.9 and 15.6: not in time, not now.
_STRAIN: Final = {408, 502, 503, 504}


def read_reply(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> Reply:
    """The reply by its status, headers and body, which is whole and as it came.

    A body decides what is HTML, not its type: `OK` as text/html is what common frameworks send.
    """
    if status in _TRY_LATER or status >= 500 or status < 200:
        return TryLater(
            f"status {status}",
            retry_after(headers.get("Retry-After"), now),
            is_too_many=status == 429,
            is_strain=status in _STRAIN,
        )
    if status == 413:
        return TooLarge()
    content = unpacked(headers.get("Content-Encoding"), body)
    if 200 <= status < 300:
        if content is None:
            return NotTheService(f"status {status} in an encoding that was not asked for")
        sign = sign_of_another(content)
        return Accepted() if sign is None else NotTheService(f"status {status} with {sign}")
    if content and _is_web_page(content):
        return NotTheService(f"status {status} with a web page")
    if status in _REFUSED:
        said = said_in(content or b"")
        return Refused(said.words, said.answer)
    if 300 <= status < 400:
        return NotTheService(f"status {status}, a redirect to another address")
    return NotTheService(f"status {status}")


def _is_web_page(body: bytes) -> bool:
    """Whether markup comes first, white space and the marks and zeros of UTF-8 and -16 aside."""
    return body.translate(None, b"\xef\xbb\xbf\xff\xfe\0 \t\r\n\f\v")[:1] == b"<"


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds to wait by a `Retry-After` of seconds or of an HTTP date; None if it says neither."""
    if header is None:
        return None
    header = header.strip()
    if header.isascii() and header.isdigit():
        return float(header[:9])
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
