"""The configuration: JSON in, one frozen value out.

`spec.json` describes the same fields as a form; a test keeps the two in agreement.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field, StringConstraints

from bulk_destination.config import (
    Column,
    DeliveryConfig,
    IdentityColumn,
    OptionalColumn,
    OptionalIdentityColumn,
    PropertyColumns,
    TimeZone,
)
from bulk_destination.delivery.quotas import Quotas
from bulk_destination.fields import address

#: `Default.EVENT_URL` in commons/enums.py of hackle-sdk 3.9.0.
DEFAULT_BASE_URL: Final = "https://event.hackle.io"
#: What stands behind the address.
PATH: Final = "/api/v2/events"


def _base_url(text: str) -> str:
    return address(text, DEFAULT_BASE_URL, (PATH,))


#: It is sent as a header, so nothing else may be in it.
SdkKey = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[!-~]+$")]


class HackleConfig(DeliveryConfig, PropertyColumns):
    """The whole configuration of one connection."""

    patterns: ClassVar = {"sdk_key": "must be the key alone, without blanks"}
    app_quota: ClassVar = "events_per_minute"

    sdk_key: Annotated[SdkKey, Field(repr=False)]
    base_url: Annotated[str, AfterValidator(_base_url)] = DEFAULT_BASE_URL
    event_key_column: Column
    user_id_column: IdentityColumn
    value_column: OptionalColumn = None
    timestamp_column: OptionalColumn = None
    #: Of a time that names none.
    time_zone: TimeZone = "UTC"
    #: What an event is known by, where it is not the primary key.
    event_id_column: OptionalIdentityColumn = None
    #: Hackle publishes no quota; 0 sets no limit.
    events_per_minute: Annotated[int, Field(ge=0)] = 0

    @property
    def quotas(self) -> Quotas | None:
        """The quotas to keep, if any."""
        return Quotas(self.events_per_minute, 0) if self.events_per_minute else None

    def columns(self) -> Iterator[tuple[str, str]]:
        """What each field says that asks for one value, after the field."""
        yield "event_key_column", self.event_key_column
        yield "user_id_column", self.user_id_column
        if self.value_column is not None:
            yield "value_column", self.value_column
        if self.timestamp_column is not None:
            yield "timestamp_column", self.timestamp_column
        if self.event_id_column is not None:
            yield "event_id_column", self.event_id_column
