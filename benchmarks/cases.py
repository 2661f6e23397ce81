"""What is measured: the cases, and the ratios between them that count."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from benchmarks.inputs import Input

Part = Literal["speed", "memory", "start", "hackle", "peers", "lines", "streams", "base"]
PARTS: Final[tuple[Part, ...]] = (
    *("speed", "memory", "start", "hackle", "peers", "lines", "streams", "base"),
)

USERS: Final = Input("users", 300_000)
A_THOUSAND_USERS: Final = Input("users", 1_000)
CONTACTS: Final = Input("contacts", 40_000)
SLOW_CONTACTS: Final = Input("contacts", 200_000)
CLICKS: Final = Input("clicks", 1_000_000)
FEW_CLICKS: Final = Input("clicks", 100_000)
PURCHASES: Final = Input("purchases", 100_000)
FEW_USERS: Final = Input("users", 120_000)
SOME_USERS: Final = Input("users", 500_000)
A_MILLION_USERS: Final = Input("users", 1_000_000)
MANY_USERS: Final = Input("users", 2_500_000)
#: Half a minute and more of the fastest.
MOST_USERS: Final = Input("users", 6_000_000)
EVENTS: Final = Input("events", 100_000)
#: As many of each of three streams, and those alone.
SHOP: Final = Input("shop", 1_500_000)
ONE_OF_THREE: Final = Input("users", 500_000)

_USER_PROPERTIES: Final = {
    "api_type": "add_user_properties",
    "identity_column": "user_id",
    "property_columns": "identities_provider,created_at,nickname",
}
_TRACK: Final = {
    "api_type": "track",
    "event_column": "identities.connection",
    "identity_column": "email",
    "timestamp_column": "updated_at",
    "property_columns": "blocked,created_at,name",
}
_ACCOUNT_PROPERTIES: Final = {
    "api_type": "add_account_properties",
    "account_id_column": "identities.user_id",
    "property_columns": "family_name,email_verified,blocked",
}
_ALL_OF_A_CONTACT: Final = {
    "api_type": "add_user_properties",
    "identity_column": "email",
    "property_columns": "*",
}
_TRACK_CLICKS: Final = {
    "api_type": "track",
    "event_column": "name",
    "identity_column": "who",
    "timestamp_column": "at",
    "property_columns": "path,price,id",
}

_BY_STREAM: Final = {
    "api_type": "by_stream",
    "streams": [
        {"stream": "orders", "api": _TRACK},
        {"stream": "users", "api": _USER_PROPERTIES},
        {"stream": "companies", "api": _ACCOUNT_PROPERTIES},
    ],
}

#: For the connector of Hackle; its form has no `api`.
_PURCHASES: Final = {
    "event_key_column": "event",
    "user_id_column": "user_id",
    "value_column": "amount",
    "timestamp_column": "happened_at",
    "property_columns": "pay_method, discount_amount, is_discount",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table: a command, what it reads, and the service it meets."""

    name: str
    part: Part
    words: str
    #: Arguments of `python`; `{base_url}`, `{config}`, `{catalog}` and `{records}` are filled in.
    command: tuple[str, ...]
    input: Input | None = None
    #: The `api` of the configuration for Heap, or the columns of that for Hackle.
    api: dict[str, Any] | None = None
    #: Rows that a slow program takes of its input; all, where it is None.
    rows: int | None = None
    #: Seconds until the service answers; None where there is no service.
    answers_after: float | None = None
    #: The folder in `.cache` of another Python environment than the connector's.
    environment: str | None = None
    #: Whether the service is the one that fails; what landed is looked at then, not how it ended.
    service_fails: bool = False
    #: Requests a second that the service takes; it answers 429 to what is beyond. None: all.
    takes: float | None = None
    #: Seconds after the first request from which the service counts once more.
    warm_up: float = 0.0
    #: Whether it is another checkout's.
    of_base: bool = False
    #: What it takes of CPU for these is the start, and taken off.
    start_aside: Input | None = None


@dataclass(frozen=True, slots=True)
class Ratio:
    """`figure` of one case, by itself or against that of another, and what it should be."""

    case: str
    figure: Literal[
        "rows_per_second",
        "landed_per_second",
        "lost",
        "doubled",
        "exit_code",
        "peak_mb",
        "wall_seconds",
        "cpu_seconds",
        "late_rows_per_second",
        "late_refused_percent",
    ]
    words: str
    #: Another case, or several: the sum of theirs.
    over: str | tuple[str, ...] | None = None
    at_least: float | None = None
    at_most: float | None = None
    #: Whether the other case's figure is subtracted; else the one is divided by the other.
    difference: bool = False


_WRITE: Final = ("main.py", "write", "--config", "{config}", "--catalog", "{catalog}")
_LOAD: Final = ("-m", "benchmarks.load_rows", "{config}", "{catalog}", "{records}")
_POST_ROWS: Final = ("-m", "benchmarks.one_post_per_row", "{base_url}", "{records}")
_WRITE_HACKLE: Final = ("-c", "from destination_hackle.run import run; run()", *_WRITE[1:])
_SDK: Final = ("benchmarks/hackle_sdk_loader.py", "{base_url}")
_CDK: Final = ("-m", "benchmarks.cdk_parse_loop")
_ORJSON: Final = ("-m", "benchmarks.orjson_alone")
_THREE: Final = "three properties"
_PEERS: Final = {
    "script": ("ten lines: orjson, requests, eight threads", None),
    "dlt_loader": ("dlt, a custom destination", "dlt"),
    "drt_loader": ("drt, its REST destination", "drt"),
    "segment_loader": ("Segment's SDK, eight threads", "segment"),
}
#: What each sends in half a minute or more: to a service at once, and to one that takes 250 ms.
_PEER_INPUTS: Final = {
    "script": (MOST_USERS, A_MILLION_USERS),
    "dlt_loader": (A_MILLION_USERS, SOME_USERS),
    "drt_loader": (MANY_USERS, FEW_USERS),
    "segment_loader": (SOME_USERS, FEW_USERS),
}


def _peer(program: str, answers_after: float | None, suffix: str, words: str) -> Case:
    """What a user would pick instead, on users, or on events where the service fails."""
    told, environment = _PEERS[program]
    fails = answers_after is None
    given = EVENTS if answers_after is None else _PEER_INPUTS[program][answers_after > 0]
    command = ("-m", f"benchmarks.peers.{program}", "{base_url}", given.kind)
    name = program.removesuffix("_loader") + suffix
    return Case(
        name, "peers", told + words, command, given, None, None, answers_after, environment, fails
    )


CASES: Final = (
    Case("users", "speed", f"add_user_properties, {_THREE}", _WRITE, USERS, _USER_PROPERTIES, None, 0.0),
    Case("post", "speed", "one POST a row, as users have today", _POST_ROWS, USERS, None, 2_000, 0.0),
    Case("cdk", "speed", "the CDK's parse loop, reading only", _CDK, USERS),
    Case("orjson", "speed", "`orjson.loads` alone", _ORJSON, USERS),
    Case("track", "speed", f"track, {_THREE}, quotas lifted, keys", _WRITE, USERS, _TRACK, None, 0.0),
    Case("accounts", "speed", f"add_account_properties, {_THREE}", _WRITE, USERS, _ACCOUNT_PROPERTIES, None, 0.0),
    Case("load", "speed", "`load` from Python, the rows of the first case", _LOAD, USERS, _USER_PROPERTIES, USERS.records, 0.0),
    Case("load-track", "speed", "`load` from Python, the events", _LOAD, USERS, _TRACK, USERS.records, 0.0),
    Case("users-50ms", "speed", "add_user_properties, service takes 50 ms", _WRITE, USERS, _USER_PROPERTIES, None, 0.05),
    Case("post-50ms", "speed", "one POST a row, service takes 50 ms", _POST_ROWS, USERS, None, 100, 0.05),
    Case("contacts", "speed", "`*` on records of 4 kB", _WRITE, CONTACTS, _ALL_OF_A_CONTACT, None, 0.0),
    Case("contacts-cdk", "speed", "the CDK's parse loop on these", _CDK, CONTACTS),
    Case("contacts-orjson", "speed", "`orjson.loads` alone on these", _ORJSON, CONTACTS),
    Case("clicks", "memory", "track, many records of 300 bytes", _WRITE, CLICKS, _TRACK_CLICKS, None, 0.0),
    Case("few-clicks", "memory", "track, fewer records of 300 bytes", _WRITE, FEW_CLICKS, _TRACK_CLICKS, None, 0.0),
    Case("load-clicks", "memory", "`load` from Python, many rows as they come", _LOAD, CLICKS, _TRACK_CLICKS, None, 0.0),
    Case("load-few-clicks", "memory", "`load` from Python, fewer rows as they come", _LOAD, FEW_CLICKS, _TRACK_CLICKS, None, 0.0),
    Case("slow-contacts", "memory", "`*` on 4 kB, service takes 50 ms", _WRITE, SLOW_CONTACTS, _ALL_OF_A_CONTACT, None, 0.05),
    Case("spec", "start", "`spec`", ("main.py", "spec")),
    Case("thousand", "start", "add_user_properties, a thousand records", _WRITE, A_THOUSAND_USERS, _USER_PROPERTIES, None, 0.0),
    Case("hackle", "hackle", "destination-hackle, purchases", _WRITE_HACKLE, PURCHASES, _PURCHASES, None, 0.0),
    Case("hackle-sdk", "hackle", "Hackle's own SDK, `track` a purchase", _SDK, PURCHASES, None, None, 0.0, "hackle-sdk"),
    Case("hackle-250ms", "hackle", "destination-hackle, service takes 250 ms", _WRITE_HACKLE, PURCHASES, _PURCHASES, None, 0.25),
    Case("hackle-sdk-250ms", "hackle", "Hackle's own SDK, service takes 250 ms", _SDK, PURCHASES, None, None, 0.25, "hackle-sdk"),
    *(
        case
        for suffix, words, answers_after in (("", ", service at once", 0.0), ("-250ms", ", service takes 250 ms", 0.25))
        for case in (
            Case(f"ours{suffix}", "peers", f"add_user_properties{words}", _WRITE, MOST_USERS, _USER_PROPERTIES, None, answers_after),
            *(_peer(program, answers_after, suffix, words) for program in _PEERS),
        )
    ),
    Case("ours-failing", "peers", "track, service fails", _WRITE, EVENTS, _TRACK_CLICKS, service_fails=True),
    *(_peer(program, None, "-failing", ", service fails") for program in _PEERS),
    *(
        Case(f"line{suffix}", "lines", f"add_user_properties{words}", _WRITE, given, _USER_PROPERTIES, None, answers_after, warm_up=10)
        for suffix, words, answers_after, given in (
            ("", ", service at once", 0.0, MOST_USERS),
            ("-50ms", ", service takes 50 ms", 0.05, MOST_USERS),
            ("-250ms", ", service takes 250 ms", 0.25, MOST_USERS),
            ("-1s", ", service takes 1 s", 1.0, MANY_USERS),
        )
    ),
    Case("line-rate", "lines", "add_user_properties, service takes 20 requests a second", _WRITE, A_MILLION_USERS, _USER_PROPERTIES, None, 0.05, takes=20, warm_up=20),
    Case("three", "streams", "orders, users and companies in one sync", _WRITE, SHOP, _BY_STREAM, None, 0.0),
    Case("one-track", "streams", "as many of them by track alone", _WRITE, ONE_OF_THREE, _TRACK, None, 0.0),
    Case("one-users", "streams", "as many by add_user_properties alone", _WRITE, ONE_OF_THREE, _USER_PROPERTIES, None, 0.0),
    Case("one-accounts", "streams", "as many by add_account_properties alone", _WRITE, ONE_OF_THREE, _ACCOUNT_PROPERTIES, None, 0.0),
    Case("million", "base", "add_user_properties, a million, start aside", _WRITE, A_MILLION_USERS, _USER_PROPERTIES, None, 0.0, start_aside=A_THOUSAND_USERS),
    Case("million-base", "base", "the same by the other checkout", _WRITE, A_MILLION_USERS, _USER_PROPERTIES, None, 0.0, of_base=True, start_aside=A_THOUSAND_USERS),
    Case("million-track", "base", "track without a key, a million, start and all", _WRITE, A_MILLION_USERS, _TRACK, None, 0.0),
    Case("million-track-base", "base", "the same by the other checkout", _WRITE, A_MILLION_USERS, _TRACK, None, 0.0, of_base=True),
    Case("import", "start", "`import airbyte_cdk.destinations`", ("-c", "import airbyte_cdk.destinations")),
)  # fmt: skip

_SPEED: Final = "rows_per_second"
_LATE: Final = "late_rows_per_second"
_ALONE: Final = ("one-track", "one-users", "one-accounts")
_TO_POST: Final = "speed ÷ one POST a row"
_TO_CDK: Final = "speed ÷ the CDK's parse loop"
RATIOS: Final = (
    Ratio("users", _SPEED, _TO_POST, "post", at_least=100),
    Ratio("users", _SPEED, _TO_CDK, "cdk", at_least=0.5),
    Ratio("users-50ms", _SPEED, "rows/s", at_least=50_000),
    Ratio("users-50ms", _SPEED, _TO_POST, "post-50ms", at_least=2_000),
    Ratio("track", _SPEED, _TO_CDK, "cdk", at_least=0.4),
    Ratio("accounts", _SPEED, _TO_CDK, "cdk"),
    Ratio("load", _SPEED, "speed ÷ `write`", "users", at_least=1),
    Ratio("load-track", _SPEED, "speed ÷ `write`", "track", at_least=1),
    Ratio("contacts", _SPEED, _TO_CDK, "contacts-cdk", at_least=0.4),
    Ratio("clicks", "peak_mb", "peak MB", at_most=80),
    Ratio("clicks", "peak_mb", "peak MB − that of fewer records", "few-clicks", at_most=8, difference=True),
    Ratio("load-clicks", "peak_mb", "peak MB − that of fewer rows", "load-few-clicks", at_most=8, difference=True),
    # Speeds divided the other way round: the time that one record takes.
    Ratio("few-clicks", _SPEED, "time a record of more ÷ of fewer", "clicks", at_most=1.1),
    Ratio("slow-contacts", "peak_mb", "peak MB", at_most=115),
    *(
        ratio
        for name in ("hackle", "hackle-sdk", "hackle-250ms", "hackle-sdk-250ms")
        for ratio in (
            Ratio(name, "lost", "events lost", at_most=0 if "sdk" not in name else None),
            Ratio(name, "landed_per_second", "events landed a second"),
        )
    ),
    Ratio("ours", _SPEED, "speed ÷ ten lines", "script", at_least=0.7),
    Ratio("ours", _SPEED, "speed ÷ dlt", "dlt", at_least=3),
    Ratio("ours", _SPEED, "speed ÷ drt", "drt"),
    Ratio("ours", _SPEED, "speed ÷ Segment's SDK", "segment", at_least=3),
    Ratio("ours-250ms", _SPEED, "speed ÷ ten lines", "script-250ms", at_least=1.5),
    Ratio("ours-250ms", _SPEED, "speed ÷ dlt", "dlt-250ms", at_least=3),
    Ratio("ours-250ms", _SPEED, "speed ÷ drt", "drt-250ms", at_least=3),
    Ratio("ours-250ms", _SPEED, "speed ÷ Segment's SDK", "segment-250ms", at_least=3),
    Ratio("line-50ms", _LATE, "speed after 10 s ÷ that at once", "line", at_least=0.9),
    Ratio("line-250ms", _LATE, "speed after 10 s ÷ that at once", "line", at_least=0.75),
    Ratio("line-1s", _LATE, "speed after 10 s ÷ that at once", "line", at_least=0.4),
    Ratio("line-rate", _LATE, "rows/s taken after 20 s", at_least=0.9 * 20 * 1_000),
    Ratio("line-rate", "late_refused_percent", "% of answers 429 after 20 s", at_most=2),
    Ratio("three", "cpu_seconds", "CPU ÷ that of the three alone, summed up", _ALONE, at_most=1.1),
    Ratio("three", "wall_seconds", "time ÷ that of the three alone, summed up", _ALONE, at_most=1.1),
    Ratio("three", "peak_mb", "peak MB − that of users alone", "one-users", at_most=10, difference=True),
    Ratio("million", "cpu_seconds", "CPU ÷ that of the other", "million-base", at_most=0.75),
    Ratio("million-track", "cpu_seconds", "CPU ÷ that of the other", "million-track-base", at_most=1),
    *(
        ratio
        for name in ("ours", "script", "dlt", "drt", "segment")
        for ratio in (
            Ratio(f"{name}-failing", "lost", "events lost", at_most=0 if name == "ours" else None),
            Ratio(f"{name}-failing", "doubled", "events doubled", at_most=0 if name == "ours" else None),
            Ratio(f"{name}-failing", "exit_code", "exit code"),
        )
    ),
    Ratio("spec", "wall_seconds", "time ÷ the import of the CDK", "import", at_most=0.3),
    Ratio("spec", "peak_mb", "peak MB", at_most=45),
    Ratio("thousand", "wall_seconds", "time ÷ the import of the CDK", "import", at_most=0.4),
    Ratio("thousand", "peak_mb", "peak MB", at_most=55),
)  # fmt: skip
