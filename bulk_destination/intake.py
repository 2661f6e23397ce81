"""What the source gives becomes payloads and rejections, each record counted as read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from bulk_destination.delivery.batches import Batch
from bulk_destination.errors import BrokenStateError
from bulk_destination.ledger import Ledgers
from bulk_destination.mapping.columns import Record
from bulk_destination.mapping.record_mapper import MapRecord, Payload, RecordMapper
from bulk_destination.mapping.values import (
    INEXACT,
    OF_ANOTHER_STREAM,
    UNREADABLE,
    Rejected,
    Skipped,
)
from bulk_destination.protocol.catalog import Catalog
from bulk_destination.protocol.lines import LONGEST_LINE
from bulk_destination.protocol.messages import (
    BrokenState,
    Message,
    RecordMessage,
    SourceFailed,
    StateMessage,
    TooLong,
    Unreadable,
    data_of,
    kind_of_line,
)

Item = TypeVar("Item")

_TOO_LONG: Final = Rejected("too_long")
#: Records that are mapped before anything is done with them; a caller may give any number at once.
_LONGEST_RUN: Final = 1_000


def _of_another_stream(record: Record, emitted_at: object) -> Rejected:  # noqa: ARG001  # as MapRecord
    return OF_ANOTHER_STREAM


@dataclass(frozen=True, slots=True)
class Run(Generic[Item]):
    """Payloads for one endpoint, in order; between their records came only those of others.

    `items` are what the source gave for records on end, numbered from `first` on; these are among
    them.
    """

    endpoint: int
    #: With their streams.
    payloads: Batch
    first: int
    items: Sequence[Item]

    def item(self, position: int) -> Item:
        """What became the payload of record `position`."""
        return self.items[position - self.first]


#: Identities, bodies and keys, as a `Batch` has them.
_Columns = tuple[list[str], list[bytes], list[str]]


def _by_endpoint(
    order: Sequence[int], first: int, endpoints: Sequence[int]
) -> Mapping[int, tuple[Sequence[int], Sequence[int]]]:
    """The numbers and streams of the records for each endpoint.

    `order` are the streams of records on end, numbered from `first` on.
    """
    if order.count(order[0]) == len(order):
        return {endpoints[order[0]]: (range(first, first + len(order)), order)}
    found: dict[int, tuple[list[int], list[int]]] = {endpoints[each]: ([], []) for each in {*order}}
    for position, stream in enumerate(order, first):
        positions, of_streams = found[endpoints[stream]]
        positions.append(position)
        of_streams.append(stream)
    return found


@dataclass(slots=True)
class Intake(Generic[Item]):
    """`read` turns what the source gives (lines, or the CDK's messages) into messages of ours.

    It reads the next one when it is asked for that, so that one is in memory. `endpoints` says for
    each stream, by number, where its payloads go.
    """

    read: Callable[[Sequence[Item]], Iterator[Message]]
    catalog: Catalog
    mappers: Sequence[RecordMapper]
    ledgers: Ledgers
    endpoints: Sequence[int]
    #: How many records of each stream have come, and how many in all, unreadable lines included:
    #: the number of the last.
    records: list[int] = field(init=False)
    position: int = 0
    #: The number of the last line that could not be read; and whether the source told of a failure.
    _unreadable: int | None = None
    _has_failed: bool = False
    #: The stream of the record taken last, None if it is of none, and how that named it.
    stream: int | None = None
    _name: object = None
    _namespace: object = None
    #: By endpoint, the payloads that are not yielded yet.
    _gathered: list[_Columns] = field(init=False)
    #: By stream, its number, what becomes of its records, and where their payloads gather. What is
    #: of none never becomes one.
    _courses: dict[int | None, tuple[int, MapRecord, _Columns]] = field(init=False)

    def __post_init__(self) -> None:
        self.records = [0] * len(self.catalog.streams)
        self._gathered = [([], [], []) for _ in range(max(self.endpoints) + 1)]
        self._courses = {None: (0, _of_another_stream, ([], [], []))}
        for stream, endpoint in enumerate(self.endpoints):
            payload_of = self.mappers[stream].payload
            self._courses[stream] = stream, payload_of, self._gathered[endpoint]

    def take(
        self, items: Sequence[Item]
    ) -> Iterator[Run[Item] | tuple[Item, Rejected | Skipped | StateMessage]]:
        """What became of `items`: payloads of one endpoint together, all else one by one.

        Payloads keep their order among those of their endpoint, and what is none its place among
        all. What is yielded is counted as read, and nothing behind it. A message that a destination
        has no use for leaves no trace.
        Raises BrokenStateError.
        """
        for at in range(0, len(items), _LONGEST_RUN):
            yield from self._take(items[at : at + _LONGEST_RUN])

    def _take(
        self, items: Sequence[Item]
    ) -> Iterator[Run[Item] | tuple[Item, Rejected | Skipped | StateMessage]]:
        # It turns for each record, so it has all it needs at hand, and asks for payloads first.
        name, namespace, at = self._name, self._namespace, 0
        order: list[int] = []  # the streams of what is gathered
        stream, payload_of, (identities, bodies, keys) = self._courses[self.stream]
        for message in self.read(items):
            payload: Payload | Rejected | Skipped | None = None
            if type(message) is dict:
                if message.get("stream") != name or message.get("namespace") != namespace:
                    self._name = name = message.get("stream")
                    self._namespace = namespace = message.get("namespace")
                    self.stream = self.catalog.find(name, namespace)
                    stream, payload_of, (identities, bodies, keys) = self._courses[self.stream]
                payload = payload_of(message["data"], message.get("emitted_at"))
                if payload is INEXACT:
                    payload = self._mapped_exactly(stream, items[at + len(order)], message)
                if type(payload) is tuple:
                    identity, body, key = payload
                    identities.append(identity)
                    bodies.append(body)
                    keys.append(key)
                    order.append(stream)
                    continue
            if order:
                yield from self._runs(items[at : at + len(order)], order)
                at += len(order)
                order.clear()
            yield from self._take_other(items[at], message, payload)
            name, at = self._name, at + 1
            stream, payload_of, (identities, bodies, keys) = self._courses[self.stream]
        if order:
            yield from self._runs(items[at:], order)

    def _runs(self, items: Sequence[Item], order: Sequence[int]) -> Iterator[Run[Item]]:
        """What `items` became, which are of the streams in `order`."""
        first = self.position + 1
        self.position += len(items)
        columns = _by_endpoint(order, first, self.endpoints)
        for endpoint, (positions, streams) in columns.items():
            identities, bodies, keys = self._gathered[endpoint]
            payloads = Batch(
                *(tuple(positions), tuple(identities), tuple(bodies), tuple(keys), tuple(streams))
            )
            for column in self._gathered[endpoint]:
                column.clear()
            for stream in set(payloads.streams):
                count = payloads.streams.count(stream)
                self.ledgers.of_streams[stream].read += count
                self.records[stream] += count
            yield Run(endpoint, payloads, first, items)

    def _take_other(
        self, item: Item, message: Message, mapped: Payload | Rejected | Skipped | None
    ) -> Iterator[tuple[Item, Rejected | Skipped | StateMessage]]:
        """What became of an item, by its message and what that was mapped to."""
        if isinstance(message, StateMessage):
            yield item, message
        elif isinstance(message, BrokenState):
            raise BrokenStateError(self.position, LONGEST_LINE)
        elif isinstance(message, Unreadable | TooLong | Rejected):
            self.position += 1
            self._unreadable = self.position
            self._name = self.stream = None
            ledger = self.ledgers.of(None)
            ledger.read += 1
            if isinstance(message, Rejected):
                yield item, message
            elif isinstance(message, TooLong):
                yield item, _TOO_LONG
            else:
                if ledger.first_unreadable is None and isinstance(item, bytes):
                    ledger.first_unreadable = kind_of_line(item)
                yield item, UNREADABLE
        elif type(message) is dict:
            assert isinstance(mapped, Rejected | Skipped)  # noqa: S101  # for the type checker
            self.position += 1
            ledger = self.ledgers.of(self.stream)
            ledger.read += 1
            if self.stream is not None:
                self.records[self.stream] += 1
                if isinstance(mapped, Rejected):
                    self.mappers[self.stream].presence.look(message["data"])
                    ledger.blame(of_row=mapped.of_row, lacks=mapped.lacks)
            yield item, mapped
        elif isinstance(message, SourceFailed):
            self._has_failed = True

    @property
    def breaks_off(self) -> str | None:
        """By what, at the end of the input, it shows that this is not all; None if by nothing."""
        if self._has_failed:
            return "it tells of an error, or of a stream that is not complete"
        return "its last line cannot be read" if self._unreadable == self.position else None

    def _mapped_exactly(
        self, stream: int, item: Item, record: RecordMessage
    ) -> Payload | Rejected | Skipped:
        """The payload with all digits of its numbers, where there is a line to read them from."""
        if not isinstance(item, bytes):
            return INEXACT
        return self.mappers[stream].payload(data_of(item), record.get("emitted_at"))
