"""The fault suite itself: its runs repeat, and what it judges can fail."""

from __future__ import annotations

import json
import subprocess
from copy import deepcopy
from typing import Any

import pytest

from integration_tests.chaos import model, play
from integration_tests.chaos.leaks import leaks
from integration_tests.chaos.scenario import APIS, drawn
from integration_tests.chaos.source import Row, State
from integration_tests.chaos.verdict import BrokenPromiseError, States, same, the_input_is_held
from integration_tests.chaos.witness import Witness
from sandbox.hackle import Sandbox as Hackle
from sandbox.hackle import SandboxOptions as HackleOptions
from sandbox.intake import Write


def test_a_run_repeats() -> None:
    """Seed and number give the same run; another number gives another."""
    assert drawn("heap", 1, 4, 500) == drawn("heap", 1, 4, 500) != drawn("heap", 1, 5, 500)


def test_a_failed_run_says_how_to_have_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a command that can be typed in the folder it was said in."""

    def breaks(_: object) -> None:
        raise BrokenPromiseError("a row is lost")

    monkeypatch.setattr(play, "load", breaks)
    with pytest.raises(play.FailedRunError, match="a row is lost") as failed:
        play.play("hackle", 3, 17, 500)
    command = str(failed.value).rpartition("Once more: ")[2]
    assert command.endswith(" --service hackle --seed 3 --run 17 --largest 500")
    # All of it is read before it says what it knows.
    said = subprocess.run(
        f"{command} --help", shell=True, capture_output=True, text=True, timeout=60, check=True
    )
    assert "--largest" in said.stdout


def test_the_runs_are_of_all_kinds() -> None:
    """All APIs, 1 to 8 requests at once, deaths, hangs, poison, 413, and states of any density."""
    runs = [drawn("heap", 1, run, 300) for run in range(100)]
    assert {run.api for run in runs} == set(APIS["heap"])
    assert {run.requests_in_flight for run in runs} == set(range(1, 9))
    assert sum(len(run.deaths) for run in runs) >= 40
    assert any(run.hangs for run in runs)
    assert any(run.options.max_body_bytes for run in runs)
    fates = {row.fate for run in runs for row in run.rows}
    assert fates == {"lands", "unmapped", "refused"}


def test_the_runs_into_hackle() -> None:
    """Repeats dropped and kept, deaths with both; values of each kind, and events without one."""
    runs = [drawn("hackle", 1, run, 100) for run in range(40)]
    assert {(run.once, bool(run.deaths)) for run in runs} == {
        *((True, True), (True, False), (False, True), (False, False)),
    }
    events = [event for run in runs for event in model.events(run).values()]
    assert {type(event["value"]) for event in events} == {int, float, type(None)}
    assert max(len(event["properties"]) for event in events) == 128
    amounts = [row.data.get("amount") for run in runs for row in run.rows if row.data]
    assert {str, float, list, dict} <= {type(amount) for amount in amounts}


SCENARIO = next(
    run
    for run in (drawn("heap", 3, number, 300) for number in range(100))
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


HACKLE = next(run for run in (drawn("hackle", 5, n, 60) for n in range(20)) if not run.once)


def landed(local: Hackle, *, like: str = "") -> Witness:
    """Has the scenario's events in a local Hackle, under ids that differ if `like` does."""
    items: list[dict[str, Any]] = []
    for number, event in model.events(HACKLE).items():
        items.append(
            {
                **{"insertId": f"id{number}{like}", "timestamp": event["timestamp"] or 1},
                **{"userId": event["user_id"], "identifiers": {"$id": event["user_id"]}},
                **{"userProperties": {}, "hackleProperties": {}, "eventTypeId": 0},
                **{"eventTypeKey": event["event_key"], "value": event["value"]},
                "properties": event["properties"],
            }
        )
    lists: dict[str, Any] = {"exposureEvents": [], "remoteConfigEvents": [], "trackEvents": items}
    headers = {
        **{"X-HACKLE-SDK-KEY": "k", "X-HACKLE-SDK-NAME": "n", "X-HACKLE-SDK-VERSION": "v"},
        **{"X-HACKLE-SDK-TIME": "1700000000000", "Content-Type": "application/json"},
    }
    assert local.track(Write(json.dumps(lists).encode(), headers)).status == 200
    witness = Witness(lambda *_: None)  # type: ignore[arg-type]
    witness.accepted.update(model.events(HACKLE).keys())
    return witness


def test_repeats_that_are_kept_are_judged() -> None:
    """An event once for each time that it was sent; not once more, and not under another id."""
    local = Hackle(HackleOptions(deduplicate=False))
    once = landed(local)
    the_input_is_held(HACKLE, local, once)
    twice = landed(local)
    with pytest.raises(BrokenPromiseError, match="as often as sent"):
        the_input_is_held(HACKLE, local, once)
    # The second time, no answer came.
    twice.unanswered.update(twice.accepted)
    the_input_is_held(HACKLE, local, twice)
    landed(local, like="other")
    with pytest.raises(BrokenPromiseError, match="has one id"):
        the_input_is_held(HACKLE, local, twice)


@pytest.mark.parametrize(("ours", "theirs"), [(1, True), (1, 1.0), ("1", 1), (None, 0)])
def test_a_value_of_another_kind_is_found(ours: Any, theirs: Any) -> None:
    """JSON tells apart what Python takes for equal."""
    assert same(ours, ours)
    assert not same(ours, theirs)


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
