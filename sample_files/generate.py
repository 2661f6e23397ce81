"""Writes `users.jsonl`: a few hundred users as Auth0 would give them, the same on every run.

Run it as `python sample_files/generate.py`. The last lines hold three records that no connector
should send: no identity, an identity that belongs to nobody, and a time that cannot be read.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

USERS = 300
STATE_EVERY = 50
TARGET = Path(__file__).with_name("users.jsonl")

_GIVEN = [
    "Ada",
    "Bao",
    "Camden",
    "Dina",
    "Elroy",
    "Farah",
    "Gwen",
    "Hugo",
    "Ines",
    "Jonas",
    "Kavya",
    "Lynn",
    "Mara",
    "Noe",
    "Olu",
]
_FAMILY = [
    "Brakus",
    "Crooks",
    "Diaz",
    "Eze",
    "Feng",
    "Gutkowski",
    "Haas",
    "Ito",
    "Jensen",
    "Kim",
    "Lund",
    "Moreau",
    "Tillman",
]
_CONNECTIONS = {
    "Username-Password-Authentication": "auth0",
    "google-oauth2": "google-oauth2",
    "github": "github",
}
_ROLES = ["admin", "editor", "viewer"]
_BEGIN = datetime(2026, 1, 5, 8, tzinfo=UTC)


def user(random: Random, number: int) -> dict[str, Any]:
    """One user, by number; a number given twice is the same person, seen later."""
    person = Random(number)
    given, family = person.choice(_GIVEN), person.choice(_FAMILY)
    connection, provider = person.choice(list(_CONNECTIONS.items()))
    created = _BEGIN + timedelta(minutes=number * 7, milliseconds=person.randrange(1000))
    updated = created + timedelta(hours=random.randrange(1, 2000))
    subject = f"{person.getrandbits(64):016x}"
    return {
        "blocked": random.random() < 0.03,
        "created_at": _iso(created),
        "email": f"{given}.{family}.{number}@example.com".lower(),
        "email_verified": person.random() < 0.8,
        "family_name": family,
        "given_name": given,
        "identities": {
            "user_id": subject,
            "connection": connection,
            "provider": provider,
            "isSocial": provider != "auth0",
        },
        "last_login": _iso(updated) if random.random() < 0.7 else None,
        "name": f"{given} {family}",
        "nickname": given[:3],
        "roles": person.sample(_ROLES, person.randrange(1, 3)),
        "updated_at": _iso(updated),
        "user_id": f"{provider}|{subject}",
        "visits": [
            {"date": _iso(updated - timedelta(days=day)), "pages": random.randrange(1, 20)}
            for day in range(random.randrange(1, 3))
        ],
    }


def records() -> Iterator[dict[str, Any]]:
    """300 users, of whom every tenth is seen again, then the three that cannot be sent."""
    random = Random(2026)
    for number in range(USERS):
        yield user(random, number)
        if number % 10 == 9:
            yield user(random, number - 5)
    yield user(random, 900) | {"email": None, "user_id": None, "identities": {}}
    yield user(random, 901) | {
        "email": "anonymous",
        "user_id": "anonymous",
        "identities": {"connection": "github", "user_id": ""},
    }
    yield user(random, 902) | {"updated_at": "last Tuesday"}


def lines() -> Iterator[str]:
    """The Airbyte messages: a state behind every 50 records and at the end."""
    since = 0
    count = 0
    for count, data in enumerate(records(), start=1):
        since += 1
        record = {"stream": "users", "emitted_at": 1767600000000 + count, "data": data}
        yield json.dumps({"type": "RECORD", "record": record})
        if since == STATE_EVERY:
            yield _state(count, since)
            since = 0
    yield _state(count, since)


def _state(position: int, since: int) -> str:
    state = {
        "type": "STREAM",
        "stream": {
            "stream_descriptor": {"name": "users"},
            "stream_state": {"position": position},
        },
        "sourceStats": {"recordCount": float(since)},
        "id": position,
    }
    return json.dumps({"type": "STATE", "state": state})


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


if __name__ == "__main__":
    TARGET.write_text("".join(f"{line}\n" for line in lines()), encoding="utf-8")
