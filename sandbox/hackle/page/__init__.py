"""The sandbox's page for people: what arrived, newest first."""

from typing import Final

from sandbox import typed
from sandbox.hackle.page.views import VIEWS
from sandbox.page.loading import Load
from sandbox.page.routes import Site

_PURCHASES: Final = Load(
    program=typed.program("destination-hackle"),
    config="sample_files/hackle/config.json",
    catalog="sample_files/hackle/configured_catalog.json",
    rows="sample_files/hackle/purchases.jsonl",
    address="http://127.0.0.1:8088",
)

SITE: Final = Site(
    name="Local Hackle",
    package="sandbox.hackle.page",
    views=VIEWS,
    nav=(
        ("events", "/", "Events"),
        ("users", "/page/users", "Users"),
        ("properties", "/page/properties", "Names"),
        ("requests", "/page/requests", "Requests"),
    ),
    search=("Find a user", "user_id"),
    json=("/events", "/users", "/requests", "/stats"),
    loads={"events": _PURCHASES, "users": _PURCHASES},
    start=typed.module("sandbox.hackle"),
)
