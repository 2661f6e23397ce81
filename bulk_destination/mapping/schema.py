"""A stream's JSON schema, as far as it says which columns there are. Pure.

What `oneOf`, `anyOf`, `allOf` and references within the schema list counts as listed. A schema that
is closed (`additionalProperties: false`) binds `*` as it binds names: what it does not list is not
sent.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from bulk_destination.mapping.columns import Schema, is_open, lists_properties

#: Deeper than this a schema says nothing.
_DEEPEST: Final = 60
#: Unlisted names that are remembered.
_MOST_NAMES: Final = 10

Prune = Callable[[Any], Any]


def read_schema(raw: object) -> Schema | None:
    """What a schema says of columns, or None where it lists none.

    Of JSON schema's words only `type`, `properties`, `items`, `additionalProperties` (where it is
    false) and `patternProperties` are left.
    """
    schema = _Reader(raw).read(raw, 0, ())
    return schema if lists_properties(schema) else None


class _Reader:
    def __init__(self, root: object) -> None:
        self._root = root
        self._known: dict[str, Schema] = {}

    def read(self, raw: object, depth: int, within: tuple[str, ...]) -> Schema:
        if not isinstance(raw, Mapping) or depth > _DEEPEST:
            return {}
        parts = [self._plain(raw, depth, within)]
        if isinstance(reference := raw.get("$ref"), str):
            parts.append(self._referred(reference, depth, within))
        parts += [self.read(part, depth + 1, within) for part in _list(raw.get("allOf"))]
        both = _all_of(parts)
        for word in ("oneOf", "anyOf"):
            if choices := _list(raw.get(word)):
                either = _one_of([self.read(part, depth + 1, within) for part in choices])
                both = _all_of([both, either])
        return both

    def _plain(self, raw: Mapping[str, Any], depth: int, within: tuple[str, ...]) -> Schema:
        read: dict[str, Any] = {}
        if "type" in raw:
            read["type"] = raw["type"]
        if isinstance(properties := raw.get("properties"), Mapping) and properties:
            read["properties"] = {
                str(name): self.read(below, depth + 1, within) for name, below in properties.items()
            }
        if isinstance(raw.get("items"), Mapping):
            read["items"] = self.read(raw["items"], depth + 1, within)
        if raw.get("additionalProperties") is False or raw.get("unevaluatedProperties") is False:
            read["additionalProperties"] = False
        if isinstance(patterns := raw.get("patternProperties"), Mapping):
            read["patternProperties"] = dict.fromkeys(map(str, patterns))
        return read

    def _referred(self, reference: str, depth: int, within: tuple[str, ...]) -> Schema:
        """What a reference such as `#/definitions/address` leads to; nothing, if it is a circle."""
        if reference in within or not reference.startswith("#"):
            return {}
        if reference not in self._known:
            node: Any = self._root
            for step in filter(None, reference[1:].split("/")):
                key = step.replace("~1", "/").replace("~0", "~")
                node = node.get(key) if isinstance(node, Mapping) else None
            self._known[reference] = self.read(node, depth + 1, (*within, reference))
        return self._known[reference]


def _list(raw: object) -> list[Any]:
    return raw if isinstance(raw, list) else []


def _all_of(parts: list[Schema]) -> Schema:
    """What holds where each of them does: all that they list is listed."""
    parts = [part for part in parts if part]
    if len(parts) < 2:
        return parts[0] if parts else {}
    merged = _listing(parts)
    types = [part["type"] for part in parts if "type" in part]
    if types:
        merged["type"] = types[0]
    if any(part.get("additionalProperties") is False for part in parts):
        merged["additionalProperties"] = False
    return merged


def _one_of(parts: list[Schema]) -> Schema:
    """What holds where one of them does; nothing is listed where one of them lists nothing."""
    listing = [part for part in parts if lists_properties(part)]
    free = any(is_open(part) for part in parts if not lists_properties(part))
    merged = {} if free else _listing(listing)
    types = [part.get("type") for part in parts]
    if None not in types:
        merged["type"] = [
            one for each in types for one in (each if isinstance(each, list) else [each])
        ]
    if merged.get("properties") and all(
        part.get("additionalProperties") is False for part in listing
    ):
        merged["additionalProperties"] = False
    return merged


def _listing(parts: list[Schema]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for word in ("properties", "patternProperties"):
        for part in parts:
            for name, below in part.get(word, {}).items():
                known = merged.setdefault(word, {})
                known[name] = _all_of([known[name], below]) if known.get(name) else below
    if items := [part["items"] for part in parts if "items" in part]:
        merged["items"] = _all_of(items)
    return merged


class Unlisted:
    """What a closed schema kept from being sent: names, and whether there were more."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}
        self.more = False

    def note(self, name: str) -> None:
        """One more record had it."""
        if name in self.names:
            return
        if len(self.names) < _MOST_NAMES:
            self.names[name] = None
        else:
            self.more = True


def pruning(schema: Schema | None, unlisted: Unlisted) -> Prune | None:
    """Keeps of a value what a closed schema lists; None where nothing in it is closed."""
    if not schema:
        return None
    properties = schema.get("properties", {})
    parts = {name: pruning(part, unlisted) for name, part in properties.items()}
    below = {name: part for name, part in parts.items() if part is not None}
    each = pruning(schema.get("items"), unlisted)
    is_closed = bool(properties) and schema.get("additionalProperties") is False
    if not (below or each or is_closed):
        return None
    patterns = _compiled(schema.get("patternProperties", {})) if is_closed else []

    def allowed(name: str) -> bool:
        if name in properties or any(pattern.search(name) for pattern in patterns):
            return True
        unlisted.note(name)
        return False

    def prune(value: Any) -> Any:
        if type(value) is list and each is not None:
            return [each(item) for item in value]
        if type(value) is not dict:
            return value
        if is_closed and not properties.keys() >= value.keys():
            value = {name: one for name, one in value.items() if allowed(name)}
        if not below.keys().isdisjoint(value):
            value = {
                name: below[name](one) if name in below else one for name, one in value.items()
            }
        return value

    return prune


def _compiled(patterns: Mapping[str, object]) -> list[re.Pattern[str]]:
    compiled: list[re.Pattern[str]] = []
    for pattern in patterns:
        try:
            compiled.append(re.compile(pattern))
        except re.error:  # JavaScript's words for patterns are not all Python's
            continue
    return compiled
