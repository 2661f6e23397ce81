"""Users are deleted: who was asked for in the end, nobody else, and nobody before the end."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bulk_destination.delivery import deliveries
from bulk_destination.http.jobs import Patience
from bulk_destination.http.pacing import RetryPolicy
from bulk_destination.library.library import Library
from bulk_destination.loading import walk
from bulk_destination.loading.surroundings import Surroundings
from destination_heap_analytics import load, preview
from destination_heap_analytics.service import HEAP
from integration_tests.chaos.process import program
from integration_tests.conftest import Connector, Outcome
from integration_tests.services import APP_ID
from sandbox.heap import Sandbox, SandboxOptions, running

STREAM = "people"
KEY = "local-api-key"
QUICK = RetryPolicy(first=0.01, longest=0.05)
HURRIED = Surroundings(retry_policy=QUICK, patience=Patience(0.01, 1.5, 0.05, in_all=60))
#: Of whoever waits for a job that is never done.
IMPATIENT = Surroundings(
    retry_policy=RetryPolicy(first=0.01, longest=0.05, give_up_after=1.0),
    patience=Patience(0.01, 1.5, 0.05, in_all=0.3),
)
TOKEN, DELETION = "/api/public/v0/auth_token", "/api/public/v0/user_deletion"
STATUS = "/api/public/v0/deletion_status/{number}"

Json = dict[str, Any]


def config(url: str, **fields: Any) -> Json:
    """A configuration that deletes who `email` names."""
    api = {
        **{"api_type": "delete_users", "identity_column": "email", "api_key": KEY},
        **{"most_users": 100, "confirm": APP_ID},
    }
    own = {name.removeprefix("api__"): fields.pop(name) for name in [*fields] if "api__" in name}
    return {"app_id": APP_ID, "base_url": url, "api": {**api, **own}, **fields}


def asked(connector: Connector, *people: str, **more: Any) -> list[bytes]:
    """A record for each."""
    return [connector.record({"email": who, **more}) for who in people]


def people(count: int) -> list[str]:
    """So many identities."""
    return [f"person{number}@example.com" for number in range(count)]


def deleted(heap: Sandbox) -> list[str]:
    """Who was asked to be deleted, as often as that was."""
    return [row["identity"] for row in heap.deletions()]


def sent_to(heap: Sandbox) -> Counter[str]:
    """How many requests came, by path."""
    return Counter(entry["path"] for entry in heap.requests())


@pytest.fixture
def heap() -> Iterator[Sandbox]:
    """A local Heap that deletes at once."""
    with running(SandboxOptions(deletion_seconds=0, quotas=False)) as here:
        yield here


# -- what it does ---------------------------------------------------------------------------------


def test_users_are_gone(connector: Connector, heap: Sandbox) -> None:
    """With their events, and nobody else; each is asked for once, and the number is told."""
    loaded = [connector.record(connector.event(n)) for n in range(4)]
    connector.write_here(connector.config(heap.url), loaded).succeeded()
    lines = asked(connector, "person1@example.com", "person3@example.com", "person1@example.com")
    outcome = connector.write_here(
        config(heap.url), [*lines, connector.state(1)], surroundings=HURRIED
    ).succeeded()
    assert deleted(heap) == ["person1@example.com", "person3@example.com"]
    left = ["person0@example.com", "person2@example.com"]
    assert [user["identity"] for user in heap.users()] == left
    assert [event["identity"] for event in heap.events()] == left
    assert [connector.stats(state) for state in outcome.states] == [(3.0, 0.0)]
    assert (outcome.ledger["accepted"], outcome.ledger["merged"]) == (3, 1)
    [number] = {row["request"] for row in heap.deletions()}
    assert f"Heap has taken deletion request {number}" in outcome.logs
    assert f"Heap has completed deletion request {number}" in outcome.logs
    assert "Asking Heap, request 1 of 1: 2 users to be deleted" in outcome.logs


def test_more_than_one_request_takes(connector: Connector, heap: Sandbox) -> None:
    """10,001 users are two requests."""
    lines = [*asked(connector, *people(10_001)), connector.state(1)]
    cautious = config(heap.url, api__most_users=20_000)
    outcome = connector.write_here(cautious, lines, surroundings=HURRIED).succeeded()
    sizes = [entry["items"] for entry in heap.requests() if entry["path"] == DELETION]
    assert sizes == [10_000, 1]
    assert deleted(heap) == people(10_001)
    assert outcome.ledger["accepted"] == 10_001


def test_too_many(connector: Connector, heap: Sandbox) -> None:
    """More than `most_users` fails before the first request, and both numbers are named."""
    lines = [connector.state(0), *asked(connector, *people(101)), connector.state(1)]
    outcome = connector.write_here(config(heap.url), lines, surroundings=HURRIED)
    assert outcome.error["failure_type"] == "config_error"
    assert (
        "api.most_users: is 100, and this sync would delete 101 users" in outcome.error["message"]
    )
    assert heap.requests() == []
    assert [state["id"] for state in outcome.states] == [0]
    exactly = [*asked(connector, *people(100)), *asked(connector, *people(100))]
    connector.write_here(config(heap.url), exactly, surroundings=HURRIED).succeeded()
    assert deleted(heap) == people(100)


def test_too_many_to_count(connector: Connector, heap: Sandbox) -> None:
    """Beyond what any sync may delete, the source is not read on."""
    lines = asked(connector, *people(102_000))
    outcome = connector.write_here(config(heap.url), lines, surroundings=HURRIED)
    assert "would delete more than 100,000 users" in outcome.error["message"]
    assert outcome.ledger["read"] < 102_000
    assert heap.requests() == []


def test_identities_are_sent_as_they_are(connector: Connector, heap: Sandbox) -> None:
    """Case and blanks stay, and are told; a number is its digits; nobody's words are nobody."""
    values = [" A@example.com", "a@EXAMPLE.com", 12.0, 9007199254740993, "guest", "null", "", None]
    lines = [connector.record({"email": value}) for value in [*values, True, "x" * 256]]
    outcome = connector.write_here(config(heap.url), lines, surroundings=HURRIED).succeeded()
    assert deleted(heap) == [" A@example.com", "a@EXAMPLE.com", "12", "9007199254740993"]
    assert outcome.ledger["rejected_by_reason"] == {
        **{"identity_of_no_single_person": 2, "identity_blank": 1, "identity_missing": 1},
        **{"identity_not_text": 1, "identity_too_long": 1},
    }
    assert "Identities with blanks at their ends: 1" in outcome.logs


# -- what the source says in the end --------------------------------------------------------------


def row(connector: Connector, number: int, who: str | None, gone: str | None = None) -> bytes:
    """A row of a table of requests; `gone` is when its source deleted it."""
    data = {"id": number, "email": who, "_ab_cdc_deleted_at": gone}
    return connector.record({name: value for name, value in data.items() if value is not None})


def test_withdrawn(connector: Connector, heap: Sandbox) -> None:
    """A request that was taken back is none: within the sync, too, by its row or by its user."""
    gone = "2026-01-02T03:04:05Z"
    lines = [
        row(connector, 1, "stays@example.com"),
        row(connector, 2, "withdrawn@example.com"),
        row(connector, 2, None, gone),
        row(connector, 3, "again@example.com"),
        row(connector, 3, None, gone),
        row(connector, 3, "again@example.com"),
        row(connector, 4, "mistyped@example.com"),
        row(connector, 4, "meant@example.com"),
        row(connector, 5, None, gone),
        row(connector, 6, "twice@example.com"),
        row(connector, 7, "twice@example.com"),
        row(connector, 7, "twice@example.com", gone),
        connector.state(1),
    ]
    keyed = connector.catalog(mode="append_dedup", key=[["id"]])
    where = {"storage_type": "Local", "path": str(connector.folder)}
    outcome = connector.write_here(
        config(heap.url, object_storage_config=where), lines, keyed, surroundings=HURRIED
    ).succeeded()
    assert sorted(deleted(heap)) == [
        *("again@example.com", "meant@example.com", "stays@example.com", "twice@example.com"),
    ]
    ledger = outcome.ledger
    assert (ledger["read"], ledger["accepted"], ledger["skipped"]) == (12, 5, 7)
    assert [connector.stats(state) for state in outcome.states] == [(12.0, 0.0)]
    heap.reset()
    connector.write_here(
        config(heap.url),
        [*lines[5:], row(connector, 9, "meant@example.com", gone)],
        surroundings=HURRIED,
    ).succeeded()
    # Where no key is known, a row is known by its user.
    assert sorted(deleted(heap)) == ["again@example.com", "mistyped@example.com"]


@pytest.mark.parametrize("who", [None, "guest", "a" * 256])
def test_corrected_to_nobody(connector: Connector, heap: Sandbox, who: str | None) -> None:
    """A row that names nobody in the end deletes nobody, though it named somebody before."""
    lines = [
        row(connector, 1, "mistyped@example.com"),
        row(connector, 2, "stays@example.com"),
        row(connector, 3, "mistyped@example.com"),
        row(connector, 3, "meant@example.com"),
        row(connector, 1, who),
        connector.state(1),
    ]
    keyed = connector.catalog(mode="append_dedup", key=[["id"]])
    outcome = connector.write_here(config(heap.url), lines, keyed, surroundings=HURRIED)
    assert outcome.code == 0
    assert sorted(deleted(heap)) == ["meant@example.com", "stays@example.com"]
    ledger = outcome.ledger
    assert (ledger["read"], ledger["accepted"], ledger["rejected"]) == (5, 3, 1)
    assert ledger["skipped_by_reason"] == {"corrected_in_source": 1}
    assert [connector.stats(state) for state in outcome.states] == [(4.0, 1.0)]
    dry = connector.write_here(config(heap.url, dry_run=True), lines, keyed)
    [plan] = re.findall(r"^Plan: (\{.*\})$", dry.logs, re.MULTILINE)
    assert json.loads(plan)["would_be_sent"] == 3
    assert json.loads(plan)["skipped_by_reason"] == {"corrected_in_source": 1}


def test_a_signal_that_ends_the_source_first(heap: Sandbox) -> None:
    """A group of processes gets it, and the end of the source is heard before: it is waited for."""
    main = threading.get_ident()

    def ended() -> Iterator[Json]:
        yield {"email": "stays@example.com"}
        threading.Timer(0.5, signal.pthread_kill, (main, signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt):
        Library(HEAP, Surroundings(patience=Patience(first=60))).load(config(heap.url), ended())
    assert heap.requests() == []


FAILED = {"type": "TRACE", "trace": {"type": "ERROR", "error": {"message": "x"}, "emitted_at": 1}}
INCOMPLETE = {
    "type": "TRACE",
    "trace": {
        "type": "STREAM_STATUS",
        "emitted_at": 1,
        "stream_status": {"stream_descriptor": {"name": STREAM}, "status": "INCOMPLETE"},
    },
}


@pytest.mark.parametrize(
    "end",
    [
        json.dumps(FAILED).encode() + b"\n",
        json.dumps(INCOMPLETE).encode() + b"\n",
        b'{"type":"RECO',
    ],
    ids=["error", "incomplete", "broken off"],
)
def test_a_source_that_fails(connector: Connector, heap: Sandbox, end: bytes) -> None:
    """Nobody is deleted by half of a source."""
    lines = [*asked(connector, *people(3)), connector.state(1), end]
    outcome = connector.write_here(config(heap.url), lines, surroundings=HURRIED)
    assert outcome.error["failure_type"] == "transient_error"
    assert "did not end well" in outcome.error["message"]
    assert heap.requests() == []
    assert outcome.states == []


def test_a_source_that_ends_well(connector: Connector, heap: Sandbox) -> None:
    """Which says so, as Airbyte does."""
    status = {"stream_descriptor": {"name": STREAM}, "status": "COMPLETE"}
    trace = {"type": "STREAM_STATUS", "emitted_at": 1, "stream_status": status}
    end = json.dumps({"type": "TRACE", "trace": trace}).encode() + b"\n"
    lines = [b"a line of a log\n", *asked(connector, *people(3)), connector.state(1), end]
    connector.write_here(config(heap.url), lines, surroundings=HURRIED).succeeded()
    assert deleted(heap) == people(3)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_the_end(
    connector: Connector, heap: Sandbox, number: signal.Signals
) -> None:
    """Nobody is deleted."""
    process = connector.start_write(config(heap.url))
    # The first state may leave at once, so that all before it was read.
    process.send(connector.state(0), *asked(connector, *people(3)), connector.state(1))
    process.wait_for(b'"STATE"')
    process.signal(number)
    outcome = process.finish()
    assert outcome.error["failure_type"] == "transient_error"
    assert heap.requests() == []
    assert [state["id"] for state in outcome.states] == [0]


# -- what Heap says no to -------------------------------------------------------------------------


def test_a_bad_one_among_many(connector: Connector) -> None:
    """Heap refuses a request for one user: all others are deleted, and it is kept in a file."""
    with running(SandboxOptions(deletion_seconds=0, poison=("person7@example.com",))) as heap:
        where = {"storage_type": "Local", "path": str(connector.folder)}
        lines = [*asked(connector, *people(50), "person7@example.com"), connector.state(1)]
        outcome = connector.write_here(
            config(heap.url, object_storage_config=where), lines, surroundings=HURRIED
        ).succeeded()
        assert sorted(deleted(heap)) == sorted(set(people(50)) - {"person7@example.com"})
    reason = "refused by Heap: postBody.users[].identity is not valid"
    assert outcome.ledger["rejected_by_reason"] == {reason: 2}
    assert [connector.stats(state) for state in outcome.states] == [(49.0, 2.0)]
    [file] = connector.folder.rglob("*.jsonl")
    kept = [json.loads(line)["record"]["data"]["email"] for line in file.read_text().splitlines()]
    assert kept == ["person7@example.com"] * 2


def test_all_are_refused(connector: Connector) -> None:
    """Then it is asked no longer than it takes to know, and no state leaves."""
    with running(SandboxOptions(deletion_seconds=0, poison=tuple(people(2_000)))) as heap:
        lines = [*asked(connector, *people(2_000)), connector.state(1)]
        outcome = connector.write_here(
            config(heap.url, api__most_users=2_000), lines, surroundings=HURRIED
        )
        assert sent_to(heap)[DELETION] < 300
    assert outcome.error["failure_type"] == "config_error"
    assert outcome.states == []


def test_a_wrong_key(connector: Connector, heap: Sandbox) -> None:
    """Check and write say what it means, and ask nothing more."""
    wrong = config(heap.url, api__api_key="another-key-entirely")
    checked = connector.run_here("check", "--config", connector.file(wrong))
    [status] = [each["connectionStatus"] for each in checked.of_type("CONNECTION_STATUS")]
    assert status["status"] == "FAILED"
    lines = [*asked(connector, *people(3)), connector.state(1)]
    written = connector.write_here(wrong, lines, surroundings=HURRIED)
    assert written.error["failure_type"] == "config_error"
    for said in (status["message"], written.error["message"]):
        assert said.startswith("api.api_key: gets no token from Heap for this app_id")
        assert "refused by Heap: Unauthorized" in said
        assert "Main Production" in said
        assert "another-key-entirely" not in said
    assert written.states == []
    assert sent_to(heap) == {TOKEN: 2}


def test_check_gets_a_token_and_nothing_more(connector: Connector, heap: Sandbox) -> None:
    """And nothing of it is shown."""
    outcome = connector.run_here("check", "--config", connector.file(config(heap.url)))
    [status] = [each["connectionStatus"] for each in outcome.of_type("CONNECTION_STATUS")]
    assert status == {"status": "SUCCEEDED"}
    assert sent_to(heap) == {TOKEN: 1}


def test_not_the_main_production_environment(connector: Connector) -> None:
    """Heap's words are told, and no state leaves."""
    with running(SandboxOptions(main_production=False)) as heap:
        lines = [*asked(connector, *people(3)), connector.state(1)]
        outcome = connector.write_here(config(heap.url), lines, surroundings=HURRIED)
        assert sent_to(heap) == {TOKEN: 2, DELETION: 2}  # once more with a new token
        assert deleted(heap) == []
    assert outcome.error["failure_type"] == "config_error"
    words = (
        "app_id: may delete no users (refused by Heap: Unauthorized: app_id is not the Main Prod"
    )
    assert words in outcome.error["message"]
    assert outcome.states == []


# -- what goes wrong on the way ------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(1, 5))
def test_faults(connector: Connector, seed: int) -> None:
    """All are deleted, whatever befalls the requests of all three kinds."""
    kinds = ("429", "500", "502-html", "503", "reset-before", "reset-after")
    options = SandboxOptions(fail_rate=0.5, seed=seed, fail_kinds=kinds, deletion_seconds=0.4)
    patient = Surroundings(
        retry_policy=RetryPolicy(first=0.01, longest=0.05), patience=HURRIED.patience
    )
    with running(options) as heap:
        lines = [*asked(connector, *people(30)), connector.state(1)]
        outcome = connector.write_here(config(heap.url), lines, surroundings=patient).succeeded()
        assert set(deleted(heap)) == set(people(30))
        assert outcome.ledger["requests"] == len(heap.requests())
        assert outcome.ledger["retries"] >= sum(heap.stats()["faults"].values()) > 0
    assert len(outcome.states) == 1


def test_a_token_that_ends_midway(connector: Connector) -> None:
    """It is renewed, as often as it takes."""
    with running(SandboxOptions(token_seconds=0.2, deletion_seconds=1.0)) as heap:
        lines = [*asked(connector, *people(3)), connector.state(1)]
        slow = Surroundings(retry_policy=QUICK, patience=Patience(0.05, 1.0, 0.05, in_all=60))
        outcome = connector.write_here(config(heap.url), lines, surroundings=slow).succeeded()
        assert sent_to(heap)[TOKEN] >= 3
        assert deleted(heap) == people(3)
    assert len(outcome.states) == 1


def test_killed_between_request_and_status(connector: Connector) -> None:
    """Nothing behind the request has left; started again, all is asked once more and done."""
    lines = [*asked(connector, *people(3)), connector.state(1)]
    with running(SandboxOptions(deletion_seconds=1.5)) as heap:
        process = connector.start_write(config(heap.url))
        process.send_all(lines)
        process.wait_for(b"has taken deletion request")
        process.signal(signal.SIGKILL)
        killed = process.finish()
        assert killed.code == -signal.SIGKILL
        assert killed.states == []
        again = connector.write(config(heap.url), lines).succeeded()
        assert deleted(heap) == people(3) * 2
    assert [state["id"] for state in again.states] == [1]


def test_a_signal_while_it_is_waited_for(connector: Connector) -> None:
    """The wait ends at once, and no state leaves."""
    with running(SandboxOptions(deletion_seconds=3_600)) as heap:
        process = connector.start_write(config(heap.url))
        process.send_all([*asked(connector, *people(3)), connector.state(1)])
        process.wait_for(b"has taken deletion request")
        process.signal(signal.SIGTERM)
        outcome = process.finish(timeout=10)
    assert outcome.error["failure_type"] == "transient_error"
    assert outcome.states == []


# -- a Heap that answers by a script -------------------------------------------------------------


#: Given the kind of a request, its number among those of the kind from 1, and its body.
Script = Callable[[str, int, bytes], tuple[int, object]]


@dataclass
class Scripted:
    """Where it is, and what it was asked: the kind, the `Authorization` and the body."""

    url: str
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)

    def count(self, kind: str) -> int:
        """How many requests of a kind came."""
        return sum(each == kind for each, _, _ in self.asked)


def usual(kind: str, _number: int, _body: bytes) -> tuple[int, object]:
    """What Heap answers where all is well."""
    match kind:
        case "token":
            return 200, {"access_token": "token-of-a-test-8f2a"}
        case "deletion":
            return 201, {"deletion_request_id": "4711", "status": "pending"}
        case _:
            return 200, {"status": "complete"}


@contextmanager
def scripted(script: Script) -> Iterator[Scripted]:
    """Serves it on loopback."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            kind = self.path.rsplit("/", 2 if "status" in self.path else 1)[1]
            kind = {"auth_token": "token", "user_deletion": "deletion"}.get(kind, "status")
            with lock:
                there.asked.append((kind, self.headers["Authorization"], body))
                number = there.count(kind)
            status, answer = script(kind, number, body)
            raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST  # noqa: N815  # the name that http.server asks for

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    there = Scripted(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield there
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def play(
    connector: Connector, script: Script, surroundings: Surroundings = HURRIED, count: int = 3
) -> tuple[Outcome, Scripted]:
    """Deletes some people at a scripted Heap."""
    with scripted(script) as there:
        lines = [*asked(connector, *people(count)), connector.state(1)]
        outcome = connector.write_here(config(there.url), lines, surroundings=surroundings)
    assert not re.search("token-of-a-test|Bearer|Basic", outcome.stdout.decode())
    return outcome, there


def test_what_is_sent(connector: Connector) -> None:
    """A token for the key by Basic; users by Bearer, with nothing else about them."""
    outcome, there = play(connector, usual)
    outcome.succeeded()
    [(_, basic, empty), (_, bearer, body), (_, also, nothing)] = there.asked
    assert basic == "Basic MzAwMDYxMDU3Mjpsb2NhbC1hcGkta2V5"  # 3000610572:local-api-key
    assert bearer == also == "Bearer token-of-a-test-8f2a"
    assert empty == nothing == b""
    assert json.loads(body) == {"users": [{"identity": who} for who in people(3)]}


def test_a_status_that_fails_for_a_while(connector: Connector) -> None:
    """An outage, a number that is not known yet, a word that is new, a gateway's page."""
    answers: list[tuple[int, object]] = [
        *((500, b""), (404, {"err": {"message": "Not found"}}), (200, {"status": "in_progress"})),
        *((502, b"<html>Bad Gateway</html>"), (200, b"<html>Log in</html>")),
        *((200, {"state": "?"}), (429, b""), (200, {"status": "complete"})),
    ]

    def script(kind: str, number: int, body: bytes) -> tuple[int, object]:
        return answers[number - 1] if kind == "status" else usual(kind, number, body)

    outcome, there = play(connector, script)
    outcome.succeeded()
    assert (there.count("deletion"), there.count("status")) == (1, len(answers))
    assert len(outcome.states) == 1


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        (200, {"status": "failed"}, "did not complete it"),
        (404, {"err": {"message": "Not found"}}, "it is not known there"),
        (400, {"err": {"message": "is not valid"}}, "its status cannot be read"),
        (500, b"", "did not accept a request within 1 s"),
        (200, b"<html>Log in</html>", "its status cannot be read"),
    ],
)
def test_a_status_that_fails_for_good(
    connector: Connector, status: int, answer: object, words: str
) -> None:
    """No state leaves: the next sync asks again."""

    def script(kind: str, number: int, body: bytes) -> tuple[int, object]:
        return (status, answer) if kind == "status" else usual(kind, number, body)

    outcome, there = play(connector, script, IMPATIENT)
    assert outcome.error["failure_type"] == "transient_error"
    assert words in outcome.error["message"]
    assert outcome.states == []
    assert there.count("deletion") == 1


def test_a_deletion_that_takes_longer_than_is_waited(connector: Connector) -> None:
    """Heap has taken it and given its number: the states leave, and the number is told."""

    def script(kind: str, number: int, body: bytes) -> tuple[int, object]:
        pending = (200, {"status": "pending"})
        return pending if kind == "status" else usual(kind, number, body)

    outcome, _ = play(connector, script, IMPATIENT)
    outcome.succeeded()
    assert "has taken deletion request 4711 and not completed it" in outcome.logs
    assert len(outcome.states) == 1


def test_an_answer_without_a_number(connector: Connector) -> None:
    """It is no receipt, whatever the status."""

    def script(kind: str, number: int, body: bytes) -> tuple[int, object]:
        return (200, {}) if kind == "deletion" else usual(kind, number, body)

    outcome, _ = play(connector, script)
    assert "without the number of a request" in outcome.error["message"]
    assert outcome.states == []


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", None, 17])
def test_no_token(connector: Connector, token: object) -> None:
    """What cannot be a token is none, and nothing is asked with it."""

    def script(kind: str, number: int, body: bytes) -> tuple[int, object]:
        return (200, {"access_token": token}) if kind == "token" else usual(kind, number, body)

    outcome, there = play(connector, script)
    assert "without a token" in outcome.error["message"]
    assert there.count("deletion") == 0


def test_a_token_that_is_refused_once(connector: Connector) -> None:
    """It may have ended, whatever was said of its life: it is renewed, and all goes on."""

    def script(kind: str, number: int, body: bytes) -> tuple[int, object]:
        if kind != "token" and number == 1:
            return 401, {"err": {"message": "Unauthorized"}}
        return usual(kind, number, body)

    outcome, there = play(connector, script)
    outcome.succeeded()
    assert there.count("token") == 3


def test_a_refusal_without_words(connector: Connector) -> None:
    """Before all else it is the key's; once Heap has answered, it is something on the way."""

    def at_first(kind: str, number: int, body: bytes) -> tuple[int, object]:
        return (401, b"") if kind == "token" else usual(kind, number, body)

    def later(kind: str, number: int, body: bytes) -> tuple[int, object]:
        if kind == "token" and number == 1:
            return usual(kind, number, body)
        if (kind == "status" and number < 4) or (kind == "token" and number < 4):
            return 401, b""
        return usual(kind, number, body)

    outcome, there = play(connector, at_first)
    assert outcome.error["failure_type"] == "config_error"
    assert outcome.error["message"].startswith("api.api_key: gets no token from Heap")
    assert there.count("deletion") == 0
    outcome, there = play(connector, later)
    outcome.succeeded()
    assert (there.count("deletion"), there.count("status")) == (1, 4)


def test_a_hostile_heap(connector: Connector) -> None:
    """What it quotes of identities, keys and tokens, in numbers and in words, is not shown."""

    def quoting(kind: str, number: int, body: bytes) -> tuple[int, object]:
        if kind == "deletion":
            return 201, {"deletion_request_id": json.loads(body)["users"][0]["identity"]}
        return usual(kind, number, body)

    def refusing(kind: str, number: int, body: bytes) -> tuple[int, object]:
        if kind == "deletion":
            return 403, {"err": {"message": f"{KEY} token-of-a-test-8f2a {body.decode()}"}}
        return usual(kind, number, body)

    def gatekeeping(kind: str, _number: int, _body: bytes) -> tuple[int, object]:
        return 401, {"err": {"message": f"{KEY} of {APP_ID} is not valid"}}

    quoted, _ = play(connector, quoting)
    assert "(of a number that cannot be shown)" in quoted.succeeded().logs
    with scripted(quoting) as there:  # an identity that looks like a number
        line = connector.record({"email": "48151623421"})
        connector.write_here(config(there.url), [line], surroundings=HURRIED).succeeded()
    refused, _ = play(connector, refusing)
    assert refused.error["failure_type"] == "config_error"
    play(connector, gatekeeping)


# -- a look before --------------------------------------------------------------------------------


def test_a_dry_run(connector: Connector, heap: Sandbox) -> None:
    """It says how many and not who, and needs no key that works."""
    lines = [*asked(connector, *people(37), *people(3)), row(connector, 50, None, "2026-01-01")]
    outcome = connector.write_here(config(heap.url, dry_run=True), lines)
    assert outcome.code == 0
    assert "37 users would be deleted, when the source has ended" in outcome.logs
    [plan] = re.findall(r"^Plan: (\{.*\})$", outcome.logs, re.MULTILINE)
    assert json.loads(plan)["would_be_deleted"] == {"users": 37, "first": []}
    assert (json.loads(plan)["requests"], json.loads(plan)["merged"]) == (1, 3)
    assert heap.requests() == []
    too_many = connector.write_here(
        config(heap.url, dry_run=True, api__most_users=36), asked(connector, *people(37))
    )
    assert "is 36, and this sync would delete 37 users" in too_many.error["message"]


def test_a_preview(connector: Connector, heap: Sandbox) -> None:
    """The first ten are shown: it is the user's own terminal."""
    files = connector.file(config(heap.url)), connector.file(connector.catalog())
    command = [*program("heap"), "preview", "--config", files[0], "--catalog", files[1]]
    lines = b"".join(asked(connector, *people(37)))
    done = subprocess.run(
        [*command, "--records", "1"], input=lines, capture_output=True, check=True
    )
    shown = " ".join(done.stdout.decode().split())
    assert "37 users would be deleted; the first 10" in shown
    assert [who for who in people(37) if re.search(rf"\b{who}\b", shown)] == people(10)
    as_json = subprocess.run([*command, "--json"], input=lines, capture_output=True, check=True)
    found = json.loads(as_json.stdout)["would_be_deleted"]
    assert found == {"users": 37, "first": people(10)}
    assert heap.requests() == []


# -- by other doors -------------------------------------------------------------------------------


def test_a_process_with_debug_logs(connector: Connector) -> None:
    """Neither ours nor the HTTP library's show the key, a token, or who was deleted."""
    with scripted(usual) as there:
        lines = [*asked(connector, *people(3)), connector.state(1)]
        outcome = connector.write(config(there.url), lines, log_level="DEBUG").succeeded()
    assert "has completed deletion request 4711" in outcome.logs
    assert not re.search("token-of-a-test|Bearer|Basic|MzAwMDYx", outcome.stdout.decode())


def test_from_python(connector: Connector, heap: Sandbox) -> None:
    """`load` deletes whom the rows name, and nobody where the rows break off."""

    def breaking_off() -> Iterator[Json]:
        yield {"email": "ann@example.com"}
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError):
        load(config(heap.url), breaking_off())
    assert heap.requests() == []
    report = load(config(heap.url), ({"email": who} for who in people(2)))
    assert (report.accepted, deleted(heap)) == (2, people(2))
    assert preview(config(heap.url), [{"email": who} for who in people(2)]).accepted == 2


def test_more_than_memory_may_hold(
    connector: Connector, heap: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an error, and nobody is deleted: what cannot be held is not sent early."""
    monkeypatch.setattr(deliveries, "MAX_UNSETTLED_BYTES", 100_000)
    monkeypatch.setattr(walk, "MAX_HELD_BYTES", 200_000)
    lines = [*asked(connector, *people(3_000)), connector.state(1)]
    cautious = config(heap.url, api__most_users=5_000)
    outcome = connector.write_here(cautious, lines, surroundings=HURRIED)
    assert outcome.error["failure_type"] == "config_error"
    assert "nothing was sent to Heap" in outcome.error["message"]
    assert (outcome.states, heap.requests()) == ([], [])
    # Less than that is only held, though the walk has no room for it.
    connector.write_here(config(heap.url), asked(connector, *people(90)) * 20).succeeded()
    assert deleted(heap) == people(90)
