"""`studio`: opens the page in a browser, and serves it until Ctrl-C."""

import argparse
import asyncio
import secrets
import socket
import sys
import webbrowser
from pathlib import Path
from typing import Any, Final

from uvicorn import Config, Server

from bulk_destination.connection import Service
from bulk_destination.errors import SyncError
from bulk_destination.look.samples import SampleError
from bulk_destination.studio.pages import app
from bulk_destination.studio.source import read_source
from bulk_destination.studio.studio import Studio

#: Seconds between two threads' turns: the page answers while a plan is made beside it.
_TURN: Final = 0.0005


def run(service: Service[Any], parsed: argparse.Namespace) -> int:
    """Serves the page; returns the exit code."""
    studio = Studio(service)
    try:
        for name in parsed.files:
            studio.take(Path(name).name, Path(name).open("rb"))  # noqa: SIM115  # it is kept
        if parsed.source is not None:
            file, catalog = read_source(parsed.source, parsed.source_config, parsed.stream)
            studio.describe(catalog)
            studio.take(parsed.source, file)
        listener = socket.create_server(("127.0.0.1", parsed.port))
    except SampleError as error:
        print(f"{name} {error}", file=sys.stderr)
        return 1
    except SyncError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename or f'port {parsed.port}'}: {error.strerror}", file=sys.stderr)
        return 1
    port, token = listener.getsockname()[1], secrets.token_urlsafe(16)
    address = f"http://127.0.0.1:{port}/{token}/"
    sys.setswitchinterval(_TURN)
    config = Config(
        app(studio, port, token),
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    print(f"The studio is open at {address}\nIt ends with Ctrl-C.", flush=True)
    if parsed.browser:
        webbrowser.open(address)
    try:
        asyncio.run(Server(config).serve(sockets=[listener]))
    except KeyboardInterrupt:
        return 0
    finally:
        studio.close()
    return 0
