"""What the configurations of all services have in common, and the words for what is wrong with one.

Downstream of here nothing reads a configuration key.
"""

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Self, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from bulk_destination.errors import ConfigurationError, Fault
from bulk_destination.fields import HALF_A_CHARACTER, Frozen, OptionalText
from bulk_destination.mapping.columns import Schema
from bulk_destination.mapping.grammar import Wanted
from bulk_destination.mapping.reading import problems_of
from bulk_destination.mapping.spelling import did_you_mean, nearest
from bulk_destination.names import shown
from bulk_destination.rejected.object_storage_config import LocalStorage, NoStorage, S3Storage


@dataclass(frozen=True, slots=True)
class KnownStreams:
    """What of the streams is known while a configuration is read."""

    schemas: Sequence[Schema | None] = ()
    #: Whether to tell what the stream could still make sense of, was it another one.
    tells_all: bool = False


def _readable(wanted: Wanted) -> AfterValidator:
    """Refuses a text that none of the streams can make sense of, or none could, where none is
    known; the rest is read when each is.
    """

    def read(text: str | None, info: ValidationInfo) -> str | None:
        streams: KnownStreams = info.context or KnownStreams()
        schemas, lasting = streams.schemas or (None,), not streams.tells_all
        if text is not None and (problems := problems_of(text, wanted, schemas, lasting=lasting)):
            raise PydanticCustomError("columns", "{problems}", {"problems": problems})
        return text

    return AfterValidator(read)


#: A field that asks for one value; one that says who or which it is; and one that may be left out.
Column = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), _readable("value")]
IdentityColumn = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1), _readable("identity")
]
OptionalColumn = Annotated[OptionalText, _readable("value")]
OptionalIdentityColumn = Annotated[OptionalText, _readable("identity")]


#: Files beside the zones, which are others on another machine, or count leap seconds.
_OF_A_MACHINE: Final = re.compile(r"(localtime|posixrules|Factory)$|(posix|right)/")


def _zone(name: str) -> str:
    name = name.strip()
    # A folder of zones is no zone; a path that leads elsewhere is a ValueError.
    with contextlib.suppress(ZoneInfoNotFoundError, ValueError, OSError):
        if not _OF_A_MACHINE.match(name):
            return ZoneInfo(name).key
    names = sorted(zone for zone in available_timezones() if not _OF_A_MACHINE.match(zone))
    raise PydanticCustomError(
        "time_zone",
        "must be the name of a time zone, such as Europe/Riga or UTC{hint}",
        {"hint": did_you_mean(nearest(name, names))},
    )


#: A name of the IANA's list of time zones.
TimeZone = Annotated[str, AfterValidator(_zone)]


class PropertyColumns(Frozen):
    """A part of the configuration that says which columns become properties."""

    never_blank: ClassVar = frozenset({"property_columns"})

    property_columns: Annotated[str, _readable("properties")] = "*"


class DeliveryConfig(Frozen):
    """How records are delivered, whatever the service. A service's own fields come besides."""

    #: What a text that has to match a pattern must be, by its path.
    patterns: ClassVar[Mapping[str, str]] = {}
    #: Parts that are told apart by a constant: its name, and what it may be. A `*` stands for any
    #: place in a list.
    choices: ClassVar[Mapping[str, tuple[str, tuple[str, ...]]]] = {}
    #: The field that says how many events a minute the app may send; 0 in it is no limit.
    app_quota: ClassVar[str | None] = None

    #: None: as many as the service is found to take. Up to 1.0.0 forms stored their default, 4.
    requests_in_flight: Annotated[
        Annotated[int, Field(ge=1, le=16)] | None,
        AfterValidator(lambda number: None if number == 4 else number),
    ] = None
    max_retry_seconds: Annotated[int, Field(ge=1, le=3600)] = 600
    #: Where rejected records go.
    object_storage_config: (
        Annotated[NoStorage | LocalStorage | S3Storage, Field(discriminator="storage_type")] | None
    ) = None
    #: Of all that is read; beyond it the sync fails when all else has landed.
    max_rejected_percent: Annotated[float, Field(ge=0, le=100)] = 100
    #: Map and count everything, send nothing.
    dry_run: bool = False

    @property
    def keeps_rejected(self) -> bool:
        """Whether rejected records go into files."""
        return isinstance(self.object_storage_config, LocalStorage | S3Storage)

    @classmethod
    def parse(cls, raw: Mapping[str, Any], schemas: Sequence[Schema | None] = ()) -> Self:
        """The configuration as one frozen value.

        `schemas` are those of the streams, where they are known: a column may be called as
        nothing else is written.

        Raises ConfigurationError with every fault found, each with its path and without the value.
        """
        try:
            return cls.model_validate(raw, context=KnownStreams(schemas))
        except ValidationError as error:
            details = error.errors(include_url=False, include_input=False)
        # What the one stream lacks is told with the rest: one round of corrections is enough. Which
        # entry of a list is for it is not known here.
        if len(schemas) == 1:
            try:
                cls.model_validate(raw, context=KnownStreams(schemas, tells_all=True))
            except ValidationError as error:
                found = error.errors(include_url=False, include_input=False)
                in_lists = [detail for detail in details if _is_in_a_list(detail)]
                details = [detail for detail in found if not _is_in_a_list(detail)] + in_lists
        raise ConfigurationError(_fault(cls, detail) for detail in details)


Config = TypeVar("Config", bound=DeliveryConfig)


def unknown_fields(part: BaseModel, prefix: str = "") -> Iterator[str]:
    """Words about each field that nobody reads. Such are allowed, as platforms may add their own.

    But a misspelled `dry_run` sends everything.
    """
    known = list(type(part).model_fields)
    for name in part.model_extra or ():
        path, meant = f"{prefix}{shown(name)}", did_you_mean(nearest(name, known))
        yield f"`{path}` is no field of the configuration, and is ignored{meant}"
    for name in known:
        value = getattr(part, name)
        if isinstance(value, BaseModel):
            yield from unknown_fields(value, f"{prefix}{name}.")
        for at, each in enumerate(value if isinstance(value, tuple) else ()):
            yield from unknown_fields(each, f"{prefix}{name}.{at}.")


_CHOICES: Final = {"object_storage_config": ("storage_type", ("None", "Local", "S3"))}
_PATTERNS: Final = {
    "object_storage_config.s3_bucket_name": "must be the name of a bucket, and nothing else",
    "object_storage_config.s3_bucket_region": "must be a region, such as eu-central-1",
}

#: pydantic's kinds of error, in words for a person who fills a form.
_WORDS: Final = {
    "missing": "is required",
    "string_type": 'must be text, in quotes ("...")',
    "string_unicode": HALF_A_CHARACTER,
    "string_too_short": "must not be blank",
    "tuple_type": "must be a list",
    "bool_type": "must be true or false, without quotes",
    "int_type": "must be a whole number, without quotes",
    "float_type": "must be a number, without quotes",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "model_attributes_type": "must be an object",
    "model_type": "must be an object",
    "dict_type": "must be an object",
}


def _fault(model: type[DeliveryConfig], detail: ErrorDetails) -> Fault:
    kind = detail["type"]
    choices = {**_CHOICES, **model.choices}
    location, place = _location(detail["loc"], choices)
    # What hangs on another part is judged where both are known.
    location += filter(None, [detail.get("ctx", {}).get("within")])
    path = ".".join(location) or "configuration"
    if kind in {"union_tag_not_found", "union_tag_invalid"}:
        verb = "is required:" if kind == "union_tag_not_found" else "must be"
        constant, constants = choices[place]
        return Fault(f"{path}.{constant}", f"{verb} {_one_of(constants)}")
    if kind == "string_pattern_mismatch":
        return Fault(path, {**_PATTERNS, **model.patterns}[path])
    words = _WORDS.get(kind)
    return Fault(path, words.format(**detail.get("ctx", {})) if words else detail["msg"])


def _is_in_a_list(detail: ErrorDetails) -> bool:
    return any(isinstance(part, int) for part in detail["loc"])


def _location(
    loc: tuple[int | str, ...], choices: Mapping[str, tuple[str, tuple[str, ...]]]
) -> tuple[list[str], str]:
    """Where a fault is in the user's JSON, and the same with `*` for each place in a list.

    In a union, pydantic puts the chosen constant into the path; the JSON has no such key.
    """
    location: list[str] = []
    places: list[str] = []
    for part in loc:
        choice = choices.get(".".join(places))
        if choice is not None and part in choice[1]:
            continue
        location.append(str(part))
        places.append("*" if isinstance(part, int) else part)
    return location, ".".join(places)


def _one_of(constants: tuple[str, ...]) -> str:
    *first, last = (f"`{each}`" for each in constants)
    return f"{', '.join(first)} or {last}"
