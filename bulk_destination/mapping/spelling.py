"""Names that are near each other, and what differs in those that look alike. Pure."""

import difflib
import re
from collections.abc import Sequence
from typing import Final
from unicodedata import category, normalize

#: Letters of other alphabets that look like those of ours, the common ones.
_LOOKALIKES: Final = str.maketrans(
    "аеорсухіјѕһԁѵАВЕКМНОРСТХУІЈЅοανικρυτΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aeopcyxijshdvABEKMHOPCTXYIJSoavikpytABEZHIKMNOPTYX",
)
_SENTENCE: Final = re.compile(r"[A-Z][^.]*\s.*", re.DOTALL)
_ESCAPED: Final = re.compile(r"\\u([0-9a-f]{4})|\\U(00(?:0[0-9a-f]|10)[0-9a-f]{4})")
_EDGES: Final = re.compile(r"^\s+|\s+$")


def nearest(path: str, names: Sequence[str]) -> list[str]:
    """Up to three of `names` that are spelled like `path`; those that look the same come first."""
    seen = _as_seen(path)
    alike = [name for name in names if _as_seen(name) == seen]
    by_lower = {name.lower(): name for name in reversed(names)}
    close = difflib.get_close_matches(path.lower(), by_lower, n=3)
    return list(dict.fromkeys([*alike, *(by_lower[name] for name in close)]))[:3]


def did_you_mean(names: Sequence[str]) -> str:
    """`; did you mean `a` or `b`?`, or nothing."""
    return f"; did you mean {' or '.join(f'`{name}`' for name in names)}?" if names else ""


def spelled_out(name: str, beside: str | None = None) -> str:
    """`name` with what nobody sees as `\\uXXXX`: invisible letters, and blanks at its ends.

    Where it looks like `beside`, letters of other alphabets are shown so, too.
    """
    name = _EDGES.sub(lambda blanks: "".join(map(_escaped, blanks[0])), name)
    alike = beside is not None and beside != name and _as_seen(beside) == _as_seen(name)
    return "".join(
        _escaped(letter) if not letter.isprintable() or (alike and not letter.isascii()) else letter
        for letter in name
    )


def as_meant(text: str) -> str:
    """What `spelled_out` wrote, as it was before."""
    return _ESCAPED.sub(lambda escaped: chr(int(escaped[1] or escaped[2], 16)), text)


def is_a_sentence(text: str) -> bool:
    """Whether a text looks less like a column than like the name of an event."""
    return _SENTENCE.fullmatch(text) is not None


def _escaped(letter: str) -> str:
    size = 4 if ord(letter) < 0x10000 else 8
    return f"\\{'u' if size == 4 else 'U'}{ord(letter):0{size}x}"


def _as_seen(name: str) -> str:
    """What a reader takes a name for."""
    seen = normalize("NFKD", name).translate(_LOOKALIKES)
    return "".join(each for each in seen if category(each)[0] not in "CM").strip().casefold()
