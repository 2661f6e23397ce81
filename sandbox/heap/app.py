"""The sandbox on HTTP: Heap's paths to write to, the sandbox's own to read back and to look at."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette

from sandbox.answers import Answer
from sandbox.heap.page import SITE
from sandbox.heap.sandbox import Sandbox
from sandbox.http import listing, service_app
from sandbox.intake import Judge


def heap_app(sandbox: Sandbox) -> Starlette:
    """The ASGI application of one sandbox."""
    writes = {
        "/api/track": _by_body(sandbox.track),
        "/api/add_user_properties": _by_body(sandbox.add_user_properties),
        "/api/add_account_properties": _by_body(sandbox.add_account_properties),
        "/api/public/v0/auth_token": sandbox.auth_token,
        "/api/public/v0/user_deletion": sandbox.user_deletion,
    }
    asks = {"/api/public/v0/deletion_status/{number}": sandbox.deletion_status}
    reads = {
        "/events": listing("events", sandbox.events, "app_id", "identity"),
        "/users": listing("users", sandbox.users, "app_id", "identity"),
        "/deletions": listing("deletions", sandbox.deletions, "app_id", "identity", "request"),
        "/accounts": listing("accounts", sandbox.accounts, "app_id", "account_id"),
        **SITE.endpoints(sandbox),
    }
    return service_app(sandbox, writes, reads, asks, nowhere=SITE.nowhere(sandbox))


def _by_body(judge: Callable[[bytes], Answer]) -> Judge:
    """Heap's pages ask for no header: the environment's id is part of the body."""
    return lambda write: judge(write.body)
