"""Batches go out, several at once, in order per key; what became of them comes back.

Three kinds of threads, and one owner of all state: the thread that calls `Delivery`. It alone
maps records, fills the open batch and decides. The others only wait on something and report by
one inbox: a reader waits on the source, and each sender waits on the service.

    source ─ reader ─▶ inbox ─▶ the owner ─▶ backlog ─▶ senders ─▶ the service
                         ▲                                 │
                         └─────────── settlements ─────────┘

All senders take from one backlog, so a request is full however many are under way. How many that
are is given, or found (`concurrency.py`); a sender begins when there is work for it. What a slow
request holds up are items of the same keys, and the others only when the bytes waiting in memory
say so; then the source is no longer read.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from bulk_destination.delivery import threads
from bulk_destination.delivery.backlog import Backlog
from bulk_destination.delivery.batches import Batch, OpenBatch
from bulk_destination.delivery.concurrency import ConcurrencyLimit
from bulk_destination.delivery.inbox import QuotaWait, Report, RequestSettled
from bulk_destination.delivery.quotas import Quotas
from bulk_destination.delivery.sender import AppQuota, Sender, Turns
from bulk_destination.http.client import BulkClient

#: An open batch is sent when its first item has waited so long, so that a quiet source does not
#: hold states. Seconds.
OPEN_AT_MOST: Final = 10.0
#: Bytes that payloads handed over and not yet settled may take, above which reading stops. It is
#: what 64 requests of a thousand small items take, or 16 of a megabyte.
MAX_UNSETTLED_BYTES: Final = 32_000_000


class Delivery:
    """What one sync sends. All methods are for the owner's thread.

    Each sender has a `client` of its own. `limit` says how many requests may be under way;
    `streams` and `changed` are as for `Turns`.
    """

    def __init__(
        self,
        client: Callable[[], BulkClient],
        max_items: int,
        limit: ConcurrencyLimit,
        *,
        merges: bool,
        report: Callable[[Report], None],
        clock: Callable[[], float],
        stopping: threading.Event,
        quotas: Quotas | None = None,
        streams: Sequence[int] = (0,),
        changed: threading.Condition | None = None,
    ) -> None:
        self._client = client
        self._merges = merges
        self._report = report
        self._clock = clock
        self._stopping = stopping
        self._open = OpenBatch(max_items)
        #: When the first item came into the open batch; None while it is empty.
        self._open_since: float | None = None
        #: The first record of each batch that was handed over and is not settled.
        self._handed: deque[int] = deque()
        self._unsettled_bytes = 0
        self._clients: list[BulkClient] = []
        self._threads: list[threading.Thread] = []
        app_window = quotas.app_window() if quotas else None
        self._app_quota = AppQuota(app_window, clock) if app_window else None
        identities = quotas.identity_limit() if quotas else None
        self._turns = Turns(
            Backlog(max_items, identities, merges=merges),
            limit,
            clock=clock,
            waits=lambda seconds, of_identities: report(QuotaWait(seconds, of_identities)),
            identities=identities,
            app=self._app_quota,
            streams=streams,
            changed=changed,
        )

    @property
    def unsettled_bytes(self) -> int:
        """Bytes handed over and not settled, about."""
        return self._unsettled_bytes

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
        """Seconds in which a sender waited for the app's quota."""
        return self._app_quota.throttled if self._app_quota else 0.0

    @property
    def under_way(self) -> int:
        """Batches handed over and not settled."""
        return len(self._handed)

    def add(self, items: Batch) -> None:
        """Puts items into the open batch; sends that whenever it is full.

        Where several streams come here, they say whose they are.
        """
        while (taken := self._open.extend(items)) < len(items):
            self.send_all()
            _, items = items.cut(taken)
        if self._open_since is None:
            self._open_since = self._clock()

    def drop(self, stream: int) -> tuple[int, ...]:
        """Lets go of all that waits of one of several streams; gives the numbers of its records."""
        gone, others = self._open.close().parted_by_stream(stream)
        self._open.open_again(others)
        if not others:
            self._open_since = None
        dropped = self._turns.drop(stream)
        self._batches_are_whole(dropped.batches, dropped.weight)
        return gone.positions + dropped.positions

    def first_unsettled(self) -> int | None:
        """The first record that was added and is not settled; None if all are."""
        # Batches count as settled in order, and the open one comes after them.
        return self._handed[0] if self._handed else self._open.first_position

    def next_due(self) -> float | None:
        """Seconds until the open batch has waited long enough; None if it is empty."""
        if self._open_since is None:
            return None
        return max(0.0, self._open_since + OPEN_AT_MOST - self._clock())

    def send_due(self) -> None:
        """Sends the open batch if it has waited long enough."""
        if self._open_since is not None and self._open_since <= self._clock() - OPEN_AT_MOST:
            self.send_all()

    def send_all(self) -> None:
        """Sends the open batch."""
        if self._open:
            batch = self._open.close()
            self._open_since = None
            self._handed.append(batch.positions[0])
            self._unsettled_bytes += batch.weight
            self._turns.add(batch)
            self._begin_senders()

    def end(self) -> None:
        """The source has ended."""
        self.send_all()

    def request_settled(self, report: RequestSettled) -> None:
        """Takes note of what was reported."""
        self._batches_are_whole(report.batches, report.weight)
        self._begin_senders()

    def _batches_are_whole(self, batches: int, weight: int) -> None:
        for _ in range(batches):
            self._handed.popleft()
        self._unsettled_bytes -= weight

    def stop(self) -> None:
        """Ends the senders: a request under way ends by itself, nothing new begins."""
        self._stopping.set()
        self._turns.stop()

    def join(self, late: float) -> None:
        """Waits, after `stop`, for requests under way, until it is `late` by the monotonic clock.

        What is not answered by then counts as not settled, and its thread is left alone.
        """
        for thread in self._threads:
            thread.join(max(0.0, late - time.monotonic()))

    def _begin_senders(self) -> None:
        for _ in range(self._turns.missing(len(self._threads))):
            client = self._client()
            sender = Sender(client, self._turns, self._merges, self._report, self._stopping)
            self._clients.append(client)
            self._threads.append(threads.begin(sender.run, f"sender {len(self._threads)}"))
