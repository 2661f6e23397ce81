"""The threads that send: each one request after the other, made of what waits for all of them.

A request is made when there is something that may go and a place for it among those under way.
Each of its tries counts, so each asks for its turn. Of the app's quota, who has waited longest
gets what room there is.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

from bulk_destination.delivery.backlog import Backlog, Dropped, Request
from bulk_destination.delivery.batches import Batch
from bulk_destination.delivery.concurrency import Answer, ConcurrencyLimit, Try
from bulk_destination.delivery.inbox import GaveUp, Report, RequestSettled
from bulk_destination.delivery.quotas import IdentityLimit, Window
from bulk_destination.delivery.settlement import Rejection, settle
from bulk_destination.errors import InterruptedSyncError
from bulk_destination.http.client import BulkClient, Told
from bulk_destination.http.replies import Accepted, Reply, Settled, TryLater, Unsettled
from bulk_destination.ledger import ENOUGH_TO_JUDGE

#: The app's key in its window.
_APP: Final = ""
#: A new request is not made for less than this share of the quota, unless that is all there is:
#: scraps would cost a request each. What lies idle for it is half a percent.
_SCRAPS: Final = 200
#: Bytes of a record that is kept to be sent again.
_SMALL: Final = 10_000
#: Shorter waits are not worth a word. Seconds.
_WORTH_SAYING: Final = 1.0


class AppQuota:
    """The app's quota, shared by all senders: first come, first served. Thread-safe."""

    def __init__(self, window: Window, clock: Callable[[], float]) -> None:
        self._window = window
        self._clock = clock
        self._turns: deque[object] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        #: Seconds in which at least one sender waited here.
        self.throttled = 0.0

    def enter(self, most: int, least: int, waits: Callable[[float], None]) -> int:
        """Waits until a try may start with `least` events; returns with how many, up to `most`.

        `waits` is told once, how long, if it is worth it. Raises InterruptedSyncError when the
        sync ends meanwhile.
        """
        turn = object()
        said = False
        with self._changed:
            self._turns.append(turn)
            try:
                while not self._stopped:
                    now = self._clock()
                    wait, is_next = None, self._turns[0] is turn
                    if is_next:
                        wait = self._window.opens_in({_APP: least}, now)
                        if wait == 0:
                            granted = min(most, self._window.room(_APP, now))
                            self._window.begin({_APP: granted})
                            return granted
                        if wait is not None and wait > _WORTH_SAYING and not said:
                            said = True
                            waits(wait)
                    self._changed.wait(wait)
                    if is_next:
                        self.throttled += self._clock() - now
                raise InterruptedSyncError("the sync was stopped while it waited for the quota")
            finally:
                self._turns.remove(turn)
                self._changed.notify_all()

    def give_back(self, count: int) -> None:
        """A try that entered has `count` events less than it asked for."""
        with self._changed:
            self._window.begin({_APP: -count})
            self._changed.notify_all()

    def leave(self, count: int) -> None:
        """A try that entered with `count` events has ended."""
        with self._changed:
            self._window.end({_APP: count}, self._clock())
            self._changed.notify_all()

    def scraps(self, count: int) -> int:
        """The least that a new request of up to `count` events is made for."""
        return min(count, max(1, self._window.limit // _SCRAPS))

    def stop(self) -> None:
        """Ends all waiting."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()


@dataclass(frozen=True, slots=True)
class Begun:
    """A request whose first try has begun."""

    request: Request
    first_try: "_Turn"


@dataclass(frozen=True, slots=True)
class _Turn:
    """A try that has begun: as the limit knows it, and what it uses of the identities' quota."""

    known_as: Try
    uses: Mapping[Any, int]


class Turns:
    """Who may send what, and when: all senders ask here. Thread-safe.

    `waits` is told that something waits for a quota of its own: seconds, and whether for that of
    single identities. Where several endpoints share places, each has a `changed` by the same lock.
    """

    def __init__(
        self,
        backlog: Backlog,
        limit: ConcurrencyLimit,
        *,
        clock: Callable[[], float],
        waits: Callable[[float, bool], None],
        identities: IdentityLimit | None = None,
        app: AppQuota | None = None,
        streams: Sequence[int] = (0,),
        changed: threading.Condition | None = None,
    ) -> None:
        self._backlog = backlog
        self._limit = limit
        self._streams = frozenset(streams)
        self._clock = clock
        self._waits = waits
        self._identities = identities
        self._app = app
        #: Held while any of these is looked at or changed; told when one is.
        self._changed = threading.Condition() if changed is None else changed
        limit.when_there_is_room(self._tell)
        self._stopped = False
        #: How many requests the service has accepted.
        self.accepted = 0
        #: Streams of which nothing was accepted yet, and those of them in a request under way.
        #: While there is one, no other is made of the backlog: so a wrong configuration is found by
        #: one refused batch, not by several. After a failure, or enough refusals, none is made
        #: until the sync's owner has heard of it, and ends the sync or drops the stream.
        self._unproven = set(streams)
        self._asking: set[int] = set()
        self._refused: Counter[int] = Counter()
        #: The record that was accepted last, if nothing of its key was sent since.
        self._known: Batch | None = None
        self._idle = 0
        self._retrying = 0
        self._said_until = 0.0

    # -- for the owner's thread

    def add(self, batch: Batch) -> None:
        """A batch is to be sent."""
        with self._changed:
            self._backlog.add(batch)
            self._tell()

    def missing(self, senders: int) -> int:
        """How many more than `senders` would have something to send."""
        with self._changed:
            most = self._limit.limit if self.accepted else 1
            return min(most - senders, len(self._backlog) - self._idle)

    def drop(self, stream: int) -> Dropped:
        """As `Backlog.drop`."""
        with self._changed:
            self._unproven.discard(stream)
            self._asking.discard(stream)
            dropped = self._backlog.drop(stream)
            self._tell()
        return dropped

    def stop(self) -> None:
        """Ends all waiting: no request begins any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._app is not None:
            self._app.stop()

    # -- for the senders' threads

    def next_request(self) -> Begun | None:
        """The next request, when it may start; None at the end.

        Raises InterruptedSyncError where the end comes while it waits for the app's quota.
        """
        while (ready := self._ready()) is not None:
            granted = self._enter(ready)
            with self._changed:
                begun = self._begin_next(granted)
            if self._app is not None:
                self._app.give_back(granted - (len(begun.request.batch) if begun else 0))
            if begun is not None:
                return begun
        return None

    def settled(self, request: Request, rejections: Sequence[Rejection]) -> int:
        """It is settled, with these refused: how many of the oldest batches are whole now."""
        with self._changed:
            if self._unproven:
                self._count(request.batch, {each.position for each in rejections})
            whole = self._backlog.settled(request)
            self._tell()
        return whole

    @contextmanager
    def turn(self, part: Batch, first: _Turn | None, *, is_whole: bool) -> Iterator[Told]:
        """Each try of a request that sends `part` happens within, when it may.

        `first` is what `next_request` began already. What comes is told what was replied.
        Raises InterruptedSyncError when the sync ends before it may.
        """
        turn = first or self._begin_again(part)
        replies: list[Reply] = []
        try:
            yield replies.append
        finally:
            reply = replies[0] if replies else None
            with self._changed:
                now = self._clock()
                if isinstance(reply, Accepted):
                    self.accepted += 1
                    if self._unproven:
                        self._unproven -= self._of(part)
                        self._asking &= self._unproven
                    last = part.last()
                    self._known = last if last.size < _SMALL else None
                if self._identities is not None:
                    self._identities.end(turn.uses, now)
                self._limit.end(turn.known_as, self._answer(reply, is_whole), len(part), now)
                self._tell()
            if self._app is not None:
                self._app.leave(len(part))

    @contextmanager
    def known(self) -> Iterator[Batch | None]:
        """The record that was accepted last, where sending it again changes nothing.

        Nothing of its key was sent since, nor is meanwhile; so even an update stays.
        """
        with self._changed:
            known = self._known
            held = known is not None and self._backlog.hold(known.keys[0])
        try:
            yield known if held else None
        finally:
            if known is not None and held:
                with self._changed:
                    self._backlog.let_go(known.keys[0])
                    self._tell()

    def _ready(self) -> int | None:
        """Items that a request may be made of now, when there are some; None at the end."""
        with self._changed:
            self._idle += 1
            try:
                while self._await(self._opens_in):
                    if self._app is None:
                        return self._backlog.max_items
                    # Looked at, and left where it is: it is made when the quota lets it.
                    request = self._backlog.pick(self._clock())
                    if request is not None:
                        self._backlog.put_back(request)
                        return len(request.batch)
            finally:
                self._idle -= 1
        return None

    def _opens_in(self) -> float | None:
        """Seconds until a request may be made; None while nobody can tell."""
        if self._asking:
            return None
        now = self._clock()
        work, place = self._backlog.opens_in(now), self._limit.opens_in(now)
        if work is None or place is None:
            return None
        if work > _WORTH_SAYING and now + work > self._said_until:
            self._said_until = now + work
            self._waits(work, True)
        return max(work, place)

    def _await(self, opens_in: Callable[[], float | None]) -> bool:
        """Waits until something is open; False at the end."""
        while not self._stopped:
            wait = opens_in()
            if wait == 0:
                return True
            self._changed.wait(wait)
        return False

    def _begin_next(self, most: int) -> Begun | None:
        if self._stopped or self._opens_in() != 0:
            return None
        request = self._backlog.pick(self._clock(), most)
        if request is None:
            return None
        if self._unproven:
            self._asking |= self._unproven & self._of(request.batch)
        if self._known is not None and self._known.keys[0] in request.batch.keys:
            self._known = None
        begun = Begun(request, self._begin(request.batch))
        self._tell()  # There may be more for another.
        return begun

    def _of(self, batch: Batch) -> frozenset[int]:
        """The streams of a batch."""
        return frozenset(batch.streams) or self._streams

    def _count(self, batch: Batch, refused: set[int]) -> None:
        """A request with streams that may be unproven is settled."""
        streams = batch.streams or [*self._streams] * len(batch)
        rows = zip(batch.positions, streams, strict=True)
        self._refused.update(stream for position, stream in rows if position in refused)
        self._asking = {
            stream
            for stream in self._asking
            if stream not in self._of(batch) or self._refused[stream] >= ENOUGH_TO_JUDGE
        }

    def _begin_again(self, part: Batch) -> _Turn:
        limit = self._identities
        uses = limit.uses(part.identities) if limit is not None else {}

        def opens_in() -> float | None:
            now = self._clock()
            place = self._limit.opens_in(now)
            quota = limit.opens_in(uses, now) if limit is not None else 0.0
            return None if place is None or quota is None else max(place, quota)

        while True:
            with self._changed:
                self._retrying += 1
                is_open = self._await(opens_in)
                self._retrying -= 1
            if not is_open:
                raise InterruptedSyncError("the sync was stopped while a request waited")
            granted = self._enter(len(part), len(part))
            with self._changed:
                if not self._stopped and opens_in() == 0:
                    return self._begin(part)
            if self._app is not None:
                self._app.give_back(granted)

    def _begin(self, part: Batch) -> _Turn:
        uses: Mapping[Any, int] = {}
        if self._identities is not None:
            uses = self._identities.uses(part.identities)
            self._identities.begin(uses)
        return _Turn(self._limit.begin(self._clock()), uses)

    def _enter(self, most: int, least: int | None = None) -> int:
        if self._app is None:
            return most
        least = self._app.scraps(most) if least is None else least
        return self._app.enter(most, least, lambda seconds: self._waits(seconds, False))

    def _answer(self, reply: Reply | None, is_whole: bool) -> Answer:
        """What the reply says of the load."""
        match reply:
            case Accepted() if is_whole:
                return Answer.TAKEN
            # With a quota of the app's, that is kept, and no other rate is looked for.
            case TryLater(is_too_many=True) if self._app is None:
                return Answer.TOO_MANY
            case TryLater(is_strain=True):
                return Answer.STRAINED
        return Answer.OTHER

    def _tell(self) -> None:
        """Wakes one who waits, and it the next; all, where some cannot take what others can.

        Nobody, where there is nothing to take: to wake costs each time that others may not run.
        """
        if self._retrying:
            self._changed.notify_all()
        elif self._idle and self._opens_in() is not None:
            self._changed.notify()


@dataclass(slots=True)
class Sender:
    """What a thread that sends does all its life."""

    client: BulkClient
    turns: Turns
    merges: bool
    report: Callable[[Report], None]
    stopping: threading.Event
    #: Items of the request under way.
    _size: int = 0
    #: The turn of the next try, where it has begun already.
    _turn: _Turn | None = None
    #: The record of this request that was accepted last: nobody else sends its key meanwhile.
    _own: Batch | None = None

    def run(self) -> None:
        """Sends what comes until the end or the first failure, which it reports."""
        try:
            while begun := self.turns.next_request():
                batch = begun.request.batch
                self._size, self._turn, self._own = len(batch), begun.first_try, None
                settlement = settle(batch, self.client.endpoint, self.merges, self)
                whole = self.turns.settled(begun.request, settlement.rejections)
                self.report(RequestSettled(whole, batch.weight, settlement))
        except BaseException as error:  # noqa: BLE001  # reported to the owner, who raises it
            self.report(GaveUp(error))
        finally:
            self.client.close()

    @property
    def accepted(self) -> int:
        """As `Way.accepted`."""
        return self.turns.accepted

    def post(self, part: Batch, body: bytes, tried: int) -> Settled | Unsettled:
        """As `Way.post`."""
        if self.stopping.is_set():
            raise InterruptedSyncError("the sync was stopped")
        reply = self.client.post(body, lambda: self._next_turn(part), tried)
        if isinstance(reply, Accepted):
            last = part.last()
            self._own = last if last.size < _SMALL else None
        return reply

    def post_known(self) -> None:
        """As `Way.post_known`."""
        endpoint = self.client.endpoint
        if not endpoint.takes_repeats:
            return
        with self.turns.known() if self._own is None else nullcontext(self._own) as known:
            if known is not None:
                self.post(known, endpoint.body(known.bodies), 0)

    def _next_turn(self, part: Batch) -> AbstractContextManager[Told]:
        first, self._turn = self._turn, None
        return self.turns.turn(part, first, is_whole=len(part) == self._size)
