"""Payloads as JSON. Pure."""

from typing import Any

import orjson

from bulk_destination.values import repaired


def dump(value: Any, option: int | None = orjson.OPT_SORT_KEYS) -> bytes:
    """JSON; with sorted keys, equal values give equal bytes."""
    try:
        return orjson.dumps(value, option=option)
    except orjson.JSONEncodeError:
        return orjson.dumps(repaired(value), option=option)
