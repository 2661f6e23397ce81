"""What must hold. A `BrokenPromiseError` says it in words without values."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from integration_tests.chaos import model
from integration_tests.chaos.kept import Kept
from integration_tests.chaos.leaks import leaks
from integration_tests.chaos.process import Ended
from integration_tests.chaos.relay import Relay
from integration_tests.chaos.scenario import Scenario
from integration_tests.chaos.source import Json, Row, State, Stream
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
    """Takes the states of one process as they are seen: each must be due, and not early.

    A state is due when all states before it that cover a stream of its own have left. It waits for
    the rows of its stream, or for all. Rows are settled when the service has taken or refused them,
    or, where rejected ones are `kept`, when they are in a file.
    """

    def __init__(
        self,
        source: Sequence[Row | State],
        is_settled: Callable[[int], bool],
        kept: Kept | None = None,
    ) -> None:
        self._source = source
        self._is_settled = is_settled
        self._kept = kept
        self.seen = 0
        #: By its id, where a state stands.
        self._at = {one.message["id"]: at for at, one in _states(source)}
        #: By stream, None for one that the catalog lacks: where its states stand that wait.
        self._due: dict[int | None, deque[int]] = {}
        for at, state in _states(source):
            for stream in state.covers or (None,):
                self._due.setdefault(stream, deque()).append(at)
        self._counted = _counted(source)
        #: By stream, rows that no state has waited for yet, and where they stand.
        self._waiting: dict[int | None, deque[tuple[int, Row]]] = {}
        for at, row in _rows(source):
            self._waiting.setdefault(row.stream, deque()).append((at, row))

    def take(self, message: Json) -> None:
        """A state was read from the connector's stdout just now."""
        self.seen += 1
        at = self._at.pop(message.get("id"), None)
        if at is None:
            raise BrokenPromiseError("no state comes out that did not come in")
        state = self._source[at]
        assert isinstance(state, State)
        for stream in state.covers or (None,):
            must(self._due[stream].popleft() == at, "a stream's states come in order", self.seen)
        self._await(at, state)
        stats = message["state"].pop("destinationStats")
        must(message == state.message, "states come back as they came", self.seen)
        told = stats["recordCount"], stats["rejectedRecordCount"]
        must(told == model.counts(self._counted[at]), "a state's counts are right", self.seen, told)

    def _await(self, at: int, state: State) -> None:
        rows: list[Row] = []
        for stream in (*state.waits_for, None):
            waiting = self._waiting.get(stream, deque())
            while waiting and waiting[0][0] < at:
                rows.append(waiting.popleft()[1])
        early = [
            row.number
            for row in rows
            if row.fate != "unmapped" and not self._is_settled(row.number)
        ]
        must(not early, "no state leaves before its rows are settled", early[:5])
        rejected = [row for row in rows if row.fate != "lands"]
        if self._kept is not None and rejected:
            self._kept.look()
            lost = [row.number for row in rejected if not self._kept.holds(row)]
            must(not lost, "no state leaves before what was rejected is kept", lost[:5])

    @property
    def left(self) -> tuple[Row | State, ...]:
        """What a source says that is started again: what no state that left vouches for.

        Rows of no stream are vouched for by the next state of any kind.
        """
        waiting = {*self._at.values()}
        gone = [at for at, _ in _states(self._source) if at not in waiting]
        last: dict[int | None, int] = {}
        for at in gone:
            state = self._source[at]
            assert isinstance(state, State)
            last |= dict.fromkeys((*state.covers, None), at)
        safe = {*gone}
        safe |= {at for at, row in _rows(self._source) if at < last.get(row.stream, -1)}
        return tuple(one for at, one in enumerate(self._source) if at not in safe)


def _states(source: Sequence[Row | State]) -> list[tuple[int, State]]:
    return [(at, one) for at, one in enumerate(source) if isinstance(one, State)]


def _rows(source: Sequence[Row | State]) -> list[tuple[int, Row]]:
    return [(at, one) for at, one in enumerate(source) if isinstance(one, Row)]


def _counted(source: Sequence[Row | State]) -> dict[int, list[Row]]:
    """By where a state stands, the rows that count in it: each in the next of its stream.

    Rows of no stream count in the next of any kind.
    """
    counted: dict[int, list[Row]] = {at: [] for at, _ in _states(source)}
    following: dict[int | None, int] = {}
    for at in reversed(range(len(source))):
        one = source[at]
        if isinstance(one, State):
            following |= dict.fromkeys((*one.covers, None), at)
        elif one.stream in following:
            counted[following[one.stream]].append(one)
    return counted


def ended_well(
    ended: Ended, source: Sequence[Row | State], states: int, streams: Sequence[Stream]
) -> None:
    """A process that was let live: exit 0, all states out, and the books balance."""
    must(ended.code == 0, "the connector ends with 0", ended.code)
    must(not ended.stderr, "stderr stays empty", len(ended.stderr))
    expected = len(_states(source))
    must(states == expected, "every state leaves", states, expected)
    rows = [row for _, row in _rows(source)]
    _ledger(ended.ledger, rows)
    if len(streams) > 1:
        for at, stream in enumerate(streams):
            of = f" of `{stream.namespace}`" if stream.namespace else ""
            ledger = ended.ledger_of(f" of stream `{stream.name}`{of}")
            _ledger(ledger, [row for row in rows if row.stream == at])


def _ledger(ledger: Json, rows: Iterable[Row]) -> None:
    accepted, rejected = model.counts(rows)
    told = tuple(ledger.get(name) for name in ("read", "accepted", "rejected"))
    must(told == (accepted + rejected, accepted, rejected), "the ledger is right", told)


def files_are_right(scenario: Scenario, kept: Kept) -> None:
    """What was rejected is in its stream's files as it came, and nothing else is in any."""
    kept.look()
    rows = {row.number: row for row in scenario.rows}
    for number, folders in kept.folders.items():
        row = rows[number]
        must(row.fate != "lands", "only what was rejected is kept", number)
        must(folders == {kept.expected(row)}, "it is in its stream's folder", number, *folders)
        alike = all(_same_line(line, row) for line in kept.lines[number])
        must(alike, "it is kept as it came", number)
    lost = [row.number for row in rows.values() if row.fate != "lands" and not kept.holds(row)]
    must(not lost, "all that was rejected is kept", len(lost), lost[:5])


def _same_line(line: bytes, row: Row) -> bool:
    """Whether it is the row, when it was read and why it was rejected aside."""
    if row.data is None:
        return line == row.line.removesuffix(b"\n")
    ours, theirs = json.loads(row.line), json.loads(line)
    for record in (ours["record"], theirs["record"]):
        record.pop("emitted_at")
        record.pop("meta", None)
    return same(theirs, ours)


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
    _events(model.events(scenario), heap.events(), _may_double(scenario))
    users = {user["identity"]: user["properties"] for user in heap.users()}
    _profiles(model.profiles(scenario, "add_user_properties"), users)
    accounts = {account["account_id"]: account["properties"] for account in heap.accounts()}
    _profiles(model.profiles(scenario, "add_account_properties"), accounts)


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


def _profiles(expected: dict[str, dict[str, list[Any]]], held: dict[str, Any]) -> None:
    must(held.keys() == expected.keys(), "who is there is right", len(held), len(expected))
    wrong = [name for key in expected for name in _wrong(expected[key], held[key])]
    must(not wrong, "properties equal the input applied in order", len(wrong), *sorted(wrong)[:5])


def _wrong(expected: dict[str, list[Any]], held: dict[str, Any]) -> list[str]:
    """Names of the properties of one user or account that are not as they may be."""
    differ = expected.keys() ^ held.keys()
    return [
        *differ,
        *(name for name in expected.keys() & held.keys() if held[name] not in expected[name]),
    ]
