"""What may be written for a column, and what comes with it, from stdin to the local service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration_tests.services import every_api
from sandbox.heap import Sandbox as Heap

if TYPE_CHECKING:
    from integration_tests.conftest import Connector

DELETED = {"n": 0, "_ab_cdc_deleted_at": "2026-01-02T03:04:05Z"}


# -- records that are skipped --------------------------------------------------------------------


@every_api
def test_only_deleted_rows_and_a_state(connector: Connector) -> None:
    """Nothing is wrong, and the state leaves: it says how many records are behind it."""
    lines = [connector.record(DELETED), connector.record(DELETED), connector.state(1)]
    with connector.running() as local:
        outcome = connector.write_here(connector.config(local.url), lines).succeeded()
        assert connector.landed(local) == []
    assert [connector.stats(state) for state in outcome.states] == [(2.0, 0.0)]
    assert (outcome.ledger["skipped"], outcome.ledger["accepted"]) == (2, 0)
    assert outcome.ledger["skipped_by_reason"] == {"deleted_in_source": 2}
    assert "Skipped records: deleted_in_source: 2" in outcome.logs


@every_api
def test_deleted_rows_between_others(connector: Connector) -> None:
    """Skipped ones are records of the platform's sum, rejected ones are told apart."""
    good = [connector.record(connector.event(n)) for n in range(3)]
    lines = [good[0], connector.record(DELETED), connector.state(1), good[1]]
    lines += [connector.record({"n": 9}), connector.record(DELETED), good[2], connector.state(2)]
    with connector.running() as local:
        outcome = connector.write_here(connector.config(local.url), lines).succeeded()
        assert connector.landed(local) == [0, 1, 2]
    assert [connector.stats(state) for state in outcome.states] == [(2.0, 0.0), (3.0, 1.0)]
    ledger = outcome.ledger
    counts = [ledger[name] for name in ("read", "accepted", "rejected", "skipped")]
    assert counts == [6, 3, 1, 2]


@pytest.mark.parametrize(
    "connector", ["add_user_properties", "add_account_properties"], indirect=True
)
def test_updates_that_have_nothing_to_say(connector: Connector) -> None:
    """They are not sent; if all are so, a property column is misspelled, and the states stay."""
    lines = [connector.record({**connector.event(n), "plan": None}) for n in range(3)]
    lines += [connector.record(DELETED), connector.state(1)]
    with connector.running() as local:
        misspelled = connector.config(local.url, api__property_columns="pln")
        outcome = connector.write_here(misspelled, lines)
        assert outcome.error["failure_type"] == "config_error"
        assert "no_property_to_send: 3" in outcome.error["message"]
        assert "property_columns" in outcome.error["message"]
        assert outcome.states == []
        paid = connector.record({**connector.event(7), "plan": "pro"})
        right = connector.config(local.url, api__property_columns="plan")
        outcome = connector.write_here(right, [paid, *lines]).succeeded()
        assert isinstance(local, Heap)
        assert len([*local.users(), *local.accounts()]) == 1
    assert [connector.stats(state) for state in outcome.states] == [(5.0, 0.0)]
    assert outcome.ledger["skipped_by_reason"] == {"no_property_to_send": 3, "deleted_in_source": 1}
