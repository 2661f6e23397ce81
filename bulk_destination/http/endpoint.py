"""One address of a service that takes many items a request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bulk_destination.http.replies import Reply
from bulk_destination.http.words import KnownWords

#: What an answer means: its status, headers and body, and the time now.
ReadReply = Callable[[int, Mapping[str, str], bytes, datetime], Reply]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests go, what stands around their items, and what answers mean."""

    #: The service's name in a sentence.
    service: str
    #: What `base_url` may be, in words for the user.
    addresses: str
    url: str
    #: Bytes before and after the items, which commas divide.
    envelope: tuple[bytes, bytes]
    #: The most items of a request.
    max_items: int
    read_reply: ReadReply
    #: Whether the service says that names of properties, and identities once made one, stay so.
    keeps_for_ever: bool
    #: The headers of one try, at a Unix time in seconds.
    headers: Callable[[float], Mapping[str, str]]
    #: What of the service's own words may be shown, besides words of errors.
    words: KnownWords = field(default_factory=KnownWords)
    #: Whether an item that was accepted may be sent again, as it changes nothing.
    takes_repeats: bool = False
    method: str = "POST"

    def body(self, items: list[bytes] | tuple[bytes, ...]) -> bytes:
        """A request's body. Made at once: each large buffer that comes and goes leaves holes."""
        begin, end = self.envelope
        if len(items) < 2:
            return begin + b",".join(items) + end
        return b",".join((begin + items[0], *items[1:-1], items[-1] + end))
