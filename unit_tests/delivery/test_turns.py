"""Who may send what, and when: `Turns`, asked by threads as senders ask, by a clock of the test.

A thread that is to wait is seen to wait: `missing` counts those that do.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING

import pytest

from bulk_destination.delivery.backlog import Backlog, Request
from bulk_destination.delivery.batches import Batch
from bulk_destination.delivery.concurrency import Answer, ConcurrencyLimit, Try
from bulk_destination.delivery.quotas import IdentityLimit, Spacing, Window
from bulk_destination.delivery.sender import AppQuota, Begun, Turns
from bulk_destination.delivery.settlement import Rejection
from bulk_destination.errors import InterruptedSyncError
from bulk_destination.http.replies import Accepted, Refused, Reply, TryLater
from bulk_destination.ledger import ENOUGH_TO_JUDGE

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds after which a test has failed.
LATE = 10.0
TOO_MANY = TryLater("status 429", is_too_many=True)
STRAIN = TryLater("status 503", is_strain=True)


class Noting(ConcurrencyLimit):
    """Notes what it is told of answers."""

    def __init__(self, most: int) -> None:
        super().__init__(most, most, most)
        self.told: list[Answer] = []

    def end(self, ended: Try, answer: Answer, rows: int, now: float) -> None:
        self.told.append(answer)
        super().end(ended, answer, rows, now)


class Counting(threading.Condition):
    """Counts how often it wakes somebody."""

    def __init__(self) -> None:
        super().__init__()
        self.woken = 0

    def notify(self, n: int = 1) -> None:
        self.woken += 1
        super().notify(n)


class Asked:
    """A thread that asks for something; what came of it."""

    def __init__(self, ask: Callable[[], object]) -> None:
        self._came: queue.SimpleQueue[object] = queue.SimpleQueue()

        def run() -> None:
            try:
                self._came.put(ask())
            except InterruptedSyncError as error:
                self._came.put(error)

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    @property
    def answer(self) -> object:
        """What it got, once it has it."""
        answer = self._came.get(timeout=LATE)
        self._thread.join(LATE)
        return answer

    @property
    def has_answer(self) -> bool:
        return not self._came.empty()


class Sync:
    """Turns with some batches of one item each, and what a sender does with them."""

    def __init__(
        self,
        batches: str,
        most: int = 2,
        *,
        app: int | None = None,
        identities: IdentityLimit | None = None,
        items: int = 1,
    ) -> None:
        self.now = 0.0
        self.waits: list[tuple[float, bool]] = []
        self.limit = Noting(most)
        self.changed = Counting()
        self.backlog = Backlog(1_000, identities)
        self.app = AppQuota(Window(app, cells=1), lambda: self.now) if app else None
        self.turns = Turns(
            self.backlog,
            self.limit,
            clock=lambda: self.now,
            waits=lambda *wait: self.waits.append(wait),
            identities=identities,
            app=self.app,
            changed=self.changed,
        )
        for at, letter in enumerate(batches):
            self.turns.add(_batch(1 + at * items, letter * items))

    def begin(self) -> Begun:
        begun = self.turns.next_request()
        assert begun is not None
        return begun

    def end(self, begun: Begun, reply: Reply, rejections: int = 0) -> None:
        """The only try of a request is answered, and that settles it."""
        batch = begun.request.batch
        with self.turns.turn(batch, begun.first_try, is_whole=True) as told:
            told(reply)
        self.settle(begun.request, rejections)

    def settle(self, request: Request, rejections: int = 0) -> None:
        positions = request.batch.positions[:rejections]
        self.turns.settled(request, [Rejection(each, "refused") for each in positions])

    def asks(self) -> Asked:
        """A sender that waits for the next request."""
        requests = len(self.backlog)
        asked = Asked(self.turns.next_request)
        self.until(lambda: asked.has_answer or self.turns.missing(0) < min(1, requests))
        return asked

    def until(self, is_so: Callable[[], bool]) -> None:
        late = time.monotonic() + LATE
        while not is_so():
            assert time.monotonic() < late
            time.sleep(0)


def _batch(first: int, identities: str) -> Batch:
    positions = tuple(range(first, first + len(identities)))
    return Batch(positions, tuple(identities), (b"{}",) * len(identities), tuple(identities))


def sent(answer: object) -> str:
    """Whom the request that came is about."""
    assert isinstance(answer, Begun)
    return "".join(answer.request.batch.identities)


# -- until one is accepted ----------------------------------------------------------------------


def test_one_request_until_one_is_accepted() -> None:
    """A wrong configuration is found by one refused batch, and not by as many as may be."""
    sync = Sync("ab")
    assert sync.turns.missing(0) == 1
    first = sync.begin()
    second = sync.asks()
    assert not second.has_answer
    sync.end(first, Accepted())
    assert sent(second.answer) == "b"


def test_a_refused_one_is_followed_by_one() -> None:
    """As long as they are few: then none begins, and the owner, who hears of it, ends the sync."""
    sync = Sync("abc", items=ENOUGH_TO_JUDGE // 2)
    sync.end(sync.begin(), Refused("no"), rejections=ENOUGH_TO_JUDGE // 2)
    second = sync.begin()
    assert sent(second)[0] == "b"
    sync.end(second, Refused("no"), rejections=ENOUGH_TO_JUDGE // 2)
    third = sync.asks()
    assert not third.has_answer
    sync.turns.stop()
    assert third.answer is None


# -- a place among those under way --------------------------------------------------------------


def test_no_more_than_the_limit_are_under_way() -> None:
    """The next begins when one ends, whichever it is."""
    sync = Sync("abcd", most=2)
    sync.end(sync.begin(), Accepted())
    _, third = sync.begin(), sync.begin()
    fourth = sync.asks()
    assert not fourth.has_answer
    assert sync.limit.under_way == 2
    sync.end(third, Accepted())
    assert sent(fourth.answer) == "d"


def test_a_try_again_has_no_place_of_its_own() -> None:
    """While it waits for its time others may take its place, and it waits for the next."""
    sync = Sync("abc", most=1)
    sync.end(sync.begin(), Accepted())
    failed = sync.begin()
    batch = failed.request.batch
    with sync.turns.turn(batch, failed.first_try, is_whole=True) as told:
        told(STRAIN)
    other = sync.begin()
    assert sent(other) == "c"

    def again() -> str:
        with sync.turns.turn(batch, None, is_whole=True) as told:
            told(Accepted())
        return "sent"

    asked = Asked(again)
    assert sync.limit.under_way == 1
    sync.end(other, Accepted())
    assert asked.answer == "sent"
    assert sync.limit.told == [Answer.TAKEN, Answer.STRAINED, Answer.TAKEN, Answer.TAKEN]


def test_starts_are_apart_after_too_many() -> None:
    """Though there is work, and a place: the service said how many a second it takes."""
    sync = Sync("abc", most=3)
    sync.end(sync.begin(), Accepted())
    sync.now = 1.0
    sync.end(sync.begin(), TOO_MANY)
    third = sync.asks()
    assert not third.has_answer
    sync.now = 3.0
    sync.turns.add(_batch(4, "d"))  # Somebody looks again.
    assert sent(third.answer) == "c"


def test_nobody_is_woken_for_nothing() -> None:
    """Each time costs that others may not run, and it would be four times a request."""
    sync = Sync("ab", most=1)
    sync.end(sync.begin(), Accepted())
    second = sync.begin()
    waiting = sync.asks()
    sync.turns.add(_batch(3, "c"))
    assert sync.changed.woken == 0  # There is work, and no place.
    sync.end(second, Accepted())
    assert sent(waiting.answer) == "c"
    assert sync.changed.woken


def test_items_of_one_key_wait_for_each_other() -> None:
    """Though there is a place: the later one begins when the earlier one is settled, not before."""
    sync = Sync("aab", most=3)
    sync.end(sync.begin(), Accepted())
    first, other = sync.begin(), sync.begin()
    assert (sent(first), sent(other)) == ("a", "b")
    sync.turns.add(_batch(4, "a"))
    asked = Asked(sync.turns.next_request)
    sync.end(other, Accepted())
    assert not asked.has_answer
    sync.end(first, Accepted())
    assert sent(asked.answer) == "a"


def test_a_thread_for_each_request_that_could_go() -> None:
    """Not more than may be under way, nor than have work, nor beside those that wait for some."""
    sync = Sync("abcd", most=3)
    sync.end(sync.begin(), Accepted())
    assert sync.turns.missing(0) == 3
    assert sync.turns.missing(2) == 1
    sync.begin()
    assert sync.turns.missing(1) == 2
    sync.begin(), sync.begin()
    idle = Asked(sync.turns.next_request)
    sync.until(lambda: sync.turns.missing(3) < 0)
    sync.turns.stop()
    assert idle.answer is None


# -- what an answer says of the load ------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "is_whole", "answer"),
    [
        (Accepted(), True, Answer.TAKEN),
        (Accepted(), False, Answer.OTHER),
        (Refused("no"), True, Answer.OTHER),
        (STRAIN, True, Answer.STRAINED),
        (STRAIN, False, Answer.STRAINED),
        (TOO_MANY, True, Answer.TOO_MANY),
        (TryLater("a reset"), True, Answer.OTHER),
    ],
)
def test_what_an_answer_says(reply: Reply, is_whole: bool, answer: Answer) -> None:
    """A part of a batch is quicker than a whole one, so its time says nothing."""
    sync = Sync("a")
    begun = sync.begin()
    batch = begun.request.batch
    with sync.turns.turn(batch, begun.first_try, is_whole=is_whole) as told:
        told(reply)
    assert sync.limit.told == [answer]


def test_a_try_that_broke_is_over() -> None:
    """An error within gives the place back."""
    sync = Sync("a")
    begun = sync.begin()
    with (
        pytest.raises(OSError, match="broken"),
        sync.turns.turn(begun.request.batch, begun.first_try, is_whole=True),
    ):
        raise OSError("broken")
    assert sync.limit.told == [Answer.OTHER]
    assert sync.limit.under_way == 0


def test_a_429_within_a_quota_of_ours_is_no_rate() -> None:
    """The app's quota is kept already, and Heap's is by the minute: to slow down is no way out."""
    sync = Sync("a", app=10)
    sync.end(sync.begin(), TOO_MANY)
    assert sync.limit.told == [Answer.OTHER]


def test_a_429_beside_limits_of_identities_is_a_rate() -> None:
    """They say nothing of how many requests a service takes. Users always have one."""
    sync = Sync("a", identities=Spacing(30, 30.0, 64))
    sync.end(sync.begin(), TOO_MANY)
    assert sync.limit.told == [Answer.TOO_MANY]


# -- quotas -------------------------------------------------------------------------------------


def test_a_request_has_what_the_app_may_send() -> None:
    """Not more, and the rest goes a minute after the end of what used the quota up."""
    sync = Sync("a", app=3, items=5)
    first = sync.begin()
    assert sent(first) == "aaa"
    sync.end(first, Accepted())
    rest = Asked(sync.turns.next_request)
    sync.until(lambda: bool(sync.waits))
    [(seconds, of_identities)] = sync.waits
    assert (round(seconds, 3), of_identities) == (60.1, False)
    assert not rest.has_answer
    assert sync.app is not None
    sync.now = 60.2
    sync.app.give_back(0)  # Somebody looks again.
    assert sent(rest.answer) == "aa"


def test_what_a_quota_holds_up_is_not_under_way() -> None:
    """So it takes no place, and teaches the number nothing."""
    sync = Sync("ab", app=1, most=2)
    sync.end(sync.begin(), Accepted())
    waiting = Asked(sync.turns.next_request)
    sync.until(lambda: bool(sync.waits))
    assert sync.limit.under_way == 0
    sync.turns.stop()
    assert isinstance(waiting.answer, InterruptedSyncError)


def test_room_that_was_not_used_is_given_back() -> None:
    """A quota lets in what was looked at; what is made then may be less."""
    window = Window(10, cells=1)
    quota = AppQuota(window, lambda: 0.0)
    assert quota.enter(8, 1, lambda _: None) == 8
    quota.give_back(5)
    assert window.room("", 0.0) == 7
    quota.leave(3)
    assert window.room("", 60.2) == 10


def test_a_quota_is_not_used_by_what_another_took() -> None:
    """A sender was let in for a request that is under way by then: it gives all back, and waits."""
    sync = Sync("a", app=10, items=5)
    window = Window(10, cells=1)

    class Overtaken(AppQuota):
        def enter(self, most: int, least: int, waits: Callable[[float], None]) -> int:
            granted = super().enter(most, least, waits)
            assert sync.backlog.pick(0.0) is not None
            return granted

    turns = Turns(
        sync.backlog,
        sync.limit,
        clock=lambda: 0.0,
        waits=lambda *_: None,
        app=Overtaken(window, lambda: 0.0),
    )
    asked = Asked(turns.next_request)
    sync.until(lambda: turns.missing(0) < 0)
    assert window.room("", 0.0) == 10
    turns.stop()
    assert asked.answer is None


def test_an_identity_over_its_quota_steps_aside() -> None:
    """Others go; it is told once how long it waits, and goes when its minute is over."""
    sync = Sync("aab", identities=Window(1))
    sync.end(sync.begin(), Accepted())
    other = sync.begin()
    assert sent(other) == "b"
    sync.end(other, Accepted())
    late = Asked(sync.turns.next_request)
    sync.until(lambda: bool(sync.waits))
    [(seconds, of_identities)] = sync.waits
    assert (round(seconds, 3), of_identities) == (60.1, True)
    sync.now = 60.2
    sync.turns.add(_batch(4, "c"))  # Somebody looks again.
    assert sent(late.answer) in {"a", "ac"}


# -- the end, and what is known -----------------------------------------------------------------


def test_the_end() -> None:
    """Nothing begins any more, whether it was waiting or comes later; the same for a try again."""
    sync = Sync("ab", most=1)
    sync.end(sync.begin(), Accepted())
    begun = sync.begin()
    waiting = Asked(sync.turns.next_request)

    def again() -> None:
        with sync.turns.turn(begun.request.batch, None, is_whole=True):
            raise AssertionError("it was begun")

    retrying = Asked(again)
    sync.turns.stop()
    assert waiting.answer is None
    assert isinstance(retrying.answer, InterruptedSyncError)
    assert sync.turns.next_request() is None


def test_what_was_accepted_last_may_be_sent_again() -> None:
    """Until something of its key is sent; and meanwhile nothing of its key is."""
    sync = Sync("ab", most=3)
    sync.end(sync.begin(), Accepted())
    with sync.turns.known() as known:
        assert known is not None
        assert known.identities == ("a",)
        sync.turns.add(_batch(3, "a"))
        other = sync.begin()
        assert sent(other) == "b"
        asked = sync.asks()
        assert not asked.has_answer
    later = asked.answer
    assert isinstance(later, Begun)
    assert sent(later) == "a"
    with sync.turns.known() as known:
        assert known is None, "its key is under way"
    sync.end(later, Refused("no"))
    with sync.turns.known() as known:
        assert known is None, "nobody knows what was made of the later one"
