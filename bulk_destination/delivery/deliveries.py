"""What goes to several endpoints, and what of each stream is not settled. For the owner's thread.

Streams that go to one endpoint share its `Delivery`: its quotas, its order per identity. One
stream alone costs what its delivery costs; with several, the owner knows of each item whose it is.
"""

from collections.abc import Callable, Sequence

from bulk_destination.delivery.delivery import MAX_UNSETTLED_BYTES, Delivery
from bulk_destination.delivery.inbox import RequestSettled

#: Takes a record's number, its identity, its JSON and its key.
Add = Callable[[int, str, bytes, str], None]


class Deliveries:
    """`endpoints` says for each stream, by number, which of `deliveries` it goes by."""

    def __init__(self, deliveries: Sequence[Delivery], endpoints: Sequence[int]) -> None:
        self._deliveries = deliveries
        self._endpoints = endpoints
        #: By stream, the numbers of its records that are under way, in order.
        self._unsettled: list[dict[int, None]] = [{} for _ in endpoints]
        self._is_one = len(endpoints) == 1
        self._ended: set[int] = set()
        #: By stream, where its items go; None for one that is sent no more.
        self.add: list[Add | None] = [
            deliveries[endpoint].add if self._is_one else self._noting(stream, endpoint)
            for stream, endpoint in enumerate(endpoints)
        ]

    def _noting(self, stream: int, endpoint: int) -> Add:
        unsettled, add = self._unsettled[stream], self._deliveries[endpoint].add

        def note_and_add(position: int, identity: str, body: bytes, key: str) -> None:
            unsettled[position] = None
            add(position, identity, body, key)

        return note_and_add

    def drop(self, stream: int) -> None:
        """Takes no more of a stream; ends its endpoint where no other stream goes there.

        What waits there will not be settled.
        """
        self.add[stream] = None
        endpoint = self._endpoints[stream]
        for other, by in enumerate(self._endpoints):
            if by == endpoint and self.add[other] is not None:
                return
        self._deliveries[endpoint].stop()
        self._ended.add(endpoint)

    def has_ended(self, endpoint: int) -> bool:
        """Whether nothing of an endpoint is waited for."""
        return endpoint in self._ended

    @property
    def _going(self) -> list[Delivery]:
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

    def begun(self, stream: int) -> bool:
        """Whether there was anything to send by the stream's endpoint."""
        return self._deliveries[self._endpoints[stream]].begun

    def first_unsettled(self, stream: int) -> int | None:
        """The stream's first record that was added and is not settled; None if all are."""
        if self._is_one:
            return self._deliveries[0].first_unsettled()
        return next(iter(self._unsettled[stream]), None)

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

    def settled(self, endpoint: int, report: RequestSettled) -> dict[int, Sequence[int]]:
        """Takes note; gives the numbers of the records by stream."""
        self._deliveries[endpoint].request_settled(report)
        positions = report.settlement.positions
        if self._is_one:
            return {0: positions}
        found: dict[int, Sequence[int]] = {}
        for stream in (each for each, by in enumerate(self._endpoints) if by == endpoint):
            unsettled = self._unsettled[stream]
            if own := [position for position in positions if position in unsettled]:
                found[stream] = own
                for position in own:
                    del unsettled[position]
        return found

    def stop(self) -> None:
        """Ends the senders: a request under way ends by itself, nothing new begins."""
        for each in self._deliveries:
            each.stop()

    def join(self) -> None:
        """Waits, after `stop`, for requests under way; their timeouts bound it."""
        for each in self._deliveries:
            each.join()
