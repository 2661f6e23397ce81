"""A column that is nowhere is a matter of the configuration; an empty one is one of the row."""

from __future__ import annotations

import pytest

from bulk_destination.mapping.entries import Column, Expression, FirstOf, Literal, Spelled
from bulk_destination.mapping.presence import Presence

LISTED = {"properties": {"who": {"type": "string"}, "ids": {"type": "object"}}}


@pytest.mark.parametrize(
    ("expression", "schema", "is_nowhere"),
    [
        (Column("who"), None, True),
        (Column("who"), LISTED, False),
        (Column("ids.mail"), LISTED, True),
        (Spelled(("who",)), LISTED, False),
        (Spelled(("ids", "mail")), LISTED, True),
        (FirstOf((Column("ids.mail"), Column("who"))), LISTED, False),
    ],
)
def test_the_schema_may_list_it(
    expression: Expression, schema: dict[str, object] | None, is_nowhere: bool
) -> None:
    """Of several columns one is enough; what the schema leaves open is not listed."""
    assert Presence({"identity": expression}, schema).is_nowhere("identity") is is_nowhere


@pytest.mark.parametrize(
    ("record", "is_nowhere"),
    [({}, True), ({"name": "E"}, True), ({"ids": {}}, True), ({"ids": {"mail": None}}, False)],
)
def test_a_record_may_have_it(record: dict[str, object], is_nowhere: bool) -> None:
    """Null is a column that is there, and what was seen once stays seen."""
    presence = Presence({"identity": Column("ids.mail"), "event": Literal("E")}, None)
    presence.look(record)
    presence.look({})
    assert presence.is_nowhere("identity") is is_nowhere
    assert not presence.is_nowhere("timestamp")


@pytest.mark.parametrize(
    ("column", "hint"),
    [
        (Column("order"), "`order` was in no record."),
        (
            Column("Order placed"),
            "`Order placed` was in no record; for a fixed name write 'Order placed' in single "
            "quotes.",
        ),
        (
            Spelled(("order",)),
            "`\"order\"` was in no record; for a fixed name write 'order' in single quotes.",
        ),
        (
            Column("Event name"),
            "`Event name` was in no record; did you mean `event_name`?; for a fixed name write "
            "'Event name' in single quotes.",
        ),
        (Column("event_nam"), "`event_nam` was in no record; did you mean `event_name`?"),
    ],
    ids=str,
)
def test_what_may_have_been_meant(column: Expression, hint: str) -> None:
    """A fixed name, where one may stand: a text that says who would be the same for all."""
    fields = {"identity": column, "event": column}
    presence = Presence(fields, None, fixed={"event"})
    presence.look({"event_name": "E"})
    assert presence.hints({"event"}) == [hint]
    assert all("fixed" not in words for words in presence.hints({"identity"}))
