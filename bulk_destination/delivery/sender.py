"""A lane's thread: one request after the other, each settled before the next.

With quotas, a lane makes its requests of what may go now. Each try of a request counts, so each
asks for its turn; who has waited longest gets what room there is.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final

from bulk_destination.delivery.backlog import Backlog
from bulk_destination.delivery.batches import Batch
from bulk_destination.delivery.inbox import LaneGaveUp, LaneReport, LaneSettled
from bulk_destination.delivery.quotas import IdentityLimit, Window
from bulk_destination.delivery.settlement import settle
from bulk_destination.errors import InterruptedSyncError
from bulk_destination.http.client import BulkClient
from bulk_destination.http.replies import Accepted, Settled, Unsettled
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
    """The app's quota, shared by all lanes: first come, first served. Thread-safe."""

    def __init__(self, window: Window, clock: Callable[[], float]) -> None:
        self._window = window
        self._clock = clock
        self._turns: deque[object] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        #: Seconds in which at least one lane waited here.
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


class Unlimited:
    """A lane without quotas: each batch is a request, and it may go at once."""

    def __init__(self, todo: "queue.SimpleQueue[Batch | None]") -> None:
        self._todo = todo

    def next_request(self) -> Batch | None:
        """The next request, when there is one; None at the end."""
        return self._todo.get()

    def settled(self) -> int:
        """The last request is settled: how many of the lane's oldest batches are whole now."""
        return 1

    def turn(self, part: Batch) -> AbstractContextManager[None]:  # noqa: ARG002  # as Limited
        """Each try of a request that sends `part` happens within."""
        return nullcontext()


class Limited:
    """A lane within quotas: its requests are made of what may go now."""

    def __init__(
        self,
        todo: "queue.SimpleQueue[Batch | None]",
        app: AppQuota | None,
        identities: IdentityLimit,
        backlog: Backlog,
        *,
        clock: Callable[[], float],
        pause: Callable[[float], bool],
        waits: Callable[[float, bool], None],
    ) -> None:
        self._todo = todo
        self._app = app
        self._identities = identities
        self._clock = clock
        self._pause = pause
        #: Told that this lane waits: seconds, and whether for single identities.
        self._waits = waits
        self._backlog = backlog
        #: Whether the next try was waited for when its request was made.
        self._entered = False

    def next_request(self) -> Batch | None:
        """The next request, when it may start; None at the end."""
        while self._collect(self._backlog.opens_in(self._clock())):
            if request := self._pick():
                self._entered = True
                return request
        return None

    def _pick(self) -> Batch:
        request = self._backlog.pick(self._clock())
        if self._app is None or not request:
            return request
        ready = len(request)
        self._backlog.put_back(ready)
        granted = self._enter(ready, self._app.scraps(ready))
        # Made only now: while it waited, an identity may have got room again.
        request = self._backlog.pick(self._clock(), granted)
        self._app.give_back(granted - len(request))
        return request

    def settled(self) -> int:
        """The last request is settled: how many of the lane's oldest batches are whole now."""
        return self._backlog.settled()

    @contextmanager
    def turn(self, part: Batch) -> Iterator[None]:
        """Each try of a request that sends `part` happens within; it begins when it may."""
        uses = self._identities.uses(part.identities)
        if self._entered:  # a request's first try: `next_request` waited for it
            self._entered = False
        else:
            while wait := self._identities.opens_in(uses, self._clock()):
                if self._pause(wait):
                    raise InterruptedSyncError("the sync was stopped while it waited for a quota")
            self._enter(len(part), len(part))
        self._identities.begin(uses)
        try:
            yield
        finally:
            self._identities.end(uses, self._clock())
            if self._app is not None:
                self._app.leave(len(part))

    def _enter(self, most: int, least: int) -> int:
        if self._app is None:
            return most
        return self._app.enter(most, least, lambda seconds: self._waits(seconds, False))

    def _collect(self, patience: float | None) -> bool:
        """Takes in the batches that came, waiting for one if need be; False at the end."""
        if patience is not None and patience > _WORTH_SAYING:
            self._waits(patience, True)
        try:
            batch = self._todo.get(timeout=patience)
            while batch is not None:
                self._backlog.add(batch)
                batch = self._todo.get_nowait()
        except queue.Empty:
            return True
        return False


class Landed:
    """How many requests of the sync the service has accepted. Thread-safe.

    Until there is one, one lane at a time asks: so a wrong configuration is found by one refused
    batch, not by several. After a failure, or enough refusals, none asks until the sync's owner
    has heard of it, and ends it.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._is_asking = False
        self._is_stopped = False
        self._refused = 0
        self.count = 0

    def one(self) -> None:
        """One more."""
        with self._changed:
            self.count += 1
            if self.count == 1:
                self._changed.notify_all()

    def begin(self) -> None:
        """A lane asks, when it has its turn."""
        with self._changed:
            while self._is_asking and not (self.count or self._is_stopped):
                self._changed.wait()
            self._is_asking = True

    def end(self, refused: int) -> None:
        """All of its request is settled; that many records were refused."""
        with self._changed:
            self._refused += refused
            self._is_asking = self._refused >= ENOUGH_TO_JUDGE
            self._changed.notify_all()

    def stop(self) -> None:
        """Ends all waiting."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()


@dataclass(slots=True)
class Sender:
    """What a lane's thread does all its life."""

    lane: int
    client: BulkClient
    quota: Unlimited | Limited
    merges: bool
    report: Callable[[LaneReport], None]
    stopping: threading.Event
    landed: Landed
    #: The record that was accepted last.
    _known: Batch | None = None

    def run(self) -> None:
        """Sends what comes until the end or the first failure, which it reports."""
        try:
            while request := self.quota.next_request():
                self.landed.begin()
                settlement = settle(request, self.client.endpoint, self.merges, self)
                self.landed.end(len(settlement.rejections))
                whole = self.quota.settled()
                self.report(LaneSettled(self.lane, whole, request.weight, settlement))
        except BaseException as error:  # noqa: BLE001  # reported to the owner, who raises it
            self.report(LaneGaveUp(self.lane, error))
        finally:
            self.client.close()

    @property
    def accepted(self) -> int:
        """As `Way.accepted`."""
        return self.landed.count

    def post(self, part: Batch, body: bytes, tried: int) -> Settled | Unsettled:
        """As `Way.post`."""
        if self.stopping.is_set():
            raise InterruptedSyncError("the sync was stopped")
        reply = self.client.post(body, lambda: self.quota.turn(part), tried)
        if isinstance(reply, Accepted):
            self.landed.one()
            last = part.last()
            self._known = last if last.size < _SMALL else None
        return reply

    def post_known(self) -> None:
        """As `Way.post_known`. Its identity has sent nothing since, so even an update stays."""
        endpoint = self.client.endpoint
        if self._known is not None and endpoint.takes_repeats:
            self.post(self._known, endpoint.body(self._known.bodies), 0)
