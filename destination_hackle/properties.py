"""A record's columns become the properties of an event, within limits. Pure.

Knows no service: what fits is handed in. Where something does not fit, it is cut or left out and
counted, and the rest of the record goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from bulk_destination.columns import (
    Lookup,
    PropertySelection,
    Record,
    Schema,
    compile_lookup,
    nearest,
    record_paths,
)
from bulk_destination.values import MISSING, Adjustments, Scalar, json_text

#: Names of properties that are remembered to fit.
_MOST_NAMES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a service takes: characters of a name and of a text, size of a number, and how many.

    Each is the highest that still fits.
    """

    name_length: int
    text_length: int
    number: int
    count: int

    def fits(self, value: object) -> bool:
        """Whether a value can be sent as it is."""
        kind = type(value)
        if kind is str:
            return len(value) <= self.text_length  # type: ignore[arg-type]
        if kind is int or kind is float:
            # False for NaN and infinities, too.
            return -self.number <= value <= self.number  # type: ignore[operator]
        return kind is bool


class PropertyMapper:
    """Picks the selected properties of each record; remembers which columns never came.

    `most` is the highest number of properties that any record had for sending.
    """

    def __init__(self, selection: PropertySelection, schema: Schema | None, limits: Limits) -> None:
        self.most = 0
        self._limits = limits
        self._everything = selection.everything
        self._lookups: Sequence[tuple[str, Lookup]] = [
            (column.name, compile_lookup(column.path, schema)) for column in selection.columns
        ]
        #: Column by its name in the service.
        self._never_seen = {column.name: column.path for column in selection.columns}
        self._last_record: Record = {}
        self._fitting_names: set[str] = set()

    def properties(self, record: Record, adjustments: Adjustments) -> dict[str, Scalar]:
        """`{name: value}` to be sent; a column missing in this record is left out."""
        properties = self._all_properties(record, adjustments) if self._everything else {}
        for name, look_up in self._lookups:
            value = look_up(record)
            if value is not MISSING:
                self._add(properties, name, value, adjustments)
                if self._never_seen:
                    self._never_seen.pop(name, None)
        if self._never_seen:
            self._last_record = record
        self.most = max(self.most, len(properties))
        if len(properties) > self._limits.count:
            return self._first(properties, adjustments)
        return properties

    def never_seen(self) -> list[tuple[str, list[str]]]:
        """Columns that no record so far had, each with the nearest names of the last record."""
        names = list(record_paths(self._last_record))
        return [(path, nearest(path, names)) for path in self._never_seen.values()]

    def _all_properties(self, record: Record, adjustments: Adjustments) -> dict[str, Scalar]:
        # Most stay as they are: all are copied, and only the others taken up again.
        properties = dict(record)
        longest, largest = self._limits.text_length, self._limits.number
        # As `Limits.fits`, which would be called for each value.
        others = [
            name
            for name, value in record.items()
            if (type(value) is not str or len(value) > longest)
            and (type(value) is not int or not -largest <= value <= largest)
            and type(value) is not bool
        ]
        if names := record.keys() - self._fitting_names:
            others = list(record)
            if len(self._fitting_names) < _MOST_NAMES:
                self._fitting_names |= {name for name in names if self._name_fits(name)}
        for name in others:
            del properties[name]
        for name in others:
            self._add(properties, name, record[name], adjustments)
        return properties

    def _name_fits(self, name: str) -> bool:
        return 0 < len(name) <= self._limits.name_length

    def _first(self, properties: dict[str, Scalar], adjustments: Adjustments) -> dict[str, Scalar]:
        """As many as may be sent: those that are named first, the others by name.

        By name, so that the same record in another order of its columns gives the same event.
        """
        named = dict.fromkeys(name for name, _ in self._lookups if name in properties)
        names = [*named, *sorted(properties.keys() - named.keys())]
        adjustments.left_out += len(names) - self._limits.count
        return {name: properties[name] for name in names[: self._limits.count]}

    def _add(
        self, properties: dict[str, Scalar], name: str, outermost: Any, adjustments: Adjustments
    ) -> None:
        """Adds what shall be stored of a value; containers give one property a leaf.

        Null adds nothing. A leaf's name is its dotted path. Where two paths spell the same name,
        the shallower one wins.
        """
        if not _is_nested(outermost):
            self._add_leaf(properties, name, outermost, adjustments)
            return
        # A list that grows while it is walked: JSON may be nested deeper than Python calls may
        # be, and what is shallower comes first.
        containers = [(name, outermost)]
        for prefix, container in containers:
            items = container.items() if type(container) is dict else enumerate(container)
            for key, value in items:
                path = f"{prefix}.{key}"
                if not _is_nested(value):
                    if path not in properties:
                        self._add_leaf(properties, path, value, adjustments)
                elif self._name_fits(path):
                    containers.append((path, value))
                else:
                    adjustments.left_out += 1

    def _add_leaf(
        self, properties: dict[str, Scalar], name: str, value: Any, adjustments: Adjustments
    ) -> None:
        if value is None:
            return
        if not self._name_fits(name):
            adjustments.left_out += 1
            return
        if type(value) is list:
            value = self._joined(value, adjustments)
        if self._limits.fits(value):
            properties[name] = value
        elif type(value) is str:
            properties[name] = value[: self._limits.text_length]
            adjustments.truncated += 1
        else:
            adjustments.left_out += 1

    def _joined(self, values: list[Any], adjustments: Adjustments) -> str:
        """An array of scalars as one text; a number in it that does not fit is left out."""
        texts: list[str] = []
        for value in values:
            if type(value) is str:
                texts.append(value)
            elif self._limits.fits(value):
                texts.append(json_text(value))
            elif value is not None:
                adjustments.left_out += 1
        return "||".join(texts)


def _is_nested(value: object) -> bool:
    """Whether a value is an object, or an array with objects or arrays in it."""
    if type(value) is list:
        return any(type(one) is dict or type(one) is list for one in value)
    return type(value) is dict
