"""What goes back to the caller, as a value.

Whoever judges a request returns an `Answer`; only `intake` turns one into HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass

PLAIN_TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, and what the request log may say about it.

    `items` is the number of items the request carried, `None` where nobody counted them.
    `reason` tells why a request was refused; it names fields and limits and never holds a value
    of the request, because it is kept and shown.
    """

    status: int
    body: bytes = b""
    media_type: str = PLAIN_TEXT
    headers: tuple[tuple[str, str], ...] = ()
    items: int | None = None
    reason: str | None = None
