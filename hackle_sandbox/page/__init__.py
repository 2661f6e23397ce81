"""The sandbox's page for people: what arrived, newest first."""

from typing import Final

from hackle_sandbox.page.views import VIEWS
from hackle_sandbox.sandbox import Sandbox
from sandbox.http import Endpoint
from sandbox.page.routes import Site

_SITE: Final = Site(
    name="Local Hackle",
    package="hackle_sandbox.page",
    views=VIEWS,
    nav=(
        ("events", "/", "Events"),
        ("users", "/page/users", "Users"),
        ("properties", "/page/properties", "Properties"),
        ("requests", "/page/requests", "Requests"),
    ),
    search=("Find a user", "user_id"),
    json=("/events", "/users", "/requests", "/stats"),
)


def page_endpoints(sandbox: Sandbox) -> dict[str, Endpoint]:
    """Every path of the page, and what answers there."""
    return _SITE.endpoints(sandbox)
