"""Columns: dotted paths into a record. Pure.

A column such as `identities.provider` is looked up in this order:

1. a key spelled exactly so, dots included;
2. the dotted path, where a number indexes an array (`visits.0.date`);
3. the path with underscores for dots, so that `identities_provider` finds
   `identities.provider`, as the user's own example expects. Where several readings exist, the
   one with the longer key at the higher level wins.

Where the stream's schema lists its properties, it decides once, before the first record, which
of the three is meant (`resolve`); a schema that is silent leaves it to each record (`find`).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from operator import methodcaller
from typing import Any, Final

from bulk_destination.mapping.values import MISSING

Record = Mapping[str, Any]
Schema = Mapping[str, Any]
#: Returns the value of one column in a record, or MISSING.
Lookup = Callable[[Record], Any]

_CONTAINERS: Final = {"object", "array"}


# -- looking a column up ------------------------------------------------------------------------


def find(node: Any, path: str) -> Any:
    """The value at `path` below `node`, by the three readings above, or MISSING."""
    value = step(node, path)
    if value is not MISSING:
        return value
    if "." in path:
        value = node
        for key in path.split("."):
            value = step(value, key)
            if value is MISSING:
                break
        else:
            return value
    for key, rest in _splits(path):
        child = step(node, key)
        if type(child) is dict or type(child) is list:
            value = find(child, rest)
            if value is not MISSING:
                return value
    return MISSING


def step(node: Any, key: str) -> Any:
    """What is at `key` in an object, or at that place in an array, or MISSING."""
    if type(node) is dict:
        return node.get(key, MISSING)
    if type(node) is list and key.isascii() and key.isdigit() and len(key) < 10:
        index = int(key)
        return node[index] if index < len(node) else MISSING
    return MISSING


@cache
def _splits(path: str) -> tuple[tuple[str, str], ...]:
    """`a_b.c` as `("a_b", "c")`, then `("a", "b.c")`: the longer key first."""
    return tuple(
        (path[:at], path[at + 1 :]) for at in range(len(path) - 2, 0, -1) if path[at] in "._"
    )


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a schema says of a column: keys to follow, then a path that it leaves open."""

    keys: tuple[str, ...]
    open_path: str | None = None


def resolve(schema: Schema, path: str) -> Resolved | None:
    """Which of the three readings of `path` a schema that lists properties means; None: no one.

    A path below a free-form object or an array is left open: each record decides.
    """
    properties = schema["properties"]
    if path in properties:
        return Resolved((path,))
    return _resolve_dotted(schema, path) or _resolve_any(schema, path)


def _resolve_dotted(schema: Schema, path: str) -> Resolved | None:
    keys = path.split(".")
    for depth, key in enumerate(keys):
        if not lists_properties(schema):
            return (
                Resolved(tuple(keys[:depth]), ".".join(keys[depth:])) if is_open(schema) else None
            )
        if key not in schema["properties"]:
            return None
        schema = schema["properties"][key]
    return Resolved(tuple(keys))


def _resolve_any(schema: Schema, path: str) -> Resolved | None:
    if not lists_properties(schema):
        return Resolved((), path) if is_open(schema) else None
    if path in schema["properties"]:
        return Resolved((path,))
    for key, rest in _splits(path):
        if key in schema["properties"] and (below := _resolve_any(schema["properties"][key], rest)):
            return Resolved((key, *below.keys), below.open_path)
    return None


def lists_properties(schema: object) -> bool:
    """Whether a JSON schema says which keys its objects have."""
    return (
        isinstance(schema, Mapping)
        and isinstance(schema.get("properties"), Mapping)
        and bool(schema["properties"])
    )


def is_open(schema: object) -> bool:
    """Whether anything may lie below: no type given, or a free-form object or array."""
    given = schema.get("type") if isinstance(schema, Mapping) else None
    kinds = given if isinstance(given, list) else [given]
    if not all(isinstance(kind, str) for kind in kinds):
        return True
    return not _CONTAINERS.isdisjoint(kinds)


def compile_lookup(path: str, schema: Schema | None) -> Lookup:
    """A function from a record to the column's value, with all that can be decided decided."""
    resolved = resolve(schema, path) if schema is not None else Resolved((), path)
    if resolved is None:
        raise LookupError(path)
    keys, open_path = resolved.keys, resolved.open_path
    if len(keys) == 1 and open_path is None:
        # `record.get(key, MISSING)`, which costs less than a call to a function of ours.
        return methodcaller("get", keys[0], MISSING)
    if len(keys) == 2 and open_path is None:
        # As below, without a loop: half of its time.
        first, second = keys

        def look_up_below(record: Record) -> Any:
            below = record.get(first)
            return below.get(second, MISSING) if type(below) is dict else MISSING

        return look_up_below

    def look_up(record: Record) -> Any:
        value: Any = record
        for key in keys:
            if type(value) is not dict:
                return MISSING
            value = value.get(key, MISSING)
        return value if open_path is None or value is MISSING else find(value, open_path)

    return look_up


def listed_keys(schema: Schema, path: str) -> tuple[str, ...] | None:
    """The keys by which a schema lists a column; None where it does not, or leaves it open."""
    resolved = resolve(schema, path)
    return None if resolved is None or resolved.open_path is not None else resolved.keys


def listed_names(schema: Schema) -> dict[str, tuple[str, ...]]:
    """Every column that a schema lists, as a dotted path with its keys, top first."""
    return {".".join(keys): keys for keys in _all_keys(schema, ())}


def _all_keys(schema: Schema, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for key, below in schema["properties"].items():
        yield (*above, key)
        if lists_properties(below):
            yield from _all_keys(below, (*above, key))


def within(schema: Schema, keys: tuple[str, ...]) -> Schema | None:
    """What a schema lists below a column; None where it lists nothing."""
    for key in keys:
        if not lists_properties(schema) or key not in schema["properties"]:
            return None
        schema = schema["properties"][key]
    return schema if lists_properties(schema) else None


def schema_of(schema: Schema, path: str) -> Schema | None:
    """What a schema says of a column, also within arrays; None where it says nothing."""
    resolved = resolve(schema, path)
    below = None if resolved is None else schema_at(schema, resolved.keys)
    if resolved is None or below is None or resolved.open_path is None:
        return below
    return _find_schema(below, resolved.open_path)


def schema_at(schema: Schema, keys: Iterable[str]) -> Schema | None:
    """The same of a column by the keys that lead to it."""
    below: Schema | None = schema
    for key in keys:
        below = None if below is None else _schema_step(below, key)
    return below


def _find_schema(schema: Schema, path: str) -> Schema | None:
    """As `find` does in a record."""
    for keys in ([path], path.split(".")):
        if (below := schema_at(schema, keys)) is not None:
            return below
    for key, rest in _splits(path):
        child = _schema_step(schema, key)
        if child is not None and (below := _find_schema(child, rest)) is not None:
            return below
    return None


def _schema_step(schema: Schema, key: str) -> Schema | None:
    if lists_properties(schema) and key in schema["properties"]:
        below = schema["properties"][key]
    else:
        below = schema.get("items") if key.isascii() and key.isdigit() else None
    return below if isinstance(below, Mapping) else None


def allows(schema: Schema, keys: tuple[str, ...]) -> bool:
    """Whether a record may have these keys: all but those that a closed schema does not list."""
    for key in keys:
        if not lists_properties(schema):
            return True
        if key not in schema["properties"]:
            return schema.get("additionalProperties") is not False
        schema = schema["properties"][key]
    return True


#: Keys that look like columns. Some sources key objects by data, which no log may hold.
_COLUMN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z_\-]{0,40}[0-9]{0,2}")


def looks_like_a_column(key: str) -> bool:
    """Whether a key of a record may be shown."""
    return _COLUMN_KEY.fullmatch(key) is not None


def record_paths(record: Record, prefix: str = "") -> Iterator[str]:
    """The columns of a record as dotted paths, two levels deep, where they look like columns."""
    for key, value in record.items():
        if looks_like_a_column(key):
            yield f"{prefix}{key}"
            if type(value) is dict and not prefix:
                yield from record_paths(value, f"{key}.")
