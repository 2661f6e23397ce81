"""What `except` leaves out of `*`. Pure."""

from collections.abc import Sequence
from enum import Enum
from typing import Any, Final

from bulk_destination.mapping.entries import Column, Path

#: Names of leaves that are remembered.
_MOST_NAMES: Final = 10_000


class _Verdict(Enum):
    STAYS = 0
    GOES = 1
    #: Something below it goes.
    HOLDS = 2


class Exclusions:
    """Leaves that are left out: those whose name is one of `paths`, or lies below one.

    A path is held against the name that a leaf would have as a property, where each of its
    underscores may be a dot. So it covers all three readings of a column, and none leaks.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._verdicts: dict[str, _Verdict] = {}
        #: Those that no record had so far, as they are written.
        self.never_seen = dict.fromkeys(map(str, paths))

    def without(self, value: Any) -> Any:
        """A copy of an object or array without them; in an array, null stands for what is gone."""
        if type(value) is not dict and type(value) is not list:
            return value
        copy = value.copy()
        # A list that grows while it is walked: JSON may be nested deeper than calls may be.
        containers = [("", copy)]
        for prefix, container in containers:
            pairs = container.items() if type(container) is dict else enumerate(container)
            for key, below in list(pairs):
                name = f"{prefix}{key}"
                verdict = self._verdicts.get(name) or self._judged(name)
                if verdict is _Verdict.GOES:
                    if type(container) is dict:
                        del container[key]
                    else:
                        container[key] = None
                elif verdict is _Verdict.HOLDS and (type(below) is dict or type(below) is list):
                    container[key] = below.copy()
                    containers.append((f"{name}.", container[key]))
        return copy

    def _judged(self, name: str) -> _Verdict:
        verdict = _Verdict.STAYS
        for path in self._paths:
            if _begins(name, path):
                self.never_seen.pop(str(path), None)
                verdict = _Verdict.GOES
            elif verdict is _Verdict.STAYS and _leads_to(name, path):
                verdict = _Verdict.HOLDS
        if verdict is _Verdict.GOES:
            # Nobody looks below it any more, so what is there is not missed.
            for path in self._paths:
                if _leads_to(name, path):
                    self.never_seen.pop(str(path), None)
        if len(self._verdicts) < _MOST_NAMES:
            self._verdicts[name] = verdict
        return verdict


def _begins(name: str, path: Path) -> bool:
    """Whether a leaf of that name is at `path`, or below it."""
    written = path.path
    return name[len(written) : len(written) + 1] in ("", ".") and _same(
        name[: len(written)], written, path
    )


def _leads_to(name: str, path: Path) -> bool:
    """Whether `path` is below what has that name."""
    written, mark = path.path, path.path[len(name) : len(name) + 1]
    is_below = mark == "." or (mark == "_" and isinstance(path, Column))
    return is_below and _same(name, written[: len(name)], path)


def _same(name: str, written: str, path: Path) -> bool:
    if name == written:
        return True
    return (
        isinstance(path, Column)
        and len(name) == len(written)
        and all(
            letter == as_written or (letter == "." and as_written == "_")
            for letter, as_written in zip(name, written, strict=True)
        )
    )
