"""Payloads that differ only in values are one shape: counted, with an example. Pure.

Memory is bounded, however many records there are, and however much one differs from the next.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

#: Shapes that are told apart; all that come later are counted together.
MOST_SHAPES: Final = 1_000
_PROPERTIES: Final = "properties"


@dataclass(slots=True)
class Shape:
    """Payloads that have the same fields and the same properties."""

    #: The first of them, and the number of its record.
    payload: Mapping[str, Any]
    position: int
    count: int = 0

    def values(self) -> Iterator[tuple[str, Any]]:
        """All that the first one says: its fields, and its properties by their names."""
        yield from ((name, value) for name, value in self.payload.items() if name != _PROPERTIES)
        yield from self.payload.get(_PROPERTIES, {}).items()

    def names(self) -> list[str]:
        """The names of those, in that order."""
        return [name for name, _ in self.values()]


@dataclass(slots=True)
class Shapes:
    """The shapes of one stream's payloads."""

    others: int = 0
    _by_names: dict[tuple[frozenset[str], frozenset[str]], Shape] = field(default_factory=dict)

    def add(self, payload: Mapping[str, Any], position: int) -> None:
        """One more payload, of the record with that number."""
        names = frozenset(payload), frozenset(payload.get(_PROPERTIES, ()))
        shape = self._by_names.get(names)
        if shape is None:
            if len(self._by_names) >= MOST_SHAPES:
                self.others += 1
                return
            shape = self._by_names[names] = Shape(payload, position)
        shape.count += 1

    def __len__(self) -> int:
        return len(self._by_names)

    @property
    def count(self) -> int:
        """Payloads in all."""
        return self.others + sum(shape.count for shape in self._by_names.values())

    def most_common(self) -> list[Shape]:
        """The most frequent one first; of two that are as frequent, the one that came first."""
        return sorted(self._by_names.values(), key=lambda shape: (-shape.count, shape.position))
