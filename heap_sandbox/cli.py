"""`heap-sandbox`: a local Heap on the command line."""

from __future__ import annotations

import argparse
import errno
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Final

from heap_sandbox.app import heap_app
from heap_sandbox.command import add_service_arguments, complain, run_until_signal
from heap_sandbox.options import OptionError, SandboxOptions
from heap_sandbox.sandbox import Sandbox
from heap_sandbox.server import listen, url_of

PROGRAM: Final = "heap-sandbox"
PORT: Final = 8087
_DEFAULTS: Final = SandboxOptions()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal; returns the exit code: 0, or 2 if it could not start."""
    try:
        options = SandboxOptions(**vars(_parser().parse_args(arguments)))
    except OptionError as error:
        return complain(PROGRAM, error)
    try:
        listener = listen(options.host, options.port)
    except OSError as error:
        return complain(PROGRAM, _why(error, options))
    with listener:
        try:
            sandbox = Sandbox(options, url=url_of(listener))
        except sqlite3.Error as error:
            return complain(PROGRAM, f"{options.db} cannot be used as a database: {error}")
        with closing(sandbox):
            run_until_signal(heap_app(sandbox), listener, name="Heap sandbox", program=PROGRAM)
    return 0


def _why(error: OSError, options: SandboxOptions) -> str:
    where = f"{options.host} port {options.port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use; choose another with --port, or 0 for a free one"
    return f"cannot listen on {where}: {error.strerror or error}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="A local Heap to try and to test against. It takes track, "
        "add_user_properties and add_account_properties as Heap documents them, shows what it "
        "holds on a page at / and as JSON at /events, /users, /accounts, /requests and /stats; "
        "POST /reset empties it.",
    )
    add_service_arguments(parser, port=PORT)
    quotas = parser.add_argument_group(
        "quotas", "Those Heap publishes for bulk track; over them the answer is 429."
    )
    quotas.add_argument(
        "--no-quotas",
        dest="quotas",
        action="store_false",
        help="keep none (default: keep them)",
    )
    quotas.add_argument(
        "--events-per-minute",
        type=int,
        default=_DEFAULTS.events_per_minute,
        metavar="N",
        help="for each app_id; 0 lifts it (default: %(default)s)",
    )
    quotas.add_argument(
        "--events-per-identity-per-minute",
        type=int,
        default=_DEFAULTS.events_per_identity_per_minute,
        metavar="N",
        help="for each identity of an app_id; 0 lifts it (default: %(default)s)",
    )
    quotas.add_argument(
        "--quota-window",
        type=float,
        dest="quota_window_seconds",
        default=_DEFAULTS.quota_window_seconds,
        metavar="SECONDS",
        help="length of the sliding window (default: %(default)g)",
    )
    refusals = parser.add_argument_group("refusals")
    refusals.add_argument(
        "--poison",
        action="append",
        default=[],
        metavar="TEXT",
        help="refuse items with a property key or value equal to TEXT; may be repeated",
    )
    refusals.add_argument(
        "--quote-values",
        action="store_true",
        help="quote the offending value in the text of a 400, to prove that clients do not "
        "pass it on (default: name the field only)",
    )
    return parser
