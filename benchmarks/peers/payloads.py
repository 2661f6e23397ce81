"""One row as an item of Heap's bulk requests: the README's second example, and a click."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

Json = dict[str, Any]

#: Items of one request, the most that Heap takes.
ITEMS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Kind:
    """Where rows of a kind go: the last part of the path, and the name of the list."""

    path: str
    items: str


KINDS: Final = {
    "users": Kind("/api/add_user_properties", "users"),
    "events": Kind("/api/track", "events"),
}


def rows(lines: Iterable[bytes]) -> Iterator[Json]:
    """The data of each record."""
    for line in lines:
        message = json.loads(line)
        if message["type"] == "RECORD":
            yield message["record"]["data"]


def item(kind: str, row: Json) -> Json:
    """What Heap is to get of a row."""
    if kind == "users":
        return {
            "identity": row["user_id"],
            "properties": {
                "identities_provider": row["identities"]["provider"],
                "created_at": row["created_at"],
                "nickname": row["nickname"],
            },
        }
    return {
        "event": row["name"],
        "identity": row["who"],
        "timestamp": row["at"],
        "properties": {"path": row["path"], "price": row["price"], "id": row["id"]},
    }
