"""The sandbox on HTTP: the SDK's path to write to, the sandbox's own to read back and look at.

The SDK also asks for its workspace (`GET /api/v2/workspaces/<sdk key>/config`). There is none
here: it gets 404, goes on without one, and sends events as of a type it does not know.
"""

from __future__ import annotations

from typing import Final

from starlette.applications import Starlette

from sandbox.hackle.page import SITE
from sandbox.hackle.sandbox import Sandbox
from sandbox.http import listing, service_app

EVENTS_PATH: Final = "/api/v2/events"


def hackle_app(sandbox: Sandbox) -> Starlette:
    """The ASGI application of one sandbox."""
    reads = {
        "/events": listing("events", sandbox.events, "workspace", "user_id"),
        "/users": listing("users", sandbox.users, "workspace", "user_id"),
        **SITE.endpoints(sandbox),
    }
    return service_app(sandbox, {EVENTS_PATH: sandbox.track}, reads, nowhere=SITE.nowhere(sandbox))
