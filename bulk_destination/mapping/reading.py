"""The fields of one configuration, read for one stream. Pure.

The text stays text in the configuration, as what it means depends on the stream's schema. A
mapper reads its fields once, before the first record, and all that is wrong is told together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bulk_destination.errors import ConfigurationError, Fault
from bulk_destination.mapping.columns import Record, Schema
from bulk_destination.mapping.entries import (
    Column,
    Expression,
    Literal,
    PropertySelection,
    Value,
    source_of,
    values_of,
)
from bulk_destination.mapping.grammar import Problem, Wanted, read_properties, read_value
from bulk_destination.mapping.lookups import Found, compile_identity, compile_value
from bulk_destination.mapping.values import Identifier, Rejected

#: Stands where a field cannot be read; `done` lets nobody see it.
_UNREAD: Final = Column("")
EVENT_ID: Final = Identifier("event_id", None, of_person=False)


@dataclass(slots=True)
class Reading:
    """Reads fields; `schema` is the stream's, or None where it lists nothing."""

    schema: Schema | None
    faults: list[Fault] = field(default_factory=list)
    #: The paths of all columns that were read.
    columns: set[str] = field(default_factory=set)
    #: The same, the properties that they become, and fixed texts.
    names: set[str] = field(default_factory=set)
    #: What an event is known by, where that is configured, by the words that begin its rejections.
    event_ids: dict[str, Expression] = field(default_factory=dict)

    def value(
        self, path: str, text: str, fits: Callable[[object], object] | None = None
    ) -> Expression:
        """What the field at `path` says, where it asks for one value.

        `fits` reads a value as a record's is read; a fixed one has to pass.
        """
        return self._value(path, text, "value", fits)

    def optional(
        self, path: str, text: str | None, fits: Callable[[object], object]
    ) -> Expression | None:
        """The same, where the field may be left out."""
        return None if text is None else self.value(path, text, fits)

    def identity(self, path: str, text: str) -> Expression:
        """The same, where it says who or which one it is."""
        return self._value(path, text, "identity", None)

    def event_id(self, path: str, text: str | None) -> Callable[[Record], str | Rejected] | None:
        """Reads what an event is known by, where the field is set."""
        if text is None:
            return None
        self.event_ids[EVENT_ID.field] = expression = self.identity(path, text)
        look, read = compile_identity(expression, self.schema, EVENT_ID, Found(expression))
        return lambda record: read(look(record))

    def _value(
        self, path: str, text: str, wanted: Wanted, fits: Callable[[object], object] | None
    ) -> Expression:
        read = read_value(text, wanted, self.schema)
        if isinstance(read, list):
            self._tell(path, read)
            return _UNREAD
        for value in values_of(read):
            self._note(value)
            if isinstance(value, Literal):
                self.names.add(value.text)
            if fits is not None and isinstance(source_of(value), Literal):
                judged = fits(compile_value(value, None)({}))
                if isinstance(judged, Rejected):
                    self.faults.append(Fault(path, f"{value} cannot be sent: {judged.reason}"))
        return read

    def _note(self, value: Value) -> None:
        source = source_of(value)
        if not isinstance(source, Literal):
            self.columns.add(source.path)
            self.names.add(source.path)

    def several(self, *fields: tuple[str, Found]) -> list[tuple[str, Found]]:
        """Those of the fields that say more than one value."""
        return [(name, found) for name, found in fields if len(found.values) > 1]

    def properties(self, path: str, text: str) -> PropertySelection:
        """What `property_columns` says."""
        read = read_properties(text, self.schema)
        if isinstance(read, list):
            self._tell(path, read)
            return PropertySelection(None)
        for column in read.columns:
            self._note(column.value)
            self.names.add(column.name)
        return read

    def done(self) -> None:
        """Raises a ConfigurationError with all faults, if there are any."""
        if self.faults:
            raise ConfigurationError(self.faults)

    def _tell(self, path: str, problems: list[Problem]) -> None:
        self.faults += [Fault(path, problem.words) for problem in problems]


def problems_of(
    text: str, wanted: Wanted, schemas: Sequence[Schema | None] = (None,), *, lasting: bool = True
) -> str:
    """What is wrong with a text by the schema that it fits best, in words; nothing, if that is
    nothing. Those that are `lasting`, or all.
    """

    def problems(schema: Schema | None) -> list[str]:
        properties = wanted == "properties"
        read = read_properties(text, schema) if properties else read_value(text, wanted, schema)
        found = read if isinstance(read, list) else []
        return [problem.words for problem in found if problem.lasting or not lasting]

    fewest = min([problems(schema) for schema in schemas], key=len)
    return "; ".join(fewest)
