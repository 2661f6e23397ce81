"""The fault suite itself: its runs repeat, and what it judges can fail."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from integration_tests.chaos import model, play
from integration_tests.chaos.kept import Kept
from integration_tests.chaos.leaks import leaks
from integration_tests.chaos.scenario import APIS, Scenario, drawn
from integration_tests.chaos.source import Row, State, Stream
from integration_tests.chaos.verdict import (
    BrokenPromiseError,
    States,
    files_are_right,
    same,
    the_input_is_held,
)
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
    """All APIs, 1 to 8 requests at once, deaths, hangs, poison, 413, and states of any density.

    A third of all runs, those into Hackle among them, loads several streams, in all ways.
    """
    runs = [drawn("heap", 1, run, 300) for run in range(160)]
    several = [run for run in runs if len(run.streams) > 1]
    assert len(several) > (160 + 60) / 3
    assert {run.choice for run in runs} == {"for all", "by_stream", "by_object"}
    assert {len(run.streams) for run in several} == {2, 3}
    of_one_api = [run for run in several if len({each.api for each in run.streams}) == 1]
    of_one_name = [run for run in several if len({each.name for each in run.streams}) == 1]
    assert of_one_api
    assert of_one_name
    assert sum(len(run.deaths) for run in several) >= 20
    kinds = {one.message["state"]["type"] for run in several for one in states_of(run)}
    assert kinds == {"STREAM", "GLOBAL", "LEGACY"}
    assert {run.keeps for run in several} == {True, False}
    assert {run.streams[0].api for run in runs} == set(APIS["heap"])
    assert {run.requests_in_flight for run in runs} == set(range(1, 9))
    assert sum(len(run.deaths) for run in runs) >= 40
    assert any(run.hangs for run in runs)
    assert any(run.options.max_body_bytes for run in runs)
    fates = {row.fate for run in runs for row in run.rows}
    assert fates == {"lands", "unmapped", "refused"}


def test_the_runs_into_hackle() -> None:
    """Repeats dropped and kept, deaths with both; values of each kind, and events without one."""
    runs = [drawn("hackle", 1, run, 100) for run in range(60)]
    assert {(run.once, bool(run.deaths)) for run in runs} == {
        *((True, True), (True, False), (False, True), (False, False)),
    }
    events = [event for run in runs for event in model.events(run).values()]
    assert {type(event["value"]) for event in events} == {int, float, type(None)}
    assert max(len(event["properties"]) for event in events) == 128
    amounts = [row.data.get("amount") for run in runs for row in run.rows if row.data]
    assert {str, float, list, dict} <= {type(amount) for amount in amounts}


def states_of(run: Scenario) -> list[State]:
    return [one for one in run.source if isinstance(one, State)]


def with_states(streams: int) -> Scenario:
    """A run with many states, of so many streams."""
    return next(
        run
        for run in (drawn("heap", 3, number, 300) for number in range(200))
        if len(states_of(run)) > 10 and len(run.streams) == streams
    )


SCENARIO, THREE = with_states(1), with_states(3)


def outgoing(
    scenario: Scenario = SCENARIO, is_settled: Callable[[int], bool] = lambda _: True
) -> tuple[States, list[dict[str, Any]]]:
    """A judge of states, and the states as a good connector lets them out."""
    rows: list[Row] = []
    said = []
    for one in scenario.source:
        if isinstance(one, Row):
            rows.append(one)
            continue
        own = [row for row in rows if row.stream is None or row.stream in one.covers]
        rows = [row for row in rows if row not in own]
        accepted, rejected = model.counts(own)
        message = deepcopy(one.message)
        message["state"]["destinationStats"] = {
            "recordCount": float(accepted),
            "rejectedRecordCount": float(rejected),
        }
        said.append(message)
    return States(scenario.source, is_settled), said


def judge(states: States, said: list[dict[str, Any]]) -> None:
    for message in said:
        states.take(deepcopy(message))


@pytest.mark.parametrize("scenario", [SCENARIO, THREE], ids=["one", "three"])
def test_good_states_pass(scenario: Scenario) -> None:
    """States as they came, in order, with the right counts."""
    states, said = outgoing(scenario)
    judge(states, said)
    assert states.left == ()


def row(number: int, stream: int | None, fate: Literal["lands", "unmapped"] = "lands") -> Row:
    return Row(number, b"{}", fate, None, stream)


def state(number: int, covers: set[int], waits_for: set[int]) -> State:
    return State(b"", {"id": number, "state": {}}, frozenset(covers), frozenset(waits_for))


def said_of(state: State, accepted: int, rejected: int = 0) -> dict[str, Any]:
    counts = {"recordCount": accepted, "rejectedRecordCount": rejected}
    return {**state.message, "state": {"destinationStats": counts}}


#: A row of each of two streams, and one of none.
TWO = (row(1, 0), row(2, 1), row(3, None, "unmapped"))


@pytest.mark.parametrize(
    ("covers", "waits_for", "is_early"),
    [
        ({0}, {0}, False),  # STREAM
        ({1}, {1}, True),
        ({0}, {0, 1}, True),  # GLOBAL that lists one
        ({0, 1}, {0, 1}, True),  # LEGACY
        (set(), {0, 1}, True),  # of a stream that the catalog lacks
    ],
)
def test_what_a_state_waits_for(covers: set[int], waits_for: set[int], is_early: bool) -> None:
    """A STREAM state for its stream, all others for all; here one row is not settled."""
    one = state(7, covers, waits_for)
    states = States((*TWO, one), lambda number: number == 1)
    accepted = len(covers)
    if is_early:
        with pytest.raises(BrokenPromiseError, match="before its rows"):
            states.take(said_of(one, accepted, 1))
    else:
        states.take(said_of(one, accepted, 1))
        assert states.left == (TWO[1],)


def test_a_row_counts_in_the_next_state_of_its_stream() -> None:
    """What is of no stream counts in the next of any; a held stream's rows stay its own."""
    first, second = state(7, {0}, {0}), state(8, {1}, {1})
    source = (*TWO, first, row(4, 0), second)
    for told, is_right in (((1, 0), True), ((2, 0), False), ((1, 1), False)):
        states = States(source, lambda _: True)
        states.take(said_of(first, 1, 1))
        assert states.left == (TWO[1], row(4, 0), second)
        if is_right:
            states.take(said_of(second, *told))
            assert states.left[0] == row(4, 0)
        else:
            with pytest.raises(BrokenPromiseError, match="counts"):
                states.take(said_of(second, *told))


def test_states_that_share_a_stream_keep_their_order() -> None:
    """One of another stream may go ahead; one for all may not."""
    own, other, both = state(7, {0}, {0}), state(8, {1}, {1}), state(9, {0, 1}, {0, 1})
    states = States((own, other, both), lambda _: True)
    states.take(said_of(other, 0))
    with pytest.raises(BrokenPromiseError, match="in order"):
        states.take(said_of(both, 0))


def test_a_rejected_row_is_in_its_streams_file(tmp_path: Path) -> None:
    """Before a state behind it leaves; in no other stream's, and as it came."""
    streams = [Stream("people", "track", True, "us"), Stream("people", "track", True, "eu")]
    line = b'{"type": "RECORD", "record": {"data": {"n": 1}, "emitted_at": 5}}'
    scenario = replace(THREE, streams=tuple(streams), source=(Row(1, line, "refused", {}, 1),))
    one = state(7, {1}, {1})
    kept = Kept(tmp_path, streams)
    with pytest.raises(BrokenPromiseError, match="is kept"):
        States((*scenario.rows, one), lambda _: True, kept).take(said_of(one, 0, 1))
    noted = line.replace(b"5}", b'5, "meta": {"rejection_reason": "x"}}')
    for folder, spoiled, problem in (
        ("0/us/people", noted, "its stream's folder"),
        ("0/eu/people", noted.replace(b"data", b"datum"), "as it came"),
        ("0/eu/people", noted.replace(b"1", b"2"), "only what was rejected"),
    ):
        path = tmp_path / problem / folder / "a.jsonl"
        path.parent.mkdir(parents=True)
        path.write_bytes(spoiled + b"\n")
        landed = Row(2, line, "lands", {}, 1)
        of_both = replace(scenario, source=(*scenario.source, landed))
        with pytest.raises(BrokenPromiseError, match=problem):
            files_are_right(of_both, Kept(tmp_path / problem, streams))
        path.unlink()
        path.write_bytes(noted + b"\n")
    good = Kept(tmp_path / "as it came", streams)
    files_are_right(scenario, good)
    States((*scenario.rows, one), lambda _: True, good).take(said_of(one, 0, 1))


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
    states, said = outgoing(is_settled=lambda _: False)
    with pytest.raises(BrokenPromiseError, match="before its rows"):
        judge(states, said)


HACKLE = next(
    run
    for run in (drawn("hackle", 5, number, 60) for number in range(20))
    if not run.once and run.streams[0].keyed
)


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
