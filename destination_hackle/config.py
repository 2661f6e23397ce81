"""The configuration: JSON in, one frozen value out, or every fault at once.

`spec.json` describes the same fields as a form; a test keeps the two in agreement.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from destination_heap_analytics.columns import PropertySelection, parse_property_columns
from destination_heap_analytics.errors import ConfigurationError, Fault
from destination_heap_analytics.fields import Frozen, OptionalText, address
from destination_heap_analytics.object_storage_config import LocalStorage, NoStorage, S3Storage
from destination_heap_analytics.quotas import Quotas

#: `Default.EVENT_URL` in commons/enums.py of hackle-sdk 3.9.0.
DEFAULT_BASE_URL: Final = "https://event.hackle.io"


def _base_url(text: str) -> str:
    return address(text, DEFAULT_BASE_URL)


def _property_selection(text: str) -> PropertySelection:
    selection = parse_property_columns(text)
    if isinstance(selection, str):
        raise PydanticCustomError("property_columns", "{fault}", {"fault": selection})
    return selection


#: It is sent as a header, so nothing else may be in it.
SdkKey = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[!-~]+$")]
Column = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
PropertyColumns = Annotated[str, AfterValidator(_property_selection)]


class Config(Frozen):
    """The whole configuration of one connection."""

    sdk_key: Annotated[SdkKey, Field(repr=False)]
    base_url: Annotated[str, AfterValidator(_base_url)] = DEFAULT_BASE_URL
    event_key_column: Column
    user_id_column: Column
    value_column: OptionalText = None
    timestamp_column: OptionalText = None
    property_columns: PropertyColumns = "*"
    requests_in_flight: Annotated[int, Field(ge=1, le=16)] = 4
    max_retry_seconds: Annotated[int, Field(ge=1, le=3600)] = 600
    #: Hackle publishes no quota; 0 sets no limit.
    events_per_minute: Annotated[int, Field(ge=0)] = 0
    #: Where rejected records go.
    object_storage_config: (
        Annotated[NoStorage | LocalStorage | S3Storage, Field(discriminator="storage_type")] | None
    ) = None

    #: Map and count everything, send nothing.
    dry_run: bool = False

    @property
    def selection(self) -> PropertySelection:
        """`property_columns`, read."""
        assert isinstance(self.property_columns, PropertySelection)  # noqa: S101  # its validator made it one
        return self.property_columns

    @property
    def quotas(self) -> Quotas | None:
        """The quotas to keep, if any."""
        return Quotas(self.events_per_minute, 0) if self.events_per_minute else None

    def columns(self) -> Iterable[tuple[str, str]]:
        """Each column that is named, with the field that names it."""
        yield "event_key_column", self.event_key_column
        yield "user_id_column", self.user_id_column
        if self.value_column is not None:
            yield "value_column", self.value_column
        if self.timestamp_column is not None:
            yield "timestamp_column", self.timestamp_column
        for column in self.selection.columns:
            yield "property_columns", column.path


def parse_config(raw: Mapping[str, Any]) -> Config:
    """The configuration as one frozen value.

    Raises ConfigurationError with every fault found, each with its path and without the value.
    """
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        raise ConfigurationError(map(_fault, details)) from None


#: pydantic's kinds of error, in words for a person who fills a form.
_WORDS: Final = {
    "missing": "is required",
    "string_type": 'must be text, in quotes ("...")',
    "string_too_short": "must not be blank",
    "bool_type": "must be true or false, without quotes",
    "int_type": "must be a whole number, without quotes",
    "model_attributes_type": "must be an object",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "union_tag_not_found": "is required: `None`, `Local` or `S3`",
    "union_tag_invalid": "must be `None`, `Local` or `S3`",
}

#: What the texts that a pattern describes must be.
_PATTERNS: Final = {
    "sdk_key": "must be the key alone, without blanks",
    "object_storage_config.s3_bucket_name": "must be the name of a bucket, and nothing else",
    "object_storage_config.s3_bucket_region": "must be a region, such as eu-central-1",
}


def _fault(detail: ErrorDetails) -> Fault:
    kind = detail["type"]
    location = [str(part) for part in detail["loc"]]
    if location[:1] == ["object_storage_config"]:
        # pydantic puts the chosen constant into the path; the user's JSON has no such key.
        del location[1:2]
        if kind.startswith("union_tag"):
            location.append("storage_type")
    path = ".".join(location) or "configuration"
    if kind == "string_pattern_mismatch":
        return Fault(path, _PATTERNS[path])
    return Fault(path, _WORDS.get(kind, detail["msg"]))
