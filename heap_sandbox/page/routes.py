"""The pages on HTTP, as functions from a request to a response.

A page that is open asks for itself once a second and names what it has (`seen`); where nothing
has changed it gets 204, and htmx leaves it as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from heap_sandbox.answers import HTML
from heap_sandbox.guard import is_loopback
from heap_sandbox.page.rendering import STATIC, digest, render, static
from heap_sandbox.page.views import VIEWS, Read
from heap_sandbox.sandbox import Sandbox

Endpoint = Callable[[Request], Response]

#: What a page says of itself; not what it is about.
_OWN: Final = frozenset({"seen", "live"})
_NAV: Final = (
    ("events", "/", "Events"),
    ("users", "/page/users", "Users"),
    ("accounts", "/page/accounts", "Accounts"),
    ("properties", "/page/properties", "Properties"),
    ("requests", "/page/requests", "Requests"),
)


def page_endpoints(sandbox: Sandbox) -> dict[str, Endpoint]:
    """Every path of the page, and what answers there."""
    pages = {path: _page(sandbox, path, read) for path, read in VIEWS.items()}
    return pages | {f"/page/static/{name}": _file(name) for name in STATIC}


def _page(sandbox: Sandbox, path: str, read: Read) -> Endpoint:
    def page(request: Request) -> Response:
        query = {name: text for name, text in request.query_params.items() if name not in _OWN}
        paused = request.query_params.get("live") == "off"
        view = read(sandbox, query)
        content = render(view.template, {**view.context, "title": view.title})
        version = digest(content)
        if request.query_params.get("seen") == version:
            return Response(status_code=204)
        context = {
            "content": content,
            "title": view.title,
            "nav": _NAV,
            "here": view.nav,
            "live": view.live and not paused,
            "can_pause": view.live,
            "poll": _link(path, query | {"seen": version}),
            "pause": _link(path, query | {"live": "off"}),
            "resume": _link(path, query),
            "searched": query.get("identity", "") if view.nav == "search" else "",
            "host": sandbox.options.host,
            "loopback": is_loopback(sandbox.options.host),
        }
        # The part that lives is enough for a page that is open.
        template = "live.html" if "HX-Request" in request.headers else "layout.html"
        return Response(render(template, context), view.status, media_type=HTML)

    return page


def _link(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _file(name: str) -> Endpoint:
    def file(_: Request) -> Response:
        content, media_type = static(name)
        return Response(content, media_type=media_type)

    return file
