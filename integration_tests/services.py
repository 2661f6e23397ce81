"""What the tests know of each service: a configuration, the local one, and how a request looks.

`@both` runs a test with the connector of each service, loading events, `@every_api` once for each
of all that they can load. The fixture `connector` is then the one that loads that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

import sandbox.hackle
import sandbox.heap
from integration_tests.chaos.scenario import Service

APP_ID: Final = "3000610572"
SDK_KEY: Final = "hackle-sdk-key-4f0c1d"

#: What can be loaded, and into which service.
APIS: Final[dict[str, Service]] = {
    "track": "heap",
    "add_user_properties": "heap",
    "add_account_properties": "heap",
    "user_events": "hackle",
}
#: The list of a request, the id of an event in it, and the most that a request takes.
EVENTS: Final = {
    "track": ("events", "idempotency_key", 1_000),
    "user_events": ("trackEvents", "insertId", 500),
}

#: The purchases of Hackle's document "Track User Events", as a source would give them: the event
#: key alone, with a value, with properties.
PURCHASES: Final[list[dict[str, Any]]] = [
    {"event": "purchase", "user": "ae2182e0"},
    {"event": "purchase", "user": "ae2182e0", "amount": 13200},
    {
        **{"event": "purchase", "user": "ae2182e0", "amount": 13200},
        **{"pay_method": "CARD", "discount_amount": 800, "is_discount": True},
    },
]
PURCHASE_COLUMNS: Final = {
    "event_key_column": "event",
    "user_id_column": "user",
    "value_column": "amount",
    "property_columns": "pay_method, discount_amount, is_discount",
}

both = pytest.mark.parametrize("connector", EVENTS, indirect=True)
every_api = pytest.mark.parametrize("connector", APIS, indirect=True)

Json = dict[str, Any]
Local = sandbox.heap.Sandbox | sandbox.hackle.Sandbox


def config(base_url: str, api: str = "track", **fields: Any) -> Json:
    """A configuration that loads `event` records; `api__x=...` sets a field of the API."""
    columns = {
        "track": {"event_column": "name", "identity_column": "who"},
        "add_user_properties": {"identity_column": "who"},
        "add_account_properties": {"account_id_column": "who"},
        "user_events": {"event_key_column": "name", "user_id_column": "who"},
    }[api]
    own = {key.removeprefix("api__"): fields.pop(key) for key in list(fields) if "api__" in key}
    if APIS[api] == "hackle":
        return {"sdk_key": SDK_KEY, "base_url": base_url, **columns, **own, **fields}
    return {
        "app_id": APP_ID,
        "base_url": base_url,
        "api": {"api_type": api, **columns, **own},
        # The tests are not about waiting for Heap's quotas.
        "events_per_minute": 0,
        "events_per_identity_per_minute": 0,
        **fields,
    }


@contextmanager
def local_service(service: Service, **options: Any) -> Iterator[Local]:
    """A local Heap without quotas, or a local Hackle."""
    if service == "hackle":
        with sandbox.hackle.running(sandbox.hackle.SandboxOptions(**options)) as hackle:
            yield hackle
    else:
        heap_options = sandbox.heap.SandboxOptions(quotas=False, **options)
        with sandbox.heap.running(heap_options) as heap:
            yield heap


def landed(api: str, local: Local) -> list[int]:
    """The numbers of the `event` records that the service holds, sorted."""
    rows: list[Json]
    if isinstance(local, sandbox.hackle.Sandbox) or api == "track":
        rows = local.events()
    else:
        rows = local.users() if api == "add_user_properties" else local.accounts()
    return sorted(row["properties"]["n"] for row in rows)
