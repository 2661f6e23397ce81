"""What is held until the source has ended, and how it goes then."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulk_destination.delivery.batches import Batch
from bulk_destination.delivery.held import Held, Hold
from bulk_destination.delivery.held_delivery import HeldDelivery
from bulk_destination.delivery.inbox import GaveUp, Report, RequestSettled
from bulk_destination.errors import ConfigurationError, Fault, InterruptedSyncError
from bulk_destination.http.replies import Accepted, Refused, Settled, Unsettled
from destination_heap_analytics.config import DeleteUsersConfig, HeapConfig
from destination_heap_analytics.deletion import deletion_endpoint, hold

CONFIG = HeapConfig.parse(
    {
        "app_id": "11",
        "api": {
            **{"api_type": "delete_users", "identity_column": "who"},
            **{"api_key": "k", "confirm": "11", "most_users": 100_000},
        },
    }
)
ENDPOINT = deletion_endpoint(CONFIG)


def a_hold(most: int = 1_000, most_counted: int = 2_000) -> Hold:
    """One that holds up to `most`."""
    assert isinstance(CONFIG.api, DeleteUsersConfig)
    jobs = hold(CONFIG, CONFIG.api).jobs
    return Hold(most, most_counted, lambda count: Fault("most", count), "users", "deleted", jobs)


def add(held: Held | HeldDelivery, position: int, who: str, key: str | None = None) -> None:
    """One more record."""
    body = b'{"identity":"%s"}' % who.encode()
    if isinstance(held, Held):
        held.add(position, who, body, key or who)
    else:
        held.add(Batch((position,), (who,), (body,), (key or who,)))


#: A record: which row it is of, and whom it names; nobody, if the row was deleted.
RECORDS = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from([None, "ann", "bob", "cyd"])), max_size=30
)


@settings(derandomize=True, max_examples=300, deadline=None)
@given(RECORDS, st.integers(1, 3))
def test_the_last_word_of_each_row_counts(
    records: list[tuple[int, str | None]], max_items: int
) -> None:
    """All whom rows name in the end go once, and each record is settled once, or taken back."""
    held, taken_back, rows = Held(a_hold(), max_items), list[int](), dict[int, str]()
    for position, (row, who) in enumerate(records, 1):
        if who is None:
            taken_back += held.take_back(str(row))
            rows.pop(row, None)
        else:
            add(held, position, who, str(row))
            rows[row] = who
        assert held.first_position == min(
            (
                at
                for at, (number, named) in enumerate(records[:position], 1)
                if named is not None and at not in taken_back
            ),
            default=None,
        )
        assert len(held) == len(set(rows.values()))
    assert set(held.identities()) == set(rows.values())
    batches = held.batches()
    assert all(1 <= len(each.batch) <= max_items for each in batches)
    sent = [who for each in batches for who in each.batch.identities]
    assert sorted(sent) == sorted(set(rows.values()))
    firsts = [each.batch.positions[0] for each in batches]
    assert firsts == sorted(firsts)
    settled = [at for each in batches for at in each.batch.positions]
    settled += [at for each in batches for others in each.more.values() for at in others]
    named = [at for at, (_, who) in enumerate(records, 1) if who is not None]
    assert sorted([*settled, *taken_back]) == named
    # What is not settled of the later requests comes behind the first of them.
    for at, each in enumerate(batches):
        later = [p for b in batches[at:] for p in b.batch.positions]
        assert each.batch.positions[0] == min(later)
    assert held.batches() == []


def test_too_many() -> None:
    """As many as may, go; of one more, none; and so many are counted."""
    held = Held(a_hold(most=2, most_counted=4), 10)
    for number in range(4):
        add(held, number + 1, f"person{number}")
        assert held.fault == (Fault("most", f"{number + 1}") if number > 1 else None)
    with pytest.raises(ConfigurationError, match="4"):
        held.batches()
    with pytest.raises(ConfigurationError, match="more than 4"):
        add(held, 5, "person5")


@dataclass
class Service:
    """Does what it is told to, and notes what it was sent."""

    refuses: Callable[[bytes], bool] = lambda _: False
    bodies: list[bytes] = field(default_factory=list)
    sent: int = 0
    retries: int = 0
    closed: bool = False

    def post(self, body: bytes, tried: int = 0) -> Settled | Unsettled:
        self.bodies.append(body)
        return Refused("is not valid") if self.refuses(body) else Accepted()

    def close(self) -> None:
        self.closed = True


@dataclass
class Told:
    """What was reported, and when it is enough."""

    reports: list[Report] = field(default_factory=list)
    enough: threading.Event = field(default_factory=threading.Event)

    def __call__(self, report: Report) -> None:
        self.reports.append(report)
        if isinstance(report, RequestSettled | GaveUp):
            self.enough.set()


def deliver(service: Service, told: Told) -> HeldDelivery:
    """A delivery that sends there."""
    stopping = threading.Event()
    return HeldDelivery(service, ENDPOINT, a_hold(), report=told, stopping=stopping)


def test_nothing_goes_before_the_end() -> None:
    """Whatever else is asked of it: no time that passes, and no lack of room."""
    service, told = Service(), Told()
    delivery = deliver(service, told)
    add(delivery, 1, "ann")
    delivery.send_all()
    delivery.send_due()
    assert (service.bodies, delivery.under_way, delivery.first_unsettled()) == ([], 0, 1)
    assert delivery.unsettled_bytes > 0
    delivery.stop()
    delivery.join(0)
    assert told.reports == []
    assert service.bodies == []


def test_a_stop_at_the_end() -> None:
    """What was handed over and not begun does not begin."""
    service, told = Service(), Told()
    delivery = deliver(service, told)
    add(delivery, 1, "ann")
    delivery.stop()
    delivery.end()
    assert told.enough.wait(10)
    [report] = [each for each in told.reports if isinstance(each, GaveUp)]
    assert isinstance(report.error, InterruptedSyncError)
    assert service.bodies == []


def test_a_repeat_shares_the_fate() -> None:
    """Of a user who is refused, each record is rejected; of one who is not, each is accepted."""
    service, told = Service(refuses=lambda body: b"bob" in body), Told()
    delivery = deliver(service, told)
    for position, who in enumerate(["ann", "bob", "ann", "bob", "cyd"], 1):
        add(delivery, position, who)
    delivery.end()
    assert told.enough.wait(10)
    [report] = [each for each in told.reports if isinstance(each, RequestSettled)]
    settlement = report.settlement
    assert sorted(settlement.positions) == [1, 2, 3, 4, 5]
    assert sorted(each.position for each in settlement.rejections) == [2, 4]
    assert settlement.merged == 1
    delivery.request_settled(report)
    assert delivery.under_way == 0


def test_all_are_refused() -> None:
    """After a hundred of them it asks no more, and tells which they were."""
    service, told = Service(refuses=lambda _: True), Told()
    delivery = deliver(service, told)
    for position in range(1, 1_001):
        add(delivery, position, f"person{position}")
    delivery.end()
    assert told.enough.wait(30)
    [report] = [each for each in told.reports if isinstance(each, RequestSettled)]
    assert (report.batches, len(report.settlement.rejections)) == (0, 100)
    assert len(service.bodies) < 250
