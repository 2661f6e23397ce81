"""A service's words about what it refused, as far as they may be shown. Pure.

Words quote values, and nobody can list how: cut, escaped, percent-encoded, in another casing or
alphabet, with a quote left open. So nothing is searched for and taken out. What is known to be
harmless stays, all else is `…`:

- fields of the service's own payloads, `postBody.events[0].timestamp`, their indexes left out;
- names of columns that the configuration or the catalog lists: an ever new key of a record may be
  a value itself;
- words of errors, out of a list; phrases of HTTP.

What is shown hangs on the words and these lists alone, never on the record. A value of the record
that is itself such a word, `missing`, shows no more than the word.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import orjson

from bulk_destination.names import shown

#: Bytes of an answer that are kept for the file of rejected records.
KEPT_ANSWER: Final = 4_000
#: Bytes of an answer that is still parsed as JSON, characters that are looked at, and are shown.
_PARSED: Final = 64_000
_READ: Final = 3_000
_SHOWN: Final = 300
#: A longer path is no path of a field.
_LONGEST_PATH: Final = 300

#: A longer name with blanks is not looked for.
_MOST_BLANKS: Final = 8

_HIDDEN: Final = "…"
_TEXTS: Final = ("message", "error", "err", "detail", "msg", "reason")

#: Lower case unless they are written otherwise: `Will` and `May` are people. No numbers, and no
#: word that says something of a person: `positive`, `single`, `true`.
_LIST: Final = """
a an the this that these those it its is isn't are aren't was were be been being has have had
do does did not no nor or and but if of in on at by to from for with without within as than then
only also each every any all more most less least fewer such other another same because when
while before after between per which what where there here please see check use again so
must should shall can cannot can't could may need needs needed required requires require
valid invalid missing expected unexpected unknown unsupported allowed forbidden found given
received got provided supplied specified defined undefined null empty non-empty blank present
absent malformed incorrect wrong illegal exist exists existing already duplicate duplicated
unique reserved deprecated accepted rejected refused denied
length longer shorter exceeds exceed exceeded maximum minimum limit limited over under greater
equal range out bytes characters character chars size count
string strings text number numbers integer integers float boolean object objects array arrays
list lists map date dates datetime time timestamp timestamps format formatted type types
value values field fields property properties key keys name names identity identities id ids
index indexes item items element elements entry entries record records event events user users
account accounts request requests body payload data json JSON param parameter parameters query
header headers path schema pattern match matches enum content media method endpoint version
parse parsed parsing read process processed error errors failed failure fails reason message
code status validation validate validator decode decoded encode encoded encoding serialize
unix UNIX iso ISO iso8601 ISO8601 iso-8601 ISO-8601 rfc3339 RFC3339 utf-8 UTF-8 utf8 UTF8 utc
UTC seconds milliseconds zone future past year month day finite whole decimal digits
Invalid Missing Unknown Unexpected Expected Unsupported Malformed Validation Failed Cannot The
This Error Request Property Value Event Identity Timestamp Required
"""
WORDS: Final = frozenset(_LIST.split())
_PHRASES: Final = frozenset(
    {
        *("too long", "too short", "too large", "too small", "too many", "too few", "too big"),
        *(f"{status.value} {status.phrase}" for status in HTTPStatus if status >= 400),
    }
)

_INDEX: Final = re.compile(r"\[\d+\]")
_DIVIDER: Final = re.compile(r"([^\w.\[\]$'-]+)")
_AROUND: Final = "\"'`“”‘’«»()[]{}<>,;:.!?"
_HIDDEN_IN_A_ROW: Final = re.compile(rf"{_HIDDEN}(?:[ ,;:]*{_HIDDEN})+")


@dataclass(frozen=True, slots=True)
class Said:
    """What a service said: the words of its answer, and the beginning of the answer as it came."""

    words: str
    answer: str


@dataclass(frozen=True, slots=True)
class KnownWords:
    """What may be shown besides words of errors: names of fields and of columns."""

    names: frozenset[str] = frozenset()
    #: All that has blanks in it; and by its first word, how many words the longest has.
    _phrases: frozenset[str] = field(init=False, repr=False)
    _longest: Mapping[str, int] = field(init=False, repr=False, hash=False)

    def __post_init__(self) -> None:
        phrases = _PHRASES | {" ".join(name.split()) for name in self.names if " " in name}
        longest: dict[str, int] = {}
        for first, *more in (each.split(" ")[:_MOST_BLANKS] for each in phrases):
            longest[first] = max(1 + len(more), longest.get(first, 0))
        object.__setattr__(self, "_phrases", phrases)
        object.__setattr__(self, "_longest", longest)

    def and_names(self, names: Iterable[str]) -> "KnownWords":
        """These, and those of `names` that look like names: a catalog may be made of data."""
        return KnownWords(self.names | {name for name in names if name and shown(name) == name})

    def reason(self, service: str, words: str) -> str:
        """The words of `service` as a countable reason: no index, no value, 300 characters."""
        tokens = _INDEX.sub("[]", words[:_READ]).split()
        kept: list[str] = []
        at = 0
        while at < len(tokens):
            text, count = self._phrase(tokens, at)
            kept.append(text)
            at += count
        text = _HIDDEN_IN_A_ROW.sub(_HIDDEN, " ".join(kept))[:_SHOWN].strip()
        return f"refused by {service}: {text}" if text else f"refused by {service}"

    def _phrase(self, tokens: list[str], at: int) -> tuple[str, int]:
        """What is shown of the tokens from `at` on, and how many of them it is."""
        bare = tokens[at].strip(_AROUND)
        if longest := self._longest.get(bare.rpartition(".")[2]):
            for count in range(min(longest, len(tokens) - at), 1, -1):
                last = tokens[at + count - 1]
                phrase = " ".join(tokens[at : at + count]).strip(_AROUND)
                path = phrase if phrase in self._phrases else self._path(phrase)
                if _HIDDEN not in path:
                    return path + _end(last), count
        if bare in self.names:
            return bare + _end(tokens[at]), 1
        return self._token(tokens[at]), 1

    def _token(self, token: str) -> str:
        # `timestamp:"x",` is a word, a divider, a word and a divider.
        parts = _DIVIDER.split(token)
        shown_parts: list[str] = []
        for place, part in enumerate(parts):
            if place % 2 == 0:
                shown_parts.append(self._word(part) if part else "")
            elif shown_parts[-1] not in {"", _HIDDEN}:
                shown_parts.append(_end(part) or " ")
            else:
                shown_parts.append(" ")
        # A token of dividers alone may be a value, too.
        return "".join(shown_parts).strip() or ("" if token in {"{}", ""} else _HIDDEN)

    def _word(self, part: str) -> str:
        word = part.rstrip(".").strip("'")
        end = "." if part.endswith(".") else ""
        if word in WORDS or word in self.names:
            return word + end
        if "_" in word and all(each in WORDS for each in word.lower().split("_")):
            return word + end  # a code, such as INVALID_TIMESTAMP
        return self._path(word)

    def _path(self, path: str) -> str:
        """`path` up to the first part that is not known."""
        if len(path) > _LONGEST_PATH:
            return _HIDDEN
        known = ""
        while path:
            if path in self.names or path in self._phrases:
                return known + path
            head, dot, rest = path.partition(".")
            if head.removesuffix("[]") not in self.names:
                return known + _HIDDEN
            known, path = known + head + dot, rest
        return known


def _end(text: str) -> str:
    """The comma, semicolon or colon at the end of a token, if one is there."""
    return next((each for each in text[-2:] if each in ",;:"), "")


def said_in(body: bytes) -> Said:
    """The words of an answer: those of its JSON, where that has some, or its text."""
    answer = body[:KEPT_ANSWER].decode("utf-8", "replace")
    if len(body) <= _PARSED:
        try:
            parsed = orjson.loads(body)
        except orjson.JSONDecodeError:
            pass
        else:
            if (text := _text_of(parsed)) is not None:
                return Said(text, answer)
    return Said(body[: 4 * _READ].decode("utf-8", "replace")[:_READ], answer)


def _text_of(parsed: Any) -> str | None:
    """The first text under a name that services give to their words, one level of objects down."""
    if not isinstance(parsed, Mapping):
        return None
    found = [parsed[key] for key in _TEXTS if key in parsed]
    for each in found:
        if isinstance(each, Mapping):
            found += [each[key] for key in _TEXTS if isinstance(each.get(key), str)]
    return next((each for each in found if isinstance(each, str)), None)
