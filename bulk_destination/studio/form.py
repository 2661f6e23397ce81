"""The form of a configuration, made of `spec.json`, and what it says when it is filled. Pure.

A field has a `name`, which tells it from all others on the page, and a `path`, which is where its
value stands in the configuration. They differ below a choice, as each option has fields of its own.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

#: What was typed, by the names of fields; of a box that is not ticked there is nothing.
Given = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Input:
    """A field with one value; `kind` is its JSON type."""

    name: str
    path: str
    kind: str
    title: str
    description: str
    default: Any
    examples: tuple[str, ...]
    required: bool
    secret: bool
    always_shown: bool

    @property
    def first(self) -> bool:
        """Whether it is among what one has to look at."""
        return self.required or self.always_shown

    @property
    def key(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2]

    @property
    def takes_columns(self) -> bool:
        """Whether it asks for columns of the stream."""
        return self.kind == "string" and self.key.endswith(("_column", "_columns"))

    @property
    def shown_default(self) -> str:
        """The default as it stands in the field."""
        return "" if self.default is None or self.kind == "boolean" else str(self.default)


@dataclass(frozen=True, slots=True)
class Option:
    """One of a choice: the constant by which it is known, and its fields."""

    constant: str
    value: str
    title: str
    description: str
    parts: "tuple[Part, ...]"


@dataclass(frozen=True, slots=True)
class Choice:
    """A part of the configuration that is one of several things."""

    name: str
    path: str
    title: str
    description: str
    options: tuple[Option, ...]
    required: bool

    @property
    def first(self) -> bool:
        """Whether it is among what one has to look at."""
        return self.required

    def chosen(self, given: Given) -> Option:
        """The option that was chosen; the first, if none was."""
        value = given.get(self.name)
        return next((one for one in self.options if one.value == value), self.options[0])


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that stand below one key; `listed`, if they are one entry of a list."""

    path: str
    title: str
    parts: "tuple[Part, ...]"
    listed: bool = False
    first: bool = True


Part = Input | Choice | Group


def parts_of(
    specification: Mapping[str, Any], streams: Sequence[tuple[str, str | None]] = ()
) -> tuple[Part, ...]:
    """The form; a list of streams gets an entry for each of `streams`, by name and namespace."""
    return tuple(_parts(specification, "", "", streams, None))


def _parts(
    schema: Mapping[str, Any],
    name: str,
    path: str,
    streams: Sequence[tuple[str, str | None]],
    stream: tuple[str, str | None] | None,
) -> Iterator[Part]:
    properties: Mapping[str, Mapping[str, Any]] = schema.get("properties", {})
    for key, part in sorted(properties.items(), key=lambda item: item[1].get("order", 0)):
        if "const" in part:
            continue
        own_name, own_path = _join(name, key), _join(path, key)
        required = key in schema.get("required", ())
        title, description = part.get("title", key), part.get("description", "")
        if "oneOf" in part:
            options = tuple(
                _option(one, own_name, own_path, streams, stream) for one in part["oneOf"]
            )
            yield Choice(own_name, own_path, title, description, options, required)
        elif part.get("type") == "array":
            for at, each in enumerate(streams or [("", None)]):
                below = (_join(own_name, str(at)), _join(own_path, str(at)))
                inner = tuple(_parts(part["items"], *below, streams, each))
                yield Group(below[1], each[0] or title, inner, listed=True)
        elif part.get("type") == "object":
            inner = tuple(_parts(part, own_name, own_path, streams, stream))
            yield Group(own_path, title, inner)
        else:
            default = part.get("default")
            if stream is not None and key in {"stream", "namespace"}:
                default = stream[0] if key == "stream" else stream[1]
            yield Input(
                *(own_name, own_path, part.get("type", "string"), title, description, default),
                examples=tuple(map(str, part.get("examples", ()))),
                required=required,
                secret=bool(part.get("airbyte_secret")),
                always_shown=bool(part.get("always_show")) or key.endswith("_column"),
            )


def _option(
    schema: Mapping[str, Any],
    name: str,
    path: str,
    streams: Sequence[tuple[str, str | None]],
    stream: tuple[str, str | None] | None,
) -> Option:
    [(constant, value)] = [
        (key, part["const"]) for key, part in schema["properties"].items() if "const" in part
    ]
    inner = tuple(_parts(schema, _join(name, value), path, streams, stream))
    return Option(constant, value, schema["title"], schema.get("description", ""), inner)


def _join(above: str, key: str) -> str:
    return f"{above}.{key}" if above else key


def inputs(parts: Sequence[Part], given: Given | None = None) -> Iterator[Input]:
    """All fields with a value; where `given` says what was chosen, those of that alone."""
    for part in parts:
        match part:
            case Input():
                yield part
            case Group():
                yield from inputs(part.parts, given)
            case Choice() if given is not None:
                yield from inputs(part.chosen(given).parts, given)
            case Choice():
                for option in part.options:
                    yield from inputs(option.parts, given)


def read(parts: Sequence[Part], given: Given, *, secrets: bool = True) -> dict[str, Any]:
    """The configuration that was typed; what is as by default is left out."""
    config: dict[str, Any] = {}
    for part in parts:
        key = part.path.rpartition(".")[2]
        match part:
            case Input():
                value = value_of(part, given)
                if value is not None and (secrets or not part.secret):
                    config[key] = value
            case Choice():
                option = part.chosen(given)
                below = read(option.parts, given, secrets=secrets)
                # A choice that may be left out begins with that.
                if part.required or option is not part.options[0]:
                    config[key] = {option.constant: option.value, **below}
            case Group(listed=True):
                entry = read(part.parts, given, secrets=secrets)
                config.setdefault(part.path.rpartition(".")[0].rpartition(".")[2], []).append(entry)
            case Group():
                if below := read(part.parts, given, secrets=secrets):
                    config[key] = below
    return config


_WHOLE: Final = re.compile(r"\s*-?[0-9]{1,15}\s*", re.ASCII)
_NUMBER: Final = re.compile(r"\s*-?[0-9]{1,15}(\.[0-9]{1,15})?\s*", re.ASCII)


def value_of(field: Input, given: Given) -> Any:
    """What was typed into a field; None if that is nothing, or what stands there by default.

    What is no number stays text: the configuration has the words for that.
    """
    if field.kind == "boolean":
        ticked = field.name in given
        return ticked if ticked != bool(field.default) else None
    text = given.get(field.name, "")
    # An entry of a list has to say its stream, whoever wrote it there.
    if not text.strip() or (text == field.shown_default and not field.required):
        return None
    if field.kind == "integer" and _WHOLE.fullmatch(text):
        return int(text)
    if field.kind == "number" and _NUMBER.fullmatch(text):
        return float(text)
    return text


def mended(
    parts: Sequence[Part], config: Mapping[str, Any], wrong: Sequence[str]
) -> dict[str, Any]:
    """`config` with examples in place of what is `wrong` and has no part in what records become.

    So that a mapping is to be seen before the number of an account is known. Paths of columns, and
    all below a choice, stay as they are.
    """
    mended = dict(config)
    for part in parts:
        if isinstance(part, Input) and part.path in wrong and not part.takes_columns:
            mended.pop(part.path, None)
            if part.required:
                mended[part.path] = part.examples[0] if part.examples else "0" * 16
    return mended


def entry_of(
    parts: Sequence[Part], given: Given, stream: tuple[str, str | None]
) -> tuple[Part, ...]:
    """The fields of the entry that a list has for a stream, by name and namespace, as typed; all
    fields where there is no such entry.
    """
    for part in parts:
        match part:
            case Group(listed=True):
                typed = {
                    field.key: given.get(field.name, "").strip()
                    for field in part.parts
                    if isinstance(field, Input)
                }
                namespaces = ("", stream[1] or "")
                if typed.get("stream") == stream[0] and typed.get("namespace") in namespaces:
                    return part.parts
            case Choice():
                chosen = part.chosen(given).parts
                found = entry_of(chosen, given, stream)
                if found is not chosen:
                    return found
    return tuple(parts)


def blamed(parts: Sequence[Part], given: Given, reason: str) -> Input | None:
    """The field whose column a reason for a rejection is about: `identity_blank` is of
    `identity_column`.
    """
    fitting = [
        field
        for field in inputs(parts, given)
        if field.key.endswith("_column") and reason.startswith(f"{field.key[:-7]}_")
    ]
    return max(fitting, key=lambda field: len(field.key), default=None)
