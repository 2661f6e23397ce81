"""Hackle's own SDK and this connector, each a process, side by side at a local Hackle.

The SDK's source is the only description of the wire, so it is asked: what it sends must be what
the connector sends for the same purchases, field by field. Ids and times differ on purpose.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from integration_tests.chaos.process import inherited, program
from integration_tests.services import PURCHASE_COLUMNS, PURCHASES
from sandbox.answers import Answer
from sandbox.hackle import Sandbox
from sandbox.hackle.app import EVENTS_PATH
from sandbox.http import service_app
from sandbox.intake import Write
from sandbox.server import listen, serving, url_of

HERE = Path(__file__).parent
SDK = HERE.parents[1] / ".cache/hackle-sdk/bin/python"
#: Seconds; on a slow machine too, nothing here takes as long.
PATIENCE = 60

CONFIG = {"sdk_key": "peer-key", **PURCHASE_COLUMNS}


@contextmanager
def local_hackle() -> Iterator[tuple[str, Sandbox, list[Write]]]:
    """A local Hackle: its URL, what it holds, and each write request as it arrived."""
    writes: list[Write] = []
    with listen("127.0.0.1", 0) as listener, closing(Sandbox()) as hackle:

        def track(write: Write) -> Answer:
            writes.append(write)
            return hackle.track(write)

        app = service_app(hackle, {EVENTS_PATH: track}, {})
        with serving(app, listener):
            yield url_of(listener), hackle, writes


def send_by_sdk(url: str) -> None:
    command = [str(SDK), str(HERE / "hackle_sdk_track.py"), url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def send_by_connector(url: str, folder: Path) -> None:
    stream = {"name": "purchases", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
    configured = {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}
    files = {"config": {**CONFIG, "base_url": url}, "catalog": {"streams": [configured]}}
    command = [*program("hackle"), "write"]
    for name, content in files.items():
        file = folder / f"{name}.json"
        file.write_text(json.dumps(content))
        command += [f"--{name}", str(file)]
    messages = (
        {"stream": "purchases", "data": data, "emitted_at": number}
        for number, data in enumerate(PURCHASES)
    )
    lines = [json.dumps({"type": "RECORD", "record": message}) + "\n" for message in messages]
    done = subprocess.run(
        command,
        input="".join(lines).encode(),
        env=inherited(),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def without_ids_and_times(write: Write) -> tuple[str, list[tuple[str, int]]]:
    """The body as JSON with sorted keys, and what was taken out of each event."""
    document = json.loads(write.body)
    taken = [(event.pop("insertId"), event.pop("timestamp")) for event in document["trackEvents"]]
    return json.dumps(document, sort_keys=True), taken


def hackle_headers(write: Write) -> dict[str, str]:
    found = {name.lower(): value for name, value in write.headers.items()}
    return {name: found[name] for name in found if name.startswith(("x-hackle", "content-type"))}


@pytest.fixture(scope="module")
def by_sdk() -> Iterator[tuple[Write, Sandbox]]:
    """What the SDK sent, once."""
    with local_hackle() as (url, hackle, writes):
        send_by_sdk(url)
        (write,) = writes
        yield write, hackle


@pytest.fixture(scope="module")
def by_connector(tmp_path_factory: pytest.TempPathFactory) -> Write:
    """What the connector sent, once."""
    with local_hackle() as (url, _, writes):
        send_by_connector(url, tmp_path_factory.mktemp("connector"))
        (write,) = writes
        return write


def test_the_sdk_is_taken(by_sdk: tuple[Write, Sandbox]) -> None:
    """The local Hackle takes what the SDK sends, all of it."""
    _, hackle = by_sdk
    assert [event["value"] for event in hackle.events()] == [None, 13200, 13200]
    assert hackle.stats()["refused"]["total"] == 0


def test_both_send_the_same(by_sdk: tuple[Write, Sandbox], by_connector: Write) -> None:
    """Both bodies are equal, envelope, fields, values and their JSON types."""
    expected, theirs = without_ids_and_times(by_sdk[0])
    found, ours = without_ids_and_times(by_connector)
    assert found == expected
    for ids_and_times in (theirs, ours):
        assert len({insert_id for insert_id, _ in ids_and_times}) == len(PURCHASES)
        for insert_id, milliseconds in ids_and_times:
            assert type(insert_id) is str
            assert type(milliseconds) is int
            assert abs(milliseconds / 1000 - time.time()) < 10 * PATIENCE


def test_both_have_the_same_headers(by_sdk: tuple[Write, Sandbox], by_connector: Write) -> None:
    """So are the headers, but for the time."""
    theirs, ours = hackle_headers(by_sdk[0]), hackle_headers(by_connector)
    times = [found.pop("x-hackle-sdk-time") for found in (theirs, ours)]
    assert [len(milliseconds) for milliseconds in times] == [13, 13]
    assert ours == theirs
    assert ours["x-hackle-sdk-key"] == "peer-key"


def test_a_repeat(tmp_path: Path) -> None:
    """Sent twice, the SDK's events are there twice, and the connector's once."""
    with local_hackle() as (url, hackle, _):
        for _ in range(2):
            send_by_sdk(url)
        assert len(hackle.events()) == 2 * len(PURCHASES)
        hackle.reset()
        for _ in range(2):
            send_by_connector(url, tmp_path)
        assert len(hackle.events()) == len(PURCHASES)
        assert hackle.stats()["repeats_absorbed"] == len(PURCHASES)
