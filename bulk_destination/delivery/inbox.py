"""Where the threads of a sync report to the one that owns its state."""

import queue
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from bulk_destination.delivery import threads
from bulk_destination.delivery.settlement import Settlement

#: Chunks of input read ahead of the owner.
_READ_AHEAD: Final = 2

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Arrived(Generic[Item]):
    """The source gave these."""

    items: list[Item]


@dataclass(frozen=True, slots=True)
class SourceEnded:
    """The source has no more."""


@dataclass(frozen=True, slots=True)
class RequestSettled:
    """A request is settled, and with it the oldest `batches` of those that were handed over."""

    batches: int
    weight: int
    settlement: Settlement


@dataclass(frozen=True, slots=True)
class QuotaWait:
    """Something waits `seconds` for a quota: the app's, or that of single identities."""

    seconds: float
    of_identities: bool


@dataclass(frozen=True, slots=True)
class Retries:
    """A request is tried again: why, and for how many seconds it has been and may still be."""

    cause: str
    lasted: float
    left: float


@dataclass(frozen=True, slots=True)
class Said:
    """Something for the log: counts and numbers, never a value."""

    words: str


@dataclass(frozen=True, slots=True)
class GaveUp:
    """A request is not settled, and nothing behind it will be."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Failed:
    """The source broke, or a signal came."""

    error: BaseException


Report = RequestSettled | QuotaWait | Retries | Said | GaveUp


@dataclass(frozen=True, slots=True)
class OfEndpoint:
    """What was reported of an endpoint, and its number."""

    endpoint: int
    report: Report


class Inbox(Generic[Item]):
    """Where threads (and signal handlers: `SimpleQueue.put` is reentrant) report to the owner."""

    def __init__(self) -> None:
        self._reports: queue.SimpleQueue[Arrived[Item] | SourceEnded | OfEndpoint | Failed] = (
            queue.SimpleQueue()
        )
        self._put_aside: deque[Arrived[Item] | SourceEnded] = deque()
        self._room = threading.Semaphore(_READ_AHEAD)
        self._closed = False

    def read_from(self, source: Iterable[list[Item]]) -> None:
        """Starts a thread that reads `source`, at most a little ahead of the owner."""

        def read() -> None:
            try:
                for items in source:
                    self._room.acquire()
                    if self._closed:
                        return
                    self._reports.put(Arrived(items))
            except BaseException as error:  # noqa: BLE001  # reported to the owner, who raises it
                self._reports.put(Failed(error))
            else:
                self._reports.put(SourceEnded())

        threads.begin(read, "source reader")

    def close(self) -> None:
        """Lets go of the source: its reader ends, at once or with what the source gives next."""
        self._closed = True
        self._room.release()

    def report(self, report: OfEndpoint | Failed) -> None:
        """Callable from any thread and from a signal handler."""
        self._reports.put(report)

    def next(
        self, timeout: float | None
    ) -> Arrived[Item] | SourceEnded | OfEndpoint | Failed | None:
        """The next report; None after `timeout` seconds without one."""
        if self._put_aside:
            return self._taken(self._put_aside.popleft())
        try:
            return self._taken(self._reports.get(timeout=timeout))
        except queue.Empty:
            return None

    def next_but_input(self, timeout: float) -> OfEndpoint | Failed | None:
        """The next report that is no input; input keeps its place for `next`.

        None after `timeout` seconds without any report.
        """
        while True:
            try:
                report = self._reports.get(timeout=timeout)
            except queue.Empty:
                return None
            if isinstance(report, Arrived | SourceEnded):
                self._put_aside.append(report)
            else:
                return report

    def _taken(
        self, report: Arrived[Item] | SourceEnded | OfEndpoint | Failed
    ) -> Arrived[Item] | SourceEnded | OfEndpoint | Failed:
        if isinstance(report, Arrived):
            self._room.release()
        return report
