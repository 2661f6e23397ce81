"""One batch is settled: every item accepted by Heap, or rejected with a reason.

Heap most likely refuses a whole request for one bad item and names only the first fault, so a
refused batch is halved until the bad items stand alone: one bad item in 1,000 costs at most 20
more requests. Order is kept, the left half first, and so is each item's idempotency key.
"""

from collections.abc import Callable
from dataclasses import dataclass

from destination_heap_analytics.batches import Batch
from destination_heap_analytics.client import Settled
from destination_heap_analytics.replies import Accepted, Refused, TooLarge, reason_for

#: Sends a part of a batch, given its body, and returns Heap's answer to it.
Post = Callable[[Batch, bytes], Settled]


@dataclass(frozen=True, slots=True)
class Rejection:
    """The record at `position` cannot land."""

    position: int
    reason: str


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


def settle(batch: Batch, envelope: tuple[bytes, bytes], merges: bool, post: Post) -> Settlement:
    """Sends `batch`, in parts where Heap wants it so, until each item is settled."""
    rejections: list[Rejection] = []
    merged = 0
    parts = [batch]
    while parts:
        part = parts.pop()
        items = part.merged() if merges else part.bodies
        reply = post(part, envelope[0] + b",".join(items) + envelope[1])
        if isinstance(reply, Accepted):
            merged += len(part) - len(items)
        elif len(part) == 1:
            rejections.append(Rejection(part.positions[0], _reason(reply, part.bodies[0])))
        else:
            first, second = part.halves_by_size() if isinstance(reply, TooLarge) else part.halves()
            parts += [second, first]
    return Settlement(batch.positions, tuple(rejections), merged)


def _reason(reply: Refused | TooLarge, item: bytes) -> str:
    return "too_large_for_heap" if isinstance(reply, TooLarge) else reason_for(reply, item)
