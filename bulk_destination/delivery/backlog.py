"""What waits to be sent, and the requests that may be made of it now. Pure.

All requests of a sync are made of one queue, so that they are full however many are under way.
Order is kept by key, and between items of different keys there is none. A batch goes as it came
where it can. Where some of its items may not go yet, they step aside and those behind them fill
the request:

- an item whose key is in a request under way, or in an item that stepped aside before it;
- an item about an identity that is over its quota, and those of it behind that.

Those that stepped aside go first as soon as they may. Where updates of one identity become one
item, all of them go as one.
"""

from collections import deque
from dataclasses import dataclass, field
from itertools import repeat

from bulk_destination.delivery.batches import MAX_BYTES, Batch, OpenBatch, item_weight
from bulk_destination.delivery.quotas import IdentityLimit


@dataclass(slots=True, eq=False)
class _Handed:
    """A batch as the owner handed it over: how many of its items are not settled."""

    batch: Batch
    left: int

    def items(self) -> "list[_Item]":
        """Its items one by one."""
        batch = self.batch
        streams = batch.streams or repeat(None, len(batch))
        columns = batch.positions, batch.identities, batch.keys, batch.bodies, streams
        return [_Item(self, *item) for item in zip(*columns, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class _Item:
    handed: _Handed
    position: int
    identity: str
    key: str
    body: bytes
    #: Where an endpoint has several.
    stream: int | None


@dataclass(slots=True, eq=False)
class _Aside:
    """Items that stepped aside for one identity or one key, in order, and all keys that were here.

    Whatever has such a key joins them, so that nothing passes.
    """

    name: str
    items: deque[_Item] = field(default_factory=deque)
    keys: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What was picked: a batch as it came, or items of several."""

    batch: Batch
    whole: _Handed | None = None
    items: tuple[_Item, ...] = ()


@dataclass(frozen=True, slots=True)
class Dropped:
    """What was let go: its records and weight, and how many of the oldest batches are whole now."""

    positions: tuple[int, ...]
    batches: int
    weight: int


class Backlog:
    """The items that wait, in the order they came, and those under way.

    A request has at most `max_items` items; those of one identity count as one if they merge.
    """

    def __init__(
        self, max_items: int, identities: IdentityLimit | None = None, *, merges: bool = False
    ) -> None:
        self.max_items = max_items
        self._identities = identities
        self._merges = merges
        #: All that is not settled, for the order in which batches become whole.
        self._handed: deque[_Handed] = deque()
        #: Batches that were not taken apart, and what is left of the one that was last.
        self._whole: deque[_Handed] = deque()
        self._fresh: deque[_Item] = deque()
        #: What stepped aside, by its name and by each of its keys; and what of it to look at: the
        #: rest waits for requests under way.
        self._aside: dict[str, _Aside] = {}
        self._aside_by_key: dict[str, _Aside] = {}
        self._to_look_at: dict[str, _Aside] = {}
        #: Keys of the requests under way; each is in one of them.
        self._busy: set[str] = set()

    def __len__(self) -> int:
        """Requests that wait, about."""
        return len(self._whole) + bool(self._fresh) + bool(self._to_look_at)

    def add(self, batch: Batch) -> None:
        """Takes in a batch behind those before it."""
        handed = _Handed(batch, len(batch))
        self._handed.append(handed)
        self._whole.append(handed)

    def pick(self, now: float, most: int | None = None) -> Request | None:
        """The next request, of at most `most` items if given; None if nothing may go now.

        It is under way until it is `settled` or `put_back`.
        """
        most = self.max_items if most is None else most
        if (handed := self._next_whole(now, most)) is not None:
            self._whole.popleft()
            request = Request(handed.batch, handed)
        else:
            making = _Making(self._identities, now, most, self._merges)
            self._pick_aside(making)
            self._pick_fresh(making)
            if not making.items:
                return None
            request = Request(making.batch.close(), items=tuple(making.items))
        self._busy.update(request.batch.keys)
        return request

    def put_back(self, request: Request) -> None:
        """The last pick is not sent now; its items keep their places."""
        self._free(request.batch.keys)
        if request.whole is not None:
            self._whole.appendleft(request.whole)
        for item in reversed(request.items):
            aside = self._aside_by_key.get(item.key) or self._aside.get(item.identity)
            if aside is None:
                self._fresh.appendleft(item)
            else:
                self._join(aside, item, first=True)

    def settled(self, request: Request) -> int:
        """It is settled: how many of the oldest batches are whole now."""
        self._free(request.batch.keys)
        if request.whole is not None:
            request.whole.left = 0
        for item in request.items:
            item.handed.left -= 1
        return self._oldest_whole()

    def drop(self, stream: int) -> "Dropped":
        """Lets go of all of a stream that is not under way, where an endpoint has several."""
        positions: list[int] = []
        weight = 0
        for handed in [*self._whole]:
            gone, handed.batch = handed.batch.parted_by_stream(stream)
            handed.left -= len(gone)
            positions += gone.positions
            weight += gone.weight
            if not handed.left:
                self._whole.remove(handed)
        for items in (self._fresh, *(aside.items for aside in self._aside.values())):
            kept = [item for item in items if item.stream != stream]
            for item in items:
                if item.stream == stream:
                    item.handed.left -= 1
                    positions.append(item.position)
                    weight += item_weight(item.identity, item.body, item.key)
            items.clear()
            items.extend(kept)
        for aside in [*self._aside.values()]:
            self._to_look_at[aside.name] = aside  # Another item may be its first.
            if not aside.items:
                self._end(aside)
        return Dropped(tuple(positions), self._oldest_whole(), weight)

    def _oldest_whole(self) -> int:
        whole = 0
        while self._handed and not self._handed[0].left:
            self._handed.popleft()
            whole += 1
        return whole

    def hold(self, key: str) -> bool:
        """Whether nothing of this key is under way; nothing will be, until it is let go."""
        if key in self._busy:
            return False
        self._busy.add(key)
        return True

    def let_go(self, key: str) -> None:
        """What was held may go again."""
        self._free((key,))

    def opens_in(self, now: float) -> float | None:
        """Seconds until there may be something to pick; None while that hangs on what comes."""
        if self._fresh or self._whole:
            return 0.0
        limit = self._identities
        if limit is None:
            return 0.0 if self._to_look_at else None
        waits = [
            limit.opens_in(limit.uses((aside.items[0].identity,)), now)
            for aside in self._to_look_at.values()
        ]
        return min((wait for wait in waits if wait is not None), default=None)

    def _next_whole(self, now: float, most: int) -> _Handed | None:
        """The next batch, if it may go as it came."""
        if not self._whole or self._fresh or self._may_look(now):
            return None
        handed = self._whole[0]
        batch, limit = handed.batch, self._identities
        may_go = (
            len(batch) <= most
            and self._busy.isdisjoint(batch.keys)
            and (not self._aside_by_key or self._aside_by_key.keys().isdisjoint(batch.keys))
            and (limit is None or limit.may_all(batch.identities, now))
        )
        return handed if may_go else None

    def _may_look(self, now: float) -> bool:
        """Whether something that stepped aside may go now, as far as a look tells."""
        limit = self._identities
        return any(
            limit is None or limit.room(aside.items[0].identity, now) > 0
            for aside in self._to_look_at.values()
        )

    def _pick_aside(self, making: "_Making") -> None:
        for aside in [*self._to_look_at.values()]:
            items = aside.items
            while items and items[0].key not in self._busy and making.may_hold(items[0].identity):
                if not making.add(items[0]):
                    return
                items.popleft()
            if not items:
                self._end(aside)
            elif items[0].key in self._busy:
                del self._to_look_at[aside.name]

    def _pick_fresh(self, making: "_Making") -> None:
        while not making.is_full and (self._fresh or self._whole):
            if not self._fresh:
                self._fresh.extend(self._whole.popleft().items())
            item = self._fresh[0]
            aside = self._aside_by_key.get(item.key) or self._aside.get(item.identity)
            if aside is not None:
                self._join(aside, item)
            elif item.key in self._busy:
                self._step_aside(item, item.key)
            elif not making.may_hold(item.identity):
                self._step_aside(item, item.identity)
            elif not making.add(item):
                return
            self._fresh.popleft()

    def _step_aside(self, item: _Item, name: str) -> None:
        aside = self._aside.setdefault(name, _Aside(name))
        self._join(aside, item)
        if aside.items[0].key not in self._busy:
            self._to_look_at[name] = aside

    def _join(self, aside: _Aside, item: _Item, *, first: bool = False) -> None:
        if first:
            aside.items.appendleft(item)
        else:
            aside.items.append(item)
        aside.keys.add(item.key)
        self._aside_by_key[item.key] = aside

    def _end(self, aside: _Aside) -> None:
        del self._aside[aside.name], self._to_look_at[aside.name]
        for key in aside.keys:
            del self._aside_by_key[key]

    def _free(self, keys: tuple[str, ...]) -> None:
        """They are not under way any more."""
        self._busy.difference_update(keys)
        if not self._aside_by_key:  # Mostly, and what is left would look at each key.
            return
        for key in self._aside_by_key.keys() & keys:
            aside = self._aside_by_key[key]
            self._to_look_at[aside.name] = aside


class _Making:
    """The request that a pick makes, and whether it has a place for more."""

    def __init__(
        self, identities: IdentityLimit | None, now: float, most: int, merges: bool
    ) -> None:
        # Where items merge, it is known only here how many they will be.
        self.batch = OpenBatch(MAX_BYTES if merges else most)
        self.items: list[_Item] = []
        self.is_full = False
        self._identities, self._now = identities, now
        self._most, self._merges = most, merges
        #: What each identity may still send, less what this request took of it.
        self._room: dict[str, int] = {}
        self._inside: set[str] = set()

    def may_hold(self, identity: str) -> bool:
        """Whether the quota lets an item of `identity` into this request."""
        if self._identities is None:
            return True
        if identity not in self._room:
            self._room[identity] = self._identities.room(identity, self._now)
        return self._room[identity] > 0

    def add(self, item: _Item) -> bool:
        """Puts in an item that may go, if there is a place for it."""
        has_place = len(self._inside) < self._most or item.identity in self._inside
        if not (has_place and self.batch.add(item.position, item.identity, item.body, item.key)):
            self.is_full = True
            return False
        self.items.append(item)
        if item.stream is not None:
            self.batch.is_of(item.stream)
        if self._identities is not None:
            self._room[item.identity] -= 1
        if self._merges:
            self._inside.add(item.identity)
        else:
            self.is_full = len(self.batch) == self._most
        return True
