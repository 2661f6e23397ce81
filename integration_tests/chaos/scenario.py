"""A seed becomes one sync: its input, its configuration, and all the trouble it meets. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, Final, Literal, get_args

from integration_tests.chaos.source import POISON, STREAM, Json, Row, Source, State, Stream
from sandbox.faults import DEFAULT_KINDS, HANGS
from sandbox.hackle import SandboxOptions as HackleOptions
from sandbox.heap import SandboxOptions as HeapOptions

Service = Literal["heap", "hackle"]
#: What the connector of each service can load.
APIS: Final[dict[Service, tuple[str, ...]]] = {
    "heap": ("track", "add_user_properties", "add_account_properties"),
    "hackle": ("user_events",),
}
#: What a mapping of Airbyte's calls them.
_OBJECTS: Final = {
    "track": "event",
    "add_user_properties": "user",
    "add_account_properties": "account",
}
#: Streams of several: two of one name among them.
_NAMES: Final = ((STREAM, "us"), ("orders", None), ("firms", "crm"), (STREAM, "eu"))
APP_ID: Final = "3000610572"
SDK_KEY: Final = "hackle-sdk-key-4f0c1d"
#: Rows of a run, about, at most.
LARGEST: Final = 6_000
#: Where a fault takes seconds, or the wait behind it, runs are so much smaller.
_SLOW_SHARE: Final = 5
#: Kinds that cost about a second each time they are met.
_SLOW_KINDS: Final = ("429-seconds", "429-date", *sorted(HANGS))
_QUICK_KINDS: Final = tuple(kind for kind in DEFAULT_KINDS if kind not in _SLOW_KINDS)

#: What befalls a request on its way: answers that announce others, the answer twice, one before the
#: request was read, a gateway's page, an answer by the byte, a reader that takes its time.
Kind = Literal["interim", "doubled", "early", "page", "trickle", "slow"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

#: What says what a stream becomes: one API for all, an entry for each, the connection's mapping.
Choice = Literal["for all", "by_stream", "by_object"]
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
    trickle: float = 0.03
    #: Whether a firewall stands there.
    dislikes: bool = False

    def draw(self, number: int) -> tuple[Kind | None, Random]:
        """What befalls request `number`, and the dice for what is left open."""
        dice = Random(f"{self.seed}/{number}")
        return (dice.choice(self.kinds) if dice.random() < self.rate else None), dice


@dataclass(frozen=True, slots=True)
class Scenario:
    """One seeded sync."""

    service: Service
    streams: tuple[Stream, ...]
    options: HeapOptions | HackleOptions
    #: What happens on the way to the service.
    on_the_way: Trouble
    #: Whether the connector's own waits and timeouts hold; else short ones.
    patient: bool
    requests_in_flight: int
    source: tuple[Row | State, ...]
    #: At most one death for each process; the last one is let live.
    deaths: tuple[Death, ...]
    #: Seeds how the input is cut into chunks.
    chunks: int
    #: Whether rejected records are kept.
    keeps: bool

    def config(self, base_url: str, folder: str) -> Json:
        """The connector's configuration; rejected records go to `folder`, if they are kept."""
        common: Json = {"base_url": base_url, "requests_in_flight": self.requests_in_flight}
        if self.keeps:
            common["object_storage_config"] = {"storage_type": "Local", "path": folder}
        if self.service == "hackle":
            dated = {"timestamp_column": "at"} if self.streams[0].dated else {}
            columns = {"event_key_column": "name", "user_id_column": "who"}
            return {"sdk_key": SDK_KEY, **columns, "value_column": "amount", **dated, **common}
        return {
            "app_id": APP_ID,
            "api": self._heap_api(),
            # Heap's quotas are another run's matter (`quotas`): keeping them takes minutes.
            "events_per_minute": 0,
            "events_per_identity_per_minute": 0,
            **common,
        }

    def _heap_api(self) -> Json:
        match self.choice:
            case "for all":
                return _columns(self.streams[0])
            case "by_object":
                return {"api_type": "by_object"}
        names = [each.name for each in self.streams]
        entries = [
            {
                "stream": each.name,
                # One without fits any.
                **({"namespace": each.namespace} if names.count(each.name) > 1 else {}),
                "api": _columns(each),
            }
            for each in self.streams
            if each.mapped_to is None
        ]
        return {"api_type": "by_stream", "streams": entries}

    def catalog(self) -> Json:
        """The configured catalog."""
        return {"streams": [*map(_configured, self.streams)]}

    @property
    def choice(self) -> Choice:
        """Where it is said what a stream becomes."""
        if len(self.streams) == 1:
            return "for all"
        mapped = all(each.mapped_to for each in self.streams)
        return "by_object" if mapped else "by_stream"

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
        if row.stream is None or row.data is None:
            return False
        stream = self.streams[row.stream]
        has_time = stream.dated and row.data.get("at") is not None
        return not (stream.keyed or stream.identified or has_time)

    @property
    def secret(self) -> str:
        """What of the configuration no output may show."""
        return SDK_KEY if self.service == "hackle" else APP_ID

    @property
    def rows(self) -> list[Row]:
        """The rows alone, in order."""
        return [one for one in self.source if isinstance(one, Row)]


def _columns(stream: Stream) -> Json:
    """One of Heap's three APIs, by columns."""
    columns = {
        "track": {"event_column": "name", "identity_column": "who"}
        | ({"timestamp_column": "at"} if stream.dated else {}),
        "add_user_properties": {"identity_column": "who"},
        "add_account_properties": {"account_id_column": "who"},
    }[stream.api]
    return {"api_type": stream.api, **columns}


def _configured(stream: Stream) -> Json:
    # An object has the fields that the schema lists; of a silent one, all.
    lists = stream.mapped_to is not None and not stream.identified
    schema: Json = {"properties": {name: {} for name in stream.fields.values()}} if lists else {}
    configured = {
        "stream": {
            **stream.descriptor,
            "json_schema": schema,
            "supported_sync_modes": ["incremental"],
        },
        "sync_mode": "incremental",
        "destination_sync_mode": stream.mode,
        "primary_key": [["k"]] if stream.keyed else [],
    }
    if stream.mapped_to is not None:
        configured["destination_object_name"] = stream.mapped_to
    return configured


def drawn(service: Service, seed: int, run: int, largest: int) -> Scenario:
    """Run number `run` of `seed` into `service`, with about `largest` rows at most.

    Each API has its turn, every fourth run is killed twice, every tenth has the connector's own
    waits, and every fifth meets what takes seconds. Of Heap's, every other three runs load two or
    three streams.
    """
    dice = Random(f"{seed}/{run}")
    first = APIS[service][run % len(APIS[service])]
    killed, patient, slow = run % 4 == 0, run % 10 == 1, run % 5 == 2
    several = service == "heap" and run // 3 % 2 == 1
    streams = _several(dice, first) if several else (_stream(dice, first),)
    # Small bodies make many requests: moments to be killed at, and faults to be met.
    small = killed or slow or dice.random() < 0.3
    max_body = dice.randint(12_000, 80_000) if small else None
    on_the_way = _on_the_way(Random(f"{seed}/{run}/on the way"), service, slow)
    source = Source.drawn(dice, streams, max_body, disliked=on_the_way.dislikes)
    if slow or patient:
        largest //= _SLOW_SHARE
    count = int(_spread(dice, min(800, largest) if killed else 30, largest))
    return Scenario(
        service=service,
        streams=streams,
        options=_options(dice, service, slow, slow or killed or patient, max_body),
        on_the_way=on_the_way,
        patient=patient,
        requests_in_flight=dice.randint(1, 8),
        source=source.lines(count, states_every=int(_spread(dice, 1, 5_000))),
        deaths=(_death(dice), _death(dice)) if killed else (),
        chunks=dice.randrange(1 << 30),
        keeps=dice.random() < 0.5,
    )


def _stream(
    dice: Random, api: str, names: tuple[str, str | None] = (STREAM, None), *, mapped: bool = False
) -> Stream:
    name, namespace = names
    return Stream(
        name,
        api,
        dated=dice.random() < 0.6,
        namespace=namespace,
        mode=dice.choice(("append", "append_dedup")),
        keyed=dice.random() < 0.6,
        mapped_to=_OBJECTS[api] if mapped else None,
        identified=mapped and api == "track" and dice.random() < 0.5,
    )


def _several(dice: Random, first: str) -> tuple[Stream, ...]:
    """Two or three streams, the `first` API among theirs; two may go to one of them."""
    apis = [first, *dice.choices(APIS["heap"], k=dice.randint(1, 2))]
    by_object = dice.random() < 0.4
    return tuple(
        # A mapping goes before an entry, wherever there are some.
        _stream(dice, api, names, mapped=by_object or dice.random() < 0.2)
        for api, names in zip(apis, dice.sample(_NAMES, len(apis)), strict=True)
    )


def _options(
    dice: Random, service: Service, slow: bool, few: bool, max_body: int | None
) -> HeapOptions | HackleOptions:
    """How the service fails: `slow` faults among its own, and only a `few`."""
    kinds = dice.sample(_QUICK_KINDS, dice.randint(1, len(_QUICK_KINDS)))
    trouble: dict[str, Any] = {
        "fail_rate": 0.12 if few else dice.choice((0.1, 0.3, 0.5)),
        "seed": dice.randrange(1 << 30),
        "fail_kinds": (*kinds, *(_SLOW_KINDS if slow else ())),
        "hang_seconds": 4,
        "latency_ms": dice.choice((0, 0, 2, 8)),
        "max_body_bytes": max_body,
        "poison": (POISON,),
        "quote_values": dice.random() < 0.5,
    }
    if service == "heap":
        return HeapOptions(quotas=False, **trouble)
    return HackleOptions(deduplicate=dice.random() < 0.5, **trouble)


def _on_the_way(dice: Random, service: Service, hangs: bool) -> Trouble:
    """Three runs of four meet something; where the service hangs, an answer may be as late."""
    if dice.randrange(4) == 0:
        return Trouble()
    kinds = tuple(dice.sample(KINDS, dice.randint(3, len(KINDS))))
    trickle, rate = 0.03, dice.choice((0.2, 0.35))
    if hangs:  # an answer that comes too late takes a second and a half
        trickle, rate = dice.choice(((trickle, 0.15), (2.5, 0.05)))
    # What Hackle makes of a repeat is not known, so nothing is sent again to see who is there.
    dislikes = service == "heap" and dice.random() < 0.3
    return Trouble(kinds, rate, dice.randrange(1 << 30), trickle, dislikes)


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
