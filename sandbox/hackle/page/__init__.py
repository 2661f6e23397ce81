"""The sandbox's page for people: what arrived, newest first."""

from typing import Final

from sandbox.hackle.page.views import VIEWS
from sandbox.page.routes import Site

SITE: Final = Site(
    name="Local Hackle",
    package="sandbox.hackle.page",
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
