"""Rows on their way: by real threads, with little room."""

import queue
import sys
import threading
from collections.abc import Iterator

import pytest

from bulk_destination.library import feed
from bulk_destination.library.feed import Feed, Taken

PATIENCE = 30.0


class BrokenSourceError(Exception):
    """What ends a feed early."""


@pytest.fixture
def hectic() -> Iterator[None]:
    """Threads that take turns all the time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_all_come_in_order(monkeypatch: pytest.MonkeyPatch, hectic: None) -> None:
    """Whatever their sizes; never more wait than may, and nobody waits for ever."""
    monkeypatch.setattr(feed, "_MOST_WAITING", 40)
    news: queue.SimpleQueue[object] = queue.SimpleQueue()
    fed: Feed[object] = Feed(news)
    given: list[object] = ["x" * (number % 60) for number in range(20_000)]
    given[7_000:7_000] = [{"a": 1}, None]
    came: list[object] = []
    sizes: list[int] = []

    def read() -> None:
        for items in fed.lists():
            sizes.append(sum(len(each) for each in items[:-1] if isinstance(each, str)))
            came.extend(items)

    def may_go_on() -> bool:
        while not (fed.has_room and news.empty()):
            assert isinstance(news.get(timeout=PATIENCE), Taken)
        return True

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    fed.put(given, may_go_on)
    fed.end()
    reader.join(PATIENCE)
    assert came == given
    # One more may be on its way while a list is taken.
    assert max(sizes) < 40 + 60
    assert len(sizes) > 100


def test_nothing_waits_for_the_next() -> None:
    """A row is there for the walk before the one behind it is asked for."""
    fed: Feed[str] = Feed(queue.SimpleQueue())
    lists = fed.lists()
    came: list[str] = []

    def quiet() -> Iterator[str]:
        for text in ("a", "b", "c"):
            yield text
            came.extend(next(lists))
            assert came[-1] == text

    fed.put(quiet(), lambda: True)
    assert came == ["a", "b", "c"]


def test_it_stops_when_it_is_told_to() -> None:
    """It asks where there is news, and where there is no room."""
    news: queue.SimpleQueue[object] = queue.SimpleQueue()
    fed: Feed[str] = Feed(news)
    taken = iter(["a", "b", "x" * (1 << 18), "c"])
    fed.put(taken, lambda: False)
    assert [*taken] == ["c"]
    news.put("something")
    more = iter("de")
    Feed[str](news).put(more, lambda: False)
    assert [*more] == ["e"]


def test_an_error_comes_behind_the_rows() -> None:
    """What was given is read first."""
    fed: Feed[str] = Feed(queue.SimpleQueue())
    fed.put(["a", "b"], lambda: True)
    fed.end(BrokenSourceError())
    lists = fed.lists()
    assert next(lists) == ["a", "b"]
    with pytest.raises(BrokenSourceError):
        next(lists)
