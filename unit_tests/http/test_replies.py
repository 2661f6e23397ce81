"""Heap's replies as values, its words as reasons without a record's values."""

import json
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulk_destination.http.replies import (
    Accepted,
    Refused,
    Reply,
    TooLarge,
    TryLater,
    WrongService,
    read_reply,
    reason_for,
    retry_after,
)

LAW = settings(derandomize=True, max_examples=100, deadline=None)
NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "body", "reply"),
    [
        (200, b"{}", Accepted()),
        (200, b"OK", Accepted()),
        (204, b"", Accepted()),
        (400, b"{}", Refused("{}")),
        (400, b"app_id is not valid", Refused("app_id is not valid")),
        (400, b'{"error":"no event"}', Refused("no event")),
        (400, b'{"message":"no event"}', Refused("no event")),
        (413, b"", TooLarge()),
        (413, b"<html>too large</html>", TooLarge()),
        (429, b"", TryLater("status 429")),
        (500, b"<html>oops</html>", TryLater("status 500")),
        (502, b"", TryLater("status 502")),
        (503, b"", TryLater("status 503")),
        (103, b"", TryLater("status 103")),
        (504, b"", TryLater("status 504")),
    ],
)
def test_reply(status: int, body: bytes, reply: Reply) -> None:
    """Each documented answer, and the usual ones of what stands in front of a service."""
    assert read_reply(status, {}, body, NOW) == reply


@pytest.mark.parametrize(
    ("status", "body"),
    [
        *(
            (404, b""),
            (401, b""),
            (403, b"<p>"),
            (301, b""),
            (302, b""),
            (200, b" <!doctype html>"),
        ),
        *((200, b"\xef\xbb\xbf\n<html>"), (200, "<html>".encode("utf-16"))),
    ],
)
def test_something_else_answers(status: int, body: bytes) -> None:
    """Not Heap: the address is wrong."""
    assert isinstance(read_reply(status, {}, body, NOW), WrongService)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 7 ", 7.0),
        ("3600", 3600.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("1.5", None),
    ],
)
def test_retry_after(header: str | None, seconds: float | None) -> None:
    """Seconds or an HTTP date; anything else says nothing."""
    assert retry_after(header, NOW) == seconds


@given(st.text(max_size=40) | st.text("MonJa 0123456789:,+-GMT", max_size=40))
@example("Mon, 01 Jan 2020 00:00:00 +9999999999999")
@example("Mon, 01 Jan 99999 00:00:00 GMT")
@example("Mon, 01 Jan 0001 00:00:00 +2359")
@example("9" * 5000)
@LAW
def test_any_retry_after_is_read(header: str) -> None:
    """A strange header is no error: it is a wait or nothing."""
    seconds = retry_after(header, NOW)
    assert seconds is None or seconds >= 0


@given(st.integers(100, 599), st.binary(max_size=50) | st.sampled_from([b"[]", b"null", b"1e999"]))
@LAW
def test_any_reply_is_read(status: int, body: bytes) -> None:
    """No status and no body is an error."""
    reply = read_reply(status, {}, body, NOW)
    if isinstance(reply, Refused):
        assert len(reply.words) <= 300
        reason_for(reply, b'{"identity":"a"}', "Heap")


# -- words without values ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            "postBody.events[17].timestamp is not a valid unix,iso8601 timestamp",
            "refused by Heap: postBody.events[].timestamp is not a valid unix,iso8601 timestamp",
        ),
        ("{}", "refused by Heap"),
        ("", "refused by Heap"),
    ],
)
def test_reason_keeps_heap_s_words(words: str, reason: str) -> None:
    """Heap's words stay, without the index: a thousand faults of one kind are one reason."""
    assert reason_for(Refused(words), b'{"identity":"jane","event":"Sign up"}', "Heap") == reason


NAMES = st.sampled_from(
    [
        "Bartholomew",
        "Zoë Núñez",
        "O'Brien",
        "Mary-Jane",
        "李雷",
        "Anna  Maria",
        "jo",
        "A+B (x)",
        "n_m",
    ]
)
EMAILS = st.from_regex(r"[a-z]{2,8}[.+_-]?[a-z0-9]{1,4}@[a-z]{2,6}\.(com|org)", fullmatch=True)
NUMBERS = st.integers(10, 10**15) | st.decimals(10, 10**6, places=2).map(float)
WRAPS = st.sampled_from(
    [
        "{}",
        '"{}"',
        "'{}'",
        "`{}`",
        "({})",
        "[{}]",
        "<{}>",
        "value:{}",
        "value={}",
        "{},",
        "{}.",
        "/{}/",
    ]
)


@given(st.lists(st.tuples(NAMES | EMAILS | NUMBERS, WRAPS), min_size=1, max_size=4), st.booleans())
@LAW
def test_no_value_survives_in_a_reason(values: list[tuple[Any, str]], nested: bool) -> None:
    """Names, addresses and numbers of the item go, however Heap quotes them."""
    item: dict[str, Any] = {
        "identity": str(values[0][0]),
        "properties": {f"p{n}": value for n, (value, _) in enumerate(values)},
    }
    quoted = " and ".join(wrap.format(value) for value, wrap in values)
    words = f"postBody.events[3].properties is refused for {quoted} there"
    body = json.dumps({"message": words}).encode() if nested else words.encode()
    refused = read_reply(400, {}, body, NOW)
    assert isinstance(refused, Refused)
    reason = reason_for(refused, json.dumps(item).encode(), "Heap")
    remaining = reason.replace("refused by Heap: postBody.events[].properties is refused for", "")
    for value, _ in values:
        for part in {str(value), *re.findall(r"[^\W_]{2,}", str(value))}:
            assert not re.search(rf"(?<!\w){re.escape(part)}(?!\w)", remaining), reason


@pytest.mark.parametrize("number", [0, 7])
def test_one_digit_is_a_value_too(number: int) -> None:
    """A count of children is as private as a birth year."""
    item = json.dumps({"identity": "jane", "properties": {"children": number}}).encode()
    reason = reason_for(Refused(f"children may not be {number} here"), item, "Heap")
    assert str(number) not in reason


@pytest.mark.parametrize(
    "value", ["bartholomew.longname@example.com", "Bartholomew", "4929123412341234"]
)
@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("kept", [4, 8])
def test_value_cut_at_the_end_of_long_words_goes_too(value: str, quote: str, kept: int) -> None:
    """Heap's words are shortened; half a name or half a number is still a value."""
    lead = "body is not valid "
    filler = "x" * (300 - len(lead) - 1 - len(quote) - kept)
    words = f"{lead}{filler} {quote}{value}{quote} and more"
    refused = read_reply(400, {}, words.encode(), NOW)
    assert isinstance(refused, Refused)
    item = json.dumps({"identity": value, "properties": {}}).encode()
    assert value[:kept] not in reason_for(refused, item, "Heap")


def test_escaped_value_goes_too() -> None:
    """A service that echoes the body as JSON may escape what is not ASCII."""
    item = json.dumps({"identity": "Núñez", "properties": {}}).encode()
    reason = reason_for(Refused("identity N\\u00fa\\u00f1ez is not valid"), item, "Heap")
    assert "u00fa" not in reason


@pytest.mark.parametrize(
    "name",
    ["phones.+41 79 123", "by_mail.ada%40example", "people.b7e9a0c1d2", "born.04/06/1962"],
)
def test_name_that_may_be_a_value_goes_too(name: str) -> None:
    """A source may key an object by what it holds; names that look like names stay."""
    item = json.dumps({"identity": "jane", "properties": {name: True, "plan.name": 1}}).encode()
    words = f"postBody.users[3].properties.{name} is too long; so is plan.name"
    reason = reason_for(Refused(words), item, "Heap")
    assert name.split(".")[1] not in reason
    assert reason.endswith("is too long; so is plan.name")
    assert reason.startswith("refused by Heap: postBody.users[].properties.")


@pytest.mark.parametrize(
    "words", ["no key s3cret-[1]/+", "key=S3CRET-[1]/+;", "xs3cret-[1]/+x", "s3cret\\u002d[1]/+"]
)
def test_a_secret_of_the_headers_goes_too(words: str) -> None:
    """It is in no item, so it is named apart; wherever it stands, in any casing."""
    reason = reason_for(Refused(words), b'{"userId":"jane"}', "Hackle", ("s3cret-[1]/+",))
    assert "s3cret" not in reason.lower()
    assert "…" in reason


@pytest.mark.parametrize(
    "spelled", ["s3cret%2D%5B1%5D%2F%2B".replace("%2D", "-"), "czNjcmV0LVsxXS8r"]
)
def test_a_secret_in_another_spelling_goes_too(spelled: str) -> None:
    """Percent-encoded, as in a URL, and in Base64."""
    reason = reason_for(
        Refused(f"no key {spelled} here"), b'{"userId":"jane"}', "Hackle", ("s3cret-[1]/+",)
    )
    assert spelled not in reason
    assert "here" in reason


@pytest.mark.parametrize(
    "words",
    [
        "사용자 홍길동은 유효하지 않습니다. geheimwort는 잘못된 값, Alexanderplatz이 틀림.",
        "bad mail_geheimwort_x, xAlexanderplatzy and geheimwort2; 홍길동님",
        "too long: geheimw..., 홍길…",
    ],
)
def test_a_value_that_letters_touch_goes_too(words: str) -> None:
    """Korean attaches what a word does to the word."""
    item = {"userId": "홍길동", "properties": {"m": "geheimwort", "a": "Alexanderplatz"}}
    reason = reason_for(Refused(words), json.dumps(item).encode(), "Hackle")
    for value in ("홍길", "geheimw", "Alexander"):
        assert value not in reason


def test_a_value_cut_where_reading_ends_goes_too() -> None:
    """A message that is too long to be read whole ends with a whole word."""
    refused = read_reply(400, {}, b'"' + b"x" * 19_985 + b'" at Nordhausen' + b" y" * 99, NOW)
    assert isinstance(refused, Refused)
    assert "Nor" not in reason_for(refused, b'{"identity":"Nordhausen"}', "Heap")
