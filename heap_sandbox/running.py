"""A sandbox for the length of a `with` block."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from heap_sandbox.app import heap_app
from heap_sandbox.options import SandboxOptions
from heap_sandbox.sandbox import Sandbox
from sandbox.intake import Clock
from sandbox.server import HttpParser, listen, serving, url_of


@contextmanager
def running(
    options: SandboxOptions | None = None, *, clock: Clock = time.time, http: HttpParser = "auto"
) -> Iterator[Sandbox]:
    """Serve a sandbox from a background thread while the block runs.

    Yields the sandbox; its `url` says where it listens. `clock` returns Unix seconds and may be
    a test's own. Raises `OSError` if the port cannot be had and `sqlite3.Error` if the file is
    no database. When the block ends, open connections are closed and a temporary store is gone.
    """
    options = options or SandboxOptions()
    with listen(options.host, options.port) as listener:
        sandbox = Sandbox(options, clock=clock, url=url_of(listener))
        with closing(sandbox), serving(heap_app(sandbox), listener, http=http):
            yield sandbox
