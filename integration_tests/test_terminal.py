"""What a person sees in a terminal: a real one, and what is left on its screen."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

from integration_tests.chaos.process import program
from integration_tests.terminal import on_a_terminal
from sandbox.heap import SandboxOptions, running

if TYPE_CHECKING:
    from integration_tests.conftest import Connector

QUOTA = 1_000


def opened(folder: Path, records: list[bytes]) -> IO[bytes]:
    path = folder / "stdin"
    path.write_bytes(b"".join(records))
    return path.open("rb")


def write(connector: Connector, config: object, catalog: object | None = None) -> list[str]:
    """The command line of a sync that is watched."""
    return [
        *(*program(connector.service), "write", "--progress"),
        *("--config", connector.file(config)),
        *("--catalog", connector.file(catalog or connector.catalog())),
    ]


def test_a_sync_is_told_in_words(connector: Connector, tmp_path: Path) -> None:
    """Counts grow while it lasts; at its end lines remain, no JSON, no bar, and the cursor."""
    records = [connector.record(connector.event(n)) for n in range(3_000)]
    records += [connector.record({"name": "E", "who": "guest"}), connector.state(1)]
    with (
        running(SandboxOptions(quotas=False, latency_ms=300)) as heap,
        opened(tmp_path, records) as stdin,
        on_a_terminal(
            write(connector, connector.config(heap.url, requests_in_flight=1)), stdin
        ) as terminal,
    ):
        grown = re.compile(r"1,000 accepted +1 rejected")
        terminal.wait_for(lambda screen: grown.search(screen) is not None)
        assert terminal.wait() == 0
    screen = terminal.screen
    assert "Ledger: 3,001 records read, 3,000 accepted, 1 rejected (identity_of_no" in screen
    assert "; 3 requests; " in " ".join(screen.split())
    assert '{"' not in screen
    assert " waiting" not in screen
    assert terminal.shows_cursor


def test_a_wait_is_counted_while_it_lasts(connector: Connector, tmp_path: Path) -> None:
    """The seconds that are left of a quota's minute go down, though nothing else happens."""
    records = [connector.record(connector.event(n)) for n in range(2 * QUOTA)]
    with running(SandboxOptions(quotas=False)) as heap, opened(tmp_path, records) as stdin:
        config = connector.config(heap.url, events_per_minute=QUOTA)
        with on_a_terminal(write(connector, config), stdin) as terminal:
            left: list[int] = []

            def is_less(screen: str) -> bool:
                found = re.search(r"waiting for Heap's quota, (\d+) s left", screen)
                left.extend([int(found[1])] if found and int(found[1]) not in left else [])
                return len(left) > 2

            terminal.wait_for(is_less)
            assert left == sorted(left, reverse=True)
            assert 0 < left[-1] < left[0] <= 60
            assert len(heap.events()) == QUOTA
            terminal.process.terminate()
            assert terminal.wait() == 1
        assert "The sync was stopped by SIGTERM" in terminal.screen
        assert "left" not in terminal.screen
        assert terminal.shows_cursor


def test_streams_are_told_apart(connector: Connector, tmp_path: Path) -> None:
    """A row for each, and one for all."""
    streams = ("orders", "refunds")
    rule = {**connector.config("x")["api"], "identity_column": "who"}
    catalogs = [connector.catalog(stream=name)["streams"][0] for name in streams]
    records = [
        connector.record(connector.event(n), stream=streams[n % 3 > 1]) for n in range(3_000)
    ]
    with (
        running(SandboxOptions(quotas=False, latency_ms=500)) as heap,
        opened(tmp_path, records) as stdin,
    ):
        config: dict[str, Any] = {
            **connector.config(heap.url, requests_in_flight=1),
            "api": {
                "api_type": "by_stream",
                "streams": [{"stream": name, "api": rule} for name in streams],
            },
        }
        with on_a_terminal(write(connector, config, {"streams": catalogs}), stdin) as terminal:
            screen = terminal.wait_for(lambda screen: "1,000 accepted" in screen)
            rows = [line.split() for line in screen.splitlines() if " read " in line]
            assert [row[0] for row in rows[-3:]] == ["`orders`", "`refunds`", "all"]
            assert terminal.wait() == 0, terminal.screen
        assert "Ledger of stream `refunds`: 1,000 records read" in terminal.screen


def test_messages_in_a_file_stay_messages(connector: Connector, tmp_path: Path) -> None:
    """Where stdout is no terminal it has what the platform reads, and the terminal a line."""
    records = [connector.record(connector.event(1)), connector.state(1)]
    messages = tmp_path / "messages"
    with (
        running() as heap,
        opened(tmp_path, records) as stdin,
        messages.open("wb") as stdout,
        on_a_terminal(
            write(connector, connector.config(heap.url)), stdin, stdout=stdout
        ) as terminal,
    ):
        assert terminal.wait() == 0
    kinds = [json.loads(line)["type"] for line in messages.read_bytes().splitlines()]
    assert "STATE" in kinds
    assert terminal.screen.startswith("Ledger: 1 records read, 1 accepted")
    assert len(terminal.screen.splitlines()) <= 2


def test_a_failure_is_told_in_words(connector: Connector, tmp_path: Path) -> None:
    """The last thing on the screen is what to do."""
    lines = [b"name,who\n", b"E,ann@example.com\n"]
    with (
        running() as heap,
        opened(tmp_path, lines) as stdin,
        on_a_terminal(write(connector, connector.config(heap.url)), stdin) as terminal,
    ):
        assert terminal.wait() == 1
    assert "stdin holds no Airbyte records" in terminal.screen
    assert "ann@" not in terminal.screen
    assert '{"' not in terminal.screen


@pytest.mark.parametrize("command", ["preview", "write"])
def test_a_terminal_as_stdin(connector: Connector, command: str) -> None:
    """Whoever forgot the file is told what is awaited, and how it ends."""
    with running() as heap:
        typed = [
            *(*program(connector.service), command),
            *("--config", connector.file(connector.config(heap.url))),
            *("--catalog", connector.file(connector.catalog())),
        ]
        with on_a_terminal(typed) as terminal:
            terminal.wait_for(lambda screen: "Reading Airbyte messages from the terminal" in screen)
            assert "end with Ctrl-D, or pipe a file" in terminal.screen
            terminal.type(connector.record(connector.event(1)) + b"\x04")
            assert terminal.wait() == 0
        assert len(heap.events()) == (command == "write")


def test_rejected_records_are_red(connector: Connector, tmp_path: Path) -> None:
    """Colours are for a terminal; the folded preview has them, too."""
    record = connector.record({"name": "x", "who": "null"})
    typed = [
        *(*program(connector.service), "preview"),
        *("--config", connector.file(connector.config("http://127.0.0.1:9"))),
        *("--catalog", connector.file(connector.catalog())),
    ]
    with opened(tmp_path, [record]) as stdin, on_a_terminal(typed, stdin) as terminal:
        assert terminal.wait() == 3
    assert b"\x1b[31m" in terminal.written
