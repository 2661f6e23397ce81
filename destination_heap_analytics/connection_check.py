"""Is Heap there? Proves what can be proved, and adds nothing to anybody's data."""

from destination_heap_analytics.apis import Track
from destination_heap_analytics.batches import envelope
from destination_heap_analytics.client import HOST_UNKNOWN, HeapClient
from destination_heap_analytics.config import Config
from destination_heap_analytics.errors import HeapUnavailableError, SyncError
from destination_heap_analytics.object_storage import open_object_storage
from destination_heap_analytics.pacing import RetryPolicy
from destination_heap_analytics.replies import Accepted, TooLarge

#: Airbyte may check at the start of every attempt, so it has to be quick. Seconds.
CHECK_POLICY = RetryPolicy(first=0.2, longest=1.0, give_up_after=5.0)
CHECK_READ_TIMEOUT = 10.0

#: An event without `identity` and `user_id`. Heap's track page demands exactly one of them, so
#: it has to refuse this with 400 and can store nothing.
_EVENT_WITHOUT_IDENTITY = b'{"event":"Airbyte connection check"}'


_LATER = "Try again later, and look at Heap's status page"
_FIREWALL = "Is base_url right, and may this machine reach it (firewall, proxy)?"
#: What to do about the causes of `client.py`.
_WAY_OUT = {
    HOST_UNKNOWN: "Is base_url spelled right, and does DNS work on this machine?",
    "the connection was refused": _FIREWALL,
    "connecting took too long": _FIREWALL,
    "the proxy failed": "Do HTTP_PROXY and HTTPS_PROXY name a proxy that works?",
}


def failed_step(config: Config) -> str | None:
    """None if Heap answers and rejected records can be saved; else which step failed, and why."""
    return _heap_fault(config) or _storage_fault(config)


def _storage_fault(config: Config) -> str | None:
    """None if the object storage, where there is one, takes an object and removes it again."""
    try:
        storage = open_object_storage(config, tries=2)
        if storage is not None:
            storage.prove()
    except SyncError as error:
        return str(error)
    return None


def _heap_fault(config: Config) -> str | None:
    """None if something that behaves as Heap answers; else what does not, and what to do.

    An `app_id` that no environment has cannot be found out: Heap accepts it silently.
    """
    url = config.base_url + Track.path
    client = HeapClient(url, CHECK_POLICY, read_timeout=CHECK_READ_TIMEOUT)
    head, tail = envelope(config.app_id, Track.list_name)
    try:
        reply = client.post(head + _EVENT_WITHOUT_IDENTITY + tail)
    except HeapUnavailableError as error:
        return f"Could not reach Heap at {url}: {error.cause}. {_WAY_OUT.get(error.cause, _LATER)}"
    except SyncError as error:
        return str(error)
    finally:
        client.close()
    if isinstance(reply, Accepted | TooLarge):
        return (
            f"{url} did not refuse an event that has no identity, as Heap does. Set base_url to "
            "Heap's address: https://heapanalytics.com, or https://c.eu.heap-api.com for EU data"
        )
    return None
