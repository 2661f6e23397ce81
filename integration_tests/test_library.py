"""Callers in Python: `load`, `preview` and `check`, into the local services by real sockets."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import logging
import math
import multiprocessing
import pickle
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

import destination_hackle
import destination_heap_analytics
from bulk_destination.delivery import delivery
from bulk_destination.errors import NothingAcceptedError, TooManyRejectedError, UnavailableError
from bulk_destination.http.pacing import RetryPolicy
from bulk_destination.library import library as library_module
from bulk_destination.library.library import Library
from bulk_destination.library.report import Reason
from bulk_destination.loading.surroundings import Surroundings
from destination_hackle.service import HACKLE
from destination_heap_analytics import ConfigurationError, Report, SyncError, load, preview
from destination_heap_analytics.service import HEAP
from integration_tests.conftest import STREAM, Connector
from integration_tests.services import both, every_api
from integration_tests.test_delete_users import HURRIED
from integration_tests.test_delete_users import config as deletion
from sandbox.heap import SandboxOptions, running

Json = dict[str, Any]
QUICK = Surroundings(retry_policy=RetryPolicy(first=0.01, longest=0.05, give_up_after=1))
#: Requests that fail in every way, half of them.
FAULTS: Json = {
    "fail_rate": 0.5,
    "seed": 8,
    "fail_kinds": ("503", "429", "reset-after", "reset-before"),
}
PATIENCE = 30.0
TRACK: Json = {"api_type": "track", "event_column": "e", "identity_column": "i"}


def library(connector: Connector) -> Library:
    """That of its connector, in a hurry."""
    return Library(HEAP if connector.service == "heap" else HACKLE, QUICK)


def rows(connector: Connector, count: int) -> list[Json]:
    """Rows that fit the configuration."""
    return [connector.event(number) for number in range(count)]


# -- what lands ---------------------------------------------------------------------------------


@every_api
def test_load(connector: Connector) -> None:
    """All lands once, faults or not, and the report says so."""
    with connector.running(**FAULTS) as local:
        config = connector.config(local.url)
        report = library(connector).load(config, iter(rows(connector, 2_500)), stream=STREAM)
        assert connector.landed(local) == list(range(2_500))
    assert (report.read, report.accepted, report.rejected, report.skipped) == (2_500, 2_500, 0, 0)
    assert report.settled == 2_500
    assert report.requests > report.retries > 0
    assert report.property_names == ("n", "name", "who")
    assert report.seconds > 0
    assert isinstance(report, Report)
    assert pickle.loads(pickle.dumps(report)) == report
    with pytest.raises(FrozenInstanceError):
        report.read = 1  # type: ignore[misc]


@every_api
def test_settled_is_never_too_early(connector: Connector) -> None:
    """When it is told of leading rows, the service has them; the last number is all of them."""
    told: list[int] = []
    with connector.running(**FAULTS, latency_ms=5) as local:

        def settled(count: int) -> None:
            told.append(count)
            assert {*range(count)} <= {*connector.landed(local)}

        config = connector.config(local.url)
        library(connector).load(config, rows(connector, 4_000), settled=settled)
    assert told == sorted(set(told))
    assert told[-1] == 4_000
    assert len(told) > 1


@both
def test_the_same_as_write(connector: Connector) -> None:
    """What `write` has loaded of a stream is known: loaded once more from Python, nothing comes."""
    found = rows(connector, 1_200)
    lines = [connector.record(row) for row in found]
    with connector.running() as local:
        config = connector.config(local.url)
        catalog = connector.catalog(mode="append_dedup", key=[["n"]])
        wrote = connector.write_here(config, lines, catalog)
        before = local.events()
        report = library(connector).load(config, found, stream=STREAM, primary_key="n")
        keys = "idempotency_key" if connector.service == "heap" else "insert_id"
        assert {row[keys] for row in local.events()} == {row[keys] for row in before}
    for name in ("read", "accepted", "merged", "truncated", "left_out"):
        assert getattr(report, name) == wrote.ledger[name]


def test_a_row_is_known_again(connector: Connector) -> None:
    """By its primary key, or as a whole: a load that is begun anew adds nothing."""
    with connector.running() as heap:
        config = connector.config(heap.url)
        for _ in range(2):
            load(config, rows(connector, 100), stream="whole")
            load(config, rows(connector, 100), stream="keyed", primary_key=["n"])
        changed = [{**row, "more": 1} for row in rows(connector, 100)]
        load(config, changed, stream="keyed", primary_key=["n"])
        assert len(heap.events()) == 200


@both
def test_a_misspelled_primary_key(connector: Connector) -> None:
    """With a schema it is an error at once: as events that are known otherwise cannot be undone."""
    properties: Json = {"name": {}, "who": {}, "order_id": {"properties": {"x": {}}}}
    config = connector.config("http://127.0.0.1:9")
    for key in ("ordr_id", ["name", ["ordr_id", "x"]]):
        with pytest.raises(ConfigurationError) as caught:
            library(connector).load(config, [], schema={"properties": properties}, primary_key=key)
        words = "primary_key: the stream has no column `ordr_id`; did you mean `order_id`?"
        assert str(caught.value) == words
    library(connector).load(
        config, [], schema={"properties": properties}, primary_key=["who", ["order_id", "x"]]
    )


def test_updates_of_one_user_stay_in_order(connector: Connector) -> None:
    """Whatever fails on the way, the last row of a user wins."""
    with connector.running(**FAULTS) as heap:
        found = [{"who": f"person{at % 7}@example.com", "n": at} for at in range(3_000)]
        config = connector.config(heap.url, "add_user_properties")
        report = Library(HEAP, QUICK).load(config, found)
        assert report.merged > 0
        last = {row["who"]: row["n"] for row in found}
        assert {row["identity"]: row["properties"]["n"] for row in heap.users()} == last


class Detached:
    """As an object of a database whose session has ended: it cannot even be shown."""

    def __str__(self) -> str:
        raise RuntimeError("is not bound to a session")

    __repr__ = __str__


@both
def test_no_row_ends_a_load(connector: Connector, tmp_path: Path) -> None:
    """Whatever a row is or holds, it lands without that or is rejected, shown and kept."""
    huge = 10**5_000  # more digits than Python writes
    ring: list[Any] = [1]
    ring.append(ring)
    found: list[Any] = rows(connector, 12)
    found[1] = Detached()
    found[2] = ring
    found[3] = {None: Detached()}
    found[4] = huge
    found[5] |= {"huge": huge, "list": [huge, 1], "inner": {"huge": huge}, "ring": ring}
    found[6] |= {"who": "guest", "huge": huge, "mute": Detached()}
    found[7] |= {"id": huge}
    with connector.running() as local:
        storage = {"storage_type": "Local", "path": str(tmp_path)}
        config = connector.config(local.url, object_storage_config=storage)
        report = library(connector).load(config, found, stream=STREAM, primary_key=["n", "id"])
        assert connector.landed(local) == [0, 5, 8, 9, 10, 11]
        assert report.read == report.settled == 12
        identity = "identity" if connector.service == "heap" else "user_id"
        assert {each.reason: each.count for each in report.rejected_by_reason} == {
            "not_a_mapping": 3,
            "key_not_text": 1,
            f"{identity}_of_no_single_person": 1,
            "identifier_not_exact": 1,
        }
        kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*.jsonl")).splitlines()
        assert len(kept) == 6
        plan = library(connector).preview(
            config, found, stream=STREAM, primary_key=["n", "id"], samples=12
        )
    assert plan.rejected_by_reason == report.rejected_by_reason
    assert str(plan)
    assert plan._repr_html_()


def test_rows_that_cannot_land(connector: Connector, tmp_path: Path) -> None:
    """Each is counted with the number of the first, and kept in a file that `write` takes."""
    found: list[Any] = rows(connector, 300)
    found[16] = {"name": "Signed Up", "n": 16}
    found[20] = ("Signed Up", "person20@example.com")
    found[30] = {"name": "Signed Up", "who": b"bytes", "n": 30}
    found[31] = {**found[31], "when": b"never"}
    with connector.running() as heap:
        storage = {"storage_type": "Local", "path": str(tmp_path)}
        config = connector.config(
            heap.url, object_storage_config=storage, api__timestamp_column="when"
        )
        report = load(config, found, stream=STREAM)
        assert report.rejected_by_reason == (
            Reason("identity_missing", 1, 17),
            Reason("not_a_mapping", 1, 21),
            Reason("identity_not_text", 1, 31),
            Reason("timestamp_not_readable", 1, 32),
        )
        assert any("`who` (bytes), `when` (bytes)" in words for words in report.warnings)
        assert report.settled == report.read == 300
        kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*.jsonl")).splitlines(True)
        assert len(kept) == 4
        outcome = connector.write_here({**config, "object_storage_config": None}, kept)
        again = outcome.ledger["rejected_by_reason"]
        assert again == {
            **dict.fromkeys(("identity_missing", "unreadable", "identity_not_text"), 1),
            "timestamp_not_readable": 1,
        }


def test_a_number_keeps_its_digits_or_names_nobody(connector: Connector) -> None:
    """An integer of any length is what it is; a float that stands for several is refused."""
    found = rows(connector, 5)
    for row, who in zip(found, (2**63, 2**53 + 1, Decimal(2**80 + 1), 2.0**53, 7.0), strict=True):
        row["who"] = who
    with connector.running() as heap:
        report = load(connector.config(heap.url), found)
        names = {event["identity"] for event in heap.events()}
    assert names == {str(2**63), str(2**53 + 1), str(2**80 + 1), "7"}
    assert report.rejected_by_reason == (Reason("identifier_not_exact", 1, 4),)


def test_a_generator_may_use_one_dict(connector: Connector) -> None:
    """A row is read when it is given."""

    def one() -> Iterator[Json]:
        row: Json = {"inner": {"list": []}}
        for number in range(500):
            row.update(connector.event(number))
            row["inner"]["list"][:] = [number]
            yield row

    with connector.running() as heap:
        load(connector.config(heap.url, api__property_columns="*"), one())
        assert connector.landed(heap) == list(range(500))
        found = [event["properties"] for event in heap.events()]
        assert all(each["inner.list"] == str(each["n"]) for each in found)


def test_a_quiet_generator(connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it gave is sent when it is due, though it gives no more."""
    monkeypatch.setattr(delivery, "OPEN_AT_MOST", 0.05)
    with connector.running() as heap:
        landed = False

        def quiet() -> Iterator[Json]:
            nonlocal landed
            yield connector.event(0)
            ends = time.monotonic() + PATIENCE
            while not (landed := connector.landed(heap) == [0]) and time.monotonic() < ends:
                time.sleep(0.01)

        load(connector.config(heap.url), quiet())
        assert landed


# -- how it fails -------------------------------------------------------------------------------


class BrokenSourceError(Exception):
    """What a generator of these tests raises."""


def none_left_of(before: set[threading.Thread]) -> bool:
    """Whether all threads that began since have ended."""
    ends = time.monotonic() + PATIENCE
    while left := {*threading.enumerate()} - before:
        if time.monotonic() > ends:
            return False
        next(iter(left)).join(0.1)
    return True


@pytest.mark.parametrize("kind", [BrokenSourceError, KeyboardInterrupt, SystemExit])
def test_a_generator_that_raises(connector: Connector, kind: type[BaseException]) -> None:
    """What is under way is waited for and told; then its error goes on, and no thread stays."""
    raised = kind()
    told: list[int] = []
    before = {*threading.enumerate()}
    with connector.running(latency_ms=300) as heap:

        def broken() -> Iterator[Json]:
            yield from rows(connector, 1_500)
            while not heap.requests():  # so that the full batch is under way
                time.sleep(0.01)
            raise raised

        with pytest.raises(kind) as caught:
            load(connector.config(heap.url, requests_in_flight=1), broken(), settled=told.append)
        assert caught.value is raised
        assert connector.landed(heap) == list(range(1_000))
        assert told == [1_000]
        (note,) = raised.__notes__
        assert note.startswith("1,000 leading rows are safe; 1,500 were read, 1,000 accepted")
        # From there it is gone on with, and all is there once.
        load(connector.config(heap.url), rows(connector, 1_500)[told[-1] :], stream="rows")
        assert connector.landed(heap) == list(range(1_500))
    assert none_left_of(before)


@pytest.mark.parametrize("function", ["progress", "settled"])
@pytest.mark.parametrize("count", [10, 3_000])
def test_a_function_that_raises(connector: Connector, function: str, count: int) -> None:
    """Whenever it does: while rows are read, or when all has landed; the note says what is safe."""
    told: list[int] = []

    def broken(_: object) -> None:
        raise BrokenSourceError

    functions: Json = {"settled": told.append, function: broken}
    with connector.running() as heap:
        with pytest.raises(BrokenSourceError) as caught:
            load(connector.config(heap.url), rows(connector, count), **functions)
        (note,) = caught.value.__notes__
        safe = int(note.split(" ")[0].replace(",", ""))
        assert {*range(safe)} <= {*connector.landed(heap)}
        assert told[-1:] in ([], [safe])


def test_a_second_interrupt_is_not_waited_for(connector: Connector) -> None:
    """Ctrl-C waits for what is under way; who types it again gets the notebook back, and a note."""
    main = threading.get_ident()
    with connector.running(latency_ms=4_000) as heap:

        def interrupted() -> Iterator[Json]:
            yield from rows(connector, 1_500)
            while not heap.requests():
                time.sleep(0.01)
            threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT)).start()
            raise KeyboardInterrupt

        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt) as caught:
            load(connector.config(heap.url, requests_in_flight=1), interrupted())
        assert time.monotonic() - began < 3
        (note,) = caught.value.__notes__
        assert note.startswith("0 leading rows are safe; 1,500 were read")


def test_an_interrupt_while_a_load_begins(connector: Connector) -> None:
    """Neither of its threads stays, whether they have begun by then or not."""
    before = {*threading.enumerate()}
    main = threading.get_ident()

    def interrupting() -> Callable[[], float]:
        """A clock that interrupts the caller when the other thread looks at it first."""
        once = itertools.count()

        def clock() -> float:
            if threading.current_thread().name == "load" and not next(once):
                signal.pthread_kill(main, signal.SIGINT)
            return time.monotonic()

        return clock

    with connector.running() as heap:
        config = connector.config(heap.url)
        for _ in range(40):
            interrupted = Library(HEAP, Surroundings(clock=interrupting()))
            with pytest.raises(KeyboardInterrupt):
                interrupted.load(config, itertools.repeat({}))
    assert none_left_of(before)


@pytest.mark.parametrize("is_last", [False, True])
def test_an_interrupt_that_wakes_another_thread(
    connector: Connector, monkeypatch: pytest.MonkeyPatch, is_last: bool
) -> None:
    """A process has threads of its caller's, and the kernel may choose one of them.

    The caller's thread then sees it soon; `is_last`: when it hears that the load is over.
    """
    nobody = socket.socket()  # Bound, so that no other test's Heap gets its port.
    nobody.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    away = connector.config(url, max_retry_seconds=8 if is_last else 600)
    if is_last:
        monkeypatch.setattr(library_module, "_LOOK_EVERY", 600)

    def interrupt() -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    # By then the caller's thread waits for the last requests, of which nothing is heard.
    threading.Timer(0.5, interrupt).start()
    with nobody, pytest.raises(KeyboardInterrupt) as caught:
        load(away, rows(connector, 10))
    assert caught.value.__notes__[0].startswith("0 leading rows are safe; 10 were read")


@both
def test_a_service_that_is_away(connector: Connector) -> None:
    """The error is the engine's, with all that is settled in it; the rows are read no further."""
    taken = itertools.count()
    before = {*threading.enumerate()}
    with connector.running(fail_rate=1, fail_kinds=("503",)) as local:
        endless = (connector.event(number) for number in taken)
        with pytest.raises(UnavailableError) as caught:
            library(connector).load(connector.config(local.url), endless)
    assert next(taken) < 100_000
    report = caught.value.report
    assert isinstance(report, Report)
    assert (report.accepted, report.settled) == (0, 0)
    assert report.read > 0
    assert any("503" in words for words in report.warnings)
    assert caught.value.__notes__[0].startswith("0 leading rows are safe")
    assert none_left_of(before)


def test_a_configuration_with_faults(connector: Connector) -> None:
    """All are told at once, before a row is asked for or anything is sent."""

    def never() -> Iterator[Json]:
        raise AssertionError
        yield {}

    with connector.running() as heap:
        config = connector.config(heap.url, max_retry_seconds=0, app_id="eleven")
        with pytest.raises(ConfigurationError) as caught:
            load(config, never())
        assert {fault.path for fault in caught.value.faults} == {"app_id", "max_retry_seconds"}
        good = connector.config(heap.url)
        with pytest.raises(ConfigurationError, match="did you mean `who`"):
            load(
                connector.config(heap.url, api__identity_column="whoo"),
                never(),
                schema={"properties": {"name": {}, "who": {}, "n": {}}},
            )
        with pytest.raises(ConfigurationError, match=r"dry_run.*preview"):
            load({**good, "dry_run": True}, never())
        with pytest.raises(ConfigurationError, match="must be an object"):
            load("config.json", never())  # type: ignore[arg-type]
        assert heap.requests() == []


class Frame:
    """As a table of pandas, of Polars, of Arrow or of Spark."""

    def __init__(self, *names: str) -> None:
        for name in names:
            setattr(self, name, lambda *_: [])

    def __iter__(self) -> Iterator[str]:
        return iter(("name", "who"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "a", "who": "b"}, "is one dict"),
        ("name,who", "is one str"),
        (7, "is int"),
        (None, "is NoneType"),
        (Frame("to_dict", "columns"), r'`to_dict\("records"\)`'),
        (Frame("iter_rows"), r"`iter_rows\(named=True\)`"),
        (Frame("to_pylist"), r"`to_pylist\(\)`"),
        (Frame("foreachPartition"), "load_partition"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
@pytest.mark.parametrize("function", [load, preview], ids=["load", "preview"])
def test_what_is_no_rows(
    connector: Connector, function: Callable[..., object], given: Any, words: str
) -> None:
    """A table gives the names of its columns where its rows are asked for."""
    with pytest.raises(TypeError, match=words):
        function(connector.config("http://127.0.0.1:1"), given)


def test_nothing_that_can_be_sent(connector: Connector) -> None:
    """Rows without columns, or a column that none has: it fails, and says the way out."""
    with connector.running() as heap:
        config = connector.config(heap.url)
        with pytest.raises(NothingAcceptedError, match="No row is a mapping"):
            load(config, [("a", 1)] * 5)  # type: ignore[list-item]
        told: list[int] = []
        wrong = connector.config(heap.url, api__identity_column="whoo")
        with pytest.raises(NothingAcceptedError, match="whoo") as caught:
            load(wrong, rows(connector, 200), settled=told.append)
        assert told == []
        assert caught.value.report.rejected == 200
        assert load(config, []).read == 0
        assert heap.requests() == []


def test_too_many_rejected(connector: Connector) -> None:
    """All that is good has landed, and the error says how many rows are behind it."""
    found = [*rows(connector, 150), *({"n": number} for number in range(50))]
    with connector.running() as heap:
        config = connector.config(heap.url, max_rejected_percent=10)
        with pytest.raises(TooManyRejectedError) as caught:
            load(config, found)
        assert len(heap.events()) == 150
    assert caught.value.report.settled == 200


@pytest.mark.parametrize("name", ["settled", "progress"])
def test_a_function_of_the_caller_that_raises(connector: Connector, name: str) -> None:
    """It ends the load as a generator's error does, and is not called again."""
    calls = 0

    def raises(_: object) -> None:
        nonlocal calls
        calls += 1
        raise BrokenSourceError

    before = {*threading.enumerate()}
    with connector.running() as heap, pytest.raises(BrokenSourceError) as caught:
        load(connector.config(heap.url), rows(connector, 5_000), **{name: raises})  # type: ignore[arg-type]
    assert calls == 1
    assert "leading rows are safe" in caught.value.__notes__[0]
    assert none_left_of(before)


def test_nobody_is_deleted_where_rows_break_off(connector: Connector) -> None:
    """Who is to be deleted is known when the last row was read; and all that only in one place."""
    deletes = Library(HEAP, HURRIED)

    def broken() -> Iterator[Json]:
        yield {"email": "person0@example.com"}
        time.sleep(0.2)  # It is read by the walk.
        raise BrokenSourceError

    with running(SandboxOptions(deletion_seconds=0, quotas=False)) as heap:
        load(connector.config(heap.url), rows(connector, 3))
        told: list[int] = []
        with pytest.raises(BrokenSourceError):
            deletes.load(deletion(heap.url), broken(), settled=told.append)
        assert (heap.deletions(), told) == ([], [])
        with pytest.raises(ConfigurationError, match="cannot be done in parts"):
            deletes.load_partition(deletion(heap.url))
        found = [{"email": "person0@example.com"}, {"email": "person2@example.com"}]
        report = deletes.load(deletion(heap.url), found, settled=told.append)
        assert (report.accepted, told) == (2, [2])
        assert [user["identity"] for user in heap.users()] == ["person1@example.com"]


# -- where it runs ------------------------------------------------------------------------------


def test_the_callers_thread(connector: Connector) -> None:
    """Its rows are read and its functions called there: a cursor of sqlite3 belongs to one."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("the caller's")
    here = threading.get_ident()
    database = sqlite3.connect(":memory:")
    database.row_factory = sqlite3.Row
    database.execute("CREATE TABLE people (name, who, n)")
    found = [[*row.values()] for row in rows(connector, 2_000)]
    database.executemany("INSERT INTO people VALUES (?, ?, ?)", found)
    database.execute("CREATE TABLE done (settled)")

    def note(what: int | Report) -> None:
        assert (threading.get_ident(), variable.get()) == (here, "the caller's")
        number = what if isinstance(what, int) else what.settled
        database.execute("INSERT INTO done VALUES (?)", [number])

    with connector.running() as heap:
        cursor = database.execute("SELECT * FROM people")
        load(connector.config(heap.url), cursor, progress=note, settled=note)
        assert connector.landed(heap) == list(range(2_000))
    assert database.execute("SELECT max(settled) FROM done").fetchone()[0] == 2_000
    database.close()


def test_in_a_running_event_loop(connector: Connector) -> None:
    """As in a notebook; and beside it, from a thread of its own, as a service would."""

    async def both_ways(config: Json) -> list[Report]:
        first = load(config, rows(connector, 300), stream="first")
        second = await asyncio.to_thread(load, config, rows(connector, 300), stream="second")
        return [first, second]

    with connector.running() as heap:
        reports = asyncio.run(both_ways(connector.config(heap.url)))
        assert [report.accepted for report in reports] == [300, 300]
        assert len(heap.events()) == 600


def test_two_at_once_do_not_meet(connector: Connector) -> None:
    """Of one connector and of two: other rows, other services, other faults."""
    hackle = Connector(connector.folder, "user_events")
    with (
        connector.running(**FAULTS) as heap,
        hackle.running() as local,
        ThreadPoolExecutor() as pool,
    ):
        heaps = [
            pool.submit(
                Library(HEAP, QUICK).load,
                connector.config(heap.url),
                rows(connector, 1_500),
                stream=f"s{at}",
            )
            for at in range(2)
        ]
        wrong = [{"n": at} for at in range(3)] + rows(hackle, 500)
        other = pool.submit(destination_hackle.load, hackle.config(local.url), wrong)
        assert [each.result().rejected for each in heaps] == [0, 0]
        assert all(not each.result().warnings[1:] or each.result().retries for each in heaps)
        assert other.result().rejected == 3
        assert other.result().retries == 0
        assert len(heap.events()) == 3_000
        assert len(local.events()) == 500


def test_nothing_global_is_touched(
    connector: Connector, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither stdout, nor stderr, nor a logger, nor a signal."""
    # Commands that ran in this process have theirs there.
    monkeypatch.setattr(logging.root, "handlers", [])
    loggers = [
        logging.root,
        logging.getLogger("airbyte"),
        logging.getLogger("destination_heap_analytics"),
    ]

    def state() -> list[object]:
        handlers = [
            (each.level, [*each.handlers], each.propagate, each.disabled) for each in loggers
        ]
        numbers = (signal.SIGTERM, signal.SIGINT)
        return [*handlers, *map(signal.getsignal, numbers), sys.excepthook, sys.stdout, sys.stderr]

    before = state()
    with connector.running() as heap:
        found = [*rows(connector, 100), {"n": 100}]
        load(connector.config(heap.url), found)
        preview(connector.config(heap.url), found)
        assert destination_heap_analytics.check(connector.config(heap.url)) is None
    assert state() == before
    # Where nobody has set up logging, Python itself would write warnings to stderr.
    assert capfd.readouterr() == ("", "")


def test_what_it_says_goes_to_a_logger_of_its_name(
    connector: Connector, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a value of a row."""
    with connector.running() as heap, caplog.at_level(logging.INFO):
        load(connector.config(heap.url), [*rows(connector, 100), {"n": 100, "name": "Secret"}])
    assert {record.name for record in caplog.records} <= {"destination_heap_analytics"}
    assert "Ledger: " in caplog.text
    assert "person1@" not in caplog.text
    assert "Secret" not in caplog.text


def test_an_import_costs_nothing() -> None:
    """A package that is imported imports nothing of the engine; a name asks for its own part."""
    code = """
import sys
import destination_heap_analytics, destination_hackle
assert not [name for name in sys.modules if name.startswith("bulk_destination")]
from destination_heap_analytics import load, preview, check
assert not {"airbyte_cdk", "rich", "botocore", "pandas", "numpy"} & {*sys.modules}
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


def test_progress(connector: Connector) -> None:
    """Reports as it goes, the last with all."""
    seen: list[Report] = []
    with connector.running(latency_ms=100) as heap:
        config = connector.config(heap.url, requests_in_flight=1)
        report = load(config, rows(connector, 5_000), progress=seen.append)
    assert len(seen) > 2
    reads = [each.read for each in seen]
    assert reads == sorted(reads)
    assert seen[-1] == report


# -- before anything is sent --------------------------------------------------------------------


def test_preview(connector: Connector) -> None:
    """The plan of what `load` then does; it shows names and values as they are, and harmless."""
    found: list[Any] = [{**row, "<b>": "<script>\x1b[2J"} for row in rows(connector, 500)]
    found[16] = {"name": "Signed Up", "n": 16}
    found[20] = ("x",)
    with connector.running() as heap:
        config = connector.config(heap.url)
        plan = preview(config, iter(found))
        assert heap.requests() == []
        report = load(config, found)
    assert (plan.read, plan.accepted, plan.rejected) == (500, 498, 2)
    assert plan.rejected_by_reason == report.rejected_by_reason
    assert plan.requests == report.requests
    assert tuple(sorted(each.name for each in plan.properties)) == report.property_names
    assert [each.position for each in plan.samples] == [1, 2, 3, 17, 21]
    first = plan.samples[0].payload
    assert first is not None
    assert first["identity"] == "person0@example.com"
    assert plan.would_fail is None
    assert plan.events == (("Signed Up", 498),)
    html, text = plan._repr_html_(), str(plan)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "\x1b" not in text
    assert "identity_missing (first: 17)" in text
    assert pickle.loads(pickle.dumps(plan)) == plan


def test_preview_of_what_would_fail(connector: Connector) -> None:
    """With the words that the load then fails with."""
    with connector.running() as heap:
        config = connector.config(heap.url, api__identity_column="whoo")
        plan = preview(config, rows(connector, 200))
        with pytest.raises(SyncError) as caught:
            load(config, rows(connector, 200))
        assert plan.would_fail == f"A sync would fail: {caught.value}"
        assert "A sync would fail: No record could be sent" in str(plan)


@both
def test_check(connector: Connector) -> None:
    """None if all is well; else what failed, in words; nothing is stored."""
    package = {"heap": destination_heap_analytics, "hackle": destination_hackle}[connector.service]
    with connector.running() as local:
        config = connector.config(local.url)
        assert package.check(config) is None
        assert local.events() == []
        assert "is required" in str(package.check({}))
    assert re.search("Could not reach|refused", str(package.check(config)))


# -- in parts, on other machines ----------------------------------------------------------------


@both
def test_partitions_in_processes_of_their_own(connector: Connector) -> None:
    """A load travels to where its rows are; one that is done twice at once adds nothing."""
    package = {"heap": destination_heap_analytics, "hackle": destination_hackle}[connector.service]
    parts = [rows(connector, 1_000)[start::3] for start in (0, 1, 2, 2)]
    with (
        connector.running(fail_rate=0.2, seed=3, fail_kinds=("503", "reset-after")) as local,
        ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool,
    ):
        config = package.share(connector.config(local.url), of=2)
        part = package.load_partition(config, stream=STREAM, primary_key="n")
        reports = [report for found in pool.map(part, parts) for report in found]
        assert connector.landed(local) == list(range(1_000))
    total = sum(reports, Report())
    assert len(reports) == 4
    assert total.accepted == total.read == 1_333


def test_a_partition_with_faults(connector: Connector) -> None:
    """The driver is told, not a hundred machines."""
    with pytest.raises(ConfigurationError, match="app_id"):
        destination_heap_analytics.load_partition(
            connector.config("http://127.0.0.1:1", app_id="x")
        )


def test_a_partition_that_would_load_nothing() -> None:
    """A dry run is told to the driver, too."""
    config = {"app_id": "11", "api": TRACK, "dry_run": True}
    with pytest.raises(ConfigurationError, match="dry_run: must be false"):
        destination_heap_analytics.load_partition(config)


def test_a_partition_is_what_it_was_made_of() -> None:
    """Of any kind of mapping; what the caller changes later is not in it, and no key is shown."""
    hackle: Json = {"sdk_key": "secret-key", "event_key_column": "e", "user_id_column": "u"}
    schema: Json = {"properties": {"e": {}, "u": {}}}
    part = destination_hackle.load_partition(
        MappingProxyType(hackle), schema=MappingProxyType(schema), primary_key=["e"]
    )
    assert pickle.loads(pickle.dumps(part)) == part
    assert "secret" not in repr(part)
    hackle["sdk_key"] = "another"
    schema["properties"].clear()
    assert part.config["sdk_key"] == "secret-key"
    assert part.options["schema"] == {"properties": {"e": {}, "u": {}}}
    shared = destination_heap_analytics.share({"app_id": "11", "api": TRACK}, of=2)
    shared["api"]["identity_column"] = "another"
    assert TRACK["identity_column"] == "i"


@pytest.mark.parametrize("of", [0, -1, 1.5, math.nan, "2", None])
def test_share_of_no_number_of_loads(of: Any) -> None:
    """A part of a half, or of nothing, would be no limit."""
    with pytest.raises(ConfigurationError, match="of: must be a whole number of at least 1"):
        destination_heap_analytics.share({"app_id": "11", "api": TRACK}, of)


@pytest.mark.parametrize(
    ("fields", "of", "shares"),
    [({}, 4, 3_750), ({"events_per_minute": 7}, 2, 3), ({"events_per_minute": 7}, 7, 1)],
)
def test_share(fields: Json, of: int, shares: int) -> None:
    """Parts of the app's quota are never more than it together; all else stays."""
    config: Json = {"app_id": "11", "api": TRACK, "events_per_identity_per_minute": 9, **fields}
    given = dict(config)
    assert destination_heap_analytics.share(config, of) == {**config, "events_per_minute": shares}
    assert config == given


def test_share_of_no_limit() -> None:
    """0 lifts a limit, and no part of it may bring one, nor become one."""
    config: Json = {"app_id": "11", "api": TRACK, "events_per_minute": 0}
    assert destination_heap_analytics.share(config, 50) == config
    hackle = {"sdk_key": "k", "event_key_column": "e", "user_id_column": "u"}
    assert destination_hackle.share(hackle, 50) == hackle
    assert (
        destination_hackle.share({**hackle, "events_per_minute": 100}, 50)["events_per_minute"] == 2
    )


@pytest.mark.parametrize(
    ("fields", "of", "words"),
    [
        ({"events_per_minute": 7}, 8, "events_per_minute: 7 events a minute are too few for 8"),
        ({}, 0, "of: must be a whole number of at least 1"),
        ({"app_id": "x"}, 2, "app_id: must be digits only"),
    ],
)
def test_share_with_faults(fields: Json, of: int, words: str) -> None:
    """A part of 0 would lift the limit."""
    with pytest.raises(ConfigurationError, match=words):
        destination_heap_analytics.share({"app_id": "11", "api": TRACK, **fields}, of)
