"""What asks for forks: `ForkServer.popen` is to a fork what `subprocess.Popen` is to a program."""

from __future__ import annotations

import atexit
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path
from typing import IO, Final

from fork_server.job import NUMBER, Job, pickled, send

ROOT: Final = Path(__file__).parents[1]
#: A shell that sets the first hides a missing flush; the second makes every start slow.
_HIDING: Final = {"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
#: Seconds; a server that was asked to end does so at once.
_PATIENCE: Final = 30.0


def inherited() -> dict[str, str]:
    """The environment of this process, without what a shell may have set that changes a test.

    A proxy would be asked for loopback.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if name not in _HIDING and not name.lower().endswith("_proxy")
    }


class Forked:
    """A fork, as `subprocess.Popen` shows a process; safe to use from any thread."""

    def __init__(
        self, server: socket.socket, stdin: IO[bytes], stdout: IO[bytes], stderr: IO[bytes] | None
    ) -> None:
        """`server` says the pid now, and the exit code once there is one."""
        self._server = server
        self._reading = threading.Lock()
        self._code: int | None = None
        weakref.finalize(self, server.close)
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr
        self.pid = self._number()

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        with self._reading:
            if self._code is None and wait([self._server], 0):
                self._code = self._number()
            return self._code

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises a `subprocess.TimeoutExpired` after `timeout` seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            left = None if end is None else end - time.monotonic()
            if not wait([self._server], left):
                assert timeout is not None
                raise subprocess.TimeoutExpired(f"fork {self.pid}", timeout)
        return code

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9."""
        self.send_signal(signal.SIGKILL)

    def _number(self) -> int:
        raw = self._server.recv(NUMBER.size, socket.MSG_WAITALL)
        if len(raw) != NUMBER.size:
            raise RuntimeError("the fork server is gone; why, it says on stderr")
        number: int = NUMBER.unpack(raw)[0]
        return number


class ForkServer:
    """Starts forks of one process that has imported `modules`; that begins with the first fork.

    The server has the environment that this process has then, so what a module reads from it
    while it is imported is the same for all forks.
    """

    def __init__(self, *modules: str, python: str | Path = sys.executable) -> None:
        self._command = [str(python), "-m", "fork_server"]
        self._modules = modules
        self._starting = threading.Lock()
        self._address: str | None = None

    def popen(
        self,
        run: Callable[[], object],
        argv: Sequence[str],
        *,
        cwd: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        stderr: int | IO[bytes] = subprocess.PIPE,
    ) -> Forked:
        """Forks; `run` is called there and can be pickled.

        stdin and stdout are pipes; `stderr` is one, too, or an open file.
        """
        job = Job(
            *(pickled(run), list(argv), str(cwd or Path.cwd())),
            dict(inherited() if env is None else env),
        )
        read_stdin, stdin = os.pipe()
        stdout, write_stdout = os.pipe()
        given = [read_stdin, write_stdout]
        read_stderr = None
        if stderr == subprocess.PIPE:
            read_stderr, write_stderr = os.pipe()
            given.append(write_stderr)
        else:
            given.append(os.dup(stderr if isinstance(stderr, int) else stderr.fileno()))
        server = socket.socket(socket.AF_UNIX)
        server.connect(self.address)
        send(server, job, given)
        for descriptor in given:
            os.close(descriptor)
        return Forked(
            server,
            os.fdopen(stdin, "wb"),
            os.fdopen(stdout, "rb"),
            None if read_stderr is None else os.fdopen(read_stderr, "rb"),
        )

    def run(
        self,
        run: Callable[[], object],
        argv: Sequence[str],
        *,
        input: bytes = b"",
        cwd: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """A fork to its end, fed with `input`; after `timeout` it is killed: a TimeoutExpired."""
        fork = self.popen(run, argv, cwd=cwd, env=env)
        assert fork.stderr is not None
        with ThreadPoolExecutor(3) as pool:
            said = [pool.submit(_read_all, stream) for stream in (fork.stdout, fork.stderr)]
            pool.submit(_write_all, fork.stdin, input)
            try:
                code = fork.wait(timeout)
            except subprocess.TimeoutExpired:
                fork.kill()
                raise
        stdout, stderr = (each.result() for each in said)
        return subprocess.CompletedProcess(argv, code, stdout, stderr)

    def program(self, path: Path, run: Callable[[], object]) -> None:
        """Makes `path` a program that has itself forked and calls `run`; for callers that need one.

        It passes on its arguments, its folder, its environment and its three streams, hands
        signals down, and ends as the fork ends. Only `kill -9` does not reach the fork: the pid
        for that is the first line of the file `path` + `.pid`.
        """
        command = [sys.executable, "-I", "-S", str(Path(__file__).with_name("program.py"))]
        command += [self.address, pickled(run), f"{path}.pid"]
        path.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$0" "$@"\n')
        path.chmod(0o755)

    @property
    def address(self) -> str:
        """The server's socket; it is started if it is not there yet."""
        with self._starting:
            if self._address is None:
                self._address = self._start()
            return self._address

    def _start(self) -> str:
        folder = tempfile.mkdtemp(prefix="fork-server-")  # nobody else may enter
        address = f"{folder}/socket"
        # Made here, so that who asks waits for the imports and need not ask again.
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
            listener.listen(64)
            process = subprocess.Popen(
                [*self._command, str(listener.fileno()), *self._modules],
                cwd=ROOT,
                env=inherited(),
                # Pipes, because forks have pipes: Python treats each kind of file in its own way.
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[listener.fileno()],
            )
        atexit.register(_end, process, folder)
        return address


def _read_all(stream: IO[bytes]) -> bytes:
    with stream:
        return stream.read()


def _write_all(stream: IO[bytes], content: bytes) -> None:
    with suppress(BrokenPipeError), stream:
        stream.write(content)


def _end(server: subprocess.Popen[bytes], folder: str) -> None:
    assert server.stdin is not None
    server.stdin.close()
    server.wait(_PATIENCE)
    shutil.rmtree(folder)
