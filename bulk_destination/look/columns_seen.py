"""The columns that records have: how many have a value, of which types, and examples. Pure.

Out of them comes a JSON schema, for samples that bring none. Objects are gone into, lists are not.
Memory is bounded: names beyond a number are counted together, examples are few and short.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

#: Columns that are told apart, and levels of objects.
MOST_COLUMNS: Final = 10_000
_DEEPEST: Final = 8
_EXAMPLES: Final = 3
#: Characters of an example.
_LONGEST: Final = 60

_TYPES: Final[Mapping[type, str]] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
}
#: A name that can be written as it is where a column is asked for.
_PLAIN: Final = re.compile(r"\w[\w-]*")


@dataclass(slots=True)
class Column:
    """One column: by its keys from the top of a record downward."""

    keys: tuple[str, ...]
    #: Records that have a value here: neither null nor blank.
    filled: int = 0
    types: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    @property
    def written(self) -> str:
        """As it is written in the configuration, in double quotes where its name needs them."""
        return ".".join(map(written, self.keys))

    def add(self, value: object) -> None:
        """One more record's value."""
        kind = _TYPES.get(type(value))
        if kind is None:
            return
        self.types[kind] += 1
        if type(value) is str and (not value or value.isspace()):
            return
        self.filled += 1
        if len(self.examples) < _EXAMPLES:
            example = _short(value)
            if example not in self.examples:
                self.examples.append(example)


def written(key: str) -> str:
    """A key as the configuration has it.

    >>> [written(key) for key in ("user_id", "Amount, EUR", 'a"b')]
    ['user_id', '"Amount, EUR"', '"a""b"']
    """
    return key if _PLAIN.fullmatch(key) else '"' + key.replace('"', '""') + '"'


def _short(value: object) -> str:
    if type(value) is dict:
        return "{…}"
    if type(value) is list:
        return f"[{len(value)}]"
    text = value[: _LONGEST + 1] if type(value) is str else str(value)[: _LONGEST + 1]
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


class ColumnsSeen:
    """The columns of one stream, by the records that came so far."""

    def __init__(self) -> None:
        self.records = 0
        #: Whether some columns are not told apart, as there are too many.
        self.more = False
        self._columns: dict[str, _Node] = {}
        self._count = 0

    def add(self, record: Mapping[str, Any]) -> None:
        """One more record."""
        self.records += 1
        self._add(self._columns, record, ())

    def _add(
        self, columns: "dict[str, _Node]", record: Mapping[str, Any], above: tuple[str, ...]
    ) -> None:
        for key, value in record.items():
            node = columns.get(key)
            if node is None:
                if self._count >= MOST_COLUMNS:
                    self.more = True
                    continue
                self._count += 1
                node = columns[key] = _Node(Column((*above, key)))
            if type(value) is dict and value and len(above) < _DEEPEST:
                node.objects += 1
                self._add(node.below, value, node.column.keys)
            else:
                node.column.add(value)

    def leaves(self) -> Iterator[Column]:
        """All columns that hold values, in the order in which they came first."""
        yield from _leaves(self._columns)

    def json_schema(self) -> dict[str, Any]:
        """The schema of what came; each column may be null."""
        return {"type": "object", "properties": _properties(self._columns)}


@dataclass(slots=True)
class _Node:
    """A column, and the columns below it."""

    column: Column
    #: How often it was an object with something in it.
    objects: int = 0
    below: "dict[str, _Node]" = field(default_factory=dict)


def _leaves(columns: Mapping[str, _Node]) -> Iterator[Column]:
    for node in columns.values():
        if node.column.types or not node.below:
            yield node.column
        yield from _leaves(node.below)


def _properties(columns: Mapping[str, _Node]) -> dict[str, Any]:
    return {key: _schema(node) for key, node in columns.items()}


def _schema(node: _Node) -> dict[str, Any]:
    types = sorted({*node.column.types, *(["object"] if node.below else [])})
    if not types:
        return {"type": ["null", "string"]}  # never anything but null
    if "number" in types and "integer" in types:
        types.remove("integer")
    schema: dict[str, Any] = {"type": ["null", *types]}
    if node.below:
        schema["properties"] = _properties(node.below)
    return schema
