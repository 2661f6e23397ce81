"""The templates and the files beside them, read once from their packages."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sandbox.page import shown

_TYPES: Final = {
    "htmx.min.js": "text/javascript; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
STATIC: Final = frozenset(_TYPES)


@cache
def _environment(package: str) -> Environment:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("sandbox.page")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": lambda count: f"{count:,}",
        "value": shown.value,
        "short": shown.short,
        "moment": shown.moment,
        "clock": shown.clock,
        "milliseconds": shown.milliseconds,
        "day": shown.day,
        "many": shown.many,
        "properties": shown.properties,
    }
    environment.globals |= {"FEW": shown.FEW}
    return environment


def render(package: str, template: str, context: Mapping[str, Any]) -> Markup:
    """A template of the package, or else of this one, filled; all values are escaped."""
    # Safe: autoescape is on, and what is marked here is the outcome.
    return Markup(_environment(package).get_template(template).render(context))  # noqa: S704


def digest(content: str) -> str:
    """Tells contents apart, so that a browser can say which one it has."""
    return f"{zlib.crc32(content.encode('utf-8', 'surrogatepass')):08x}"


@cache
def static(name: str) -> tuple[bytes, str]:
    """The bytes and the media type of one of the `STATIC` files."""
    return files("sandbox.page").joinpath("static", name).read_bytes(), _TYPES[name]
