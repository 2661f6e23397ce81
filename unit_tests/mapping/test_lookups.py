"""What a field says, looked up in records."""

import json
import math
from hashlib import sha256
from typing import Any

import pytest

from bulk_destination.mapping.entries import PropertySelection
from bulk_destination.mapping.grammar import read_properties, read_value
from bulk_destination.mapping.lookups import Found, compile_expression, compile_identity
from bulk_destination.mapping.properties import Limits, PropertyMapper
from bulk_destination.mapping.values import INEXACT, MISSING, Adjustments, Identifier, Rejected

PERSON = Identifier("identity", 255)
ACCOUNT = Identifier("account_id", 1_024, of_person=False)
SHA_ANN = sha256(b"ann@x.com").hexdigest()


def _value(text: str, record: dict[str, Any]) -> Any:
    expression = read_value(text)
    assert not isinstance(expression, list), expression
    return compile_expression(expression, None, Found(expression))(record)


def _identity(text: str, record: dict[str, Any], identifier: Identifier = PERSON) -> str | Rejected:
    expression = read_value(text, "identity")
    assert not isinstance(expression, list), expression
    look, read = compile_identity(expression, None, identifier, Found(expression))
    return read(look(record))


@pytest.mark.parametrize(
    ("text", "record", "value"),
    [
        ("'Order placed'", {}, "Order placed"),
        ("status, 'Order'", {"status": "Paid"}, "Paid"),
        ("status, 'Order'", {}, "Order"),
        ("status, 'Order'", {"status": None}, "Order"),
        ("status, 'Order'", {"status": " \u200b"}, "Order"),
        ("status, 'Order'", {"status": False}, False),
        ("status, 'Order'", {"status": {}}, {}),
        ("status, 'Order'", {"status": 0}, 0),
        ("a, b", {"a": "", "b": None}, ""),
        ("a, b", {"b": None}, None),
        ("a, b", {}, MISSING),
        ("lower(a)", {"a": "ÄB"}, "äb"),
        ("lower(a)", {"a": 7.0}, "7"),
        ("lower(a)", {"a": True}, True),
        ("lower(a)", {"a": {"B": 1}}, {"B": 1}),
        ("lower(a)", {"a": None}, None),
        ("lower(a)", {}, MISSING),
        ("sha256(a)", {"a": " "}, " "),
        ("sha256(lower(a))", {"a": "Ann@x.com"}, SHA_ANN),
        ('"a.b"."c d"', {"a.b": {"c d": 1}}, 1),
        ('"a"."1".b', {"a": [0, {"b": 2}]}, 2),
        ('"a.b"', {"a": {"b": 1}}, MISSING),
        ('"a"."b"', {"a": 5}, MISSING),
    ],
)
def test_value(text: str, record: dict[str, Any], value: Any) -> None:
    """The first that is there; blanks and null pass on to the next, and nothing else does."""
    found = _value(text, record)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "record", "identity"),
    [
        ("email", {"email": " ann@x.com \n"}, "ann@x.com"),
        ("user_id, email", {"user_id": 12, "email": "x"}, "12"),
        ("user_id, email", {"email": "x"}, "x"),
        ("user_id, email", {"user_id": "Guest", "email": "x"}, "x"),
        ("user_id, email", {"user_id": " ", "email": "x"}, "x"),
        ("user_id, email", {"user_id": True, "email": "x"}, "identity_not_text"),
        ("user_id, email", {"user_id": ["y"], "email": "x"}, "identity_not_text"),
        ("user_id, email", {"user_id": "y" * 256, "email": "x"}, "identity_too_long"),
        ("user_id, email", {"user_id": "\ud800", "email": "x"}, "identity_not_valid_unicode"),
        ("user_id, email", {"user_id": "guest"}, "identity_of_no_single_person"),
        ("user_id, email", {"email": ""}, "identity_blank"),
        ("user_id, email", {}, "identity_missing"),
        ("user_id, email", {"user_id": 2.0**53, "email": "x"}, INEXACT.reason),
        ("sha256(lower(email))", {"email": " Ann@X.com "}, SHA_ANN),
        ("sha256(email)", {"email": " "}, "identity_blank"),
        ("sha256(email)", {"email": "guest"}, "identity_of_no_single_person"),
        ("sha256(email)", {"email": None}, "identity_missing"),
        ("sha256(email)", {"email": 1e17}, INEXACT.reason),
        ("sha256(email)", {"email": "\ud800"}, "identity_not_valid_unicode"),
        ("sha256(email), id", {"email": "n/a", "id": 7}, "7"),
        ("sha256(bio)", {"bio": "x" * 300}, sha256(b"x" * 300).hexdigest()),
        ("lower(email)", {"email": "İ" * 128}, "identity_too_long"),
    ],
)
def test_identity(text: str, record: dict[str, Any], identity: str) -> None:
    """What a column holds is judged before any function, and nobody passes on to the next."""
    found = _identity(text, record)
    assert (found.reason if isinstance(found, Rejected) else found) == identity


def test_an_account_is_sent_as_written() -> None:
    """It must equal a property of users, blanks and all."""
    assert _identity("a", {"a": " Acme "}, ACCOUNT) == " Acme "
    assert _identity("a, b", {"a": "guest", "b": "x"}, ACCOUNT) == "guest"
    assert _identity("a, b", {"a": " ", "b": "x"}, ACCOUNT) == "x"
    assert _identity("lower(a)", {"a": " ACME "}, ACCOUNT) == " acme "


def test_by_which_it_was_found_is_counted() -> None:
    """Mixed kinds of identity split people, so a person should see them."""
    expression = read_value("user_id, lower(email)", "identity")
    assert not isinstance(expression, list)
    found = Found(expression)
    look, read = compile_identity(expression, None, PERSON, found)
    for record in ({"user_id": 1}, {"email": "A"}, {"email": "b"}, {}):
        read(look(record))
    assert (found.values, found.counts) == (("user_id", "lower(email)"), [1, 2])


# -- properties ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "value", "sent"),
    [
        ("sha256(v) as p", "ann@x.com", SHA_ANN),
        ("sha256(v) as p", 12, sha256(b"12").hexdigest()),
        ("sha256(v) as p", True, sha256(b"true").hexdigest()),
        ("sha256(v) as p", {"b": 1, "a": 2}, sha256(b'{"a":2,"b":1}').hexdigest()),
        ("sha256(lower(v)) as p", [1, "A"], sha256(b'[1,"a"]').hexdigest()),
        ("sha256(v) as p", "\ud800", sha256("\ufffd".encode()).hexdigest()),
        ("sha256(v) as p", None, None),
        ("lower(v) as p", "AbC", "abc"),
        ("lower(v) as p", "X" * 2_000, "x" * 1_000),
        ("'stripe' as p", 1, "stripe"),
        ("lower('Stripe') as p", 1, "stripe"),
        ("json(v) as p", [{"sku": "A", "n": 1}, {"sku": "B"}], '[{"sku":"A","n":1},{"sku":"B"}]'),
        ("json(v) as p", "text", '"text"'),
        ("json(v) as p", {}, "{}"),
        ("json(v) as p", None, None),
        ("json(v) as p", {"a": math.nan}, '{"a":null}'),
        ("json(v) as p", {"a": 2**70}, f'{{"a":{2**70}}}'),
        ("json(v) as p", {"a": "\ud800é"}, '{"a":"\ufffdé"}'),
    ],
)
def test_property(entry: str, value: Any, sent: str | None) -> None:
    """A function makes text of whatever it is given; null stays null."""
    properties = _mapper(entry).properties({"v": value}, Adjustments())
    assert properties == ({} if sent is None else {"p": sent})


def _mapper(columns: str) -> PropertyMapper:
    selection = read_properties(columns)
    assert isinstance(selection, PropertySelection), selection
    return PropertyMapper(selection, None, Limits(1_000, 1_000))


def test_json_is_never_cut() -> None:
    """Half of it would be no JSON: it is left out, and counted."""
    adjustments = Adjustments()
    mapper = _mapper("json(v) as p, v.0")
    assert mapper.properties({"v": ["x" * 996]}, adjustments)["p"] == json.dumps(["x" * 996])
    assert adjustments == Adjustments()
    assert "p" not in mapper.properties({"v": ["x" * 997]}, adjustments)
    assert adjustments == Adjustments(left_out=1)
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    assert mapper.properties({"v": {"x": deep}}, adjustments) == {}
    assert adjustments == Adjustments(left_out=2)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("function", ["json", "lower", "sha256"])
def test_no_number_is_left_out_and_counted(function: str, value: float) -> None:
    """It has no text: a hash of `null` would be the same for many."""
    adjustments = Adjustments()
    assert _mapper(f"{function}(v) as p").properties({"v": value}, adjustments) == {}
    assert adjustments == Adjustments(left_out=1)


def test_what_is_hashed_is_never_sent_as_it_is() -> None:
    """Not even where it is nested too deeply to be text."""
    deep: Any = "secret"
    for _ in range(100_000):
        deep = [deep]
    adjustments = Adjustments()
    assert _mapper("sha256(v) as p").properties({"v": deep}, adjustments) == {}
    assert adjustments == Adjustments(left_out=1)
