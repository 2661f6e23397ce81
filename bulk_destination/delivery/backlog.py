"""What a lane may not send yet: a busy identity steps aside, the others go on. Pure.

Order is kept per identity, not between identities. Where the events of an identity are over its
quota, they are parked, and those of others that came later go first.
"""

from collections import deque
from dataclasses import dataclass

from bulk_destination.delivery.batches import Batch, OpenBatch
from bulk_destination.delivery.quotas import Window


@dataclass(slots=True)
class _Handed:
    """A batch as the owner handed it over: how many of its items are not settled."""

    left: int


@dataclass(frozen=True, slots=True)
class _Item:
    handed: _Handed
    position: int
    identity: str
    body: bytes


class Backlog:
    """The items of one lane, in the order they came, and the requests that may be made of them."""

    def __init__(self, identities: Window, max_items: int) -> None:
        self._identities = identities
        self._max_items = max_items
        self._handed: deque[_Handed] = deque()
        self._fresh: deque[_Item] = deque()
        self._parked: dict[str, deque[_Item]] = {}
        #: The items of the last pick.
        self._picked: list[_Item] = []

    def add(self, batch: Batch) -> None:
        """Takes in a batch behind those before it."""
        handed = _Handed(len(batch))
        self._handed.append(handed)
        items = zip(batch.positions, batch.identities, batch.bodies, strict=True)
        self._fresh.extend(_Item(handed, *item) for item in items)

    def pick(self, now: float, most: int | None = None) -> Batch:
        """The next request, of at most `most` items if given, within the quota of each identity.

        Empty if nothing may go now.
        """
        most = self._max_items if most is None else most
        request, self._picked = OpenBatch(self._max_items), []
        room = _Room(self._identities, now)
        for parked in self._parked.values():
            while parked and len(request) < most and self._pick(parked[0], request, room):
                parked.popleft()
        self._parked = {identity: parked for identity, parked in self._parked.items() if parked}
        while self._fresh and len(request) < most:
            item = self._fresh[0]
            if item.identity in self._parked or room[item.identity] <= 0:
                self._parked.setdefault(item.identity, deque()).append(item)
            elif not self._pick(item, request, room):
                break
            self._fresh.popleft()
        return request.close()

    def put_back(self, count: int) -> None:
        """The last `count` items of the last pick are not sent now; they keep their places."""
        for _ in range(count):
            item = self._picked.pop()
            self._parked.get(item.identity, self._fresh).appendleft(item)

    def settled(self) -> int:
        """The last pick is settled: how many of the oldest batches are whole now."""
        for item in self._picked:
            item.handed.left -= 1
        whole = 0
        while self._handed and not self._handed[0].left:
            self._handed.popleft()
            whole += 1
        return whole

    def opens_in(self, now: float) -> float | None:
        """Seconds until there is something to pick; None if nothing waits at all."""
        if self._fresh:
            return 0.0
        waits = [self._identities.opens_in({each: 1}, now) for each in self._parked]
        return min((wait for wait in waits if wait is not None), default=None)

    def _pick(self, item: _Item, request: OpenBatch, room: "_Room") -> bool:
        """Whether `item` still goes into the request, and puts it there."""
        if room[item.identity] <= 0 or not request.add(item.position, item.identity, item.body):
            return False
        room[item.identity] -= 1
        self._picked.append(item)
        return True


class _Room(dict[str, int]):
    """What each identity may still send, less what this pick took of it."""

    def __init__(self, window: Window, now: float) -> None:
        super().__init__()
        self._window, self._now = window, now

    def __missing__(self, identity: str) -> int:
        room = self[identity] = self._window.room(identity, self._now)
        return room
