"""Payloads as JSON. Pure."""

from typing import Any

import orjson

from bulk_destination.mapping.values import Adjustments, repaired


def dump(
    item: dict[str, Any],
    adjustments: Adjustments | None = None,
    option: int | None = orjson.OPT_SORT_KEYS,
) -> bytes:
    """JSON; with sorted keys, equal values give equal bytes.

    Counts in `adjustments` which properties no JSON of a service can carry: integers beyond any
    double, and names that are another's but for half a character.
    """
    try:
        return orjson.dumps(item, option=option)
    except orjson.JSONEncodeError:
        fixed: dict[str, Any] = {
            name: value if value is None else repaired(value) for name, value in item.items()
        }
        if adjustments is not None:
            adjustments.left_out += len(item["properties"]) - len(fixed["properties"])
        return orjson.dumps(fixed, option=option)
