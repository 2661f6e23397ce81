"""The studio on HTTP: its page, its parts, and files to take along."""

import zlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bulk_destination.look.samples import SampleError
from bulk_destination.protocol.spool import temporary_file
from bulk_destination.studio.form import read
from bulk_destination.studio.guard import HEADERS, objection
from bulk_destination.studio.rendering import STATIC, render, static
from bulk_destination.studio.sample import LARGEST
from bulk_destination.studio.studio import Studio
from bulk_destination.studio.takeaway import CATALOG, CONFIG, RECORDS, as_file

_HTML: Final = "text/html; charset=utf-8"
#: Bytes that a form may have.
_LARGEST_FORM: Final = 1_000_000

Endpoint = Callable[[Request], Awaitable[Response]]


def app(studio: Studio, port: int, token: str) -> Starlette:
    """The ASGI application of a studio that listens on `port`."""
    pages = _Pages(studio)
    routes = {
        "": ("GET", pages.page),
        "sample": ("PUT", pages.sample),
        "outcome": ("POST", pages.outcome),
        "plan": ("GET", pages.plan),
        CONFIG: ("POST", pages.config),
        CATALOG: ("POST", pages.catalog),
        RECORDS: ("POST", pages.records),
        "static/{name}": ("GET", _file),
    }
    return Starlette(
        routes=[
            Route(f"/{token}/{path}", endpoint, methods=[method])
            for path, (method, endpoint) in routes.items()
        ],
        middleware=[Middleware(_Guarded, port=port, token=token)],
    )


class _Guarded:
    """Lets nobody in but who `guard.py` lets, and says so in every answer."""

    def __init__(self, app: ASGIApp, port: int, token: str) -> None:
        self._app = app
        self._port = port
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        def values(name: bytes) -> list[str]:
            return [value.decode("latin-1") for key, value in scope["headers"] if key == name]

        why = objection(self._port, self._token, scope["path"], values(b"host"), values(b"origin"))

        async def send_guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                added = [(name.lower().encode(), text.encode()) for name, text in HEADERS.items()]
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        answer = self._app if why is None else PlainTextResponse(why, 403)
        await answer(scope, receive, send_guarded)


class _Pages:
    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    async def page(self, _: Request) -> Response:
        context = await run_in_threadpool(self._studio.page)
        return Response(render("page.html", context), media_type=_HTML)

    async def sample(self, request: Request) -> Response:
        """A file of any size, as the body."""
        name = unquote(request.query_params.get("name", "")) or "sample"
        file, size = temporary_file(), 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > LARGEST:
                return PlainTextResponse(f"{name} has more than {LARGEST:,} bytes", 413)
            file.write(chunk)
        file.flush()
        try:
            await run_in_threadpool(self._studio.take, name, file)
        except SampleError as error:
            file.close()
            return PlainTextResponse(f"{name} {error}", 422)
        return Response(status_code=204)

    async def outcome(self, request: Request) -> Response:
        given = await _given(request)
        context = await run_in_threadpool(self._studio.typed, given)
        if context is None:
            return Response(status_code=204)
        return Response(render("outcome.html", context), media_type=_HTML)

    async def plan(self, request: Request) -> Response:
        """How far the plan is, or the plan; 204 where the page knows it."""
        context = {**self._studio.plan(), "swapped": False}
        job = context["job"]
        if not job.done:
            if request.query_params.get("has") == f"{job.number}.{context['share']}":
                return Response(status_code=204)
            return Response(render("behind.html", context), media_type=_HTML)
        plan = context["plan"]
        context["refreshed"] = grew = bool(plan and plan["grew"])
        if grew:
            context |= await run_in_threadpool(self._studio.columns)
        again = {"HX-Trigger": "refresh"} if plan and plan["differs"] else {}
        return Response(render("planned.html", context), media_type=_HTML, headers=again)

    async def config(self, request: Request) -> Response:
        given = await _given(request)
        judged = self._studio.judged(given)
        if judged is None:
            return PlainTextResponse("There is no sample yet.", 409)
        content = read(judged.parts, given, secrets="_secrets" in given)
        return _download(as_file(content), CONFIG)

    async def catalog(self, request: Request) -> Response:
        judged = self._studio.judged(await _given(request))
        if judged is None:
            return PlainTextResponse("There is no sample yet.", 409)
        return _download(as_file(judged.catalog), CATALOG)

    async def records(self, request: Request) -> Response:
        await _given(request)
        if self._studio.sample is None:
            return PlainTextResponse("There is no sample yet.", 409)
        headers = {"Content-Disposition": f'attachment; filename="{RECORDS}"'}
        lines: Iterable[bytes] = self._studio.records()
        return StreamingResponse(lines, media_type="application/jsonl", headers=headers)


def _download(content: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type="application/json", headers=headers)


async def _given(request: Request) -> dict[str, str]:
    """What was typed. A field that comes twice is a slip of nobody's: the last counts."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_FORM:
            break
    text = body[:_LARGEST_FORM].decode("utf-8", "replace")
    return dict(parse_qsl(text, keep_blank_values=True))


async def _file(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in STATIC:
        return PlainTextResponse("There is no such file.", 404)
    content, media_type = static(name)
    tag = f'"{zlib.crc32(content):08x}"'
    return Response(content, media_type=media_type, headers={"ETag": tag})
