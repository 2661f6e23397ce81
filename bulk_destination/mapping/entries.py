"""What a person wrote where the form asks for columns, as values. Pure.

Each prints as it can be written: `grammar.py`, without a schema, reads the same value from
`str(entry)` again.
"""

import re
from dataclasses import dataclass
from typing import Final

#: What `grammar.py` knows as a call, with the places where it may stand.
FUNCTIONS: Final = ("lower", "sha256", "json")
_PLAIN: Final = re.compile(
    rf"(?!\s)(?!(?i:{'|'.join(FUNCTIONS)})\s*\()(?!\*$)"
    r"(?!.*\s(?i:as|except)(?:\s|\(|$))[^'\",]+(?<!\s)(?<!\.\*)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its path, which is found in one of three readings (`columns.py`)."""

    path: str

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True)
class Spelled:
    """A column by the keys that lead to it, each spelled exactly so; digits index an array."""

    keys: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(map(_quoted, self.keys))

    @property
    def path(self) -> str:
        """As a leaf there is named."""
        return ".".join(self.keys)


@dataclass(frozen=True, slots=True)
class Literal:
    """This text itself."""

    text: str

    def __str__(self) -> str:
        return "'" + self.text.replace("'", "''") + "'"


@dataclass(frozen=True, slots=True)
class Call:
    """One of `FUNCTIONS` of a value."""

    function: str
    argument: "Value"

    def __str__(self) -> str:
        return f"{self.function}({self.argument})"


Path = Column | Spelled
Value = Column | Spelled | Literal | Call


@dataclass(frozen=True, slots=True)
class FirstOf:
    """The first of two or more values that is there."""

    values: tuple[Value, ...]

    def __str__(self) -> str:
        return ", ".join(map(str, self.values))


#: What a field holds that asks for one value.
Expression = Value | FirstOf


@dataclass(frozen=True, slots=True)
class Property:
    """A value that is sent under a name; of an object, each leaf below that name.

    Leaves at or below `excluded`, whose paths begin below the value, are not.
    """

    value: Value
    name: str
    excluded: tuple[Path, ...] = ()

    def __str__(self) -> str:
        value = str(self.value)
        all_but = f".*{_except(self.excluded)}" if self.excluded or value.endswith(".*") else ""
        named = isinstance(self.value, Column | Spelled) and self.name == self.value.path
        return f"{value}{all_but}" + ("" if named else f" as {_as_name(self.name)}")


@dataclass(frozen=True, slots=True)
class Everything:
    """All leaves of a record but those at or below `excluded`."""

    excluded: tuple[Path, ...] = ()

    def __str__(self) -> str:
        return f"*{_except(self.excluded)}"


@dataclass(frozen=True, slots=True)
class PropertySelection:
    """What of a record becomes properties; `columns` come besides `everything`, and win."""

    everything: Everything | None
    columns: tuple[Property, ...] = ()

    def __str__(self) -> str:
        everything = [] if self.everything is None else [self.everything]
        return ", ".join(map(str, [*everything, *self.columns]))


def source_of(value: Value) -> Column | Spelled | Literal:
    """What the functions around it are given."""
    while isinstance(value, Call):
        value = value.argument
    return value


def fixed_texts(expression: Expression) -> list[str]:
    """The texts in it that are there for any record."""
    sources = map(source_of, values_of(expression))
    return [source.text for source in sources if isinstance(source, Literal)]


def values_of(expression: Expression) -> tuple[Value, ...]:
    """Its values, in the order in which they are looked for."""
    return expression.values if isinstance(expression, FirstOf) else (expression,)


def is_plain(name: str) -> bool:
    """Whether a name needs no quotes: nothing in it means something else."""
    depth = 0
    for letter in name:
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            return False
    return depth == 0 and _PLAIN.fullmatch(name) is not None


def _quoted(key: str) -> str:
    return '"' + key.replace('"', '""') + '"'


def _as_name(name: str) -> str:
    return name if is_plain(name) else _quoted(name)


def _except(excluded: tuple[Path, ...]) -> str:
    return f" except ({', '.join(map(str, excluded))})" if excluded else ""
