"""What a walk sends by, built of its connection: a way to each endpoint, files for each stream."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bulk_destination.connection import Connection, Route
from bulk_destination.delivery.concurrency import MOST, ConcurrencyLimit, Places
from bulk_destination.delivery.deliveries import Deliveries
from bulk_destination.delivery.delivery import Delivery
from bulk_destination.delivery.held_delivery import HeldDelivery
from bulk_destination.delivery.inbox import OfEndpoint, Report, Retries, Said
from bulk_destination.delivery.outages import Outages, host_of
from bulk_destination.delivery.quotas import Quotas
from bulk_destination.delivery.throttling import Throttling
from bulk_destination.http.client import BulkClient
from bulk_destination.http.endpoint import Endpoint
from bulk_destination.http.job_client import JobClient
from bulk_destination.http.pacing import RetryPolicy
from bulk_destination.loading.surroundings import Surroundings
from bulk_destination.rejected.object_storage import ObjectStorage
from bulk_destination.rejected.rejected_files import RejectedFiles
from bulk_destination.rejected.rejected_records import folder, folder_of_no_stream


@dataclass(frozen=True, slots=True)
class Way:
    """To one endpoint: what goes there, and what is said of it."""

    #: By number, and the same of their routes. All share the quotas.
    streams: tuple[int, ...]
    routes: tuple[Route, ...]
    quotas: Quotas | None
    throttling: Throttling
    outages: Outages

    @property
    def endpoint(self) -> Endpoint:
        """It may show the names of all streams that go there."""
        endpoint = self.routes[0].endpoint
        words = endpoint.words
        for route in self.routes:
            words = words.and_names(route.endpoint.words.names)
        return replace(endpoint, words=words)


def ways_of(routes: Sequence[Route], minute: float) -> list[Way]:
    """One for each endpoint, in the order of the streams; `minute` is that of a quota, in s."""
    by_url: dict[str, list[int]] = {}
    for stream, route in enumerate(routes):
        by_url.setdefault(route.endpoint.url, []).append(stream)
    return [_way(streams, routes, minute) for streams in by_url.values()]


def _way(streams: Sequence[int], routes: Sequence[Route], minute: float) -> Way:
    first = routes[streams[0]]
    quotas = replace(first.quotas, seconds=minute) if first.quotas else None
    outages = Outages(f"{first.endpoint.service} at {host_of(first.endpoint.url)}")
    of_streams = tuple(routes[each] for each in streams)
    return Way(tuple(streams), of_streams, quotas, Throttling(quotas), outages)


def deliveries_by(
    ways: Sequence[Way],
    connection: Connection,
    surroundings: Surroundings,
    report: Callable[[OfEndpoint], None],
) -> Deliveries:
    """What goes by all of them; `report` may be called from any thread."""
    most = connection.config.requests_in_flight
    policy = surroundings.retry_policy or RetryPolicy(
        give_up_after=connection.config.max_retry_seconds
    )
    places = Places(most or MOST, len(ways)) if len(ways) > 1 else None
    lock = threading.RLock()
    ways_by_stream = {stream: number for number, way in enumerate(ways) for stream in way.streams}

    def deliver(number: int, way: Way) -> Delivery | HeldDelivery:
        stopping, endpoint = threading.Event(), way.endpoint

        def tell(told: Report) -> None:
            report(OfEndpoint(number, told))

        if (hold := way.routes[0].hold) is not None:
            client = JobClient(
                *(endpoint, hold.jobs, policy, surroundings.patience, stopping.wait),
                clock=surroundings.clock,
                now=surroundings.now,
                read_timeout=surroundings.read_timeout,
                tell=lambda *retry: tell(Retries(*retry)),
                say=lambda words: tell(Said(words)),
            )
            return HeldDelivery(client, endpoint, hold, report=tell, stopping=stopping)
        return Delivery(
            lambda: BulkClient(
                endpoint,
                policy,
                stopping.wait,
                now=surroundings.now,
                read_timeout=surroundings.read_timeout,
                tell=lambda *retry: tell(Retries(*retry)),
            ),
            endpoint.max_items,
            _limit(most, surroundings.second, places, number),
            merges=way.routes[0].mapper.merges,
            report=tell,
            clock=surroundings.clock,
            stopping=stopping,
            quotas=way.quotas,
            streams=way.streams,
            changed=threading.Condition(lock),
        )

    return Deliveries(
        [deliver(number, way) for number, way in enumerate(ways)],
        [way for _, way in sorted(ways_by_stream.items())],
    )


def _limit(
    given: int | None, second: float, places: Places | None, number: int
) -> ConcurrencyLimit:
    """The number of requests at once that was given, or one to be found."""
    if given is None:
        return ConcurrencyLimit(second=second, places=places, endpoint=number)
    return ConcurrencyLimit(given, given, given, second, places=places, endpoint=number)


def files_of(
    routes: Sequence[Route], storage: ObjectStorage | None, surroundings: Surroundings
) -> list[RejectedFiles]:
    """Those of each stream, and last of what belongs to none, of one stream alone the same.

    None without a storage.
    """
    if storage is None:
        return []
    folders = [folder(route.stream) for route in routes]
    if len(routes) > 1:
        folders.append(folder_of_no_stream(routes[0].stream))
    clocks = surroundings.clock, surroundings.now
    return [RejectedFiles(storage, each, *clocks) for each in folders]
