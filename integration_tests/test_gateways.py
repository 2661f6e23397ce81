"""What stands between: a gateway whose service is away, a firewall that dislikes a record."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from bulk_destination.http.pacing import RetryPolicy
from integration_tests.conftest import IN_A_HURRY
from integration_tests.hostile import Line, answer, peer
from integration_tests.services import EVENTS, both

if TYPE_CHECKING:
    from integration_tests.conftest import Connector

PAGE = b"<html><body>Request blocked</body></html>"
#: Answers of those between.
PAGES = [
    answer(403, PAGE),
    answer(404, b"no healthy upstream"),
    answer(401, b""),
    answer(200, PAGE),
    answer(302, b"", b"Location: /login"),
    answer(200, b'{"error":"upstream"}'),
    answer(400, PAGE),
]
#: What some firewalls take for an attack.
DISLIKED = "<script>"


SOON = replace(IN_A_HURRY, retry_policy=RetryPolicy(0.01, 0.05, give_up_after=1))


@dataclass
class Gateway:
    """Lets requests through to a service that takes all, unless `turns_away` says what to answer.

    It is given the number of the request and its body.
    """

    api: str
    turns_away: Callable[[int, bytes], bytes | None]
    held: list[int] = field(default_factory=list)
    asked: int = 0

    def __call__(self, line: Line) -> None:
        events, _, _ = EVENTS[self.api]
        while (body := line.request()) is not None:
            with line.peer.lock:
                self.asked += 1
                page = self.turns_away(self.asked, body)
                if page is None:
                    items = json.loads(body)[events]
                    self.held += [item["properties"]["n"] for item in items]
            line.send(answer(200) if page is None else page)


def lines_of(connector: Connector, count: int, disliked: set[int]) -> list[bytes]:
    """Records with a state behind each tenth."""
    lines = []
    for n in range(count):
        event = connector.event(n) | {"plan": DISLIKED if n in disliked else "free"}
        lines.append(connector.record(event))
        if n % 10 == 9:
            lines.append(connector.state(n))
    return lines


@both
@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize("at", [0, 137, 299])
def test_a_record_that_a_firewall_turns_away(connector: Connector, lanes: int, at: int) -> None:
    """It is found and rejected; whatever else there is lands once, and its states leave.

    But nothing is there to be accepted after the last record, and what Hackle makes of a repeat is
    not known: that is an outage, until there are more.
    """
    gateway = Gateway(
        connector.api, lambda _, body: PAGES[0] if DISLIKED.encode() in body else None
    )
    with peer(gateway) as there:
        config = connector.config(there.url, requests_in_flight=lanes)
        lines = lines_of(connector, 300, {at})
        outcome = connector.write_here(config, lines, surroundings=SOON)
    if outcome.code and connector.service == "hackle" and at == 299:
        assert outcome.error["failure_type"] == "transient_error"
        assert outcome.ledger["rejected"] == 0
        return
    outcome.succeeded()
    reason = f"turned away before {connector.service.title()}: status 403 with a web page"
    assert outcome.ledger["rejected_by_reason"] == {reason: 1}
    assert outcome.ledger["rejected_first_at"] == {reason: at + 1}
    assert sorted(set(gateway.held)) == [n for n in range(300) if n != at]
    if connector.service == "hackle":  # which may count a repeat
        assert len(gateway.held) == 299
    assert [state["id"] for state in outcome.states] == list(range(9, 300, 10))


@both
@pytest.mark.parametrize("page", PAGES, ids=lambda page: repr(page[9:12]))
def test_one_page_is_no_wrong_configuration(connector: Connector, page: bytes) -> None:
    """The service was there a moment ago: the same bytes again, and all lands."""
    gateway = Gateway(connector.api, lambda number, _: page if number in {2, 4} else None)
    with peer(gateway) as there:
        config = connector.config(there.url, requests_in_flight=1)
        outcome = connector.write_here(config, lines_of(connector, 3_000, set())).succeeded()
    assert outcome.ledger["rejected"] == 0
    assert sorted(gateway.held) == list(range(3_000))
    assert outcome.ledger["retries"] == 2


@both
@pytest.mark.parametrize(("page", "lanes"), [(PAGES[0], 1), (PAGES[5], 1), (PAGES[1], 4)])
def test_a_gateway_whose_service_does_not_come_back(
    connector: Connector, page: bytes, lanes: int
) -> None:
    """An outage, however it is called: nothing is rejected, what landed is acknowledged."""
    gateway = Gateway(connector.api, lambda number, _: None if number <= 2 else page)
    with peer(gateway) as there:
        config = connector.config(there.url, requests_in_flight=lanes)
        lines = lines_of(connector, 5_000, set())
        outcome = connector.write_here(config, lines, surroundings=SOON)
    assert outcome.error["failure_type"] == "transient_error"
    assert outcome.ledger["rejected"] == 0
    landed = set(gateway.held)
    safe = {n for state in outcome.states for n in range(state["id"] + 1)}
    assert safe <= landed
    if lanes == 1:
        assert len(safe) > len(landed) - 10


@both
def test_a_gateway_that_comes_back(connector: Connector) -> None:
    """Each record is there once, and none was given up meanwhile."""
    gateway = Gateway(
        connector.api, lambda number, _: PAGES[0] if 5 < number < 60 and number % 11 else None
    )
    with peer(gateway) as there:
        config = connector.config(there.url, requests_in_flight=1)
        outcome = connector.write_here(config, lines_of(connector, 4_000, set())).succeeded()
    assert outcome.ledger["rejected"] == 0
    assert set(gateway.held) == set(range(4_000))
