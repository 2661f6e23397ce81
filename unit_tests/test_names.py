"""Which names may be shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulk_destination.names import shown


@pytest.mark.parametrize(
    "name",
    [
        *("plan", "plan.name", "Signed Up", "address_line_2", "visits.12.at", "line 1 (home)"),
        *(
            "größe",
            "名前",
            "utm-source",
            "Username-Password-Authentication",
            "",
            "a.",
            "Q4",
            "facade",
        ),
    ],
)
def test_names_are_shown(name: str) -> None:
    """What people and programs call things stays readable."""
    assert shown(name) == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("user_84831", "user_#####"),
        ("visits.1234.at", "visits.####.at"),
        ("ada@example.com", "(15 characters)"),
        ("by.ada@example.com", "(18 characters)"),
        ("b7e9a0c1", "(8 characters)"),
        ("26d8952b-2e1e-4b79-b2aa-e363f062701a", "(36 characters)"),
        ("people.26d8952b2e1e.age", "people.(12 characters).age"),
        ("+41 79 123 45 67", "(16 characters)"),
        ("sk_live_51H8x9Q2", "(16 characters)"),
        ("w" * 81, "(81 characters)"),
        ("06 12 34 56 78", "(14 characters)"),
        ("12/05/84", "(8 characters)"),
        ("4 June 62", "(9 characters)"),
        ("06.12.34.56.78", "##.##.##.##.##"),
        ("by_address.10.0.0.12.visits", "by_address.##.#.#.##.visits"),
        ("aa:bb:cc:dd:ee:f1", "(17 characters)"),
        ("<b>", "(3 characters)"),
    ],
)
def test_values_are_not(name: str, expected: str) -> None:
    """Addresses, ids, numbers and keys show their shape."""
    assert shown(name) == expected


@given(
    st.from_regex(
        r"[a-z]{2,8}[0-9]{3,12}|[0-9a-f]{8}-[0-9a-f]{4}|[a-z.]+@[a-z]+\.com", fullmatch=True
    )
)
def test_no_long_number_and_no_address_is_ever_shown(value: str) -> None:
    """In whatever a name is made of."""
    for name in (value, f"properties.{value}", f"{value}.at"):
        digits = "".join(each for each in shown(name) if each.isdigit())
        assert len(digits) <= 2
        assert "@" not in shown(name)
