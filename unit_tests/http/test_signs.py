"""Which bodies of a 2xx may be a yes of the service, and which are somebody else's, or a no."""

import gzip
import json
import zlib
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulk_destination.http.signs import LONGEST_BODY, sign_of_another, unpacked

LAW = settings(derandomize=True, max_examples=300, deadline=None)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b" \r\n", b"OK", b"OK%", b"ok\n", b"Accepted", b"success", b"1", b"true", b'"OK"'),
        *(b"null", b"{}", b"[]", b"\xef\xbb\xbf{}", b"1000 events accepted, 0 errors."),
        *(b'{"status":"ok"}', b'{"status":200}', b'{"status":0}', b'{"success":true}'),
        *(b'{"error":null}', b'{"errors":[]}', b'{"error":""}', b'{"error":false}'),
        *(b'{"errorCount":0}', b'{"error":"none"}', b'{"failed":0,"accepted":1000}'),
        *(b'{"code":0,"message":"success"}', b'{"message":"no errors"}', b'{"code":200}'),
        *(b'{"processed":1000,"requestId":"e0"}', b'{"id":1e999}', b'{"result":null}'),
        # An echo of what was sent is no word of the service about it.
        b'{"events":[{"event":"E","properties":{"error":"E42","status":"failed"}}]}',
    ],
)
def test_may_be_a_yes(body: bytes) -> None:
    """Nothing, a short word, JSON without an error."""
    assert sign_of_another(body) is None


@pytest.mark.parametrize(
    "body",
    [
        *(b"<html>", b"<!doctype html>", b"<?xml version='1.0'?><a/>", b"<p>", b"OK</body>"),
        *(b" " * 1_500 + b"<html>log in</html>", b"x" * 20_000 + b"<script>"),
        *("<html>".encode("utf-16"), "log in <a>".encode("utf-16-be")),
        *(b'{"page":"<html>"}', b'{} <img src="x">'),
    ],
)
def test_markup(body: bytes) -> None:
    """Anywhere in it."""
    assert sign_of_another(body) == "a web page"


@pytest.mark.parametrize(
    "body",
    [
        *(b'{"error":"unknown method"}', b'{"error":{"code":7}}', b'{"errors":[{}]}'),
        *(b'{"Error":true}', b'{"error_code":"E1"}', b'{"errorMessage":"x"}', b'{"err":"x"}'),
        *(b'{"success":false}', b'{"success":"false"}', b'{"ok":0}', b'{"isSuccess":false}'),
        *(b'{"status":"error"}', b'{"status":"FAILED"}', b'{"status":503}', b'{"status":"404"}'),
        *(b'{"statusCode":403}', b'{"result":"failure"}', b'{"code":429}', b'{"status":false}'),
        *(b'{"message":"Forbidden"}', b'{"message":"Internal Server Error"}'),
        *(b'{"exception":"java.lang.X"}', b'{"fault":{"faultstring":"x"}}', b'{"accepted":0}'),
        *(b'{"meta":{"status":"error"}}', b'{"results":[{},{"error":"x"}]}', b'[{"error":"x"}]'),
        *(b"false", b'"error"', b'"Access denied"', b"503"),
    ],
)
def test_json_with_an_error(body: bytes) -> None:
    """However it is spelled."""
    assert sign_of_another(body) == "an error in its JSON"


@pytest.mark.parametrize(
    "body",
    [
        *(b"error", b"Access denied", b"Forbidden", b"request blocked", b"Please log in"),
        *(
            b"Service Unavailable",
            b"upstream timed out",
            b"{",
            b'{"error',
            b"{}{}",
            b"\x1f\x8b\x08",
        ),
        b"Your device is not yet part of this network. Open a browser and follow what it says.",
    ],
)
def test_words_of_others(body: bytes) -> None:
    """A no, a sentence, half of something, and what is no text."""
    assert sign_of_another(body) == "words that are not the service's"


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=20,
)


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode) | JSON.map(_dumped))
@example(b"[" * 100_000)
@example(b'{"a":' * 1_000 + b"1" + b"}" * 1_000)
@example(b'{"status":' + b"9" * 5_000 + b"}")
@example(b'{"status":"' + "٣".encode() * 3 + b'"}')
@example(b'{"status":"\xc2\xb2"}')
@LAW
def test_any_body_is_judged(body: bytes) -> None:
    """No body is an error."""
    sign_of_another(body)


@given(JSON, st.sampled_from(["error", "errors", "errorMessage", "exception"]))
@LAW
def test_an_error_is_seen_beside_anything(whatever: Any, name: str) -> None:
    """What else stands there does not hide it."""
    body = json.dumps({"data": whatever, name: "it broke"}).encode()
    assert sign_of_another(body) is not None


# -- encodings -----------------------------------------------------------------------------------


def _bare(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@given(st.binary(max_size=5_000))
@LAW
def test_what_was_asked_for_is_unpacked(body: bytes) -> None:
    """gzip, and both that go by the name of deflate."""
    assert unpacked(None, body) == unpacked(" Identity ", body) == body
    assert unpacked("gzip", gzip.compress(body)) == body
    assert unpacked("deflate", zlib.compress(body)) == body
    assert unpacked("Deflate", _bare(body)) == body


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        *(("br", b"{}"), ("zstd", b"{}"), ("gzip, gzip", b"{}"), ("gzip", b"{}")),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-1]),
        ("gzip", gzip.compress(b"{}", mtime=0) + b"x"),
        ("gzip", gzip.compress(b"\0" * (LONGEST_BODY + 1), mtime=0)),
        ("deflate", b"{}"),
    ],
)
def test_what_was_not_asked_for_or_breaks_off(coding: str, body: bytes) -> None:
    """Neither is anything without end: a kilobyte of gzip may be a megabyte of blanks."""
    assert unpacked(coding, body) is None


@given(st.sampled_from(["gzip", "deflate"]), st.binary(max_size=100))
@LAW
def test_any_packed_body_is_read(coding: str, body: bytes) -> None:
    """Broken ones are None, not an error."""
    unpacked(coding, body)
