"""Whose answer is it? Signs that a 2xx is not the service's, or says no in its body. Pure.

What stands on the way to a service says 200 as well: a login of the network, a firewall, a gateway
whose service is down, a proxy that wraps failures. So a yes needs a body as services give one:
nothing, a short word such as `OK`, or JSON that tells of no error. What services really answer is
not published in full, so what is not clearly somebody else's, or a no, stays a yes.
"""

import json
import re
import zlib
from collections.abc import Iterator
from typing import Any, Final

#: Bytes of a body that are read, before and after it was unpacked.
LONGEST_BODY: Final = 1_000_000
#: What the client says it can unpack.
ACCEPT_ENCODING: Final = "gzip, deflate"

#: Characters of a word.
_SHORT: Final = 64
_WORD: Final = re.compile(rf"[\w\s.,:;!'\"()%+/-]{{0,{_SHORT}}}")
_MARKUP: Final = re.compile(rb"<[!?/A-Za-z]")
#: UTF-16 has a zero in each letter of a tag.
_ZERO: Final = b"\0"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

_NO: Final = re.compile(
    r"error|fail|exception|fault|denied|deny|reject|refus|block|unauthori|forbidden|invalid"
    r"|not found|not allowed|unavailable|timed? ?out|abort|log ?in|sign ?in",
    re.IGNORECASE,
)
_NO_NO: Final = re.compile(r"\b(?:no|0|zero|without)\s+(?:errors?|failures?|faults?)", re.I)
#: Names of fields by what they hold, in the spelling of `_plain`.
_ERRORS: Final = re.compile(r"err|errs|.*error.*|.*exception.*|fault|faults|failures|failed")
_SUCCESS: Final = {"success", "succeeded", "successful", "issuccess", "ok", "accepted", "valid"}
_STATUS: Final = {
    *("status", "statuscode", "statustext", "state", "result", "outcome", "code", "httpcode"),
    *("message", "msg", "detail", "details", "reason", "title", "description"),
}
#: Objects within objects that are looked at: an echo of what was sent stands deeper.
_DEPTH: Final = 2


def unpacked(coding: str | None, body: bytes) -> bytes | None:
    """The body without its Content-Encoding; None if it is one that nobody asked for, or broken."""
    match (coding or "identity").strip().lower():
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            return _inflated(body, 16 + zlib.MAX_WBITS)
        case "deflate":
            # By its name in zlib's wrapping (RFC 9110, 8.4.1.2); some send it bare.
            whole = _inflated(body, zlib.MAX_WBITS)
            return whole if whole is not None else _inflated(body, -zlib.MAX_WBITS)
        case _:
            return None


def _inflated(body: bytes, wrapping: int) -> bytes | None:
    if not body:
        return body
    stream = zlib.decompressobj(wrapping)
    try:
        whole = stream.decompress(body, LONGEST_BODY)
    except zlib.error:
        return None
    return whole if stream.eof and not stream.unused_data else None


def sign_of_another(body: bytes) -> str | None:
    """By what a body shows that it is no yes of the service; None if it may be one."""
    if _MARKUP.search(body.replace(_ZERO, b"") if _ZERO in body else body):
        return "a web page"
    body = body.removeprefix(_BYTE_ORDER_MARK).strip()
    if not body:
        return None
    try:
        parsed = json.loads(body)  # it knows NaN and 1e999, as those do that send them
    except (ValueError, RecursionError):
        return None if _is_word(body) else "words that are not the service's"
    return "an error in its JSON" if _tells_of_error(parsed) else None


def _is_word(body: bytes) -> bool:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return False
    return _WORD.fullmatch(text) is not None and not _says_no(text)


def _says_no(text: str) -> bool:
    return _NO.search(_NO_NO.sub("", text)) is not None


def _tells_of_error(parsed: Any) -> bool:
    if not isinstance(parsed, dict | list):
        return _is_failed_status(parsed)
    return any(
        _is_error(_plain(name), value)
        for found in _objects(parsed, _DEPTH)
        for name, value in found.items()
    )


def _objects(parsed: Any, depth: int) -> Iterator[dict[str, Any]]:
    """Objects of JSON that are not nested deeper; lists do not count."""
    if isinstance(parsed, list):
        for each in parsed:
            if isinstance(each, dict):
                yield from _objects(each, depth)
    elif isinstance(parsed, dict) and depth:
        yield parsed
        for value in parsed.values():
            if isinstance(value, dict | list):
                yield from _objects(value, depth - 1)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


def _is_error(name: str, value: Any) -> bool:
    if name in _SUCCESS:
        return _is_off(value)
    if name in _STATUS:
        return _is_failed_status(value)
    if _ERRORS.fullmatch(name):
        return not _is_off(value) and not (isinstance(value, str) and _NO_NO.search(value))
    return False


def _is_off(value: Any) -> bool:
    """Whether a value says that there is nothing."""
    if isinstance(value, str):
        return value.strip().lower() in {"", "0", "false", "no", "none", "null", "ok"}
    return not value


def _is_failed_status(value: Any) -> bool:
    if isinstance(value, str):
        if not value.isdecimal():
            return _says_no(value)
        value = int(value[:9])
    if isinstance(value, bool):
        return not value
    return isinstance(value, int | float) and 400 <= value < 600
