"""The sandbox's page for people: what arrived, as in Heap's live view."""

from typing import Final

from sandbox.heap.page.views import VIEWS
from sandbox.page.routes import Site

SITE: Final = Site(
    name="Local Heap",
    package="sandbox.heap.page",
    views=VIEWS,
    nav=(
        ("events", "/", "Events"),
        ("users", "/page/users", "Users"),
        ("accounts", "/page/accounts", "Accounts"),
        ("properties", "/page/properties", "Properties"),
        ("requests", "/page/requests", "Requests"),
    ),
    search=("Find an identity or account", "identity"),
    json=("/events", "/users", "/accounts", "/requests", "/stats"),
)
