"""What the engine knows of a service's payloads."""

from collections.abc import Callable, Sequence, Set
from typing import ClassVar, Protocol

from bulk_destination.mapping.columns import Record
from bulk_destination.mapping.lookups import Found
from bulk_destination.mapping.presence import Presence
from bulk_destination.mapping.values import Adjustments, Rejected, Skipped

#: One item of a bulk request: the identity it is about, its JSON, and its key: items with the same
#: key reach the service in the order they came. An event's is what the service knows it by, as it
#: may keep the first; where the last value wins, it is the identity.
Payload = tuple[str, bytes, str]


MapRecord = Callable[[Record, object], Payload | Rejected | Skipped]


class RecordMapper(Protocol):
    """Turns the records of one sync into payloads, its columns bound to the stream.

    A payload is a JSON object that has its properties under `properties`.
    """

    #: What records become, in a word, for the log.
    kind: ClassVar[str]
    #: Whether several updates of one identity in one request may become one.
    merges: ClassVar[bool]
    #: The field of a payload that says what happened, and the setting that names its column; None
    #: where payloads are no events.
    event: ClassVar[tuple[str, str] | None]

    @property
    def names(self) -> Set[str]:
        """What the configuration calls columns and the properties that they become, and all
        fixed names of events.
        """

    @property
    def presence(self) -> Presence:
        """Whether the columns that every record has to fill are there."""

    @property
    def adjustments(self) -> Adjustments:
        """What was changed to fit the service so far."""

    @property
    def payload(self) -> MapRecord:
        """The record's payload; called with Airbyte's `emitted_at`, in milliseconds. Never raises.

        A property, so that a mapper may make the function once, for all records.
        """

    @property
    def found(self) -> Sequence[tuple[str, Found]]:
        """By which of several values identities and times were found: field by field."""

    @property
    def defaulted(self) -> int:
        """Events that were dated by the time of the sync."""

    @property
    def sent_names(self) -> Set[str]:
        """Names of properties, of the records that were looked at closely."""

    def notices(self) -> list[str]:
        """What the user should know before anything is sent: names of columns, never a value."""

    def warnings(self) -> list[str]:
        """What the user should know at the end of a sync: names of columns, never a value."""
