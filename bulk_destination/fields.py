"""What fields of the configuration have in common."""

import ipaddress
from collections.abc import Mapping
from typing import Annotated, ClassVar, Final
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

#: JSON can escape half a character alone (`\\ud800`).
HALF_A_CHARACTER: Final = "holds half a character, which nothing can store or send: write it anew"


class Frozen(BaseModel):
    """A part of the configuration. Unknown fields are allowed, and errors hold no input.

    Null is as if a field were not there, and so is blank text where it may be left out.
    """

    model_config = ConfigDict(
        frozen=True, strict=True, extra="allow", validate_default=True, hide_input_in_errors=True
    )
    #: Fields in which blank text is a slip that must not turn from nothing into the default.
    never_blank: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _without_unset(cls, raw: object) -> object:
        if not isinstance(raw, Mapping):
            return raw
        return {name: value for name, value in raw.items() if not cls._is_unset(name, value)}

    @field_validator("*")
    @classmethod
    def _of_whole_characters(cls, value: object) -> object:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if isinstance(text, str) and any("\ud800" <= each <= "\udfff" for each in text):
            raise PydanticCustomError("string_unicode", HALF_A_CHARACTER)
        return value

    @classmethod
    def _is_unset(cls, name: object, value: object) -> bool:
        field = cls.model_fields.get(name) if isinstance(name, str) else None
        if field is None or value is None:
            return field is not None
        is_blank = isinstance(value, str) and not value.strip()
        return is_blank and not field.is_required() and name not in cls.never_blank


def blank_as_unset(text: str | None) -> str | None:
    """The published connector's form sent an empty text for a field left blank."""
    return text.strip() or None if text is not None else None


OptionalText = Annotated[str | None, AfterValidator(blank_as_unset)]


def address(text: str, example: str, paths: tuple[str, ...] = ()) -> str:
    """`text` without blanks and slashes at its ends; raises where it is no such address.

    `paths` are those that requests put behind it, so it must not end in one.
    """
    # Here: a start without an address need not wait for its import.
    from urllib3.util import parse_url  # noqa: PLC0415

    text = text.strip().rstrip("/")
    try:
        url = urlsplit(text)
        _ = url.port
        # The host that will be connected to: urllib3 ends it at a backslash, urlsplit does not.
        host: str | None = (parse_url(text).host or "").strip("[]")
        if "\\" in text or not text.isprintable():
            host = None
    except ValueError:
        host = None
    if not host or url.scheme not in {"https", "http"} or any(map(str.isspace, text)):
        raise PydanticCustomError("address", f"must be an address such as {example}")
    if "?" in text or "#" in text or "@" in text:
        raise PydanticCustomError(
            "address", "must not hold a query, a fragment or a password; only the address"
        )
    if path := next((path for path in paths if url.path.lower().endswith(path)), None):
        raise PydanticCustomError(
            "address", "must be the address only, without {path}", {"path": path}
        )
    if url.scheme == "http" and not _is_loopback(host):
        raise PydanticCustomError(
            "address",
            "must begin with https:// (http:// is for a service on this machine, such as the "
            "sandbox)",
        )
    return text


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
