"""The configuration: JSON in, one frozen value out.

Nothing else asks which API type it is but `apis.py`. `spec.json` describes the same fields as a
form; a test keeps the two in agreement.
"""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    field_validator,
)
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
from bulk_destination.mapping.entries import (
    Call,
    Expression,
    FirstOf,
)
from bulk_destination.mapping.entries import (
    Literal as Text,
)
from bulk_destination.mapping.grammar import read_value

DEFAULT_BASE_URL: Final = "https://heapanalytics.com"
#: Heap's EU data centre (https://developers.heap.io/reference/bulk-track).
EU_BASE_URL: Final = "https://c.eu.heap-api.com"
#: What stands behind the address, in the bulk and in the single form.
TRACK_PATH: Final = "/api/track"
USER_PROPERTIES_PATH: Final = "/api/add_user_properties"
ACCOUNT_PROPERTIES_PATH: Final = "/api/add_account_properties"
#: By which users are deleted (https://developers.heap.io/reference/user-deletion). The last is
#: followed by the number of a request.
TOKEN_PATH: Final = "/api/public/v0/auth_token"  # noqa: S105  # no password
USER_DELETION_PATH: Final = "/api/public/v0/user_deletion"
DELETION_STATUS_PATH: Final = "/api/public/v0/deletion_status/"
#: The most that `most_users` may be. All are held in memory until the source has ended.
MOST_USERS: Final = 100_000
#: Requests of `add_user_properties` that one identity may be in, of any 30 s. Heap's page of the
#: single form says so (https://developers.heap.io/reference/add-user-properties); that of the
#: bulk form, which has the same address, says nothing, so it is kept there, too.
USER_REQUESTS: Final = 30


def _base_url(text: str) -> str:
    paths = (
        *(TRACK_PATH, USER_PROPERTIES_PATH, ACCOUNT_PROPERTIES_PATH),
        *(TOKEN_PATH, USER_DELETION_PATH),
    )
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


def _key(key: SecretStr) -> SecretStr:
    if not (text := key.get_secret_value().strip()):
        raise PydanticCustomError("string_too_short", "must not be blank")
    return SecretStr(text)


def why_not_plain(read: Expression) -> str | None:
    """Why what was read may not say who is to be deleted; None if it is one column.

    All else could name another person than the one who asked: a second column that steps in for
    the first, or letters that Heap tells apart and a function does not.
    """
    match read:
        case FirstOf():
            return (
                "must be one column: where the first is empty, another could name somebody else. "
                "A column whose name has a comma is written in double quotes"
            )
        case Call():
            return (
                "must be a column as it is: Heap tells identities apart by every letter, so what a "
                "function makes of one may be somebody else. A column of such a name is written "
                "in double quotes"
            )
        case Text():
            return "must be a column: a fixed text would be the same person in every record"
    return None


def _plain(text: str) -> str:
    """One column, whatever the stream's schema is; so `check` can tell."""
    read = read_value(text)
    why = "; ".join(each.words for each in read) if isinstance(read, list) else why_not_plain(read)
    if why:
        raise PydanticCustomError("plain_column", "{why}", {"why": why})
    return text


class DeleteUsersConfig(Frozen):
    """Each record names a user who is to be deleted.

    Source: https://developers.heap.io/reference/user-deletion
    """

    api_type: Literal["delete_users"]
    identity_column: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_plain)
    ]
    api_key: Annotated[SecretStr, AfterValidator(_key)]
    #: What one sync may delete.
    most_users: Annotated[int, Field(ge=1, le=MOST_USERS)] = 100
    #: The environment's id once more; `HeapConfig` compares.
    confirm: str


SimpleApi = TrackConfig | UserPropertiesConfig | AccountPropertiesConfig


class StreamConfig(Frozen):
    """What one stream becomes; without a namespace, one of this name in any."""

    stream: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    namespace: OptionalText = None
    api: Annotated[SimpleApi, Field(discriminator="api_type")]

    def __str__(self) -> str:
        return f"`{self.stream}`" + (f" of `{self.namespace}`" if self.namespace else "")


def _listed(value: object) -> object:
    # Not by `min_length`: that counts entries without a fault, and would tell of none at all.
    if value == []:
        raise PydanticCustomError("streams", "must have at least one entry")
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
        BeforeValidator(_listed),
        AfterValidator(_once_each),
    ]


class ByObject(Frozen):
    """As the mapping of the connection says, stream by stream (`objects.py`)."""

    api_type: Literal["by_object"]


ApiConfig = SimpleApi | ByStream | ByObject | DeleteUsersConfig

_SIMPLE: Final = ("track", "add_user_properties", "add_account_properties")


class HeapConfig(DeliveryConfig):
    """The whole configuration of one connection."""

    patterns: ClassVar = {
        "app_id": "must be digits only: Heap's environment id (Account > Manage > Projects)",
    }
    choices: ClassVar = {
        "api": ("api_type", (*_SIMPLE, "by_stream", "by_object", "delete_users")),
        "api.streams.*.api": ("api_type", _SIMPLE),
    }
    app_quota: ClassVar = "events_per_minute"

    app_id: AppId
    base_url: Annotated[str, AfterValidator(_base_url)] = DEFAULT_BASE_URL
    api: Annotated[ApiConfig, Field(discriminator="api_type")]
    #: Heap's published quotas on bulk track
    #: (https://developers.heap.io/reference/bulk-track); 0 lifts a limit.
    events_per_minute: Annotated[int, Field(ge=0)] = 15_000
    #: 0 lifts all limits of one identity, that of `USER_REQUESTS` as well: who has been told that
    #: one does not hold has been told of the other, and nobody wants a limit of his own there.
    events_per_identity_per_minute: Annotated[int, Field(ge=0)] = 1_000

    @field_validator("api")
    @classmethod
    def _is_confirmed(cls, api: ApiConfig, info: ValidationInfo) -> ApiConfig:
        app_id = info.data.get("app_id")
        if isinstance(api, DeleteUsersConfig) and app_id not in {None, api.confirm.strip()}:
            raise PydanticCustomError(
                "confirm",
                "must be the environment's ID once more, the same digits as in app_id: deleted "
                "users cannot be brought back",
                {"within": "confirm"},
            )
        return api

    @property
    def deletion_url(self) -> str:
        """Where users are deleted.

        Heap's page names one host for the US and for the EU
        (https://developers.heap.io/reference/user-deletion).
        """
        eu = urlsplit(EU_BASE_URL).hostname
        return DEFAULT_BASE_URL if urlsplit(self.base_url).hostname == eu else self.base_url

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
