"""`python -m sandbox.heap`: a local Heap on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Final

from sandbox import typed
from sandbox.command import add_service_arguments, start
from sandbox.heap.app import heap_app
from sandbox.heap.options import SandboxOptions
from sandbox.heap.sandbox import Sandbox

PORT: Final = 8087
_DEFAULTS: Final = SandboxOptions()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal; returns the exit code: 0, or 2 if it could not start."""
    return start(
        _parser(),
        arguments,
        SandboxOptions,
        lambda options, url: Sandbox(options, url=url),
        heap_app,
        name="Heap sandbox",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=typed.module("sandbox.heap"),
        description="A local Heap to try and to test against. It takes track, "
        "add_user_properties, add_account_properties and user_deletion as Heap documents them, "
        "shows what it holds on a page at / and as JSON at /events, /users, /accounts, "
        "/deletions, /requests and /stats; POST /reset empties it.",
    )
    add_service_arguments(parser, port=PORT)
    quotas = parser.add_argument_group(
        "quotas", "Those Heap publishes; over them the answer is 429."
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
        "--user-requests-per-identity",
        type=int,
        default=_DEFAULTS.user_requests_per_identity,
        metavar="N",
        help="requests of add_user_properties in half a window; 0 lifts it (default: %(default)s)",
    )
    quotas.add_argument(
        "--quota-window",
        type=float,
        dest="quota_window_seconds",
        default=_DEFAULTS.quota_window_seconds,
        metavar="SECONDS",
        help="length of the sliding window (default: %(default)g)",
    )
    _add_deletion(parser)
    return parser


def _add_deletion(parser: argparse.ArgumentParser) -> None:
    deletion = parser.add_argument_group("deletion of users")
    deletion.add_argument(
        "--api-key",
        default=_DEFAULTS.api_key,
        metavar="KEY",
        help="the key that gives tokens (default: %(default)s)",
    )
    deletion.add_argument(
        "--token-seconds",
        type=float,
        default=_DEFAULTS.token_seconds,
        metavar="SECONDS",
        help="how long a token lives (default: %(default)g)",
    )
    deletion.add_argument(
        "--deletion-seconds",
        type=float,
        default=_DEFAULTS.deletion_seconds,
        metavar="SECONDS",
        help="how long a deletion is pending (default: %(default)g)",
    )
    deletion.add_argument(
        "--not-main-production",
        dest="main_production",
        action="store_false",
        help="be an environment in which no user may be deleted",
    )
