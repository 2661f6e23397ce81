"""States leave when the records that they wait for are settled, in order, with true counts."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulk_destination.mapping.stream import Stream
from bulk_destination.protocol.catalog import Catalog
from bulk_destination.protocol.checkpoints import Checkpoints
from bulk_destination.protocol.messages import StateMessage
from bulk_destination.protocol.spool import Spool

LAW = settings(derandomize=True, max_examples=300, deadline=None)

CATALOG = Catalog((Stream("orders"), Stream("users", "crm"), Stream("users", "shop")))
#: The last is none of them.
KEYS = (0, 1, 2, None)


def _part(stream: int | None) -> dict[str, Any]:
    """A stream's part of a state."""
    name, namespace = "users", None
    if stream is not None:
        name, namespace = CATALOG.streams[stream].name, CATALOG.streams[stream].namespace
    named = {} if namespace is None else {"namespace": namespace}
    return {"stream_descriptor": {"name": name, **named}, "stream_state": {}}


def _stream(stream: int | None, number: int = 0) -> dict[str, Any]:
    state = {"type": "STREAM", "stream": _part(stream)}
    return {"type": "STATE", "id": number, "state": state}


def _global(*streams: int | None, number: int = 0) -> dict[str, Any]:
    parts = [_part(stream) for stream in streams]
    state = {"type": "GLOBAL", "global": {"shared_state": {}, "stream_states": parts}}
    return {"type": "STATE", "id": number, "state": state}


def _legacy(number: int = 0) -> dict[str, Any]:
    return {"type": "STATE", "id": number, "state": {"type": "LEGACY", "data": {}}}


def _came(message: dict[str, Any]) -> StateMessage:
    return StateMessage(json.dumps(message).encode(), message["state"])


def _counts(line: bytes) -> tuple[float, float]:
    stats = json.loads(line)["state"]["destinationStats"]
    return stats["recordCount"], stats["rejectedRecordCount"]


def _ids(lines: Iterable[bytes]) -> list[int]:
    return [json.loads(line)["id"] for line in lines]


@dataclass
class _Sent:
    message: dict[str, Any]
    position: int
    #: Whose records it counts (None: all), and whose it waits for.
    counts: set[int | None] | None
    waits_for: int | None

    def shares_a_stream(self, other: "_Sent") -> bool:
        if self.counts == {None} or other.counts == {None}:
            return False  # What is not in the catalog waits for all records, and for no state.
        return self.counts is None or other.counts is None or bool(self.counts & other.counts)


@dataclass
class Simulation:
    """The rules as a table of all records and all states, looked up and never kept up."""

    checkpoints: Checkpoints = field(
        default_factory=lambda: Checkpoints(3, CATALOG.find, Spool(), 150)
    )
    #: By record: its stream.
    records: list[int | None] = field(default_factory=list)
    settled: set[int] = field(default_factory=set)
    rejected: set[int] = field(default_factory=set)
    sent: list[_Sent] = field(default_factory=list)
    left: list[dict[str, Any]] = field(default_factory=list)

    def record(self, stream: int | None, rejected: bool) -> None:
        self.records.append(stream)
        if rejected or stream is None:
            self._reject(len(self.records))

    def _reject(self, position: int) -> None:
        self.checkpoints.rejected(position, self.records[position - 1])
        self.rejected.add(position)
        self.settled.add(position)

    def settle(self, at: int, rejected: bool) -> None:
        open_ = [n for n in range(1, len(self.records) + 1) if n not in self.settled]
        if open_:
            position = open_[at % len(open_)]
            if rejected:
                self._reject(position)
            self.settled.add(position)

    def stream(self, stream: int | None) -> None:
        self._state(_stream(stream, len(self.sent)), {stream}, stream)

    def shared(self, streams: list[int | None]) -> None:
        self._state(_global(*streams, number=len(self.sent)), set(streams) or None, None)

    def legacy(self) -> None:
        self._state(_legacy(len(self.sent)), None, None)

    def _state(
        self, message: dict[str, Any], counts: set[int | None] | None, waits_for: int | None
    ) -> None:
        self.sent.append(_Sent(message, len(self.records), counts, waits_for))
        read = [self.records.count(stream) for stream in range(3)]
        self.checkpoints.arrived(_came(message), len(self.records), read)

    def take(self) -> None:
        unsettled = [
            next(
                (n for n, of in enumerate(self.records, 1) if of == s and n not in self.settled),
                None,
            )
            for s in range(3)
        ]
        self.left += [json.loads(line) for line in self.checkpoints.settled(unsettled)]
        assert {message["id"] for message in self.left} == set(self._may_have_left())
        assert len(self.checkpoints) == len(self.sent) - len(self.left)
        left = [message["id"] for message in self.left]
        waiting = [each.message for n, each in enumerate(self.sent) if n not in left]
        assert self.checkpoints.size == sum(len(_came(each).line) for each in waiting)

    def _may_have_left(self) -> list[int]:
        may: list[int] = []
        for number, sent in enumerate(self.sent):
            before = range(1, sent.position + 1)
            waits_for = [n for n in before if sent.waits_for in (None, self.records[n - 1])]
            earlier = [n for n in range(number) if sent.shares_a_stream(self.sent[n])]
            if self.settled.issuperset(waits_for) and set(may).issuperset(earlier):
                may.append(number)
        return may

    def counts(self) -> list[tuple[float, float]]:
        """Of each state: records and rejected ones, by looking for each record's state."""
        totals = [[0.0, 0.0] for _ in self.sent]
        for position, stream in enumerate(self.records, 1):
            for number, sent in enumerate(self.sent):
                covers = sent.counts is None or stream in sent.counts or stream is None
                if sent.position >= position and covers:
                    totals[number][position in self.rejected] += 1
                    break
        return [(good, bad) for good, bad in totals]


STEPS = st.lists(
    st.tuples(st.just("record"), st.sampled_from(KEYS), st.sampled_from([False, False, True]))
    | st.tuples(st.just("settle"), st.integers(0, 20), st.booleans())
    | st.tuples(st.just("stream"), st.sampled_from(KEYS))
    | st.tuples(st.just("shared"), st.lists(st.sampled_from(KEYS), max_size=4, unique=True))
    | st.tuples(st.just("legacy")),
    max_size=60,
)


@given(STEPS)
@LAW
def test_states_leave_in_order_when_their_records_are_settled(steps: list[tuple[Any, ...]]) -> None:
    """At any interleaving: none too early, none too late, one for one, counts that add up."""
    simulation = Simulation()
    for name, *arguments in steps:
        getattr(simulation, name)(*arguments)
        simulation.take()
    for _ in simulation.records:
        simulation.settle(3, rejected=False)
        simulation.take()

    assert len(simulation.left) == len(simulation.sent)
    assert len(simulation.checkpoints) == 0
    by_id = {message["id"]: message for message in simulation.left}
    counts = simulation.counts()
    for number, sent in enumerate(simulation.sent):
        stats = by_id[number]["state"].pop("destinationStats")
        assert by_id[number] == sent.message
        assert (stats["recordCount"], stats["rejectedRecordCount"]) == counts[number]


@given(STEPS)
@LAW
def test_one_stream_has_one_order(steps: list[tuple[Any, ...]]) -> None:
    """Where the catalog has one stream, all states leave as they came, whatever they name."""
    simulation = Simulation()
    simulation.checkpoints = Checkpoints(
        1, lambda *named: 0 if named == ("orders", None) else None, Spool(), 150
    )
    for name, *arguments in steps:
        if name == "record" and arguments[0] in (1, 2):
            continue
        if name in {"stream", "shared", "legacy", "record", "settle"}:
            getattr(simulation, name)(*arguments)
        first = next(
            (n for n in range(1, len(simulation.records) + 1) if n not in simulation.settled), None
        )
        simulation.left += [json.loads(line) for line in simulation.checkpoints.settled([first])]
        ids = [message["id"] for message in simulation.left]
        assert ids == [*range(len(ids))]


def test_state_before_any_record_leaves_at_once() -> None:
    """Nothing stands before it."""
    checkpoints = Checkpoints(1, CATALOG.find, Spool(), 150)
    checkpoints.arrived(_came(_stream(0)), 0, [0])
    [line] = checkpoints.settled([None])
    assert _counts(line) == (0.0, 0.0)


def test_a_stream_that_is_held_holds_no_other() -> None:
    """Users are all in, so their state leaves, though orders before it are not."""
    checkpoints = Checkpoints(3, CATALOG.find, Spool(), 150)
    checkpoints.arrived(_came(_stream(0, 0)), 2, [2, 0, 0])
    checkpoints.arrived(_came(_stream(1, 1)), 3, [2, 1, 0])
    checkpoints.arrived(_came(_global(0, number=2)), 3, [2, 1, 0])
    assert _ids(checkpoints.settled([1, None, None])) == [1]
    assert _ids(checkpoints.settled([None, None, None])) == [0, 2]


def test_a_global_state_waits_for_streams_that_it_does_not_list() -> None:
    """What it shares may stand for all; its counts are of those that it lists."""
    checkpoints = Checkpoints(3, CATALOG.find, Spool(), 150)
    checkpoints.arrived(_came(_global(0)), 5, [2, 3, 0])
    assert [*checkpoints.settled([None, 4, None])] == []
    [line] = checkpoints.settled([None, None, None])
    assert _counts(line) == (2.0, 0.0)


def test_late_rejection_counts_to_its_own_state() -> None:
    """A record refused long after later states came in is counted where it stood."""
    checkpoints = Checkpoints(3, CATALOG.find, Spool(), 150)
    checkpoints.arrived(_came(_stream(0, 0)), 2, [2, 0, 0])
    checkpoints.arrived(_came(_stream(1, 1)), 3, [2, 1, 0])
    checkpoints.arrived(_came(_stream(0, 2)), 5, [4, 1, 0])
    for position in (2, 4, 6):
        checkpoints.rejected(position, 0)
    checkpoints.rejected(3, 1)
    checkpoints.arrived(_came(_stream(0, 3)), 6, [5, 1, 0])
    counts = [_counts(line) for line in checkpoints.settled([None] * 3)]
    assert counts == [(1.0, 1.0), (0.0, 1.0), (1.0, 1.0), (0.0, 1.0)]


@pytest.mark.parametrize(
    ("unsettled", "leave"), [(1, []), (2, []), (3, [0]), (5, [0, 1]), (6, [0, 1, 2])]
)
def test_a_state_passes_no_record_that_is_not_settled(unsettled: int, leave: list[int]) -> None:
    """None passes the first one; those before it may go."""
    checkpoints = Checkpoints(1, CATALOG.find, Spool(), 150)
    for number, position in enumerate((2, 4, 5)):
        checkpoints.arrived(_came(_stream(0, number)), position, [position])
    assert _ids(checkpoints.settled([unsettled])) == leave
    assert leave + _ids(checkpoints.settled([None])) == [0, 1, 2]


@pytest.mark.parametrize(
    "state",
    [
        {"type": "STREAM"},
        {"type": "STREAM", "stream": {"stream_descriptor": "orders"}},
        {"type": "GLOBAL"},
        {"type": "GLOBAL", "global": {"stream_states": {"orders": 1}}},
        {"type": ["STREAM"], "stream": _part(0)},
        {"data": {}},
        {},
    ],
    ids=json.dumps,
)
def test_a_state_that_names_no_stream_waits_for_all(state: dict[str, Any]) -> None:
    """Whatever it is: it is counted for all, and handed back."""
    checkpoints = Checkpoints(3, CATALOG.find, Spool(), 150)
    checkpoints.rejected(4, None)
    checkpoints.arrived(_came({"type": "STATE", "state": state}), 4, [1, 1, 1])
    assert [*checkpoints.settled([None, 2, None])] == []
    [line] = checkpoints.settled([None] * 3)
    assert _counts(line) == (3.0, 1.0)


# -- a stream that is given up --------------------------------------------------------------------


def test_states_of_a_stream_that_is_given_up() -> None:
    """They take no room any more; one that came before may leave yet, none that comes behind."""
    checkpoints = Checkpoints(3, CATALOG.find, Spool())
    came = [_stream(0, 1), _stream(1, 2), _global(0, 1, number=3), _stream(0, 4)]
    for position, message in enumerate(came, start=1):
        checkpoints.arrived(_came(message), position, [0, 0, 0])
    checkpoints.close(1)
    assert len(checkpoints) == 2
    assert checkpoints.size == sum(len(_came(each).line) for each in (came[0], came[3]))
    checkpoints.arrived(_came(_stream(1, 5)), 9, [0, 0, 0])
    checkpoints.arrived(_came(_legacy(6)), 9, [0, 0, 0])
    checkpoints.arrived(_came(_stream(0, 7)), 9, [0, 0, 0])
    assert _ids(checkpoints.settled([None, 3, None])) == [1, 2], "the third waits for stream 1"
    assert _ids(checkpoints.settled([None, None, None])) == [3, 4, 7]
    assert (len(checkpoints), checkpoints.size) == (0, 0)


def test_states_that_will_never_leave_are_let_go() -> None:
    """Of the stream, and those that wait for all; the others leave in their order."""
    checkpoints = Checkpoints(3, CATALOG.find, Spool())
    for position, message in enumerate(
        [_stream(1, 1), _stream(0, 2), _legacy(3), _global(0, number=4), _stream(0, 5)], start=1
    ):
        checkpoints.arrived(_came(message), position, [0, 0, 0])
    checkpoints.close(1)
    checkpoints.discard(1)
    assert len(checkpoints) == 2
    assert _ids(checkpoints.settled([None, 0, None])) == [2, 5]
    assert len(checkpoints) == 0
