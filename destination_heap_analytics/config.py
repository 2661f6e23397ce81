"""The configuration: JSON in, one frozen value out, or every fault at once.

Downstream of here nothing reads a configuration key or asks again which API type it is.
`spec.json` describes the same fields as a form; a test keeps the two in agreement.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from destination_heap_analytics.columns import PropertySelection, parse_property_columns
from destination_heap_analytics.errors import ConfigurationError, Fault
from destination_heap_analytics.fields import Frozen, OptionalText, address
from destination_heap_analytics.object_storage_config import LocalStorage, NoStorage, S3Storage
from destination_heap_analytics.quotas import Quotas

DEFAULT_BASE_URL = "https://heapanalytics.com"
#: Heap's EU data centre (https://developers.heap.io/reference/bulk-track).
EU_BASE_URL = "https://c.eu.heap-api.com"


def _base_url(text: str) -> str:
    return address(text, f"{DEFAULT_BASE_URL} or {EU_BASE_URL}")


def _property_selection(text: str) -> PropertySelection:
    selection = parse_property_columns(text)
    if isinstance(selection, str):
        raise PydanticCustomError("property_columns", "{fault}", {"fault": selection})
    return selection


AppId = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[0-9]+$")]
Column = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
PropertyColumns = Annotated[str, AfterValidator(_property_selection)]


class _Properties(Frozen):
    property_columns: PropertyColumns = "*"

    @property
    def selection(self) -> PropertySelection:
        """`property_columns`, read."""
        assert isinstance(self.property_columns, PropertySelection)  # noqa: S101  # its validator made it one
        return self.property_columns


class TrackConfig(_Properties):
    """Each record becomes an event (https://developers.heap.io/reference/bulk-track)."""

    api_type: Literal["track"]
    event_column: Column
    identity_column: Column
    timestamp_column: OptionalText = None


class UserPropertiesConfig(_Properties):
    """Each record updates a user (https://developers.heap.io/reference/bulk-add-user-properties)."""

    api_type: Literal["add_user_properties"]
    identity_column: Column


class AccountPropertiesConfig(_Properties):
    """Each record updates an account.

    Source: https://developers.heap.io/reference/bulk-add-account-properties
    """

    api_type: Literal["add_account_properties"]
    account_id_column: Column


ApiConfig = TrackConfig | UserPropertiesConfig | AccountPropertiesConfig


class Config(Frozen):
    """The whole configuration of one connection."""

    app_id: AppId
    base_url: Annotated[str, AfterValidator(_base_url)] = DEFAULT_BASE_URL
    api: Annotated[ApiConfig, Field(discriminator="api_type")]
    requests_in_flight: Annotated[int, Field(ge=1, le=16)] = 4
    max_retry_seconds: Annotated[int, Field(ge=1, le=3600)] = 600
    #: Heap's published quotas on bulk track
    #: (https://developers.heap.io/reference/bulk-track); 0 lifts a limit.
    events_per_minute: Annotated[int, Field(ge=0)] = 15_000
    events_per_identity_per_minute: Annotated[int, Field(ge=0)] = 1_000
    #: Where rejected records go.
    object_storage_config: (
        Annotated[NoStorage | LocalStorage | S3Storage, Field(discriminator="storage_type")] | None
    ) = None

    #: Map and count everything, send nothing.
    dry_run: bool = False

    @property
    def quotas(self) -> Quotas | None:
        """The quotas to keep; users and accounts have none."""
        quotas = Quotas(self.events_per_minute, self.events_per_identity_per_minute)
        limited = quotas.per_app or quotas.per_identity
        return quotas if limited and isinstance(self.api, TrackConfig) else None


def parse_config(raw: Mapping[str, Any]) -> Config:
    """The configuration as one frozen value.

    Raises ConfigurationError with every fault found, each with its path and without the value.
    """
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise ConfigurationError(map(_fault, details)) from None


#: The choices that are told apart by a constant: its name, and what it may be.
_CHOICES = {
    "api": ("api_type", "`track`, `add_user_properties` or `add_account_properties`"),
    "object_storage_config": ("storage_type", "`None`, `Local` or `S3`"),
}

#: pydantic's kinds of error, in words for a person who fills a form.
_WORDS = {
    "missing": "is required",
    "string_type": 'must be text, in quotes ("...")',
    "string_too_short": "must not be blank",
    "bool_type": "must be true or false, without quotes",
    "int_type": "must be a whole number, without quotes",
    "model_attributes_type": "must be an object",
    "model_type": "must be an object",
    "dict_type": "must be an object",
}

#: What the texts that a pattern describes must be.
_PATTERNS = {
    "app_id": "must be digits only: Heap's environment id (Account > Manage > Projects)",
    "object_storage_config.s3_bucket_name": "must be the name of a bucket, and nothing else",
    "object_storage_config.s3_bucket_region": "must be a region, such as eu-central-1",
}


def _fault(detail: ErrorDetails) -> Fault:
    kind = detail["type"]
    # In a union, pydantic puts the chosen constant into the path; the user's JSON has no such key.
    location = [str(part) for part in detail["loc"]]
    if len(location) > 2 and location[0] in _CHOICES:
        del location[1]
    if kind in {"union_tag_not_found", "union_tag_invalid"}:
        verb = "is required:" if kind == "union_tag_not_found" else "must be"
        constant, choices = _CHOICES[location[0]]
        return Fault(f"{location[0]}.{constant}", f"{verb} {choices}")
    path = ".".join(location) or "configuration"
    if kind == "string_pattern_mismatch":
        return Fault(path, _PATTERNS[path])
    return Fault(path, _WORDS.get(kind, detail["msg"]))
