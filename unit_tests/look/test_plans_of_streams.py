"""What is said of each of several streams before anything is sent, and of all of them."""

import logging
from typing import Any

import pytest

from bulk_destination.connection import connect
from bulk_destination.delivery.quotas import MINUTE
from bulk_destination.look.dry_run import DryRun
from bulk_destination.protocol.lines import Line
from bulk_destination.protocol.messages import read_lines
from destination_heap_analytics.service import HEAP
from integration_tests.several import ENTRIES, THREE, TRACK, catalog, config, row

#: Its keys need no notice.
KEYED = {**TRACK, "event_id_column": "n"}
NO_KEY = "No key of these events is known"


def dry_run(names: str, apis: list[dict[str, Any]], **fields: Any) -> DryRun[Line]:
    """Of these streams, one letter each; users where no API is given."""
    entries = [{"stream": name, "api": api} for name, api in zip(names, apis, strict=True)]
    raw = config("http://127.0.0.1:9", entries, **fields)
    return DryRun(connect(HEAP, raw, catalog(*names)), read_lines)


def orders(stream: str, count: int) -> list[bytes]:
    """Records of a stream of events; each stream's are of the same people."""
    name = f'"{stream}"'.encode()
    return [row("orders", number).replace(b'"orders"', name) for number in range(count)]


@pytest.mark.parametrize(
    ("limits", "each", "together"),
    [((10, 0), [0, 0], 1), ((5, 0), [1, 0], 2), ((0, 1), [0, 0], 1), ((0, 0), [0, 0], 0)],
)
def test_streams_of_one_api_share_its_quota(
    limits: tuple[int, int], each: list[int], together: int
) -> None:
    """What is within it alone may be beyond it together; in minutes."""
    per_app, per_identity = limits
    walk = dry_run(
        "ab",
        [TRACK, TRACK],
        events_per_minute=per_app,
        events_per_identity_per_minute=per_identity,
    )
    assert len([*walk.take(orders("a", 10) + orders("b", 5))]) == 15
    walk.finish()
    assert [plan.quota_seconds for plan in walk.plans] == [count * MINUTE for count in each]
    assert walk.quota_seconds == together * MINUTE
    assert walk.as_json()["quota_seconds"] == round(together * MINUTE, 1)


def test_other_apis_share_nothing() -> None:
    """Users wait for no quota of events."""
    walk = dry_run("ab", [TRACK, ENTRIES[1]["api"]], events_per_minute=10)
    assert len([*walk.take(orders("a", 10) + orders("b", 10))]) == 20
    walk.finish()
    assert walk.quota_seconds == 0.0


def test_records_are_told_in_the_order_they_came() -> None:
    """Each with its own number and stream, whichever streams take turns."""
    walk = dry_run("ab", [TRACK, ENTRIES[1]["api"]])
    lines = [line for both in zip(orders("a", 5), orders("b", 5), strict=True) for line in both]
    lines[3:3] = [b'{"type":"LOG"}', b"what?"]
    told = [(line, walk.position, walk.stream) for line, _ in walk.take(lines)]
    streams = [0, 1, 0, None, 1, 0, 1, 0, 1, 0, 1]
    del lines[3]
    assert told == [*zip(lines, range(1, 12), streams, strict=True)]


def test_a_notice_is_told_of_its_stream(caplog: pytest.LogCaptureFixture) -> None:
    """Not of the first; what is to be said of the configuration is told of all."""
    walk = dry_run("abc", [ENTRIES[1]["api"], KEYED, TRACK], unheard_of=1)
    with caplog.at_level(logging.INFO, "airbyte"):
        list(walk.run([[]]))
    found = walk.as_json()
    assert [NO_KEY in str(each["warnings"]) for each in found["streams"]] == [False, False, True]
    assert ["unheard_of" in str(each["warnings"]) for each in found["streams"]] == [False] * 3
    assert "unheard_of" in str(found["warnings"])
    text = [record.getMessage() for record in caplog.records]
    of_all = text[text.index("All streams:") :]
    assert sum(NO_KEY in line for line in text if not line.startswith("Plan: ")) == 1
    assert any("unheard_of" in line for line in of_all if not line.startswith("Plan: "))


def test_the_sum_adds_up(caplog: pytest.LogCaptureFixture) -> None:
    """Read is what would be sent, what is rejected, of no stream as well, and what is skipped."""
    raw = config("http://127.0.0.1:9")
    walk = DryRun(connect(HEAP, raw, catalog(*THREE)), read_lines)
    lines: list[Line] = [row(stream, 1) for stream in THREE]
    lines += [row("orders", 2, who=None), row("users", 3, _ab_cdc_deleted_at="2026-01-31")]
    lines.append(row("orders", 4).replace(b'"orders"', b'"gone"'))
    with caplog.at_level(logging.INFO, "airbyte"):
        list(walk.run([lines]))
    text = [record.getMessage() for record in caplog.records]
    of_all = text[text.index("All streams:") :]
    assert of_all[1:3] == [
        "Records: 6 read, 3 would be sent, 2 rejected, 1 skipped",
        "Rejected, of no stream: of_another_stream: 1 (first at record 6)",
    ]
    assert walk.as_json()["skipped_by_reason"] == {"deleted_in_source": 1}
