"""When a sync is a failure: judged at its end, by what was rejected and why.

Each story is told to a real sync, to a dry run and to `preview`; they have to agree.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.models import AirbyteMessage, AirbyteMessageSerializer
from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer as CatalogSerializer

from bulk_destination.connection import connect
from bulk_destination.delivery import delivery
from bulk_destination.look.preview import Preview
from destination_heap_analytics import DestinationHeapAnalytics
from destination_heap_analytics.service import HEAP
from integration_tests.conftest import STREAM, record
from integration_tests.services import EVENTS, both, every_api
from sandbox.heap import running

if TYPE_CHECKING:
    from integration_tests.conftest import Connector, Json, Outcome, Serve

NOWHERE = "http://127.0.0.1:9"


def guest(number: int, **more: Any) -> Json:
    """Data of a row that belongs to nobody."""
    return {"name": "Signed Up", "who": "guest", "n": number, **more}


def good(number: int) -> Json:
    """Data of a row that lands."""
    return {"name": "Signed Up", "who": f"person{number}@example.com", "n": number}


@dataclass(frozen=True)
class Story:
    """What a source gives, a state at its end, and what comes of it."""

    rows: Sequence[Json | bytes]
    #: What its error says; None for a success.
    fails: str | None = None
    states_leave: bool = True
    schema: Json | None = None
    config: Json = field(default_factory=dict)
    #: Whether rejected records are kept in files.
    files: bool = False
    #: What a success warns of.
    warns: str = ""


def held(words: str) -> dict[str, Any]:
    """A failure that holds the states back."""
    return {"fails": words, "states_leave": False}


LISTED = {"properties": {name: {"type": ["null", "string"]} for name in ("name", "who", "at")}}
OPEN = {"properties": {"name": {"type": "string"}, "who": {"type": "object"}}}
NOBODY = "No record could be sent"
TIMES = {"api__timestamp_column": "at"}

QUIET = {
    "two guests": Story([guest(1), guest(2)], warns=NOBODY),
    "a null is a column that is there": Story([guest(1) | {"who": None}], warns=NOBODY),
    "so is one in one row of two": Story([{"name": "E"}, guest(1) | {"who": None}], warns=NOBODY),
    "a column of no row": Story([{"name": "E"}, {"name": "E"}], **held("identity_missing: 2")),
    "the schema has it": Story([{"name": "E"}, {"name": "E"}], schema=LISTED, warns=NOBODY),
    "the schema leaves it open": Story(
        [{"name": "E"}, {"name": "E"}],
        schema=OPEN,
        config={"api__identity_column": "who.email"},
        **held("who.email"),
    ),
    "no event, and no such column": Story([{"who": "a@example.com"}], **held("event_missing")),
    "no event in this row": Story([good(1) | {"name": " "}], warns=NOBODY),
    "a time that cannot be read": Story(
        [good(1) | {"at": "yesterday"}, guest(2)], config=TIMES, warns="timestamp_not_readable"
    ),
    "99 of them": Story([guest(n) for n in range(99)], warns=NOBODY),
    "100 are too many": Story([guest(n) for n in range(100)], **held("100 (first at record 1)")),
    "an object is no identity": Story([good(1) | {"who": {"a": 1}}, guest(2)], **held("not_text")),
    "a line that is none": Story([guest(1), b"zaphod\n"], **held("unreadable: 1")),
    "the nearest name of a column of no row": Story(
        [{"name": "E", "whom": "a@example.com"}],
        **held("1). `who` was in no record; did you mean `whom`? Check the configuration (event"),
    ),
    "a fixed name in double quotes": Story(
        [good(1)],
        config={"api__event_column": '"Order placed"'},
        **held(
            "`\"Order placed\"` was in no record; for a fixed name write 'Order placed' in single "
            "quotes. Check"
        ),
    ),
    "an event ID of no row": Story(
        [good(1)], config={"api__event_id_column": "order"}, **held("`order` was in no record. ")
    ),
    "no messages": Story(
        [b"name,who\n", b"E,a@example.com\n"],
        **held("stdin holds no Airbyte records (one JSON message a line, as a source prints them)"),
    ),
    "all of another stream": Story(
        [record(good(1), stream="elsewhere"), b"zaphod\n"],
        **held(f"No record is of a stream of the catalog, which has `{STREAM}`; no state"),
    ),
    "files hold them all": Story([guest(n) for n in range(150)], files=True, warns="files"),
    "files hold what no row is to blame for": Story(
        [good(1) | {"who": [2]}], files=True, warns="files"
    ),
    "deleted rows do not count": Story(
        [guest(1), *({"_ab_cdc_deleted_at": "2026-01-01"} for _ in range(200))], warns=NOBODY
    ),
    "one that lands": Story([*(guest(n) for n in range(200)), good(200)]),
}

HALF = [guest(n) if n % 2 else good(n) for n in range(100)]
PERCENT = {
    "as many as may be": Story(HALF, config={"max_rejected_percent": 50}),
    "one too many": Story(
        [*HALF[:-2], guest(98), guest(99)],
        config={"max_rejected_percent": 50},
        fails="More than 50 % of 100 records were rejected (max_rejected_percent): "
        "identity_of_no_single_person: 51",
    ),
    "too few to judge": Story(HALF[:99], config={"max_rejected_percent": 0}),
    "none may be": Story(
        [*(good(n) for n in range(200)), guest(200)],
        config={"max_rejected_percent": 0},
        fails="More than 0 % of 201 records",
    ),
    "a part of a percent": Story(
        [*(good(n) for n in range(300)), guest(300), guest(301)],
        config={"max_rejected_percent": 0.5},
        fails="More than 0.5 % of 302 records",
    ),
    "deleted rows do not count": Story(
        [*HALF[:-1], {"_ab_cdc_deleted_at": "2026-01-01"}], config={"max_rejected_percent": 0}
    ),
    "deleted rows are no part of all": Story(
        [*HALF, guest(100), *({"_ab_cdc_deleted_at": "2026-01-01"} for _ in range(50))],
        config={"max_rejected_percent": 50},
        fails="More than 50 % of 101 records",
    ),
    "files hold them all": Story(
        [guest(n) for n in range(100)],
        files=True,
        config={"max_rejected_percent": 99},
        fails="More than 99 % of 100 records",
    ),
    "unless it is set": Story([*(guest(n) for n in range(999)), good(999)]),
    "null is not set": Story(HALF, config={"max_rejected_percent": None}),
    "blank is not set": Story(HALF, config={"max_rejected_percent": " "}),
}


def lines_of(connector: Connector, story: Story) -> list[bytes]:
    """Its input."""
    rows = [row if isinstance(row, bytes) else connector.record(row) for row in story.rows]
    return [*rows, connector.state(1)]


def configured(connector: Connector, story: Story, url: str, folder: Path) -> Json:
    """Its configuration."""
    folder.mkdir(exist_ok=True)
    files = {"storage_type": "Local", "path": str(folder)}
    more: Json = {"object_storage_config": files} if story.files else {}
    return connector.config(url, **story.config, **more)


def told_alike(connector: Connector, story: Story, folder: Path, real: Outcome) -> None:
    """Dry run and preview say how the real sync ended."""
    config = configured(connector, story, NOWHERE, folder)
    catalog = connector.catalog(story.schema)
    lines = lines_of(connector, story)
    dry = connector.write_here({**config, "dry_run": True}, lines, catalog)
    plan = Preview(connect(HEAP, config, catalog), most=1).of([lines]).as_json()
    assert dry.code == real.code
    assert dry.states == []
    if story.fails is None:
        assert plan["would_fail"] is None
        assert story.warns in "".join(plan["warnings"])
    else:
        assert dry.error["failure_type"] == "config_error"
        assert story.fails in dry.error["message"]
        assert story.fails in plan["would_fail"]
        assert "A sync would fail: " in dry.logs


@pytest.mark.parametrize("name", QUIET)
def test_a_quiet_hour_is_no_wrong_configuration(
    connector: Connector, tmp_path: Path, name: str
) -> None:
    """Nothing was accepted: the reasons, their columns, their number and the files decide."""
    story = QUIET[name]
    with running() as heap:
        config = configured(connector, story, heap.url, tmp_path / "rejected")
        catalog = connector.catalog(story.schema)
        outcome = connector.write_here(config, lines_of(connector, story), catalog)
    assert [state["id"] for state in outcome.states] == ([1] if story.states_leave else [])
    if story.fails is None:
        outcome.succeeded()
        assert story.warns in outcome.logs
        assert (NOBODY in outcome.logs) == (outcome.ledger["accepted"] == 0)
    else:
        assert outcome.error["failure_type"] == "config_error"
        assert story.fails in outcome.error["message"]
    told_alike(connector, story, tmp_path / "rejected", outcome)


@pytest.mark.parametrize("name", PERCENT)
def test_more_rejected_than_may_be(connector: Connector, tmp_path: Path, name: str) -> None:
    """What is good has landed and all states have left before the sync fails."""
    story = PERCENT[name]
    with running() as heap:
        config = configured(connector, story, heap.url, tmp_path / "rejected")
        outcome = connector.write_here(config, lines_of(connector, story))
        landed = [row for row in story.rows if isinstance(row, dict) and "@" in row.get("who", "")]
        assert connector.landed(heap) == [row["n"] for row in landed]
    assert [state["id"] for state in outcome.states] == [1]
    if story.fails is None:
        outcome.succeeded()
    else:
        assert outcome.error["failure_type"] == "config_error"
        assert story.fails in outcome.error["message"]
    told_alike(connector, story, tmp_path / "rejected", outcome)


@every_api
def test_every_api_is_judged(connector: Connector) -> None:
    """A row without an identity is green where the column is there, and fails where it is not."""
    outcomes = []
    for row in ({"name": "E", "who": None}, {"name": "E", "nobody": 1}):
        with connector.running() as service:
            lines = [connector.record(row), connector.state(1)]
            outcomes.append(connector.write_here(connector.config(service.url), lines))
    assert [outcome.code for outcome in outcomes] == [0, 1]
    assert [len(outcome.states) for outcome in outcomes] == [1, 0]


def test_the_next_sync_goes_on_behind_a_quiet_one(connector: Connector) -> None:
    """As its users start it: two guests, exit 0 and their state; then somebody comes."""
    with connector.running() as heap:
        config = connector.config(heap.url)
        lines = [connector.record(guest(1)), connector.record(guest(2)), connector.state(2)]
        first = connector.write(config, lines).succeeded()
        second = connector.write(
            config, [connector.record(good(3)), connector.state(3)]
        ).succeeded()
        assert connector.landed(heap) == [3]
    assert [state["id"] for state in (*first.states, *second.states)] == [2, 3]
    assert connector.stats(first.states[0]) == (0.0, 2.0)


@pytest.mark.parametrize("connector", ["add_user_properties"], indirect=True)
def test_nothing_but_empty_updates(connector: Connector, tmp_path: Path) -> None:
    """All that were not deleted had nothing to say: a property column is misspelled."""
    rows = [good(1), good(2), {"_ab_cdc_deleted_at": "2026-01-01"}]
    story = Story(rows, config={"api__property_columns": "plann"}, **held("no_property_to_send: 2"))
    with running() as heap:
        config = configured(connector, story, heap.url, tmp_path / "rejected")
        outcome = connector.write_here(config, lines_of(connector, story))
        assert heap.users() == []
    assert outcome.states == []
    assert "property_columns" in outcome.error["message"]
    told_alike(connector, story, tmp_path / "rejected", outcome)


# -- what the service refuses ---------------------------------------------------------------------


def refusing(bad: Callable[[int], bool], of: str) -> Callable[[int, bytes], Any]:
    """A service that refuses a request with a bad row in it, by its number."""

    def script(_: int, body: bytes) -> tuple[int, dict[str, str], bytes]:
        numbers = [event["properties"]["n"] for event in json.loads(body)[of]]
        return (400, {}, b"{}") if any(map(bad, numbers)) else (200, {}, b"{}")

    return script


@both
@pytest.mark.parametrize("in_flight", [1, 8])
def test_all_that_was_asked_is_refused(connector: Connector, serve: Serve, in_flight: int) -> None:
    """Few records in every lane: each lane has its turn, and the sync fails at its end."""
    events, _, _ = EVENTS[connector.api]
    lines = [connector.record(good(n)) for n in range(40)]
    lines += [connector.record(guest(40)), connector.state(1)]
    url = serve(refusing(lambda _: True, events))
    outcome = connector.write_here(connector.config(url, requests_in_flight=in_flight), lines)
    assert outcome.error["failure_type"] == "config_error"
    assert outcome.states == []
    assert outcome.ledger["rejected"] == 41
    assert ": 40 (first at record 1)" in outcome.error["message"]


def test_refused_though_files_hold_them(connector: Connector, serve: Serve, tmp_path: Path) -> None:
    """Where the service refuses all, files are no way out: no state leaves and none is made."""
    files = {"storage_type": "Local", "path": str(tmp_path)}
    config = connector.config(
        serve(refusing(lambda _: True, "events")), object_storage_config=files
    )
    lines = [connector.record(guest(1)), connector.record(good(2)), connector.state(1)]
    outcome = connector.write_here(config, lines)
    assert outcome.error["failure_type"] == "config_error"
    assert outcome.states == []
    assert [*tmp_path.rglob("*.jsonl")] == []


def test_a_bad_record_alone_in_the_first_request(
    connector: Connector, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused before anything was accepted, and ends nothing: others are tried."""
    monkeypatch.setattr(delivery, "OPEN_AT_MOST", 0.05)
    refused = threading.Event()
    script = refusing(lambda number: number == 1, "events")

    def watched(number: int, body: bytes) -> tuple[int, dict[str, str], bytes]:
        answer: tuple[int, dict[str, str], bytes] = script(number, body)
        if answer[0] == 400:
            refused.set()
        return answer

    def source() -> Iterator[AirbyteMessage]:
        first = [connector.record(good(1)), connector.state(1)]
        second = [*(connector.record(good(n)) for n in range(2, 50)), connector.state(2)]
        for line in first:
            yield AirbyteMessageSerializer.load(json.loads(line))
        assert refused.wait(20), "the first record was not sent alone"
        for line in second:
            yield AirbyteMessageSerializer.load(json.loads(line))

    catalog = CatalogSerializer.load(connector.catalog())
    destination = DestinationHeapAnalytics()
    states = [*destination.write(connector.config(serve(watched)), catalog, source())]
    told = [state.state.destinationStats for state in states if state.state]
    assert [stats.recordCount for stats in told if stats] == [0, 48]


def test_a_hundred_refused_are_enough(connector: Connector, serve: Serve) -> None:
    """The end of a source is not waited for where the service takes nothing at all."""
    process = connector.start_write(connector.config(serve(refusing(lambda _: True, "events"))))
    sent = threading.Event()

    def endless() -> Iterator[bytes]:
        for number in range(1_000_000):
            if sent.is_set():
                return
            yield b"".join(connector.record(good(number * 100 + n)) for n in range(100))

    process.send_all(endless())
    outcome = process.finish()
    sent.set()
    assert outcome.error["failure_type"] == "config_error"
    assert outcome.states == []
    assert 100 <= outcome.ledger["rejected"] <= 1_000
