"""Heap as the engine knows it: where requests go, and what stands around their items."""

import json

import pytest

from destination_heap_analytics.config import HeapConfig
from destination_heap_analytics.service import endpoint

TRACK = {"api_type": "track", "event_column": "event", "identity_column": "who"}
USERS = {"api_type": "add_user_properties", "identity_column": "who"}
ACCOUNTS = {"api_type": "add_account_properties", "account_id_column": "who"}


@pytest.mark.parametrize(
    ("api", "path", "list_name"),
    [
        (TRACK, "/api/track", "events"),
        (USERS, "/api/add_user_properties", "users"),
        (ACCOUNTS, "/api/add_account_properties", "accounts"),
    ],
)
def test_bulk_form(api: dict[str, str], path: str, list_name: str) -> None:
    """What stands around the items makes one JSON body of the bulk form, of up to 1,000 items."""
    config = HeapConfig.parse({"app_id": "3000610572", "base_url": "https://a.example", "api": api})
    to = endpoint(config)
    assert to.url == f"https://a.example{path}"
    assert to.max_items == 1000
    for items in ([], [{"a": 1}], [{"a": 1}, {"b": 2}]):
        body = json.loads(to.body([json.dumps(item).encode() for item in items]))
        assert body == {"app_id": "3000610572", list_name: items}
