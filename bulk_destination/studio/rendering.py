"""The templates and the files beside them, read once."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bulk_destination.studio.form import Choice, Group, Input

PACKAGE: Final = "bulk_destination.studio"
STATIC: Final = {
    "htmx.min.js": "text/javascript; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
#: How much of a value is shown, and how many of a record's properties.
_LONGEST: Final = 120
MOST_PROPERTIES: Final = 12


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": "{:,}".format,
        "value": value,
        "words": words,
        "size": size,
        "few": lambda found: islice(found.items(), MOST_PROPERTIES),
    }
    environment.tests |= {
        "a_choice": lambda part: isinstance(part, Choice),
        "a_group": lambda part: isinstance(part, Group),
        "an_input": lambda part: isinstance(part, Input),
    }
    environment.globals |= {"MOST_PROPERTIES": MOST_PROPERTIES}
    return environment


def render(template: str, context: Mapping[str, Any]) -> str:
    """A template, filled; all that comes of a sample is escaped."""
    return _environment().get_template(template).render(context)


def described(html: str) -> Markup:
    """A description of `spec.json`, which has markup of its own and nobody else's."""
    return Markup(html)  # noqa: S704  # it comes with the connector


def value(found: object) -> str:
    """A value as text: the beginning of it, fit for any encoding."""
    text = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, default=str)
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return short.encode("utf-8", "replace").decode()


def words(reason: str) -> str:
    """A reason of the ledger for people: `identity_blank` is "identity blank"."""
    return reason.replace("_", " ")


def size(count: int) -> str:
    """Bytes for people."""
    for unit, one in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= one:
            return f"{count / one:,.1f} {unit}"
    return f"{count} bytes"


@cache
def static(name: str) -> tuple[bytes, str]:
    """The bytes and the media type of one of the `STATIC` files."""
    return files(PACKAGE).joinpath("static", name).read_bytes(), STATIC[name]
