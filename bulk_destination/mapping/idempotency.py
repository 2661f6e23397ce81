"""Keys by which a service knows an event that comes again. Pure.

The same on every retry, run, machine and Python version. Each hashes the stream and its namespace,
and a fixed name of the event, so that one table loaded as `'Order placed'` and as `'Order shipped'`
is two sets of events. Then:

====================================  ==========================================================
`event_id_column` is set              its value alone
deduplicating, with a primary key     the primary key
otherwise, with a primary key         the primary key and all that is sent; where the event's time
                                      was defaulted, without the time
otherwise                             the whole record less bookkeeping and all that is sent; where
                                      the time was defaulted, with the record's `emitted_at`
====================================  ==========================================================

What is hashed is JSON, of another kind in each row: a text, a list, a list and an object, two
objects. So no event of one row is taken for one of another.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from json.encoder import encode_basestring_ascii
from operator import methodcaller
from typing import Any, Final

import orjson

from bulk_destination.mapping.bookkeeping import OwnColumns
from bulk_destination.mapping.columns import Lookup, Record
from bulk_destination.mapping.payload_json import dump
from bulk_destination.mapping.stream import Stream
from bulk_destination.mapping.values import INEXACT, Rejected, may_be_inexact

#: What parts of keys mostly are.
_PLAIN: Final = {int, str}
#: `json.dumps` would make one for each key.
_SORTED: Final = json.JSONEncoder(sort_keys=True)


class EventKeys:
    """Makes the keys of one stream's events; counts those of which no key is known."""

    def __init__(
        self,
        stream: Stream,
        fixed_names: Sequence[str] = (),
        event_id: Callable[[Record], str | Rejected] | None = None,
    ) -> None:
        #: Events that are known by all that they hold.
        self.keyless = 0
        self._event_id = event_id
        # By name, as a catalog may give them in any order.
        self._parts = sorted(stream.primary_key)
        self._lookups = [*map(_lookup, self._parts)]
        self._never_seen = set() if event_id else set(self._parts)
        #: Whether `row` is worth a call.
        self.may_have_rows = event_id is not None or bool(self._parts)
        self._row_is_all = event_id is not None or stream.deduplicates
        self._own = OwnColumns()
        self._known = self._own.known
        begin = [stream.namespace, stream.name, *([list(fixed_names)] if fixed_names else [])]
        # Copied for each key: its parameters are then read once, which is a quarter of the time.
        self._begun = blake2b(_SORTED.encode(begin)[:-1].encode() + b", ", digest_size=16)

    def row(self, record: Record) -> bytes | Rejected | None:
        """What the record is known by, event id or primary key; None where it has neither."""
        if self._event_id is not None:
            event_id = self._event_id(record)
            if isinstance(event_id, Rejected):
                return event_id
            return encode_basestring_ascii(event_id).encode() + b"]"
        return self._primary_key(record) if self._parts else None

    def key(
        self,
        row: bytes | None,
        record: Record,
        item: dict[str, Any],
        body: bytes,
        timeless: Callable[[], object] | None,
    ) -> str:
        """32 hexadecimal digits: a hash, so that no personal data can be read in it.

        `body` is `item` as JSON. Where its time was defaulted, which would give every run another
        key, `timeless` gives what stands for it if there is no row.
        """
        key = self._begun.copy()
        if row is None:
            if self._parts:
                self.keyless += 1
            own = record if self._known.issuperset(record) else self._own(record)
            try:
                key.update(orjson.dumps(own, option=orjson.OPT_SORT_KEYS))
            except orjson.JSONEncodeError:
                key.update(_record_json(own))
            key.update(body if timeless is None else dump({**item, "timestamp": timeless()}))
        else:
            key.update(row)
            if not self._row_is_all:
                key.update(body if timeless is None else dump({**item, "timestamp": None}))
        return key.hexdigest()

    def warnings(self) -> list[str]:
        """Parts of the primary key that no record so far had, and events without one."""
        unseen = [
            f"`{'.'.join(path)}` (primary key) was in no record, so it keys no event"
            for path in sorted(self._never_seen)
        ]
        if self._parts and self.keyless:
            unseen.append(
                f"Events that lack a part of their primary key: {self.keyless:,}. Each is known by "
                "all columns of its record, and is a new event where one has changed"
            )
        return unseen

    def notices(self) -> list[str]:
        """What should be known before anything is sent."""
        if self._parts or self._event_id is not None:
            return []
        return [
            "No key of these events is known: an event is known by all columns of its record, and "
            "in Airbyte without a time also by when the source read it. Where a column changes on "
            "every read, or the source reads an old row anew, that is a new event. If a column "
            "tells two events apart, name it in event_id_column"
        ]

    def _primary_key(self, record: Record) -> bytes | Rejected | None:
        values = [look_up(record) for look_up in self._lookups]
        if self._never_seen:
            self._never_seen -= {
                path for path, value in zip(self._parts, values, strict=True) if value is not None
            }
        if _PLAIN.issuperset(map(type, values)):
            try:
                return _of_plain(values)
            except ValueError:  # an integer of more digits than Python writes
                return INEXACT
        if any(value is None or _is_no_number(value) for value in values):
            return None
        if any(map(may_be_inexact, _scalars(values))):
            return INEXACT
        # 1.0 is 1: a source may write a column so once it has been empty.
        values = [int(one) if type(one) is float and one.is_integer() else one for one in values]
        # What many rows have for a key is none.
        if any(type(value) is str and not value.strip() for value in values):
            return None
        # Not orjson: two keys beyond 64 bits must not become one.
        # With sorted keys: an object is the same in any order.
        try:
            return _SORTED.encode(values).encode() + b"]"
        except RecursionError:
            return Rejected("primary_key_too_deep")
        except ValueError:
            return INEXACT


def emitted(emitted_at: object) -> dict[str, object]:
    """What stands for an event's time in its key where neither it nor a key is known."""
    # Airbyte's is a number; a container is none, and may not be dumpable at all.
    return {"emitted_at": None if isinstance(emitted_at, dict | list) else emitted_at}


def _record_json(record: Record) -> bytes:
    """All of a record; nothing where it is nested too deeply to be written."""
    try:
        return json.dumps(record, sort_keys=True, default=str).encode()
    except (RecursionError, ValueError, TypeError):
        return b""


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


def _of_plain(values: list[int | str]) -> bytes | None:
    """As the encoder writes integers and texts, which would cost a third of the whole mapping."""
    texts = []
    for value in values:
        if type(value) is not str:
            texts.append(repr(value))
        elif value.strip():
            texts.append(encode_basestring_ascii(value))
        else:
            return None
    return f"[{', '.join(texts)}]]".encode()


def _lookup(path: tuple[str, ...]) -> Lookup:
    if len(path) == 1:
        return methodcaller("get", path[0])
    return lambda record: _at(record, path)


def _at(record: Record, path: tuple[str, ...]) -> Any:
    value: Any = record
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
