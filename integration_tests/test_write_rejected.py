"""Rejected records in a folder: kept before their states leave, and replayed after a correction."""

from __future__ import annotations

import json
import random
import re
import shutil
import signal
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airbyte_cdk.models import AirbyteMessage, AirbyteMessageSerializer
from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer as CatalogSerializer
from airbyte_cdk.models import Type as MessageType

from bulk_destination.protocol.lines import LONGEST_LINE
from bulk_destination.rejected import rejected_files
from destination_heap_analytics import DestinationHeapAnalytics
from integration_tests.services import both, every_api
from sandbox.heap import SandboxOptions, running

if TYPE_CHECKING:
    from integration_tests.conftest import Connector, Json

POISON = SandboxOptions(quotas=False, poison=("venom",))


def local(folder: Path) -> Json:
    """The configuration of a folder."""
    return {"storage_type": "Local", "path": str(folder)}


def files(folder: Path) -> list[Path]:
    """The files in it, in the order of their writing."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def kept(folder: Path) -> list[Json]:
    """The records in them, file by file."""
    return [
        json.loads(line)["record"]
        for file in files(folder)
        for line in file.read_bytes().splitlines()
    ]


def numbers(records: list[Json]) -> list[int]:
    """The `n` of records, in their order."""
    return [record["data"]["n"] for record in records]


def bad(number: int, **more: Any) -> Json:
    """Data that the connector rejects by itself: an identity that belongs to nobody."""
    return {"name": "Signed Up", "who": "guest", "n": number, **more}


def refused(number: int, **more: Any) -> Json:
    """Data that Heap refuses."""
    return {
        "name": "Signed Up",
        "who": f"p{number}@example.com",
        "n": number,
        "note": "venom",
        **more,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for rejected records."""
    path = tmp_path / "rejected"
    path.mkdir()
    return path


def mixed(connector: Connector, count: int = 300) -> list[bytes]:
    """Every tenth record is refused by Heap and every tenth by the connector; states between."""
    lines: list[bytes] = []
    for number in range(count):
        make = {3: bad, 7: refused}.get(number % 10, connector.event)
        lines.append(connector.record(make(number)))
        if number % 50 == 49:
            lines.append(connector.state(number))
    return lines


@every_api
def test_what_is_rejected_is_in_a_file(connector: Connector, folder: Path) -> None:
    """Each rejected record with its reason, the others in the service, and the counts agree."""
    catalog = connector.catalog()
    catalog["streams"][0] |= {"sync_id": 17}
    catalog["streams"][0]["stream"]["namespace"] = "crm"
    lines = mixed(connector)
    if connector.api == "add_account_properties":  # `guest` may be an account's name
        lines = [line.replace(b'"guest"', b'" "') for line in lines]
    with connector.running(poison=("venom",)) as service:
        config = connector.config(service.url, object_storage_config=local(folder))
        outcome = connector.write_here(config, lines, catalog).succeeded()
    assert outcome.ledger["accepted"] == 240
    assert [connector.stats(state) for state in outcome.states] == [(40.0, 10.0)] * 6
    (file,) = files(folder)
    day, _, name = str(file.relative_to(folder)).partition("people/")
    assert day == "17/crm/"
    assert re.fullmatch(r"\d{4}_\d\d_\d\d_\d{19}_0\.jsonl", name)
    found = kept(folder)
    assert numbers(found) == [n for n in range(300) if n % 10 in {3, 7}]
    reasons = {record["meta"].pop("rejection_reason") for record in found}
    assert reasons == set(outcome.ledger["rejected_by_reason"])
    assert len(reasons) == 2
    # All else is as it came.
    sent = {json.loads(line)["record"]["data"]["n"]: line for line in lines if b'"RECORD"' in line}
    for record in found:
        answer = record["meta"].pop("rejection_answer", "")
        assert answer.endswith("is not valid" if "note" in record["data"] else "")
        assert bool(answer) == ("note" in record["data"])
        assert record.pop("meta") == {}
        assert record == json.loads(sent[record["data"]["n"]])["record"]
    assert "60 rejected records in 1 files" in outcome.logs


@both
@pytest.mark.parametrize("mode", ["append", "append_dedup"])
def test_replay_after_a_correction(connector: Connector, folder: Path, mode: str) -> None:
    """The files piped into `write` land each record once, under the keys of a sync without faults.

    The wrong columns are corrected; the records that were accepted then are not sent again.
    """
    catalog = connector.catalog(mode=mode, key=[["n"]])
    lines = [
        line.replace(b'"who"', b'"email": "p%d@example.com", "who"' % number)
        for number, line in enumerate(mixed(connector, 200))
    ]
    wrong: Json = {"object_storage_config": local(folder), "api__property_columns": "n,note"}
    who = "identity_column" if connector.service == "heap" else "user_id_column"
    key = "idempotency_key" if connector.service == "heap" else "insert_id"
    right: Json = {f"api__{who}": "email", "api__property_columns": "n"}
    poison = {"poison": ("venom",)}
    with connector.running(**poison) as service, connector.running(**poison) as clean:
        first = connector.write_here(connector.config(service.url, **wrong), lines, catalog)
        assert first.succeeded().ledger["rejected"] == 40
        assert len(service.events()) == 160
        rejected = b"".join(file.read_bytes() for file in files(folder))
        config = connector.config(service.url, **right)
        for _ in range(2):  # once more by mistake: the keys absorb it
            again = connector.write_here(config, [rejected], catalog).succeeded()
            assert again.ledger["accepted"] == 40
        assert connector.landed(service) == list(range(200))
        connector.write_here(connector.config(clean.url, **right), lines, catalog).succeeded()
        keys = {event["properties"]["n"]: event[key] for event in clean.events()}
        replayed = [event for event in service.events() if event["properties"]["n"] % 10 in {3, 7}]
        assert len(replayed) == 40
        for event in replayed:
            assert event[key] == keys[event["properties"]["n"]]


def test_kill_and_start_again(connector: Connector, folder: Path) -> None:
    """kill -9 at random moments: a state that left implies its rejected records are on the disk.

    In the end each record is in Heap or in a file, none in both, and the events once.
    """
    random_ = random.Random(7)
    total, kills, seen = 8_000, 2, 0
    at = 0
    pad = "x" * 20_000  # so that files fill before the sync ends
    poisoned = set(range(7, total, 200))
    rejected = {number for number in range(total) if number % 10 in {3, 4}} | poisoned

    def lines(start: int) -> Iterator[bytes]:
        for number in range(start, total):
            make = refused if number in poisoned else bad
            padded = number in rejected
            yield connector.record(make(number, pad=pad) if padded else connector.event(number))
            if number % 10 == 9:
                yield connector.state(number + 1)
            if number % 100 == 99:
                time.sleep(0.05)

    def on_disk(state: Json) -> None:
        nonlocal seen
        whole = b"".join(file.read_bytes() for file in files(folder))
        found = {int(number) for number in re.findall(rb'"n": (\d+)', whole)}
        assert {number for number in rejected if number < state["id"]} <= found
        seen += 1

    def now_and_then(state: Json) -> None:
        if state["id"] % 500 == 0:
            on_disk(state)

    options = SandboxOptions(quotas=False, poison=("venom",))
    with running(options) as heap:
        config = connector.config(
            heap.url,
            requests_in_flight=3,
            api__property_columns="n,note",
            object_storage_config=local(folder),
        )
        for killing in [True] * kills + [False]:
            process = connector.start_write(config, on_state=now_and_then)
            process.send_all(lines(at))
            if killing:
                process.wait_for(b'"STATE"')
                time.sleep(random_.random() * 0.2)
                process.signal(signal.SIGKILL)
                process.finish()
            else:
                process.finish().succeeded()
            if process.states:
                on_disk(process.states[-1])
            at = max((state["id"] for state in process.states), default=at)
        held = sorted(event["properties"]["n"] for event in heap.events())
    assert at == total
    assert seen > kills
    assert held == sorted(set(range(total)) - rejected)
    assert set(numbers(kept(folder))) == rejected


def test_a_quiet_source_gets_its_states(
    connector: Connector, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rejected records wait a while for others, not for the end of the source.

    By the CDK's own interface; that nothing was accepted yet does not hold the states either.
    """
    monkeypatch.setattr(rejected_files, "WAIT_AT_MOST", 0.1)
    seen = threading.Event()

    def source() -> Iterator[AirbyteMessage]:
        for line in (connector.record(bad(1)), connector.state(1)):
            yield AirbyteMessageSerializer.load(json.loads(line))
        assert seen.wait(20), "the state did not leave while the source was quiet"
        yield AirbyteMessageSerializer.load(json.loads(connector.record(connector.event(2))))

    with running() as heap:
        config = connector.config(heap.url, object_storage_config=local(folder))
        catalog = CatalogSerializer.load(connector.catalog())
        for message in DestinationHeapAnalytics().write(config, catalog, source()):
            assert message.type == MessageType.STATE
            assert numbers(kept(folder)) == [1]
            seen.set()
        assert len(heap.events()) == 1
        assert seen.is_set()
        # What a caller in this process rejects can be replayed as well.
        rejected = files(folder)[0].read_bytes().replace(b"guest", b"ann@example.com")
        connector.write_here(config, [rejected]).succeeded()
        assert len(heap.events()) == 2


def test_nothing_but_bad_records(connector: Connector, folder: Path) -> None:
    """They are in a file and their states leave: nothing is lost, and the sync is a success."""
    lines = [connector.record(bad(1)), connector.state(1), connector.record(bad(2))]
    with running() as heap:
        config = connector.config(heap.url, object_storage_config=local(folder))
        outcome = connector.write_here(config, [*lines, connector.state(2)]).succeeded()
        assert heap.requests() == []
        assert "goes on behind them" in outcome.logs
        assert [state["id"] for state in outcome.states] == [1, 2]
        assert numbers(kept(folder)) == [1, 2]
        # A line that is no record is in a file, too.
        outcome = connector.write_here(config, [*lines, b"zaphod\n", connector.state(2)])
    assert "goes on behind them" in outcome.succeeded().logs
    assert [state["id"] for state in outcome.states] == [1, 2]
    assert kept(folder)[-1]["meta"]["unreadable_line"] == {"text": "zaphod"}


#: What no parser takes, and what of it is sent: all but the value itself.
STRANGE = {
    "digits": b'{"name":"E","who":"%b","x":' + b"9" * 5_000 + b"}",
    "levels": b'{"name":"E","who":"%b","x":' + b'{"a":' * 2_000 + b"1" + b"}" * 2_001,
    "bytes": b'{"name":"E","who":"%b","x":"Zo\xeb"}',
}


@pytest.mark.parametrize("data", STRANGE.values(), ids=STRANGE)
def test_what_no_parser_takes_is_sent_or_kept(
    connector: Connector, folder: Path, data: bytes
) -> None:
    """A record lands without such a value; one that is rejected is kept byte for byte."""
    whole = b'{"type":"RECORD","record":{"stream":"people","emitted_at":1,"data":%b}}\n'
    lines = [whole % (data.replace(b"%b", who)) for who in (b"ada", b"guest")]
    with running(SandboxOptions(quotas=False)) as heap:
        config = connector.config(heap.url, object_storage_config=local(folder))
        outcome = connector.write_here(config, [*lines, connector.state(1)]).succeeded()
        (event,) = heap.events()
        assert (event["identity"], event["properties"].get("x")) in {
            ("ada", None),
            ("ada", "Zo\ufffd"),
        }
        reasons = {"identity_of_no_single_person": 1}
        assert outcome.ledger["rejected_by_reason"] == reasons
        assert [connector.stats(state) for state in outcome.states] == [(1.0, 1.0)]
        (file,) = files(folder)
        meta = b',"meta":{"rejection_reason":"identity_of_no_single_person"}}}\n'
        assert file.read_bytes() == lines[1][:-3] + meta
        # Piped in again, it is judged as before, and kept as before.
        again = connector.write_here(config, [file.read_bytes(), lines[0]])
        assert again.succeeded().ledger["rejected_by_reason"] == reasons
    assert files(folder)[1].read_bytes() == file.read_bytes()


def test_a_line_that_is_no_message_is_kept(connector: Connector, folder: Path) -> None:
    """In a message that can be piped in as often as one likes, and nothing of it is lost."""
    broken = [b"zaphod", b"\xff\xfe", b'{"type":"RECORD","record":{"stream":"people"}}', b"[1"]
    lines = [connector.record(connector.event(1)), *(line + b"\n" for line in broken)]
    with running(SandboxOptions(quotas=False)) as heap:
        config = connector.config(heap.url, object_storage_config=local(folder))
        first = connector.write_here(config, [*lines, connector.state(1)]).succeeded()
        (file,) = files(folder)
        content = file.read_bytes()
        again = connector.write_here(config, [lines[0], content, connector.state(2)]).succeeded()
    for outcome in (first, again):
        assert outcome.ledger["rejected_by_reason"] == {"unreadable": 4}
        assert [connector.stats(state) for state in outcome.states] == [(1.0, 4.0)]
    assert files(folder)[1].read_bytes() == content
    held = [record["meta"]["unreadable_line"] for record in kept(folder)[:4]]
    assert [
        each["text"].encode() if "text" in each else b64decode(each["base64"]) for each in held
    ] == broken


def test_a_record_that_is_too_long(connector: Connector, folder: Path) -> None:
    """It is counted, and streamed to a file of its own, from where it comes in again as it was."""
    long = connector.record({**connector.event(7), "text": "x" * LONGEST_LINE})
    lines = [connector.record(connector.event(1)), long, connector.state(1)]
    with running(SandboxOptions(quotas=False)) as heap:
        for storage in (None, local(folder)):
            config = connector.config(heap.url, object_storage_config=storage)
            outcome = connector.write_here(config, lines).succeeded()
            assert outcome.ledger["rejected_by_reason"] == {"too_long": 1}
            assert outcome.ledger["rejected_first_at"] == {"too_long": 2}
            assert [connector.stats(state) for state in outcome.states] == [(1.0, 1.0)]
    (file,) = files(folder)
    assert file.read_bytes() == long


def test_the_first_request_refused_whole(connector: Connector, folder: Path) -> None:
    """The fault is in the configuration: no state leaves, and no file is made."""
    lines = [connector.record(bad(0)), connector.state(0)]
    for number in range(1, 6):
        lines += [connector.record(refused(number)), connector.state(number)]
    with running(POISON) as heap:
        config = connector.config(heap.url, object_storage_config=local(folder))
        outcome = connector.write_here(config, lines)
    assert outcome.error["failure_type"] == "config_error"
    assert outcome.states == []
    assert files(folder) == []


def test_more_states_than_wait_in_memory(connector: Connector, folder: Path) -> None:
    """A state behind every record, and every record bad: few files, every state."""
    lines = [connector.record(bad(n)) + connector.state(n) for n in range(25_000)]
    with running() as heap:
        config = connector.config(heap.url, object_storage_config=local(folder))
        outcome = connector.write_here(config, lines).succeeded()
    assert [state["id"] for state in outcome.states] == list(range(25_000))
    assert numbers(kept(folder)) == list(range(25_000))
    assert len(files(folder)) <= 4


@pytest.mark.parametrize("wrong", ["missing", "file", "/proc"])
def test_a_folder_that_cannot_be_written(connector: Connector, folder: Path, wrong: str) -> None:
    """`check` says which step failed; `write` sends nothing."""
    (folder / "file").touch()
    with running() as heap:
        config = connector.config(heap.url, object_storage_config=local(folder / wrong))
        (message,) = connector.run_here("check", "--config", connector.file(config)).of_type(
            "CONNECTION_STATUS"
        )
        status = message["connectionStatus"]
        assert status["status"] == "FAILED"
        for words in ("object_storage_config.path", "no file can be kept", "mounted"):
            assert words in status["message"]
        del heap.requests()[:]
        outcome = connector.write_here(config, [connector.record(connector.event(1))])
        assert heap.events() == []
    assert outcome.error["failure_type"] == "config_error"
    assert outcome.error["message"] == status["message"]
    assert [path.name for path in folder.iterdir()] == ["file"]


def test_a_check_leaves_nothing_in_the_folder(connector: Connector, folder: Path) -> None:
    """What it writes it removes."""
    with running() as heap:
        config = connector.config(heap.url, object_storage_config=local(folder))
        outcome = connector.run_here("check", "--config", connector.file(config))
    (message,) = outcome.of_type("CONNECTION_STATUS")
    assert message["connectionStatus"] == {"status": "SUCCEEDED"}
    assert list(folder.iterdir()) == []


def test_a_folder_that_fails_midway(connector: Connector, folder: Path) -> None:
    """The mount goes away: the sync ends and says why, and states behind the rejected stay."""
    with running() as heap:
        config = connector.config(heap.url, object_storage_config=local(folder))
        process = connector.start_write(config)
        good = [connector.record(connector.event(n)) for n in range(1_000)]
        process.send(connector.state(1))
        process.wait_for(b'"STATE"')
        shutil.rmtree(folder)
        process.send(*good, connector.state(2), connector.record(bad(0)), connector.state(3))
        process.end_input()
        outcome = process.finish()
        assert len(heap.events()) == 1_000
    assert outcome.error["failure_type"] == "transient_error"
    assert "Rejected records cannot be saved" in outcome.error["message"]
    assert "No such file" in outcome.error["message"]
    assert [state["id"] for state in outcome.states] == [1, 2]
    assert not folder.exists()
    assert outcome.ledger["rejected"] == 1


def test_asked_to_stop(connector: Connector, folder: Path) -> None:
    """SIGTERM: what was rejected is saved, and the states behind it leave."""
    with running(SandboxOptions(quotas=False)) as heap:
        config = connector.config(
            heap.url, requests_in_flight=1, object_storage_config=local(folder)
        )
        process = connector.start_write(config)
        process.send(*(connector.record(connector.event(n)) for n in range(1_000)))
        process.send(connector.state(1))
        # One more begins the next batch and so closes the first.
        process.send(connector.record(connector.event(1_000)))
        process.wait_for(b'"STATE"')
        process.send(connector.record(bad(1_001)), connector.state(2))
        time.sleep(0.3)
        process.signal(signal.SIGTERM)
        outcome = process.finish(timeout=15)
    assert outcome.error["failure_type"] == "transient_error"
    assert numbers(kept(folder)) == [1_001]
    # The second state stands behind a record that was never sent.
    assert [state["id"] for state in outcome.states] == [1]


@pytest.mark.parametrize("name", ["../x", "../../../../../../../../tmp/x", "/etc/x", "a/b", "."])
def test_names_stay_in_the_folder(connector: Connector, folder: Path, name: str) -> None:
    """A stream's name is no path."""
    catalog = connector.catalog(stream=name)
    catalog["streams"][0]["stream"]["namespace"] = name
    outside = set(folder.parent.rglob("*"))
    with running() as heap:
        config = connector.config(heap.url, object_storage_config=local(folder))
        lines = [
            connector.record(bad(1), stream=name),
            connector.record(connector.event(2), stream=name),
        ]
        connector.write_here(config, lines, catalog).succeeded()
    (file,) = files(folder)
    assert len(file.relative_to(folder).parts) == 4
    new = {path for path in folder.parent.rglob("*") if folder not in path.parents} - outside
    assert new == set(folder.parent.glob("*.json")), "the configuration and the catalog"


def test_memory_stays_bounded(connector: Connector, folder: Path) -> None:
    """100 MB of lines of which little is sent, before a slow Heap: the source is slowed."""
    pad = b"x" * 20_000

    def lines() -> Iterator[bytes]:
        for n in range(5_000):
            who = b"guest" if n % 5 == 0 else b"p%d" % n
            yield (
                b'{"type":"RECORD","record":{"stream":"people","data":'
                b'{"name":"e","who":"%b","n":%d,"pad":"%b"}}}\n' % (who, n, pad)
            )
            if n % 100 == 99:
                yield connector.state(n)

    with running(SandboxOptions(quotas=False, latency_ms=100)) as heap:
        storage = local(folder)
        config = connector.config(
            heap.url, api__property_columns="n", object_storage_config=storage
        )
        outcome = connector.write(config, lines()).succeeded()
        assert heap.stats()["events"] == 4_000
    assert numbers(kept(folder)) == list(range(0, 5_000, 5))
    assert len(files(folder)) == 3
    assert [state["id"] for state in outcome.states] == list(range(99, 5_000, 100))
    if outcome.peak_bytes:
        assert outcome.peak_bytes < 115_000_000, outcome.peak_bytes


def test_no_value_leaves_but_to_the_folder(connector: Connector, folder: Path) -> None:
    """Not in logs, not at DEBUG, not where the folder fails."""
    options = SandboxOptions(quotas=False, poison=("venom",), quote_values=True)
    lines = [
        connector.record(refused(1, by="zaphod")),
        connector.record(bad(2, by="zaphod")),
        connector.record(connector.event(3)),
        connector.state(1),
    ]
    with running(options) as heap:
        storage = local(folder)
        config = connector.config(heap.url, requests_in_flight=1, object_storage_config=storage)
        good = connector.write(config, lines, log_level="DEBUG").succeeded()
        folder.rename(folder.with_name("kept"))
        folder.mkdir()
        (folder / "0").touch()  # in the place of the sync's folder
        failing = connector.write_here(config, lines)
    assert failing.error["failure_type"] == "transient_error"
    assert failing.states == []
    for outcome in (good, failing):
        assert b"zaphod" not in outcome.stdout + outcome.stderr
        assert b"guest" not in outcome.stdout + outcome.stderr
    assert b"zaphod" in files(folder.with_name("kept"))[0].read_bytes()
