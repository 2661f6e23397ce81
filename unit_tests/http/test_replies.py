"""Heap's replies as values."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulk_destination.http.replies import (
    Accepted,
    NotTheService,
    Refused,
    Reply,
    TooLarge,
    TryLater,
    read_reply,
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
        (422, b"app_id is not valid", Refused("app_id is not valid")),
        (400, b'{"error":"no event"}', Refused("no event")),
        (413, b"", TooLarge()),
        (413, b"<html>too large</html>", TooLarge()),
        (429, b"", TryLater("status 429", is_too_many=True)),
        (500, b"<html>oops</html>", TryLater("status 500")),
        (502, b"", TryLater("status 502", is_strain=True)),
        (503, b"", TryLater("status 503", is_strain=True)),
        (103, b"", TryLater("status 103")),
        (504, b"", TryLater("status 504", is_strain=True)),
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
    assert isinstance(read_reply(status, {}, body, NOW), NotTheService)


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
    read_reply(status, {}, body, NOW)
