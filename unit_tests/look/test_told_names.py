"""Which names of a plan go into a log."""

import pytest

from bulk_destination.connection import connect
from bulk_destination.look.told_names import FEW, OFTEN, properties_listed, told_in_a_log
from destination_heap_analytics.service import HEAP

VISIT = {"type": "object", "properties": {"date": {}}}
SCHEMA = {
    "name": {},
    "who": {},
    "address": {"type": "object", "properties": {"city": {}}},
    "visits": {"type": ["null", "array"], "items": VISIT},
    "tags": {"type": "array", "items": {}},
    "people": {"type": "object"},
    "a.b": {},
}


def nothing(_: str) -> bool:
    """As where no schema is known."""
    return False


def test_few_and_often() -> None:
    """Names are told by count: few of them, each often, and none that looks like a value."""
    counts = {"Signed Up": OFTEN, "Jane Doe": OFTEN - 1, "ada@example.com": 1_000}
    assert told_in_a_log(counts, nothing) == {"Signed Up"}
    many = {f"Event {'x' * n}": 1_000 for n in range(FEW)}
    assert told_in_a_log(many, nothing) == many.keys()
    assert told_in_a_log({**many, "one more": 1_000}, nothing) == set()


def test_what_is_listed_is_told() -> None:
    """However many there are, and however rare; it makes the others no fewer."""
    counts = {f"column_{n}": 1 for n in range(1_000)} | {"Jane Doe": 1, "plan": OFTEN}
    told = told_in_a_log(counts, lambda name: name.startswith("column_"))
    assert told == counts.keys() - {"Jane Doe"}


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        *(("name", True), ("address", True), ("address.city", True), ("a.b", True)),
        *(("visits.0.date", True), ("visits.12.date", True), ("visits.0", True), ("tags.3", True)),
        *(("tier", True), ("plan", False), ("address.Jane Doe", False), ("people.Jane", False)),
        *(("visits.0.Jane", False), ("visits.date", False), ("visits.4915112345678", False)),
        *(("people.7", False), ("name.0", False), ("", False), ("visits.٣", False)),
    ],
)
def test_what_the_catalog_lists(name: str, listed: bool) -> None:
    """Columns, what is below them, and the indexes of arrays; names that columns are sent under."""
    columns = {"event_column": "name", "identity_column": "who", "property_columns": "a.b as tier"}
    config = {"app_id": "11", "api": {"api_type": "track", **columns}}
    stream = {"name": "people", "json_schema": {"properties": SCHEMA}}
    catalog = {"streams": [{"stream": stream, "destination_sync_mode": "append"}]}
    assert properties_listed(connect(HEAP, config, catalog).route)(name) is listed
