"""Columns as version 1.0.0 read them, kept as it was: what was valid then means the same.

Columns: dotted paths into a record. Pure.

A column such as `identities.provider` is looked up in this order:

1. a key spelled exactly so, dots included;
2. the dotted path, where a number indexes an array (`visits.0.date`);
3. the path with underscores for dots, so that `identities_provider` finds
   `identities.provider`, as the user's own example expects. Where several readings exist, the
   one with the longer key at the higher level wins.

Where the stream's schema lists its properties, it decides once, before the first record, which
of the three is meant (`resolve`); a schema that is silent leaves it to each record (`find`).
"""

from collections.abc import Callable, Mapping
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


@dataclass(frozen=True, slots=True)
class PropertyColumn:
    """One entry of `property_columns`: which value, and under which name it is sent."""

    path: str
    name: str


@dataclass(frozen=True, slots=True)
class PropertySelection:
    """`property_columns` read: `*` picks every leaf; `columns` come besides."""

    everything: bool
    columns: tuple[PropertyColumn, ...]


def parse_property_columns(text: str) -> PropertySelection | str:
    """Reads `*`, `a, b.c, d.*, e as name`; gives the words of the fault where it cannot."""
    everything = False
    columns: dict[str, PropertyColumn] = {}
    entries = [entry for entry in map(str.strip, text.split(",")) if entry]
    for entry in entries:
        path, renamed, name = (part.strip() for part in f"{entry} ".partition(" as "))
        path = path.removesuffix(".*")
        if path == "*":
            if renamed:
                return "`*` stands for many properties and cannot be renamed"
            everything = True
            continue
        if not path or (renamed and not name):
            return f"`{entry}` is not `column` or `column as name`"
        column = PropertyColumn(path, name or path)
        if columns.setdefault(column.name, column) != column:
            return f"two columns would be sent as `{column.name}`; give one another name by `as`"
    return PropertySelection(everything, tuple(columns.values()))


# -- looking a column up ------------------------------------------------------------------------


def find(node: Any, path: str) -> Any:
    """The value at `path` below `node`, by the three readings above, or MISSING."""
    value = _step(node, path)
    if value is not MISSING:
        return value
    if "." in path:
        value = node
        for key in path.split("."):
            value = _step(value, key)
            if value is MISSING:
                break
        else:
            return value
    for key, rest in _splits(path):
        child = _step(node, key)
        if type(child) is dict or type(child) is list:
            value = find(child, rest)
            if value is not MISSING:
                return value
    return MISSING


def _step(node: Any, key: str) -> Any:
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
                Resolved(tuple(keys[:depth]), ".".join(keys[depth:])) if _is_open(schema) else None
            )
        if key not in schema["properties"]:
            return None
        schema = schema["properties"][key]
    return Resolved(tuple(keys))


def _resolve_any(schema: Schema, path: str) -> Resolved | None:
    if not lists_properties(schema):
        return Resolved((), path) if _is_open(schema) else None
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


def _is_open(schema: object) -> bool:
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
