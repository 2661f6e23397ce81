"""An S3 that takes its time, or fails at first: bytes over a real socket, no server's library."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from bulk_destination.errors import ObjectStorageError
from bulk_destination.rejected import s3_storage
from bulk_destination.rejected.object_storage import ObjectStorage, open_object_storage
from bulk_destination.rejected.object_storage_config import S3Storage
from destination_heap_analytics import load
from integration_tests.hostile import Line, answer, peer

if TYPE_CHECKING:
    from collections.abc import Callable

    from integration_tests.conftest import Connector

#: Seconds between two bytes, for an answer, and what a busy machine may add.
EVERY, TRY, GRACE = 0.1, 0.6, 3.0
OK = b"HTTP/1.1 200 OK\r\n"
STORED = answer(200, b"", b'ETag: "1"')


def configured(url: str) -> dict[str, str]:
    """As a configuration has a bucket at `url`."""
    return {
        "storage_type": "S3",
        "s3_bucket_name": "airbyte-rejected",
        "s3_bucket_region": "eu-central-1",
        "bucket_path": "heap",
        "s3_endpoint": url,
        "access_key_id": "a",
        "secret_access_key": "sesame",
    }


def bucket(url: str, tries: int) -> ObjectStorage:
    """A bucket at `url`."""
    found = open_object_storage(S3Storage.model_validate(configured(url)), "heap", tries=tries)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "trickle",
    [
        lambda line: line.trickle(OK + b"X-Slow: " + b"a" * 1_000, EVERY),
        lambda line: line.trickle(OK + b"Content-Length: 999\r\n\r\n" + b" " * 999, EVERY),
    ],
    ids=["field", "body"],
)
def test_a_try_has_an_end(monkeypatch: pytest.MonkeyPatch, trickle: Callable[[Line], None]) -> None:
    """Each byte comes in time, and the whole never."""
    monkeypatch.setattr(s3_storage, "_READ_TIMEOUT", TRY)

    def talk(line: Line) -> None:
        line.request()
        trickle(line)

    with peer(talk) as there:
        began = time.monotonic()
        with pytest.raises(ObjectStorageError, match="could not be reached"):
            bucket(there.url, 1).put("one.jsonl", b"{}\n")
    assert time.monotonic() - began < TRY + GRACE


def test_a_signal_ends_a_write_that_cannot_begin(connector: Connector) -> None:
    """S3 is asked before the first line is read; it trickles, and SIGTERM does not wait for it."""
    asked = threading.Event()

    def talk(line: Line) -> None:
        line.request()
        asked.set()
        line.trickle(OK + b"X-Slow: " + b"a" * 10_000, EVERY)

    with peer(talk) as there:
        process = connector.start_write(
            connector.config("http://127.0.0.1:9", object_storage_config=configured(there.url))
        )
        assert asked.wait(60)
        began = time.monotonic()
        process.signal(signal.SIGTERM)
        outcome = process.finish()
    assert time.monotonic() - began < GRACE
    assert outcome.code == 1
    assert outcome.error["failure_type"] == "transient_error"
    assert "stopped by SIGTERM" in outcome.error["message"]


def test_a_failure_is_told_at_the_first_retry(caplog: pytest.LogCaptureFixture) -> None:
    """Where, why and how often it is tried; the same cause once."""
    turns = iter([answer(503, b"later")] * 2)

    def talk(line: Line) -> None:
        while line.request() is not None:
            line.send(next(turns, STORED))

    with caplog.at_level("WARNING", "airbyte"), peer(talk) as there:
        bucket(there.url, 3).put("one.jsonl", b"{}\n")
    host = there.url.removeprefix("http://")
    assert caplog.messages == [f"S3 at {host}: status 503. Trying again, 3 times in all"]
    assert len(there.bodies) == 3


def test_a_caller_in_python_is_told_in_the_report(connector: Connector) -> None:
    """Not by Airbyte's logger, which nobody there listens to."""
    turns = iter([answer(503, b"later")])

    def talk(line: Line) -> None:
        while line.request() is not None:
            line.send(next(turns, STORED))

    with connector.running() as heap, peer(talk) as there:
        config = connector.config(heap.url, object_storage_config=configured(there.url))
        report = load(config, [connector.event(1)])
    assert any("S3 at " in words and "status 503" in words for words in report.warnings)
