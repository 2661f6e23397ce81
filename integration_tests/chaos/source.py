"""What a source says: records of its streams, good and bad, and states between them. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final, Literal

Json = dict[str, Any]

STREAM: Final = "people"
#: What a firewall on the way takes for an attack, and how many rows are between two of them: two
#: in a row, before anything was accepted, are a wrong configuration.
DISLIKED: Final = "<script>"
_APART: Final = 200
#: One that no catalog has.
STRANGERS: Final = "strangers"
#: A property of this name is what the local Heap refuses here.
POISON: Final = "venom"


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of the catalog, and what it becomes."""

    name: str
    api: str
    #: Whether the timestamp comes from a column.
    dated: bool
    namespace: str | None = None
    mode: Literal["append", "append_dedup"] = "append"
    #: Whether the catalog has a primary key.
    keyed: bool = True
    #: Heap's object, where the connection's mapping says what it becomes: then its fields have the
    #: object's names, and are no properties. `identified` says whether one is the event's key.
    mapped_to: str | None = None
    identified: bool = False

    @property
    def fields(self) -> dict[str, str]:
        """The fields with a meaning, as they are named here and in the object."""
        match self.mapped_to:
            case None:
                return {}
            case "account":
                return {"who": "account_id"}
            case "user":
                return {"who": "identity"}
        names = {"who": "identity", "name": "event"}
        names |= {"at": "timestamp"} if self.dated else {}
        return names | ({"key": "idempotency_key"} if self.identified else {})

    @property
    def descriptor(self) -> Json:
        """How states name it."""
        return {"name": self.name} | ({"namespace": self.namespace} if self.namespace else {})


@dataclass(frozen=True, slots=True)
class Row:
    """One line that counts as a record. `data` is None where it is no message at all.

    It lands; or it is `unmapped`: the connector rejects it; or it is `refused`: Heap does, or a
    firewall before it.
    `stream` is the number of its stream in the catalog, None where it belongs to none.
    """

    number: int
    line: bytes
    fate: Literal["lands", "unmapped", "refused"]
    data: Json | None
    stream: int | None = 0


@dataclass(frozen=True, slots=True)
class State:
    """A state; `message` is what its line holds.

    `covers` are the streams that it vouches for, none where the catalog lacks its stream, and
    `waits_for` those whose rows have to be settled before it.
    """

    line: bytes
    message: Json
    covers: frozenset[int]
    waits_for: frozenset[int]


#: Identities that quoting, normalising, trimming or folding would break or merge.
_NASTY: Final = (
    'O\'Brien "quoted" \\ back',
    "</script><b>bold</b>",
    "zoë@example.com",
    "zoe\u0308@example.com",
    "Zoë@example.com",
    " padded@example.com ",
    "padded@example.com",
    "line\nbreak\ttab\u2028separator",
    "مستخدم@مثال",
    "👩‍👩‍👧‍👦 family",
    "[object object] of desire",
    '{"identity":"inner@example.com"}',
    "-4242424242",
    "00042424242",
    "42424242",
    "%s %d {0} ${HOME}",
    "nul\u0000byte",
    "😀" * 255,
    "x" * 255,
    "null@null.example",
    4_242_424_242,
    12_345_678_901_234_567_890,
)
#: What the value column of a user event may hold. Texts that are JSON numbers are numbers.
_AMOUNTS: Final = (
    *(13_200, 0, -1, 9_007_199_254_740_992, -9_007_199_254_740_992, 19.99, -0.5, 1e-9, None),
    *("13200", "-7", "0", "19.90", "1e3", "-2.5E-3", "9007199254740992"),
)
_NO_AMOUNTS: Final = (
    *(9_007_199_254_740_994, -1e300, 1e999, float("nan"), True, [1], {"a": 1}, "", " ", "12,5"),
    *("thirteen", "0x10", "007", "+1", ".5", "1_000", "NaN", "Infinity", "9007199254740994"),
)
#: Values of the identity column that belong to nobody; the last two would do for an account.
_NOBODY: Final = (None, "", "   ", True, {"a": 1}, ["x"], "y" * 2_000, "guest", "NULL")


@dataclass(slots=True)
class Rows:
    """Draws the rows of one stream. Shares are of all its rows, from 0 to 1."""

    dice: Random
    stream: Stream
    #: Its number in the catalog.
    at: int
    unmapped: float
    refused: float
    #: Heap's largest body, in bytes.
    max_body: int | None
    people: tuple[str | int, ...]
    #: Whether another stream has its name, so that a record has to say its namespace.
    is_ambiguous: bool = False
    #: Whether some are what a firewall dislikes.
    disliked: bool = False
    _count: int = 0
    _disliked_at: int = 0

    @staticmethod
    def drawn(
        dice: Random, stream: Stream, at: int, max_body: int | None, crowd: Sequence[str]
    ) -> Rows:
        """Rows about a `crowd`, with a share of bad ones of their own."""
        nasty = (*_NASTY, "w" * 512) if stream.api == "user_events" else _NASTY
        bad = dice.random() < 0.6
        return Rows(
            dice,
            stream,
            at,
            unmapped=dice.choice((0.002, 0.03, 0.2)) if bad else 0,
            refused=dice.choice((0, 0.002, 0.02)) if bad else 0,
            max_body=max_body,
            people=(*crowd, *(nasty if dice.random() < 0.7 else ())),
        )

    def next(self, number: int) -> Row:
        """One more row, of any kind."""
        # Some people come again and again.
        at = int(len(self.people) * self.dice.random() ** 3)
        good = self.good(number, self.people[at])
        if self.disliked and self._count - self._disliked_at > _APART:
            self._disliked_at = self._count
            return self._disliked(good)
        luck = self.dice.random()
        if luck < self.unmapped:
            return self._unmapped(good)
        return self._refused(good) if luck < self.unmapped + self.refused else good

    @property
    def _hackle(self) -> bool:
        return self.stream.api == "user_events"

    def good(self, number: int, who: str | int) -> Row:
        """A row that lands."""
        dice = self.dice
        self._count += 1
        data: Json = {
            "n": number,
            # Of this stream: another has the same.
            "k": self._count,
            "who": who,
            "name": dice.choice(("Signed Up Today", 'Paid "now" 💶', "Seen: a/b")),
            own_key(number): True,
            f"shared{dice.randrange(4)}": f"value-{number}",
            "level": dice.randrange(1_000_000, 9_000_000),
            "share": dice.random(),
        }
        if dice.random() < 0.3:
            data["address"] = {"city": f"town-{dice.randrange(99)}", "geo": {"lat": dice.random()}}
        if dice.random() < 0.3:
            data["tags"] = [f"tag-{number}", dice.random() < 0.5, dice.randrange(9), None]
        if dice.random() < 0.2:
            data["gone"] = None
        if dice.random() < 0.1:
            data["id"] = f"identifier-{number}"
        if dice.random() < 0.8:
            data["at"] = f"2024-0{dice.randint(1, 9)}-1{dice.randrange(10)}T08:00:00.5Z"
        if self.stream.identified:
            data["key"] = f"key {self._count}"
        if self._hackle:
            data |= self._of_hackle()
        return Row(number, self._line(data), "lands", data, self.at)

    def _of_hackle(self) -> Json:
        """What only a user event meets: values, and properties at and over Hackle's limits."""
        dice = self.dice
        data: Json = {}
        if dice.random() < 0.7:
            some = (dice.randrange(1_000_000, 9_000_000), dice.choice(_AMOUNTS), dice.random())
            data["amount"] = dice.choice(some)
        if dice.random() < 0.05:
            data |= {"essay": "é" * 1_025, "poem": "é" * 1_024, "k" * 128: 1, "k" * 129: 2}
            data |= {"huge": -9_007_199_254_740_994, "nan": float("nan"), "sizes": [1, 1 << 60]}
        if dice.random() < 0.02:
            data |= {f"zz{n:03}": n for n in range(140)}
        return data

    def _unmapped(self, good: Row) -> Row:
        """The same row, so that the connector cannot send it."""
        assert good.data is not None
        data, line = dict(good.data), good.line
        ways = ["nobody", "missing", "broken", "stream"] + ["ambiguous"] * self.is_ambiguous
        if self.stream.api == "track" or self._hackle:
            ways += ["event"] + ["time"] * self.stream.dated + ["amount"] * self._hackle
        match self.dice.choice(ways):
            case "nobody":
                nobody = _NOBODY[:-2] if self.stream.api == "add_account_properties" else _NOBODY
                data["who"] = self.dice.choice((*nobody, *(["z" * 513] if self._hackle else [])))
            case "missing":
                del data["who"]
            case "broken":
                half = line[: len(line) * 2 // 3] + b"\n"
                return Row(good.number, half, "unmapped", None, None)
            case "stream":
                line = self._line(data, {"name": STRANGERS})
                return Row(good.number, line, "unmapped", data, None)
            case "ambiguous":
                line = self._line(data, {"name": self.stream.name})
                return Row(good.number, line, "unmapped", data, None)
            case "event":
                last = 7 if self._hackle else "e" * 1_025
                data["name"] = self.dice.choice((None, "", " ", {}, last))
            case "amount":
                data["amount"] = self.dice.choice(_NO_AMOUNTS)
            case _:
                data["at"] = self.dice.choice(("soon-ish", "2024-13-45", True, {}, "2024-02-30"))
        return Row(good.number, self._line(data), "unmapped", data, self.at)

    def _refused(self, good: Row) -> Row:
        """The same row as Heap does not take it: with poison, or too large."""
        assert good.data is not None
        if self.max_body is not None and self.dice.random() < 0.3:
            data = good.data | {f"big{n}": "t" * 1_000 for n in range(self.max_body // 1_000 + 2)}
        else:
            data = good.data | {POISON: f"dose-{good.number}"}
        return Row(good.number, self._line(data), "refused", data, self.at)

    def _disliked(self, good: Row) -> Row:
        """The same row as no firewall lets it through."""
        assert good.data is not None
        data = good.data | {"note": f"{DISLIKED}alert({good.number})"}
        return Row(good.number, self._line(data), "refused", data, self.at)

    def _line(self, data: Json, descriptor: Json | None = None) -> bytes:
        named = descriptor or self.stream.descriptor
        fields = self.stream.fields
        message = {
            "stream": named["name"],
            "data": {fields.get(name, name): value for name, value in data.items()},
            # Of the first reading; each other one has a time of its own (`read_anew`).
            "emitted_at": 1_700_000_000_000 + data["n"],
        }
        if "namespace" in named:
            message["namespace"] = named["namespace"]
        ascii_only = self.dice.random() < 0.5
        return _json_line({"type": "RECORD", "record": message}, ascii_only)


@dataclass(frozen=True, slots=True)
class Source:
    """Draws one input: the rows of its streams, interleaved, and states between them."""

    dice: Random
    streams: tuple[Stream, ...]
    rows: tuple[Rows, ...]

    @staticmethod
    def drawn(
        dice: Random, streams: tuple[Stream, ...], max_body: int | None, *, disliked: bool
    ) -> Source:
        """Streams about the same crowd, so that some of them tell of the same user.

        The first may have rows that a firewall dislikes.
        """
        crowd = [f"person{n}@example.com" for n in range(dice.choice((1, 8, 100, 5_000)))]
        rows = tuple(
            Rows.drawn(dice, stream, at, max_body, crowd) for at, stream in enumerate(streams)
        )
        rows[0].disliked = disliked
        names = [stream.name for stream in streams]
        for each in rows:
            each.is_ambiguous = names.count(each.stream.name) > 1
        return Source(dice, streams, rows)

    def lines(self, count: int, states_every: int) -> tuple[Row | State, ...]:
        """About `count` rows, a state behind each 1 to `states_every` of them and at the end."""
        dice = self.dice
        lines: list[Row | State] = []
        number, next_state, turn = 0, dice.randint(0, states_every), self.rows[0]
        while number < count:
            while number >= next_state:
                lines.append(self._state(len(lines), number))
                # Now and then two of them with no row between.
                next_state = number + (dice.random() > 0.05) * dice.randint(1, states_every)
            number += 1
            if dice.random() < 0.4:
                turn = dice.choice(self.rows)
            lines.append(turn.next(number))
        # Heap must not refuse the first request to its last row: that is an error of
        # configuration, and rightly so. Rows of many people that land, with no state to begin
        # again between them.
        for _ in range(90):
            for each in self.rows:
                number += 1
                lines.append(each.good(number, f"last{number}@example.com"))
        for at in range(len(self.streams)):
            lines.append(self._last(len(lines), number, at))
        return tuple(lines)

    def _last(self, number: int, position: int, at: int) -> State:
        """A state behind all rows of a stream: none is begun with anew."""
        if len(self.streams) == 1:
            return self._state(number, position)
        return self._of_stream(number, position, at)

    def _state(self, number: int, position: int) -> State:
        """A state of any type, with parts that nobody knows and numbers beyond 64 bits."""
        dice, everyone = self.dice, frozenset(range(len(self.streams)))
        several = len(self.streams) > 1
        match dice.choice(("STREAM", "GLOBAL", "LEGACY") + ("STREAM",) * 6 * several):
            case "STREAM" if several and dice.random() < 0.1:
                stranger = {"type": "STREAM", "stream": _part({"name": STRANGERS}, position)}
                return self._written(number, stranger, frozenset(), everyone)
            case "STREAM":
                return self._of_stream(number, position, dice.randrange(len(self.streams)))
            case "GLOBAL":
                shared = {"lsn": (1 << 70) + number}
                least = 0 if several else 1
                some = dice.sample(range(len(everyone)), dice.randint(least, len(everyone)))
                parts = [_part(self.streams[at].descriptor, position) for at in some]
                inner: Json = {"shared_state": shared, "stream_states": parts}
                inner = {"type": "GLOBAL", "global": inner}
                return self._written(number, inner, frozenset(some) or everyone, everyone)
        inner = {"type": "LEGACY", "data": {"cursor": position, "of": "zoë 😀"}}
        return self._written(number, inner, everyone, everyone)

    def _of_stream(self, number: int, position: int, at: int) -> State:
        part = _part(self.streams[at].descriptor, position)
        inner = {"type": "STREAM", "stream": part, "sourceStats": {"recordCount": 1.0}}
        return self._written(number, inner, frozenset({at}), frozenset({at}))

    def _written(
        self, number: int, inner: Json, covers: frozenset[int], waits_for: frozenset[int]
    ) -> State:
        message: Json = {"type": "STATE", "state": inner, "id": number}
        if self.dice.random() < 0.2:
            message["later"] = [None, {"field": 1e-9}]
        return State(_json_line(message), message, covers, waits_for)


def _part(descriptor: Json, position: int) -> Json:
    return {"stream_descriptor": descriptor, "stream_state": {"cursor": position}}


#: As `_json_line` writes it.
_EMITTED_AT: Final = re.compile(rb'("emitted_at": )(\d+)')


def read_anew(row: Row, times: int) -> Row:
    """The row as its source gives it when it is started once more: it was read at another time."""

    def later(stamp: re.Match[bytes]) -> bytes:
        return stamp[1] + str(int(stamp[2]) + 60_000 * times).encode()

    return replace(row, line=_EMITTED_AT.sub(later, row.line))


def own_key(number: int) -> str:
    """A property that only row `number` has, so that it is found again even in a merged user."""
    return f"row{number}"


def _json_line(message: Json, ascii_only: bool = True) -> bytes:
    return json.dumps(message, ensure_ascii=ascii_only).encode() + b"\n"
