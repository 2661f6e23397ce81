"""Rows on their way from the caller's thread to a walk's, and news on their way back.

A caller's rows are read, and its functions called, in its own thread: connections of databases,
context variables and widgets of notebooks belong to one. The walk owns its state in another, and
goes on while the caller's generator waits: a batch is sent when it is due.

    the caller ─ rows ─▶ Feed ─ the walk's reader ─▶ its inbox ─▶ the walk
         ▲                                                          │
         └──────────────────────── news ────────────────────────────┘
"""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

#: What may wait before the caller has to, in characters of rows; the walk has two such lists before
#: it, too. It is about what `write` reads of stdin at once.
_MOST_WAITING: Final = 1 << 18
#: What a row counts that is no text.
_CHARACTERS: Final = 1_000


class _End:
    """No more rows come."""


class Taken:
    """There is room for more rows."""


class Feed(Generic[Item]):
    """`put` and `end` are for the caller's thread, `lists` for one that reads."""

    def __init__(self, news: "queue.SimpleQueue[object]") -> None:
        #: One thread appends, and the other takes what is there from the beginning: no lock.
        self._waiting: list[Item] = []
        self._end: _End | BaseException | None = None
        #: Set when rows come and none waited, and at the end.
        self._has_come = threading.Event()
        self._news = news
        #: In characters. What is given is counted before it waits, so all of it is taken some time.
        self._given = 0
        self._taken = 0

    @property
    def has_room(self) -> bool:
        """Whether more may wait; if not, there will be `Taken` among the news."""
        return self._given - self._taken < _MOST_WAITING

    def put(self, items: Iterable[Item], may_go_on: Callable[[], bool]) -> None:
        """Hands on each item when it comes, until they end or `may_go_on` says no.

        That is asked between two items where there is news, or no room.
        """
        waiting, no_news, given = self._waiting, self._news.empty, self._given
        for item in items:
            self._given = given = given + (len(item) if isinstance(item, str) else _CHARACTERS)
            waiting.append(item)
            if len(waiting) == 1:
                self._has_come.set()
            is_full = given - self._taken >= _MOST_WAITING  # as `has_room`, without a call
            if (is_full or not no_news()) and not may_go_on():
                return

    def end(self, error: BaseException | None = None) -> None:
        """No more rows come; with an `error`, the walk is to end by that."""
        self._end = _End() if error is None else error
        self._has_come.set()

    def lists(self) -> Iterator[list[Item]]:
        """What came, as it came. Raises the error that it was ended by."""
        while True:
            end = self._end  # Whatever came before it is there by now.
            count = len(self._waiting)
            items, given = self._waiting[:count], self._given
            if items:
                del self._waiting[:count]
                yield items
                self._taken = given
                self._news.put(Taken())
            elif isinstance(end, BaseException):
                raise end
            elif end is not None:
                return
            else:
                self._has_come.wait()
                self._has_come.clear()
