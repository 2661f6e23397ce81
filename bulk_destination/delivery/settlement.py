"""One batch is settled: every item accepted by the service, or rejected with a reason.

A service most likely refuses a whole request for one bad item and names only the first fault, so a
refused batch is halved until the bad items stand alone: one bad item in 1,000 costs at most 20
more requests. Order is kept, the left half first, and so is each item's idempotency key.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bulk_destination.delivery.batches import Batch
from bulk_destination.http.client import Settled
from bulk_destination.http.endpoint import Endpoint
from bulk_destination.http.replies import Accepted, Refused, TooLarge

#: Sends a part of a batch, given its body, and returns the service's answer to it.
Post = Callable[[Batch, bytes], Settled]


@dataclass(frozen=True, slots=True)
class Rejection:
    """The record at `position` cannot land."""

    position: int
    reason: str
    #: The service's answer, as far as it is kept. It may quote the record: for files only.
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Settlement:
    """The receipt of one batch: what of it was rejected, and what it took."""

    #: The numbers of all its records.
    positions: tuple[int, ...]
    rejections: tuple[Rejection, ...]
    merged: int

    @property
    def records(self) -> int:
        """How many there were."""
        return len(self.positions)


def settle(batch: Batch, endpoint: Endpoint, merges: bool, post: Post) -> Settlement:
    """Sends `batch`, in parts where the service wants it so, until each item is settled."""
    rejections: list[Rejection] = []
    merged = 0
    parts = [batch]
    while parts:
        part = parts.pop()
        items = part.merged() if merges else part.bodies
        reply = post(part, endpoint.body(items))
        if isinstance(reply, Accepted):
            merged += len(part) - len(items)
        elif len(part) == 1:
            rejections.append(_rejection(part.positions[0], reply, endpoint))
        else:
            first, second = part.halves_by_size() if isinstance(reply, TooLarge) else part.halves()
            parts += [second, first]
    return Settlement(batch.positions, tuple(rejections), merged)


def _rejection(position: int, reply: Refused | TooLarge, endpoint: Endpoint) -> Rejection:
    if isinstance(reply, TooLarge):
        return Rejection(position, f"too_large_for_{endpoint.service.lower()}")
    return Rejection(position, endpoint.words.reason(endpoint.service, reply.words), reply.answer)
