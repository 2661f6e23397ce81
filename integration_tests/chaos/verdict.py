"""What must hold. A `BrokenPromiseError` says it in words without values."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from integration_tests.chaos import model
from integration_tests.chaos.leaks import leaks
from integration_tests.chaos.process import Ended
from integration_tests.chaos.relay import Relay
from integration_tests.chaos.scenario import Scenario
from integration_tests.chaos.source import Json, Row, State
from integration_tests.chaos.witness import Witness
from sandbox.hackle import Sandbox as Hackle
from sandbox.heap import Sandbox as Heap


class BrokenPromiseError(AssertionError):
    """The connector did not do what it promises."""


def must(holds: bool, promise: str, *facts: object) -> None:
    """Raises if the promise does not hold; `facts` are counts, names and row numbers."""
    if not holds:
        raise BrokenPromiseError(f"{promise}: {', '.join(map(str, facts))}" if facts else promise)


class States:
    """Takes the states of one process as they are seen: each must be the next, and not early."""

    def __init__(self, source: Sequence[Row | State], is_settled: Callable[[int], bool]) -> None:
        self._source = source
        self._is_settled = is_settled
        self.seen = 0
        #: How much of `source` the states seen vouch for.
        self.safe = 0

    def take(self, message: Json) -> None:
        """A state was read from the connector's stdout just now."""
        self.seen += 1
        rows: list[Row] = []
        while self.safe < len(self._source):
            one = self._source[self.safe]
            self.safe += 1
            if isinstance(one, State):
                return self._compare(one, rows, message)
            rows.append(one)
        raise BrokenPromiseError("no state comes out that did not come in")

    def _compare(self, expected: State, rows: list[Row], message: Json) -> None:
        mapped = [row.number for row in rows if row.fate != "unmapped"]
        missing = [number for number in mapped if not self._is_settled(number)]
        must(not missing, "no state leaves before its rows are settled", missing[:5])
        stats = message["state"].pop("destinationStats")
        must(message == expected.message, "states come back as they came, in order", self.seen)
        told = stats["recordCount"], stats["rejectedRecordCount"]
        must(told == model.counts(rows), "a state's counts are right", self.seen, told)


def ended_well(ended: Ended, source: Sequence[Row | State], states: int) -> None:
    """A process that was let live: exit 0, all states out, and the books balance."""
    must(ended.code == 0, "the connector ends with 0", ended.code)
    must(not ended.stderr, "stderr stays empty", len(ended.stderr))
    expected = sum(isinstance(one, State) for one in source)
    must(states == expected, "every state leaves", states, expected)
    rows = [one for one in source if isinstance(one, Row)]
    told = tuple(ended.ledger.get(name) for name in ("read", "accepted", "rejected"))
    must(told == (len(rows), *model.counts(rows)), "the ledger is right", told)


def requests_were_right(
    witness: Witness, relay: Relay, ended: Ended, faults: int, hangs: bool
) -> None:
    """Retries send the same bytes, what is settled is not asked again, and all is counted.

    What the relay turned away may come again in halves, and without a wait, which is no retry.
    """
    unsettled = witness.arrived.keys() - witness.settled.keys() - relay.turned_away.keys()
    if not relay.cut_short:  # of those, it is not known what they were
        must(not unsettled, "a request that failed is sent again as it was", len(unsettled))
    told, seen = (ended.ledger["requests"], ended.ledger["retries"]), witness.arrived.total()
    seen += relay.answered
    if hangs:
        # With so short a patience, an answer that was only slow may come too late.
        must(told[0] >= seen and told[1] >= faults, "requests are counted", told, seen, faults)
        return
    if not relay.turned_away:  # else an accepted one may be sent again, to see who is there
        again = [count for count in witness.settled.values() if count > 1]
        must(not again, "a settled request is not sent again", len(again))
    most = faults + relay.answered
    must(told[0] == seen, "requests are counted", told, seen)
    must(faults <= told[1] <= most, "retries are counted", told, faults, most)


def nothing_shown(ended: Ended, source: Sequence[Row | State], secret: str) -> None:
    """No value of a record and no secret is in the output."""
    lines = [one.line for one in source if isinstance(one, Row)]
    found = leaks(lines, secret, [*ended.stdout, ended.stderr])
    must(not found, "no value is shown", *found[:5])


def the_input_is_held(scenario: Scenario, held_by: Heap | Hackle, witness: Witness) -> None:
    """Nothing lost, nothing doubled, the later value won, and what is one thing kept its order."""
    for rows in witness.order.values():
        must(rows == sorted(rows), "rows of one event, user or account are sent in order", rows[:5])
    if isinstance(held_by, Hackle):
        events, may_double = held_by.events(), _may_double(scenario)
        _ids([event for event in events if event["properties"]["n"] not in may_double])
        if not scenario.once:
            _copies(events, witness)
            events = list({event["properties"]["n"]: event for event in events}.values())
        _events(model.events(scenario), events, may_double)
    else:
        _heap_holds(scenario, held_by)


def _heap_holds(scenario: Scenario, heap: Heap) -> None:
    if scenario.api == "track":
        _events(model.events(scenario), heap.events(), _may_double(scenario))
    elif scenario.api == "add_user_properties":
        held = {user["identity"]: user["properties"] for user in heap.users()}
        _profiles(model.profiles(scenario), held)
    else:
        held = {account["account_id"]: account["properties"] for account in heap.accounts()}
        _profiles(model.profiles(scenario), held)


def _may_double(scenario: Scenario) -> set[int]:
    """Rows of which a source that is started again makes new events, and tells so before."""
    return {row.number for row in scenario.rows if scenario.may_double(row)}


def _events(expected: dict[int, Json], held: list[Json], may_double: set[int]) -> None:
    counts = Counter(event["properties"]["n"] for event in held)
    doubled = [number for number, count in counts.items() if count > 1 and number not in may_double]
    must(not doubled, "no event is there twice", doubled[:5])
    lost = expected.keys() - counts.keys()
    must(not lost, "no event is lost", len(lost), sorted(lost)[:5])
    strange = counts.keys() - expected.keys()
    must(not strange, "no event lands that must not", sorted(strange)[:5])
    for event in held:
        number = event["properties"]["n"]
        for name, value in expected[number].items():
            if name != "timestamp" or value is not None:
                must(same(event[name], value), f"an event's {name} is right", number)


def same(held: Any, expected: Any) -> bool:
    """As JSON: True is not 1 there, and neither is 1.0."""
    return json.dumps(held, sort_keys=True) == json.dumps(expected, sort_keys=True)


def _ids(events: list[Json]) -> None:
    """An event's id is the same however often it is sent, and no other event has it."""
    pairs = {(event["properties"]["n"], event["insert_id"]) for event in events}
    rows, ids = {number for number, _ in pairs}, {insert_id for _, insert_id in pairs}
    must(len(pairs) == len(rows) == len(ids), "an event has one id", len(rows), len(ids))


def _copies(events: list[Json], witness: Witness) -> None:
    """Where repeats are kept: each event as often as it was taken, all alike but for the time."""
    counts = Counter(event["properties"]["n"] for event in events)
    for number, count in counts.items():
        least, most = witness.accepted[number], witness.unanswered[number]
        must(least <= count <= least + most, "an event is there as often as sent", number, count)
    alike = ("event_key", "user_id", "value", "properties")
    first = {event["properties"]["n"]: event for event in reversed(events)}
    for event in events:
        one = first[event["properties"]["n"]]
        differ = [name for name in alike if not same(event[name], one[name])]
        must(not differ, "a repeat is the same event", *differ)


def _profiles(expected: dict[str, Json], held: dict[str, Any]) -> None:
    must(held.keys() == expected.keys(), "who is there is right", len(held), len(expected))
    wrong = [key for key in expected if held[key] != expected[key]]
    if wrong:
        theirs, ours = held[wrong[0]], expected[wrong[0]]
        names = [name for name in theirs | ours if theirs.get(name) != ours.get(name)]
        must(False, "properties equal the input applied in order", len(wrong), sorted(names)[:5])
