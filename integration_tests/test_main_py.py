"""`main.py` and the console script at their start: what they import, and streams of all kinds."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from integration_tests.chaos.process import program
from integration_tests.conftest import Connector, Serve
from integration_tests.services import EVENTS, both
from sandbox.heap import running

ROOT = Path(__file__).parents[1]
COMMANDS: list[list[str]] = [[], ["spec"], ["check"], ["write"], ["preview"]]
CONSOLE_SCRIPT = Path(sys.executable).with_name("destination-heap-analytics")


def test_the_console_script(connector: Connector, tmp_path: Path) -> None:
    """What pip installs: from any folder, with an empty environment, on a pipe."""
    lines = [connector.record(connector.event(1)), connector.state(1)]
    with running() as heap:
        config = connector.file(connector.config(heap.url))
        catalog = connector.file(connector.catalog())
        done = subprocess.run(
            [CONSOLE_SCRIPT, "write", "--config", config, "--catalog", catalog],
            input=b"".join(lines),
            cwd=tmp_path,
            env={},
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert len(heap.events()) == 1
    assert sum(json.loads(line)["type"] == "STATE" for line in done.stdout.splitlines()) == 1


@both
def test_the_examples_of_the_help(connector: Connector) -> None:
    """Each can be typed as it stands, and ends with one of the codes that the help explains."""
    more = {"discover"} if connector.service == "heap" else set()
    commands = [*COMMANDS, *([each] for each in more)]
    helps = [connector.run_here(*command, "--help").stdout.decode() for command in commands]
    examples = {
        line.strip() for text in helps for line in text.splitlines() if ".venv/bin/" in line
    }
    # As `make` made it, and where the stand-in is another one than that of `make sandbox`.
    (connector.folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    shutil.copytree(ROOT / "sample_files", connector.folder / "sample_files")
    with connector.running() as local:
        for path in (connector.folder / "sample_files").rglob("config*.json"):
            path.write_text(re.sub(r"http://127.0.0.1:808[78]", local.url, path.read_text()))
        ended = {example: run(example, connector.folder) for example in sorted(examples)}
        assert local.stats()["events"] > 0
    codes = {example.split()[1]: done.returncode for example, done in ended.items()}
    assert codes.keys() == {"spec", "check", "write", "preview"} | more
    assert codes.pop("preview") in {0, 3}
    assert set(codes.values()) == {0}
    status = json.loads(next(done.stdout for way, done in ended.items() if " check " in way))
    assert status["connectionStatus"]["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("command", "code"),
    [("check", 128 + signal.SIGINT), ("preview", 128 + signal.SIGINT), ("write", 1)],
)
def test_ctrl_c(connector: Connector, serve: Serve, command: str, code: int) -> None:
    """No stack trace of ours: the exit code says it, and of a `write` a TRACE ERROR."""
    # Where these tests themselves run in the background, a shell has them ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    asked = threading.Event()

    def script(_number: int, _body: bytes) -> tuple[int, dict[str, str], bytes]:
        asked.set()
        return 503, {}, b""

    config = connector.config(serve(script), max_retry_seconds=60, requests_in_flight=1)
    files = ["--config", connector.file(config), "--catalog", connector.file(connector.catalog())]
    process = connector.start(command, *(files[:2] if command == "check" else files))
    if command == "preview":
        # It is silent until its input ends, so wait until it has read what fills a pipe.
        process.send(*(connector.record({"pad": "x" * 9_999}) for _ in range(100)))
    else:
        if command == "write":
            process.send(*(connector.record(connector.event(number)) for number in range(2_000)))
        assert asked.wait(60)
    process.signal(signal.SIGINT)
    outcome = process.finish()
    assert outcome.code == code
    assert outcome.stderr == b""
    if command == "write":
        assert outcome.error["failure_type"] == "transient_error"
    else:
        assert b"TRACE" not in outcome.stdout


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The program with what a shell does to its streams."""
    return subprocess.run(
        command.replace("main.py", f"{sys.executable} {ROOT / 'main.py'}"),
        shell=True,
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk, as Linux has it")
@pytest.mark.parametrize("lines", [1, 2], ids=["without a state", "with a state"])
def test_a_full_disk(connector: Connector, tmp_path: Path, lines: int) -> None:
    """What is lost of the output is told by the exit code and on stderr, in one line."""
    source = [connector.record(connector.event(1)), connector.state(1)][:lines]
    (tmp_path / "in.jsonl").write_bytes(b"".join(source))
    with running() as heap:
        files = connector.file(connector.config(heap.url)), connector.file(connector.catalog())
        write = "main.py write --config {} --catalog {} < in.jsonl > /dev/full".format(*files)
        done = run(write, tmp_path)
        assert len(heap.events()) == 1
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "cannot write to stdout: No space left on device" in done.stderr


@pytest.mark.parametrize(
    ("streams", "says"), [(">&-", "stdout is closed"), ("<&-", "stdin: is closed")]
)
def test_a_closed_stream(connector: Connector, tmp_path: Path, streams: str, says: str) -> None:
    """Named, not a stack trace of ours."""
    config = connector.file(connector.config("http://127.0.0.1:9"))
    catalog = connector.file(connector.catalog())
    done = run(f"main.py write --config {config} --catalog {catalog} {streams}", tmp_path)
    assert done.returncode == 1
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


#: What no command needs: the CDK alone would make each of them four times as slow. The rarer forms
#: of a time and S3 are imported where they are met.
NEVER = {"airbyte_cdk", "airbyte_protocol", "pendulum", "botocore", "starlette", "sandbox"}


@pytest.mark.parametrize("api", EVENTS)
@pytest.mark.parametrize(
    ("command", "needs_not"),
    [
        ("spec", {"requests", "rich"}),
        ("check", {"rich"}),
        ("write", {"rich"}),
        ("preview", {"requests"}),
    ],
)
def test_what_is_not_needed_is_not_imported(
    tmp_path: Path, api: str, command: str, needs_not: set[str]
) -> None:
    """No command imports a module of the CDK, nor what it alone does not need."""
    connector = Connector(tmp_path, api)
    script = (
        "import atexit, runpy, sys\n"
        "atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr))\n"
        "del sys.argv[0]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    data = {**connector.event(1), "at": "2024-05-06T07:08:09.123+02:00"}
    when = {"track": "api__timestamp_column", "user_events": "timestamp_column"}[api]
    with connector.running() as local:
        config = connector.file(connector.config(local.url, **{when: "at"}))
        files = {"spec": [], "check": ["--config", config]}.get(
            command, ["--config", config, "--catalog", connector.file(connector.catalog())]
        )
        done = subprocess.run(
            [sys.executable, "-c", script, program(connector.service)[-1], command, *files],
            input=connector.record(data) + connector.state(1),
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            check=False,
        )
        assert connector.landed(local) == ([1] if command == "write" else [])
    assert done.returncode == 0
    imported = {name.partition(".")[0] for name in done.stderr.decode().split()}
    assert {"bulk_destination", "orjson"} <= imported
    assert not imported & (NEVER | needs_not)
    assert not any(name.startswith("airbyte") for name in imported)
