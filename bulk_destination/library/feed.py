"""Rows on their way from the caller's thread to a walk's, and news on their way back.

A caller's rows are read, and its functions called, in its own thread: connections of databases,
context variables and widgets of notebooks belong to one. The walk owns its state in another, and
goes on while the caller's generator waits: a batch is sent when it is due.

    the caller ─ rows ─▶ Feed ─ the walk's reader ─▶ its inbox ─▶ the walk
         ▲                                                          │
         └──────────────────────── news ────────────────────────────┘
"""

import queue
from collections.abc import Iterator
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

#: Rows that go on together, and those that may wait before the caller has to: the walk has two
#: such lists before it, too.
_TOGETHER: Final = 250
_MOST_WAITING: Final = 500


class _End:
    """No more rows come."""


class Taken:
    """There is room for more rows."""


class Feed(Generic[Item]):
    """`put` and `end` are for the caller's thread, `lists` for one that reads."""

    def __init__(self, news: "queue.SimpleQueue[object]") -> None:
        self._items: queue.SimpleQueue[Item | _End | BaseException] = queue.SimpleQueue()
        self._news = news
        self._given = 0
        self._taken = 0

    @property
    def has_room(self) -> bool:
        """Whether the caller may go on at once; if not, there will be `Taken` among the news."""
        return self._given - self._taken < _MOST_WAITING

    def put(self, item: Item) -> None:
        """One more row."""
        self._items.put(item)
        self._given += 1

    def end(self, error: BaseException | None = None) -> None:
        """No more rows come; with an `error`, the walk is to end by that."""
        self._items.put(_End() if error is None else error)

    def lists(self) -> Iterator[list[Item]]:
        """What came, as it came. Raises the error that it was ended by."""
        while True:
            items, last = self._next()
            if items:
                yield items
                self._taken += len(items)
                self._news.put(Taken())
            if isinstance(last, BaseException):
                raise last
            if last is not None:
                return

    def _next(self) -> tuple[list[Item], _End | BaseException | None]:
        items: list[Item] = []
        wait = True
        while len(items) < _TOGETHER:
            try:
                item = self._items.get(block=wait)
            except queue.Empty:
                break
            if isinstance(item, _End | BaseException):
                return items, item
            items.append(item)
            wait = False
        return items, None
