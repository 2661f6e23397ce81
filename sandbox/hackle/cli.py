"""`python -m sandbox.hackle`: a local Hackle on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Final

from sandbox import typed
from sandbox.command import add_service_arguments, start
from sandbox.hackle.app import EVENTS_PATH, hackle_app
from sandbox.hackle.options import SandboxOptions
from sandbox.hackle.sandbox import Sandbox

PORT: Final = 8088


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal; returns the exit code: 0, or 2 if it could not start."""
    return start(
        _parser(),
        arguments,
        SandboxOptions,
        lambda options, url: Sandbox(options, url=url),
        hackle_app,
        name="Hackle sandbox",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=typed.module("sandbox.hackle"),
        description="A local Hackle to try and to test against. It takes user events at "
        f"{EVENTS_PATH} as Hackle's own Python SDK sends them, shows what it holds on a page at / "
        "and as JSON at /events, /users, /requests and /stats; POST /reset empties it.",
    )
    add_service_arguments(parser, port=PORT)
    repeats = parser.add_argument_group(
        "repeats", "Whether Hackle keeps an event whose insertId it has seen is not published."
    )
    repeats.add_argument(
        "--keep-repeats",
        dest="deduplicate",
        action="store_false",
        help="keep each one (default: keep the first only)",
    )
    return parser
