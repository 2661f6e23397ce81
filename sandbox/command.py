"""The command-line plumbing of a stand-in service. Knows nothing of the service itself."""

from __future__ import annotations

import argparse
import asyncio
import errno
import ipaddress
import signal
import socket
import sqlite3
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from starlette.types import ASGIApp

from sandbox.faults import DEFAULT_KINDS, HANG, HANGS
from sandbox.http import Service
from sandbox.options import LOOPBACK, OptionError, ServiceOptions
from sandbox.server import listen, serve, url_of

_DEFAULTS = ServiceOptions()
_Options = TypeVar("_Options", bound=ServiceOptions)
_Service = TypeVar("_Service", bound=Service)


def add_service_arguments(parser: argparse.ArgumentParser, *, port: int) -> None:
    """Add what `ServiceOptions` holds; every destination has the name of its field."""
    where = parser.add_argument_group("where")
    where.add_argument(
        "--host",
        default=LOOPBACK,
        metavar="ADDRESS",
        help="address to listen on; any but loopback lets others read, write and delete the data. "
        "The paths to write to are open, as the service's own are: whatever reaches the port can "
        "add data, also a page of another site in a browser of this machine "
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


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def complain(name: str, problem: object) -> int:
    """Say on stderr, in one line, why it cannot start; returns the exit code, 2."""
    print(f"{name}: {problem}", file=sys.stderr)
    return 2


def start(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    options: Callable[..., _Options],
    make: Callable[[_Options, str], _Service],
    app: Callable[[_Service], ASGIApp],
    *,
    name: str,
) -> int:
    """Serve, until a signal, the stand-in that `make` makes of its options and its URL.

    The parser's arguments are the options' fields; `name` is what messages begin with. Returns the
    exit code: 0, or 2 if it could not start.
    """
    try:
        chosen = options(**vars(parser.parse_args(arguments)))
    except OptionError as error:
        return complain(name, error)
    return run(chosen, lambda url: make(chosen, url), app, name=name)


def run(
    options: ServiceOptions,
    make: Callable[[str], _Service],
    app: Callable[[_Service], ASGIApp],
    *,
    name: str,
) -> int:
    """Serve the stand-in that `make` makes of its URL, until a signal.

    Returns the exit code: 0, or 2 if it could not start.
    """
    try:
        listener = listen(options.host, options.port)
    except OSError as error:
        return complain(name, _why(error, options))
    with listener:
        try:
            service = make(url_of(listener))
        except sqlite3.Error as error:
            return complain(name, f"{options.db} cannot be used as a database: {error}")
        with closing(service):
            run_until_signal(app(service), listener, name=name)
    return 0


def _why(error: OSError, options: ServiceOptions) -> str:
    where = f"{options.host} port {options.port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use; choose another with --port, or 0 for a free one"
    return f"cannot listen on {where}: {error.strerror or error}"


def run_until_signal(app: ASGIApp, listener: socket.socket, *, name: str) -> None:
    """Serve `app` until SIGTERM or SIGINT.

    Prints one line on stdout once connections are taken, so that scripts can wait for it, and
    a warning on stderr if others than this machine can connect.
    """

    def started(stop: Callable[[], None]) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop())
        if not _is_loopback(listener):
            print(
                f"{name}: warning: listening beyond this machine; "
                "whoever reaches the port can read, write and delete the data",
                file=sys.stderr,
            )
        print(f"{name} listening on {url_of(listener)}", flush=True)

    asyncio.run(serve(app, listener, started=started))


def _is_loopback(listener: socket.socket) -> bool:
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback
