"""The sandbox's page for people: what arrived, as in Heap's live view."""

import sys
from pathlib import Path
from typing import Final

from sandbox import typed
from sandbox.heap.page.views import VIEWS
from sandbox.page.loading import Load
from sandbox.page.routes import Site

_PROGRAM: Final = f"{typed.program(Path(sys.executable).name)} main.py"
_ADDRESS: Final = "http://127.0.0.1:8087"
_ORDERS: Final = ("sample_files/configured_catalog_orders.json", "sample_files/orders.jsonl")
_USERS: Final = ("sample_files/configured_catalog_users.json", "sample_files/users.jsonl")

SITE: Final = Site(
    name="Local Heap",
    package="sandbox.heap.page",
    views=VIEWS,
    nav=(
        ("events", "/", "Events"),
        ("users", "/page/users", "Users"),
        ("accounts", "/page/accounts", "Accounts"),
        ("deletions", "/page/deletions", "Deleted"),
        ("properties", "/page/properties", "Names"),
        ("requests", "/page/requests", "Requests"),
    ),
    search=("Find an identity or account", "identity"),
    json=("/events", "/users", "/accounts", "/deletions", "/requests", "/stats"),
    loads={
        "events": Load(_PROGRAM, "sample_files/config_track.json", *_ORDERS, _ADDRESS),
        "users": Load(_PROGRAM, "sample_files/config_add_user_properties.json", *_USERS, _ADDRESS),
        "accounts": Load(
            _PROGRAM, "sample_files/config_add_account_properties.json", *_USERS, _ADDRESS
        ),
    },
    start=typed.module("sandbox.heap"),
)
