"""Batches go out, several at once, in order per identity; what became of them comes back.

Three kinds of threads, and one owner of all state: the thread that calls `Delivery`. It alone
maps records, fills batches and decides. The others only wait on something and report by one
inbox: a reader waits on the source, and each lane's sender waits on Heap.

    source ─ reader ─▶ inbox ─▶ the owner ─▶ lane 0 … lane n ─ senders ─▶ Heap
                         ▲                                        │
                         └──────────── settlements ───────────────┘

An identity always takes the same lane, and a lane has one request under way at a time: that
keeps the order of updates per identity. A slow lane holds up the others only when the bytes
waiting in memory say so; then the source is no longer read.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar
from zlib import crc32

from destination_heap_analytics.apis import Api
from destination_heap_analytics.batches import Batch, OpenBatch, envelope
from destination_heap_analytics.client import HeapClient, Settled
from destination_heap_analytics.errors import InterruptedSyncError
from destination_heap_analytics.replies import Accepted
from destination_heap_analytics.settlement import Settlement, settle

#: An open batch is sent when its first item has waited so long, so that a quiet source does not
#: hold states. Seconds.
OPEN_AT_MOST: Final = 10.0
#: Bytes of payloads handed to lanes and not yet settled, above which reading stops. The rest of
#: the connector's memory is the CDK's import.
MAX_UNSETTLED_BYTES: Final = 16_000_000
#: What a payload weighs in memory besides its bytes: its number, its identity, their headers.
_ITEM_OVERHEAD: Final = 200
#: Chunks of input read ahead of the owner.
_READ_AHEAD: Final = 2

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Arrived(Generic[Item]):
    """The source gave these."""

    items: list[Item]


@dataclass(frozen=True, slots=True)
class SourceEnded:
    """The source has no more."""


@dataclass(frozen=True, slots=True)
class LaneSettled:
    """A lane's oldest batch is settled."""

    lane: int
    weight: int
    settlement: Settlement


@dataclass(frozen=True, slots=True)
class LaneGaveUp:
    """A lane's oldest batch is not settled, and nothing behind it will be."""

    lane: int
    error: BaseException


@dataclass(frozen=True, slots=True)
class Failed:
    """The source broke, or a signal came."""

    error: BaseException


class Inbox(Generic[Item]):
    """Where threads (and signal handlers: `SimpleQueue.put` is reentrant) report to the owner."""

    def __init__(self) -> None:
        self._reports: queue.SimpleQueue[
            Arrived[Item] | SourceEnded | LaneSettled | LaneGaveUp | Failed
        ] = queue.SimpleQueue()
        self._put_aside: deque[Arrived[Item] | SourceEnded] = deque()
        self._room = threading.Semaphore(_READ_AHEAD)

    def read_from(self, source: Iterable[list[Item]]) -> None:
        """Starts a thread that reads `source`, at most a little ahead of the owner."""

        def read() -> None:
            try:
                for items in source:
                    self._room.acquire()
                    self._reports.put(Arrived(items))
            except BaseException as error:  # noqa: BLE001  # reported to the owner, who raises it
                self._reports.put(Failed(error))
            else:
                self._reports.put(SourceEnded())

        # A daemon: nothing can wake a thread that waits for a source that says nothing.
        threading.Thread(target=read, name="source reader", daemon=True).start()

    def report(self, report: LaneSettled | LaneGaveUp | Failed) -> None:
        """Callable from any thread and from a signal handler."""
        self._reports.put(report)

    def next(
        self, timeout: float | None
    ) -> Arrived[Item] | SourceEnded | LaneSettled | LaneGaveUp | Failed | None:
        """The next report; None after `timeout` seconds without one."""
        if self._put_aside:
            return self._taken(self._put_aside.popleft())
        try:
            return self._taken(self._reports.get(timeout=timeout))
        except queue.Empty:
            return None

    def next_but_input(self) -> LaneSettled | LaneGaveUp | Failed:
        """The next report that is no input; input keeps its place for `next`."""
        while True:
            report = self._reports.get()
            if isinstance(report, Arrived | SourceEnded):
                self._put_aside.append(report)
            else:
                return report

    def _taken(
        self, report: Arrived[Item] | SourceEnded | LaneSettled | LaneGaveUp | Failed
    ) -> Arrived[Item] | SourceEnded | LaneSettled | LaneGaveUp | Failed:
        if isinstance(report, Arrived):
            self._room.release()
        return report


@dataclass(slots=True)
class _Lane:
    """One lane as its owner sees it."""

    #: Batches go in; None ends the sender.
    todo: "queue.SimpleQueue[Batch | None]" = field(default_factory=queue.SimpleQueue)
    open: OpenBatch = field(default_factory=OpenBatch)
    open_since: float = 0.0
    handed: int = 0
    settled: int = 0


class Delivery:
    """The lanes of one sync. All methods are for the owner's thread."""

    def __init__(
        self,
        app_id: str,
        api: Api,
        clients: list[HeapClient],
        *,
        report: Callable[[LaneSettled | LaneGaveUp], None],
        clock: Callable[[], float],
        stopping: threading.Event,
    ) -> None:
        self._envelope = envelope(app_id, api.list_name)
        self._merges = api.merges
        self._clients = clients
        self._report = report
        self._clock = clock
        self._stopping = stopping
        self._lanes = [_Lane() for _ in clients]
        self._threads: list[threading.Thread] = []
        self._unsettled_bytes = 0
        #: Set once Heap has accepted something: until then one lane alone asks, so that a wrong
        #: configuration is found by one refused batch, not by several.
        self._proven = threading.Event()
        self._first_lane: int | None = None

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
    def under_way(self) -> int:
        """Batches handed to lanes and not settled."""
        return sum(lane.handed - lane.settled for lane in self._lanes)

    def add(self, position: int, identity: str, body: bytes) -> None:
        """Puts an item into its identity's lane; sends the lane's batch when it is full."""
        number = crc32(identity.encode()) % len(self._lanes)
        lane = self._lanes[number]
        if not lane.open.takes(body):
            self._send(number)
        if not lane.open:
            lane.open_since = self._clock()
        lane.open.add(position, identity, body)

    def marks(self) -> list[int]:
        """For each lane, how many batches hold all that was added so far."""
        return [lane.handed + (1 if lane.open else 0) for lane in self._lanes]

    def settled(self) -> list[int]:
        """For each lane, how many batches are settled."""
        return [lane.settled for lane in self._lanes]

    def next_due(self) -> float | None:
        """Seconds until an open batch has waited long enough; None if all are empty."""
        opened = [lane.open_since for lane in self._lanes if lane.open]
        return max(0.0, min(opened) + OPEN_AT_MOST - self._clock()) if opened else None

    def send_due(self) -> None:
        """Sends the open batches that have waited long enough."""
        due = self._clock() - OPEN_AT_MOST
        for number, lane in enumerate(self._lanes):
            if lane.open and lane.open_since <= due:
                self._send(number)

    def send_all(self) -> None:
        """Sends all open batches."""
        for number, lane in enumerate(self._lanes):
            if lane.open:
                self._send(number)

    def lane_settled(self, report: LaneSettled) -> bool:
        """Takes note; tells whether it was the first batch of the whole sync."""
        self._lanes[report.lane].settled += 1
        self._unsettled_bytes -= report.weight
        return report.lane == self._first_lane and self._lanes[report.lane].settled == 1

    def stop(self) -> None:
        """Ends the senders: a request under way ends by itself, nothing new begins."""
        self._stopping.set()
        self._proven.set()
        for lane in self._lanes:
            lane.todo.put(None)

    def join(self) -> None:
        """Waits, after `stop`, for requests under way; their timeouts bound it."""
        for thread in self._threads:
            thread.join()

    def _send(self, number: int) -> None:
        lane = self._lanes[number]
        batch = lane.open.close()
        lane.handed += 1
        self._unsettled_bytes += _weight(batch)
        if self._first_lane is None:
            self._first_lane = number
            self._threads = [
                threading.Thread(
                    target=self._run_lane, args=(each, client), name=f"lane {each}", daemon=True
                )
                for each, client in enumerate(self._clients)
            ]
            for thread in self._threads:
                thread.start()
        lane.todo.put(batch)

    def _run_lane(self, number: int, client: HeapClient) -> None:
        """A sender's life: one batch after the other, each settled before the next."""

        def post(body: bytes) -> Settled:
            if self._stopping.is_set():
                raise InterruptedSyncError("the sync was stopped")
            reply = client.post(body)
            if isinstance(reply, Accepted):
                self._proven.set()
            return reply

        if number != self._first_lane:
            self._proven.wait()
        todo = self._lanes[number].todo
        while batch := todo.get():
            try:
                settlement = settle(batch, self._envelope, self._merges, post)
            except BaseException as error:  # noqa: BLE001  # reported to the owner, who raises it
                self._report(LaneGaveUp(number, error))
                break
            self._report(LaneSettled(number, _weight(batch), settlement))
        client.close()


def _weight(batch: Batch) -> int:
    return batch.size + _ITEM_OVERHEAD * len(batch)
