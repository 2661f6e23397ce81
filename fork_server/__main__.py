"""The process that forks: `python -m fork_server DESCRIPTOR MODULE...`.

It imports the modules and then only forks, so it has one thread, and nobody holds a lock at a
fork. The descriptor is a Unix
socket that listens. Who connects sends three descriptors (stdin, stdout, stderr) and a job,
and is told the fork's pid and, when that has ended, how. The fork leaves the loop and does its job
as the end of this very program, so that it ends as every Python program does.

It ends when its stdin does. All that are under way then run on.
"""

from __future__ import annotations

import gc
import importlib
import os
import selectors
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path

from fork_server.job import NUMBER, Job, receive

_THREADS = Path("/proc/self/task")


class _Server:
    """What the server keeps; all of it is closed in a fork."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._woken, self._wakes = socket.socketpair()
        self._woken.setblocking(False)
        self._wakes.setblocking(False)
        #: Who is to be told of the end of which pid.
        self._running: dict[int, socket.socket] = {}

    def serve(self) -> Job | None:
        """In a fork: what it has to do. In the server: None, as its stdin has ended."""
        signal.set_wakeup_fd(self._wakes.fileno())
        # A handler that does nothing still wakes. Ctrl-C is for who asked for the forks.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with selectors.DefaultSelector() as selector:
            for readable in (self._listener, self._woken, sys.stdin):
                selector.register(readable, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._woken in ready:
                    self._woken.recv(4_096)
                    self._tell_ends()
                if self._listener in ready and (job := self._fork()) is not None:
                    return job
                if sys.stdin in ready:
                    return None

    def _fork(self) -> Job | None:
        caller, _ = self._listener.accept()
        try:
            job, streams = receive(caller)
        except EOFError:  # gone again
            caller.close()
            return None
        assert _is_alone(), "a thread could hold a lock in a fork for ever"
        pid = os.fork()
        if pid == 0:
            caller.close()
            self._let_go()
            _become(job, streams)
            return job
        for descriptor in streams:
            os.close(descriptor)
        self._running[pid] = caller
        with suppress(BrokenPipeError):
            caller.sendall(NUMBER.pack(pid))
        return None

    def _tell_ends(self) -> None:
        while self._running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            with self._running.pop(pid) as caller, suppress(BrokenPipeError):
                caller.sendall(NUMBER.pack(os.waitstatus_to_exitcode(status)))

    def _let_go(self) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for end in (self._listener, self._woken, self._wakes, *self._running.values()):
            end.close()


def _is_alone() -> bool:
    # Linux also tells of threads that are not Python's.
    count = len(list(_THREADS.iterdir())) if _THREADS.exists() else threading.active_count()
    return count == 1


def _become(job: Job, streams: list[int]) -> None:
    """Takes what belongs to the process. Python's own three streams stay, on other descriptors."""
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(job.environment)
    os.chdir(job.folder)
    sys.argv = list(job.argv)


def main() -> None:
    """Imports, then serves; in a fork, does the job."""
    descriptor, *modules = sys.argv[1:]
    for module in modules:
        importlib.import_module(module)
    # What is imported is never garbage: not looked through again, it stays shared with the forks.
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(descriptor)) as listener:
        job = _Server(listener).serve()
    if job is not None:
        job.do()


if __name__ == "__main__":
    main()
