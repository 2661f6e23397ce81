"""A sandbox for the length of a `with` block."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager

from sandbox.hackle.app import hackle_app
from sandbox.hackle.options import SandboxOptions
from sandbox.hackle.sandbox import Sandbox
from sandbox.intake import Clock
from sandbox.running import in_background
from sandbox.server import HttpParser


def running(
    options: SandboxOptions | None = None, *, clock: Clock = time.time, http: HttpParser = "auto"
) -> AbstractContextManager[Sandbox]:
    """Serve a sandbox from a background thread while the block runs; see `in_background`.

    The block gets the sandbox; `url` says where it listens. `clock` returns Unix seconds and may
    be a test's own.
    """
    chosen = options or SandboxOptions()
    return in_background(
        chosen, lambda url: Sandbox(chosen, clock=clock, url=url), hackle_app, http=http
    )
