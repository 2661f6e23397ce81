"""Payloads become batches: one bulk request's worth each, in order. Pure.

Each payload was serialised once, when it was mapped. A batch only joins those bytes, so its size
is known by adding, and half a batch is a slice.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, compress
from typing import Any, Final

import orjson

#: Services publish no limit on a body's size. One that is not taken (413) is split.
MAX_BYTES: Final = 1_000_000
#: What an item weighs in memory besides its bytes: its number, its identity, their headers; and
#: its key, where that is not the identity.
_ITEM_OVERHEAD: Final = 200
_KEY_OVERHEAD: Final = 90


def item_weight(identity: str, body: bytes, key: str) -> int:
    """An item's part of what its batch weighs."""
    return _weight(len(body), 1, has_keys=key != identity)


def _weight(size: int, count: int, *, has_keys: bool) -> int:
    # Twice: an item, and its part of the body.
    return 2 * size + (_ITEM_OVERHEAD + (_KEY_OVERHEAD if has_keys else 0)) * count


@dataclass(frozen=True, slots=True)
class Batch:
    """Items for one request. The columns run in parallel.

    `positions` are the numbers of the records in the sync, from 1; `identities` say whom each
    item is about; `bodies` are the items' JSON; items with the same of `keys` stay in order.
    `streams` are their numbers; it is empty where an endpoint has one stream only.
    """

    positions: tuple[int, ...]
    identities: tuple[str, ...]
    bodies: tuple[bytes, ...]
    keys: tuple[str, ...]
    streams: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def size(self) -> int:
        """Bytes of all items."""
        return sum(map(len, self.bodies))

    @property
    def weight(self) -> int:
        """Bytes it takes in memory while it is under way, about: its items, and their body."""
        has_keys = self.keys[:1] != self.identities[:1]
        return _weight(self.size, len(self), has_keys=has_keys)

    def halves(self) -> tuple["Batch", "Batch"]:
        """The first and the second half, by count; a batch of one has none."""
        return self.cut(len(self) // 2)

    def halves_by_size(self) -> tuple["Batch", "Batch"]:
        """Two parts of about the same bytes, none empty."""
        half, seen = self.size / 2, 0
        for index, body in enumerate(self.bodies[:-1], start=1):
            seen += len(body)
            if seen >= half:
                return self.cut(index)
        return self.cut(len(self) - 1)

    def cut(self, at: int) -> tuple["Batch", "Batch"]:
        """The batch before and from index `at`."""
        return self._part(slice(at)), self._part(slice(at, None))

    def _part(self, part: slice) -> "Batch":
        return Batch(
            self.positions[part],
            self.identities[part],
            self.bodies[part],
            self.keys[part],
            self.streams[part],
        )

    def last(self) -> "Batch":
        """Its last item alone."""
        return self._part(slice(-1, None))

    def parted(self, key: str) -> tuple["Batch", "Batch"]:
        """The items of one key, and all others."""
        return self._chosen(each == key for each in self.keys)

    def parted_by_stream(self, stream: int) -> tuple["Batch", "Batch"]:
        """The items of one stream, and all others."""
        return self._chosen(each == stream for each in self.streams)

    def _chosen(self, which: Iterable[bool]) -> tuple["Batch", "Batch"]:
        """The items that are chosen, and all others."""
        chosen = [*which]
        others = [not each for each in chosen]
        return self._kept(chosen), self._kept(others)

    def _kept(self, which: Sequence[bool]) -> "Batch":
        return Batch(
            tuple(compress(self.positions, which)),
            tuple(compress(self.identities, which)),
            tuple(compress(self.bodies, which)),
            tuple(compress(self.keys, which)),
            tuple(compress(self.streams, which)),
        )

    def merged(self) -> "list[bytes]":
        """The items with all updates of one identity made one, later values winning.

        A merged item stands where its identity first came. Only items that share an identity are
        parsed and written again.
        """
        if len(set(self.identities)) == len(self.identities):
            return list(self.bodies)
        items: dict[str, bytes | dict[str, Any]] = {}
        for identity, body in zip(self.identities, self.bodies, strict=True):
            earlier = items.get(identity)
            if earlier is None:
                items[identity] = body
                continue
            if isinstance(earlier, bytes):
                earlier = items[identity] = orjson.loads(earlier)
            earlier["properties"].update(orjson.loads(body)["properties"])
        return [item if isinstance(item, bytes) else orjson.dumps(item) for item in items.values()]

    def put_into_earlier(self) -> Counter[int]:
        """How many updates `merged` puts into an earlier one, by their streams."""
        seen: set[str] = set()
        found: Counter[int] = Counter()
        for identity, stream in zip(self.identities, self.streams, strict=True):
            if identity in seen:
                found[stream] += 1
            seen.add(identity)
        return found


@dataclass(slots=True)
class OpenBatch:
    """A batch that still takes items."""

    #: The most that one request may have.
    max_items: int
    size: int = 0
    # Columns, not a list of items: no tuple is made for each, which would be taken apart
    # again, and be looked at by the garbage collector.
    _positions: list[int] = field(default_factory=list)
    _identities: list[str] = field(default_factory=list)
    _bodies: list[bytes] = field(default_factory=list)
    _keys: list[str] = field(default_factory=list)
    #: Where an endpoint has several.
    _streams: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def first_position(self) -> int | None:
        """The number of its first item's record; None while it is empty."""
        return self._positions[0] if self._positions else None

    def add(self, position: int, identity: str, body: bytes, key: str) -> bool:
        """Appends an item, if both limits allow it; an empty batch takes any."""
        count = len(self._positions)
        size = self.size + len(body)
        if count and (count >= self.max_items or size + count >= MAX_BYTES):
            return False
        self._positions.append(position)
        self._identities.append(identity)
        self._bodies.append(body)
        self._keys.append(key)
        self.size = size
        return True

    def is_of(self, stream: int) -> None:
        """Says of the item that was added last which stream it is of."""
        self._streams.append(stream)

    def extend(self, items: Batch) -> int:
        """Appends the first of `items`, as far as `add` would: how many."""
        count, bodies = len(self._positions), items.bodies
        most = min(len(bodies), self.max_items - count)
        size = self.size + sum(map(len, bodies[:most]))
        if size + count + most > MAX_BYTES:
            sizes = [*accumulate(map(len, bodies[:most]), initial=self.size)]
            fits = bisect_left(range(most), MAX_BYTES, key=lambda at: sizes[at + 1] + count + at)
            most = fits or int(not count)
            size = sizes[most]
        self._positions += items.positions[:most]
        self._identities += items.identities[:most]
        self._bodies += bodies[:most]
        self._keys += items.keys[:most]
        self._streams += items.streams[:most]
        self.size = size
        return most

    def close(self) -> Batch:
        """What was added, frozen; this batch is empty again."""
        batch = Batch(
            tuple(self._positions),
            tuple(self._identities),
            tuple(self._bodies),
            tuple(self._keys),
            tuple(self._streams),
        )
        self.size = 0
        for column in (self._positions, self._identities, self._bodies, self._keys, self._streams):
            column.clear()
        return batch

    def open_again(self, batch: Batch) -> None:
        """Takes back what is left of what it was; it is empty now."""
        self.size = batch.size
        self._positions += batch.positions
        self._identities += batch.identities
        self._bodies += batch.bodies
        self._keys += batch.keys
        self._streams += batch.streams
