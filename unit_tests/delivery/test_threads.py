"""Threads beside the main one."""

import queue
import signal

from bulk_destination.delivery import threads


def test_signals_are_left_to_the_main_thread() -> None:
    """A thread begins with both blocked; the one that starts it goes on as it was."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    found: queue.SimpleQueue[set[signal.Signals | int]] = queue.SimpleQueue()
    thread = threads.begin(lambda: found.put(signal.pthread_sigmask(signal.SIG_BLOCK, ())), "some")
    assert {signal.SIGTERM, signal.SIGINT} <= found.get(timeout=10)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    thread.join(10)
    assert thread.daemon
