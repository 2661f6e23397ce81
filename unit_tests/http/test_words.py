"""A service's words as reasons: no value of a record in them, however it is spelled."""

import base64
import html
import json
import random
import re
import time
import unicodedata
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from bulk_destination.connection import connect
from bulk_destination.http.words import KEPT_ANSWER, WORDS, KnownWords, said_in
from destination_hackle.service import HACKLE
from destination_heap_analytics.service import HEAP

LAW = settings(derandomize=True, max_examples=300, deadline=None)

SCHEMA = {
    "plan": {},
    "Signup Date": {},
    "address": {"type": "object", "properties": {"city": {}}},
    "ada@example.com": {},
}
CATALOG = {
    "streams": [
        {
            "stream": {"name": "people", "json_schema": {"properties": SCHEMA}},
            "destination_sync_mode": "append",
        }
    ]
}
TRACK = {"api_type": "track", "event_column": "plan", "identity_column": "address.city"}
HEAP_CONFIG = {"app_id": "11", "api": {**TRACK, "property_columns": "plan as tier"}}
HACKLE_CONFIG = {"sdk_key": "s3cret-key", "event_key_column": "plan", "user_id_column": "plan"}

TO_HEAP = connect(HEAP, HEAP_CONFIG, CATALOG).route.endpoint.words
TO_HACKLE = connect(HACKLE, HACKLE_CONFIG, CATALOG).route.endpoint.words


def reason(words: str, known: KnownWords = TO_HEAP) -> str:
    """What is shown of `words`, without the service's name."""
    return known.reason("Heap", words).removeprefix("refused by Heap").removeprefix(": ")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", ""),
        ("{}", ""),
        (
            "postBody.events[17].timestamp is not a valid unix,iso8601 timestamp",
            "postBody.events[].timestamp is not a valid unix,iso8601 timestamp",
        ),
        ("identity is longer than 255 characters", "identity is longer than … characters"),
        ("app_id 3000610572 has no environment", "app_id … has no …"),
        ('"properties.plan" must be a string', "properties.plan must be a string"),
        ("postBody.users[3].properties.tier is too long", "postBody.users[].properties.tier is "
         "too long"),
        ("Signup Date is a problem; so is plan.", "Signup Date is a … so is plan"),
        ("properties.Signup Date: required", "properties.Signup Date: required"),
        ("properties.address.city is null", "properties.address.city is null"),
        ("properties.address.jane is null", "properties.address.… is null"),
        ("properties.visits[3].jane is null", "properties.… is null"),
        ("400 Bad Request", "400 Bad Request"),
        ("INVALID_TIMESTAMP", "INVALID_TIMESTAMP"),
        ("Invalid value", "Invalid value"),
        ("children may not be 7 here", "… may not be … here"),
        ("identity Will is Long", "identity … is …"),
        ("Will, Max and May", "… and …"),
        ("bad: 'jane", "…"),
        ("no user ada@example.com", "no user …"),
        ("properties.ada@example.com is no string", "properties.… is no string"),
    ],
)  # fmt: skip
def test_what_is_known_stays(words: str, expected: str) -> None:
    """Fields of the payload, names that are configured or in the schema, words of errors."""
    assert reason(words) == expected


def test_each_service_has_its_own_fields() -> None:
    """Hackle's names are no words of Heap's, nor the other way round."""
    words = "trackEvents[4].identifiers.$id is not a string"
    assert reason(words, TO_HACKLE) == "trackEvents[].identifiers.$id is not a string"
    assert reason(words) == "… is not a string"
    assert reason("no key s3cret-key here", TO_HACKLE) == "no key … here"


def test_a_thousand_faults_of_a_kind_are_one_reason() -> None:
    """Neither an index nor a value makes another reason."""
    words = (f"postBody.events[{n}].event user{n} of {n * 7} is invalid" for n in range(1000))
    assert len(set(map(reason, words))) == 1


# -- values --------------------------------------------------------------------------------------

VALUES = st.one_of(
    st.text(min_size=1, max_size=30),
    st.sampled_from(
        ["Bartholomew", "Zoë Núñez", "O'Brien", "Mary-Jane", "홍길동", "李雷", "A+B (x)", "n_m_o"]
    ),
    st.emails(),
    st.integers(0, 10**15).map(str),
    st.dates().map(str),
    st.ip_addresses().map(str),
    st.uuids().map(str),
)


def _cut(text: str) -> str:
    return text[: max(1, len(text) // 2)]


#: What servers, loggers and frameworks do to a text on its way into a message.
SPELLINGS: list[Callable[[str], str]] = [
    str,
    str.upper,
    str.lower,
    str.swapcase,
    str.title,
    _cut,
    lambda text: text[::-1],
    lambda text: quote(text, ""),
    lambda text: quote(quote(text, ""), ""),
    html.escape,
    lambda text: "".join(f"&#{ord(letter)};" for letter in text),
    lambda text: json.dumps(text)[1:-1],
    lambda text: "".join(f"\\x{byte:02x}" for byte in text.encode()),
    lambda text: repr(text.encode())[2:-1],
    lambda text: text.encode().hex(),
    lambda text: base64.b64encode(text.encode()).decode(),
    lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    lambda text: unicodedata.normalize("NFD", text),
    lambda text: unicodedata.normalize("NFKC", text),
    lambda text: text.encode("punycode").decode(),
    lambda text: "".join(chr(0xFEE0 + ord(c)) if "!" <= c <= "~" else c for c in text),
    " ".join,
    lambda text: "_".join(text.split()),
]
TEMPLATES = [
    "{}",
    "{} is not valid",
    "postBody.events[3].timestamp {} is not valid",
    'identity "{}" is missing',
    'identity "{} is missing',
    "identity '{}' is missing",
    "identity=`{}`, event=({})",
    "value:{};value:{}",
    "<{}> [{}] {{{}}}",
    "postBody.users[0].properties.{} is too long",
    "properties.{}.plan: {}",
    "no {}는 valid 홍{}님",
    '{{"error": "no user {}"}}',
    '{{"errors": [{{"msg": "invalid", "value": "{}"}}]}}',
    "identity {}... is missing",
    "x{}y is invalid",
    "{}@{} and mailto:{}",
]
_WORD = re.compile(r"[^\W_]+")
#: Also where a template divides them: `isn't`, `iso-8601`.
PLAIN_WORDS = set(_WORD.findall(" ".join(WORDS)))


@given(VALUES, st.sampled_from(SPELLINGS), st.sampled_from(TEMPLATES))
@example("홍길동", str, "no {}는 valid 홍{}님")
@example("jane.plan", str, "properties.{}.plan: {}")
@LAW
def test_no_value_shows(value: str, spell: Callable[[str], str], template: str) -> None:
    """What is shown is the template's own: no word of it comes from the value."""
    try:
        spelled = spell(value)
        words = template.replace("{}", spelled)
        said = said_in(words.encode())
    except UnicodeEncodeError:  # half a character, which no answer can hold
        assume(False)
    own = set(_WORD.findall(template))
    for known in (TO_HEAP, TO_HACKLE):
        found = set(_WORD.findall(reason(said.words, known))) - own
        # A value may be such a word itself, as `missing` or `events`; that tells nothing of it.
        assert found <= PLAIN_WORDS | set(_WORD.findall(" ".join(known.names))), found


@given(st.text("aeinost \"'.,:;[]{}()<>=\\/%&#_-$…\0", max_size=300))
@LAW
def test_what_is_shown_is_known(words: str) -> None:
    """Text that is near to words of errors, with all that may stand between them."""
    shown = reason(words, KnownWords())
    assert len(shown) <= 300
    assert set(_WORD.findall(shown)) <= PLAIN_WORDS, shown


def test_shown_words_are_bounded() -> None:
    """A ledger holds a hundred reasons: none is a page."""
    assert len(reason("this is not valid " * 1000)) <= 300


HOSTILE = {
    "no blank": "x" * 20_000,
    "no end of a path": "properties." * 2_000,
    "single letters": "x " * 10_000,
    "words": "is " * 7_000,
    "beginnings of phrases": "too " * 5_000,
    "beginnings of names": "Signup " * 3_000,
    "quotes": '"' * 20_000,
    "hidden": "…, " * 7_000,
    "indexes": "[1]" * 7_000,
    "brackets": "[" * 20_000,
    "codes": "is_" * 7_000,
    "backslashes": "\\u00e1" * 4_000,
    "nested": '{"error":' * 2_000,
    "a megabyte": "is not " * 150_000,
}


@pytest.mark.parametrize("words", HOSTILE.values(), ids=HOSTILE)
def test_a_thousand_reasons_take_little(words: str) -> None:
    """Any words: a twentieth of a thousand in a twentieth of 3 s."""
    body = words.encode()
    began = time.process_time()
    for _ in range(50):
        reason(said_in(body).words)
    assert time.process_time() - began < 0.15


def test_many_names_cost_no_more() -> None:
    """A wide table's columns are looked up, not searched for one by one."""
    dice = random.Random(7)
    names = {f"Column {dice.randrange(10**9):x} of many words here" for _ in range(10_000)}
    known = KnownWords(frozenset(names))
    began = time.process_time()
    for _ in range(50):
        known.reason("Heap", "Column x of " * 2_000)
    assert time.process_time() - began < 0.25


# -- the answer ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"error":"no event"}', "no event"),
        ('{"message":"no event"}', "no event"),
        ('{"err":{"message":"no event"}}', "no event"),
        ('{"message":7,"error":"no event"}', "no event"),
        ('{"errors":["no event"]}', '{"errors":["no event"]}'),
        ("no event", "no event"),
        ("[]", "[]"),
    ],
)
def test_words_of_an_answer(body: str, words: str) -> None:
    """JSON names its words; what does not is read whole. The answer stays as it came."""
    said = said_in(body.encode())
    assert (said.words, said.answer) == (words, body)


@given(st.binary(max_size=100) | st.binary(min_size=5_000, max_size=5_001))
@LAW
def test_an_answer_is_bounded(body: bytes) -> None:
    """Any bytes; of many, the beginning."""
    assert len(said_in(body).answer) <= KEPT_ANSWER
