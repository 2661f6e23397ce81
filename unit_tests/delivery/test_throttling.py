"""What is said while a quota holds the sync up."""

from __future__ import annotations

import json

from bulk_destination.delivery.quotas import Quotas
from bulk_destination.delivery.throttling import Throttling, running_status
from bulk_destination.mapping.stream import Stream


def test_says_how_long_once_a_minute() -> None:
    """The quota, the wait, what waits, and how long that will take."""
    throttling = Throttling(Quotas(15_000, 1_000))
    said = throttling.waits(41.6, False, 31_000, now=100.0)
    assert said == (
        "The quota of 15,000 events a minute is used up; 31,000 records wait, the next go in "
        "42 s, all of them within about 3 min"
    )
    assert throttling.waits(9.0, False, 31_000, now=150.0) is None
    assert throttling.waits(9.0, False, 31_000, now=160.0) is not None


def test_identities_are_counted_not_named() -> None:
    """A busy identity is personal data."""
    said = Throttling(Quotas(15_000, 1_000)).waits(5.0, True, 7, now=0.0)
    assert said is not None
    assert "Some identities have used up their 1,000 events a minute" in said


def test_is_over_a_minute_after_the_last_wait() -> None:
    """Once, and only if something was said."""
    throttling = Throttling(Quotas(15_000, 1_000))
    assert not throttling.is_over(500.0)
    throttling.waits(10.0, False, 1, now=0.0)
    throttling.waits(10.0, False, 1, now=30.0)
    assert not throttling.is_over(99.0)
    assert throttling.is_over(100.0)
    assert not throttling.is_over(101.0)


def test_the_status() -> None:
    """As the protocol has it; integration_tests/test_in_process.py has the CDK's model read it."""
    line = running_status(Stream("people", "shop"), 1_000, 61_000)
    message = json.loads(line)
    assert line.endswith(b"\n")
    assert message["trace"]["stream_status"] == {
        "stream_descriptor": {"name": "people", "namespace": "shop"},
        "status": "RUNNING",
        "reasons": [{"type": "RATE_LIMITED", "rate_limited": {"quota_reset": 61_000}}],
    }
    plain = json.loads(running_status(Stream("people"), 1_000))
    assert "reasons" not in plain["trace"]["stream_status"]
    assert plain["trace"]["stream_status"]["stream_descriptor"] == {"name": "people"}
