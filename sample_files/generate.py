"""Writes the samples, the same on every run: `orders.jsonl`, what a few hundred users ordered, as a
shop's database would give it, `users.jsonl`, those users, as Auth0 would, and
`shop.jsonl`, orders, users and companies of a smaller shop, as they come in one sync, and
`hackle/purchases.jsonl`, what others bought.

Run it as `python sample_files/generate.py`. The last records of each are such as no connector
should send: without an identity, with one that belongs to nobody, with a time or an amount that
cannot be read.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

ORDERS = 330
USERS = 300
STATE_EVERY = 50
PURCHASES = 200
SHOP_ORDERS = 120
SHOP_USERS = 60
COMPANIES = 12
HERE = Path(__file__).parent

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
#: What the shop sells: name and price, in euro.
_TEAS = {"ASSAM-250": 9.5, "OOLONG-100": 14.9, "SENCHA-100": 12.25, "POT-1": 39.0, "MUG-2": 18.4}
_CITIES = {"Riga": "LV", "Lyon": "FR", "Porto": "PT", "Gent": "BE"}
_METHODS = ["CARD", "BANK_TRANSFER", "POINTS"]
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


def users() -> Iterator[dict[str, Any]]:
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


def order(number: int) -> dict[str, Any]:
    """One order, by number; the customer is one of the users."""
    random = Random(205 + number)  # the first order, which is shown most, has all fields
    customer = user(random, random.randrange(USERS))
    placed = _BEGIN + timedelta(hours=number * 3, milliseconds=random.randrange(3_600_000))
    items = [
        {"sku": sku, "quantity": random.randrange(1, 4), "price": _TEAS[sku]}
        for sku in random.sample(sorted(_TEAS), random.randrange(1, 4))
    ]
    city, country = random.choice(list(_CITIES.items()))
    return {
        "order_id": 1000 + number,
        "user_id": customer["user_id"],
        "email": customer["email"],
        "amount": round(sum(item["quantity"] * item["price"] for item in items), 2),
        "currency": "EUR",
        "status": "cancelled" if random.random() < 0.05 else "paid",
        "coupon": "WELCOME" if random.random() < 0.2 else None,
        "shipping": {"city": city, "country": country},
        "items": items,
        "created_at": _iso(placed),
    }


def orders() -> Iterator[dict[str, Any]]:
    """330 orders, then the three that cannot be sent."""
    for number in range(1, ORDERS + 1):
        yield order(number)
    yield order(901) | {"user_id": None, "email": None}
    yield order(902) | {"user_id": "guest", "email": "guest"}
    yield order(903) | {"created_at": "last Tuesday"}


def purchase(number: int) -> dict[str, Any]:
    """One purchase, or another thing that a user did, which then has no amount."""
    random = Random(number)
    bought = random.random() < 0.7
    discount = random.choice([0, 0, 300, 800]) if bought else None
    return {
        "id": number,
        "event": "purchase" if bought else random.choice(["add_to_cart", "sign_up"]),
        "user_id": f"{Random(number % 60).getrandbits(32):08x}",
        "amount": random.randrange(10, 500) * 100 if bought else None,
        "pay_method": random.choice(_METHODS) if bought else None,
        "discount_amount": discount,
        "is_discount": None if discount is None else discount > 0,
        "happened_at": _iso(_BEGIN + timedelta(minutes=number * 11, milliseconds=number % 1000)),
    }


def purchases() -> Iterator[dict[str, Any]]:
    """The three of Hackle's documents, some more, then four that cannot be sent."""
    alone = purchase(1) | {"event": "purchase", "user_id": "ae2182e0"}
    alone |= dict.fromkeys(("amount", "pay_method", "discount_amount", "is_discount"))
    yield alone
    yield alone | {"id": 2, "amount": 13200}
    discount = {"pay_method": "CARD", "discount_amount": 800, "is_discount": True}
    yield alone | {"id": 3, "amount": 13200, **discount}
    for number in range(4, PURCHASES + 1):
        data = purchase(number)
        # Databases give exact decimals as text.
        yield (
            data | {"amount": str(data["amount"])} if data["amount"] and number % 10 == 0 else data
        )
    yield alone | {"id": 901, "user_id": None}
    yield alone | {"id": 902, "user_id": "guest"}
    yield alone | {"id": 903, "event": " "}
    yield alone | {"id": 904, "amount": "about 13,200"}


def customer(number: int) -> dict[str, Any]:
    """A user of the smaller shop, who belongs to one of its companies."""
    seen = user(Random(number), number)
    random = Random(number)
    return {
        **{name: seen[name] for name in ("user_id", "email", "given_name", "created_at")},
        "plan": random.choice(["free", "pro", "team"]),
        "company_id": f"c-{random.randrange(COMPANIES):03d}",
    }


def company(number: int) -> dict[str, Any]:
    """A company, by number."""
    random = Random(number)
    city, country = random.choice(list(_CITIES.items()))
    return {
        "company_id": f"c-{number:03d}",
        "name": f"{random.choice(_FAMILY)} & {random.choice(_FAMILY)}",
        "industry": random.choice(["retail", "hotels", "schools"]),
        "seats": random.randrange(3, 400),
        "address": {"city": city, "country": country},
    }


def shop() -> Iterator[tuple[str, dict[str, Any]]]:
    """Orders, users and companies of one shop, as three tables read side by side give them."""
    random = Random(16)
    rows = [("orders", order(number)) for number in range(1, SHOP_ORDERS + 1)]
    people = [customer(number) for number in range(SHOP_USERS)]
    for _, data in rows:
        buyer = random.choice(people)
        data |= {"user_id": buyer["user_id"], "email": buyer["email"]}
    rows += [("users", each) for each in people]
    rows += [("companies", company(number)) for number in range(COMPANIES)]
    random.shuffle(rows)
    yield from rows
    yield "orders", order(902) | {"user_id": "guest", "email": "guest"}
    yield "orders", order(903) | {"created_at": "last Tuesday"}
    yield "users", customer(900) | {"user_id": None, "email": None}
    yield "companies", company(COMPANIES) | {"company_id": ""}


def lines(records: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[str]:
    """The Airbyte messages: a state behind every 50 records of a stream, and at the end."""
    since: dict[str, int] = {}
    counts: dict[str, int] = {}
    for number, (stream, data) in enumerate(records, start=1):
        since[stream] = since.get(stream, 0) + 1
        counts[stream] = counts.get(stream, 0) + 1
        record = {"stream": stream, "emitted_at": 1767600000000 + number, "data": data}
        yield json.dumps({"type": "RECORD", "record": record})
        if since[stream] == STATE_EVERY:
            yield _state(stream, counts[stream], since.pop(stream))
    for stream, count in counts.items():
        yield _state(stream, count, since.get(stream, 0))


def _of(stream: str, records: Iterable[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for data in records:
        yield stream, data


def _state(stream: str, position: int, since: int) -> str:
    state = {
        "type": "STREAM",
        "stream": {
            "stream_descriptor": {"name": stream},
            "stream_state": {"position": position},
        },
        "sourceStats": {"recordCount": float(since)},
        "id": position,
    }
    return json.dumps({"type": "STATE", "state": state})


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


#: What each file holds.
FILES = {
    "orders.jsonl": lambda: _of("orders", orders()),
    "users.jsonl": lambda: _of("users", users()),
    "shop.jsonl": shop,
    "hackle/purchases.jsonl": lambda: _of("purchases", purchases()),
}


def content(name: str) -> str:
    """A file's text."""
    return "".join(f"{line}\n" for line in lines(FILES[name]()))


if __name__ == "__main__":
    for name in FILES:
        (HERE / name).write_text(content(name), encoding="utf-8")
