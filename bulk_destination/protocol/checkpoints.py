"""States wait here until every record before them is settled. Pure.

A record is settled when the service accepted it, or when it was rejected and that is written
down. Each lane settles its batches in order, so a state only has to know how many batches of
each lane hold records before it: it rides behind them and forces none out.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bulk_destination.protocol.messages import settled_state


@dataclass(slots=True)
class _Waiting:
    state: dict[str, Any]
    #: The number of the last record before it, and of the last one before the previous state.
    position: int
    previous: int
    #: Lane by lane, how many of its batches must be settled first.
    marks: Sequence[int]
    size: int
    rejected: int = 0


class Checkpoints:
    """The states of one sync, in the order they came."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._positions: list[int] = []
        self._last_position = 0
        self._rejected_since_last = 0
        #: Bytes of the lines of all that wait.
        self.size = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def arrived(
        self, state: dict[str, Any], position: int, marks: Sequence[int], size: int = 0
    ) -> None:
        """A state came in behind record `position`, in a line of `size` bytes."""
        self._waiting.append(
            _Waiting(state, position, self._last_position, marks, size, self._rejected_since_last)
        )
        self.size += size
        self._positions.append(position)
        self._last_position, self._rejected_since_last = position, 0

    def rejected(self, position: int) -> None:
        """Record `position` was rejected; counted to the first state that came behind it."""
        at = bisect_left(self._positions, position)
        if at < len(self._waiting):
            self._waiting[at].rejected += 1
        else:
            self._rejected_since_last += 1

    def settled(self, batches: Sequence[int], unsaved: int | None = None) -> list[bytes]:
        """The states that may leave now, given how many batches each lane has settled.

        `unsaved` is the first record that was rejected and is not written down yet.
        """
        ready = 0
        for waiting in self._waiting:
            if any(done < mark for done, mark in zip(batches, waiting.marks, strict=True)):
                break
            if unsaved is not None and waiting.position >= unsaved:
                break
            ready += 1
        leaving, self._waiting = self._waiting[:ready], self._waiting[ready:]
        del self._positions[:ready]
        self.size -= sum(state.size for state in leaving)
        return [
            settled_state(state.state, state.position - state.previous, state.rejected)
            for state in leaving
        ]
