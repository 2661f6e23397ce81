"""Saves an object without being at the mercy of where it goes.

A network folder or a service may hold on to a call for as long as it likes, and no timeout of ours
is asked then. So each runs in a thread of its own, and whoever waits for it can be hurried.
"""

import queue
from collections.abc import Callable
from typing import Final

from bulk_destination.delivery import threads
from bulk_destination.errors import ObjectStorageError

#: What saving may take once the sync is to end. Seconds.
GRACE: Final = 10.0


class Saving:
    """Runs one call at a time. `hurry` may come from any thread and from a signal handler."""

    def __init__(self) -> None:
        self._news: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._hurried = False

    def hurry(self) -> None:
        """From now on a call has `GRACE` seconds, and one under way as many more."""
        self._hurried = True
        self._news.put(self)

    def run(self, save: Callable[[], None]) -> None:
        """Raises what `save` raised, or an ObjectStorageError if it is not over in time."""
        done: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._news = done

        def work() -> None:
            try:
                save()
            except BaseException as error:  # noqa: BLE001  # raised where it is waited for
                done.put(error)
            else:
                done.put(None)

        threads.begin(work, "saving")
        try:
            news = done.get(timeout=GRACE if self._hurried else None)
            if news is self:
                news = done.get(timeout=GRACE)
        except queue.Empty:
            raise ObjectStorageError(f"saving took longer than {GRACE:g} s at the end") from None
        if isinstance(news, BaseException):
            raise news
