"""A service's reply as a value, before it is a verdict. Pure.

Services document few statuses; all else is met safely either way. A body is read as text: some
answer `{}`, some JSON, some plain words such as `postBody.events[0].timestamp is not a valid
unix,iso8601 timestamp`.
"""

import contextlib
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote

import orjson

from bulk_destination.errors import Fault
from bulk_destination.names import shown


@dataclass(frozen=True, slots=True)
class Accepted:
    """The service took every item."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The service took no item, for the reason in its own words. Asking again gives the same."""

    words: str


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The body has too many bytes."""


@dataclass(frozen=True, slots=True)
class TryLater:
    """Not settled: the same bytes again, after `wait` seconds where the service named a time."""

    cause: str
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class WrongService:
    """Something else answers at this address."""

    sign: str


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """The service takes nothing at all while the configuration stays as it is."""

    fault: Fault


Reply = Accepted | Refused | TooLarge | TryLater | WrongService | Misconfigured

_TRY_LATER: Final = {408, 425, 429}
_REFUSED: Final = {400, 422}
#: Characters of the service's words that are kept, and that are read: values are taken out of all
#: that was read before it is cut, lest half a name stays at the end.
_KEPT_WORDS: Final = 300
_READ_WORDS: Final = 20_000


def read_reply(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> Reply:
    """The reply by its status, headers and body.

    A body decides what is HTML, not its type: `OK` as text/html is what common frameworks send.
    """
    if status in _TRY_LATER or status >= 500 or status < 200:
        return TryLater(f"status {status}", retry_after(headers.get("Retry-After"), now))
    if status == 413:
        return TooLarge()
    if _is_web_page(body):
        return WrongService(f"status {status} with a web page")
    if 200 <= status < 300:
        return Accepted()
    if status in _REFUSED:
        return Refused(_words(body))
    if 300 <= status < 400:
        return WrongService(f"status {status}, a redirect to another address")
    return WrongService(f"status {status}")


def _is_web_page(body: bytes) -> bool:
    """Whether markup comes first, white space and the marks and zeros of UTF-8 and -16 aside."""
    return body[:1_000].translate(None, b"\xef\xbb\xbf\xff\xfe\0 \t\r\n\f\v")[:1] == b"<"


def _words(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    with contextlib.suppress(orjson.JSONDecodeError):
        parsed = orjson.loads(body)
        if isinstance(parsed, dict):
            texts = (parsed.get(key) for key in ("message", "error", "err", "detail"))
            text = next((found for found in texts if isinstance(found, str)), text)
    text = " ".join(text.split())
    if len(text) > _READ_WORDS:  # The last word may be half a value, which no search would find.
        text = text[:_READ_WORDS].rpartition(" ")[0]
    return text


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


# -- words without values -----------------------------------------------------------------------

_INDEX: Final = re.compile(r"\[\d+\]")
_PRIVATE: Final = re.compile(
    r"\"[^\"]*\"|'[^']*'|`[^`]*`|[^\s\"'`,;:()<>]*@[^\s\"'`,;:()<>]*|(?<![A-Za-z\d])\d+(?![A-Za-z\d])"
    # The beginning of something.
    r"|(?<!\S)\S*?(?:\.\.|…)"
)
_ESCAPED: Final = re.compile(r"(?:\\u[0-9A-Fa-f]{4})+")
#: Stands where something was taken out; ASCII, for `_may_hold`.
_BLANK: Final = "\0"
#: A blank and the letters that touch it. In Korean, what a word does is a part of it: Kim은, Kim이.
_AROUND_BLANK: Final = re.compile(rf"(?<!\w)\w*{_BLANK}[\w{_BLANK}]*")
#: Values of fewer letters would take words apart: `is` stands in `this`.
_FOUND_ANYWHERE: Final = 4


def reason_for(refused: Refused, item: bytes, service: str, secrets: Iterable[str] = ()) -> str:
    """The words of `service` as a countable reason: no index, and nothing that stands in the item.

    Quoted text, anything with an `@`, and free-standing numbers go; so does every value of the
    refused item, wherever it stands in the words, and every name that may be a value. `secrets`
    are not in the item, and go as well.
    """
    words = _ESCAPED.sub(_unescaped, refused.words)
    for secret in secrets:
        for spelling in (secret, quote(secret, ""), b64encode(secret.encode()).decode()):
            words = re.sub(re.escape(spelling), _BLANK, words, flags=re.IGNORECASE)
    words = _INDEX.sub("[]", words)
    parsed = orjson.loads(item)
    for name in sorted(parsed.get("properties", ()), key=len, reverse=True):
        words = words.replace(name, shown(name))
    for value in sorted(_values(parsed), key=len, reverse=True):
        if _may_hold(words, value):
            pattern = re.escape(value)
            if value.isascii() and len(value) < _FOUND_ANYWHERE:
                pattern = rf"(?<![A-Za-z\d]){pattern}(?![A-Za-z\d])"
            words = re.sub(pattern, _BLANK, words, flags=re.IGNORECASE)
    words = _PRIVATE.sub(_BLANK, _AROUND_BLANK.sub(_BLANK, words))
    words = words.replace(_BLANK, "…").strip()[:_KEPT_WORDS]
    return f"refused by {service}: {words}" if words not in {"", "{}"} else f"refused by {service}"


def _may_hold(words: str, value: str) -> bool:
    """False where a search would find nothing: compiling one for each value of an item is slow."""
    if words.isascii() and value.isascii():
        return value.lower() in words.lower()
    return True  # Letters that are alike in no simple way, such as the sign of kelvin and a k.


def _unescaped(match: re.Match[str]) -> str:
    units = bytes.fromhex(match[0].replace("\\u", ""))
    return units.decode("utf-16-be", "replace")


def _values(item: Any) -> set[str]:
    if isinstance(item, dict):
        return set().union(*map(_values, item.values())) if item else set()
    text = item if isinstance(item, str) else str(item)
    parts = {text, *re.split(r"[\W_]+", text)}
    return {part for part in parts if len(part) > 1}
