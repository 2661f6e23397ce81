"""States wait here until every record before them is settled. Pure.

A record is settled when the service accepted it, or when it was rejected and that is written
down. A state rides behind its records and forces no batch out: to know when it may leave, the
first record that is not settled is enough, for each stream.

- A STREAM state waits for the records of its stream, so a stream that is held back holds no
  other's. A GLOBAL or a LEGACY one waits for all records, and so does a state of a stream that
  is not in the catalog.
- States that cover a stream in common leave in the order they came.
- Each record counts in one state: the first later one that covers its stream. What belongs to no
  stream of the catalog, a line that cannot be read among it, counts in the next state of any kind:
  of its own there may never be one, and the sum over all states is to be all that was read.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from bulk_destination.protocol.messages import StateMessage, settled_state

#: Bytes of states that wait in memory; the others wait elsewhere.
MOST_IN_MEMORY: Final = 8_000_000


class Parking(Protocol):
    """Where states wait that would fill the memory."""

    def put(self, line: bytes) -> Callable[[], bytes]:
        """One more; what is given takes it back, once."""


@dataclass(slots=True)
class _Waiting:
    #: The line, or what takes it back from where it is parked.
    line: bytes | Callable[[], bytes]
    #: Its number among the states, from 0, and that of the last record before it.
    number: int
    position: int
    #: The streams that it covers (None: one that the catalog lacks), and the one whose records it
    #: waits for (None: all).
    covers: tuple[int | None, ...]
    waits_for: int | None
    size: int
    records: int
    rejected: int
    #: Whether it is among those that are counted as waiting.
    counts: bool = True


class Checkpoints:
    """The states of one sync of `streams` streams.

    `find` gives a stream's number by name and namespace; None for one that the catalog lacks.
    """

    def __init__(
        self,
        streams: int,
        find: Callable[[object, object], int | None],
        parking: Parking,
        most_in_memory: int = MOST_IN_MEMORY,
    ) -> None:
        self._find = find
        self._parking = parking
        self._most_in_memory = most_in_memory
        self._in_memory = 0
        #: By stream, the waiting states that cover it.
        self._queues: dict[int | None, deque[_Waiting]] = {None: deque()}
        self._queues |= {stream: deque() for stream in range(streams)}
        #: By stream, how many records had been read at the last state that covers it.
        self._counted = [0] * streams
        #: By stream, how many rejected records have no such state behind them yet.
        self._rejected = dict.fromkeys(self._queues, 0)
        self._arrived = 0
        #: Streams that are given up.
        self._closed: set[int] = set()
        self._count = 0
        #: Bytes of the lines of all that wait, but for those of streams that are given up.
        self.size = 0

    def __len__(self) -> int:
        return self._count

    def arrived(self, message: StateMessage, position: int, read: Sequence[int]) -> None:
        """A state came in behind record `position`.

        `read` says how many records of each stream have come so far.
        """
        covers, waits_for = self._scope(message.state)
        records = rejected = 0
        for stream in {*covers, None}:
            rejected += self._rejected[stream]
            if stream is None:  # All of it is rejected.
                records += self._rejected[stream]
            else:
                records += read[stream] - self._counted[stream]
                self._counted[stream] = read[stream]
            self._rejected[stream] = 0
        if self._is_closed(waits_for):
            return
        size = len(message.line)
        line = self._put(message.line)
        waiting = _Waiting(
            line, self._arrived, position, covers, waits_for, size, records, rejected
        )
        for stream in covers:
            self._queues[stream].append(waiting)
        self._arrived += 1
        self._count += 1
        self.size += size

    def close(self, stream: int) -> None:
        """A stream is given up: no state that comes now and waits for it will leave."""
        self._closed.add(stream)
        for queue in self._queues.values():
            for each in queue:
                if self._is_closed(each.waits_for):
                    self._discount(each)

    def discard(self, stream: int) -> None:
        """Nor will one that waits."""
        for covered, queue in self._queues.items():
            kept = [each for each in queue if each.waits_for not in {stream, None}]
            self._queues[covered] = deque(kept)

    def _is_closed(self, waits_for: int | None) -> bool:
        return bool(self._closed) and (waits_for is None or waits_for in self._closed)

    def _discount(self, waiting: _Waiting) -> None:
        if waiting.counts:
            waiting.counts = False
            self._count -= 1
            self.size -= waiting.size

    def rejected(self, position: int, stream: int | None) -> None:
        """Record `position` of `stream` was rejected; None: it is of none in the catalog."""
        queue = self._queues[stream]
        at = bisect_left(queue, position, key=lambda each: each.position)
        if at < len(queue):
            queue[at].rejected += 1
        else:
            self._rejected[stream] += 1

    def settled(self, unsettled: Sequence[int | None]) -> Iterator[bytes]:
        """The states that may leave now, in the order they came; taken one by one.

        `unsettled` is each stream's first record that is not settled; None if all are.
        """
        first = min((each for each in unsettled if each is not None), default=None)
        leaving: list[_Waiting] = []
        while ready := [*self._ready(unsettled, first)]:
            leaving += ready
        leaving.sort(key=lambda each: each.number)
        for each in leaving:
            self._discount(each)
            yield settled_state(self._take(each), each.records, each.rejected)

    def _put(self, line: bytes) -> bytes | Callable[[], bytes]:
        if self._in_memory + len(line) > self._most_in_memory:
            return self._parking.put(line)
        self._in_memory += len(line)
        return line

    def _take(self, waiting: _Waiting) -> bytes:
        if isinstance(waiting.line, bytes):
            self._in_memory -= waiting.size
            return waiting.line
        return waiting.line()

    def _ready(self, unsettled: Sequence[int | None], first: int | None) -> Iterator[_Waiting]:
        """Takes out states that may leave and stand first for each stream that they cover."""
        for queue in self._queues.values():
            while queue:
                state = queue[0]
                held = first if state.waits_for is None else unsettled[state.waits_for]
                if held is not None and held <= state.position:
                    break
                if any(self._queues[stream][0] is not state for stream in state.covers):
                    break
                for stream in state.covers:
                    self._queues[stream].popleft()
                yield state

    def _scope(self, state: Mapping[str, Any]) -> tuple[tuple[int | None, ...], int | None]:
        """The streams that a state covers, and the one that it waits for; None: all."""
        kind, parts = state.get("type"), []
        if kind == "STREAM":
            parts = [state.get("stream")]
        elif kind == "GLOBAL" and isinstance(shared := state.get("global"), Mapping):
            listed = shared.get("stream_states")
            parts = listed if isinstance(listed, list) else []
        descriptors = [part.get("stream_descriptor") for part in parts if isinstance(part, Mapping)]
        named = [
            self._find(each.get("name"), each.get("namespace"))
            for each in descriptors
            if isinstance(each, Mapping)
        ]
        if not named:
            return tuple(range(len(self._counted))), None
        return tuple(dict.fromkeys(named)), named[0] if kind == "STREAM" else None
