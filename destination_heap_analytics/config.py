"""The configuration: JSON in, one frozen value out.

Nothing else asks which API type it is but `apis.py`. `spec.json` describes the same fields as a
form; a test keeps the two in agreement.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

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
from bulk_destination.fields import Frozen, OptionalText, address

DEFAULT_BASE_URL: Final = "https://heapanalytics.com"
#: Heap's EU data centre (https://developers.heap.io/reference/bulk-track).
EU_BASE_URL: Final = "https://c.eu.heap-api.com"
#: What stands behind the address, in the bulk and in the single form.
TRACK_PATH: Final = "/api/track"
USER_PROPERTIES_PATH: Final = "/api/add_user_properties"
ACCOUNT_PROPERTIES_PATH: Final = "/api/add_account_properties"
#: Requests of `add_user_properties` that one identity may be in, of any 30 s. Heap's page of the
#: single form says so (https://developers.heap.io/reference/add-user-properties); that of the
#: bulk form, which has the same address, says nothing, so it is kept there, too.
USER_REQUESTS: Final = 30


def _base_url(text: str) -> str:
    paths = (TRACK_PATH, USER_PROPERTIES_PATH, ACCOUNT_PROPERTIES_PATH)
    return address(text, f"{DEFAULT_BASE_URL} or {EU_BASE_URL}", paths)


AppId = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[0-9]+$")]


class TrackConfig(PropertyColumns):
    """Each record becomes an event (https://developers.heap.io/reference/bulk-track)."""

    api_type: Literal["track"]
    event_column: Column
    identity_column: IdentityColumn
    timestamp_column: OptionalColumn = None
    #: Of a time that names none.
    time_zone: TimeZone = "UTC"
    #: What an event is known by, where it is not the primary key.
    event_id_column: OptionalIdentityColumn = None


class UserPropertiesConfig(PropertyColumns):
    """Each record updates a user (https://developers.heap.io/reference/bulk-add-user-properties)."""

    api_type: Literal["add_user_properties"]
    identity_column: IdentityColumn


class AccountPropertiesConfig(PropertyColumns):
    """Each record updates an account.

    Source: https://developers.heap.io/reference/bulk-add-account-properties
    """

    api_type: Literal["add_account_properties"]
    account_id_column: IdentityColumn


SimpleApi = TrackConfig | UserPropertiesConfig | AccountPropertiesConfig


class StreamConfig(Frozen):
    """What one stream becomes; without a namespace, one of this name in any."""

    stream: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    namespace: OptionalText = None
    api: Annotated[SimpleApi, Field(discriminator="api_type")]

    def __str__(self) -> str:
        return f"`{self.stream}`" + (f" of `{self.namespace}`" if self.namespace else "")


def _listed(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _once_each(entries: tuple[StreamConfig, ...]) -> tuple[StreamConfig, ...]:
    seen: dict[tuple[str, str | None], int] = {}
    for at, entry in enumerate(entries):
        first = seen.setdefault((entry.stream, entry.namespace), at)
        if first != at:
            raise PydanticCustomError(
                "streams",
                "has two entries for {stream}: {first} and {second}, counted from 0",
                {"stream": str(entry), "first": first, "second": at},
            )
    return entries


class ByStream(Frozen):
    """Something else for each stream."""

    api_type: Literal["by_stream"]
    streams: Annotated[
        tuple[StreamConfig, ...],
        Field(min_length=1),
        BeforeValidator(_listed),
        AfterValidator(_once_each),
    ]


class ByObject(Frozen):
    """As the mapping of the connection says, stream by stream (`objects.py`)."""

    api_type: Literal["by_object"]


ApiConfig = SimpleApi | ByStream | ByObject

_SIMPLE: Final = ("track", "add_user_properties", "add_account_properties")


class HeapConfig(DeliveryConfig):
    """The whole configuration of one connection."""

    patterns: ClassVar = {
        "app_id": "must be digits only: Heap's environment id (Account > Manage > Projects)",
    }
    choices: ClassVar = {
        "api": ("api_type", (*_SIMPLE, "by_stream", "by_object")),
        "api.streams.*.api": ("api_type", _SIMPLE),
    }

    app_id: AppId
    base_url: Annotated[str, AfterValidator(_base_url)] = DEFAULT_BASE_URL
    api: Annotated[ApiConfig, Field(discriminator="api_type")]
    #: Heap's published quotas on bulk track
    #: (https://developers.heap.io/reference/bulk-track); 0 lifts a limit.
    events_per_minute: Annotated[int, Field(ge=0)] = 15_000
    #: 0 lifts all limits of one identity, that of `USER_REQUESTS` as well: who has been told that
    #: one does not hold has been told of the other, and nobody wants a limit of his own there.
    events_per_identity_per_minute: Annotated[int, Field(ge=0)] = 1_000

    def quotas(self, api: ApiConfig) -> Quotas | None:
        """The quotas to keep for what goes to one API; accounts have none."""
        match api:
            case TrackConfig():
                quotas = Quotas(self.events_per_minute, self.events_per_identity_per_minute)
                return quotas if quotas.counts_events else None
            case UserPropertiesConfig() if self.events_per_identity_per_minute:
                return Quotas(requests_per_identity=USER_REQUESTS)
            case _:
                return None


def columns(api: ApiConfig) -> Iterator[tuple[str, str]]:
    """What each field of an API says that asks for one value, after its name."""
    for name in _COLUMNS:
        column = getattr(api, name, None)
        if column is not None:
            yield name, column


_COLUMNS: Final = (
    *("event_column", "identity_column", "account_id_column", "timestamp_column"),
    "event_id_column",
)
