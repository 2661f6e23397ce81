"""Sends what was held, when the source has ended: one request after the other, in a thread."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from bulk_destination.delivery import threads
from bulk_destination.delivery.batches import Batch
from bulk_destination.delivery.held import Held, HeldBatch, Hold
from bulk_destination.delivery.inbox import GaveUp, Report, RequestSettled, Said
from bulk_destination.delivery.settlement import Rejection, Settlement, rejection, settle
from bulk_destination.errors import InterruptedSyncError
from bulk_destination.http.endpoint import Endpoint
from bulk_destination.http.replies import Accepted, Refused, Settled, Unsettled
from bulk_destination.ledger import ENOUGH_TO_JUDGE


class Client(Protocol):
    """Who posts the requests."""

    @property
    def sent(self) -> int: ...

    @property
    def retries(self) -> int: ...

    def post(self, body: bytes, tried: int = 0) -> Settled | Unsettled: ...

    def close(self) -> None: ...


class HeldDelivery:
    """A `Delivery` that sends nothing before the source has ended, and then one at a time.

    `end` is told of that; a sync that ends otherwise sends nothing. All methods are for the
    owner's thread.
    """

    #: No quota is kept.
    throttled_seconds: Final = 0.0

    def __init__(
        self,
        client: Client,
        endpoint: Endpoint,
        hold: Hold,
        *,
        report: Callable[[Report], None],
        stopping: threading.Event,
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._hold = hold
        self._report = report
        self._stopping = stopping
        self._held = Held(hold, endpoint.max_items)
        #: The first record of each request that is not settled.
        self._handed: deque[int] = deque()
        self._thread: threading.Thread | None = None
        self.take_back = self._held.take_back

    def add(self, items: Batch) -> None:
        """Holds them."""
        columns = items.positions, items.identities, items.bodies, items.keys
        for item in zip(*columns, strict=True):
            self._held.add(*item)

    @property
    def unsettled_bytes(self) -> int:
        """Bytes that wait for the end of the source, about."""
        return self._held.weight

    @property
    def requests(self) -> int:
        """As a delivery's; those for tokens and for what has become of others count, too."""
        return self._client.sent

    @property
    def retries(self) -> int:
        """As a delivery's."""
        return self._client.retries

    @property
    def begun(self) -> bool:
        """Whether there was anything to send."""
        return self._thread is not None or len(self._held) > 0

    @property
    def under_way(self) -> int:
        """Requests handed over and not settled."""
        return len(self._handed)

    def first_unsettled(self) -> int | None:
        """The first record that was added and is not settled; None if all are."""
        return self._handed[0] if self._handed else self._held.first_position

    def next_due(self) -> None:
        """Nothing is sent because it has waited long."""

    def send_due(self) -> None:
        """The same."""

    def send_all(self) -> None:
        """Nor because there is no room."""

    def end(self) -> None:
        """The source has ended well: sends what it says. Raises ConfigurationError."""
        batches = self._held.batches()
        self._handed.extend(each.batch.positions[0] for each in batches)
        if batches:
            self._thread = threads.begin(lambda: self._send(batches), "sender")

    def request_settled(self, report: RequestSettled) -> None:
        """Takes note of what was reported."""
        for _ in range(report.batches):
            self._handed.popleft()

    def stop(self) -> None:
        """A request under way ends by itself, nothing new begins."""
        self._stopping.set()

    def join(self, late: float) -> None:
        """Waits, after `stop`, for the request under way, until it is `late` by the clock."""
        if self._thread is not None:
            self._thread.join(max(0.0, late - time.monotonic()))

    def _send(self, batches: list[HeldBatch]) -> None:
        way = _Way(self._client, self._endpoint, self._stopping)
        try:
            for number, each in enumerate(batches, 1):
                which = f"request {number} of {len(batches)}"
                count = f"{len(each.batch):,} {self._hold.unit} to be {self._hold.deed}"
                self._report(Said(f"Asking {self._endpoint.service}, {which}: {count}"))
                settlement = each.settlement(settle(each.batch, self._endpoint, False, way))
                self._report(RequestSettled(1, 0, settlement))
        except _AllRefusedError:
            # The owner ends the sync when it hears of them.
            self._report(RequestSettled(0, 0, way.refusals))
        except BaseException as error:  # noqa: BLE001  # reported to the owner, who raises it
            self._report(GaveUp(error))
        finally:
            self._client.close()


class _AllRefusedError(Exception):
    """So much was refused, and nothing accepted, that no end is waited for."""


@dataclass(slots=True)
class _Way:
    """As settlement's `Way`."""

    client: Client
    endpoint: Endpoint
    stopping: threading.Event
    accepted: int = 0
    _refused: list[Rejection] = field(default_factory=list)

    @property
    def refusals(self) -> Settlement:
        """What was refused by itself, all of the same request."""
        return Settlement(tuple(each.position for each in self._refused), tuple(self._refused), 0)

    def post(self, part: Batch, body: bytes, tried: int) -> Settled | Unsettled:
        """As `Way.post`. Raises _AllRefusedError."""
        if self.stopping.is_set():
            raise InterruptedSyncError("the sync was stopped")
        reply = self.client.post(body, tried)
        if isinstance(reply, Accepted):
            self.accepted += 1
        elif isinstance(reply, Refused) and len(part) == 1:
            self._refused.append(rejection(part.positions[0], reply, self.endpoint))
            if not self.accepted and len(self._refused) >= ENOUGH_TO_JUDGE:
                raise _AllRefusedError
        return reply

    def post_known(self) -> None:
        """Nothing is asked for twice to see who is there."""
