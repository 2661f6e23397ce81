"""What an event is known by."""

import json

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulk_destination.mapping.idempotency import EventKeys
from bulk_destination.mapping.stream import Stream

LAW = settings(derandomize=True, max_examples=300, deadline=None)


@given(st.lists(st.integers() | st.text(), min_size=1, max_size=3))
@example(["\ud800"])
@example([10**40, "ü\x7f\u2028"])
@LAW
def test_a_plain_primary_key_is_the_json_of_its_parts(values: list[int | str]) -> None:
    """Keys of earlier versions were made so, and must stay: Heap knows events by them."""
    names = [f"k{at}" for at in range(len(values))]
    keys = EventKeys(Stream("orders", primary_key=tuple((name,) for name in names)))
    row = keys.row(dict(zip(names, values, strict=True)))
    if any(type(value) is str and not value.strip() for value in values):
        assert row is None
    else:
        assert row == json.dumps(values).encode() + b"]"
