"""Hackle, as the engine has to know it.

The wire is that of Hackle's own client, hackle-sdk 3.9.0 on PyPI: up to 500 events a request
(`hackle.py`, `event_dispatch_size`), with the headers of `internal/http/http_client.py`, and any
2xx a success.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from bulk_destination.connection import Route, Routes, Service, one_stream
from bulk_destination.errors import Fault
from bulk_destination.http import replies
from bulk_destination.http.endpoint import Endpoint
from bulk_destination.http.replies import Accepted, NotTheService, Refused, Reply, TooLarge
from bulk_destination.http.words import KnownWords
from bulk_destination.protocol.arguments import Samples
from bulk_destination.protocol.catalog import Catalog
from destination_hackle.config import DEFAULT_BASE_URL, PATH, HackleConfig
from destination_hackle.payloads import UserEvents

#: The SDK sends as many at a time; what the service takes at most is not published.
MAX_ITEMS: Final = 500
ENVELOPE: Final = (b'{"exposureEvents":[],"remoteConfigEvents":[],"trackEvents":[', b"]}")
#: Names of the format's own fields and headers, as Hackle may name them.
_WORDS: Final = KnownWords(
    frozenset(
        {
            *("exposureEvents", "remoteConfigEvents", "trackEvents", "insertId", "timestamp"),
            *("userId", "identifiers", "$id", "userProperties", "hackleProperties"),
            *("eventTypeId", "eventTypeKey", "value", "properties", "body"),
            *("X-HACKLE-SDK-KEY", "X-HACKLE-SDK-NAME", "X-HACKLE-SDK-VERSION"),
            *("X-HACKLE-SDK-TIME", "Content-Type"),
        }
    )
)
#: Hackle's documents name 401 for a key that it does not know; 403 is met in the same way.
_KEY_REFUSED: Final = {401, 403}


def headers(sdk_key: str, now: float) -> dict[str, str]:
    """The headers of a request at the Unix time `now`, in seconds, as the SDK has them.

    Name and version say which client's format this is; whether others are taken is not known.
    """
    return {
        "Content-Type": "application/json",
        "X-HACKLE-SDK-KEY": sdk_key,
        "X-HACKLE-SDK-NAME": "python-sdk",
        "X-HACKLE-SDK-VERSION": "3.9.0",
        "X-HACKLE-SDK-TIME": str(round(now * 1000)),
    }


def read_reply(status: int, answer: Mapping[str, str], body: bytes, now: datetime) -> Reply:
    """What an answer means: a refused key is the user's to change, all else is as HTTP has it.

    But for a page: that is of a gateway, which knows no key.
    """
    reply = replies.read_reply(status, answer, body, now)
    if status not in _KEY_REFUSED or reply != NotTheService(f"status {status}"):
        return reply
    words = (
        f"Hackle does not take it (status {status}). Copy the SDK key for servers from "
        "Hackle's dashboard"
    )
    return NotTheService(f"status {status}", Fault("sdk_key", words))


def endpoint(config: HackleConfig) -> Endpoint:
    """Where events go."""
    return Endpoint(
        service="Hackle",
        addresses=DEFAULT_BASE_URL,
        url=config.base_url + PATH,
        envelope=ENVELOPE,
        max_items=MAX_ITEMS,
        read_reply=read_reply,
        keeps_for_ever=False,  # Its documents do not say.
        headers=partial(headers, config.sdk_key),
        words=_WORDS,
    )


def routes(config: HackleConfig, catalog: Catalog) -> Routes:
    """Where the records of the one stream go."""
    stream = one_stream(catalog)
    mapper = UserEvents(config, stream)
    route = Route(stream, endpoint(config), mapper, config.quotas, tuple(config.columns()))
    return Routes((route,))


def _probe(config: HackleConfig) -> tuple[Endpoint, bytes]:
    return endpoint(config), b""


def _probe_fault(config: HackleConfig, reply: Accepted | Refused | TooLarge) -> str | None:
    """A request without events stores nothing. What Hackle answers to one is not known.

    So both yes and no are well: it read the request and took the key.
    """
    if isinstance(reply, TooLarge):
        return f"{config.base_url + PATH} did not take a request without events (status 413)"
    return None


HACKLE: Final = Service(
    name="Hackle",
    program="destination-hackle",
    distribution="destination-heap-analytics",
    summary="Loads one Airbyte stream into Hackle as user events.",
    samples=Samples(
        stand_in="make sandbox-hackle",
        config="sample_files/hackle/config.json",
        catalog="sample_files/hackle/configured_catalog.json",
        records="sample_files/hackle/purchases.jsonl",
    ),
    spec=Path(__file__).with_name("spec.json"),
    config=HackleConfig,
    routes=routes,
    probe=_probe,
    probe_fault=_probe_fault,
)
