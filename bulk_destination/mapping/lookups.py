"""What a field says becomes a function from a record to its value. Pure.

A plain column costs what it did when there was nothing else: `compile_lookup`'s own function. All
that the language has besides is a small closure around such a one.
"""

import json
import math
from collections.abc import Callable
from hashlib import sha256
from operator import methodcaller
from typing import Any, Final

import orjson

from bulk_destination.mapping.columns import Lookup, Record, Schema, compile_lookup, step
from bulk_destination.mapping.entries import (
    Call,
    Column,
    Expression,
    Literal,
    Path,
    Spelled,
    Value,
    source_of,
    values_of,
)
from bulk_destination.mapping.values import (
    MISSING,
    Identifier,
    Rejected,
    decimal_text,
    repaired,
    visible,
)

#: Left out and counted, as all that is no number that can be sent.
_UNFIT: Final = math.nan


class Found:
    """By which of several values a field was filled, counted; a field of one value counts none."""

    def __init__(self, expression: Expression | None) -> None:
        self.values = () if expression is None else tuple(map(str, values_of(expression)))
        self.counts = [0] * len(self.values)


def compile_path(path: Path, schema: Schema | None) -> Lookup:
    """The column's value in a record, or MISSING."""
    if isinstance(path, Column):
        return compile_lookup(path.path, schema)
    first, *others = path.keys
    if not others:
        return methodcaller("get", first, MISSING)

    def look_up(record: Record) -> Any:
        value = record.get(first, MISSING)
        for key in others:
            value = step(value, key)
        return value

    return look_up


def compile_expression(expression: Expression, schema: Schema | None, found: Found) -> Lookup:
    """What a field holds that asks for one value: the first that is there and not blank."""
    lookups = [compile_value(value, schema) for value in values_of(expression)]
    if len(lookups) == 1:
        return lookups[0]
    counts = found.counts

    def look_up(record: Record) -> Any:
        nothing: Any = MISSING
        for at, look in enumerate(lookups):
            value = look(record)
            if not is_nothing(value):
                counts[at] += 1
                return value
            if nothing is MISSING:
                nothing = value
        return nothing

    return look_up


#: What is found in a record, and what becomes of that: two calls, as one around them costs a third.
IdentityReader = tuple[Callable[[Record], Any], Callable[[Any], str | Rejected]]


def compile_identity(
    expression: Expression, schema: Schema | None, identifier: Identifier, found: Found
) -> IdentityReader:
    """Who or which one it is; of several columns the first that names somebody.

    A column's value is judged before any function: what is nobody's word must not hash to
    something that looks like a person.
    """
    values = values_of(expression)
    if len(values) == 1 and isinstance(values[0], Column | Spelled):
        return compile_path(values[0], schema), identifier.read
    readers = [_compile_identity(value, schema, identifier) for value in values]
    counts = found.counts

    def identify(record: Record) -> str | Rejected:
        nobody: Rejected | None = None
        for at, read in enumerate(readers):
            identity = read(record)
            if type(identity) is str:
                counts[at] += 1
                return identity
            assert isinstance(identity, Rejected)  # noqa: S101  # for the type checker
            if not identifier.passes_on(identity):
                return identity
            if nobody is None or identifier.is_missing(nobody):
                nobody = identity
        assert nobody is not None  # noqa: S101  # there is at least one value
        return nobody

    return identify, _as_it_is


def _as_it_is(identity: Any) -> str | Rejected:
    assert isinstance(identity, str | Rejected)  # noqa: S101  # for the type checker
    return identity


def compile_property(
    value: Value, schema: Schema | None, prune: Callable[[Any], Any] | None = None
) -> Lookup:
    """A property's value; what a function is given is pruned and made text, whatever it is.

    `json` is left to who fits it into a service's limits.
    """
    look = _compile_source(value, schema)
    if prune is not None:
        look = _then(look, prune)
    changes = _changes(value)
    if not changes:
        return look

    def look_up(record: Record) -> Any:
        given = look(record)
        if given is MISSING or given is None:
            return given
        text = _any_text(given)
        return _UNFIT if text is None else _changed(text, changes)

    return look_up


def _then(look: Lookup, prune: Callable[[Any], Any]) -> Lookup:
    return lambda record: prune(look(record))


def is_nothing(value: object) -> bool:
    """Missing, null or blank."""
    return value is MISSING or value is None or (type(value) is str and not visible(value))


def json_text(value: object) -> str | None:
    """A value as compact JSON; None where it is nested too deeply to be written, or no number."""
    # Within an object it is null, as JSON has no other word. Alone, it would be the text `null`.
    if type(value) is float and not math.isfinite(value):
        return None
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        pass
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (RecursionError, ValueError, TypeError):
        return None
    return str(repaired(text))


def compile_value(value: Value, schema: Schema | None) -> Lookup:
    """One of the values of such a field."""
    look = _compile_source(value, schema)
    changes = _changes(value)
    if not changes:
        return look

    def look_up(record: Record) -> Any:
        given = look(record)
        text = given if type(given) is str else decimal_text(given)
        # What is no text and no number is judged as it is: an object is no event name.
        return given if text is None or is_nothing(text) else _changed(text, changes)

    return look_up


def _compile_identity(
    value: Value, schema: Schema | None, identifier: Identifier
) -> Callable[[Record], str | Rejected]:
    look, changes = _compile_source(value, schema), _changes(value)

    def identify(record: Record) -> str | Rejected:
        text = identifier.judged(look(record))
        return identifier.sized(_changed(text, changes)) if type(text) is str else text

    return identify


def _compile_source(value: Value, schema: Schema | None) -> Lookup:
    source = source_of(value)
    if isinstance(source, Literal):
        text = source.text
        return lambda _: text
    return compile_path(source, schema)


Change = Callable[[str], str]


def _hashed(text: str) -> str:
    return sha256(str(repaired(text)).encode()).hexdigest()


_CHANGES: Final[dict[str, Change]] = {"lower": str.lower, "sha256": _hashed}


def _changes(value: Value) -> list[Change]:
    """What is done to its source, in that order."""
    changes: list[Change] = []
    while isinstance(value, Call):
        if value.function in _CHANGES:
            changes.insert(0, _CHANGES[value.function])
        value = value.argument
    return changes


def _changed(text: str, changes: list[Change]) -> str:
    for change in changes:
        text = change(text)
    return text


def _any_text(value: object) -> str | None:
    """Text as it is, a number as decimal digits, all else as JSON with sorted keys."""
    if type(value) is str:
        return value
    if (digits := decimal_text(value)) is not None:
        return digits
    if type(value) is float:
        return None  # NaN or an infinity, and text such as `null` is neither
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError:
        return json_text(value)
