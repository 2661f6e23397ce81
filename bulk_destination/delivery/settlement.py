"""One batch is settled: every item accepted by the service, or rejected with a reason.

A service most likely refuses a whole request for one bad item and names only the first fault, so a
refused batch is halved until the bad items stand alone: one bad item in 1,000 costs at most 20
more requests. Order is kept, the left half first, and so is each item's idempotency key.

What something else answers (a gateway's page, a firewall's) says nothing of the records by itself:
it may be down, or it may not like one of them. So these bytes are tried once more, then by halves.
A record that stands alone steps aside for those of others; it is rejected if it was turned away
again after the service had accepted something. Otherwise it is an outage, which the client gives
its time: then the same is asked again and again, and nothing is split further.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Final, Protocol

from bulk_destination.delivery.batches import Batch
from bulk_destination.http.client import verdict_on
from bulk_destination.http.endpoint import Endpoint
from bulk_destination.http.replies import (
    Accepted,
    NotTheService,
    Refused,
    Settled,
    TooLarge,
    Unsent,
    Unsettled,
    WrongAddress,
)

#: So many records that were turned away, and nothing accepted since, are no longer the records.
_PATTERN: Final = 2


class Way(Protocol):
    """How requests of a lane reach the service."""

    @property
    def accepted(self) -> int:
        """Requests of the whole sync that the service has accepted so far."""

    def post(self, part: Batch, body: bytes, tried: int) -> Settled | Unsettled:
        """Sends a part of a batch, given its body and how often it was sent before."""

    def post_known(self) -> None:
        """Sends something again that was accepted, where that changes nothing."""


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
    #: Where an endpoint has several, the streams of the records, and how many of each were merged.
    streams: tuple[int, ...] = ()
    merged_by_stream: Mapping[int, int] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """How many there were."""
        return len(self.positions)


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a batch, and what became of it so far."""

    items: Batch
    #: How often it was sent on end.
    tried: int = 0
    #: For one record that something else turned away: how much the service had accepted by then.
    turned_away_at: int | None = None


class Step(Enum):
    """What to do with a part that was not accepted."""

    REJECT = auto()
    HALVES = auto()
    AGAIN = auto()
    #: Those of others first.
    ASIDE = auto()
    #: Whoever answers there is not the service.
    END = auto()


def settle(batch: Batch, endpoint: Endpoint, merges: bool, way: Way) -> Settlement:
    """Sends `batch`, in parts where that helps, until each item is settled.

    Raises a SyncError where something else answers and the service has not shown itself.
    """
    rejections: list[Rejection] = []
    merged, merged_by_stream = 0, Counter[int]()
    #: The next is the last.
    parts = [Part(batch)]
    while parts:
        part = parts.pop()
        items = part.items.merged() if merges else part.items.bodies
        reply = way.post(part.items, endpoint.body(items), part.tried)
        if isinstance(reply, Accepted):
            if len(items) < len(part.items):
                merged += len(part.items) - len(items)
                if part.items.streams:
                    merged_by_stream += part.items.put_into_earlier()
            continue
        step = next_step(part, reply, way.accepted, parts)
        if step is Step.END and isinstance(reply, NotTheService | WrongAddress):
            raise verdict_on(endpoint, reply)
        match step:
            case Step.REJECT:
                rejections.append(rejection(part.items.positions[0], reply, endpoint))
            case Step.HALVES:
                by_size = isinstance(reply, TooLarge | Unsent)
                first, second = part.items.halves_by_size() if by_size else part.items.halves()
                parts += [Part(second), Part(first)]
            case Step.AGAIN:
                if part.tried and isinstance(reply, NotTheService):
                    way.post_known()
                parts.append(replace(part, tried=part.tried + 1))
            case Step.ASIDE:
                parts = _behind_others(Part(part.items, 0, way.accepted), parts)
    return Settlement(batch.positions, tuple(rejections), merged, batch.streams, merged_by_stream)


def next_step(
    part: Part, reply: Refused | TooLarge | Unsettled, accepted: int, others: Sequence[Part]
) -> Step:
    """By the reply, what the service has accepted so far, and what else is to be sent."""
    alone = len(part.items) == 1
    match reply:
        case Refused() | TooLarge():
            return Step.REJECT if alone else Step.HALVES
        case Unsent():
            return Step.HALVES if part.tried and not alone else Step.AGAIN
        case WrongAddress():
            return Step.AGAIN if accepted else Step.END
        case NotTheService(fault=fault):
            if not accepted:
                return Step.END if fault else _unproven(part, others)
            if not part.tried:
                return Step.AGAIN
            if part.turned_away_at is not None:
                return Step.REJECT if accepted > part.turned_away_at else Step.AGAIN
            if sum(other.turned_away_at == accepted for other in others) >= _PATTERN:
                return Step.AGAIN
            return Step.ASIDE if alone else Step.HALVES


def _unproven(part: Part, others: Sequence[Part]) -> Step:
    """The first request may hold what a firewall turns away: one record, but not two in a row."""
    if len(part.items) > 1:
        return Step.HALVES
    again = any(other.turned_away_at is not None for other in others)
    return Step.END if again or not others or part.turned_away_at is not None else Step.ASIDE


def _behind_others(part: Part, parts: Sequence[Part]) -> list[Part]:
    """`part`, of one record, behind those of others and before later ones of its own key."""
    own: list[Part] = []
    others: list[Part] = []
    for each in parts:
        mine, theirs = each.items.parted(part.items.keys[0])
        if not mine:
            others.append(each)
            continue
        own.append(Part(mine))
        if theirs:
            others.append(Part(theirs))
    return [*own, part, *others]


def rejection(
    position: int, reply: Refused | TooLarge | Unsettled, endpoint: Endpoint
) -> Rejection:
    """That of the record at `position`, by the reply to it alone."""
    match reply:
        case Refused(words, answer):
            return Rejection(position, endpoint.words.reason(endpoint.service, words), answer)
        case TooLarge():
            return Rejection(position, f"too_large_for_{endpoint.service.lower()}")
        case NotTheService(sign) | Unsent(sign) | WrongAddress(sign):
            return Rejection(position, f"turned away before {endpoint.service}: {sign}")
