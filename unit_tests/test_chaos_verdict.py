"""The fault suite itself: its runs repeat, and what it judges can fail."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from chaos import model
from chaos.leaks import leaks
from chaos.scenario import APIS, drawn
from chaos.source import Row, State
from chaos.verdict import BrokenPromiseError, States


def test_a_run_repeats() -> None:
    """Seed and number give the same run; another number gives another."""
    assert drawn(1, 4, 500) == drawn(1, 4, 500) != drawn(1, 5, 500)


def test_the_runs_are_of_all_kinds() -> None:
    """All APIs, 1 to 8 requests at once, deaths, hangs, poison, 413, and states of any density."""
    runs = [drawn(1, run, 300) for run in range(100)]
    assert {run.api for run in runs} == set(APIS)
    assert {run.requests_in_flight for run in runs} == set(range(1, 9))
    assert sum(len(run.deaths) for run in runs) >= 40
    assert any(run.hangs for run in runs)
    assert any(run.heap.max_body_bytes for run in runs)
    fates = {row.fate for run in runs for row in run.rows}
    assert fates == {"lands", "unmapped", "refused"}


SCENARIO = next(
    run
    for run in (drawn(3, number, 300) for number in range(100))
    if sum(isinstance(one, State) for one in run.source) > 10
)


def outgoing(settled: bool = True) -> tuple[States, list[dict[str, Any]]]:
    """A judge of states, and the states as a good connector lets them out."""
    rows: list[Row] = []
    said = []
    for one in SCENARIO.source:
        if isinstance(one, Row):
            rows.append(one)
            continue
        accepted, rejected = model.counts(rows)
        message = deepcopy(one.message)
        message["state"]["destinationStats"] = {
            "recordCount": float(accepted),
            "rejectedRecordCount": float(rejected),
        }
        said.append(message)
        rows = []
    return States(SCENARIO.source, lambda _: settled), said


def judge(states: States, said: list[dict[str, Any]]) -> None:
    for message in said:
        states.take(deepcopy(message))


def test_good_states_pass() -> None:
    """States as they came, in order, with the right counts."""
    states, said = outgoing()
    judge(states, said)
    assert states.safe == len(SCENARIO.source)


def swapped(said: list[dict[str, Any]]) -> None:
    said[1], said[2] = said[2], said[1]


def miscounted(said: list[dict[str, Any]]) -> None:
    said[2]["state"]["destinationStats"]["recordCount"] += 1


def renumbered(said: list[dict[str, Any]]) -> None:
    said[2]["id"] += 1


def doubled(said: list[dict[str, Any]]) -> None:
    said.append(said[-1])


@pytest.mark.parametrize("spoil", [swapped, miscounted, renumbered, doubled])
def test_bad_states_are_found(spoil: Any) -> None:
    """A state out of order, with a wrong count or id, or twice."""
    states, said = outgoing()
    spoil(said)
    with pytest.raises(BrokenPromiseError):
        judge(states, said)


def test_an_early_state_is_found() -> None:
    """A state whose rows Heap has not settled."""
    states, said = outgoing(settled=False)
    with pytest.raises(BrokenPromiseError, match="before its rows"):
        judge(states, said)


DATA = {
    "who": "zoë@example.com",
    "street": "Second",
    "deep": [{"n": 4815162342}],
    "quote": 'a "b" c',
    "x": "abc",
}
FED = [json.dumps({"type": "RECORD", "record": {"data": DATA}}).encode(), b"x" * 30]


def log(message: str) -> bytes:
    return json.dumps({"type": "LOG", "log": {"message": message}}).encode()


@pytest.mark.parametrize(
    "shown",
    [
        log("no such user ZOË@example.com"),
        log("value 4815162342"),
        log('{"quote": a "b" c}'),
        log("app 3000610572"),
        log("cannot read " + "x" * 30),
        b"Traceback: zo\xc3\xab@example.com",
    ],
)
def test_what_is_shown_is_found(shown: bytes) -> None:
    """Any value fed in, escaped or not, in a message or in none, and the app_id."""
    assert leaks(FED, "3000610572", [b"fine", shown])


def test_what_may_be_shown() -> None:
    """Names, counts, short texts, parts of words, and states, which are the source's own."""
    state = b'{"type":"STATE","state":{"data":{"cursor":"zo\xc3\xab@example.com"}}}'
    assert leaks(FED, "3000610572", [log("column `who` abc 4815 in 2 seconds"), state, b""]) == []
