"""What the source gives becomes runs of payloads, and all else one by one."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

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
LINES = st.lists(
    RECORDS
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


def _told(intake: Intake[bytes], chunks: Sequence[Sequence[bytes]]) -> Iterator[Any]:
    """Each record and state, with its number, its stream and its line."""
    for chunk in chunks:
        for taken in intake.take(chunk):
            if isinstance(taken, Run):
                assert len(taken.items) == len(taken.identities) == len(taken.bodies)
                columns = zip(taken.items, taken.identities, taken.bodies, taken.keys, strict=True)
                for number, (line, *payload) in enumerate(columns, start=taken.first):
                    yield number, taken.stream, line, payload
            else:
                read = [*intake.records] if isinstance(taken[1], StateMessage) else None
                yield intake.position, intake.stream, taken, read


def _intake(connection: Connection) -> Intake[bytes]:
    mappers, ledgers = [route.mapper for route in connection.routes], Ledgers(len(STREAMS))
    return Intake(read_lines, connection.catalog, mappers, ledgers)


@given(LINES, st.integers(1, 7))
@example([_record("users", None, {"email": f"p{n}@example.com", "n": 1}) for n in range(9)], 3)
@LAW
def test_chunks_change_nothing(lines: list[bytes], size: int) -> None:
    """However the lines come together, each record has its number, stream, payload and count."""
    alone, together = _intake(CONNECTION), _intake(CONNECTION)
    chunks = [lines[at : at + size] for at in range(0, len(lines), size)]
    assert [*_told(together, chunks)] == [*_told(alone, [[line] for line in lines])]
    assert (together.position, together.records) == (alone.position, alone.records)
    assert together.ledgers.all == alone.ledgers.all


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
