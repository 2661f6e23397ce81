"""Threads beside the main one."""

import platform
import queue
import signal
import subprocess
import sys

import pytest

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


def test_threads_share_one_arena() -> None:
    """As glibc tells it: as many heaps as threads before, one after. By processes of their own."""
    script = (
        "import ctypes, sys, threading\n"
        "from bulk_destination.delivery.threads import share_memory\n"
        "if sys.argv[1:]: share_memory()\n"
        "met, done = threading.Barrier(5), threading.Barrier(5)\n"
        "def work():\n"
        "    kept = bytes(100_000)\n"
        "    met.wait(), done.wait()\n"
        "for _ in range(4): threading.Thread(target=work).start()\n"
        "met.wait()\n"
        "ctypes.CDLL(None).malloc_stats()\n"
        "done.wait()\n"
    )

    def arenas(*arguments: str) -> int:
        command = [sys.executable, "-c", script, *arguments]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stderr
        return told.count("Arena ")

    if not platform.libc_ver()[0]:
        pytest.skip("no glibc")
    assert arenas() > 1
    assert arenas("share") == 1
