"""What the source gives becomes runs of payloads, and all else one by one."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulk_destination.connection import Connection, connect
from bulk_destination.intake import Intake, Run
from bulk_destination.ledger import Ledgers
from bulk_destination.protocol.messages import (
    StateMessage,
    envelope,
    read_line,
    read_lines,
)
from destination_heap_analytics.service import HEAP

LAW = settings(derandomize=True, max_examples=100, deadline=None)

USERS = {"api_type": "add_user_properties", "identity_column": "email"}
STREAMS = [("users", None), ("users", "crm"), ("orders", None)]


def _connection() -> Connection:
    entries = [
        {"stream": name, "api": USERS, **({"namespace": space} if space else {})}
        for name, space in STREAMS
    ]
    return connect(
        HEAP,
        {"app_id": "11", "api": {"api_type": "by_stream", "streams": entries}},
        {
            "streams": [
                {
                    "stream": {"name": name, "namespace": space, "json_schema": {}},
                    "sync_mode": "full_refresh",
                    "destination_sync_mode": "append",
                }
                for name, space in STREAMS
            ]
        },
    )


CONNECTION = _connection()


def _record(stream: object, namespace: object, data: object, **more: object) -> bytes:
    record = {"stream": stream, "namespace": namespace, "data": data, "emitted_at": 1, **more}
    return json.dumps({"type": "RECORD", "record": record}).encode()


RECORDS = st.builds(
    _record,
    st.sampled_from(["users", "orders", "lost", None, 5]),
    st.sampled_from([None, "", "crm", "elsewhere"]),
    st.sampled_from(
        [
            *({"email": f"person{n}@example.com", "n": n} for n in range(4)),
            *({"email": None}, {"email": 2.0**60, "n": 1}, {"email": "ann@example.com"}, [], "x"),
            {"_ab_cdc_deleted_at": "2026-01-02", "email": "bo@example.com"},
        ]
    ),
)
GOOD = {"email": "ann@example.com", "n": 1}
PAYLOADS = st.builds(
    _record,
    st.sampled_from(["users", "orders"]),
    st.sampled_from([None, "crm"]),
    st.sampled_from([{"email": f"person{n}@example.com", "n": n} for n in range(4)]),
)
LINES = st.lists(
    RECORDS
    | PAYLOADS
    | st.sampled_from(
        [
            b'{"type":"STATE","state":{"type":"STREAM","data":{}}}',
            *(
                b'{"type":"LOG","log":{"message":"x"}}',
                b"",
                b" ",
                b"5",
                b"[]",
                b'"record"',
                b"null",
            ),
            *(b"what?", b'{"type":"RECORD"}', b'{"type":"RECORD","record":"data"}', b"{}"),
            b'{"type":"RECORD","record":{"stream":"users","data":{"email":"n@n.example","x":NaN}}}',
            b'{"type":5,"record":{"data":{}}}',
            envelope(b'{"type":"RECORD","record":{"stream":"users","data":{}}}', "users", None),
            _record("users", None, {"email": "meta@example.com", "n": 1}, meta={"changes": []}),
        ]
    ),
    max_size=30,
)


@given(LINES)
@LAW
def test_lines_together_are_the_lines_one_by_one(lines: list[bytes]) -> None:
    """The quick way to read a line says the same as the long one."""
    assert [*read_lines(lines)] == [*map(read_line, lines)]


#: Which streams share an endpoint: none, some, all.
ENDPOINTS = st.sampled_from([(0, 1, 2), (0, 1, 0), (0, 0, 1), (0, 0, 0)])


@dataclass
class _Told:
    """What an intake yields, told record by record."""

    intake: Intake[bytes]
    #: Behind each of what is no payload, that with its number, its stream and the counts by then.
    others: list[Any] = field(default_factory=list)
    #: Payloads with number, stream and line; by endpoint, and by how many of `others` were before.
    payloads: defaultdict[tuple[int, int], list[Any]] = field(
        default_factory=lambda: defaultdict(list)
    )
    runs: int = 0

    def take(self, lines: Sequence[bytes]) -> None:
        intake, ledgers = self.intake, self.intake.ledgers
        for taken in intake.take(lines):
            before = ledgers.all.read
            if isinstance(taken, Run):
                self.runs += 1
                batch = taken.payloads
                columns = zip(batch.identities, batch.bodies, batch.keys, strict=True)
                records = zip(batch.positions, batch.streams, columns, strict=True)
                self.payloads[len(self.others), taken.endpoint] += [
                    (number, stream, taken.item(number), payload)
                    for number, stream, payload in records
                ]
            else:
                counts = [*intake.records], deepcopy([*ledgers.of_streams, ledgers.elsewhere])
                self.others.append((intake.position, intake.stream, taken, counts))
            # What is told was counted, and nothing else.
            records_told = sum(map(len, self.payloads.values())) + sum(
                not isinstance(other[2][1], StateMessage) for other in self.others
            )
            assert ledgers.all.read == before == records_told


def _intake(endpoints: Sequence[int]) -> Intake[bytes]:
    mappers, ledgers = [route.mapper for route in CONNECTION.routes], Ledgers(len(STREAMS))
    return Intake(read_lines, CONNECTION.catalog, mappers, ledgers, endpoints)


@given(LINES, st.integers(1, 12), ENDPOINTS)
@example([_record("users", None, GOOD) for _ in range(9)], 3, (0, 1, 0))
@example([_record("users", None, GOOD), b"what?", _record(None, None, GOOD)], 3, (0, 1, 2))
@LAW
def test_together_is_as_one_by_one(lines: list[bytes], size: int, endpoints: Sequence[int]) -> None:
    """However lines come together, and streams in turns, no record has another number, stream,
    payload, line or count; all of one endpoint keep their order, and all their place among states
    and what is rejected or skipped.
    """
    alone, together = _Told(_intake(endpoints)), _Told(_intake(endpoints))
    for line in lines:
        alone.take([line])
    for at in range(0, len(lines), size):
        together.take(lines[at : at + size])
    assert together.others == alone.others
    assert together.payloads == alone.payloads
    assert (together.intake.position, together.intake.records) == (
        alone.intake.position,
        alone.intake.records,
    )
    assert together.intake.ledgers.all == alone.intake.ledgers.all


@pytest.mark.parametrize(("endpoints", "runs"), [((0, 1, 2), 3), ((0, 1, 0), 2), ((0, 0, 0), 1)])
def test_streams_in_turns_come_together(endpoints: Sequence[int], runs: int) -> None:
    """What is done for each run is done as seldom as for one stream."""
    turns = cycle([("users", None), ("users", "crm"), ("orders", None)])
    told = _Told(_intake(endpoints))
    told.take([_record(*next(turns), {"email": f"p{n}@example.com", "n": n}) for n in range(900)])
    assert told.runs == runs
    assert told.intake.records == [300, 300, 300]


def test_a_line_is_read_when_it_is_asked_for() -> None:
    """So that the parsed records of a whole chunk are never in memory together."""
    asked: list[int] = []

    def lines() -> Iterator[bytes]:
        for number in range(3):
            asked.append(number)
            yield _record("users", None, {"n": number})

    messages = read_lines(lines())
    for number in range(3):
        assert not isinstance(next(messages), StateMessage)
        assert asked == [*range(number + 1)]
