"""docs/deletion.md: its table of requests deletes whom it says."""

from __future__ import annotations

import json
import re
from typing import Any

from bulk_destination.http.jobs import Patience
from bulk_destination.loading.surroundings import Surroundings
from destination_heap_analytics.config import MOST_USERS, HeapConfig
from destination_heap_analytics.deletion import MAX_USERS
from integration_tests.conftest import Connector
from integration_tests.docs.markdown import Text
from integration_tests.test_delete_users import Scripted, scripted, usual

DOCUMENT = Text.of("docs/deletion.md")


def _asked(there: Scripted) -> list[Any]:
    return [json.loads(body) for kind, _, body in there.asked if kind == "deletion"]


def test_the_recipe(connector: Connector) -> None:
    """Each row as it is shown; what reaches Heap is what is shown."""
    api, rows, expected = map(json.loads, DOCUMENT.below("A table of requests").blocks("json"))
    keyed = connector.catalog(mode="append_dedup", key=[["id"]])
    with scripted(usual) as there:
        whole = {"app_id": api["confirm"], "base_url": there.url, "api": api}
        lines = [*map(connector.record, rows), connector.state(1)]
        outcome = connector.write_here(whole, lines, keyed).succeeded()
        assert _asked(there) == [expected]
    ledger = outcome.ledger
    assert ledger["rejected_by_reason"] == {"identity_of_no_single_person": 1}
    assert ledger["skipped_by_reason"] == {"deleted_in_source": 2}
    assert ledger["merged"] == 2


def test_the_numbers() -> None:
    """What the page says of bounds and waits is what the code has."""
    source = DOCUMENT.source
    assert f"up to {MAX_USERS:,} a request" in source
    assert Patience().in_all == 1_800
    assert source.count("half an hour") + source.count("Half an hour") == 2
    assert (Patience().first, Patience().longest) == (1, 60)
    assert Surroundings().patience == Patience()
    assert MOST_USERS == 100_000


def test_eu_data_is_deleted_where_the_page_says() -> None:
    """Whatever the address of the other loads is; a stand-in stays where it is."""
    (api, *_) = DOCUMENT.below("A table of requests").blocks("json")
    for given, used in {
        "https://c.eu.heap-api.com": "https://heapanalytics.com",
        "https://C.EU.heap-api.com/": "https://heapanalytics.com",
        "https://heapanalytics.com": "https://heapanalytics.com",
        "http://127.0.0.1:8087": "http://127.0.0.1:8087",
    }.items():
        config = HeapConfig.parse(
            {"app_id": "3000610572", "base_url": given, "api": json.loads(api)}
        )
        assert config.deletion_url == used
    assert re.search(r"deleted at `https://heapanalytics.com`, in the EU, too", DOCUMENT.source)
