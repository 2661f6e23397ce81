"""`hackle-sandbox`: a local Hackle on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Final

from hackle_sandbox.app import EVENTS_PATH, hackle_app
from hackle_sandbox.options import SandboxOptions
from hackle_sandbox.sandbox import Sandbox
from sandbox.command import add_service_arguments, complain, run
from sandbox.options import OptionError

PROGRAM: Final = "hackle-sandbox"
PORT: Final = 8088


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal; returns the exit code: 0, or 2 if it could not start."""
    try:
        options = SandboxOptions(**vars(_parser().parse_args(arguments)))
    except OptionError as error:
        return complain(PROGRAM, error)
    return run(
        options,
        lambda url: Sandbox(options, url=url),
        hackle_app,
        name="Hackle sandbox",
        program=PROGRAM,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
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
    refusals = parser.add_argument_group("refusals")
    refusals.add_argument(
        "--poison",
        action="append",
        default=[],
        metavar="TEXT",
        help="refuse events with a property key or value equal to TEXT; may be repeated",
    )
    refusals.add_argument(
        "--quote-values",
        action="store_true",
        help="quote the offending value in the text of a 400, to prove that clients do not "
        "pass it on (default: name the field only)",
    )
    return parser
