"""A first mapping is that which somebody who knows the columns would have typed."""

from typing import Any

import pytest

from bulk_destination.look.columns_seen import ColumnsSeen
from bulk_destination.studio.suggestions import kind_of_stream, look_at, suggest

ORDERS: list[dict[str, Any]] = [
    {
        "order_id": 1_000 + at,
        "Customer ID": f"c-{at % 3}",
        "email": f"p{at % 3}@example.com",
        "status": ["paid", "open"][at % 2],
        "updated_at": "2026-02-01T00:00:00Z",
        "created_at": f"2026-01-{at + 1:02}T10:00:00Z",
        "amount": 12.5,
    }
    for at in range(20)
]


def _suggested(field: str, stream: str, records: list[dict[str, Any]]) -> str | None:
    seen = ColumnsSeen()
    for record in records:
        seen.add(record)
    found = suggest(field, stream, look_at(list(seen.leaves()), records))
    return None if found is None else found.text


def _without(*names: str, **more: Any) -> list[dict[str, Any]]:
    return [{**{k: v for k, v in row.items() if k not in names}, **more} for row in ORDERS]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("event_column", "'Order placed'"),
        ("event_key_column", "'Order placed'"),
        ("identity_column", '"Customer ID"'),
        ("user_id_column", '"Customer ID"'),
        ("timestamp_column", "created_at"),
        ("event_id_column", "order_id"),
        ("account_id_column", None),
        ("property_columns", None),
    ],
)
def test_a_table_of_orders(field: str, text: str | None) -> None:
    assert _suggested(field, "public_orders", ORDERS) == text


@pytest.mark.parametrize(
    ("records", "text"),
    [
        (_without("Customer ID"), "lower(email)"),
        (_without("Customer ID", "email"), None),
        (_without("Customer ID", "email", buyer="a@b.example"), "lower(buyer)"),
        (_without("Customer ID", "email", user_id="guest"), None),
        (_without("Customer ID", "email", user_id=None), None),
        (
            _without("Customer ID", "email", user={"id": 7, "email": "a@b.example"}),
            "lower(user.email)",
        ),
    ],
)
def test_who_it_was(records: list[dict[str, Any]], text: str | None) -> None:
    """Nobody is suggested where nobody is sure to be one: two people merged stay merged."""
    assert _suggested("identity_column", "orders", records) == text


@pytest.mark.parametrize(
    ("records", "text"),
    [
        (_without("created_at"), None),
        (_without("created_at", when_date="2026-01-01"), "when_date"),
        (_without("created_at", created=1_767_600_000), "created"),
        (_without("created_at", created_at="soon"), None),
        (_without("created_at", created_at=True), None),
    ],
)
def test_when_it_was(records: list[dict[str, Any]], text: str | None) -> None:
    """A time of the row's last change is none: the event would move each time."""
    assert _suggested("timestamp_column", "orders", records) == text


@pytest.mark.parametrize(
    ("stream", "more", "text"),
    [
        ("tickets", {}, "'Ticket opened'"),
        ("crm.Deals", {}, "'Deal created'"),
        ("orders", {"event_name": "Paid"}, "event_name"),
        ("orders", {"event_name": None}, "'Order placed'"),
        ("o'hara", {}, "'Hara created'"),
        ("_", {}, "'Record created'"),
    ],
)
def test_what_it_was(stream: str, more: dict[str, Any], text: str) -> None:
    assert _suggested("event_column", stream, _without(**more)) == text


def test_an_id_that_comes_twice_is_none() -> None:
    """By it the second event would be taken for the first."""
    assert _suggested("event_id_column", "orders", _without(order_id=1)) is None
    assert _suggested("event_id_column", "orders", _without("order_id", id=None)) is None


@pytest.mark.parametrize(
    ("stream", "kind"),
    [("users", "person"), ("crm_contacts", "person"), ("companies", "account"), ("orders", None)],
)
def test_whom_a_stream_is_about(stream: str, kind: str | None) -> None:
    assert kind_of_stream(stream) == kind
