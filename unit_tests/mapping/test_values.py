"""What one value of a record becomes in Heap."""

import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulk_destination.mapping.values import (
    INEXACT,
    MISSING,
    NOBODY,
    Identifier,
    Rejected,
)
from bulk_destination.protocol.messages import classify, read_exactly, read_line
from destination_heap_analytics.values import ACCOUNT, PERSON, event_name

person_identity, account_identity = PERSON.read, ACCOUNT.read

LAW = settings(derandomize=True, max_examples=100, deadline=None)


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


SUSPECT = st.text(
    st.sampled_from(" \t\u3000\u200b\u3164\u0301\ud800aGUESTüß.") | st.characters(), max_size=22
)


@given(SUSPECT | st.sampled_from([*NOBODY]).map(str.title), st.sampled_from([PERSON, ACCOUNT]))
@example("ſomebody", PERSON)
@example("x" * 256, PERSON)
@example(" " * 20, ACCOUNT)
@LAW
def test_what_is_judged_at_a_glance_is_judged_the_same(value: str, reader: Identifier) -> None:
    """Most identities are judged in one step; the long way says the same of each."""
    judged = reader.judged(value)
    assert reader.read(value) == (reader.sized(judged) if isinstance(judged, str) else judged)


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


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
@LAW
def test_no_value_raises(value: object) -> None:
    """Every reader takes every JSON value and gives text or a rejection."""
    for read in (person_identity, account_identity, event_name):
        result = read(value)
        assert isinstance(result, str | Rejected)
