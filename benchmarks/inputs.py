"""Files of Airbyte messages, the same for a seed on every machine; made once, never committed.

=========  =========================================================================  ==========
kind       a line of it                                                               bytes
=========  =========================================================================  ==========
`users`    a user as Auth0 gives it, the shape of the README's examples               about 550
`clicks`   a small event                                                              300
`events`   the same; one in 5,000 is one that a service refuses                       300
`purchases` what somebody bought, as a shop's database gives it                      about 300
`shop`     users that take turns as three streams: `orders`, `users`, `companies`     about 550
`contacts` a contact as a CRM gives it: 100 columns, nested ones and arrays among them  about 4,000
=========  =========================================================================  ==========
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final, Literal
from zlib import crc32

import orjson

Kind = Literal["users", "clicks", "events", "contacts", "purchases", "shop"]
Json = dict[str, Any]

SEED: Final = 2026
STATE_EVERY: Final = 5_000
#: The streams of a kind that has several; each record is of the next one.
STREAMS: Final[dict[str, tuple[str, ...]]] = {"shop": ("orders", "users", "companies")}
#: Bytes of one line of `clicks`, its newline included.
CLICK_BYTES: Final = 300
#: The name of an event that a service refuses, and how seldom one comes.
REFUSED: Final = "Refused"
REFUSED_EVERY: Final = 5_000

_BEGIN: Final = datetime(2026, 1, 5, 8, tzinfo=UTC)
_EMITTED_AT: Final = 1_767_600_000_000
_GIVEN: Final = ["Ada", "Bao", "Camden", "Dina", "Elroy", "Farah", "Gwen", "Inès", "Jörg", "Noe"]
_FAMILY: Final = ["Brakus", "Crooks", "Diaz", "Eze", "Feng", "Gutkowski", "Haas", "Ito", "Lund"]
_PROVIDERS: Final = ["auth0", "google-oauth2", "github"]
_WORDS: Final = ["plan", "renewal", "invoice", "meeting", "call", "trial", "sent", "asked", "for"]


@dataclass(frozen=True, slots=True)
class Input:
    """`records` records of one kind."""

    kind: Kind
    records: int

    def path(self, directory: Path) -> Path:
        """The file, made if it is not there yet. Its name changes with this module."""
        version = f"{crc32(Path(__file__).read_bytes()):08x}"
        path = directory / f"{self.kind}-{self.records}-{version}.jsonl"
        if not path.exists():
            directory.mkdir(parents=True, exist_ok=True)
            for outdated in directory.glob(f"{self.kind}-{self.records}-*"):
                outdated.unlink()
            unfinished = path.with_suffix(".unfinished")
            with unfinished.open("wb") as file:
                file.writelines(self.lines())
            unfinished.rename(path)
        return path

    def lines(self) -> Iterator[bytes]:
        """The messages: a state behind every 5,000 records and at the end."""
        random = Random(SEED)
        make = MAKERS[self.kind](random)
        names = self.streams
        for number in range(1, self.records + 1):
            name = names[number % len(names)]
            record = {
                "namespace": "public",
                "stream": name,
                "data": make(number),
                "emitted_at": _EMITTED_AT + number,
            }
            yield orjson.dumps({"type": "RECORD", "record": record}) + b"\n"
            if number % STATE_EVERY == 0 or number == self.records:
                for each in names:
                    yield self._state(each, number)

    @property
    def streams(self) -> tuple[str, ...]:
        """Their names."""
        return STREAMS.get(self.kind, (self.kind,))

    def _state(self, name: str, position: int) -> bytes:
        stream = {
            "stream_descriptor": {"name": name, "namespace": "public"},
            "stream_state": {"position": position},
        }
        return (
            orjson.dumps({"type": "STATE", "state": {"type": "STREAM", "stream": stream}}) + b"\n"
        )

    @property
    def refused(self) -> int:
        """How many of its records a service refuses."""
        half = REFUSED_EVERY // 2
        return (self.records + half) // REFUSED_EVERY if self.kind == "events" else 0

    def catalog(self) -> Json:
        """The configured catalog, with the schema that a source would give."""
        sample = MAKERS[self.kind](Random(SEED))(1)
        stream = {"namespace": "public", "json_schema": _schema(sample)}
        modes = {"supported_sync_modes": ["full_refresh", "incremental"]}
        return {
            "streams": [
                {
                    "stream": {"name": name, **stream, **modes},
                    "sync_mode": "incremental",
                    "destination_sync_mode": "append",
                }
                for name in self.streams
            ]
        }


def _users(random: Random) -> Callable[[int], Json]:
    def user(number: int) -> Json:
        given, family = random.choice(_GIVEN), random.choice(_FAMILY)
        provider = random.choice(_PROVIDERS)
        subject = f"{random.getrandbits(64):016x}"
        created = _moment(number)
        return {
            "blocked": random.random() < 0.03,
            "created_at": created,
            "email": f"{given}.{family}.{number}@example.com".lower(),
            "email_verified": random.random() < 0.8,
            "family_name": family,
            "given_name": given,
            "identities": {
                "user_id": subject,
                "connection": "Username-Password-Authentication",
                "provider": provider,
                "isSocial": provider != "auth0",
            },
            "last_login": created if random.random() < 0.7 else None,
            "logins_count": random.randrange(100),
            "name": f"{given} {family}",
            "nickname": given[:3],
            "updated_at": created,
            "user_id": f"{provider}|{subject}",
        }

    return user


def _clicks(random: Random) -> Callable[[int], Json]:
    def click(number: int) -> Json:
        data = {
            "id": number,
            "name": random.choice(["Signed Up", "Opened", "Bought", "Left"]),
            "who": f"person{random.randrange(100_000)}@example.com",
            "at": _moment(number),
            "path": "",
            "price": random.randrange(10_000) / 100,
        }
        # The envelope around `data` and its newline are 103 bytes.
        return data | {"path": "/".ljust(CLICK_BYTES - 103 - len(orjson.dumps(data)), "x")}

    return click


def _events(random: Random) -> Callable[[int], Json]:
    click = _clicks(random)

    def event(number: int) -> Json:
        # In the middle of those that come together, not at their edge.
        refused = number % REFUSED_EVERY == REFUSED_EVERY // 2
        return click(number) | ({"name": REFUSED} if refused else {})

    return event


def _purchases(random: Random) -> Callable[[int], Json]:
    def purchase(number: int) -> Json:
        discount = random.choice([0, 0, 300, 800])
        return {
            "id": number,
            "event": "purchase",
            "user_id": f"{random.getrandbits(32):08x}",
            "amount": random.randrange(10, 500) * 100,
            "pay_method": random.choice(["CARD", "BANK_TRANSFER", "POINTS"]),
            "discount_amount": discount,
            "is_discount": discount > 0,
            "happened_at": _moment(number),
        }

    return purchase


def _contacts(random: Random) -> Callable[[int], Json]:
    # A few hundred distinct ones with their own number, time and amount: quick to write.
    people = [_contact(random) for _ in range(300)]

    def contact(number: int) -> Json:
        return people[number % len(people)] | {
            "id": f"{number:08d}",
            "email": f"contact{number}@example.com",
            "updated_at": _moment(number),
            "amount": random.randrange(10_000) / 100,
        }

    return contact


def _contact(random: Random) -> Json:
    def words(count: int) -> str:
        return " ".join(random.choices(_WORDS, k=count))

    return {
        **{f"property_{number:02d}": words(3) for number in range(50)},
        **{f"counted_{number:02d}": random.randrange(10_000) for number in range(12)},
        **{f"flag_{number:02d}": random.random() < 0.5 for number in range(10)},
        **{f"empty_{number:02d}": None for number in range(10)},
        **{f"date_{number:02d}": _moment(random.randrange(100_000)) for number in range(8)},
        "address": {"street": words(2), "city": "Zürich", "geo": {"lat": 47.37, "lon": 8.54}},
        "tags": random.choices(_WORDS, k=6),
        "deals": [
            {"stage": random.choice(_WORDS), "amount": random.randrange(1_000), "open": True}
            for _ in range(3)
        ],
        "notes": words(150),
    }


def _moment(number: int) -> str:
    moment = _BEGIN + timedelta(seconds=number * 7, milliseconds=number % 1000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_JSON_TYPES: Final = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
}


def _schema(value: object) -> Json:
    if isinstance(value, dict):
        return {"type": "object", "properties": {key: _schema(each) for key, each in value.items()}}
    return {"type": ["null", _JSON_TYPES.get(type(value), "string")]}


MAKERS: Final[dict[Kind, Callable[[Random], Callable[[int], Json]]]] = {
    "users": _users,
    "clicks": _clicks,
    "events": _events,
    "contacts": _contacts,
    "purchases": _purchases,
    "shop": _users,
}
