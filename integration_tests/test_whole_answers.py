"""A yes is one whole answer to one whole request: peers that would have it otherwise.

Each promise of `http/wire.py` and `http/answer.py` by a peer that breaks it.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING

import pytest

from bulk_destination.errors import UnavailableError
from bulk_destination.http.client import BulkClient
from bulk_destination.http.pacing import RetryPolicy
from bulk_destination.http.replies import (
    Accepted,
    NotTheService,
    Refused,
    Settled,
    TooLarge,
    Unsent,
    Unsettled,
)
from destination_heap_analytics.config import HeapConfig
from destination_heap_analytics.service import endpoint
from integration_tests.hostile import Line, Talk, answer, interim, peer

if TYPE_CHECKING:
    from integration_tests.conftest import Connector

POLICY = RetryPolicy(first=0.01, longest=0.05, give_up_after=20)
#: More than two kernels keep between them.
LARGE = b'{"large":"' + b"x" * 12_000_000 + b'"}'
NO = answer(503, b"later")
YES = answer(200)


def client_of(url: str) -> BulkClient:
    """What a lane sends by."""
    api = {"api_type": "add_user_properties", "identity_column": "who"}
    there = endpoint(HeapConfig.parse({"app_id": "11", "base_url": url, "api": api}))
    return BulkClient(there, POLICY)


def saying(*answers: bytes, lingers: bool = True) -> Talk:
    """Answers each request of all connections with the next; the last one for ever."""
    turns = count()

    def talk(line: Line) -> None:
        while line.request() is not None:
            line.send(answers[min(next(turns), len(answers) - 1)])
            if not lingers:
                return

    return talk


@pytest.mark.parametrize("status", [100, 102, 103, 199])
@pytest.mark.parametrize("times", [1, 3, 300])
def test_interim_answers_are_read_past(status: int, times: int) -> None:
    """The answer behind them counts, and is not left for the next request."""
    ahead = interim(status) * times
    with peer(saying(ahead + YES, ahead + answer(400, b"no event"), ahead + YES)) as there:
        client = client_of(there.url)
        assert [client.post(b"%d" % n) for n in range(3)] == [
            *(Accepted(), Refused("no event", "no event"), Accepted()),
        ]
        client.close()
    assert (there.connections, client.retries) == (1, 0)


def test_interim_answers_in_pieces_and_late() -> None:
    """However they arrive: before the body is read, in pieces, and between."""

    def talk(line: Line) -> None:
        while head := line.head():
            line.send(interim(102))
            line.body(head)
            line.trickle(interim(103), 0.002)
            line.send(interim(100) + YES[:20])
            line.send(YES[20:])

    with peer(talk) as there:
        client = client_of(there.url)
        assert [client.post(b"%d" % n) for n in range(3)] == [Accepted()] * 3
        client.close()
    assert (there.connections, client.retries) == (1, 0)


#: A body that is whole, in an answer that is not yet.
UNENDED = b"HTTP/1.1 200 Whatever\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"


@pytest.mark.parametrize(
    ("begins", "goes_on"),
    [(b"", interim(102) * 100), (UNENDED, b"Digest: x\r\n" * 1_000)],
    ids=["interim answers", "trailers"],
)
def test_what_has_no_end_is_no_answer(begins: bytes, goes_on: bytes) -> None:
    """Neither is it read for ever, nor is anything credited."""

    def talk(line: Line) -> None:
        line.request()
        line.send(begins)
        while True:
            line.send(goes_on)

    with peer(talk) as there:
        client = client_of(there.url)
        began = time.monotonic()
        assert client.ask(b"1", 20) != Accepted()
        assert time.monotonic() - began < 10
        client.close()


#: What stands behind a whole answer.
SURPLUS = [
    *(YES, NO, b"\r\n", b"x", answer(200, b"OK") * 3, interim(103), b"0\r\n\r\n", b"\0" * 9_000),
]


@pytest.mark.parametrize("surplus", SURPLUS, ids=lambda each: repr(each[:20]))
@pytest.mark.parametrize("first", [YES, answer(204, b"", b"X-Length: 0"), b"chunked"])
def test_what_stands_behind_an_answer_is_nobodys(first: bytes, surplus: bytes) -> None:
    """It is not the answer to the next request, which goes to a new connection."""
    if first == b"chunked":
        first = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    with peer(saying(first + surplus, NO, answer(400, b"no event"), YES)) as there:
        client = client_of(there.url)
        replies = [client.post(b"%d" % n) for n in range(3)]
        client.close()
    assert replies == [Accepted(), Refused("no event", "no event"), Accepted()]
    assert there.bodies == [b"0", b"1", b"1", b"2"]
    assert there.connections == 2


def test_an_answer_that_nobody_waited_for() -> None:
    """It came while the connection lay idle: whatever it says, it answers nothing."""
    turns = count(1)

    def talk(line: Line) -> None:
        while line.request() is not None:
            line.send(YES if next(turns) != 2 else NO)
            time.sleep(0.05)
            line.send(YES)

    with peer(talk) as there:
        client = client_of(there.url)
        assert client.post(b"1") == Accepted()
        time.sleep(0.2)
        assert client.post(b"2") == Accepted()
        client.close()
    assert there.bodies == [b"1", b"2", b"2"]
    assert there.connections >= 2


def test_an_answer_before_the_request() -> None:
    """A peer that says yes as soon as it is called has not heard what it is asked."""

    def talk(line: Line) -> None:
        line.send(YES)
        line.wait_until_gone()

    with peer(talk, buffer=4_096) as there:
        client = client_of(there.url)
        reply = client.post(LARGE)
        client.close()
    assert reply == Unsent("status 200 before the request was sent")


def closing(line: Line) -> None:
    """Leaves, with what it has not read."""


def staying(line: Line) -> None:
    """Reads nothing, and says nothing more."""
    line.wait_until_gone()


def draining(line: Line) -> None:
    """Reads on for a while, as nginx does, and throws it away."""
    time.sleep(0.1)
    while line.socket.recv(65_536):
        pass


@pytest.mark.parametrize("then", [closing, staying, draining, Line.reset])
@pytest.mark.parametrize(
    ("early", "reply"),
    [
        (YES, Unsent("status 200 before the request was sent")),
        (answer(400, b"no event"), Unsent("status 400 before the request was sent")),
        (answer(503, b""), Unsent("status 503 before the request was sent")),
        (answer(413, b"too large"), TooLarge()),
        (interim(100) + answer(413, b"too large"), TooLarge()),
    ],
    ids=["200", "400", "503", "413", "100, 413"],
)
def test_an_answer_before_the_request_was_read(
    early: bytes, reply: Settled | Unsettled, then: Callable[[Line], None]
) -> None:
    """It is no yes and no refusal: only that the request is too large is believed."""

    def talk(line: Line) -> None:
        line.head()
        line.send(early)
        then(line)

    with peer(talk, buffer=4_096) as there:
        client = client_of(there.url)
        got = client.post(LARGE)
        client.close()
    if then is Line.reset and got != reply:  # what was said may be lost with the connection
        assert got == Unsent("the connection broke in the midst of the request")
    else:
        assert got == reply


def test_a_yes_to_what_has_arrived() -> None:
    """A limit: that the program behind it has read the request is more than can be known."""

    def talk(line: Line) -> None:
        line.socket.recv(1_000_000, socket.MSG_PEEK)
        line.send(YES)
        line.wait_until_gone()

    with peer(talk) as there:
        client = client_of(there.url)
        assert client.post(b"{}") == Accepted()
        client.close()
    assert there.bodies == []


@pytest.mark.parametrize("interims", [0, 5])
@pytest.mark.parametrize(("spare", "is_taken"), [(0, True), (-1, False)])
def test_how_long_a_head_may_be(interims: int, spare: int, is_taken: bool) -> None:
    """64 kB, with all that announced it. Beyond it is no answer, however often it is given."""
    before, behind = interim(103) * interims + b"HTTP/1.1 200 OK\r\nX: ", b"\r\n\r\n"
    length = b"\r\nContent-Length: 2"
    filler = b"a" * (65_536 - len(before) - len(length) - len(behind) - spare)
    said = before + filler + length + behind + b"{}"
    with peer(saying(said)) as there:
        client = client_of(there.url)
        if is_taken:
            assert client.post(b"1") == Accepted()
        else:
            client.policy = RetryPolicy(first=0.01, longest=0.05, give_up_after=0.3)
            with pytest.raises(UnavailableError):
                client.post(b"1")
        client.close()
    assert is_taken == (len(there.bodies) == 1)


def test_interim_answers_while_it_is_sent_to() -> None:
    """They may come early; the answer to the whole counts."""

    def talk(line: Line) -> None:
        while head := line.head():
            line.send(interim(100) + interim(103))
            line.body(head)
            line.send(YES)

    with peer(talk, buffer=4_096) as there:
        client = client_of(there.url)
        assert client.post(LARGE) == Accepted()
        assert client.post(LARGE) == Accepted()
        client.close()
    assert (there.connections, client.retries) == (1, 0)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
#: Answers that are not whole, or of which nobody can tell; each is the last of its connection.
BROKEN = {
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "HTTP/0.9": b"{}",
    "HTTP/2": b"HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "half a status": b"HTTP/1.1 20",
    "a status of two digits": answer(200).replace(b"200", b"20"),
    "head breaks off": b"HTTP/1.1 200 OK\r\nContent-Type: application/json",
    "head breaks off behind a line": b"HTTP/1.1 200 OK\r\nServer: x\r\n",
    "body breaks off": answer(200, b"{}", b"Content-Length: 3"),
    "body never comes": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n",
    "two lengths": answer(200, b"{}", b"Content-Length: 2", b"Content-Length: 1"),
    "two lengths in one": answer(200, b"{}", b"Content-Length: 1, 2"),
    "a length that is none": answer(200, b"{}", b"Content-Length: +2"),
    "a length below nothing": answer(200, b"{}", b"Content-Length: -2"),
    "a length in hexadecimal": answer(200, b"{}", b"Content-Length: 0x2"),
    "chunks without an end": CHUNKED + b"\r\n2\r\n{}\r\n",
    "half a chunk": CHUNKED + b"\r\n5\r\n{}",
    "a chunk of no size": CHUNKED + b"\r\n\r\n{}\r\n0\r\n\r\n",
    "a chunk below nothing": CHUNKED + b"\r\n-2\r\n{}\r\n0\r\n\r\n",
    "a chunk of 0x2": CHUNKED + b"\r\n0x2\r\n{}\r\n0\r\n\r\n",
    "a chunk that goes on": CHUNKED + b"\r\n2\r\n{}zz0\r\n\r\n",
    "half a last chunk": CHUNKED + b"\r\n2\r\n{}\r\n0",
    "another coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n{}",
    "two codings": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a switch of protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
    "a head without end": b"HTTP/1.1 200 OK\r\n" + b"X-Filler: abc\r\n" * 9_000 + b"\r\n{}",
    "a line without end": b"HTTP/1.1 200 OK\r\nX-Filler: " + b"a" * 300_000,
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_half_an_answer_is_no_yes(broken: bytes) -> None:
    """The same bytes again, on a new connection."""
    turns = count()

    def talk(line: Line) -> None:
        while line.request() is not None:
            line.send(YES if next(turns) else broken)
            if line.number == 1:
                return

    with peer(talk) as there:
        client = client_of(there.url)
        assert client.post(b"1") == Accepted()
        client.close()
    assert there.bodies == [b"1", b"1"]
    assert (there.connections, client.retries) == (2, 1)


#: Whole answers in unusual dress, and on how many connections three of them come.
WHOLE = {
    "chunks": (CHUNKED + b"\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\n\r\n", 1),
    "trailers": (CHUNKED + b"\r\n2\r\n{}\r\n0\r\nDigest: x\r\n\r\n", 1),
    "a length twice": (answer(200, b"{}", b"Content-Length: 2", b"Content-Length: 2"), None),
    "an empty body": (answer(200, b""), 1),
    "bare newlines": (answer(200).replace(b"\r\n", b"\n"), 1),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}", 1),
    "a field that is none": (answer(200, b"{}", b"no field at all"), 1),
    "a folded field": (answer(200, b"{}", b"X-Note: a", b"  b"), 1),
    "length and chunks": (CHUNKED + b"Content-Length: 9\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 3),
    "Connection: close": (answer(200, b"{}", b"Connection: close"), 3),
    "HTTP/1.0": (answer(200, version=b"1.0"), 3),
    "HTTP/1.0, kept": (answer(200, b"{}", b"Connection: keep-alive", version=b"1.0"), 1),
    "chunks in HTTP/1.0": (
        CHUNKED.replace(b"/1.1", b"/1.0") + b"Connection: keep-alive\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        3,
    ),
}


@pytest.mark.parametrize(("whole", "connections"), WHOLE.values(), ids=WHOLE.keys())
def test_whole_answers_in_unusual_dress(whole: bytes, connections: int | None) -> None:
    """What is whole by its own framing counts, and the connection as far as it can be used."""
    with peer(saying(whole)) as there:
        client = client_of(there.url)
        assert [client.post(b"%d" % n) for n in range(3)] == [Accepted()] * 3
        client.close()
    assert client.retries == 0
    assert connections in {there.connections, None}


def test_an_answer_that_ends_with_its_connection() -> None:
    """As HTTP/1.0 has it: whole, if its head is (RFC 9112, 8)."""
    with peer(saying(b"HTTP/1.0 200 OK\r\nServer: x\r\n\r\n{}", lingers=False)) as there:
        client = client_of(there.url)
        assert [client.post(b"%d" % n) for n in range(3)] == [Accepted()] * 3
        client.close()
    assert (there.connections, client.retries) == (3, 0)


@pytest.mark.parametrize(
    "answered",
    [
        answer(200, b" " * 1_500 + b"<html>log in</html>"),
        answer(200, b"please wait <html>"),
        answer(200, b'{"error":"unknown method"}'),
        answer(200, b"\x28\xb5\x2f\xfd", b"Content-Encoding: zstd"),
        answer(200, b"{}", b"Content-Encoding: br"),
        answer(200, b"{}", b"Content-Encoding: gzip"),
    ],
)
def test_a_yes_of_somebody_else(answered: bytes) -> None:
    """2xx alone is what every login page says."""
    with peer(saying(answered)) as there:
        client = client_of(there.url)
        assert isinstance(client.post(b"1"), NotTheService)
        client.close()


def test_what_is_counted_is_stored(connector: Connector) -> None:
    """A sync through a proxy with early hints, to a service that fails now and then."""
    stored: list[int] = []
    turns = count(1)

    def talk(line: Line) -> None:
        while body := line.request():
            turn = next(turns)
            items = json.loads(body)["events"]
            line.send(interim(103))
            if turn % 3 == 2:
                line.send(NO)
            elif any(item["properties"]["n"] % 97 == 0 for item in items):
                line.send(answer(400, b"events[0].event is not valid"))
            else:
                stored.extend(item["properties"]["n"] for item in items)
                line.send(YES * (2 if turn % 5 == 0 else 1))

    lines = [connector.record(connector.event(n)) for n in range(1, 3_001)]
    with peer(talk) as there:
        config = connector.config(there.url, requests_in_flight=1)
        outcome = connector.write_here(config, lines).succeeded()
    assert sorted(stored) == [n for n in range(1, 3_001) if n % 97]
    assert outcome.ledger["accepted"] == len(stored)
