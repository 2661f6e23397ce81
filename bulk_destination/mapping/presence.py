"""Whether there are the columns that every record has to fill. Pure.

A row without an identity is a matter of that row; an identity column that is neither in the
stream's schema nor in any record is one of the configuration.
"""

from collections.abc import Mapping, Set
from typing import Any

from bulk_destination.mapping.columns import (
    Lookup,
    Record,
    Schema,
    lists_properties,
    record_paths,
    resolve,
)
from bulk_destination.mapping.entries import (
    Column,
    Expression,
    Literal,
    Path,
    Spelled,
    source_of,
    values_of,
)
from bulk_destination.mapping.lookups import compile_path
from bulk_destination.mapping.spelling import (
    did_you_mean,
    is_a_sentence,
    nearest,
)
from bulk_destination.mapping.values import MISSING


class Presence:
    """Of the fields that ask for a value, those whose columns were nowhere so far.

    `fields` are by the words that begin the reasons of their rejections; a text may stand for each
    in `fixed`.
    """

    def __init__(
        self,
        fields: Mapping[str, Expression],
        schema: Schema | None,
        fixed: Set[str] = frozenset(),
    ) -> None:
        self._fixed = fixed
        self._unseen: dict[str, list[Lookup]] = {}
        self._paths: dict[str, list[Path]] = {}
        self._last_record: Record = {}
        for field, expression in fields.items():
            sources = [source_of(value) for value in values_of(expression)]
            paths = [source for source in sources if not isinstance(source, Literal)]
            if not any(_is_listed(path, schema) for path in paths):
                self._unseen[field] = [compile_path(path, schema) for path in paths]
                self._paths[field] = paths

    def look(self, record: Record) -> None:
        """Takes note of the columns of a record."""
        self._last_record = record
        for field, lookups in [*self._unseen.items()]:
            if any(look_up(record) is not MISSING for look_up in lookups):
                del self._unseen[field]

    def is_nowhere(self, field: str) -> bool:
        """Whether no column of `field` is in the schema, nor was in a record."""
        return field in self._unseen

    def hints(self, lacking: Set[str]) -> list[str]:
        """A sentence for each column that was nowhere, of the fields that records had nothing for:
        the nearest names of the last record, or how a fixed name is written.
        """
        names = list(record_paths(self._last_record))
        return [
            f"`{path}` was in no record{_meant(path, names, may_be_fixed=field in self._fixed)}"
            for field in self._unseen
            if field in lacking
            for path in self._paths[field]
        ]


def nearest_of(expression: Expression | None, record: Record) -> str:
    """A hint at what of a record is spelled like a column that was nowhere; or nothing."""
    sources = [] if expression is None else map(source_of, values_of(expression))
    paths = [source.path for source in sources if not isinstance(source, Literal)]
    names = list(record_paths(record))
    near = dict.fromkeys(name for path in paths for name in nearest(path, names))
    return did_you_mean(list(near))


def _meant(path: Path, names: list[str], *, may_be_fixed: bool) -> str:
    near = did_you_mean(nearest(path.path, names))
    # In SQL, double quotes are a name's, and so they are here.
    in_quotes = not near and isinstance(path, Spelled) and len(path.keys) == 1
    if may_be_fixed and (in_quotes or is_a_sentence(path.path)):
        return f"{near}; for a fixed name write {Literal(path.path)} in single quotes."
    return near or "."


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
