"""The pages on HTTP, as functions from a request to a response.

A page that is open asks for itself once a second and names what it has (`seen`); where nothing
has changed it gets 204, and htmx leaves it as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from sandbox.answers import HTML
from sandbox.guard import is_loopback
from sandbox.http import Endpoint, Service
from sandbox.page.rendering import STATIC, digest, render, static
from sandbox.page.views import Query, View

_Service = TypeVar("_Service", bound=Service)

#: What a page says of itself; not what it is about.
_OWN: Final = frozenset({"seen", "live"})


@dataclass(frozen=True, slots=True)
class Site(Generic[_Service]):
    """The pages of one service.

    `views` are its pages by path; `package` holds the templates that are its own. `nav` has key,
    path and label of each entry of the navigation, `search` the label and the parameter of the
    field to search by, `json` the paths at which the same is to be had as JSON.
    """

    name: str
    package: str
    views: Mapping[str, Callable[[_Service, Query], View]]
    nav: tuple[tuple[str, str, str], ...]
    search: tuple[str, str]
    json: tuple[str, ...]

    def endpoints(self, service: _Service) -> dict[str, Endpoint]:
        """Every path of the page, and what answers there."""
        pages = {path: self._page(service, path) for path in self.views}
        return pages | {f"/page/static/{name}": _file(name) for name in STATIC}

    def _page(self, service: _Service, path: str) -> Endpoint:
        read = self.views[path]
        label, parameter = self.search

        def page(request: Request) -> Response:
            query = {name: text for name, text in request.query_params.items() if name not in _OWN}
            paused = request.query_params.get("live") == "off"
            view = read(service, query)
            content = render(self.package, view.template, {**view.context, "title": view.title})
            version = digest(content)
            if request.query_params.get("seen") == version:
                return Response(status_code=204)
            context = {
                "content": content,
                "title": view.title,
                "name": self.name,
                "nav": self.nav,
                "here": view.nav,
                "live": view.live and not paused,
                "can_pause": view.live,
                "poll": _link(path, query | {"seen": version}),
                "pause": _link(path, query | {"live": "off"}),
                "resume": _link(path, query),
                "search_label": label,
                "search_by": parameter,
                "searched": query.get(parameter, "") if view.nav == "search" else "",
                "json": self.json,
                "host": service.options.host,
                "loopback": is_loopback(service.options.host),
            }
            # The part that lives is enough for a page that is open.
            template = "live.html" if "HX-Request" in request.headers else "layout.html"
            body = render(self.package, template, context)
            return Response(body, view.status, media_type=HTML)

        return page


def _link(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _file(name: str) -> Endpoint:
    def file(_: Request) -> Response:
        content, media_type = static(name)
        return Response(content, media_type=media_type)

    return file
