"""One run: a scenario's input is loaded, process by process, and judged."""

from __future__ import annotations

import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from random import Random
from signal import SIGKILL

from integration_tests.chaos import verdict
from integration_tests.chaos.kept import Kept
from integration_tests.chaos.process import Connector, Ended
from integration_tests.chaos.relay import Relay, relayed
from integration_tests.chaos.scenario import LARGEST, Death, Moment, Scenario, Service, drawn
from integration_tests.chaos.source import Json, Row, State, read_anew
from integration_tests.chaos.witness import Witness
from sandbox import typed
from sandbox.hackle import Sandbox as Hackle
from sandbox.hackle import SandboxOptions as HackleOptions
from sandbox.hackle.app import hackle_app
from sandbox.heap import Sandbox as Heap
from sandbox.heap import SandboxOptions as HeapOptions
from sandbox.heap.app import heap_app
from sandbox.server import listen, serving, url_of


class FailedRunError(AssertionError):
    """A promise was broken, or the run itself failed."""


@dataclass(slots=True)
class Figures:
    """What one run met, or many together."""

    runs: int = 0
    streams: int = 0
    records: int = 0
    rejected: int = 0
    states: int = 0
    requests: int = 0
    retries: int = 0
    processes: int = 0
    deaths: int = 0
    faults: Counter[str] = field(default_factory=Counter)

    def add(self, other: Figures) -> None:
        """Sums up."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


def play(service: Service, seed: int, run: int, largest: int = LARGEST) -> Figures:
    """One run of a seed. Raises a FailedRunError that says how to have it again."""
    try:
        return load(drawn(service, seed, run, largest))
    except Exception as problem:
        again = typed.module("integration_tests.chaos")
        again += f" --service {service} --seed {seed} --run {run} --largest {largest}"
        raise FailedRunError(
            f"{type(problem).__name__}: {problem}\nOnce more: {again}"
        ) from problem


def load(scenario: Scenario) -> Figures:
    """Loads all of the scenario's input. Raises a BrokenPromiseError where a promise is broken."""
    with (
        watched(scenario.options) as (there, witness),
        relayed(scenario.on_the_way, there.url) as (url, relay),
        tempfile.TemporaryDirectory() as folder,
    ):
        rejected = Path(folder) / "rejected"
        rejected.mkdir()
        kept = Kept(rejected, scenario.streams) if scenario.keeps else None
        run = _Run(scenario, there, witness, relay, url, Path(folder), kept)
        run.live()
        verdict.the_input_is_held(scenario, there, witness)
        if kept is not None:
            verdict.files_are_right(scenario, kept)
        statuses = there.stats()["requests"]["by_status"]
        run.figures.requests = there.stats()["requests"]["total"]
        run.figures.faults.update(there.stats()["faults"])
        run.figures.faults.update(relay.met)
        run.figures.faults.update({name: statuses.get(name, 0) for name in ("400", "413")})
    return run.figures


@contextmanager
def watched(options: HeapOptions | HackleOptions) -> Iterator[tuple[Heap | Hackle, Witness]]:
    """A local service on a real socket, with a witness before it."""
    with listen(options.host, options.port) as listener:
        url = url_of(listener)
        there: Heap | Hackle
        if isinstance(options, HeapOptions):
            there = Heap(options, url=url)
            witness = Witness(heap_app(there))
        else:
            there = Hackle(options, url=url)
            witness = Witness(hackle_app(there))
        with closing(there), serving(witness, listener):
            yield there, witness


@dataclass
class _Run:
    scenario: Scenario
    there: Heap | Hackle
    witness: Witness
    relay: Relay
    #: Where the connector sends.
    url: str
    #: Where configuration and catalog lie; below it, the rejected records.
    folder: Path
    kept: Kept | None
    figures: Figures = field(default_factory=lambda: Figures(runs=1))

    def live(self) -> None:
        """One process after the other, each from the last states that left of the one before."""
        left = self.scenario.source
        for times, death in enumerate((*self.scenario.deaths, None)):
            source = (read_anew(one, times) if isinstance(one, Row) else one for one in left)
            left = self._live_once(tuple(source), death)
            if not left:
                break
        self.figures.records = len(self.scenario.rows)
        self.figures.streams = len(self.scenario.streams)

    def _live_once(
        self, source: tuple[Row | State, ...], death: Death | None
    ) -> tuple[Row | State, ...]:
        """One process on `source`; returns what of it has to be read again."""
        self.relay.next_process()
        self.witness.next_process()
        faults = self._faults()
        states = verdict.States(source, self._has_settled, self.kept)
        config = self.scenario.config(self.url, str(self.folder / "rejected"))
        ended = self._process(config, source, states, death)
        verdict.nothing_shown(ended, source, self.scenario.secret)
        self.figures.processes += 1
        self.figures.states += states.seen
        self.figures.retries += self.witness.arrived.total() - len(self.witness.arrived)
        if death is not None and ended.code == -SIGKILL:
            self.figures.deaths += 1
            # Airbyte begins again seconds later: what the dead had sent has arrived by then.
            time.sleep(0.1)
            return states.left
        verdict.ended_well(ended, source, states.seen, self.scenario.streams)
        faults = self._faults() - faults
        verdict.requests_were_right(self.witness, self.relay, ended, faults, self.scenario.hangs)
        self.figures.rejected += ended.ledger["rejected"]
        return ()

    def _has_settled(self, row: int) -> bool:
        return self.witness.has_settled(row) or self.relay.has_refused(row)

    def _process(
        self,
        config: Json,
        source: tuple[Row | State, ...],
        states: verdict.States,
        death: Death | None,
    ) -> Ended:
        connector = Connector(
            self.scenario.service,
            config,
            self.scenario.catalog(),
            self.folder,
            patient=self.scenario.patient,
            hangs=self.scenario.hangs,
        )

        def at(moment: Moment, count: int) -> None:
            if death == Death(moment, count):
                connector.kill()

        def on_state(message: Json) -> None:
            states.take(message)
            at("state", states.seen)

        self.witness.at = at
        if death is not None and death.at == "hundredth":
            threading.Timer(death.count / 100, at, ("hundredth", death.count)).start()
        return connector.run(_chunks(source, self.scenario.chunks), on_state)

    def _faults(self) -> int:
        return sum(self.there.stats()["faults"].values())


def _chunks(source: tuple[Row | State, ...], seed: int) -> Iterator[bytes]:
    """The input as a pipe might give it: cut anywhere, now and then with a pause."""
    dice = Random(seed)
    whole = b"".join(one.line for one in source)
    longest = dice.choice((2_000, 20_000, 300_000))
    at = 0
    while at < len(whole):
        size = dice.randint(1, longest)
        yield whole[at : at + size]
        at += size
        if dice.random() < 0.02:
            time.sleep(0.01)
