"""What a lane may not send yet: a busy identity steps aside, the others go on. Pure.

Order is kept per identity, not between identities. Where an identity is over its quota, its items
are parked, and those of others that came later go first. Where updates of one identity become one
item, all that were parked go as one.
"""

from collections import deque
from dataclasses import dataclass

from bulk_destination.delivery.batches import MAX_BYTES, Batch, OpenBatch
from bulk_destination.delivery.quotas import IdentityLimit


@dataclass(slots=True)
class _Handed:
    """A batch as the owner handed it over: how many of its items are not settled."""

    batch: Batch
    left: int

    def items(self) -> "list[_Item]":
        """Its items one by one."""
        batch = self.batch
        columns = zip(batch.positions, batch.identities, batch.bodies, strict=True)
        return [_Item(self, *item) for item in columns]


@dataclass(frozen=True, slots=True)
class _Item:
    handed: _Handed
    position: int
    identity: str
    body: bytes


class Backlog:
    """The items of one lane, in the order they came, and the requests that may be made of them.

    A request has at most `max_items` items; those of one identity count as one if they merge.
    """

    def __init__(self, identities: IdentityLimit, max_items: int, *, merges: bool = False) -> None:
        self._identities = identities
        self._max_items = max_items
        self._merges = merges
        self._handed: deque[_Handed] = deque()
        #: Batches that were not taken apart: mostly they can go as they came.
        self._whole: deque[_Handed] = deque()
        self._fresh: deque[_Item] = deque()
        self._parked: dict[str, deque[_Item]] = {}
        #: The last pick: a batch as it came, or items.
        self._picked_whole: _Handed | None = None
        self._picked: list[_Item] = []

    def add(self, batch: Batch) -> None:
        """Takes in a batch behind those before it."""
        handed = _Handed(batch, len(batch))
        self._handed.append(handed)
        self._whole.append(handed)

    def pick(self, now: float, most: int | None = None) -> Batch:
        """The next request, of at most `most` items if given, within the quota of each identity.

        Empty if nothing may go now.
        """
        most = self._max_items if most is None else most
        self._picked, self._picked_whole = [], None
        if self._whole and not self._fresh and not self._parked:
            batch = self._whole[0].batch
            if len(batch) <= most and self._identities.may_all(batch.identities, now):
                self._picked_whole = self._whole.popleft()
                return batch
        request = _Request(self._identities, now, most, self._merges)
        self._pick_parked(request)
        self._pick_fresh(request)
        return request.batch.close()

    def put_back(self, count: int) -> None:
        """The last `count` items of the last pick are not sent now; they keep their places."""
        if (whole := self._picked_whole) is not None:
            self._picked_whole = None
            if count == len(whole.batch):
                self._whole.appendleft(whole)
                return
            self._picked = whole.items()
        for _ in range(count):
            item = self._picked.pop()
            self._parked.get(item.identity, self._fresh).appendleft(item)

    def settled(self) -> int:
        """The last pick is settled: how many of the oldest batches are whole now."""
        if self._picked_whole is not None:
            self._picked_whole.left = 0
        for item in self._picked:
            item.handed.left -= 1
        whole = 0
        while self._handed and not self._handed[0].left:
            self._handed.popleft()
            whole += 1
        return whole

    def opens_in(self, now: float) -> float | None:
        """Seconds until there is something to pick; None if nothing waits at all."""
        if self._fresh or self._whole:
            return 0.0
        limit = self._identities
        waits = [limit.opens_in(limit.uses((each,)), now) for each in self._parked]
        return min((wait for wait in waits if wait is not None), default=None)

    def _pick_parked(self, request: "_Request") -> None:
        for identity, parked in [*self._parked.items()]:
            while parked and request.may_hold(identity) and request.add(parked[0]):
                self._picked.append(parked.popleft())
            if not parked:
                del self._parked[identity]
            if request.is_full:
                return

    def _pick_fresh(self, request: "_Request") -> None:
        while not request.is_full and (self._fresh or self._whole):
            if not self._fresh:
                self._fresh.extend(self._whole.popleft().items())
            item = self._fresh[0]
            if item.identity in self._parked or not request.may_hold(item.identity):
                self._parked.setdefault(item.identity, deque()).append(item)
            elif request.add(item):
                self._picked.append(item)
            else:
                return
            self._fresh.popleft()


class _Request:
    """The request that a pick makes, and whether it has a place for more."""

    def __init__(self, identities: IdentityLimit, now: float, most: int, merges: bool) -> None:
        # Where items merge, it is known only here how many they will be.
        self.batch = OpenBatch(MAX_BYTES if merges else most)
        self.is_full = False
        self._identities, self._now = identities, now
        self._most, self._merges = most, merges
        #: What each identity may still send, less what this request took of it.
        self._room: dict[str, int] = {}
        self._inside: set[str] = set()

    def may_hold(self, identity: str) -> bool:
        """Whether the quota lets an item of `identity` into this request."""
        if identity not in self._room:
            self._room[identity] = self._identities.room(identity, self._now)
        return self._room[identity] > 0

    def add(self, item: _Item) -> bool:
        """Puts in an item that may go, if there is a place for it."""
        has_place = len(self._inside) < self._most or item.identity in self._inside
        if not (has_place and self.batch.add(item.position, item.identity, item.body)):
            self.is_full = True
            return False
        self._room[item.identity] -= 1
        if self._merges:
            self._inside.add(item.identity)
        else:
            self.is_full = len(self.batch) == self._most
        return True
