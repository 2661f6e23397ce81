"""Is the service there? Proves what can be proved."""

import queue
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bulk_destination.config import Config, DeliveryConfig, unknown_fields
from bulk_destination.connection import Service
from bulk_destination.delivery import threads
from bulk_destination.errors import ConfigurationError, SyncError, UnavailableError
from bulk_destination.http.client import HOST_UNKNOWN, BulkClient, verdict_on
from bulk_destination.http.endpoint import Endpoint
from bulk_destination.http.pacing import RetryPolicy
from bulk_destination.http.replies import Settled, Unsent
from bulk_destination.rejected.object_storage import open_object_storage

#: Airbyte may check at the start of every attempt, so it has to be quick. Seconds.
CHECK_POLICY: Final = RetryPolicy(first=0.2, longest=1.0, give_up_after=5.0)
CHECK_READ_TIMEOUT: Final = 10.0
#: A check has said what it knows by then, whatever it meets. Seconds.
CHECK_SECONDS: Final = 60.0

_FIREWALL: Final = "Is base_url right, and may this machine reach it (firewall, proxy)?"
#: What to do about the causes of `client.py`.
_WAY_OUT: Final = {
    HOST_UNKNOWN: "Is base_url spelled right, and does DNS work on this machine?",
    "the connection was refused": _FIREWALL,
    "connecting took too long": _FIREWALL,
    "the proxy failed": "Do HTTP_PROXY and HTTPS_PROXY name a proxy that works?",
}


def failed_check(service: Service[Config], raw: Mapping[str, Any]) -> str | None:
    """None if the configuration is sound and all that it names answers; else what failed, and why.

    That is the service, and the place where rejected records are to be saved. Never raises: the
    platform waits for an answer.
    """
    try:
        return _failure(service, service.config.parse(raw))
    except ConfigurationError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  # the last gate; it is reported
        return _own_error(error)


def _own_error(error: Exception) -> str:
    """Where it broke helps who mends it; its text may hold values."""
    *_, broke = traceback.extract_tb(error.__traceback__)
    return (
        f"The connector failed on an error of its own ({type(error).__name__} in "
        f"{Path(broke.filename).name}, line {broke.lineno}). Please report it"
    )


def _failure(service: Service[Config], config: Config) -> str | None:
    found: queue.SimpleQueue[str | BaseException | None] = queue.SimpleQueue()

    def look() -> None:
        try:
            found.put(_service_fault(service, config) or _storage_fault(service, config))
        except BaseException as error:  # noqa: BLE001  # raised below
            found.put(error)

    # In a thread that can be left alone: nothing bounds a resolver of names.
    threads.begin(look, "check")
    try:
        fault = found.get(timeout=CHECK_SECONDS)
    except queue.Empty:
        return f"The check was not over after {CHECK_SECONDS:g} s. {_FIREWALL}"
    if isinstance(fault, BaseException):
        raise fault
    return fault


def _service_fault(service: Service[Config], config: Config) -> str | None:
    answer = _answer(service.probe(config))
    return answer if isinstance(answer, str) else service.probe_fault(config, answer)


def said_of_success(service: Service[Config], raw: Mapping[str, Any]) -> str | None:
    """What a check that found nothing wrong says all the same: fields that nobody reads.

    Such are allowed, as platforms may add their own, so they fail no check; but a misspelled
    `dry_run` sends everything. Airbyte's form shows the message of a failed check only, and keeps
    that of another one for its API and its log; the first lines of each sync say it once more.
    """
    return "; ".join(unknown_fields(service.config.parse(raw))) or None


def _answer(probe: tuple[Endpoint, bytes]) -> Settled | str:
    """What the service says to a request with nothing in it that could be stored."""
    endpoint, items = probe
    client = BulkClient(endpoint, CHECK_POLICY, read_timeout=CHECK_READ_TIMEOUT)
    tried = 0
    try:
        while isinstance(reply := client.post(endpoint.body((items,)), tried=tried), Unsent):
            tried += 1
        return reply if isinstance(reply, Settled) else str(verdict_on(endpoint, reply))
    except UnavailableError as error:
        later = f"Try again later, and look at {endpoint.service}'s status page"
        way_out = _WAY_OUT.get(error.cause, later)
        return f"Could not reach {endpoint.service} at {endpoint.url}: {error.cause}. {way_out}"
    except SyncError as error:
        return str(error)
    finally:
        client.close()


def _storage_fault(service: Service[Config], config: DeliveryConfig) -> str | None:
    """None if the object storage, where there is one, takes an object and removes it again."""
    try:
        storage = open_object_storage(config.object_storage_config, service.program, tries=2)
        if storage is not None:
            storage.prove()
    except SyncError as error:
        return str(error)
    return None
