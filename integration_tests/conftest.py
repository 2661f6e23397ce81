"""The connector as its users meet it: a command, a pipe, and what comes back on stdout.

`connector.write(...)` starts the program, as Airbyte does. `connector.write_here(...)` runs the
command in the test's own process, with its own stdin and stdout, where a start would only cost
time. Whatever a test is about, the output of each run is searched for the values that were fed in.
"""

from __future__ import annotations

import io
import json
import logging
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bulk_destination import command_line
from bulk_destination.http.pacing import RetryPolicy
from bulk_destination.loading.surroundings import Surroundings
from integration_tests.chaos.hurried import SERVICES
from integration_tests.chaos.leaks import leaks
from integration_tests.chaos.process import inherited, program
from integration_tests.chaos.scenario import Service
from integration_tests.services import APIS, Local, config, landed, local_service

STREAM = "people"
#: Nothing here takes longer on a slow machine; a connector that hangs fails by it.
PATIENCE = 60.0
#: Bytes of a process's input whose values are searched for in its output.
_REMEMBERED = 16_000_000

#: Retries that cost a test no time.
IN_A_HURRY = Surroundings(retry_policy=RetryPolicy(first=0.01, longest=0.05))

Json = dict[str, Any]


# -- what goes in -------------------------------------------------------------------------------


def record(data: Mapping[str, Any], *, stream: str = STREAM, emitted_at: int = 1_000) -> bytes:
    """One RECORD line."""
    message = {"stream": stream, "data": data, "emitted_at": emitted_at}
    return json.dumps({"type": "RECORD", "record": message}).encode() + b"\n"


def state(number: int) -> bytes:
    """One STATE line whose cursor and `id` are `number`."""
    stream = {"stream_descriptor": {"name": STREAM}, "stream_state": {"cursor": number}}
    inner = {"type": "STREAM", "stream": stream, "sourceStats": {"recordCount": 1.0}}
    return json.dumps({"type": "STATE", "state": inner, "id": number}).encode() + b"\n"


def event(number: int, identity: str | None = None) -> Json:
    """The data of a record that fits the track configuration of `config`."""
    return {"name": "Signed Up", "who": identity or f"person{number}@example.com", "n": number}


def catalog(
    schema: Mapping[str, Any] | None = None,
    *,
    mode: str = "append",
    sync_mode: str = "full_refresh",
    key: list[list[str]] | None = None,
    stream: str = STREAM,
) -> Json:
    """A configured catalog of one stream."""
    configured: Json = {
        "stream": {
            "name": stream,
            "json_schema": schema or {},
            "supported_sync_modes": ["full_refresh", "incremental"],
        },
        "sync_mode": sync_mode,
        "destination_sync_mode": mode,
    }
    if key is not None:
        configured["primary_key"] = key
    return {"streams": [configured]}


# -- what comes out -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """All that one command left behind."""

    code: int
    stdout: bytes
    stderr: bytes = b""
    seconds: float = 0.0
    peak_bytes: int = 0

    @cached_property
    def messages(self) -> list[Json]:
        """Every line of stdout; each has to be one whole JSON object."""
        lines = self.stdout.split(b"\n")
        assert lines.pop() == b"", "the last line has no newline"
        parsed = [json.loads(line) for line in lines]
        assert all(isinstance(message, dict) for message in parsed)
        return parsed

    def of_type(self, kind: str) -> list[Json]:
        """The messages of one type, in order."""
        return [message for message in self.messages if message["type"] == kind]

    @property
    def states(self) -> list[Json]:
        """STATE messages as they came out."""
        return self.of_type("STATE")

    @property
    def logs(self) -> str:
        """All log lines."""
        return "\n".join(message["log"]["message"] for message in self.of_type("LOG"))

    @property
    def ledger(self) -> Json:
        """The closing log line."""
        (counts,) = re.findall(r"^Ledger: (\{.*\})$", self.logs, re.MULTILINE)
        ledger: Json = json.loads(counts)
        return ledger

    @property
    def error(self) -> Json:
        """The one TRACE ERROR; the exit code has to say the same."""
        (error,) = self._errors
        assert self.code not in {0, None}
        return error

    @property
    def _errors(self) -> list[Json]:
        traces = [message["trace"] for message in self.of_type("TRACE")]
        return [trace["error"] for trace in traces if trace["type"] == "ERROR"]

    @property
    def stream_statuses(self) -> list[Json]:
        """What was said of the stream while it loaded."""
        traces = [message["trace"] for message in self.of_type("TRACE")]
        return [trace["stream_status"] for trace in traces if trace["type"] == "STREAM_STATUS"]

    def succeeded(self) -> Outcome:
        """Itself, after a look at exit code, traces, stderr and the sum of the ledger."""
        assert self.code == 0, self.stdout[-3000:] + self.stderr[-3000:]
        assert not self._errors
        assert self.stderr == b""
        ledger = self.ledger
        assert ledger["read"] == ledger["accepted"] + ledger["rejected"] + ledger["skipped"]
        return self


def assert_nothing_shown(args: Sequence[str], fed: bytes | bytearray, outcome: Outcome) -> None:
    """Searches the output of a command for what it was fed with, and for its app_id or sdk_key."""
    config: object = None
    path = Path(args[args.index("--config") + 1]) if "--config" in args else None
    if path is not None and path.is_file():  # a device or a pipe has no end
        with suppress(OSError, ValueError, RecursionError):
            config = json.loads(path.read_bytes())
    config = config if isinstance(config, dict) else {}
    lines: list[bytes | bytearray] = [*fed.split(b"\n")]
    if config.get("dry_run"):  # what a plan may show of the records
        columns = config.get("api", config)
        event = columns.get("event_column") or columns.get("event_key_column")
        lines = [_without(event, line) for line in lines]
    shown = [*outcome.stdout.split(b"\n"), outcome.stderr]
    api = config.get("api")
    secrets = [config.get("app_id"), config.get("sdk_key")]
    secrets += [api.get("api_key")] if isinstance(api, dict) else []
    found = leaks(lines, secrets, shown)
    assert not found, f"the output shows values of: {', '.join(found[:5])}"


def _without(column: str, line: bytes | bytearray) -> bytes | bytearray:
    try:
        message = json.loads(line)
        del message["record"]["data"][column]
    except (ValueError, KeyError, TypeError):
        return line
    return json.dumps(message).encode()


def stats(state: Json) -> tuple[float, float]:
    """`destinationStats` of a state: accepted and rejected records since the one before."""
    found = state["state"]["destinationStats"]
    assert all(type(value) is float for value in found.values())
    return found["recordCount"], found["rejectedRecordCount"]


# -- a process under way ------------------------------------------------------------------------


@dataclass
class Process:
    """A running `write`, its stdin in our hands and its stdout read as it comes."""

    popen: subprocess.Popen[bytes]
    args: Sequence[str]
    on_state: Callable[[Json], None] | None = None
    lines: list[bytes] = field(default_factory=list)
    problems: list[BaseException] = field(default_factory=list)
    peak_bytes: int = 0
    #: Once a line of stdout holds this, nobody reads on: stdout is closed from this end.
    hang_up_on: bytes | None = None
    #: What it was fed with, up to `_REMEMBERED` bytes.
    _fed: bytearray = field(default_factory=bytearray)
    _stderr: list[bytes] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        self._began = time.monotonic()
        self._threads = [
            threading.Thread(target=run, daemon=True)
            for run in (self._read_stdout, self._read_stderr, self._watch_memory)
        ]
        for thread in self._threads:
            thread.start()

    def _read_stdout(self) -> None:
        assert self.popen.stdout is not None
        with suppress(ValueError, OSError):
            for line in self.popen.stdout:
                if self.on_state is not None and b'"STATE"' in line:
                    try:
                        self.on_state(json.loads(line))
                    except BaseException as problem:  # noqa: BLE001  # raised in `finish`
                        self.problems.append(problem)
                with self._news:
                    self.lines.append(line)
                    self._news.notify_all()
                if self.hang_up_on is not None and self.hang_up_on in line:
                    self.popen.stdout.close()

    def _read_stderr(self) -> None:
        assert self.popen.stderr is not None
        self._stderr.append(self.popen.stderr.read())

    def _watch_memory(self) -> None:
        status = Path(f"/proc/{self.popen.pid}/status")
        with suppress(OSError):
            while found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text()):
                self.peak_bytes = int(found[1]) * 1024
                time.sleep(0.05)

    def send(self, *lines: bytes) -> None:
        """Writes to its stdin; a process that is gone is no error here."""
        assert self.popen.stdin is not None
        if len(self._fed) < _REMEMBERED:
            self._fed += b"".join(lines)
        with suppress(BrokenPipeError):
            self.popen.stdin.write(b"".join(lines))
            self.popen.stdin.flush()

    def send_all(self, lines: Iterable[bytes]) -> None:
        """Writes all in a thread of its own and closes stdin."""

        def feed() -> None:
            with suppress(BrokenPipeError, ValueError, OSError):
                for line in lines:
                    self.send(line)
                self.end_input()

        threading.Thread(target=feed, daemon=True).start()

    def end_input(self) -> None:
        """Closes its stdin."""
        assert self.popen.stdin is not None
        with suppress(BrokenPipeError):
            self.popen.stdin.close()

    @property
    def states(self) -> list[Json]:
        """The states seen so far."""
        with self._news:
            return [json.loads(line) for line in self.lines if b'"STATE"' in line]

    def wait_for(self, text: bytes, count: int = 1, timeout: float = PATIENCE) -> None:
        """Waits until `count` lines of stdout hold `text`."""

        def seen() -> bool:
            return sum(text in line for line in self.lines) >= count

        with self._news:
            assert self._news.wait_for(seen, timeout), f"{text!r} did not come in {timeout} s"

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to it."""
        self.popen.send_signal(number)

    def finish(self, timeout: float = PATIENCE) -> Outcome:
        """Waits for its end; kills it and fails where that does not come."""
        try:
            code = self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            pytest.fail(f"did not end within {timeout} s: {b''.join(self.lines)[-2000:]!r}")
        # Looking at each state may take longer than the process, on a busy machine.
        for thread in self._threads[:2]:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "stdout or stderr was not read to its end"
        if self.problems:
            raise self.problems[0]
        outcome = Outcome(
            code,
            b"".join(self.lines),
            b"".join(self._stderr),
            time.monotonic() - self._began,
            self.peak_bytes,
        )
        assert_nothing_shown(self.args, self._fed, outcome)
        return outcome


@dataclass
class Connector:
    """Runs a connector's commands, each with files of its own."""

    folder: Path
    #: What it loads, unless told otherwise.
    api: str = "track"
    _files: int = 0

    record = staticmethod(record)
    state = staticmethod(state)
    event = staticmethod(event)
    catalog = staticmethod(catalog)
    stats = staticmethod(stats)

    @property
    def service(self) -> Service:
        """What it loads into."""
        return APIS[self.api]

    def config(self, base_url: str, api: str | None = None, **fields: Any) -> Json:
        """A configuration that loads `event` records; `api__x=...` sets a field of the API."""
        return config(base_url, api or self.api, **fields)

    def running(self, **options: Any) -> AbstractContextManager[Local]:
        """The local service, and without quotas."""
        return local_service(self.service, **options)

    def landed(self, local: Local) -> list[int]:
        """The numbers of the `event` records that it holds, sorted."""
        return landed(self.api, local)

    def file(self, content: object) -> str:
        """A file with `content` as JSON, or as it is if it is bytes."""
        self._files += 1
        path = self.folder / f"{self._files}.json"
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        path.write_bytes(raw)
        return str(path)

    def start(
        self,
        *args: str,
        on_state: Callable[[Json], None] | None = None,
        log_level: str = "INFO",
    ) -> Process:
        """Starts any command."""
        popen = subprocess.Popen(
            [*program(self.service), *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env=inherited() | {"LOG_LEVEL": log_level},
        )
        return Process(popen, args, on_state)

    def start_write(
        self,
        config: object,
        catalog: object = None,
        on_state: Callable[[Json], None] | None = None,
    ) -> Process:
        """Starts `write` with its stdin open."""
        return self.start(*self._write(config, catalog), on_state=on_state)

    def write(
        self,
        config: object,
        lines: Iterable[bytes],
        catalog: object = None,
        log_level: str = "INFO",
    ) -> Outcome:
        """Runs `write` in a process on `lines`, to its end."""
        process = self.start(*self._write(config, catalog), log_level=log_level)
        process.send_all(lines)
        return process.finish()

    def write_here(
        self,
        config: object,
        lines: Iterable[bytes],
        catalog: object = None,
        surroundings: Surroundings = IN_A_HURRY,
    ) -> Outcome:
        """The same in this process."""
        command = self._write(config, catalog)
        return self.run_here(*command, stdin=b"".join(lines), surroundings=surroundings)

    def run_here(
        self, *args: str, stdin: bytes = b"", surroundings: Surroundings = IN_A_HURRY
    ) -> Outcome:
        """Any command in this process."""
        stdout = io.BytesIO()
        began, code = time.monotonic(), 0
        with redirected(stdin, stdout):
            try:
                command_line.run(SERVICES[self.service], list(args), surroundings)
            except SystemExit as end:
                code = int(end.code or 0)
        outcome = Outcome(code, stdout.getvalue(), seconds=time.monotonic() - began)
        assert_nothing_shown(args, stdin, outcome)
        return outcome

    def _write(self, config: object, catalog: object) -> list[str]:
        chosen = self.catalog() if catalog is None else catalog
        return ["write", "--config", self.file(config), "--catalog", self.file(chosen)]


@contextmanager
def redirected(stdin: bytes, stdout: io.BytesIO) -> Iterator[None]:
    """Has a command in this process read `stdin` and write into `stdout`, and nothing remain."""
    before = sys.stdin, sys.stdout, logging.root.handlers, logging.getLogger("airbyte").level
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    sys.stdin, sys.stdout = io.TextIOWrapper(io.BytesIO(stdin)), io.TextIOWrapper(stdout)
    try:
        yield
    finally:
        sys.stdout.detach()  # else its end closes what we want to read
        sys.stdin, sys.stdout, logging.root.handlers, level = before
        logging.getLogger("airbyte").setLevel(level)
        for number, handler in handlers.items():
            signal.signal(number, handler)


@pytest.fixture
def connector(request: pytest.FixtureRequest, tmp_path: Path) -> Connector:
    """The connector's command line; Heap's, unless a test says otherwise."""
    return Connector(tmp_path, getattr(request, "param", "track"))


@pytest.fixture
def hackle(tmp_path: Path) -> Connector:
    """The same for Hackle."""
    return Connector(tmp_path, "user_events")


# -- something that is not Heap -----------------------------------------------------------------

#: The number of the request, from 1, and its body; out come status, headers and body.
Script = Callable[[int, bytes], tuple[int, dict[str, str], bytes]]
#: Serves a script and gives its address.
Serve = Callable[[Script], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves POST and PUT by a script, on loopback and a free port."""
    servers: list[ThreadingHTTPServer] = []

    def start(script: Script) -> str:
        numbers = iter(range(1, 1 << 30))
        lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # One packet an answer: two would wait 40 ms for each other.
            wbufsize = -1
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with lock:
                    number = next(numbers)
                status, headers, answer = script(number, body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
                self.wfile.flush()

            do_PUT = do_POST  # noqa: N815  # the name that http.server asks for

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
