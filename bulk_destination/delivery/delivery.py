"""Batches go out, several at once, in order per identity; what became of them comes back.

Three kinds of threads, and one owner of all state: the thread that calls `Delivery`. It alone
maps records, fills batches and decides. The others only wait on something and report by one
inbox: a reader waits on the source, and each lane's sender waits on the service.

    source ─ reader ─▶ inbox ─▶ the owner ─▶ lane 0 … lane n ─ senders ─▶ the service
                         ▲                                        │
                         └──────────── settlements ───────────────┘

An identity always takes the same lane, and a lane has one request under way at a time: that
keeps the order of updates per identity. A slow lane holds up the others only when the bytes
waiting in memory say so; then the source is no longer read.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from bulk_destination.delivery.backlog import Backlog
from bulk_destination.delivery.batches import Batch, OpenBatch, lane_of
from bulk_destination.delivery.inbox import LaneReport, LaneSettled, LaneWaits
from bulk_destination.delivery.quotas import Quotas
from bulk_destination.delivery.sender import AppQuota, Landed, Limited, Sender, Unlimited
from bulk_destination.http.client import BulkClient

#: An open batch is sent when its first item has waited so long, so that a quiet source does not
#: hold states. Seconds.
OPEN_AT_MOST: Final = 10.0
#: Bytes of payloads handed to lanes and not yet settled, above which reading stops. The rest of
#: the connector's memory is the CDK's import.
MAX_UNSETTLED_BYTES: Final = 16_000_000

#: What requests under way have to be answered once the sync is to end. Kubernetes kills what has
#: not ended 30 seconds after SIGTERM; the last rejected records are to be saved within them, too.
#: Seconds.
GRACE: Final = 12.0


@dataclass(slots=True)
class _Lane:
    """One lane as its owner sees it."""

    open: OpenBatch
    #: Batches go in; None ends the sender.
    todo: "queue.SimpleQueue[Batch | None]" = field(default_factory=queue.SimpleQueue)
    #: When the first item came into the open batch; None while it is empty.
    open_since: float | None = None
    #: The first record of each batch that was handed over and is not settled.
    handed: "deque[int]" = field(default_factory=deque)


class Delivery:
    """The lanes of one sync. All methods are for the owner's thread."""

    def __init__(
        self,
        clients: list[BulkClient],
        *,
        merges: bool,
        report: Callable[[LaneReport], None],
        clock: Callable[[], float],
        stopping: threading.Event,
        quotas: Quotas | None = None,
    ) -> None:
        self._clients = clients
        self._report = report
        self._clock = clock
        self._stopping = stopping
        self._lanes = [_Lane(OpenBatch(client.endpoint.max_items)) for client in clients]
        self._threads: list[threading.Thread] = []
        self._unsettled_bytes = 0
        self._landed = Landed()
        app_window = quotas.app_window() if quotas else None
        self._app_quota = AppQuota(app_window, clock) if app_window else None
        self._senders = [
            Sender(
                number,
                client,
                self._lane_quota(number, quotas, merges),
                merges,
                report,
                stopping,
                self._landed,
            )
            for number, client in enumerate(clients)
        ]

    @property
    def has_room(self) -> bool:
        """Whether more input may be read."""
        return self._unsettled_bytes < MAX_UNSETTLED_BYTES

    @property
    def requests(self) -> int:
        """Requests sent so far, repeats included."""
        return sum(client.sent for client in self._clients)

    @property
    def retries(self) -> int:
        """Requests that repeated an earlier one."""
        return sum(client.retries for client in self._clients)

    @property
    def throttled_seconds(self) -> float:
        """Seconds in which a lane waited for the app's quota."""
        return self._app_quota.throttled if self._app_quota else 0.0

    @property
    def begun(self) -> bool:
        """Whether there was anything to send."""
        return bool(self._threads) or any(lane.open for lane in self._lanes)

    @property
    def under_way(self) -> int:
        """Batches handed to lanes and not settled."""
        return sum(len(lane.handed) for lane in self._lanes)

    def add(self, position: int, identity: str, body: bytes) -> None:
        """Puts an item into its identity's lane; sends the lane's batch when it is full."""
        number = lane_of(identity, len(self._lanes))
        lane = self._lanes[number]
        if not lane.open.add(position, identity, body):
            self._send(number)
            lane.open.add(position, identity, body)
        if lane.open_since is None:
            lane.open_since = self._clock()

    def first_unsettled(self) -> int | None:
        """The first record that was added and is not settled; None if all are."""
        # A lane settles its batches in order, and its open one comes after them.
        firsts = (
            lane.handed[0] if lane.handed else lane.open.first_position for lane in self._lanes
        )
        return min((first for first in firsts if first is not None), default=None)

    def next_due(self) -> float | None:
        """Seconds until an open batch has waited long enough; None if all are empty."""
        opened = [lane.open_since for lane in self._lanes if lane.open_since is not None]
        return max(0.0, min(opened) + OPEN_AT_MOST - self._clock()) if opened else None

    def send_due(self) -> None:
        """Sends the open batches that have waited long enough."""
        due = self._clock() - OPEN_AT_MOST
        for number, lane in enumerate(self._lanes):
            if lane.open_since is not None and lane.open_since <= due:
                self._send(number)

    def send_all(self) -> None:
        """Sends all open batches."""
        for number, lane in enumerate(self._lanes):
            if lane.open:
                self._send(number)

    def lane_settled(self, report: LaneSettled) -> None:
        """Takes note."""
        lane = self._lanes[report.lane]
        for _ in range(report.batches):
            lane.handed.popleft()
        self._unsettled_bytes -= report.weight

    def stop(self) -> None:
        """Ends the senders: a request under way ends by itself, nothing new begins."""
        self._stopping.set()
        self._landed.stop()
        if self._app_quota:
            self._app_quota.stop()
        for lane in self._lanes:
            lane.todo.put(None)

    def join(self) -> None:
        """Waits, after `stop`, for requests under way, `GRACE` seconds together.

        What is not answered by then counts as not settled, and its thread is left alone.
        """
        late = time.monotonic() + GRACE
        for thread in self._threads:
            thread.join(max(0.0, late - time.monotonic()))

    def _send(self, number: int) -> None:
        lane = self._lanes[number]
        batch = lane.open.close()
        lane.open_since = None
        lane.handed.append(batch.positions[0])
        self._unsettled_bytes += batch.weight
        if not self._threads:
            self._threads = [
                threading.Thread(target=sender.run, name=f"lane {each}", daemon=True)
                for each, sender in enumerate(self._senders)
            ]
            for thread in self._threads:
                thread.start()
        lane.todo.put(batch)

    def _lane_quota(self, number: int, quotas: Quotas | None, merges: bool) -> Unlimited | Limited:
        todo = self._lanes[number].todo
        if quotas is None:
            return Unlimited(todo)
        identities = quotas.identity_limit(len(self._lanes))
        return Limited(
            todo,
            self._app_quota,
            identities,
            Backlog(identities, self._clients[number].endpoint.max_items, merges=merges),
            clock=self._clock,
            pause=self._stopping.wait,
            waits=lambda seconds, of_identities: self._report(
                LaneWaits(number, seconds, of_identities)
            ),
        )
