"""`except`: what is left out of `*`, in each reading of a path."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulk_destination.mapping.columns import find
from bulk_destination.mapping.entries import PropertySelection
from bulk_destination.mapping.grammar import read_properties
from bulk_destination.mapping.properties import Limits, PropertyMapper, Scalar
from bulk_destination.mapping.values import MISSING, Adjustments

LAW = settings(derandomize=True, max_examples=300, deadline=None)
LIMITS = Limits(1_000, 1_000)


def _mapper(columns: str) -> PropertyMapper:
    selection = read_properties(columns)
    assert isinstance(selection, PropertySelection), selection
    return PropertyMapper(selection, None, LIMITS)


def _sent(columns: str, record: dict[str, Any]) -> dict[str, Scalar]:
    return _mapper(columns).properties(record, Adjustments())


@pytest.mark.parametrize(
    ("columns", "record", "sent"),
    [
        ("* except (b)", {"a": 1, "b": 2, "bc": 3}, {"a": 1, "bc": 3}),
        ("* except (b)", {"a": 1, "b": {"c": 2}, "b.d": 3}, {"a": 1}),
        ("* except (a.b)", {"a": {"b": 1, "c": 2}}, {"a.c": 2}),
        ("* except (a.b)", {"a": {"b": {"d": 1}, "c": 2}, "a.b": 3}, {"a.c": 2}),
        ("* except (a_b)", {"a": {"b": 1, "c": 2}, "a_b": 3, "a.b": 4}, {"a.c": 2}),
        ("* except (a.b)", {"a_b": 1}, {"a_b": 1}),
        (
            "* except (a_b_c)",
            {"a_b": {"c": 1, "d": 2}, "a": {"b_c": 3, "b": {"c": 4}}},
            {"a_b.d": 2},
        ),
        ('* except ("a_b")', {"a": {"b": 1}, "a_b": 3}, {"a.b": 1}),
        ("* except (v.0)", {"v": [{"x": 1}, {"x": 2}]}, {"v.1.x": 2}),
        ("* except (v.0.x)", {"v": [{"x": 1, "y": 3}, {"x": 2}]}, {"v.0.y": 3, "v.1.x": 2}),
        ("a.* except (c)", {"a": {"b": 1, "c": {"d": 2}}, "c": 3}, {"a.b": 1}),
        ("a.* except (c.d) as z", {"a": {"b": 1, "c": {"d": 2, "e": 3}}}, {"z.b": 1, "z.c.e": 3}),
        ("* except (a), a.b", {"a": {"b": 1, "c": 2}}, {"a.b": 1}),
        ("* except (a), sha256(a) as h", {"a": None, "b": 1}, {"b": 1}),
        ("* except (a, b)", {"a": 1, "b": 2}, {}),
    ],
)  # fmt: skip
def test_what_is_left_out(columns: str, record: dict[str, Any], sent: dict[str, Scalar]) -> None:
    """What is at a path, or below it, by whichever reading; and nothing else."""
    before = repr(record)
    for _ in range(2):
        assert _sent(columns, record) == sent
    assert repr(record) == before, "the record itself stays as it is"


def test_what_no_record_had_is_told() -> None:
    """A misspelled exception leaves nothing out."""
    mapper = _mapper("* except (ssn, adress), a.* except (c)")
    mapper.properties({"ssn": None, "address": 1, "a": {"b": 1}}, Adjustments())
    assert mapper.never_excluded() == ["adress", "c"]


@pytest.mark.parametrize("inner", ["a.b", "a_b", '"a".b', "a.b.c"])
def test_what_is_below_another_is_not_missed(inner: str) -> None:
    """With the outer one gone, nobody looks whether the inner one was there."""
    for columns in (f"* except (a, {inner})", f"* except ({inner}, a)"):
        mapper = _mapper(columns)
        assert mapper.properties({"a": {"b": {"c": 1}}}, Adjustments()) == {}
        assert mapper.never_excluded() == []


def test_what_is_left_out_is_not_counted() -> None:
    """Neither as cut nor as something that did not fit."""
    adjustments = Adjustments()
    mapper = _mapper("* except (long, nan)")
    assert mapper.properties({"long": "x" * 2_000, "nan": float("nan"), "a": 1}, adjustments)
    assert adjustments == Adjustments()


def test_depth_is_no_error() -> None:
    """Deeper than the interpreter's stack."""
    deep: Any = 1
    for _ in range(5_000):
        deep = {"a": deep}
    assert _sent("* except (a.a.a, b)", {"a": deep, "b": 1, "c": 2}) == {"c": 2}


KEYS = st.lists(st.sampled_from(["a", "b", "_", ".", "0"]), min_size=1, max_size=4).map("".join)
RECORDS = st.dictionaries(
    KEYS,
    st.recursive(
        st.integers(0, 9),
        lambda below: st.dictionaries(KEYS, below, max_size=3) | st.lists(below, max_size=2),
        max_leaves=6,
    ),
    min_size=1,
    max_size=4,
)


@given(RECORDS, KEYS)
@LAW
def test_nothing_leaks(record: dict[str, Any], path: str) -> None:
    """What a column of that name would find, in any reading, is not sent under its own name."""
    if path == "*" or path.endswith(".*"):
        return
    left = _sent(f'* except ({path}), "none"', record)
    everything = _sent("*", record)
    assert left.items() <= everything.items()
    found = find(record, path)
    if found is not MISSING:
        reread = find(dict.fromkeys(left, 1), path)
        assert reread is MISSING
    for name in left:
        assert name != path
        assert not name.startswith(f"{path}.")
