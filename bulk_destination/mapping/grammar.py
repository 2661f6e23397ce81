"""The little language of columns: text becomes the values of `entries.py`, or problems. Pure.

::

    one value     value { "," value }              the first that is there
    value         path | 'text' | function "(" value ")"
    path          name | key { "." key }           a key is plain, or stands in double quotes
    properties    entry { "," entry }
    entry         "*" [except] | path ".*" [except] ["as" name] | value ["as" name]
    except        "except" "(" path { "," path } ")"

A name of the stream's schema goes before all that: a text that is one, exactly, is that column,
whatever stands in it. Reading never raises; every problem of a text is told at once.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from bulk_destination.mapping import entries
from bulk_destination.mapping.columns import (
    Schema,
    allows,
    listed_keys,
    listed_names,
    resolve,
    within,
)
from bulk_destination.mapping.entries import (
    FUNCTIONS,
    Call,
    Column,
    Everything,
    Expression,
    FirstOf,
    Path,
    Property,
    PropertySelection,
    Spelled,
    Value,
    is_plain,
    source_of,
)
from bulk_destination.mapping.spelling import (
    as_meant,
    did_you_mean,
    is_a_sentence,
    nearest,
    spelled_out,
)

#: What a field wants: any one value, one that says who or which it is, or properties.
Wanted = Literal["value", "identity", "properties"]

_CALL: Final = re.compile(rf"({'|'.join(FUNCTIONS)})\s*\(", re.IGNORECASE)
_AS: Final = re.compile(r"\s+as(?:\s+|$)", re.IGNORECASE)
_EXCEPT: Final = re.compile(r"(?:\s+|(?<=\*))except(?=\s|\(|$|\0)\s*", re.IGNORECASE)
#: What is most likely meant as a call, of whatever function.
_LIKE_A_CALL: Final = re.compile(r"\w+\(.*\)", re.DOTALL)
_MOST_CALLS: Final = 10
_MOST_NAMES: Final = 20
_BLOT: Final = "\0"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a text cannot be read; unless `lasting`, it is none where the schema has such a name."""

    words: str
    lasting: bool = False


def read_value(
    text: str, wanted: Wanted = "value", schema: Schema | None = None
) -> Expression | list[Problem]:
    """What a field holds that asks for one value, or all that is wrong with it."""
    reading = _Reading(wanted, schema)
    if (known := _known_exactly(text.strip(), schema)) is not None:
        return known
    values = [reading.value(part) for part in _divided(text, schema)]
    if len(values) > 1:
        reading.judge_order(values)
    if reading.problems:
        return reading.problems
    return FirstOf(tuple(values)) if len(values) > 1 else values[0]


def read_properties(text: str, schema: Schema | None = None) -> PropertySelection | list[Problem]:
    """What `property_columns` says, or all that is wrong with it."""
    reading = _Reading("properties", schema)
    everything: dict[Everything, None] = {}
    columns: dict[str, Property] = {}
    parts = [part for part in _divided(text, schema) if part]
    if not parts:
        reading.tell("names no column: write `*` to send all", lasting=True)
    for part in parts:
        entry = reading.entry(part)
        if isinstance(entry, Everything):
            everything[entry] = None
        elif entry is not None and columns.setdefault(entry.name, entry) != entry:
            reading.tell(
                f"two columns would be sent as `{entry.name}`; give one another name by `as`",
                lasting=True,
            )
    if len(everything) > 1:
        reading.tell("`*` stands twice, each time with other exceptions", lasting=True)
    if reading.problems:
        return reading.problems
    return PropertySelection(next(iter(everything), None), tuple(columns.values()))


class _Reading:
    """One text on its way; gathers what is wrong with it."""

    def __init__(self, wanted: Wanted, schema: Schema | None) -> None:
        self.problems: list[Problem] = []
        self._wanted = wanted
        self._schema = schema

    def tell(self, words: str, *, lasting: bool = False) -> None:
        self.problems.append(Problem(words, lasting))

    # -- property_columns --------------------------------------------------------------------

    def entry(self, text: str) -> Property | Everything | None:
        if (named := _named_alone(text, self._schema)) is not None:
            return named
        if (known := _known(text, self._schema)) is not None and _AS.search(text):
            return Property(known, text)
        body, name = self._renamed(text)
        if name == "":
            self.tell(f"`{text}` is not `column` or `column as name`", lasting=True)
            return None
        body, excluded = self._excluded(body)
        if body.removesuffix(".*") == "*":
            if name is not None:
                self.tell("`*` stands for many properties and cannot be renamed", lasting=True)
            return Everything(excluded)
        return self._property(body, name, excluded)

    def _property(self, body: str, name: str | None, excluded: tuple[Path, ...]) -> Property | None:
        path = body.removesuffix(".*")
        if excluded and path == body:
            self.tell(f"only what is below a column has exceptions: write `{body}.* except (...)`")
        told = len(self.problems)
        value = self.value(path)
        if len(self.problems) > told:
            return None
        if name is not None:
            return Property(value, name, excluded)
        if isinstance(value, Column | Spelled):
            # The name is as it was written; without the quotes, and without a hint's spelling.
            is_spelled = _has_quoted_key(path) or "\\" in path
            return Property(value, value.path if is_spelled else path, excluded)
        # With a schema, it would be that column.
        or_quoted = "" if self._schema else f"; a column called so is written `{Spelled((body,))}`"
        self.tell(f"`{body}` needs a name: write `{body} as name`{or_quoted}", lasting=True)
        return None

    def _renamed(self, text: str) -> tuple[str, str | None]:
        """What stands before `as`, and the name behind it; None without one."""
        found = list(_AS.finditer(_masked(text)))
        if not found:
            return text, None
        # Of several, the one behind a name that the schema has; else the first.
        known = (one for one in found if _known(text[: one.start()].strip(), self._schema))
        at = next(known, found[0])
        body, name = text[: at.start()].strip(), text[at.end() :].strip()
        if name[:1] == '"' and _closing(name, 0) == len(name):
            return body, name[1:-1].replace('""', '"')
        if name[:1] in ("'", '"'):
            self.tell(f"`as {name}`: a name stands as it is, or in double quotes")
        return body, name

    def _excluded(self, body: str) -> tuple[str, tuple[Path, ...]]:
        """What stands before `except`, and the paths in its list."""
        found = _EXCEPT.search(_masked(body))
        if found is None:
            return body, ()
        of, behind = body[: found.start()].strip(), body[found.end() :].strip()
        if not behind.startswith("("):
            if of != "*" and not of.endswith(".*"):
                return body, ()
            self.tell(f"`{body}`: write `{of} except (column, column)`", lasting=True)
            return of, ()
        end = _matching(behind, 0)
        if end < len(behind):
            wrong = f"behind `{behind[:end]}` must stand a comma, or nothing"
            self.tell(f"`{body}`: {wrong}" if end else f"`{body}` has no `)`", lasting=True)
            return of, ()
        return of, self._exceptions(of, behind[1:-1])

    def _exceptions(self, of: str, inside: str) -> tuple[Path, ...]:
        below = self._schema if of == "*" else self._below(of.removesuffix(".*"))
        reading = _Reading("properties", below)
        parts = [part for part in _divided(inside, below) if part]
        if not parts:
            self.tell(f"`{of} except ()` names no column", lasting=True)
        paths: list[Path] = []
        for part in parts:
            if of.endswith(".*") and part.startswith(of[:-1]):
                shorter = part.removeprefix(of[:-1])
                self.tell(
                    f"`{of} except ({part})`: paths begin below `{of}`, so write `{shorter}`",
                    lasting=True,
                )
                continue
            value = reading.value(part)
            if isinstance(value, Column) and (part == "*" or part.endswith(".*")):
                self.tell(f"`{of} except ({part})`: {_of_all_below(part)}", lasting=True)
            elif isinstance(value, Column | Spelled):
                paths.append(value)
            else:
                self.tell(f"`{of} except ({part})`: only columns can be left out", lasting=True)
        self.problems += reading.problems
        return tuple(paths)

    def _below(self, path: str) -> Schema | None:
        value = _Reading("properties", self._schema).value(path)
        if self._schema is None or not isinstance(value, Column | Spelled):
            return None
        keys = value.keys if isinstance(value, Spelled) else listed_keys(self._schema, value.path)
        return None if keys is None else within(self._schema, keys)

    # -- values ------------------------------------------------------------------------------

    def value(self, text: str, calls: int = 0) -> Value:
        """The value that `text` says; what it says with a problem told is of no use."""
        text = text.strip()
        if not text:
            self.tell("nothing stands where a column should be", lasting=True)
            return Column(text)
        if (known := _known(text, self._schema)) is not None:
            return known
        if text[0] == "'":
            return self._literal(text)
        if called := _CALL.match(text):
            return self._call(text, called, calls)
        if _has_quoted_key(text):
            return self._spelled(text)
        if any(mark in text for mark in ",'\""):
            self.tell(
                f"`{text}` holds a comma or a quote: a column of that name is written in double "
                f"quotes, `{Spelled((text,))}`{self._hints(text)}"
            )
        elif self._schema is not None and resolve(self._schema, text) is None:
            self._tell_unknown(text, text)
        return Column(text)

    def judge_order(self, values: list[Value]) -> None:
        """A text is always there, so what stands behind it is never looked at."""
        for value in values[:-1]:
            if isinstance(source_of(value), entries.Literal):
                self.tell(f"`{value}` is always there, so it must stand last", lasting=True)

    def _literal(self, text: str) -> Value:
        end = _closing(text, 0)
        if not end:
            self.tell(f"`{text}` has no closing `'`")
        elif end < len(text):
            self.tell(
                f"`{text}`: behind `{text[:end]}` must stand a comma, or nothing; a `'` within is "
                "written `''`"
            )
        elif self._wanted == "identity":
            self.tell(
                f"`{text}` would be the same for every record: all would become one",
                lasting=True,
            )
        return entries.Literal(text[1:-1].replace("''", "'"))

    def _call(self, text: str, called: re.Match[str], calls: int) -> Value:
        function, begin = called[1].lower(), called.end() - 1
        end = _matching(text, begin)
        if not end:
            self.tell(f"`{called[0]}` has no `)`", lasting=True)
            return Column(text)
        if end < len(text):
            self.tell(
                f"`{text}`: behind `{text[:end]}` must stand a comma, or nothing", lasting=True
            )
            return Column(text)
        if function == "json" and (self._wanted != "properties" or calls):
            self.tell(f"`{text}`: `json` stands in property_columns, and alone", lasting=True)
        if calls == _MOST_CALLS:
            self.tell(f"more than {_MOST_CALLS} calls stand in each other", lasting=True)
            return Column(text)
        inside = text[begin + 1 : end - 1]
        parts = _divided(inside, self._schema)
        if len(parts) > 1:
            each = ", ".join(f"{function}({part})" for part in parts)
            self.tell(f"`{text}`: `{function}` takes one value; write `{each}`", lasting=True)
            return Column(text)
        if not parts[0]:
            self.tell(f"`{text}` names no column", lasting=True)
            return Column(text)
        argument = self.value(inside, calls + 1)
        if function == "json" and not isinstance(argument, Column | Spelled):
            self.tell(f"`{text}`: `json` takes a column", lasting=True)
        return Call(function, argument)

    def _spelled(self, text: str) -> Value:
        keys: list[str] = []
        for key, quoted in _keys(text):
            if not quoted and (not key or "'" in key or '"' in key or "," in key):
                self.tell(f'`{text}`: its quotes do not fit together; a `"` within is `""`')
                return Column(text)
            keys.append(key)
        spelled = self._as_listed(Spelled(tuple(keys)))
        if self._schema is not None and not allows(self._schema, spelled.keys):
            self._tell_unknown(spelled.path, text)
        return spelled

    def _as_listed(self, spelled: Spelled) -> Spelled:
        """What a hint spelled out, as the schema lists it."""
        if self._schema is None or "\\" not in spelled.path:
            return spelled
        meant, listed = tuple(map(as_meant, spelled.keys)), listed_names(self._schema).values()
        return Spelled(meant) if meant in listed and spelled.keys not in listed else spelled

    def _tell_unknown(self, name: str, written: str) -> None:
        names = list(listed_names(self._schema)) if self._schema is not None else []
        beside = next(iter(nearest(name, names)), None)
        shown = spelled_out(name, beside) if written == name else written
        self.tell(f"the stream has no column `{shown}`{self._hints(name)}")

    def _hints(self, text: str) -> str:
        """The nearest names, or all there are; and that a fixed name is written otherwise."""
        hints = ""
        if self._schema is not None:
            names = list(listed_names(self._schema))
            near = nearest(text, names)
            hints = did_you_mean([_writable(name, text) for name in near])
            if not near:
                more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
                some = ", ".join(f"`{_writable(name)}`" for name in names[:_MOST_NAMES])
                hints = f"; it has {some}{more}"
        if _LIKE_A_CALL.fullmatch(text):
            hints += "; there are the functions `lower`, `sha256` and, in property_columns, `json`"
        if self._wanted != "identity" and is_a_sentence(text):
            hints += f"; for a fixed name write {entries.Literal(text)} in single quotes"
        return hints


def _of_all_below(path: str) -> str:
    """What to write where `path` ends in a `*`, which names no column."""
    column = path.removesuffix("*").removesuffix(".")
    if not column:
        return "leaves nothing; name the columns to leave out"
    return f"a column is left out with all that is below it, so write `{column}`"


# -- names that the schema has -----------------------------------------------------------------


def _writable(name: str, beside: str | None = None) -> str:
    """A name as it can be written, with what nobody would see of it."""
    shown = spelled_out(name, beside)
    return shown if is_plain(name.strip()) else str(Spelled((shown,)))


def _named_alone(entry: str, schema: Schema | None) -> Property | None:
    """`column`, `column.*` or `column as name`, of a column that the schema has.

    This is all that could be written once, so it goes before everything else.
    """
    path, renamed, name = (part.strip() for part in f"{entry} ".partition(" as "))
    path = path.removesuffix(".*")
    known = None if path == "*" else _known_exactly(path, schema)
    if known is None or (renamed and not name) or name[:1] in ("'", '"'):
        return None
    return Property(known, name or path)


def _known_exactly(text: str, schema: Schema | None) -> Path | None:
    """The column that is called exactly so, by any of the three readings."""
    keys = None if schema is None else listed_keys(schema, text)
    if keys is None:
        return None
    return Column(text) if is_plain(text) else Spelled(keys)


def _known(text: str, schema: Schema | None) -> Path | None:
    """As above, or the one called so but for blanks around it, or as a hint spells it."""
    if schema is None or (exact := _known_exactly(text, schema)) is not None:
        return None if schema is None else exact
    names = listed_names(schema)
    found = [keys for name, keys in names.items() if name.strip() == text]
    if len(found) != 1:
        found = [keys for name, keys in names.items() if "\\" in text and name == as_meant(text)]
    return Spelled(found[0]) if len(found) == 1 else None


# -- quotes, parentheses, commas -----------------------------------------------------------------


def _divided(text: str, schema: Schema | None) -> list[str]:
    """What stands between the commas that are in no quotes and no parentheses."""
    parts: list[str] = []
    masked = _masked(text)
    while True:
        end, first = masked.find(","), text.find(",")
        # A name of the schema may hold a quote or a parenthesis that opens and closes elsewhere.
        if first >= 0 and first != end and _named_alone(text[:first].strip(), schema):
            end = first
            masked = text[: first + 1] + _masked(text[first + 1 :])
        if end < 0:
            return [*parts, text.strip()]
        parts.append(text[:end].strip())
        text, masked = text[end + 1 :], masked[end + 1 :]


def _masked(text: str) -> str:
    """`text`, with all that stands in quotes or parentheses blotted out, letter for letter."""
    letters, opened, at = list(text), [], 0
    while at < len(text):
        end = at + 1
        if text[at] in "'\"" and (at == 0 or text[at - 1] in "(,." or text[at - 1].isspace()):
            end = _closing(text, at) or end
            if end > at + 1:
                letters[at:end] = _BLOT * (end - at)
        elif text[at] == "(":
            opened.append(at)
        elif text[at] == ")" and opened:
            begin = opened.pop()
            letters[begin:end] = _BLOT * (end - begin)
        at = end
    return "".join(letters)


def _closing(text: str, at: int) -> int:
    """The place behind the quote that closes the one at `at`, or 0; two of them are one within."""
    quote, end = text[at], text.find(text[at], at + 1)
    while end >= 0 and text[end + 1 : end + 2] == quote:
        end = text.find(quote, end + 2)
    return end + 1


def _matching(text: str, at: int) -> int:
    """The place behind the parenthesis that closes the one at `at`, or 0."""
    masked = _masked(text[at:])
    return at + len(masked) - len(masked.lstrip(_BLOT)) if masked.startswith(_BLOT) else 0


def _has_quoted_key(text: str) -> bool:
    return text.startswith('"') or '."' in text


def _keys(text: str) -> Iterator[tuple[str, bool]]:
    """The keys of a path, and whether each was in quotes; what does not fit comes as it stands."""
    at = 0
    while True:
        quoted = text[at : at + 1] == '"' and _closing(text, at)
        end = quoted or text.find(".", at)
        if end < 0:
            end = len(text)
        if quoted and text[end : end + 1] not in ("", "."):
            yield text[at:], False
            return
        yield (text[at + 1 : end - 1].replace('""', '"'), True) if quoted else (text[at:end], False)
        if end == len(text):
            return
        at = end + 1
