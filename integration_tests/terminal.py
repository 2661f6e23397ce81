"""A terminal of its own for a command: a real one, and the screen that a person sees."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import pyte

ROOT: Final = Path(__file__).parents[1]
COLUMNS: Final = 100
LINES: Final = 40
#: In seconds. Nothing here takes longer on a slow machine.
PATIENCE: Final = 60.0


class Terminal:
    """The command that runs there, what it wrote, and how the screen looks by now."""

    def __init__(self, process: subprocess.Popen[bytes], ours: int) -> None:
        self.process = process
        self.written = b""
        self._ours = ours
        self._screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)

    @property
    def screen(self) -> str:
        """What a person sees, less blanks at the ends."""
        lines = [line.rstrip() for line in self._screen.display]
        return "\n".join(lines).rstrip("\n")

    @property
    def shows_cursor(self) -> bool:
        """Whether the cursor is there, as a shell needs it."""
        return not self._screen.cursor.hidden

    def type(self, keys: bytes) -> None:
        """As if somebody typed."""
        os.write(self._ours, keys)

    def wait_for(self, seen: Callable[[str], bool]) -> str:
        """The screen, as soon as it is as wanted; fails where it never is."""
        ends = time.monotonic() + PATIENCE
        while not seen(self.screen):
            assert time.monotonic() < ends, self.screen
            assert self._read(ends), self.screen
        return self.screen

    def wait(self) -> int:
        """All that it writes until its end; the exit code."""
        while self._read(time.monotonic() + PATIENCE):
            pass
        return self.process.wait(PATIENCE)

    def _read(self, until: float) -> bool:
        if not select.select([self._ours], [], [], max(0.0, until - time.monotonic()))[0]:
            return False
        try:
            # Less than a picture, so that a slow reader passes none over.
            chunk = os.read(self._ours, 256)
        except OSError:  # the other side is gone
            return False
        self.written += chunk
        self._stream.feed(chunk)
        return bool(chunk)


@contextmanager
def on_a_terminal(
    command: Sequence[str], stdin: IO[bytes] | None = None, *, stdout: IO[bytes] | None = None
) -> Iterator[Terminal]:
    """Runs `command` with what is not given of stdin and stdout, and stderr, on a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    # A command that is told of a size looks at no terminal's.
    env = {name: text for name, text in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    process = subprocess.Popen(
        command,
        stdin=theirs if stdin is None else stdin,
        stdout=theirs if stdout is None else stdout,
        stderr=theirs,
        cwd=ROOT,
        env={**env, "TERM": "xterm-256color"},
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)
