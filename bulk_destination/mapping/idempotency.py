"""Keys by which a service knows an event that comes again. Pure.

The same on every retry, run, machine and Python version: an event with a primary key is known by
that, and any other by all that is sent of it.
"""

import json
import math
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any, Final

from bulk_destination.mapping.columns import Record
from bulk_destination.mapping.stream import Stream
from bulk_destination.mapping.values import INEXACT, Rejected, may_be_inexact

#: Copied for each key: its parameters are then read once, which is a quarter of the time.
_NO_KEY: Final = blake2b(digest_size=16)
#: What keys mostly are.
_PLAIN: Final = {int, str}
#: `json.dumps` would make one for each key.
_SORTED: Final = json.JSONEncoder(sort_keys=True)


def idempotency_key(identifying: bytes) -> str:
    """32 hexadecimal digits. A hash, so that no personal data can be read in it."""
    key = _NO_KEY.copy()
    key.update(identifying)
    return key.hexdigest()


def row_of(record: Record, stream: Stream) -> bytes | Rejected | None:
    """Stream and primary key; None where there is none, or the record lacks a part of it."""
    if not stream.primary_key:
        return None
    values = [_at(record, path) for path in stream.primary_key]
    if not _PLAIN.issuperset(map(type, values)):
        if any(value is None or _is_no_number(value) for value in values):
            return None
        if any(map(may_be_inexact, _scalars(values))):
            return INEXACT
        # 1.0 is 1: a source may write a column so once it has been empty.
        values = [int(one) if type(one) is float and one.is_integer() else one for one in values]
    # Not orjson: two keys beyond 64 bits must not become one.
    # With sorted keys: an object is the same in any order.
    try:
        return _SORTED.encode([stream.namespace, stream.name, values]).encode()
    except RecursionError:
        return Rejected("primary_key_too_deep")


def time_of_source(emitted_at: object) -> dict[str, object]:
    """What stands for an event's time in its key where the record has none.

    The time of the sync would give every run another key.
    """
    # Airbyte's is a number; a container is none, and may not be dumpable at all.
    return {"emitted_at": None if isinstance(emitted_at, dict | list) else emitted_at}


def _is_no_number(value: object) -> bool:
    """Whether it is NaN or an infinity: what many rows have for a key is none."""
    return type(value) is float and not math.isfinite(value)


def _scalars(values: list[Any]) -> Iterator[Any]:
    """Those in a list, however deep; no recursion, as JSON may be deeper than calls may be."""
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        else:
            yield value


def _at(record: Record, path: tuple[str, ...]) -> Any:
    value: Any = record
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
