"""HTTP over real sockets: uvicorn's connection classes, run by one event loop of our own.

Knows nothing of the service it carries. Two things uvicorn's own server does not offer are the
reason for this module: the application can get at its connection, to reset it, and starting and
stopping take milliseconds instead of tenths of seconds, so that every test can have a server.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Literal, cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

TRANSPORT: Final = "sandbox.transport"
"""Name of the ASGI scope extension that holds the connection's `asyncio.Transport`."""

BACKLOG: Final = 2_048
KEEP_ALIVE_SECONDS: Final = 75
"""An idle connection lives as long as nginx's default, not uvicorn's 5 s: a client that pauses
must not meet resets that nobody ordered."""

HttpParser = Literal["auto", "httptools", "h11"]

_log = logging.getLogger("sandbox")


def reset(scope: Scope) -> None:
    """Break the connection of `scope` with a TCP RST, whatever is still unsent."""
    transport = cast(asyncio.Transport, scope["extensions"][TRANSPORT])
    connection = transport.get_extra_info("socket")
    if connection is not None:
        # Lingering for 0 s makes close() send RST instead of FIN: socket(7), SO_LINGER.
        with suppress(OSError):  # the client may have left, and its socket with it
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def disconnected(receive: Receive) -> None:
    """Wait until the connection is gone, from whichever side."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _on(transport: asyncio.Transport, app: ASGIApp) -> ASGIApp:
    async def app_on_transport(scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"] = {**scope.get("extensions", {}), TRANSPORT: transport}
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            transport.abort()
            await disconnected(receive)
        except Exception as error:  # noqa: BLE001 - the last stop of every error
            # uvicorn would log the message of the error, and a message may quote the request.
            # The caller has its 500 by now, or gets it from uvicorn.
            _log.error("%s while answering %s", type(error).__name__, scope["path"])

    return app_on_transport


class H11Connection(H11Protocol):
    """uvicorn's connection on h11, handing its transport to the application."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app = cast(Any, _on(transport, cast(ASGIApp, self.app)))


_PARSERS: dict[str, type[asyncio.Protocol]] = {"auto": H11Connection, "h11": H11Connection}

try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
except ImportError:
    pass
else:

    class HttpToolsConnection(HttpToolsProtocol):
        """The same on httptools, which reads requests in C."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.app = cast(Any, _on(transport, cast(ASGIApp, self.app)))

    _PARSERS |= {"auto": HttpToolsConnection, "httptools": HttpToolsConnection}


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket; port 0 takes a free one. Raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    # Connections inherit it. asyncio would set it itself, but not on a socket opened like this
    # one, and then each answer's body waits 40 ms for the client to acknowledge its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def url_of(listener: socket.socket) -> str:
    """`http://host:port` of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    started: Callable[[Callable[[], None]], None],
    http: HttpParser = "auto",
) -> None:
    """Serve `app` on `listener` until told to stop, then close every connection at once.

    `started` is called when connections are taken, with a function that stops the server and
    may be called from any thread or signal handler. Closes the listener.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    config = Config(
        cast(Any, app),
        http=_PARSERS[http],
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    config.load()
    state = ServerState()
    connect = cast(Callable[..., asyncio.Protocol], config.http_protocol_class)
    server = await loop.create_server(
        lambda: connect(config=config, server_state=state, app_state={}, _loop=loop),
        sock=listener,
        backlog=BACKLOG,
    )
    started(lambda: _call_soon(loop, stop.set))
    await stop.wait()
    server.close()
    for connection in list(state.connections):
        connection.transport.abort()
    tasks = list(state.tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await server.wait_closed()


def _call_soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call)


@contextmanager
def serving(app: ASGIApp, listener: socket.socket, *, http: HttpParser = "auto") -> Iterator[None]:
    """Serve `app` from a thread of its own while the block runs."""
    stops: list[Callable[[], None]] = []
    ready = threading.Event()

    def started(stop: Callable[[], None]) -> None:
        stops.append(stop)
        ready.set()

    def run() -> None:
        try:
            asyncio.run(serve(app, listener, started=started, http=http))
        finally:
            ready.set()

    thread = threading.Thread(target=run, name=f"serving {url_of(listener)}", daemon=True)
    thread.start()
    ready.wait()
    try:
        yield
    finally:
        for stop in stops:
            stop()
        thread.join()
