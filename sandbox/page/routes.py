"""The pages on HTTP, as functions from a request to a response.

A page that is open asks for itself once a second and names what it has (`seen`); where nothing
has changed it gets 204, and htmx leaves it as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from sandbox.answers import HTML
from sandbox.guard import is_loopback
from sandbox.http import Endpoint, Service
from sandbox.page.loading import Load, reached_at
from sandbox.page.rendering import STATIC, digest, render, static
from sandbox.page.views import Query, View, missing

_Service = TypeVar("_Service", bound=Service)

#: What a page says of itself; not what it is about.
_OWN: Final = frozenset({"seen", "live"})
_NOWHERE: Final = missing("", "There is no page at this address.")


@dataclass(frozen=True, slots=True)
class Site(Generic[_Service]):
    """The pages of one service.

    `views` are its pages by path; `package` holds the templates that are its own. `nav` has key,
    path and label of each entry of the navigation, `search` the label and the parameter of the
    field to search by, `json` the paths at which the same is to be had as JSON. `loads` has for
    some entries of the navigation how to load something; `start` is the command that starts the
    stand-in, but for its port.
    """

    name: str
    package: str
    views: Mapping[str, Callable[[_Service, Query], View]]
    nav: tuple[tuple[str, str, str], ...]
    search: tuple[str, str]
    json: tuple[str, ...]
    loads: Mapping[str, Load]
    start: str

    def endpoints(self, service: _Service) -> dict[str, Endpoint]:
        """Every path of the page, and what answers there."""
        pages = {path: self._page(service, path) for path in self.views}
        return pages | {f"/page/static/{name}": _file(name) for name in STATIC}

    def nowhere(self, service: _Service) -> Endpoint:
        """What a person sees at a path that has no page."""

        def page(request: Request) -> Response:
            return self._shown(service, request, _NOWHERE)

        return page

    def _page(self, service: _Service, path: str) -> Endpoint:
        read = self.views[path]
        return lambda request: self._shown(service, request, read(service, _query(request)))

    def _shown(self, service: _Service, request: Request, view: View) -> Response:
        address, path, query = reached_at(service.url), request.url.path, _query(request)
        load = self.loads.get(view.nav)
        here = {
            "title": view.title,
            "nav": self.nav,
            "address": address,
            "load": load and load.typed(address),
        }
        content = render(self.package, view.template, {**view.context, **here})
        version = digest(content)
        if request.query_params.get("seen") == version:
            return Response(status_code=204)
        label, parameter = self.search
        context = {
            **here,
            "content": content,
            "name": self.name,
            "here": view.nav,
            "live": view.live and request.query_params.get("live") != "off",
            "can_pause": view.live,
            "poll": _link(path, query | {"seen": version}),
            "pause": _link(path, query | {"live": "off"}),
            "resume": _link(path, query),
            "search_label": label,
            "search_by": parameter,
            "searched": query.get(parameter, "") if view.nav == "search" else "",
            "json": self.json,
            "start": f"{self.start} --port {urlsplit(address).port}",
            "host": service.options.host,
            "loopback": is_loopback(service.options.host),
        }
        # The part that lives is enough for a page that is open.
        template = "live.html" if "HX-Request" in request.headers else "layout.html"
        body = render(self.package, template, context)
        return Response(body, view.status, media_type=HTML)


def _query(request: Request) -> dict[str, str]:
    return {name: text for name, text in request.query_params.items() if name not in _OWN}


def _link(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _file(name: str) -> Endpoint:
    def file(_: Request) -> Response:
        content, media_type = static(name)
        return Response(content, media_type=media_type)

    return file
