"""`dry_run`: everything but the sending."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from typing import TYPE_CHECKING

from airbyte_cdk.models import (
    AirbyteMessageSerializer,
    ConfiguredAirbyteCatalogSerializer,
)

from destination_heap_analytics import DestinationHeapAnalytics
from integration_tests.chaos.process import inherited, program
from integration_tests.services import both
from sandbox.heap import running

if TYPE_CHECKING:
    from pathlib import Path

    from integration_tests.conftest import Connector, Json, Outcome


def lines(connector: Connector, count: int = 3_000) -> list[bytes]:
    """Good rows, a few bad ones, and states."""
    made: list[bytes] = []
    for number in range(1, count + 1):
        data = connector.event(number) | {"plan": "pro"}
        if number % 100 == 0:
            data["who"] = None
        made.append(connector.record(data))
        if number % 500 == 0:
            made.append(connector.state(number))
    return made


def plan(outcome: Outcome) -> Json:
    """The plan of the log."""
    (found,) = re.findall(r"^Plan: (\{.*\})$", outcome.logs, re.MULTILINE)
    read: Json = json.loads(found)
    return read


@both
def test_nothing_is_sent_and_no_state_leaves(connector: Connector) -> None:
    """The log says so first and last; what it counts is what a real sync then does."""
    with connector.running() as local:
        config = connector.config(local.url, requests_in_flight=2)
        outcome = connector.write({**config, "dry_run": True}, lines(connector))
        assert local.requests() == []
        real = connector.write_here(config, lines(connector)).succeeded()
        sent = local.requests()
        names = {name for event in local.events() for name in event["properties"]}
    assert outcome.code == 0
    assert outcome.states == []
    first, *_, last = outcome.logs.splitlines()
    assert "nothing is sent" in first
    assert "nothing is sent" in last
    found = plan(outcome)
    assert found["read"] == 3_000
    assert found["would_be_sent"] == real.ledger["accepted"] == 2_970
    assert found["rejected_by_reason"] == real.ledger["rejected_by_reason"]
    assert found["requests"] == len(sent)
    assert found["bytes"] == sum(request["bytes"] for request in sent)
    assert set(found["properties"]) == names
    assert found["events"] == {"Signed Up": 2_970}
    assert "person7@" not in outcome.stdout.decode()


@both
def test_no_log_tells_a_name_that_may_be_a_value(connector: Connector) -> None:
    """Diagnoses as events, people as keys: each is counted; `preview` tells them."""
    made = [connector.record(connector.event(n)) for n in range(20)]
    data = connector.event(20) | {"name": "HIV positive", "notes": {"Jane Doe": 1}}
    made.append(connector.record(data))
    config = connector.config("http://127.0.0.1:9", dry_run=True)
    outcome = connector.write_here(config, made)
    assert plan(outcome)["events"] == {"Signed Up": 20, "(others)": 1}
    assert plan(outcome)["event_names"] == 2
    assert b"HIV" not in outcome.stdout
    assert b"Jane" not in outcome.stdout
    files = connector.file(config), connector.file(connector.catalog())
    args = ["preview", "--config", files[0], "--catalog", files[1], "--json"]
    previewed = subprocess.run(
        [*program(connector.service), *args],
        input=b"".join(made),
        env=inherited(),
        stdout=subprocess.PIPE,
        check=False,
    )
    found = json.loads(previewed.stdout)
    assert found["events"] == {"Signed Up": 20, "HIV positive": 1}
    assert "notes.Jane Doe" in found["properties"]


def test_no_storage_is_touched(connector: Connector, tmp_path: Path) -> None:
    """Rejected records are counted, not kept: they will be rejected again."""
    folder = tmp_path / "rejected"
    folder.mkdir()
    config = connector.config("http://127.0.0.1:9", dry_run=True) | {
        "object_storage_config": {"storage_type": "Local", "path": str(folder)}
    }
    outcome = connector.write_here(config, lines(connector, 200))
    assert outcome.code == 0
    assert list(folder.iterdir()) == []


def test_all_rejected_fails_like_the_real_one(connector: Connector) -> None:
    """The plan is there, and the failure names the column."""
    records = [connector.record({"name": "x", "who": "null"})] * 100
    outcome = connector.write_here(connector.config("http://127.0.0.1:9", dry_run=True), records)
    assert plan(outcome)["rejected"] == 100
    assert plan(outcome)["would_fail"] == f"A sync would fail: {outcome.error['message']}"
    assert outcome.error["failure_type"] == "config_error"
    assert "identity_column `who`" in outcome.error["message"]


def test_faults_are_those_of_a_real_run(connector: Connector) -> None:
    """Two streams, a wrong column, `dry_run` as text: nothing is read, all faults are listed."""
    config = connector.config("http://127.0.0.1:9", dry_run=True)
    two = connector.catalog()
    two["streams"] *= 2
    assert connector.write_here(config, [], two).error["failure_type"] == "config_error"
    schema = {"type": "object", "properties": {"name": {}, "whom": {}}}
    message = connector.write_here(config, [], connector.catalog(schema)).error["message"]
    assert "did you mean `whom`" in message
    error = connector.write_here({**config, "dry_run": "true"}, []).error
    assert "dry_run: must be true or false" in error["message"]
    assert error["failure_type"] == "config_error"


def test_a_signal_ends_it(connector: Connector) -> None:
    """While the source is silent, too."""
    process = connector.start_write(connector.config("http://127.0.0.1:9", dry_run=True))
    process.send(connector.record(connector.event(1)))
    process.wait_for(b"dry run")
    process.signal(signal.SIGTERM)
    outcome = process.finish(timeout=20)
    assert "SIGTERM" in outcome.error["message"]
    assert outcome.error["failure_type"] == "transient_error"


def test_in_process(connector: Connector) -> None:
    """The CDK's own `write` sends nothing either."""
    catalog = ConfiguredAirbyteCatalogSerializer.load(connector.catalog())
    messages = [AirbyteMessageSerializer.load(json.loads(line)) for line in lines(connector, 500)]
    with running() as heap:
        config = connector.config(heap.url, dry_run=True)
        assert list(DestinationHeapAnalytics().write(config, catalog, messages)) == []
        assert heap.requests() == []
