"""Work that follows behind what somebody types: one job at a time, and the newest wins."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

#: Tells how far a job is, in bytes; raises `OutdatedError` where a newer one has begun.
Told = Callable[[int], None]


class OutdatedError(Exception):
    """Nobody waits for this any more."""


@dataclass(slots=True)
class Job:
    """One piece of work, as others see it."""

    number: int
    at: int = 0
    result: Any = None
    error: Exception | None = None
    outdated: threading.Event = field(default_factory=threading.Event)
    finished: threading.Event = field(default_factory=threading.Event)

    @property
    def done(self) -> bool:
        """Whether it came to its end."""
        return self.finished.is_set()

    def told(self, at: int) -> None:
        """See `Told`."""
        if self.outdated.is_set():
            raise OutdatedError
        self.at = at


class Behind:
    """Does what it is told in a thread of its own; who asks again stops what was asked before."""

    def __init__(self) -> None:
        self.job: Job = Job(0)
        self.job.finished.set()
        self._lock: Final = threading.Lock()
        self._working: Final = threading.Lock()

    def start(self, work: Callable[[Told], Any]) -> Job:
        """Begins; what it was at before ends as soon as it tells how far it is."""
        with self._lock:
            self.job.outdated.set()
            self.job = job = Job(self.job.number + 1)
        thread = threading.Thread(target=self._do, args=(job, work), daemon=True)
        thread.start()
        return job

    def _do(self, job: Job, work: Callable[[Told], Any]) -> None:
        # Two at a time would be twice the memory.
        with self._working:
            try:
                job.told(0)
                job.result = work(job.told)
            except OutdatedError:
                return
            except Exception as error:  # noqa: BLE001  # it is shown to who waits
                job.error = error
            finally:
                job.finished.set()

    def stop(self) -> None:
        """Ends what is under way."""
        self.job.outdated.set()
