"""What a plan counts, and what it warns of."""

import json
from collections import Counter
from itertools import product
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from bulk_destination.config import unknown_fields
from bulk_destination.connection import Connection
from bulk_destination.delivery.quotas import MINUTE, Quotas
from bulk_destination.ledger import Ledger
from bulk_destination.look.plan import FrequentIdentities, Plan
from bulk_destination.mapping.stream import Stream
from bulk_destination.protocol.catalog import Catalog
from destination_heap_analytics.config import HeapConfig, TrackConfig, UserPropertiesConfig
from destination_heap_analytics.service import HEAP

STREAM = Stream("people", None, None)
TRACK = TrackConfig(api_type="track", event_column="name", identity_column="who")
USERS = UserPropertiesConfig(api_type="add_user_properties", identity_column="who")


def plan_of(
    records: list[dict[str, Any]],
    config: TrackConfig | UserPropertiesConfig = TRACK,
    quotas: Quotas | None = None,
    stream: Stream = STREAM,
    *,
    tells_all: bool = False,
) -> Plan:
    """The plan for `records`, none of which is rejected."""
    pace = quotas or Quotas(0, 0)
    whole = HeapConfig(
        app_id="11",
        api=config,
        events_per_minute=pace.per_app,
        events_per_identity_per_minute=pace.per_identity,
    )
    catalog = Catalog((stream,))
    routes = HEAP.routes(whole, catalog).of_streams
    [mapper] = [route.mapper for route in routes]
    ledger = Ledger()
    connection = Connection(whole, catalog, routes, tuple(unknown_fields(whole)))
    plan = Plan(connection, ledger, tells_all=tells_all)
    for record in records:
        ledger.read += 1
        payload = mapper.payload(record, 1)
        assert isinstance(payload, tuple)
        plan.add(payload)
    plan.finish()
    return plan


def event(number: int, who: str | None = None, **properties: Any) -> dict[str, Any]:
    """A record for `TRACK`."""
    return {"name": "Signed Up", "who": who or f"person{number}@example.com", **properties}


def test_counts() -> None:
    """Events, properties with their types, and the outcome, without a value of a record."""
    records = [event(1, plan="pro", seats=3), event(2, plan="free", seats=2.5), event(3, plan=True)]
    plan = plan_of(records * 10)
    found = plan.as_json()
    assert found["would_be_sent"] == 30
    assert found["events"] == {"Signed Up": 30}
    assert found["properties"]["plan"] == {"count": 30, "types": {"string": 20, "boolean": 10}}
    assert found["properties"]["seats"] == {"count": 20, "types": {"number": 20}}
    assert found["dangers"] == ["Properties with several types: `plan`"]
    text = "\n".join(plan.lines())
    assert "Event: Signed Up: 30" in text
    assert "Property: plan: 30 (string 20, boolean 10)" in text
    assert "example.com" not in text
    assert "pro" not in text.replace("Properties", "").replace("Property", "")
    json.dumps(found)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
@settings(deadline=None, derandomize=True)
def test_requests_and_bytes_are_those_of_the_batches(people: list[int]) -> None:
    """Bodies as they would be sent: merged updates, commas and the envelope included."""
    records = [{"who": f"person{n}", "n": number} for number, n in enumerate(people)]
    plan = plan_of(records, USERS)
    assert plan.ledger.merged == len(people) - len(set(people))
    assert plan.requests == 1
    last = {person: number for number, person in enumerate(people)}
    items = [
        {
            "identity": f"person{person}",
            "properties": {"who": f"person{person}", "n": last[person]},
        }
        for person in dict.fromkeys(people)
    ]
    assert plan.bytes == len(orjson.dumps({"app_id": "11", "users": items}))


def test_time_under_the_quotas() -> None:
    """What is over a minute's worth waits for the next; the slower of both quotas decides."""
    records = [event(n) for n in range(10)]
    assert plan_of(records, quotas=Quotas(5, 0)).quota_seconds == MINUTE
    assert plan_of(records, quotas=Quotas(10, 0)).quota_seconds == 0.0
    assert plan_of(records, quotas=None).quota_seconds == 0.0
    busy = [event(n, "robot@example.com") for n in range(10)]
    assert plan_of(busy, quotas=Quotas(10, 3)).quota_seconds == 3 * MINUTE
    assert plan_of(busy, quotas=Quotas(0, 0)).quota_seconds == 0.0


def test_dangers() -> None:
    """Everything that could not be taken back is named, each in a sentence."""
    records = [
        event(n, "shared@example.com" if n % 5 == 0 else None, Plan="a", plan="b", line_2="c")
        | {f"user_{n:06d}": 1}
        | {f"{'x' * (1 + n // 26)}{chr(97 + n % 26)}": 1}
        | {"name": f"Event {'x' * n}"}
        for n in range(210)
    ]
    dangers = "\n".join(plan_of(records, tells_all=True).dangers())
    assert "property names. Each exists in Heap for ever" in dangers
    assert "event names. Does event_column" in dangers
    assert "`line_2`" in dangers
    assert "`user_000000`" in dangers
    assert "`Plan and plan`" in dangers
    assert "One identity has 20% of the records" in dangers
    assert "shared@example.com" not in dangers


def test_names_that_are_values_are_not_shown() -> None:
    """An event column that holds addresses, an object keyed by ids."""
    plan = plan_of([{"name": "ada@example.com", "who": "x1", "sk_live_51H8x9Q2": 1}])
    text = "\n".join(plan.lines()) + json.dumps(plan.as_json())
    assert "ada" not in text
    assert "51H8x9Q2" not in text
    assert dict(plan.events()) == {"(others)": 1}


def test_people_and_what_they_have_are_counted_only() -> None:
    """An event column that holds diagnoses, objects keyed by people: no log tells one."""
    people = ["Jane Doe", "Erika Mustermann", "홍길동"]
    records = [
        event(n, children={f"{people[n % 3]} {'x' * n}": n}) | {"name": f"HIV {'x' * n}"}
        for n in range(40)
    ]
    plan = plan_of(records + [event(n, plan="pro") for n in range(40)])
    text = "\n".join(plan.lines()) + json.dumps(plan.as_json())
    assert not [name for name in (*people, "HIV") if name in text]
    found = plan.as_json()
    assert found["events"] == {"Signed Up": 40, "(others)": 40}
    assert found["event_names"] == 41
    assert found["properties"].keys() == {"name", "who", "plan", "(others)"}
    assert found["property_names"] == 43


def test_what_the_catalog_lists_is_told() -> None:
    """However rarely it comes."""
    schema = {"properties": {"name": {}, "who": {}, "plan": {}, "children": {"type": "object"}}}
    records = [event(1, plan="pro", children={"Jane Doe": 1})]
    told = dict(plan_of(records, stream=Stream("people", None, schema)).properties())
    assert told.keys() == {"name", "who", "plan", "(others)"}


def test_a_preview_tells_all() -> None:
    """It is on the user's own terminal."""
    plan = plan_of([event(1, children={"Jane Doe": 1}) | {"name": "HIV"}], tells_all=True)
    assert dict(plan.events()) == {"HIV": 1}
    assert "children.Jane Doe" in dict(plan.properties())


def test_names_are_bounded() -> None:
    """Ever new names fill no memory, and each is counted."""
    words = ["".join(letters) for letters in product("abcdefghijk", repeat=4)]
    plan = plan_of([{"name": word, "who": "x"} for word in words])
    assert plan.as_json()["event_names"] <= 10_001
    assert sum(count for _, count in plan.events()) == len(words)


@given(st.lists(st.integers(0, 3_000), max_size=300), st.integers(1, 3_000))
@settings(deadline=None, derandomize=True, max_examples=25)
def test_a_frequent_identity_is_always_found(others: list[int], busy: int) -> None:
    """Its count is short of the truth by at most a thousandth of all."""
    identities = FrequentIdentities()
    sent = [f"p{n}" for n in others for _ in range(7)] + ["busy"] * busy
    for identity in sent:
        identities.add(identity)
    truth = max(Counter(sent).values())
    assert truth - len(sent) / 1_000 - 1 <= identities.most() <= truth
