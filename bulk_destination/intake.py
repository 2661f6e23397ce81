"""What the source gives becomes payloads and rejections, each record counted as read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from bulk_destination.errors import BrokenStateError
from bulk_destination.ledger import Ledger, Ledgers
from bulk_destination.mapping.record_mapper import Payload, RecordMapper
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
)

Item = TypeVar("Item")

_TOO_LONG: Final = Rejected("too_long")


@dataclass(slots=True)
class Intake(Generic[Item]):
    """`read` turns what the source gives (a line, or the CDK's message) into a message of ours."""

    read: Callable[[Item], Message]
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

    #: Its mapper and its ledger.
    _mapper: RecordMapper = field(init=False)
    _ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.records = [0] * len(self.catalog.streams)
        self._turn_to(None)

    def _turn_to(self, stream: int | None) -> None:
        self._mapper = self.mappers[stream or 0]
        self._ledger = self.ledgers.of(stream)

    def take(self, item: Item) -> Payload | Rejected | Skipped | StateMessage | None:
        """What became of `item`; None for a message that a destination has no use for.

        Raises BrokenStateError.
        """
        message = self.read(item)
        if type(message) is dict:
            self.position += 1
            name, namespace = message.get("stream"), message.get("namespace")
            if name != self._name or namespace != self._namespace:
                self._name, self._namespace = name, namespace
                self.stream = self.catalog.find(name, namespace)
                self._turn_to(self.stream)
            self._ledger.read += 1
            stream = self.stream
            if stream is None:
                return OF_ANOTHER_STREAM
            self.records[stream] += 1
            payload = self._mapper.payload(message["data"], message.get("emitted_at"))
            return (
                payload if isinstance(payload, tuple) else self._second_look(item, message, payload)
            )
        if isinstance(message, StateMessage):
            return message
        if isinstance(message, Unreadable | TooLong | Rejected):
            self.position += 1
            self._unreadable = self.position
            self.stream = self._name = None
            self._turn_to(None)
            self._ledger.read += 1
            if isinstance(message, Rejected):
                return message
            return UNREADABLE if isinstance(message, Unreadable) else _TOO_LONG
        if isinstance(message, BrokenState):
            raise BrokenStateError(self.position, LONGEST_LINE)
        if isinstance(message, SourceFailed):
            self._has_failed = True
        return None

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
