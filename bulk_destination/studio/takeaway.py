"""What one takes along: files, commands, and the fields for Airbyte's form. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bulk_destination import __version__
from bulk_destination.studio.form import Choice, Given, Group, Input, Part, value_of

CONFIG: Final = "config.json"
CATALOG: Final = "configured_catalog.json"
RECORDS: Final = "records.jsonl"


@dataclass(frozen=True, slots=True)
class Command:
    """A line for a terminal, and what it does."""

    words: str
    line: str


def commands(program: str) -> tuple[Command, ...]:
    """What to run in the folder that the three files are in."""
    both = f"--config {CONFIG} --catalog {CATALOG}"
    mounted = f"--config /sync/{CONFIG} --catalog /sync/{CATALOG}"
    image = f"airbyte/{program}:{__version__}"
    return (
        Command("See whether it works; nothing is written", f"{program} check --config {CONFIG}"),
        Command("Look at what would be sent", f"{program} preview {both} < {RECORDS}"),
        Command("Load it", f"{program} write {both} < {RECORDS}"),
        Command(
            "Load it by the image",
            f'docker run --rm -i -v "$PWD:/sync" {image} write {mounted} < {RECORDS}',
        ),
    )


def as_file(content: Mapping[str, Any]) -> bytes:
    """JSON for people; half a character, which UTF-8 cannot carry, is escaped."""
    try:
        return json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(content, indent=2).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Typed:
    """A field of Airbyte's form, and what to put there."""

    title: str
    value: str
    secret: bool = False
    #: Whether it is chosen from a list, so that there is nothing to copy.
    chosen: bool = False


def fields(parts: Sequence[Part], given: Given) -> Iterator[Typed]:
    """What differs from what the form has by default, from its top downward."""
    for part in parts:
        match part:
            case Input():
                value = value_of(part, given)
                if value is not None:
                    text = value if isinstance(value, str) else json.dumps(value)
                    yield Typed(part.title, text, part.secret, part.kind == "boolean")
            case Choice():
                option = part.chosen(given)
                if part.required or option is not part.options[0]:
                    yield Typed(part.title, option.title, chosen=True)
                    yield from fields(option.parts, given)
            case Group():
                yield from fields(part.parts, given)


def has_secrets(parts: Sequence[Part], given: Given) -> bool:
    """Whether a secret was typed."""
    return any(one.secret for one in fields(parts, given))
