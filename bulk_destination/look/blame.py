"""Which field of the configuration a rejection is about, and what its columns held. Pure.

For the user's own eyes alone: a value of a record is shown.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from bulk_destination.connection import Route
from bulk_destination.mapping.entries import Literal, source_of, values_of
from bulk_destination.mapping.grammar import read_value
from bulk_destination.mapping.lookups import compile_path
from bulk_destination.mapping.values import MISSING

_PRIMARY_KEY: Final = "primary_key"


@dataclass(frozen=True, slots=True)
class Blamed:
    """A field, and what a record has in each of its columns: MISSING, if there is none."""

    field: str
    held: tuple[tuple[str, Any], ...]


def blamed(route: Route, reason: str, record: object) -> Blamed | None:
    """What to look at where a record of a stream was rejected; None where no field is to blame.

    A reason begins with the field that it is about, as `identity_missing` and `event_key_blank`
    do.
    """
    if type(record) is not dict:
        return None
    if reason.startswith(f"{_PRIMARY_KEY}_"):
        keys = [".".join(path) for path in route.stream.primary_key]
        return Blamed(_PRIMARY_KEY, tuple(_held(route, keys, record)))
    about = [
        (name, text)
        for name, text in route.columns
        if reason.startswith(f"{name.removesuffix('_column')}_")
    ]
    if not about:
        return None
    name, text = max(about, key=lambda each: len(each[0]))
    return Blamed(name, tuple(_held(route, [text], record)))


def _held(route: Route, texts: list[str], record: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    schema = route.stream.schema
    for text in texts:
        expression = read_value(text, "value", schema)
        if isinstance(expression, list):  # a key that no field could name
            yield text, record.get(text, MISSING)
            continue
        for value in values_of(expression):
            source = source_of(value)
            if not isinstance(source, Literal):
                yield str(source), compile_path(source, schema)(record)
