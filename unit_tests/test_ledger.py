"""The count of everything."""

import json

from bulk_destination.ledger import MAX_REASONS, Ledger


def test_read_is_accepted_plus_rejected() -> None:
    """The ledger balances only when every record is accounted for."""
    ledger = Ledger(read=3, accepted=1)
    assert not ledger.balances
    ledger.reject(1, "identity_missing")
    assert not ledger.balances
    ledger.reject(3, "identity_missing")
    assert ledger.balances
    ledger.reject(3, "event_blank")
    assert not ledger.balances


def test_closing_line_gives_all_counts() -> None:
    """Read, accepted, rejected by reason, merged, truncated, requests, retries, seconds."""
    ledger = Ledger(read=9, accepted=6, merged=2, truncated=4, left_out=5, requests=7, retries=8)
    ledger.throttled = 2.5
    for position, reason in [(2, "a"), (5, "b"), (3, "b")]:
        ledger.reject(position, reason)
    line = ledger.line(1.23456)
    assert "\n" not in line
    counts = json.loads(line[line.index("{") :])
    assert counts["rejected"] == 3
    assert counts["rejected_by_reason"] == {"b": 2, "a": 1}
    assert counts["rejected_first_at"] == {"a": 2, "b": 3}
    counts = {name: counts[name] for name in counts if not name.startswith("rejected")}
    assert counts == {
        **{"read": 9, "accepted": 6, "merged": 2, "truncated": 4, "left_out": 5},
        **{"requests": 7, "retries": 8, "throttled_seconds": 2.5, "seconds": 1.235},
    }


def test_reasons_are_bounded_and_none_is_lost() -> None:
    """A service with ever new words fills no memory, and each rejection still counts."""
    ledger = Ledger(read=1000)
    for position in range(1000):
        ledger.reject(position, f"refused by Heap: {position}")
    assert len(ledger.rejected) <= MAX_REASONS + 1
    assert ledger.balances
