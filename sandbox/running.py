"""A stand-in for the length of a `with` block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TypeVar

from starlette.types import ASGIApp

from sandbox.http import Service
from sandbox.options import ServiceOptions
from sandbox.server import HttpParser, listen, serving, url_of

_Service = TypeVar("_Service", bound=Service)


@contextmanager
def in_background(
    options: ServiceOptions,
    make: Callable[[str], _Service],
    app: Callable[[_Service], ASGIApp],
    *,
    http: HttpParser = "auto",
) -> Iterator[_Service]:
    """Serve the stand-in that `make` makes of its URL, from a thread, while the block runs.

    Raises `OSError` if the port cannot be had and `sqlite3.Error` if the file is no database.
    When the block ends, open connections are closed and a temporary store is gone.
    """
    with listen(options.host, options.port) as listener:
        service = make(url_of(listener))
        with closing(service), serving(app(service), listener, http=http):
            yield service
