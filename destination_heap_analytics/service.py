"""Heap, as the engine has to know it."""

from pathlib import Path
from typing import Final

import orjson

from bulk_destination.connection import Route, Routes, Service
from bulk_destination.errors import ConfigurationError, Fault
from bulk_destination.http.endpoint import Endpoint
from bulk_destination.http.replies import Accepted, Refused, TooLarge, read_reply
from bulk_destination.http.words import KnownWords
from bulk_destination.protocol.arguments import Samples
from bulk_destination.protocol.catalog import Catalog
from destination_heap_analytics.apis import Track, api_class, make_api
from destination_heap_analytics.config import ApiConfig, DeleteUsersConfig, HeapConfig, columns
from destination_heap_analytics.deletion import (
    deletion_endpoint,
    hold,
    token_endpoint,
    token_fault,
)
from destination_heap_analytics.objects import destination_catalog
from destination_heap_analytics.routing import choose

#: Heap's bulk pages: at most 1000 items a request
#: (https://developers.heap.io/reference/bulk-track).
MAX_ITEMS: Final = 1000

ADDRESSES: Final = "https://heapanalytics.com, or https://c.eu.heap-api.com for EU data"

#: An event without `identity` and `user_id`. Heap's track page demands exactly one of them, so
#: it has to refuse this with 400 and can store nothing.
_EVENT_WITHOUT_IDENTITY: Final = b'{"event":"Airbyte connection check"}'

#: Names of the API's own fields, as Heap names them: `postBody.events[0].timestamp` (an answer
#: that others have quoted: github.com/darklang/dark, pull request 3526).
_WORDS: Final = KnownWords(
    frozenset(
        {
            *("postBody", "app_id", "events", "users", "accounts", "event", "identity", "user_id"),
            *("account_id", "timestamp", "properties", "idempotency_key", "session_id"),
        }
    )
)


def envelope(app_id: str, list_name: str) -> tuple[bytes, bytes]:
    """What stands before and after the items of a bulk request."""
    head = orjson.dumps({"app_id": app_id, list_name: []})
    return head[:-2], head[-2:]


def _endpoint(config: HeapConfig, path: str, list_name: str) -> Endpoint:
    return Endpoint(
        service="Heap",
        addresses=ADDRESSES,
        url=config.base_url + path,
        envelope=envelope(config.app_id, list_name),
        max_items=MAX_ITEMS,
        read_reply=read_reply,
        keeps_for_ever=True,
        headers=lambda _: {"Content-Type": "application/json"},
        words=_WORDS,
        # An event has its key, and of a user's or an account's properties the last write wins.
        takes_repeats=True,
    )


def endpoint(config: HeapConfig, api: ApiConfig | None = None) -> Endpoint:
    """Where the payloads of one API go; of the configured one, where none is given."""
    if isinstance(api or config.api, DeleteUsersConfig):
        return deletion_endpoint(config)
    chosen = api_class(api or config.api)
    return _endpoint(config, chosen.path, chosen.list_name)


def routes(config: HeapConfig, catalog: Catalog) -> Routes:
    """Where the records of each stream go. Raises ConfigurationError with all faults."""
    choices = choose(config, catalog)
    faults: list[Fault] = []
    found: list[Route] = []
    for configured, choice in zip(catalog.streams, choices.of_streams, strict=True):
        api, stream = choice.api, choice.mapped or configured
        try:
            mapper = make_api(api, stream)
        except ConfigurationError as error:
            faults += map(choice.located, error.faults)
            continue
        held = hold(config, api) if isinstance(api, DeleteUsersConfig) else None
        way = endpoint(config, api)
        found.append(Route(stream, way, mapper, config.quotas(api), tuple(columns(api)), held))
    if faults:
        raise ConfigurationError(faults)
    return Routes(tuple(found), choices.warnings)


def _probe(config: HeapConfig) -> tuple[Endpoint, bytes]:
    """Who deletes users asks for a token, and for nothing more."""
    if isinstance(config.api, DeleteUsersConfig):
        return token_endpoint(config, config.api), b""
    return _endpoint(config, Track.path, Track.list_name), _EVENT_WITHOUT_IDENTITY


def _probe_fault(config: HeapConfig, reply: Accepted | Refused | TooLarge) -> str | None:
    """An `app_id` that no environment has cannot be found out: Heap accepts it silently.

    But where users are deleted a key has to fit it.
    """
    if isinstance(config.api, DeleteUsersConfig):
        return token_fault(reply)
    if isinstance(reply, Refused):
        return None
    return (
        f"{config.base_url + Track.path} did not refuse an event that has no identity, as Heap "
        f"does. Set base_url to Heap's address: {ADDRESSES}"
    )


HEAP: Final = Service(
    name="Heap",
    program="destination-heap-analytics",
    distribution="destination-heap-analytics",
    summary="Loads Airbyte streams into Heap: as events, user or account properties.",
    samples=Samples(
        stand_in="make sandbox",
        config="sample_files/config_track.json",
        catalog="sample_files/configured_catalog_orders.json",
        records="sample_files/orders.jsonl",
    ),
    spec=Path(__file__).with_name("spec.json"),
    config=HeapConfig,
    routes=routes,
    probe=_probe,
    probe_fault=_probe_fault,
    objects=destination_catalog,
)
