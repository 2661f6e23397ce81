"""The little language of columns: what can be written, and what is said of what cannot."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulk_destination.mapping.columns import listed_names
from bulk_destination.mapping.entries import (
    Call,
    Column,
    Everything,
    Expression,
    FirstOf,
    Literal,
    Property,
    PropertySelection,
    Spelled,
)
from bulk_destination.mapping.grammar import Problem, Wanted, read_properties, read_value
from bulk_destination.mapping.properties import Limits, PropertyMapper
from bulk_destination.mapping.reading import problems_of
from bulk_destination.mapping.values import Adjustments
from unit_tests.mapping import columns_1_0

LAW = settings(derandomize=True, max_examples=300, deadline=None)

#: As a spreadsheet has them.
HEADERS = (
    *("email", "user_id", "status", "Company ", "Amount, EUR", "Same as billing?", "Price (EUR)"),
    *("Customer's name", "Customer's email", "\ufeffcode", 'the "best"', "lower(case)"),
)
SCHEMA: dict[str, Any] = {
    "properties": {
        **{name: {"type": "string"} for name in HEADERS},
        "address": {"properties": {"city": {}, "geo": {"properties": {"lat": {}}}}},
        "free": {"type": "object"},
    }
}


# -- one value -----------------------------------------------------------------------------------


@pytest.mark.parametrize("schema", [None, SCHEMA], ids=["silent schema", "listed columns"])
@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("email", Column("email")),
        (" address.city ", Column("address.city")),
        ("address_geo_lat", Column("address_geo_lat")),
        ("Price (EUR)", Column("Price (EUR)")),
        ("'Order placed'", Literal("Order placed")),
        ("'it''s'", Literal("it's")),
        ("''", Literal("")),
        ("status, 'Order'", FirstOf((Column("status"), Literal("Order")))),
        ("user_id,email", FirstOf((Column("user_id"), Column("email")))),
        ('"Amount, EUR"', Spelled(("Amount, EUR",))),
        ('"a ""b"""', Spelled(('a "b"',))),
        ('"a.b".c."d e"', Spelled(("a.b", "c", "d e"))),
        ("lower(email)", Call("lower", Column("email"))),
        ("LOWER ( email )", Call("lower", Column("email"))),
        ("sha256(lower(email))", Call("sha256", Call("lower", Column("email")))),
        ('lower("a, b")', Call("lower", Spelled(("a, b",)))),
        ("lower(Price (EUR))", Call("lower", Column("Price (EUR)"))),
        (
            "lower(email), sha256(user_id)",
            FirstOf((Call("lower", Column("email")), Call("sha256", Column("user_id")))),
        ),
    ],
)
def test_one_value(text: str, entry: Expression, schema: dict[str, Any] | None) -> None:
    """Columns, texts, functions and alternatives, whether a schema lists the names or is silent."""
    assert read_value(text, "value", schema) == entry


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_needs_no_quotes(name: str) -> None:
    """A name that the schema has, exactly so, is that column, whatever stands in it."""
    for text in (name, f" {name}"):
        entry = read_value(text, "identity", SCHEMA)
        assert isinstance(entry, Column | Spelled)
        assert entry.path == name
    if "," not in name:
        properties = read_properties(f"email as who, {name}", SCHEMA)
        assert isinstance(properties, PropertySelection)
        assert properties.columns[1].name == name.strip()


@pytest.mark.parametrize(
    "name", ["lower(email)", "json(", "'90s'", "a as", "a as 'b'", "* except (a)", "sha256(a) as b"]
)
def test_a_name_goes_before_what_else_it_would_mean(name: str) -> None:
    """A query's column may be called so. Without a schema, the words show how it is written."""
    schema: dict[str, Any] = {"properties": {name: {}, "email": {}}}
    entries = read_properties(f"email, {name}", schema)
    assert isinstance(entries, PropertySelection)
    assert [entry.name for entry in entries.columns] == ["email", name]
    assert problems_of(name, "properties", [schema]) == ""
    assert problems_of(name, "properties", [{"properties": {"email": {}}}, schema]) == ""
    named = read_properties(str(Spelled((name,))))
    assert isinstance(named, PropertySelection)
    assert [entry.name for entry in named.columns] == [name]


def test_a_comma_in_a_list_divides() -> None:
    """Also in a header; the hint shows how it is written."""
    assert _problems("Amount, EUR", wanted="properties")[0] == (
        'the stream has no column `Amount`; did you mean `"Amount, EUR"`?'
    )


def test_blanks_around_a_name_do_not_count_where_only_one_fits() -> None:
    """`Company` is the header `Company `; of two such, neither."""
    assert read_value("Company", "value", SCHEMA) == Spelled(("Company ",))
    assert read_value("lower(Company)", "value", SCHEMA) == Call("lower", Spelled(("Company ",)))
    both: dict[str, Any] = {"properties": {"Company ": {}, " Company": {}}}
    assert _problems("Company", both) == [
        "the stream has no column `Company`; did you mean `Company\\u0020` or `\\u0020Company`?"
    ]
    both = {"properties": {"Company ": {}, "Company": {}}}
    assert read_value("Company", "value", both) == Column("Company")


def test_a_hint_can_be_copied() -> None:
    """What a hint spells out is the column's name, too: nobody can type a byte order mark."""
    assert _problems("code") == ["the stream has no column `code`; did you mean `\\ufeffcode`?"]
    assert read_value("\\ufeffcode", "value", SCHEMA) == Spelled(("\ufeffcode",))


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("\ufeffNet, EUR", "Net, EUR"),
        ("Net,\u00a0EUR", "Net, EUR"),
        ("\uff21rea", "Area"),
        ("\U000e0041b.c, d", "b.c, d"),
    ],
)
def test_a_hint_in_quotes_can_be_copied(name: str, written: str) -> None:
    """So can one that holds a comma, or letters that are shown only beside those they look like."""
    properties: dict[str, Any] = {name: {}, "who": {}}
    schema = {"properties": properties, "additionalProperties": False}
    (problem,) = _problems(str(Spelled((written,))), schema)
    hint = problem.partition("did you mean `")[2].partition("`")[0]
    assert hint.isascii()
    assert read_value(hint, "value", schema) == Spelled((name,))
    assert read_value(str(Spelled((name,))), "value", schema) == Spelled((name,))
    read = read_value(hint, "value", {"properties": {**properties, hint.strip('"'): {}}})
    assert isinstance(read, Column | Spelled)
    assert read.path == hint.strip('"')


def test_without_a_schema_a_name_with_a_comma_or_a_quote_needs_quotes() -> None:
    """And the error says so."""
    words = _problems("Customer's name", None)
    assert words[0].startswith(
        "`Customer's name` holds a comma or a quote: a column of that name is written in double "
        'quotes, `"Customer\'s name"`'
    )
    assert read_value('"Customer\'s name"') == Spelled(("Customer's name",))


# -- property_columns ----------------------------------------------------------------------------


@pytest.mark.parametrize("schema", [None, SCHEMA], ids=["silent schema", "listed columns"])
@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("*", [Everything()]),
        ("*,*", [Everything()]),
        (
            " email ,, status ",
            [Property(Column("email"), "email"), Property(Column("status"), "status")],
        ),
        ("address.*", [Property(Column("address"), "address")]),
        ("address.* as home", [Property(Column("address"), "home")]),
        ("status as plan, *", [Everything(), Property(Column("status"), "plan")]),
        ("status AS plan", [Property(Column("status"), "plan")]),
        ("* except (email, address)", [Everything((Column("email"), Column("address")))]),
        ('* EXCEPT ("x, y")', [Everything((Spelled(("x, y",)),))]),
        ("address.* except (geo)", [Property(Column("address"), "address", (Column("geo"),))]),
        (
            "address.* except (geo.lat) as home",
            [Property(Column("address"), "home", (Column("geo.lat"),))],
        ),
        ("'stripe' as source", [Property(Literal("stripe"), "source")]),
        ("'a, b' as c", [Property(Literal("a, b"), "c")]),
        ("json(address) as a", [Property(Call("json", Column("address")), "a")]),
        ('email as "a, b"', [Property(Column("email"), "a, b")]),
        ('"as is" as is', [Property(Spelled(("as is",)), "is")]),
        ('"Amount, EUR"', [Property(Spelled(("Amount, EUR",)), "Amount, EUR")]),
        ("Price (EUR)", [Property(Column("Price (EUR)"), "Price (EUR)")]),
    ],
)
def test_entries(text: str, entries: list[Any], schema: dict[str, Any] | None) -> None:
    """Each form of an entry, whether a schema lists the names or is silent."""
    everything = [one for one in entries if isinstance(one, Everything)]
    columns = tuple(one for one in entries if isinstance(one, Property))
    expected = PropertySelection(everything[0] if everything else None, columns)
    assert read_properties(text, schema) == expected


def test_headers_in_a_list() -> None:
    """Apostrophes, parentheses and `as` in headers divide nothing; what is no header still does."""
    text = "Customer's name, Customer's email, Same as billing?, Same as billing? as same, Company"
    read = read_properties(f"{text}, lower(email) as e", SCHEMA)
    assert isinstance(read, PropertySelection)
    assert [(column.value, column.name) for column in read.columns] == [
        (Spelled(("Customer's name",)), "Customer's name"),
        (Spelled(("Customer's email",)), "Customer's email"),
        (Spelled(("Same as billing?",)), "Same as billing?"),
        (Spelled(("Same as billing?",)), "same"),
        (Spelled(("Company ",)), "Company"),
        (Call("lower", Column("email")), "e"),
    ]


# -- what is wrong -------------------------------------------------------------------------------


def _problems(
    text: str, schema: dict[str, Any] | None = SCHEMA, wanted: Wanted = "value"
) -> list[str]:
    read = (
        read_properties(text, schema)
        if wanted == "properties"
        else read_value(text, wanted, schema)
    )
    assert isinstance(read, list), read
    return [problem.words for problem in read]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lower(", "`lower(` has no `)`"),
        ("sha256(lower(email)", "`sha256(` has no `)`"),
        ("lower()", "`lower()` names no column"),
        (
            "lower(email) x",
            "`lower(email) x`: behind `lower(email)` must stand a comma, or nothing",
        ),
        ("lower(email, user_id)", "write `lower(email), lower(user_id)`"),
        ("json(address)", "`json` stands in property_columns, and alone"),
        ("'Order", "`'Order` has no closing `'`"),
        ("'Order' placed", "behind `'Order'` must stand a comma, or nothing"),
        ("'it's'", "a `'` within is written `''`"),
        ("'Order', status", "`'Order'` is always there, so it must stand last"),
        ("status,", "nothing stands where a column should be"),
        ("status,,email", "nothing stands where a column should be"),
        ('"a"b', "its quotes do not fit together"),
        ('"a', "its quotes do not fit together"),
        ("Order placed", "for a fixed name write 'Order placed' in single quotes"),
        ("emial", "the stream has no column `emial`; did you mean `email`?"),
        ("zzz", '; it has `email`, `user_id`, `status`, `Company\\u0020`, `"Amount, EUR"`, '),
        (
            "lowercase(email)",
            "; there are the functions `lower`, `sha256` and",
        ),
        ("concat(email, 'x')", "; there are the functions `lower`, `sha256` and"),
        ("\u0435mail", "the stream has no column `\\u0435mail`; did you mean `email`?"),
        ("lower(" * 12 + "email" + ")" * 12, "more than 10 calls stand in each other"),
    ],
)
def test_problem_of_a_value(text: str, words: str) -> None:
    """Each is said with its place, and the way out."""
    assert any(words in problem for problem in _problems(text)), _problems(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "write `*` to send all"),
        (" , ,", "write `*` to send all"),
        ("* as all", "cannot be renamed"),
        ("email as", "`email as` is not `column` or `column as name`"),
        ("email, user_id as email", "two columns would be sent as `email`"),
        ("address.*, address.* except (geo)", "two columns would be sent as `address`"),
        ("*, * except (email)", "`*` stands twice"),
        ("'stripe'", "`'stripe'` needs a name: write `'stripe' as name`"),
        ("sha256(email)", "write `sha256(email) as name`"),
        ("json(lower(email)) as x", "`json` takes a column"),
        ("lower(json(email)) as x", "`json` stands in property_columns, and alone"),
        ("email as 'x'", "a name stands as it is, or in double quotes"),
        ("* except email", "write `* except (column, column)`"),
        ("* except (email", "has no `)`"),
        ("* except ()", "names no column"),
        ("* except (email) x", "behind `(email)` must stand a comma, or nothing"),
        ("* except ('x')", "only columns can be left out"),
        ("* except (free.*)", "a column is left out with all that is below it, so write `free`"),
        ("* except (*)", "name the columns to leave out"),
        ("* except (lower(email))", "only columns can be left out"),
        ("* except (emial)", "the stream has no column `emial`; did you mean `email`?"),
        ("address except (geo)", "write `address.* except (...)`"),
        ("address.* except (address.geo)", "so write `geo`"),
        ("address.* except (gee)", "the stream has no column `gee`; did you mean `geo`?"),
    ],
)
def test_problem_of_an_entry(text: str, words: str) -> None:
    """The same for `property_columns`."""
    found = _problems(text, wanted="properties")
    assert any(words in problem for problem in found), found


def test_all_problems_at_once() -> None:
    """One round of corrections is enough."""
    assert len(_problems("emial, lower(usr_id), 'x', status")) == 3
    assert len(_problems("* except (emial, zzz), sha256(email), lower(", wanted="properties")) == 4


def test_a_literal_is_no_identity() -> None:
    """Not even within a function, or as the last of several."""
    for text in ("'x'", "lower('x')", "email, 'x'"):
        assert any(
            "would be the same for every record" in words
            for words in _problems(text, wanted="identity")
        )


def test_a_quoted_name_is_held_against_a_closed_schema_only() -> None:
    """A record may have more than an open schema lists."""
    assert read_value('"unlisted"', "value", SCHEMA) == Spelled(("unlisted",))
    assert read_value('"address"."unlisted"', "value", SCHEMA) == Spelled(("address", "unlisted"))
    closed = {**SCHEMA, "additionalProperties": False}
    assert "has no column" in _problems('"unlisted"', closed)[0]
    assert read_value('"email"', "value", closed) == Spelled(("email",))


def test_what_a_name_of_the_schema_could_heal_is_told_apart() -> None:
    """A column may be called `it's` or `'90s`, and hardly `lower(email`."""
    for text, lasting in (("it's", False), ("'90s", False), ("lower(email", True), ("a,", True)):
        problems = read_value(text)
        assert isinstance(problems, list)
        assert [problem.lasting for problem in problems] == [lasting]


# -- laws ----------------------------------------------------------------------------------------

#: Small, so that texts are full of what has a meaning.
TEXTS = st.lists(
    st.sampled_from(
        [
            *("a", "b", "a_b", ".", "_", ",", " ", "'", '"', "''", '""', "(", ")", "*", ".*"),
            *(" as ", " except ", "lower(", "sha256(", "json(", "Ab", "\ufeff", "0", "\n"),
        ]
    ),
    max_size=12,
).map("".join)
KEYS = st.lists(
    st.sampled_from(["a", "b", "_", ".", ",", " ", "'", '"', "(", ")", "0"]), min_size=1, max_size=4
).map("".join)
LEAVES = st.none() | st.integers(0, 9)
RECORDS = st.dictionaries(
    KEYS,
    st.recursive(LEAVES, lambda below: st.dictionaries(KEYS, below, max_size=3), max_leaves=6),
    min_size=1,
    max_size=4,
)


def _schema(value: object) -> dict[str, Any]:
    if isinstance(value, dict):
        return {"type": "object", "properties": {key: _schema(one) for key, one in value.items()}}
    return {"type": ["null", "integer"]}


@given(TEXTS, st.none() | RECORDS.map(_schema))
@LAW
def test_reading_never_raises(text: str, schema: dict[str, Any] | None) -> None:
    """Any text is an entry, or a list of problems that is not empty."""
    for read in (
        read_value(text, "value", schema),
        read_value(text, "identity", schema),
        read_properties(text, schema),
    ):
        assert read
        if isinstance(read, list):
            assert all(isinstance(problem, Problem) and problem.words for problem in read)


@given(TEXTS, st.none() | RECORDS.map(_schema))
@LAW
def test_what_is_printed_is_read_again(text: str, schema: dict[str, Any] | None) -> None:
    """An entry prints as it can be written, and needs no schema then."""
    value, properties = read_value(text, "value", schema), read_properties(text, schema)
    if not isinstance(value, list):
        assert read_value(str(value)) == value
    if not isinstance(properties, list):
        assert read_properties(str(properties)) == properties


LIMITS = Limits(1_000, 1_000)


@given(RECORDS, st.data())
@LAW
def test_what_was_valid_means_the_same(record: dict[str, Any], data: st.DataObject) -> None:
    """All that version 1.0.0 read of columns that the schema has is read as it was."""
    schema = _schema(record)
    names = list(listed_names(schema))
    column = st.sampled_from(names) | st.sampled_from(names).map(lambda n: n.replace(".", "_"))
    entry = st.builds(
        "{}{}{}".format, column, st.sampled_from(["", "", ".*"]), st.sampled_from(["", " as x"])
    )
    text = ",".join(data.draw(st.lists(entry | st.just("*"), min_size=1, max_size=3)))
    was = columns_1_0.parse_property_columns(text)
    if isinstance(was, str) or not (was.everything or was.columns):
        return
    if any(columns_1_0.resolve(schema, one.path) is None for one in was.columns):
        return
    now = read_properties(text, schema)
    assert isinstance(now, PropertySelection), now
    assert (now.everything is not None) == was.everything
    looked_up = {
        one.name: columns_1_0.compile_lookup(one.path, schema)(record) for one in was.columns
    }
    assert [one.name for one in now.columns] == list(looked_up)
    mapper = PropertyMapper(now, schema, LIMITS)
    expected = PropertyMapper(
        PropertySelection(
            now.everything,
            tuple(Property(Spelled((name,)), name) for name in looked_up),
        ),
        None,
        LIMITS,
    )
    both = {**record, **looked_up}
    if was.everything:
        return
    assert mapper.properties(record, Adjustments()) == expected.properties(both, Adjustments())


@given(RECORDS, TEXTS)
@LAW
def test_without_a_schema_only_quotes_and_commas_are_new(record: dict[str, Any], text: str) -> None:
    """Where neither stands in a text, nor a function or `except`, it means what it did."""
    if any(mark in text for mark in ("'", '"', "(", "except", "\n")):
        return
    was, now = columns_1_0.parse_property_columns(text), read_properties(text)
    if isinstance(was, str) or not (was.everything or was.columns):
        assert isinstance(now, list)
        return
    assert isinstance(now, PropertySelection), now
    assert (now.everything is not None) == was.everything
    assert [(str(one.value), one.name) for one in now.columns] == [
        (one.path, one.name) for one in was.columns
    ]
