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


def test_what_is_skipped_is_accounted_for() -> None:
    """It balances, and is no failure: unless all that was to be sent was empty."""
    ledger = Ledger(read=3)
    ledger.skip("deleted_in_source", empty=False)
    ledger.skip("deleted_in_source", empty=False)
    assert (ledger.waiting, ledger.none_accepted) == (1, False)
    ledger.skip("no_property_to_send", empty=True)
    assert (ledger.balances, ledger.none_accepted) == (True, True)
    assert ledger.skips() == "deleted_in_source: 2, no_property_to_send: 1"
    ledger.read, ledger.accepted = 4, 1
    assert (ledger.balances, ledger.none_accepted) == (True, False)


def test_closing_line_gives_all_counts() -> None:
    """Read, accepted, rejected by reason, merged, truncated, requests, retries, seconds."""
    ledger = Ledger(read=9, accepted=6, merged=2, truncated=4, left_out=5, requests=7, retries=8)
    ledger.throttled = 2.5
    for position, reason in [(2, "a"), (5, "b"), (3, "b")]:
        ledger.reject(position, reason)
    assert '"requests"' not in ledger.line(1.0, "`users`")
    line = ledger.line(1.23456)
    assert "\n" not in line
    counts = json.loads(line[line.index("{") :])
    assert counts["rejected"] == 3
    assert counts["rejected_by_reason"] == {"b": 2, "a": 1}
    assert counts["rejected_first_at"] == {"a": 2, "b": 3}
    assert (counts["skipped"], counts["skipped_by_reason"]) == (0, {})
    counts = {name: n for name, n in counts.items() if not name.startswith(("rejected", "skipped"))}
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
