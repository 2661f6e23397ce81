"""Threads beside the main one, which alone is told of signals."""

import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
#: malloc.h of glibc.
_M_ARENA_MAX: Final = -8


def share_memory() -> None:
    """Lets all threads of this process allocate from one arena; to be called before they begin.

    It is for a process that is ours. glibc gives threads arenas of their own, lest they wait for
    each other (mallopt(3)). Python's threads have waited by then, for the interpreter; and what is
    free in one arena is of no use to the others. With 64 requests under way that was a quarter of
    all memory. Where there is no glibc, nothing happens.
    """
    with suppress(ImportError, OSError, AttributeError):
        import ctypes  # noqa: PLC0415  # not for a process that is not ours

        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def begin(target: Callable[[], object], name: str) -> threading.Thread:
    """Starts a daemon: a thread that nothing can wake does not hold up the end of the process.

    It leaves signals to the main thread. Of two that come at once the second may wake another
    thread, which then takes both of them (signal(7): any thread that does not block a signal may
    get it). Python runs its handlers in the main thread, and that would sleep on.
    """
    thread = threading.Thread(target=target, name=name, daemon=True)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # A thread begins with these.
    try:
        thread.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return thread
