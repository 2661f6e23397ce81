"""What is measured: the cases, and the ratios between them that count."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from benchmarks.inputs import Input

Part = Literal["speed", "memory", "start"]
PARTS: Final[tuple[Part, ...]] = ("speed", "memory", "start")

USERS: Final = Input("users", 300_000)
CONTACTS: Final = Input("contacts", 40_000)
SLOW_CONTACTS: Final = Input("contacts", 200_000)
CLICKS: Final = Input("clicks", 1_000_000)
FEW_CLICKS: Final = Input("clicks", 100_000)

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


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table: a command, what it reads, and the service it meets."""

    name: str
    part: Part
    words: str
    #: Arguments of `python`; `{base_url}`, `{config}`, `{catalog}` and `{records}` are filled in.
    command: tuple[str, ...]
    input: Input | None = None
    #: The `api` of the connector's configuration.
    api: dict[str, Any] | None = None
    #: Rows that a slow program takes of its input; all, where it is None.
    rows: int | None = None
    #: Seconds until the service answers; None where there is no service.
    answers_after: float | None = None


@dataclass(frozen=True, slots=True)
class Ratio:
    """`figure` of one case, by itself or against that of another, and what it should be."""

    case: str
    figure: Literal["rows_per_second", "peak_mb", "wall_seconds"]
    words: str
    over: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    #: Whether the other case's figure is subtracted; else the one is divided by the other.
    difference: bool = False


_WRITE: Final = ("main.py", "write", "--config", "{config}", "--catalog", "{catalog}")
_POST_ROWS: Final = ("-m", "benchmarks.one_post_per_row", "{base_url}", "{records}")
_CDK: Final = ("-m", "benchmarks.cdk_parse_loop")
_ORJSON: Final = ("-m", "benchmarks.orjson_alone")
_THREE: Final = "three properties"

CASES: Final = (
    Case("users", "speed", f"add_user_properties, {_THREE}", _WRITE, USERS, _USER_PROPERTIES, None, 0.0),
    Case("post", "speed", "one POST a row, as users have today", _POST_ROWS, USERS, None, 2_000, 0.0),
    Case("cdk", "speed", "the CDK's parse loop, reading only", _CDK, USERS),
    Case("orjson", "speed", "`orjson.loads` alone", _ORJSON, USERS),
    Case("track", "speed", f"track, {_THREE}, quotas lifted, keys", _WRITE, USERS, _TRACK, None, 0.0),
    Case("accounts", "speed", f"add_account_properties, {_THREE}", _WRITE, USERS, _ACCOUNT_PROPERTIES, None, 0.0),
    Case("users-50ms", "speed", "add_user_properties, service takes 50 ms", _WRITE, USERS, _USER_PROPERTIES, None, 0.05),
    Case("post-50ms", "speed", "one POST a row, service takes 50 ms", _POST_ROWS, USERS, None, 100, 0.05),
    Case("contacts", "speed", "`*` on records of 4 kB", _WRITE, CONTACTS, _ALL_OF_A_CONTACT, None, 0.0),
    Case("contacts-cdk", "speed", "the CDK's parse loop on these", _CDK, CONTACTS),
    Case("contacts-orjson", "speed", "`orjson.loads` alone on these", _ORJSON, CONTACTS),
    Case("clicks", "memory", "track, many records of 300 bytes", _WRITE, CLICKS, _TRACK_CLICKS, None, 0.0),
    Case("few-clicks", "memory", "track, fewer records of 300 bytes", _WRITE, FEW_CLICKS, _TRACK_CLICKS, None, 0.0),
    Case("slow-contacts", "memory", "`*` on 4 kB, service takes 50 ms", _WRITE, SLOW_CONTACTS, _ALL_OF_A_CONTACT, None, 0.05),
    Case("spec", "start", "`spec`", ("main.py", "spec")),
    Case("import", "start", "`import airbyte_cdk.destinations`", ("-c", "import airbyte_cdk.destinations")),
)  # fmt: skip

_SPEED: Final = "rows_per_second"
_TO_POST: Final = "speed ÷ one POST a row"
_TO_CDK: Final = "speed ÷ the CDK's parse loop"
RATIOS: Final = (
    Ratio("users", _SPEED, _TO_POST, "post", at_least=100),
    Ratio("users", _SPEED, _TO_CDK, "cdk", at_least=0.5),
    Ratio("users-50ms", _SPEED, "rows/s", at_least=50_000),
    Ratio("users-50ms", _SPEED, _TO_POST, "post-50ms", at_least=2_000),
    Ratio("track", _SPEED, _TO_CDK, "cdk", at_least=0.4),
    Ratio("accounts", _SPEED, _TO_CDK, "cdk"),
    Ratio("contacts", _SPEED, _TO_CDK, "contacts-cdk", at_least=0.4),
    Ratio("clicks", "peak_mb", "peak MB", at_most=130),
    Ratio("clicks", "peak_mb", "peak MB − that of fewer records", "few-clicks", at_most=8, difference=True),
    # Speeds divided the other way round: the time that one record takes.
    Ratio("few-clicks", _SPEED, "time a record of more ÷ of fewer", "clicks", at_most=1.1),
    Ratio("slow-contacts", "peak_mb", "peak MB", at_most=160),
    Ratio("spec", "wall_seconds", "time ÷ the import alone", "import", at_most=1.15),
)  # fmt: skip
