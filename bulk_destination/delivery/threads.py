"""Threads beside the main one, which alone is told of signals."""

import signal
import threading
from collections.abc import Callable
from typing import Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


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
