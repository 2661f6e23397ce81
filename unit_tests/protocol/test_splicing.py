"""Members are put into a line, and every other byte stays."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulk_destination.protocol.splicing import (
    member,
    text_at_top,
    with_members,
    without_depths,
)

LAW = settings(derandomize=True, max_examples=300, deadline=None)

#: Blanks between tokens, as some serialisers write them.
BLANKS = st.sampled_from(["", "", " ", "\t", " \r\n "])
SCALARS = st.one_of(
    st.integers(-(10**30), 10**30).map(str),
    st.floats().map(json.dumps),
    st.text(max_size=6).map(json.dumps),
    st.text(max_size=6).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.sampled_from(["null", "true", r'"\\"', '"{"', '"}]"', r'"\""', "9" * 5_000]),
)


def objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Objects of `values`, with blanks wherever they may be; names may come twice."""
    keys = st.sampled_from(["a", "b", "state", "type", "destinationStats", "é", ""]).map(json.dumps)
    pair = st.tuples(BLANKS, keys, BLANKS, BLANKS, values, BLANKS).map(
        lambda each: f"{each[0]}{each[1]}{each[2]}:{each[3]}{each[4]}{each[5]}"
    )
    return st.lists(pair, max_size=4).map(lambda pairs: "{" + ",".join(pairs) + "}")


JSON = st.recursive(
    SCALARS,
    lambda inner: (
        objects(inner) | st.lists(inner, max_size=3).map(lambda each: f"[{','.join(each)}]")
    ),
    max_leaves=12,
)


def parsed(line: bytes) -> Any:
    """As Python reads it, numbers as they are written."""
    text = line.decode("utf-8", "surrogatepass")
    return json.loads(text, parse_int=str, parse_float=str, parse_constant=str)


@given(objects(JSON), objects(JSON), BLANKS)
@LAW
def test_one_member_is_new_and_all_else_is_there(around: str, inside: str, blank: str) -> None:
    """Of any JSON: what is put in is read back, the rest means the same."""
    text = f'{blank}{around[:-1]}{"," if around.strip("{} ") else ""}"state":{inside}}}{blank}'
    line = text.encode("utf-8", "surrogatepass")
    before = parsed(line)
    spliced = with_members(line, ("state",), {"destinationStats": b"[1]"})
    assert spliced is not None
    after = parsed(spliced)
    assert after["state"].pop("destinationStats") == ["1"]
    before["state"].pop("destinationStats", None)
    assert after == before
    assert member(spliced, ("state", "destinationStats")) == b"[1]"
    if b"destinationStats" not in line:
        assert spliced.replace(b'"destinationStats":[1]', b"").replace(b",", b"") == line.replace(
            b",", b""
        )


@given(objects(JSON))
@LAW
def test_what_is_there_is_found(text: str) -> None:
    """The last of those that have one name, as parsers take it."""
    line = text.encode("utf-8", "surrogatepass")
    there = parsed(line)
    for key in ("a", "b", "state", "é", ""):
        found = member(line, (key,))
        assert (found is None) == (key not in there)
        if found is not None:
            assert parsed(found) == there[key]
    kind = there.get("type")
    if isinstance(kind, str) and member(line, ("type",))[:1] == b'"':  # type: ignore[index]  # it is there
        assert text_at_top(line, "type") == kind


@given(st.binary(max_size=80) | st.text('{}[]":,\\ax0 ', max_size=80).map(str.encode))
@example(b'{"a":"')
@example(b'{"a":[}')
@example(b'{"a":{"b":]}')
@example(b"{" * 5_000)
@LAW
def test_any_bytes_are_walked_or_refused(line: bytes) -> None:
    """Never an error; what comes back can be walked again."""
    spliced = with_members(line, (), {"k": b"1"})
    if spliced is not None:
        assert member(spliced, ("k",)) == b"1"
    text_at_top(line, "a")
    without_depths(line, 3, b"null")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"{}", b'{"k":1}'),
        (b' { } ', b' {"k":1 } '),
        (b'{"a":"\xff"}', b'{"a":"\xff","k":1}'),
        (b'{"k":0, "a":1 , "k":{}}', b'{"a":1,"k":1}'),
        (b'{"a":1}x', None),
        (b"[]", None),
        (b'{"a":1', None),
        (b'{"a"}', None),
        (b'{"a":"x}', None),
        (b'{"a":[}]}', None),
        (b"", None),
    ],
)  # fmt: skip
def test_by_hand(line: bytes, expected: bytes | None) -> None:
    """Bytes that are no text, members that are there, what is no object."""
    assert with_members(line, (), {"k": b"1"}) == expected


@given(st.integers(1, 40), st.integers(1, 8))
@LAW
def test_depths_are_cut(depth: int, most: int) -> None:
    """Down to the level that is named, however they are written."""
    line = b'{"a":[' * (depth // 2) + b'"[{"' + b"]}" * (depth // 2)
    cut = without_depths(line, most, b"null")
    assert cut.count(b"{") + cut.count(b"[") <= most + 2
    if depth <= most:
        assert cut == line
    json.loads(cut)


def test_deep_and_long_lines_are_walked_once() -> None:
    """Neither levels nor length make it more than linear: 10 MB of each."""
    for inside in (b"[" * 5_000_000 + b"]" * 5_000_000, b'"' + b'\\"' * 5_000_000 + b'"'):
        assert with_members(b'{"a":%b}' % inside, (), {"k": b"1"}) is not None
