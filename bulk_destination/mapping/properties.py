"""A record's columns become the properties that a service stores, within its limits. Pure.

Where something does not fit, it is cut or left out and counted, and the rest of the record goes
on. No exception for any JSON value.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from bulk_destination.mapping.bookkeeping import OwnColumns
from bulk_destination.mapping.columns import (
    Lookup,
    Record,
    Schema,
    looks_like_a_column,
    record_paths,
    schema_at,
    schema_of,
)
from bulk_destination.mapping.entries import (
    Call,
    Literal,
    Path,
    Property,
    PropertySelection,
    Spelled,
    Value,
    source_of,
)
from bulk_destination.mapping.exclusions import Exclusions
from bulk_destination.mapping.lookups import compile_property, json_text
from bulk_destination.mapping.schema import Unlisted, pruning
from bulk_destination.mapping.spelling import did_you_mean, nearest
from bulk_destination.mapping.values import MISSING, Adjustments, decimal_text

Scalar = str | int | float | bool

_LARGEST_FLOAT: Final = math.nextafter(math.inf, 0)
#: Names of properties that are remembered to fit.
_MOST_NAMES: Final = 10_000
#: More names of properties than this are hard to find one's way in.
MANY_NAMES: Final = 200
#: The first records are all looked at for new names, and then one of 64: to look at each would
#: cost a tenth of all mapping.
_FIRST: Final = 1_000
_EACH: Final = 64


@dataclass(frozen=True, slots=True)
class Limits:
    """What a service takes of properties. Each is the highest that still fits."""

    #: Characters.
    name_length: int
    text_length: int
    #: The size of a number; None: any finite one.
    number: int | None = None
    #: Properties of one item; None: any number of them.
    count: int | None = None
    #: The size of the largest number that is no integer; NaN and infinities are above it.
    largest: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        largest = _LARGEST_FLOAT if self.number is None else self.number
        object.__setattr__(self, "largest", largest)

    def name_fits(self, name: str) -> bool:
        """Whether a property can be called so. No service documents one without a name."""
        return 0 < len(name) <= self.name_length

    def fits(self, value: Scalar) -> bool:
        """Whether a value can be sent as it is."""
        kind = type(value)
        if kind is str:
            return len(value) <= self.text_length  # type: ignore[arg-type]
        if kind is bool:
            return True
        if kind is int and self.number is None:
            return True
        return -self.largest <= value <= self.largest  # type: ignore[operator]


class PropertyMapper:
    """Picks the selected properties of each record; remembers which columns never came.

    Most values stay as they are, and a call for each of them would be a good part of all work. So
    three loops ask `Limits` by comparisons of their own, and call nothing for those.
    """

    def __init__(
        self,
        selection: PropertySelection,
        schema: Schema | None,
        limits: Limits,
        *,
        written: bool = True,
    ) -> None:
        #: Whether somebody wrote the selection: in one that was made, nothing is misspelled.
        self._written = written
        #: The most properties that any record had for sending.
        self.most = 0
        #: Names of properties, of the records that were looked at.
        self.seen_names: set[str] = set()
        #: By column, whether all of it that was looked at would fit as JSON.
        self._fits_as_json: dict[str, bool] = {}
        self._limits = limits
        self._bounds = limits.text_length, limits.largest, limits.number is None
        self._everything = selection.everything is not None
        self._exclusions: list[Exclusions] = []
        #: What the schema, where it is closed, kept from being sent.
        self.unlisted = Unlisted()
        self._prune = pruning(schema, self.unlisted)
        self._excluded = self._excluding(
            selection.everything.excluded if selection.everything else ()
        )
        self._columns = [
            (column.name, self._lookup(column, schema)) for column in selection.columns
        ]
        as_json = {column.name for column in selection.columns if _is_json(column)}
        others = [each for each in self._columns if each[0] not in as_json]
        self._fitting_columns = [each for each in others if limits.name_fits(each[0])]
        self._other_columns = [each for each in others if not limits.name_fits(each[0])]
        fixed = {column.name for column in selection.columns if _is_fixed(column)}
        #: Properties that are the same for every record: alone they say nothing, unless nothing
        #: else is asked for.
        self.fixed = fixed if self._everything or len(fixed) < len(selection.columns) else set()
        self._json_columns = [each for each in self._columns if each[0] in as_json]
        #: Column by its name as a property.
        self._never_seen = {column.name: str(column.value) for column in selection.columns}
        self._last_record: Record = {}
        self._fitting_names: set[str] = set()
        self._own = OwnColumns()
        #: `{name: value}` as it is sent; a column missing in this record is left out.
        self.properties = self._compiled()

    def _compiled(self) -> Callable[[Record, Adjustments], dict[str, Scalar]]:
        """`properties`, with what is the same for every record in its variables.

        To ask an object of ours for it costs as much as the comparisons, record by record.
        """
        limits, (longest, largest, any_int) = self._limits, self._bounds
        everything, unseen, most_properties = self._everything, self._never_seen, limits.count
        fitting, others, as_json = self._fitting_columns, self._other_columns, self._json_columns
        records = most = next_look = 0

        def properties(record: Record, adjustments: Adjustments) -> dict[str, Scalar]:
            nonlocal records, most, next_look
            found = self._all_of(record, adjustments) if everything else {}
            if unseen:
                self._look_for_unseen(record)
            for name, look_up in fitting:
                value = look_up(record)
                kind = type(value)
                if (
                    (kind is str and len(value) <= longest)
                    or (kind is int and (any_int or -largest <= value <= largest))
                    or kind is bool
                    or (kind is float and -largest <= value <= largest)
                ):
                    found[name] = value
                elif value is not MISSING:
                    add_property(found, name, value, limits, adjustments)
            for name, look_up in others:
                if (value := look_up(record)) is not MISSING:
                    add_property(found, name, value, limits, adjustments)
            for name, look_up in as_json:
                self._add_json(found, name, look_up(record), adjustments)
            records += 1
            if records >= next_look or len(found) > most:
                self._look_closely(record, found)
                most = self.most
                next_look = records + (1 if records < _FIRST else _EACH)
            if most_properties is not None and len(found) > most_properties:
                return self._first(found, most_properties, adjustments)
            return found

        return properties

    def never_seen(self) -> list[tuple[str, list[str]]]:
        """Columns that no record so far had, each with the nearest names of the last record."""
        names = list(record_paths(self._last_record))
        return [(path, nearest(path, names)) for path in self._never_seen.values()]

    def warnings(self) -> list[str]:
        """What the user should know of `property_columns` at the end."""
        unseen = [
            f"`{column}` (property_columns) was in no record{did_you_mean(names)}"
            for column, names in self.never_seen()
        ]
        unseen += [
            f"`except ({path})` (property_columns) left nothing out: no record had it"
            for path in self.never_excluded()
        ]
        unseen += self._of_many_names()
        if names := [name for name in self.unlisted.names if looks_like_a_column(name)]:
            more = (
                " and more" if self.unlisted.more or len(names) < len(self.unlisted.names) else ""
            )
            unseen.append(
                "The stream's schema allows no columns but those that it lists, so these were not "
                f"sent: {', '.join(f'`{name}`' for name in names)}{more}"
            )
        return unseen

    def _look_closely(self, record: Record, properties: dict[str, Scalar]) -> None:
        self.most = max(self.most, len(properties))
        if len(self.seen_names) < _MOST_NAMES:
            self.seen_names.update(properties)
        if len(self.seen_names) > MANY_NAMES and self._everything:
            for name, value in record.items():
                if type(value) is dict or type(value) is list:
                    text = json_text(value)
                    fits = text is not None and self._limits.fits(text)
                    self._fits_as_json[name] = fits and self._fits_as_json.get(name, True)

    def _of_many_names(self) -> list[str]:
        if len(self.seen_names) <= MANY_NAMES:
            return []
        below = Counter(name.partition(".")[0] for name in self.seen_names)
        column, count = below.most_common(1)[0]
        way_out = ": choose some by property_columns"
        if self._everything and count > MANY_NAMES / 2 and looks_like_a_column(column):
            way_out = f", {count:,} of them below `{column}`: write `* except ({column})`"
            if self._fits_as_json.get(column):
                way_out += f", and to have it as one text `json({column}) as {column}`"
        return [f"There are at least {len(self.seen_names):,} names of properties{way_out}"]

    def never_excluded(self) -> list[str]:
        """Paths behind `except` that no record so far had, where they may be misspelled."""
        if not self._written:
            return []
        return [path for exclusions in self._exclusions for path in exclusions.never_seen]

    def _excluding(self, paths: tuple[Path, ...]) -> Exclusions | None:
        if not paths:
            return None
        exclusions = Exclusions(paths)
        self._exclusions.append(exclusions)
        return exclusions

    def _lookup(self, column: Property, schema: Schema | None) -> Lookup:
        prune = pruning(_schema_of(column.value, schema), self.unlisted)
        look = compile_property(column.value, schema, prune)
        excluded = self._excluding(column.excluded)
        return look if excluded is None else _then(look, excluded.without)

    def _add_json(
        self, properties: dict[str, Scalar], name: str, value: Any, adjustments: Adjustments
    ) -> None:
        """The whole value as one text, or not at all: half of it would be no JSON."""
        if value is MISSING or value is None:
            return
        text = json_text(value)
        if text is not None and self._limits.name_fits(name) and self._limits.fits(text):
            properties[name] = text
        else:
            adjustments.left_out += 1

    def _look_for_unseen(self, record: Record) -> None:
        self._last_record = record
        for name, look_up in self._columns:
            if look_up(record) is not MISSING:
                self._never_seen.pop(name, None)

    def _all_of(self, record: Record, adjustments: Adjustments) -> dict[str, Scalar]:
        """All leaves that `*` selects, as `add_property` gives them one by one."""
        if self._prune is not None:
            record = self._prune(self._own(record))
        if self._excluded is not None:
            record = self._excluded.without(record)
        limits = self._limits
        longest, largest, any_int = self._bounds
        is_known = self._fitting_names.issuperset(record)
        if not is_known:
            record = self._own(record)
            is_known = self._fitting_names.issuperset(record)
        # All are copied, and only the others taken up again.
        properties = dict(record)
        others = [
            name
            for name, value in record.items()
            if (type(value) is not str or len(value) > longest)
            and (type(value) is not int or not (any_int or -largest <= value <= largest))
            and type(value) is not bool
            and (type(value) is not float or not -largest <= value <= largest)
        ]
        if not is_known:
            others = list(record)
            if len(self._fitting_names) < _MOST_NAMES:
                self._fitting_names |= set(filter(limits.name_fits, record))
        if others:
            values = [properties.pop(name) for name in others]
            for name, value in zip(others, values, strict=True):
                if value is not None:
                    add_property(properties, name, value, limits, adjustments)
        return properties

    def _first(
        self, properties: dict[str, Scalar], count: int, adjustments: Adjustments
    ) -> dict[str, Scalar]:
        """`count` of them: those that are columns first, the others by name.

        By name, so that the same record in another order of its columns gives the same event.
        """
        columns = dict.fromkeys(name for name, _ in self._columns if name in properties)
        names = [*columns, *sorted(properties.keys() - columns.keys())]
        adjustments.left_out += len(names) - count
        return {name: properties[name] for name in names[:count]}


def _then(look: Lookup, change: Callable[[Any], Any]) -> Lookup:
    return lambda record: change(look(record))


def _schema_of(value: Value, schema: Schema | None) -> Schema | None:
    """What a schema says of the column that a value is made of; None of a fixed text."""
    source = source_of(value)
    if schema is None or isinstance(source, Literal):
        return None
    if isinstance(source, Spelled):
        return schema_at(schema, source.keys)
    return schema_of(schema, source.path)


def _is_fixed(column: Property) -> bool:
    return isinstance(source_of(column.value), Literal)


def cut(adjustments: Adjustments) -> list[str]:
    """Which properties had texts that were cut: the most frequent, as far as they may be shown."""
    names = [
        f"`{name}` ({count:,})"
        for name, count in sorted(adjustments.cut.items(), key=lambda each: -each[1])
        if all(part.isdigit() or looks_like_a_column(part) for part in name.split("."))
    ]
    if not adjustments.cut:
        return []
    more = "" if len(names) == len(adjustments.cut) and len(names) <= 10 else " and others"
    return [f"Texts were cut to what fits a property: {', '.join(names[:10])}{more}"]


def _is_json(column: Property) -> bool:
    return isinstance(column.value, Call) and column.value.function == "json"


def add_property(
    properties: dict[str, Scalar], name: str, value: Any, limits: Limits, adjustments: Adjustments
) -> None:
    """Adds what shall be stored of `value` under `name`; containers give one property a leaf.

    Null adds nothing, so it never wipes what is there. A leaf's name is its dotted path. Where
    two paths spell the same name, the shallower one wins.
    """
    kind = type(value)
    if kind is dict or (kind is list and _has_containers(value)):
        _add_leaves(properties, name, value, limits, adjustments)
    elif value is not None:
        _add_leaf(properties, name, value, limits, adjustments)


def _add_leaves(
    properties: dict[str, Scalar],
    name: str,
    outermost: Any,
    limits: Limits,
    adjustments: Adjustments,
) -> None:
    longest, largest, any_int = limits.text_length, limits.largest, limits.number is None
    longest_name = limits.name_length
    # A list that grows while it is walked: JSON may be nested deeper than Python calls may be,
    # and what is shallower comes first.
    containers = [(name, outermost)]
    for prefix, container in containers:
        for key, value in container.items() if type(container) is dict else enumerate(container):
            name = f"{prefix}.{key}"
            kind = type(value)
            if (
                (kind is str and len(value) <= longest)
                or (kind is int and (any_int or -largest <= value <= largest))
                or kind is bool
                or (kind is float and -largest <= value <= largest)
            ) and len(name) <= longest_name:
                properties.setdefault(name, value)
            elif kind is dict or (kind is list and _has_containers(value)):
                if limits.name_fits(name):
                    containers.append((name, value))
                else:
                    adjustments.left_out += 1
            elif value is not None and name not in properties:
                _add_leaf(properties, name, value, limits, adjustments)


def _add_leaf(
    properties: dict[str, Scalar], name: str, value: Any, limits: Limits, adjustments: Adjustments
) -> None:
    if not limits.name_fits(name):
        adjustments.left_out += 1
        return
    kind = type(value)
    if kind is list:
        value = _joined(value, limits, adjustments)
    elif kind not in _SCALARS:
        value = str(value)  # no JSON: only a caller in the same process has such
    if limits.fits(value):
        properties[name] = value
    elif type(value) is str:
        properties[name] = value[: limits.text_length]
        adjustments.cut_text(name)
    else:
        adjustments.left_out += 1


_SCALARS: Final = {str, int, float, bool}


def _has_containers(values: list[object]) -> bool:
    for value in values:  # noqa: SIM110  # any() would make a generator for each array
        if type(value) is dict or type(value) is list:
            return True
    return False


def _joined(values: list[Any], limits: Limits, adjustments: Adjustments) -> str:
    """An array of scalars as one text; a number in it that does not fit is left out."""
    texts: list[str] = []
    for value in values:
        kind = type(value)
        if kind is str:
            texts.append(value)
        elif (kind is int or kind is float) and not limits.fits(value):
            adjustments.left_out += 1
        elif value is not None:
            texts.append(_json_text(value))
    return "||".join(texts)


def _json_text(value: object) -> str:
    """A scalar as JSON writes it: `true`, `1`, `0.5`."""
    try:
        return orjson.dumps(value, default=str).decode()
    except orjson.JSONEncodeError:
        return decimal_text(value) or str(value)
