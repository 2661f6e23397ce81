"""A seed becomes one sync: its input, its configuration, and all the trouble it meets. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, Final, Literal, get_args

from integration_tests.chaos.source import POISON, STREAM, Json, Row, Source, State
from sandbox.faults import DEFAULT_KINDS, HANGS
from sandbox.hackle import SandboxOptions as HackleOptions
from sandbox.heap import SandboxOptions as HeapOptions

Service = Literal["heap", "hackle"]
#: What the connector of each service can load.
APIS: Final[dict[Service, tuple[str, ...]]] = {
    "heap": ("track", "add_user_properties", "add_account_properties"),
    "hackle": ("user_events",),
}
APP_ID: Final = "3000610572"
SDK_KEY: Final = "hackle-sdk-key-4f0c1d"
#: Rows of a run, about, at most.
LARGEST: Final = 8_000
#: Where a fault takes seconds, runs are so much smaller.
_SLOW_SHARE: Final = 5
#: Kinds that cost about a second each time they are met.
_SLOW_KINDS: Final = ("429-seconds", "429-date", *sorted(HANGS))
_QUICK_KINDS: Final = tuple(kind for kind in DEFAULT_KINDS if kind not in _SLOW_KINDS)

#: What befalls a request on its way: answers that announce others, the answer twice, one before the
#: request was read, a gateway's page, an answer by the byte, a reader that takes its time.
Kind = Literal["interim", "doubled", "early", "page", "trickle", "slow"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

Moment = Literal["request", "answer", "state", "hundredth"]


@dataclass(frozen=True, slots=True)
class Death:
    """kill -9 at the `count`-th such moment of a process.

    A request has arrived and is not judged; an answer is about to leave, so that the service has
    taken what the connector does not know of; a state was seen on stdout; a hundredth of a second
    has passed.
    """

    at: Moment
    count: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """Which requests meet what on the way. None do where there are no `kinds`."""

    kinds: tuple[Kind, ...] = ()
    rate: float = 0.0
    seed: int = 0
    #: Seconds that an answer takes which comes by the byte.
    trickle: float = 0.1

    def draw(self, number: int) -> tuple[Kind | None, Random]:
        """What befalls request `number`, and the dice for what is left open."""
        dice = Random(f"{self.seed}/{number}")
        return (dice.choice(self.kinds) if dice.random() < self.rate else None), dice


@dataclass(frozen=True, slots=True)
class Scenario:
    """One seeded sync."""

    service: Service
    api: str
    options: HeapOptions | HackleOptions
    #: What happens on the way to the service.
    on_the_way: Trouble
    #: Whether the connector's own waits and timeouts hold; else short ones.
    patient: bool
    requests_in_flight: int
    mode: Literal["append", "append_dedup"]
    dated: bool
    source: tuple[Row | State, ...]
    #: At most one death for each process; the last one is let live.
    deaths: tuple[Death, ...]
    #: Seeds how the input is cut into chunks.
    chunks: int
    #: Whether the catalog has a primary key.
    keyed: bool = True

    def config(self, base_url: str) -> Json:
        """The connector's configuration."""
        if self.service == "hackle":
            return {
                "sdk_key": SDK_KEY,
                "base_url": base_url,
                "event_key_column": "name",
                "user_id_column": "who",
                "value_column": "amount",
                **({"timestamp_column": "at"} if self.dated else {}),
                "requests_in_flight": self.requests_in_flight,
            }
        columns = {
            "track": {"event_column": "name", "identity_column": "who"}
            | ({"timestamp_column": "at"} if self.dated else {}),
            "add_user_properties": {"identity_column": "who"},
            "add_account_properties": {"account_id_column": "who"},
        }[self.api]
        return {
            "app_id": APP_ID,
            "base_url": base_url,
            "api": {"api_type": self.api, **columns},
            "requests_in_flight": self.requests_in_flight,
            # Heap's quotas are another run's matter (`quotas`): keeping them takes minutes.
            "events_per_minute": 0,
            "events_per_identity_per_minute": 0,
        }

    def catalog(self) -> Json:
        """The configured catalog."""
        stream = {"name": STREAM, "json_schema": {}, "supported_sync_modes": ["incremental"]}
        configured = {
            "stream": stream,
            "sync_mode": "incremental",
            "destination_sync_mode": self.mode,
            "primary_key": [["n"]] if self.keyed else [],
        }
        return {"streams": [configured]}

    @property
    def hangs(self) -> bool:
        """Whether the service may let a request wait for longer than the connector does."""
        return bool(HANGS & {*self.options.fail_kinds})

    @property
    def once(self) -> bool:
        """Whether the service keeps one event of an id; Hackle publishes neither."""
        return isinstance(self.options, HeapOptions) or self.options.deduplicate

    def may_double(self, row: Row) -> bool:
        """Whether its event is a new one when it is read anew: it has neither a key nor a time."""
        has_time = self.dated and row.data is not None and row.data.get("at") is not None
        return not (self.keyed or has_time)

    @property
    def secret(self) -> str:
        """What of the configuration no output may show."""
        return SDK_KEY if self.service == "hackle" else APP_ID

    @property
    def rows(self) -> list[Row]:
        """The rows alone, in order."""
        return [one for one in self.source if isinstance(one, Row)]


def drawn(service: Service, seed: int, run: int, largest: int) -> Scenario:
    """Run number `run` of `seed` into `service`, with about `largest` rows at most.

    Each API has its turn, every fourth run is killed twice, every tenth has the connector's own
    waits, and every fifth meets what takes seconds.
    """
    dice = Random(f"{seed}/{run}")
    api = APIS[service][run % len(APIS[service])]
    killed, patient, slow = run % 4 == 0, run % 10 == 1, run % 5 == 2
    # Small bodies make many requests: moments to be killed at, and faults to be met.
    small = killed or slow or dice.random() < 0.3
    max_body = dice.randint(12_000, 80_000) if small else None
    kinds = dice.sample(_QUICK_KINDS, dice.randint(1, len(_QUICK_KINDS)))
    trouble: dict[str, Any] = {
        "fail_rate": 0.12 if slow or killed or patient else dice.choice((0.1, 0.3, 0.5)),
        "seed": dice.randrange(1 << 30),
        "fail_kinds": (*kinds, *(_SLOW_KINDS if slow else ())),
        "hang_seconds": 4,
        "latency_ms": dice.choice((0, 0, 3, 12)),
        "max_body_bytes": max_body,
        "poison": (POISON,),
        "quote_values": dice.random() < 0.5,
    }
    options = (
        HeapOptions(quotas=False, **trouble)
        if service == "heap"
        else HackleOptions(deduplicate=dice.random() < 0.5, **trouble)
    )
    source = Source.drawn(dice, api, max_body)
    if slow:
        largest //= _SLOW_SHARE
    count = int(_spread(dice, min(800, largest) if killed else 30, largest))
    return Scenario(
        service=service,
        api=api,
        options=options,
        on_the_way=_on_the_way(Random(f"{seed}/{run}/on the way"), slow),
        patient=patient,
        requests_in_flight=dice.randint(1, 8),
        mode=dice.choice(("append", "append_dedup")),
        dated=source.dated,
        source=source.lines(count, states_every=int(_spread(dice, 1, 5_000))),
        deaths=(_death(dice), _death(dice)) if killed else (),
        chunks=dice.randrange(1 << 30),
        keyed=dice.random() < 0.6,
    )


def _on_the_way(dice: Random, hangs: bool) -> Trouble:
    """Three runs of four meet something; where the service hangs, an answer may be as late."""
    if dice.randrange(4) == 0:
        return Trouble()
    kinds = tuple(dice.sample(KINDS, dice.randint(3, len(KINDS))))
    trickle, rate = (0.1, dice.choice((0.2, 0.35)))
    if hangs:  # an answer that comes too late takes a second and a half
        trickle, rate = dice.choice(((0.1, 0.15), (2.5, 0.05)))
    return Trouble(kinds, rate, dice.randrange(1 << 30), trickle)


def _spread(dice: Random, least: float, most: float) -> float:
    """Small numbers as likely as large ones."""
    return float(least * (most / least) ** dice.random())


def _death(dice: Random) -> Death:
    match dice.randrange(4):
        case 0:
            return Death("request", dice.randint(1, 20))
        case 1:
            return Death("answer", dice.randint(1, 12))
        case 2:
            return Death("state", dice.randint(1, 6))
        case _:
            return Death("hundredth", dice.randint(5, 80))
