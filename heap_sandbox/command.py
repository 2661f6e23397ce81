"""The command-line plumbing of a stand-in service. Knows nothing of the service itself."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from starlette.types import ASGIApp

from heap_sandbox.faults import DEFAULT_KINDS, HANG, HANGS
from heap_sandbox.options import LOOPBACK, ServiceOptions
from heap_sandbox.server import serve, url_of

_DEFAULTS = ServiceOptions()


def add_service_arguments(parser: argparse.ArgumentParser, *, port: int) -> None:
    """Add what `ServiceOptions` holds; every destination has the name of its field."""
    where = parser.add_argument_group("where")
    where.add_argument(
        "--host",
        default=LOOPBACK,
        metavar="ADDRESS",
        help="address to listen on; any but loopback lets others read the data "
        "(default: %(default)s)",
    )
    where.add_argument(
        "--port",
        type=int,
        default=port,
        metavar="N",
        help="port to listen on; 0 picks a free one (default: %(default)s)",
    )
    where.add_argument(
        "--db",
        type=Path,
        metavar="FILE",
        help="keep the data in this SQLite file (default: a temporary one, gone at the end)",
    )
    faults = parser.add_argument_group(
        "faults", "The n-th write request gets the n-th draw of the seed, in every run."
    )
    faults.add_argument(
        "--fail",
        type=float,
        dest="fail_rate",
        default=_DEFAULTS.fail_rate,
        metavar="RATE",
        help="share of write requests that meet a fault, 0 to 1 (default: %(default)g)",
    )
    faults.add_argument(
        "--seed",
        type=int,
        default=_DEFAULTS.seed,
        metavar="N",
        help="repeats a row of faults exactly (default: %(default)s)",
    )
    faults.add_argument(
        "--fail-kinds",
        type=_names,
        default=DEFAULT_KINDS,
        metavar="KIND,KIND",
        help=f"kinds to draw from (default: {','.join(DEFAULT_KINDS)}; "
        f"also: {', '.join(sorted(HANGS))})",
    )
    faults.add_argument(
        "--hang",
        type=float,
        dest="hang_seconds",
        default=_DEFAULTS.hang_seconds,
        metavar="SECONDS",
        help=f"how long a `{HANG}` keeps the connection open before it is reset "
        "(default: %(default)g)",
    )
    faults.add_argument(
        "--latency",
        type=float,
        dest="latency_ms",
        default=_DEFAULTS.latency_ms,
        metavar="MS",
        help="delay every write answer by so many milliseconds (default: %(default)g)",
    )
    faults.add_argument(
        "--max-body",
        type=int,
        dest="max_body_bytes",
        metavar="BYTES",
        help="answer larger bodies by 413 (default: no limit)",
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def complain(program: str, problem: object) -> int:
    """Say on stderr, in one line, why the program cannot start; returns its exit code, 2."""
    print(f"{program}: {problem}", file=sys.stderr)
    return 2


def run_until_signal(app: ASGIApp, listener: socket.socket, *, name: str, program: str) -> None:
    """Serve `app` until SIGTERM or SIGINT.

    Prints one line on stdout once connections are taken, so that scripts can wait for it, and
    a warning on stderr if others than this machine can connect.
    """

    def started(stop: Callable[[], None]) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop())
        if not _is_loopback(listener):
            print(
                f"{program}: warning: listening beyond this machine; "
                "whoever reaches the port can read and delete the data",
                file=sys.stderr,
            )
        print(f"{name} listening on {url_of(listener)}", flush=True)

    asyncio.run(serve(app, listener, started=started))


def _is_loopback(listener: socket.socket) -> bool:
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback
