"""What goes to several endpoints, and what of each stream is not settled. For the owner's thread.

Streams that go to one endpoint share its `Delivery`: its quotas, its order per identity. A stream
that has an endpoint to itself costs what its delivery costs; of others the owner knows of each
item whose it is.

A stream may have to be given up, as the service refuses all of it, or as its endpoint is down. What
waits of it is let go, and what comes is left: no state behind the first of those may leave. The
other streams go on.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from bulk_destination.delivery.batches import Batch
from bulk_destination.delivery.delivery import MAX_UNSETTLED_BYTES, Delivery
from bulk_destination.delivery.held_delivery import HeldDelivery
from bulk_destination.delivery.inbox import RequestSettled

#: What requests under way have to be answered once the sync is to end. Kubernetes kills what has
#: not ended 30 seconds after SIGTERM; the last rejected records are to be saved within them, too.
#: Seconds.
GRACE: Final = 12.0


class Deliveries:
    """`endpoints` says for each stream, by number, which of `deliveries` it goes by."""

    def __init__(
        self, deliveries: Sequence[Delivery | HeldDelivery], endpoints: Sequence[int]
    ) -> None:
        self._deliveries = deliveries
        self.endpoints = endpoints
        #: By stream that shares its endpoint, the numbers of its records that are under way, in
        #: order.
        self._unsettled: dict[int, dict[int, None]] = {
            stream: {} for stream, by in enumerate(endpoints) if endpoints.count(by) > 1
        }
        self._given_up: set[int] = set()
        #: By stream that was given up, the first record that was left.
        self._left: dict[int, int] = {}
        self._ended: set[int] = set()

    def add(self, endpoint: int, items: Batch) -> Batch:
        """Takes in items with their streams; gives them without those of streams given up."""
        for stream in self._given_up.intersection(items.streams):
            left, items = items.parted_by_stream(stream)
            self.leave(stream, left.positions[0])
        if items and items.streams[0] in self._unsettled:
            for position, stream in zip(items.positions, items.streams, strict=True):
                self._unsettled[stream][position] = None
            self._deliveries[endpoint].add(items)
        elif items:  # All are of one, and nobody asks of which.
            self._deliveries[endpoint].add(replace(items, streams=()))
        return items

    def give_up(self, stream: int) -> None:
        """Sends no more of a stream; its endpoint ends where no other stream goes there."""
        self._given_up.add(stream)
        endpoint = self.endpoints[stream]
        if self._given_up.issuperset(self.streams_of(endpoint)):
            self._deliveries[endpoint].stop()
            self._ended.add(endpoint)
        else:
            for position in self._shared(endpoint).drop(stream):
                del self._unsettled[stream][position]
                self.leave(stream, position)

    def _shared(self, endpoint: int) -> Delivery:
        delivery = self._deliveries[endpoint]
        assert isinstance(delivery, Delivery)  # noqa: S101  # what is held is of one stream alone
        return delivery

    def leave(self, stream: int, position: int) -> None:
        """A record of a stream that is given up will not be settled."""
        self._left[stream] = min(position, self._left.get(stream, position))

    def streams_of(self, endpoint: int) -> list[int]:
        """The numbers of all that go there."""
        return [stream for stream, by in enumerate(self.endpoints) if by == endpoint]

    def has_ended(self, endpoint: int) -> bool:
        """Whether nothing of an endpoint is waited for."""
        return endpoint in self._ended

    @property
    def _going(self) -> list[Delivery | HeldDelivery]:
        return [each for at, each in enumerate(self._deliveries) if at not in self._ended]

    @property
    def has_room(self) -> bool:
        """Whether more input may be read."""
        return sum(each.unsettled_bytes for each in self._going) < MAX_UNSETTLED_BYTES

    @property
    def requests(self) -> int:
        """Requests sent so far, repeats included."""
        return sum(each.requests for each in self._deliveries)

    @property
    def retries(self) -> int:
        """Requests that repeated an earlier one."""
        return sum(each.retries for each in self._deliveries)

    @property
    def throttled_seconds(self) -> float:
        """Seconds in which a quota of an app held something up."""
        return sum(each.throttled_seconds for each in self._deliveries)

    @property
    def under_way(self) -> int:
        """Batches handed over and not settled."""
        return sum(each.under_way for each in self._going)

    def first_unsettled(self, stream: int) -> int | None:
        """The stream's first record that came to be sent and is not settled; None if all are."""
        unsettled = self._unsettled.get(stream)
        if unsettled is None:
            first = self._deliveries[self.endpoints[stream]].first_unsettled()
        else:
            first = next(iter(unsettled), None)
        firsts = (first, self._left.get(stream))
        return min((each for each in firsts if each is not None), default=None)

    def next_due(self) -> float | None:
        """Seconds until an open batch has waited long enough; None if all are empty."""
        due = [each.next_due() for each in self._going]
        return min((seconds for seconds in due if seconds is not None), default=None)

    def send_due(self) -> None:
        """Sends the open batches that have waited long enough."""
        for each in self._going:
            each.send_due()

    def send_all(self) -> None:
        """Sends all open batches."""
        for each in self._going:
            each.send_all()

    def end(self) -> None:
        """The source has ended: sends all that is left."""
        for each in self._going:
            each.end()

    @property
    def held_bytes(self) -> int | None:
        """Bytes that wait for the end of the source; None where nothing does."""
        held = [each.unsettled_bytes for each in self._going if isinstance(each, HeldDelivery)]
        return sum(held) if held else None

    def take_back(self, stream: int, key: str) -> Sequence[int]:
        """Sends nothing of a key that has not gone; the numbers of its records."""
        delivery = self._deliveries[self.endpoints[stream]]
        return delivery.take_back(key) if isinstance(delivery, HeldDelivery) else ()

    def settled(self, endpoint: int, report: RequestSettled) -> Mapping[int, Sequence[int]]:
        """Takes note; gives the numbers of the records by stream."""
        self._deliveries[endpoint].request_settled(report)
        positions, streams = report.settlement.positions, report.settlement.streams
        if not streams:
            return {self.endpoints.index(endpoint): positions}
        found: dict[int, list[int]] = {stream: [] for stream in sorted({*streams})}
        for position, stream in zip(positions, streams, strict=True):
            found[stream].append(position)
            self._unsettled[stream].pop(position, None)
        return found

    def stop(self) -> None:
        """Ends the senders: a request under way ends by itself, nothing new begins."""
        for each in self._deliveries:
            each.stop()

    def join(self) -> None:
        """Waits, after `stop`, for requests under way, `GRACE` seconds for all of them together."""
        late = time.monotonic() + GRACE
        for each in self._deliveries:
            each.join(late)
