"""A stand-in on HTTP: the paths its service has, and the sandbox's own beside them.

Knows nothing of the service: what judges a write and what answers a read is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import orjson
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from sandbox.answers import JSON
from sandbox.faults import FaultPlan
from sandbox.guard import HEADERS, objection
from sandbox.intake import Clock, Conditions, Intake, Judge
from sandbox.journal import Journal
from sandbox.options import ServiceOptions

DEFAULT_LIMIT: Final = 1_000
HIGHEST_LIMIT: Final = 10_000
#: Of properties in one answer, but for its last row: so much JSON is ten times as much in memory.
MOST_BYTES: Final = 4_000_000

Endpoint = Callable[[Request], Response]


class Service(Protocol):
    """What every stand-in has, whichever service it stands for."""

    url: str
    clock: Clock
    journal: Journal

    @property
    def options(self) -> ServiceOptions: ...

    def requests(self) -> list[dict[str, Any]]: ...

    def stats(self) -> dict[str, Any]: ...

    def reset(self) -> None: ...

    def close(self) -> None: ...


def service_app(
    service: Service,
    writes: Mapping[str, Judge],
    reads: Mapping[str, Endpoint],
    asks: Mapping[str, Judge] | None = None,
    *,
    nowhere: Endpoint | None = None,
) -> Starlette:
    """The ASGI application of one stand-in.

    `writes` are the paths of the service itself, which faults can befall, and `asks` those of them
    that are asked by GET; `reads` are those of the sandbox. `/requests`, `/stats`, `/healthz` and
    `/reset` are added to them. At any other, people see `nowhere`, if there is one, and programs
    what the service would say.
    """
    options = service.options
    conditions = Conditions(
        plan=FaultPlan(options.fail_rate, options.seed, options.fail_kinds),
        hang_seconds=options.hang_seconds,
        latency_seconds=options.latency_ms / 1_000,
        max_body_bytes=options.max_body_bytes,
    )
    reads = {
        **reads,
        "/stats": lambda _: _json(service.stats()),
        "/requests": lambda _: _json({"requests": service.requests()}),
        "/healthz": lambda _: PlainTextResponse("ok"),
    }

    def reset(request: Request) -> Response:
        service.reset()
        return RedirectResponse("/", 303) if _is_of_a_person(request) else _json({})

    asks = asks or {}
    known = {*writes, *asks, *reads, "/reset"}

    told = None if nowhere is None else _guarded(nowhere, options.host)

    def stray(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - tells the type checker
        if told is not None and error.status_code == 404 and _is_of_a_person(request):
            return told(request)
        path = request.url.path
        service.journal.stray(path if path in known else None, error.status_code)
        return PlainTextResponse(error.detail, error.status_code, error.headers)

    app = Starlette(
        routes=[
            *(
                Route(
                    path,
                    Intake(path, judge, conditions, service.journal, service.clock),
                    methods=[method],
                )
                for method, judges in (("POST", writes), ("GET", asks))
                for path, judge in judges.items()
            ),
            *(
                Route(path, _on_the_loop(_guarded(read, options.host)))
                for path, read in reads.items()
            ),
            Route("/reset", _on_the_loop(_guarded(reset, options.host)), methods=["POST"]),
        ],
        exception_handlers={404: stray, 405: stray},
    )
    # A path with a slash too many is another path to the service, not a hint to be followed.
    app.router.redirect_slashes = False
    return app


def _is_of_a_person(request: Request) -> bool:
    """Whether a browser asks for something to look at; programs take anything, or JSON."""
    return "text/html" in request.headers.get("accept", "")


def _on_the_loop(answer: Endpoint) -> Callable[[Request], Any]:
    """Starlette runs plain functions in threads; these are quicker than the switch to one."""

    async def endpoint(request: Request) -> Response:
        return answer(request)

    return endpoint


def _guarded(answer: Endpoint, bound_to: str) -> Endpoint:
    """For what reads or deletes; what writes is open, as the service's own paths are."""

    def guarded(request: Request) -> Response:
        why = objection(bound_to, request.headers.get("host"), request.headers.get("origin"))
        response = answer(request) if why is None else PlainTextResponse(why, 403)
        response.headers.update(HEADERS)
        return response

    return guarded


def listing(name: str, read: Callable[..., list[dict[str, Any]]], *filters: str) -> Endpoint:
    """`{name: [...], "next_after": N}`; `next_after` is null on the last page.

    A page has `limit` rows, or fewer where they are large.
    """

    def page(request: Request) -> Response:
        query = request.query_params
        after = _whole(query, "after", 0, 0, 2**63 - 1)
        limit = _whole(query, "limit", DEFAULT_LIMIT, 1, HIGHEST_LIMIT)
        whose = {field: query.get(field) for field in filters}
        rows = read(after=after, limit=limit, most_bytes=MOST_BYTES, **whose)
        last = rows[-1]["sequence"] if rows else after
        more = read(after=last, limit=1, **whose)
        return _json({name: rows, "next_after": last if more else None})

    return page


def _whole(query: QueryParams, name: str, default: int, lowest: int, highest: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) <= len(str(highest)):
        number = int(text)
        if lowest <= number <= highest:
            return number
    raise HTTPException(400, f"{name} must be a whole number from {lowest} to {highest}")


def _json(value: Any) -> Response:
    return Response(orjson.dumps(value), media_type=JSON)
