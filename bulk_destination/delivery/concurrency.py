"""How many requests may be under way at once, found by what answers took. Pure: time is handed in.

Nobody knows the right number for their line, and one that is right at noon is wrong at night. So
it is tried: a few more requests at once, and where they bring more rows a second, they stay.

- **More is tried, and kept if it pays.** From a small start the number doubles, later it takes
  steps of a quarter, up and down, which get longer while they pay. More stays only where it
  brought at least half of what it could; less stays where nearly nothing was lost. A trial that
  fails is made once more: one slow moment says little. Speed is reckoned by Little's law, requests
  under way divided by the time of an answer. That is the hill climbing of PCC (Dong et al., NSDI
  2015), in rounds as in TCP's slow start (RFC 5681).
- **Strain makes it fall at once**: the service cannot serve now (503), does not answer in time, or
  answers take twice as long as at the same number before (the gradient of Envoy's adaptive
  concurrency and of Netflix's `Gradient2Limit`). A trial falls back to where it came from; else
  three tenths go, as in AIMD (Chiu and Jain, 1989; `AIMDLimit` of Netflix's concurrency-limits).
  One 503 in a round may be anyone's; the second is strain.
- **"Too many requests" (429) is about a rate.** No number of requests at once keeps to one: where
  an answer takes 5 ms, a single one makes 200 a second. So tries then start at even distances, a
  little slower than what was taken lately, and faster again along the curve of CUBIC (RFC 9438),
  as AWS's SDKs pace themselves (botocore's adaptive retry mode).
- **What held the sync up elsewhere teaches nothing.** Where the input, a quota of ours or memory
  is what bounds, fewer requests are under way than may be. Such a round is not judged, and what
  nobody used of the number is taken back (RFC 7661 says the same of TCP).
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from statistics import median
from typing import Final

#: Where the number begins, and what it never exceeds.
START: Final = 4
MOST: Final = 64

#: A round has at least so many answers and takes at least so many seconds.
_LEAST_ANSWERS: Final = 4
_LEAST_SECONDS: Final = 0.25
#: A round counts if so much of the number was under way, on average.
_IN_USE: Final = 0.75
#: The step of a trial, while nothing is known yet and later.
_DOUBLE: Final = 2.0
_STEP: Final = 1.25
#: Of the speed that more could have brought, what it must bring; of what less could have cost,
#: what it may cost.
_WORTH: Final = 0.5
_LOSS: Final = 0.25
#: Rounds between a trial that failed and the next: one after the first, which may be chance, then
#: more, up to so many.
_REST: Final = 6
#: What a step is multiplied by after a trial that paid.
_LONGER: Final = 1.5
#: How much the newest round counts in the speed that is known.
_NEWEST: Final = 0.3
#: Answers that take so many times as long are strain.
_SLOWER: Final = 2.0
#: Answers of a round that show it.
_STRAINED: Final = 2
#: What is left of the number after strain.
_FALL: Final = 0.7

#: Seconds in which starts are counted, to know how many a second the service takes.
_RATE_SECONDS: Final = 5.0
#: Below that rate, tries start this much slower after "too many requests"; in `_RECOVERY` seconds
#: they are there again, and go beyond, first slowly.
_SLOWED_BY: Final = 0.1
_RECOVERY: Final = 10.0


class Answer(Enum):
    """What the answer to a try says about the load."""

    #: The service took what it was sent.
    TAKEN = auto()
    #: The service is well, but the try says nothing of its speed: refused, or a part of a batch.
    OTHER = auto()
    #: 429, where no quota of ours is known.
    TOO_MANY = auto()
    #: 503, or no answer in time.
    STRAINED = auto()


@dataclass(frozen=True, slots=True)
class Try:
    """A request under way."""

    began: float
    #: Which of the numbers so far it began under.
    number: int


@dataclass(slots=True)
class _Round:
    """What came of the tries that began under one number."""

    began: float
    rows: int = 0
    seconds: list[float] = field(default_factory=list)
    strained: int = 0
    #: Seconds of all requests under way, whichever number they began under, and the most at once.
    busy: float = 0.0
    peak: int = 0

    def under_way(self, now: float) -> float:
        """Requests under way, on average."""
        return self.busy / (now - self.began)

    def speed(self, now: float) -> float:
        """Rows a second, by Little's law: what has ended so far would tell too little."""
        return self.rows * self.under_way(now) / max(1e-9, sum(self.seconds))


@dataclass(frozen=True, slots=True)
class _Known:
    """What a number of requests at once brings: rows a second, and seconds for an answer."""

    limit: int
    speed: float
    seconds: float


class Places:
    """What requests to several endpoints may be under way at once, `most` of all together.

    One endpoint may have nearly all of them: an even share would lie idle where a stream has ended,
    or is slow. But each always has one for itself, though `most` be less, so that what hangs at one
    holds up no other.
    """

    def __init__(self, most: int, endpoints: int) -> None:
        self._most = most
        self._under_way = [0] * endpoints
        #: Called where an endpoint was told that there is no place, when there may be one.
        self.tell: list[Callable[[], None]] = [lambda: None] * endpoints
        self._told_no: set[int] = set()

    def has_one_for(self, endpoint: int) -> bool:
        """Whether a try to an endpoint may begin."""
        own = self._under_way[endpoint]
        of_others = sum(max(1, each) for each in self._under_way) - max(1, own)
        is_open = own == 0 or own + of_others < self._most
        if not is_open:
            self._told_no.add(endpoint)
        return is_open

    def take(self, endpoint: int) -> None:
        """A try begins."""
        self._under_way[endpoint] += 1

    def give_back(self, endpoint: int) -> None:
        """A try has ended."""
        self._under_way[endpoint] -= 1
        waiting, self._told_no = self._told_no, set()
        for each in waiting:
            self.tell[each]()


class ConcurrencyLimit:
    """The number of requests at once, and the distance of their starts. Times are in seconds.

    Ask `opens_in` before each try; tell of it by `begin` and `end`. Where `least` and `most` are
    the same, the number is fixed, and only the distance is found. `second` is that of the distance:
    at least one try in it starts. Of several endpoints each has a limit, and takes its places of
    what they have together.
    """

    def __init__(
        self,
        start: int = START,
        least: int = 1,
        most: int = MOST,
        second: float = 1.0,
        *,
        places: Places | None = None,
        endpoint: int = 0,
    ) -> None:
        #: Requests that may be under way now.
        self.limit = start
        self.under_way = 0
        self._start, self._least, self._most = start, least, most
        self._changes = 0
        self._round = _Round(0.0)
        self._noted = 0.0
        #: What is known of the number that was kept; None until a round of it was judged.
        self._known: _Known | None = None
        self._step = _DOUBLE
        self._upward = True
        self._rest = 0
        self._second = second
        #: Trials that failed on end.
        self._failed = 0
        self._pace = _Pace()
        self._places = places
        self._endpoint = endpoint

    def when_there_is_room(self, tell: Callable[[], None]) -> None:
        """`tell` is called when another endpoint has given back what one here was waiting for."""
        if self._places is not None:
            self._places.tell[self._endpoint] = tell

    def opens_in(self, now: float) -> float | None:
        """Seconds until a try may begin; None while that hangs on one that is under way."""
        if self.under_way >= self.limit:
            return None
        if self._places is not None and not self._places.has_one_for(self._endpoint):
            return None
        return self._pace.opens_in(now / self._second) * self._second

    def begin(self, now: float) -> Try:
        """A try begins."""
        if not self.under_way and not self._round.busy:
            self._round.began = now
        self._pass(now)
        if self._places is not None:
            self._places.take(self._endpoint)
        self.under_way += 1
        self._round.peak = max(self._round.peak, self.under_way)
        self._pace.begin(now / self._second)
        return Try(now, self._changes)

    def end(self, ended: Try, answer: Answer, rows: int, now: float) -> None:
        """A try has ended; it carried `rows`."""
        self._pass(now)
        if self._places is not None:
            self._places.give_back(self._endpoint)
        self.under_way -= 1
        if answer is Answer.TOO_MANY:
            self._pace.refused(ended.began / self._second, now / self._second)
        elif ended.number != self._changes:
            pass  # It was under way when the number changed: one fall a round.
        elif answer is Answer.STRAINED:
            self._round.strained += 1
            if self._round.strained == _STRAINED:
                self._strained(now)
        elif answer is Answer.TAKEN:
            self._round.rows += rows
            self._round.seconds.append(now - ended.began)
            if self._is_whole(now):
                self._judge(now)

    def _pass(self, now: float) -> None:
        """Time passes until `now`."""
        self._round.busy += self.under_way * (now - self._noted)
        self._noted = now

    def _is_whole(self, now: float) -> bool:
        # While it doubles, one answer for each is enough: it is a large step that is looked at.
        answers = self.limit if self._step == _DOUBLE else 2 * self.limit
        return (
            len(self._round.seconds) >= max(_LEAST_ANSWERS, answers)
            and now - self._round.began >= _LEAST_SECONDS
        )

    def _judge(self, now: float) -> None:
        """A round is over: the number stays, or another is tried."""
        round_, known = self._round, self._known
        self._round = _Round(now, peak=self.under_way)
        if round_.under_way(now) < _IN_USE * self.limit:
            self._known = None
            self.limit = min(self.limit, max(self._start, round_.peak))
            return
        found = _Known(self.limit, round_.speed(now), median(round_.seconds))
        if known is None:
            self._known = found
        elif known.limit == self.limit:
            if found.seconds > _SLOWER * known.seconds:
                self._step = _DOUBLE  # What is known of the service does not hold any more.
                self._fall(now)
                return
            self._known = _Known(
                self.limit,
                known.speed + _NEWEST * (found.speed - known.speed),
                known.seconds + _NEWEST * (found.seconds - known.seconds),
            )
        elif _pays(known, found):
            self._known, self._failed = found, 0
            self._step = min(_DOUBLE, self._step * _LONGER) if self._upward else _STEP
        else:
            self._go_back(known, now)
            return
        self._rest -= 1
        if self._rest < 0:
            self._try_another(now)

    def _try_another(self, now: float) -> None:
        if self.limit == self._most:
            self._step, self._upward = _STEP, False
        elif self.limit == self._least:
            self._upward = True
        if self._upward:
            another = max(self.limit + 1, round(self.limit * self._step))
        else:
            another = min(self.limit - 1, round(self.limit / self._step))
        self._change(another, now)

    def _strained(self, now: float) -> None:
        self._step, self._failed = _STEP, max(1, self._failed)
        if self._known is not None and self._known.limit < self.limit:
            self._go_back(self._known, now)
        else:
            self._fall(now)

    def _go_back(self, known: _Known, now: float) -> None:
        """A trial has failed: it is made once more; then the other way, in small steps, later."""
        self._failed += 1
        if self._failed > 1:
            self._step, self._upward = _STEP, not self._upward
        self._rest = min(_REST, 2 * self._failed - 1)
        self._change(known.limit, now)

    def _fall(self, now: float) -> None:
        self._known, self._upward, self._rest = None, True, 0
        self._change(int(self.limit * _FALL), now)

    def _change(self, limit: int, now: float) -> None:
        self.limit = min(self._most, max(self._least, limit))
        self._changes += 1
        self._round = _Round(now, peak=self.under_way)


def _pays(known: _Known, found: _Known) -> bool:
    """Whether another number is to be kept for what it brought."""
    more = found.limit / known.limit - 1.0
    return found.speed >= known.speed * (1.0 + more * (_WORTH if more > 0 else _LOSS))


class _Pace:
    """How far apart tries start, once the service has said that they are too many."""

    def __init__(self) -> None:
        #: When tries began that were not too many, as far as is known.
        self._begun: deque[float] = deque()
        self._first_began = float("inf")
        self._last_began = float("-inf")
        #: Tries a second that were taken when it said so last, and when that was.
        self._rate = float("inf")
        self._said = float("-inf")

    def opens_in(self, now: float) -> float:
        """Seconds until the next try may start."""
        return max(0.0, self._last_began + 1.0 / self._allowed(now) - now)

    def begin(self, now: float) -> None:
        """A try starts."""
        self._begun.append(now)
        self._first_began, self._last_began = min(self._first_began, now), now
        while self._begun[0] < now - _RATE_SECONDS:
            self._begun.popleft()

    def refused(self, began: float, now: float) -> None:
        """A try that began at `began` was one too many."""
        with suppress(ValueError):
            self._begun.remove(began)
        seconds = min(_RATE_SECONDS, max(1.0, now - self._first_began))
        lately = sum(begun >= now - seconds for begun in self._begun) / seconds
        # One a second at least: whoever takes nothing now may take all in a minute.
        self._rate = max(1.0, min(lately, max(self._rate, self._allowed(now))))
        self._said = now

    def _allowed(self, now: float) -> float:
        """Tries a second."""
        return self._rate * (1.0 + _SLOWED_BY * ((now - self._said) / _RECOVERY - 1.0) ** 3)
