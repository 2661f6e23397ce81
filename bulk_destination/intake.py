"""What the source gives becomes payloads and rejections, each record counted as read."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from bulk_destination.errors import BrokenStateError
from bulk_destination.ledger import Ledger, Ledgers
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


def _columns() -> tuple[list[str], list[bytes], list[str]]:
    return [], [], []


@dataclass(frozen=True, slots=True)
class Run(Generic[Item]):
    """Records on end that became payloads of one stream, numbered from `first` on.

    `items` are what the source gave; the other columns are those of the payloads.
    """

    stream: int
    first: int
    items: Sequence[Item]
    identities: list[str]
    bodies: list[bytes]
    keys: list[str]


@dataclass(slots=True)
class Intake(Generic[Item]):
    """`read` turns what the source gives (lines, or the CDK's messages) into messages of ours.

    It reads the next one when it is asked for that, so that one is in memory.
    """

    read: Callable[[Sequence[Item]], Iterator[Message]]
    catalog: Catalog
    mappers: Sequence[RecordMapper]
    ledgers: Ledgers
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
    #: Its mapper, what that makes of a record, and its ledger.
    _mapper: RecordMapper = field(init=False)
    _payload_of: MapRecord = field(init=False)
    _ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.records = [0] * len(self.catalog.streams)
        self._turn_to(None)

    def _turn_to(self, stream: int | None) -> None:
        self.stream = stream
        self._mapper = self.mappers[stream or 0]
        self._payload_of = _of_another_stream if stream is None else self._mapper.payload
        self._ledger = self.ledgers.of(stream)

    def take(
        self, items: Sequence[Item]
    ) -> Iterator[Run[Item] | tuple[Item, Rejected | Skipped | StateMessage]]:
        """What became of `items`, in order: payloads on end together, all else one by one.

        What is yielded is counted as read, and nothing behind it. A message that a destination
        has no use for leaves no trace.
        Raises BrokenStateError.
        """
        for at in range(0, len(items), _LONGEST_RUN):
            yield from self._take(items[at : at + _LONGEST_RUN])

    def _take(
        self, items: Sequence[Item]
    ) -> Iterator[Run[Item] | tuple[Item, Rejected | Skipped | StateMessage]]:
        # It turns for each record, so it has all it needs at hand, and asks for payloads first.
        name, namespace, payload_of = self._name, self._namespace, self._payload_of
        at, identities, bodies, keys = 0, *_columns()
        for message in self.read(items):
            payload: Payload | Rejected | Skipped | None = None
            if type(message) is dict:
                if message.get("stream") != name or message.get("namespace") != namespace:
                    if bodies:
                        yield self._run(items, at, identities, bodies, keys)
                        at, identities, bodies, keys = at + len(bodies), *_columns()
                    self._name, self._namespace = message.get("stream"), message.get("namespace")
                    self._turn_to(self.catalog.find(self._name, self._namespace))
                    name, namespace, payload_of = self._name, self._namespace, self._payload_of
                payload = payload_of(message["data"], message.get("emitted_at"))
                if type(payload) is tuple:
                    identity, body, key = payload
                    identities.append(identity)
                    bodies.append(body)
                    keys.append(key)
                    continue
            if bodies:
                yield self._run(items, at, identities, bodies, keys)
                at, identities, bodies, keys = at + len(bodies), *_columns()
            yield from self._take_other(items, at, message, payload)
            name, payload_of, at = self._name, self._payload_of, at + 1
        if bodies:
            yield self._run(items, at, identities, bodies, keys)

    def _run(
        self,
        items: Sequence[Item],
        at: int,
        identities: list[str],
        bodies: list[bytes],
        keys: list[str],
    ) -> Run[Item]:
        assert self.stream is not None  # noqa: S101  # a payload is of a stream
        first, count = self.position + 1, len(bodies)
        self.position += count
        self._ledger.read += count
        self.records[self.stream] += count
        return Run(self.stream, first, items[at : at + count], identities, bodies, keys)

    def _take_other(
        self,
        items: Sequence[Item],
        at: int,
        message: Message,
        mapped: Payload | Rejected | Skipped | None,
    ) -> Iterator[Run[Item] | tuple[Item, Rejected | Skipped | StateMessage]]:
        """What became of item `at`, by its message and what that was mapped to."""
        item = items[at]
        if isinstance(message, StateMessage):
            yield item, message
        elif isinstance(message, BrokenState):
            raise BrokenStateError(self.position, LONGEST_LINE)
        elif isinstance(message, Unreadable | TooLong | Rejected):
            self.position += 1
            self._unreadable = self.position
            self._name = None
            self._turn_to(None)
            self._ledger.read += 1
            if isinstance(message, Rejected):
                yield item, message
            elif isinstance(message, TooLong):
                yield item, _TOO_LONG
            else:
                if self._ledger.first_unreadable is None and isinstance(item, bytes):
                    self._ledger.first_unreadable = kind_of_line(item)
                yield item, UNREADABLE
        elif type(message) is dict:
            assert isinstance(mapped, Rejected | Skipped)  # noqa: S101  # for the type checker
            if self.stream is not None:
                mapped = self._second_look(item, message, mapped)
            if isinstance(mapped, tuple):
                identity, body, key = mapped
                yield self._run(items, at, [identity], [body], [key])
                return
            self.position += 1
            self._ledger.read += 1
            if self.stream is not None:
                self.records[self.stream] += 1
            yield item, mapped
        elif isinstance(message, SourceFailed):
            self._has_failed = True

    @property
    def breaks_off(self) -> str | None:
        """By what, at the end of the input, it shows that this is not all; None if by nothing."""
        if self._has_failed:
            return "it tells of an error, or of a stream that is not complete"
        return "its last line cannot be read" if self._unreadable == self.position else None

    def _second_look(
        self, item: Item, record: RecordMessage, payload: Rejected | Skipped
    ) -> Payload | Rejected | Skipped:
        taken = self._mapped_exactly(item, record) if payload is INEXACT else payload
        if isinstance(taken, Rejected):
            self._mapper.presence.look(record["data"])
            self._ledger.blame(of_row=taken.of_row, lacks=taken.lacks)
        return taken

    def _mapped_exactly(self, item: Item, record: RecordMessage) -> Payload | Rejected | Skipped:
        """The payload with all digits of its numbers, where there is a line to read them from."""
        if not isinstance(item, bytes):
            return INEXACT
        return self._mapper.payload(data_of(item), record.get("emitted_at"))
