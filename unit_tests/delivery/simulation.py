"""A sync and a service as discrete events: what a number of requests at once would have done.

The sync makes batches of 1,000 rows as fast as its processor does, `requests_in_memory` at most
wait or are under way, and what is refused waits as `pacing.RetryPolicy` says and begins again.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from bulk_destination.delivery.concurrency import Answer, ConcurrencyLimit, Try
from bulk_destination.http.pacing import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 1_000


@dataclass
class Service:
    """What it does with a request, by turns of its faults."""

    #: Seconds for an answer, at a time.
    latency: Callable[[float], float]
    #: Requests that it works on at once; the others queue. None: all.
    workers: int | None = None
    #: Above so many at once it answers 503.
    refuses_above: int | None = None
    #: Requests a second that it takes; it answers 429 beyond. By whole seconds of its clock, or
    #: by a bucket that holds as many tokens as come in a second.
    rate: float | None = None
    fixed_windows: bool = False
    #: Of a lognormal distribution, around the latency.
    noise: float = 0.0
    #: The share of requests that get 503 whatever happens.
    failing: float = 0.0


@dataclass
class Observed:
    """What happened at one moment: an answer."""

    at: float
    answer: Answer
    limit: int
    under_way: int


@dataclass
class Simulation:
    """One sync into one service."""

    service: Service
    seed: int = 1
    #: What the sync's own processor makes, rows a second.
    rows_per_second: Callable[[float], float] = lambda _: 100_000.0
    requests_in_memory: int = 70
    #: Requests a second that a quota of its own lets it begin; None: all.
    quota: Callable[[float], float] | None = None
    limit: ConcurrencyLimit = field(default_factory=ConcurrencyLimit)
    seen: list[Observed] = field(default_factory=list)
    starts: int = 0
    _now: float = 0.0
    #: When the quota lets the next request begin.
    _within_quota_at: float = 0.0

    def run(self, seconds: float) -> Simulation:
        """Plays so many seconds."""
        self._random = Random(self.seed)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._waiting: deque[int] = deque()  # tries so far of each batch
        self._held = 0
        self._busy_until: list[float] = []
        self._tokens, self._filled_at = self.service.rate or 0.0, 0.0
        self._window, self._in_window = 0, 0
        self._at_service = 0
        self._making = False
        self._timer: float | None = None
        self._make()
        while self._events and self._events[0][0] <= seconds:
            self._now, _, happen = heapq.heappop(self._events)
            happen()
        return self

    def speed(self, since: float, until: float) -> float:
        """Rows a second that landed."""
        landed = sum(each.answer is Answer.TAKEN for each in self.seen if since <= each.at < until)
        return landed * ROWS / (until - since)

    def share(self, answer: Answer, since: float) -> float:
        """Of all answers since then."""
        late = [each.answer for each in self.seen if each.at >= since]
        return late.count(answer) / max(1, len(late))

    def limits(self, since: float) -> list[int]:
        """The number at each answer."""
        return [each.limit for each in self.seen if each.at >= since]

    def _later(self, at: float, happen: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (at, self._count, happen))

    def _make(self) -> None:
        """The owner makes the next batch, while memory allows."""
        if self._making or self._held >= self.requests_in_memory:
            return
        self._making = True

        def made() -> None:
            self._making = False
            self._held += 1
            self._waiting.append(0)
            self._make()
            self._begin()

        speed = self.rows_per_second(self._now)
        self._later(self._now + ROWS / speed, made)

    def _begin(self) -> None:
        while self._waiting:
            wait = self.limit.opens_in(self._now)
            if wait is None:
                return
            wait = max(wait, self._within_quota_at - self._now)
            if wait > 1e-9:
                if self._timer is None or self._timer <= self._now:
                    self._timer = self._now + wait
                    self._later(self._timer, self._begin)
                return
            tries = self._waiting.popleft()
            self.starts += 1
            if self.quota is not None:
                self._within_quota_at = self._now + 1 / self.quota(self._now)
            begun = self.limit.begin(self._now)
            self._at_service += 1
            self._later(*self._answer(begun, tries))

    def _answer(self, begun: Try, tries: int) -> tuple[float, Callable[[], None]]:
        """When and what the service answers."""
        service = self.service
        takes = service.latency(self._now)
        if service.noise:
            takes *= self._random.lognormvariate(-(service.noise**2) / 2, service.noise)
        answer, at = Answer.TAKEN, self._now + takes
        if service.rate is not None and not self._within_rate(service.rate):
            answer, at = Answer.TOO_MANY, self._now + min(takes, 0.02)
        elif service.refuses_above is not None and self._at_service > service.refuses_above:
            answer, at = Answer.STRAINED, self._now + min(takes, 0.02)
        elif self._random.random() < service.failing:
            answer = Answer.STRAINED
        elif service.workers is not None:
            self._busy_until = [busy for busy in self._busy_until if busy > self._now]
            heapq.heapify(self._busy_until)
            free = self._now
            if len(self._busy_until) >= service.workers:
                free = sorted(self._busy_until)[-service.workers]
            at = max(free, self._now) + takes
            self._busy_until.append(at)

        def answered() -> None:
            self._at_service -= 1
            self.limit.end(begun, answer, ROWS, self._now)
            self.seen.append(Observed(self._now, answer, self.limit.limit, self.limit.under_way))
            if answer is Answer.TAKEN:
                self._held -= 1
                self._make()
            else:
                wait = RetryPolicy().wait(tries, None, self._random.random())

                def again() -> None:
                    self._waiting.appendleft(tries + 1)
                    self._begin()

                self._later(self._now + wait, again)
            self._begin()

        return at, answered

    def _within_rate(self, rate: float) -> bool:
        if self.service.fixed_windows:
            if int(self._now) != self._window:
                self._window, self._in_window = int(self._now), 0
            self._in_window += 1
            return self._in_window <= rate
        self._tokens = min(rate, self._tokens + (self._now - self._filled_at) * rate)
        self._filled_at = self._now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
