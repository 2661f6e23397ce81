"""`preview`: the plan for people, `--json` for machines."""

from __future__ import annotations

import json
import math
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from bulk_destination.loading.surroundings import Surroundings
from integration_tests.chaos.process import inherited, program
from integration_tests.services import APP_ID, EVENTS, SDK_KEY, both
from sandbox.heap import SandboxOptions, running

if TYPE_CHECKING:
    from integration_tests.conftest import Connector

NOWHERE = "http://127.0.0.1:9"


def arguments(connector: Connector, config: object = None) -> list[str]:
    """The command line."""
    files = connector.file(config or connector.config(NOWHERE)), connector.file(connector.catalog())
    return [*program(connector.service), "preview", "--config", files[0], "--catalog", files[1]]


def preview(
    connector: Connector, records: list[bytes], *args: str, config: object = None
) -> subprocess.CompletedProcess[str]:
    """Runs the command with its output in pipes."""
    command = [*arguments(connector, config), *args]
    shown = run(command, b"".join(records))
    assert not any(secret in shown.stdout + shown.stderr for secret in (APP_ID, SDK_KEY))
    return shown


def run(command: list[str], stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    """A command to its end, its output decoded."""
    done = subprocess.run(
        command, input=stdin, env=inherited(), capture_output=True, timeout=60, check=False
    )
    said = done.stdout.decode(), done.stderr.decode()
    return subprocess.CompletedProcess(done.args, done.returncode, *said)


@both
def test_tables(connector: Connector) -> None:
    """Record in and payload out side by side, the counts, and what to look at; no colours."""
    records = [connector.record(connector.event(n) | {"line_1": "x"}) for n in range(10)]
    records.append(connector.record({"name": "Signed Up", "who": "guest", "n": 11}))
    shown = preview(connector, records)
    assert shown.returncode == 3
    assert shown.stderr == ""
    assert "\x1b" not in shown.stdout
    lines = shown.stdout.splitlines()
    assert lines[0].startswith("Nothing was sent")
    assert lines[-1].startswith("Nothing was sent")
    assert "person0@example.com" in shown.stdout
    assert EVENTS[connector.api][1] in shown.stdout
    assert "rejected:" in shown.stdout
    assert "_of_no_single_person" in shown.stdout
    assert any("Signed Up" in line and "10" in line for line in lines)
    assert "Digits or ids in property names: `line_1`" in shown.stdout
    assert len(max(lines, key=len)) <= 80


@both
def test_json(connector: Connector) -> None:
    """One object: the plan and the samples; the payloads are those that a sync then sends."""
    records = [connector.record(connector.event(n)) for n in range(5)]
    _, key, _ = EVENTS[connector.api]
    held = "idempotency_key" if connector.service == "heap" else "insert_id"
    with connector.running() as local:
        config = connector.config(local.url)
        shown = preview(connector, records, "--json", "--records", "2", config=config)
        assert local.requests() == []
        connector.write_here(config, records).succeeded()
        landed = {event[held]: event["properties"] for event in local.events()}
    assert shown.returncode == 0
    found = json.loads(shown.stdout)
    assert found["nothing_was_sent"] is True
    assert found["would_be_sent"] == 5
    assert [sample["position"] for sample in found["records"]] == [1, 2]
    for sample in found["records"]:
        payload = sample["payload"]
        assert landed[payload[key]] == payload["properties"]


def test_rejected_ones_are_shown_wherever_they_come(connector: Connector) -> None:
    """The first few of them, with the line that is no message as it is."""
    records = [connector.record(connector.event(n)) for n in range(50)]
    records += [connector.record({"name": "x", "who": "null"}), b"no message\n"]
    found = json.loads(preview(connector, records, "--json", "--records", "1").stdout)
    samples = [(each["position"], each.get("rejected")) for each in found["records"]]
    assert samples == [(1, None), (51, "identity_of_no_single_person")]
    found = json.loads(preview(connector, records, "--json", "--records", "2").stdout)
    assert found["records"][-1] == {
        "position": 52,
        "record": "no message",
        "rejected": "unreadable",
    }


def test_a_misspelled_field(connector: Connector) -> None:
    """It is told, as it would not do what it was meant to; so it is by `write` and a dry run."""
    config = connector.config(NOWHERE, dryrun=True)
    records = [connector.record(connector.event(1))]
    assert "`dryrun` is no field" in preview(connector, records, config=config).stdout
    outcome = connector.write_here({**config, "dry_run": True}, records)
    assert "did you mean `dry_run`?" in outcome.logs
    assert outcome.code == 0


@pytest.mark.parametrize("who", ["", None])
def test_columns_of_rejected_records(connector: Connector, who: str | None) -> None:
    """Whether a column is in records that are rejected is not looked at, and nothing said of it."""
    lines = [] if who is None else [connector.record({**connector.event(1), "who": who})]
    config = connector.config(NOWHERE, api__property_columns="n")
    shown = preview(connector, lines, config=config)
    assert "was in no record" not in shown.stdout
    assert ("stdin is empty" in shown.stderr) == (who is None)
    assert shown.returncode == (3 if lines else 1)


@both
def test_a_source_that_has_nothing_new(connector: Connector) -> None:
    """A state and no record is no fault of whoever looks."""
    shown = preview(connector, [connector.state(1)])
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "There was no record in the input" in shown.stdout


def test_a_sync_that_would_fail(connector: Connector) -> None:
    """No record is rejected, and none says anything: who runs it from a script is told, too."""
    config = connector.config(NOWHERE, "add_user_properties", api__property_columns="pln")
    shown = preview(connector, [connector.record({**connector.event(1), "plan": 1})], config=config)
    assert "A sync would fail" in shown.stdout
    assert shown.returncode == 3


def test_lines_before_messages_hide_none(connector: Connector) -> None:
    """What a source prints beside its messages is counted, and the rest is shown."""
    lines = [b"Picked up JAVA_TOOL_OPTIONS: -Xmx1g\n", connector.record(connector.event(1))]
    shown = preview(connector, lines)
    assert shown.returncode == 3
    assert "the line begins `Picked up JAVA_TOOL_OPTIONS: -Xmx1g`" in shown.stdout
    assert "Record 2 becomes" in shown.stdout


@both
def test_whole_records(connector: Connector) -> None:
    """`--full` has each beside what it becomes, with all that is in it."""
    record = connector.event(1) | {"unused": "unmapped@example.com"}
    config = connector.config(NOWHERE, api__property_columns="n")
    folded = preview(connector, [connector.record(record)], config=config).stdout
    full = preview(connector, [connector.record(record)], "--full", config=config).stdout
    assert "unmapped@example.com" not in folded
    assert "unmapped@example.com" in full
    assert "payload out" in full


@pytest.mark.parametrize("rows", ["csv", "json"])
def test_rows_are_what_messages_are(connector: Connector, rows: str) -> None:
    """Plain rows become the payloads that the same records become in messages."""
    events = [connector.event(n) | {"at": "2026-01-05T11:17:19Z"} for n in range(5)]
    config = connector.config(NOWHERE, api__timestamp_column="at")
    lines = [",".join(events[0]), *(",".join(map(str, each.values())) for each in events)]
    if rows == "json":
        lines = list(map(json.dumps, events))
    typed = ("--json", "--records", "5")
    stream = connector.catalog()["streams"][0]["stream"]["name"]
    command = [*arguments(connector, config), *typed, "--rows", stream]
    shown = run(command, "\n".join(lines).encode())
    said = preview(connector, list(map(connector.record, events)), *typed, config=config)
    first, second = (json.loads(each.stdout)["records"] for each in (shown, said))
    assert [each["payload"] for each in first] == [each["payload"] for each in second]
    assert shown.returncode == 0


def test_json_without_nan(connector: Connector) -> None:
    """What is no JSON in a record is null in the output, as other programs could not read it."""
    record = connector.event(1) | {"price": math.nan, "prices": [math.inf, 1.5]}
    shown = preview(connector, [connector.record(record)], "--json").stdout
    found = json.loads(shown, parse_constant=pytest.fail)["records"][0]["record"]
    assert (found["price"], found["prices"]) == (None, [None, 1.5])


def test_a_terminal_obeys_no_record(connector: Connector) -> None:
    """Control characters of a record are shown as what they are; markup is text."""
    record = connector.event(1) | {"a": "\x1b[2J\x9b31m\u202e", "b": "[red]x[/red]"}
    shown = preview(connector, [connector.record(record)])
    for character in "\x1b\x9b\u202e":
        assert character not in shown.stdout
    assert "[red]x[/red]" in shown.stdout


def test_faults_are_listed(connector: Connector) -> None:
    """On stderr, all of them, like `write` does; the exit code is 1."""
    config = {"app_id": "x", "api": {"api_type": "track"}}
    shown = preview(connector, [], config=config)
    assert shown.returncode == 1
    assert shown.stdout == ""
    for field in ("app_id", "api.event_column", "api.identity_column"):
        assert field in shown.stderr
    files = ["--config", "no", "--catalog", "none"]
    missing = run([*program("heap"), "preview", *files]).stderr
    assert "cannot read no:" in missing
    assert "cannot read none:" in missing


def test_progress_lines(connector: Connector) -> None:
    """A sync of more than ten seconds says how far it is."""
    hurried = Surroundings(clock=lambda: time.monotonic() * 10)
    with running(SandboxOptions(quotas=False, latency_ms=400)) as heap:
        config = connector.config(heap.url, requests_in_flight=1)
        records = [connector.record(connector.event(n)) for n in range(4_000)]
        outcome = connector.write_here(config, records, surroundings=hurried).succeeded()
    assert "So far: 4,000 records read" in outcome.logs


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_characters_that_no_terminal_takes(
    connector: Connector, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half an emoji, or an umlaut where stdout is ASCII, is escaped and ends nothing."""
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    record = connector.record(connector.event(1) | {"x": "\ud83d", "y": "\xe9"})
    for typed, holds in (([], "\xe9"), (["--full"], "\\ud83d")):
        shown = run([*arguments(connector), *typed], record)
        assert shown.stderr == ""
        assert shown.returncode == 0
        assert holds in shown.stdout.replace("\\xe9", "\xe9")
