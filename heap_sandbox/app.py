"""The sandbox on HTTP: Heap's paths to write to, the sandbox's own to read back and to look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import orjson
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from heap_sandbox.answers import JSON
from heap_sandbox.faults import FaultPlan
from heap_sandbox.guard import HEADERS, objection
from heap_sandbox.intake import Conditions, Intake
from heap_sandbox.page.routes import page_endpoints
from heap_sandbox.sandbox import Sandbox

DEFAULT_LIMIT: Final = 1_000
HIGHEST_LIMIT: Final = 10_000


def heap_app(sandbox: Sandbox) -> Starlette:
    """The ASGI application of one sandbox."""
    options = sandbox.options
    conditions = Conditions(
        plan=FaultPlan(options.fail_rate, options.seed, options.fail_kinds),
        hang_seconds=options.hang_seconds,
        latency_seconds=options.latency_ms / 1_000,
        max_body_bytes=options.max_body_bytes,
    )
    writes = {
        "/api/track": sandbox.track,
        "/api/add_user_properties": sandbox.add_user_properties,
        "/api/add_account_properties": sandbox.add_account_properties,
    }
    reads = {
        "/events": _page("events", sandbox.events, "app_id", "identity"),
        "/users": _page("users", sandbox.users, "app_id", "identity"),
        "/accounts": _page("accounts", sandbox.accounts, "app_id", "account_id"),
        "/stats": lambda _: _json(sandbox.stats()),
        "/requests": lambda _: _json({"requests": sandbox.requests()}),
        "/healthz": lambda _: PlainTextResponse("ok"),
        **page_endpoints(sandbox),
    }

    def reset(_: Request) -> Response:
        sandbox.reset()
        return _json({})

    known = {*writes, *reads, "/reset"}

    def stray(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - tells the type checker
        path = request.url.path
        sandbox.journal.stray(path if path in known else None, error.status_code)
        return PlainTextResponse(error.detail, error.status_code, error.headers)

    app = Starlette(
        routes=[
            *(
                Route(
                    path,
                    Intake(path, judge, conditions, sandbox.journal, sandbox.clock),
                    methods=["POST"],
                )
                for path, judge in writes.items()
            ),
            *(
                Route(path, _on_the_loop(_guarded(read, options.host)))
                for path, read in reads.items()
            ),
            Route("/reset", _on_the_loop(_guarded(reset, options.host)), methods=["POST"]),
        ],
        exception_handlers={404: stray, 405: stray},
    )
    # A path with a slash too many is another path to Heap, not a hint to be followed.
    app.router.redirect_slashes = False
    return app


def _on_the_loop(answer: Callable[[Request], Response]) -> Callable[[Request], Any]:
    """Starlette runs plain functions in threads; these are quicker than the switch to one."""

    async def endpoint(request: Request) -> Response:
        return answer(request)

    return endpoint


def _guarded(answer: Callable[[Request], Response], bound_to: str) -> Callable[[Request], Response]:
    """For what reads or deletes; what writes is open, as Heap's own APIs are."""

    def guarded(request: Request) -> Response:
        why = objection(bound_to, request.headers.get("host"), request.headers.get("origin"))
        response = answer(request) if why is None else PlainTextResponse(why, 403)
        response.headers.update(HEADERS)
        return response

    return guarded


def _page(
    name: str, read: Callable[..., list[dict[str, Any]]], *filters: str
) -> Callable[[Request], Response]:
    """`{name: [...], "next_after": N}`; `next_after` is null on the last page."""

    def page(request: Request) -> Response:
        query = request.query_params
        after = _whole(query, "after", 0, 0, 2**63 - 1)
        limit = _whole(query, "limit", DEFAULT_LIMIT, 1, HIGHEST_LIMIT)
        # One more than asked for tells whether there is another page.
        rows = read(after=after, limit=limit + 1, **{field: query.get(field) for field in filters})
        shown = rows[:limit]
        more = len(rows) > limit
        return _json({name: shown, "next_after": shown[-1]["sequence"] if more else None})

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
