"""Whether there are the columns that every record has to fill. Pure.

A row without an identity is a matter of that row; an identity column that is neither in the
stream's schema nor in any record is one of the configuration.
"""

from collections.abc import Mapping
from typing import Any

from bulk_destination.mapping.columns import Lookup, Record, Schema, lists_properties, resolve
from bulk_destination.mapping.entries import (
    Column,
    Expression,
    Literal,
    Path,
    source_of,
    values_of,
)
from bulk_destination.mapping.lookups import compile_path
from bulk_destination.mapping.values import MISSING


class Presence:
    """Of the fields that ask for a value, those whose columns were nowhere so far.

    `fields` are by the words that begin the reasons of their rejections.
    """

    def __init__(self, fields: Mapping[str, Expression], schema: Schema | None) -> None:
        self._unseen: dict[str, list[Lookup]] = {}
        for field, expression in fields.items():
            sources = [source_of(value) for value in values_of(expression)]
            paths = [source for source in sources if not isinstance(source, Literal)]
            if not any(_is_listed(path, schema) for path in paths):
                self._unseen[field] = [compile_path(path, schema) for path in paths]

    def look(self, record: Record) -> None:
        """Takes note of the columns of a record."""
        for field, lookups in [*self._unseen.items()]:
            if any(look_up(record) is not MISSING for look_up in lookups):
                del self._unseen[field]

    def is_nowhere(self, field: str) -> bool:
        """Whether no column of `field` is in the schema, nor was in a record."""
        return field in self._unseen


def _is_listed(path: Path, schema: Schema | None) -> bool:
    if schema is None:
        return False
    if isinstance(path, Column):
        resolved = resolve(schema, path.path)
        return resolved is not None and resolved.open_path is None
    below: Any = schema
    for key in path.keys:
        if not lists_properties(below) or key not in below["properties"]:
            return False
        below = below["properties"][key]
    return True
