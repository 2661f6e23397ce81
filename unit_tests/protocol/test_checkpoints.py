"""States leave when every record before them is settled, in order, with true counts."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulk_destination.protocol.checkpoints import Checkpoints

LAW = settings(derandomize=True, max_examples=100, deadline=None)


def _state(number: int) -> dict[str, Any]:
    return {"type": "STATE", "id": number, "state": {"type": "STREAM", "n": number}}


class Simulation:
    """Lanes with batches, played by hand; knows for each record whether it is settled."""

    def __init__(self, lanes: int) -> None:
        self.checkpoints = Checkpoints()
        self.open: list[list[int]] = [[] for _ in range(lanes)]
        self.closed: list[list[list[int]]] = [[] for _ in range(lanes)]
        self.done = [0] * lanes
        self.records = 0
        self.settled: set[int] = set()
        self.rejected: set[int] = set()
        self.states: list[int] = []
        self.left: list[dict[str, Any]] = []

    def record(self, lane: int, rejected: bool) -> None:
        self.records += 1
        if rejected:
            self._reject(self.records)
        else:
            self.open[lane].append(self.records)

    def _reject(self, position: int) -> None:
        self.checkpoints.rejected(position)
        self.rejected.add(position)
        self.settled.add(position)

    def state(self) -> None:
        marks = [
            len(closed) + bool(open_) for closed, open_ in zip(self.closed, self.open, strict=True)
        ]
        self.checkpoints.arrived(_state(len(self.states)), self.records, marks)
        self.states.append(self.records)

    def close(self, lane: int) -> None:
        if self.open[lane]:
            self.closed[lane].append(self.open[lane])
            self.open[lane] = []

    def settle(self, lane: int, rejects: int) -> None:
        if self.done[lane] < len(self.closed[lane]):
            for position in self.closed[lane][self.done[lane]]:
                if position % 5 < rejects:
                    self._reject(position)
                self.settled.add(position)
            self.done[lane] += 1

    def take(self) -> None:
        self.left += [json.loads(line) for line in self.checkpoints.settled(self.done)]
        may_leave = 0
        for position in self.states:
            if not self.settled.issuperset(range(1, position + 1)):
                break
            may_leave += 1
        assert len(self.left) == may_leave
        assert len(self.checkpoints) == len(self.states) - may_leave


LANES = 3
STEPS = st.lists(
    st.tuples(st.just("record"), st.integers(0, LANES - 1), st.sampled_from([False, False, True]))
    | st.tuples(st.just("state"))
    | st.tuples(st.just("close"), st.integers(0, LANES - 1))
    | st.tuples(st.just("settle"), st.integers(0, LANES - 1), st.integers(0, 5)),
    max_size=60,
)


@given(STEPS)
@LAW
def test_states_leave_in_order_when_their_records_are_settled(steps: list[tuple[Any, ...]]) -> None:
    """At any interleaving: none too early, none too late, one for one, counts that add up."""
    simulation = Simulation(LANES)
    for name, *arguments in steps:
        getattr(simulation, name)(*arguments)
        simulation.take()
    for lane in range(LANES):
        simulation.close(lane)
        while simulation.done[lane] < len(simulation.closed[lane]):
            simulation.settle(lane, 1)
            simulation.take()
    simulation.take()

    assert [message["id"] for message in simulation.left] == [*range(len(simulation.states))]
    previous = 0
    for message, position in zip(simulation.left, simulation.states, strict=True):
        rejected = len([at for at in simulation.rejected if previous < at <= position])
        stats = message["state"].pop("destinationStats")
        assert message == _state(message["id"])
        assert stats == {
            "recordCount": position - previous - rejected,
            "rejectedRecordCount": rejected,
        }
        previous = position
    assert len(simulation.checkpoints) == 0


def test_state_before_any_record_leaves_at_once() -> None:
    """Nothing stands before it."""
    checkpoints = Checkpoints()
    checkpoints.arrived(_state(0), 0, [0, 0])
    [line] = checkpoints.settled([0, 0])
    assert json.loads(line)["state"]["destinationStats"] == {
        "recordCount": 0.0,
        "rejectedRecordCount": 0.0,
    }


def test_state_waits_for_the_slowest_lane() -> None:
    """A lane that is ahead lets no state out; a later state never passes an earlier one."""
    checkpoints = Checkpoints()
    checkpoints.arrived(_state(0), 2, [1, 1])
    checkpoints.arrived(_state(1), 3, [2, 0])
    assert checkpoints.settled([2, 0]) == []
    assert [json.loads(line)["id"] for line in checkpoints.settled([2, 1])] == [0, 1]
    assert checkpoints.settled([2, 1]) == []


def test_late_rejection_counts_to_its_own_state() -> None:
    """A record refused long after later states came in is counted where it stood."""
    checkpoints = Checkpoints()
    checkpoints.arrived(_state(0), 2, [1])
    checkpoints.arrived(_state(1), 4, [1])
    checkpoints.rejected(2)
    checkpoints.rejected(3)
    checkpoints.rejected(5)
    checkpoints.arrived(_state(2), 5, [1])
    counts = [
        tuple(json.loads(line)["state"]["destinationStats"].values())
        for line in checkpoints.settled([1])
    ]
    assert counts == [(1.0, 1.0), (1.0, 1.0), (0.0, 1.0)]


@pytest.mark.parametrize(
    ("unsaved", "leave"), [(1, []), (2, []), (3, [0]), (5, [0, 1]), (6, [0, 1, 2])]
)
def test_a_state_waits_for_the_file_of_what_was_rejected(unsaved: int, leave: list[int]) -> None:
    """None passes the first rejected record that is not written down; those before it may go."""
    checkpoints = Checkpoints()
    for number, position in enumerate((2, 4, 5)):
        checkpoints.arrived(_state(number), position, [1])
    assert [json.loads(line)["id"] for line in checkpoints.settled([1], unsaved)] == leave
    rest = [json.loads(line)["id"] for line in checkpoints.settled([1])]
    assert leave + rest == [0, 1, 2]
