"""What cannot be taken back is held until the source has ended well. Pure.

A record says who is meant, and by what key it is known. A later one of the same key takes its
place, or takes it back; of those that mean the same, one is sent. So what goes in the end is what
the source says in the end.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from bulk_destination.delivery.batches import Batch, OpenBatch
from bulk_destination.errors import ConfigurationError, Fault
from bulk_destination.http.jobs import Jobs

if TYPE_CHECKING:  # It knows what sends, which a plan has no need of, and is slow to import.
    from bulk_destination.delivery.settlement import Settlement

#: What a key weighs in memory beyond its bytes.
_OVERHEAD: Final = 500


@dataclass(frozen=True, slots=True)
class Hold:
    """For what cannot be taken back."""

    #: So many may go in one sync, and so many are counted beyond that: of more, the source is not
    #: read any further.
    most: int
    most_counted: int
    #: What is wrong where it is more than `most`; a number, or words for too many to count.
    too_many: Callable[[str], Fault]
    #: What they are, and what happens to them.
    unit: str
    deed: str
    jobs: Jobs


@dataclass(slots=True)
class _Meant:
    """Who is meant by the records of one key, and their numbers."""

    identity: str
    body: bytes
    positions: "array[int]"


@dataclass(frozen=True, slots=True)
class HeldBatch:
    """One request: who is meant, each once, and the numbers of all records that mean them."""

    batch: Batch
    #: By the number that stands for them in the batch, where there are more.
    more: Mapping[int, "array[int]"]

    def settlement(self, of_batch: "Settlement") -> "Settlement":
        """What became of all its records."""
        more = [each for positions in self.more.values() for each in positions]
        rejections = [*of_batch.rejections]
        for each in of_batch.rejections:
            others = self.more.get(each.position, ())
            rejections += [replace(each, position=position) for position in others]
        merged = len(more) - (len(rejections) - len(of_batch.rejections))
        return replace(
            of_batch,
            positions=(*of_batch.positions, *more),
            rejections=tuple(rejections),
            merged=merged,
            streams=(),
            merged_by_stream={},
        )


class Held:
    """What is held so far."""

    def __init__(self, hold: Hold, max_items: int) -> None:
        self._hold = hold
        self._max_items = max_items
        self._by_key: dict[str, _Meant] = {}
        #: By how many keys each is meant.
        self._meant: Counter[str] = Counter()
        #: Bytes it takes in memory, about.
        self.weight = 0

    def __len__(self) -> int:
        """How many are meant."""
        return len(self._meant)

    @property
    def first_position(self) -> int | None:
        """The number of the first record; None while nothing is held."""
        # Who takes another's place stands in it, so the first of the keys has the first record.
        first = next(iter(self._by_key.values()), None)
        return None if first is None else first.positions[0]

    def add(self, position: int, identity: str, body: bytes, key: str) -> None:
        """One more record. Raises ConfigurationError where it is one too many to count."""
        meant = self._by_key.get(key)
        if meant is None:
            meant = self._by_key[key] = _Meant(identity, body, array("Q"))
            self.weight += len(body) + len(identity) + len(key) + _OVERHEAD
        else:
            self._mean_no_more(meant.identity)
            meant.identity, meant.body = identity, body
        self._meant[identity] += 1
        meant.positions.append(position)
        self.weight += meant.positions.itemsize
        if len(self) > self._hold.most_counted:
            fault = self._hold.too_many(f"more than {self._hold.most_counted:,}")
            raise ConfigurationError([fault])

    def take_back(self, key: str) -> Sequence[int]:
        """Holds no record of `key` any more; gives their numbers."""
        meant = self._by_key.pop(key, None)
        if meant is None:
            return ()
        self._mean_no_more(meant.identity)
        return meant.positions

    def identities(self) -> list[str]:
        """Who is meant, in the order they came."""
        return list(dict.fromkeys(each.identity for each in self._by_key.values()))

    @property
    def fault(self) -> Fault | None:
        """What is wrong with so many, if they are too many."""
        return self._hold.too_many(f"{len(self):,}") if len(self) > self._hold.most else None

    def batches(self) -> list[HeldBatch]:
        """All that is held, as requests, in the order of the source; holds nothing then.

        Raises ConfigurationError if it is too much.
        """
        if self.fault is not None:
            raise ConfigurationError([self.fault])
        bodies: dict[str, bytes] = {}
        positions: dict[str, array[int]] = {}
        for each in self._by_key.values():
            bodies[each.identity] = each.body
            positions.setdefault(each.identity, array("Q")).extend(each.positions)
        self._by_key, self._meant, self.weight = {}, Counter(), 0
        made: list[HeldBatch] = []
        batch = OpenBatch(self._max_items)
        more: dict[int, array[int]] = {}
        for identity, body in bodies.items():
            first, *others = positions[identity]
            if not batch.add(first, identity, body, identity):
                made.append(HeldBatch(batch.close(), more))
                more = {}
                batch.add(first, identity, body, identity)
            if others:
                more[first] = array("Q", others)
        if batch:
            made.append(HeldBatch(batch.close(), more))
        return made

    def _mean_no_more(self, identity: str) -> None:
        self._meant[identity] -= 1
        if not self._meant[identity]:
            del self._meant[identity]
