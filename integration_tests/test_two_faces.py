"""The command line and the CDK's face of a connector: one engine, and both say the same.

Each case goes through the program, as Airbyte starts it; through `run` of the class; and, where the
CDK has a method for it, through that. The first two have to agree to the byte, the last in what it
means: the CDK's models drop the `id` of a state.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import pytest
from airbyte_cdk.models import (
    AirbyteMessageSerializer,
    ConfiguredAirbyteCatalogSerializer,
    ConnectorSpecificationSerializer,
    FailureType,
)
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from bulk_destination import __version__, command_line
from bulk_destination.destination import BulkDestination
from destination_hackle import DestinationHackle
from destination_heap_analytics import DestinationHeapAnalytics
from destination_heap_analytics.service import HEAP
from integration_tests.chaos.process import inherited, program
from integration_tests.conftest import redirected
from integration_tests.services import both

if TYPE_CHECKING:
    from integration_tests.conftest import Connector

Json = dict[str, Any]
#: Exit code, stdout and stderr, without what no two runs have in common.
Said = tuple[int, str, str]

CLASSES: dict[str, type[BulkDestination]] = {
    "heap": DestinationHeapAnalytics,
    "hackle": DestinationHackle,
}
#: Times, and how many tries fit into one.
_OF_ONE_RUN = re.compile(
    r'(?<=seconds\\": )[0-9.]+|(?<=emitted_at":)[0-9]+|[0-9]+(?= tries)'
    r'|(?<=timestamp": )[0-9]+|(?<=timestamp {9})[0-9]+|20[0-9-]+T[0-9:]+[.][0-9]{3}Z'
    r'|(?<=requests\\": )[0-9]+|(?<=retries\\": )[0-9]+'
)


def said(code: int, stdout: bytes, stderr: str) -> Said:
    """What two runs can have in common."""
    return code, _OF_ONE_RUN.sub("0", stdout.decode()), stderr


def by_program(connector: Connector, args: list[str], stdin: bytes) -> Said:
    """The program, with a pipe at each end."""
    done = subprocess.run(
        [*program(connector.service), *args],
        input=stdin,
        capture_output=True,
        cwd=connector.folder,
        env=inherited(),
        check=False,
        timeout=60,
    )
    return said(done.returncode, done.stdout, done.stderr.decode())


def by_run(run: Callable[[list[str]], object], args: list[str], stdin: bytes) -> Said:
    """A command in this process."""
    stdout, stderr, code = io.BytesIO(), io.StringIO(), 0
    with redirected(stdin, stdout), contextlib.redirect_stderr(stderr):
        try:
            run(args)
        except SystemExit as end:
            code = int(end.code or 0)
        sys.stdout.flush()
    return said(code, stdout.getvalue(), stderr.getvalue())


def both_say(connector: Connector, args: list[str], stdin: bytes = b"") -> Said:
    """What the program says, once `run` of the class has said the same."""
    found = by_program(connector, args, stdin)
    assert by_run(CLASSES[connector.service]().run, args, stdin) == found
    return found


def parsed(stdout: str) -> list[Json]:
    """The messages among the lines that were said."""
    return [json.loads(line) for line in stdout.splitlines()]


def kind_of(content: object) -> str:
    """A name for a test."""
    return content if isinstance(content, str) else repr(content)[:12]


@both
def test_spec(connector: Connector) -> None:
    """The form; the CDK's own reading of it is the same."""
    code, stdout, _ = both_say(connector, ["spec"])
    (message,) = parsed(stdout)
    destination = CLASSES[connector.service]()
    logger = logging.getLogger("airbyte")
    assert code == 0
    assert message["type"] == "SPEC"
    by_cdk = ConnectorSpecificationSerializer.dump(destination.spec(logger))
    assert message["spec"] == json.loads(json.dumps(by_cdk))
    (of_models,) = destination.run_cmd(destination.parse_args(["spec"]))
    assert AirbyteMessageSerializer.dump(of_models)["spec"] == by_cdk


@both
@pytest.mark.parametrize(
    ("args", "code"),
    [
        ([], 2),
        (["spam"], 2),
        (["--records", "3"], 2),
        (["check"], 2),
        (["write", "--config", "c.json"], 2),
        (["preview", "--config", "c.json", "--catalog", "c.json", "--records", "all"], 2),
        (["--help"], 0),
        *(([command, "--help"], 0) for command in ("spec", "check", "write", "preview")),
        (["--version"], 0),
    ],
    ids=str,
)
def test_the_command_line(connector: Connector, args: list[str], code: int) -> None:
    """What is wrong with it is said on stderr, with 2; what was asked for on stdout, with 0."""
    found, stdout, stderr = both_say(connector, args)
    assert found == code
    assert (stdout == "") == (code == 2)
    assert (stderr == "") == (code == 0)


@both
def test_the_version(connector: Connector) -> None:
    """That of the code that runs."""
    _, stdout, _ = both_say(connector, ["--version"])
    assert stdout == f"{CLASSES[connector.service].service.program} {__version__}\n"


@both
@pytest.mark.parametrize("content", ["good", {}, b"", b"[1]", b"[" * 100_000, None], ids=kind_of)
def test_check(connector: Connector, content: object) -> None:
    """One CONNECTION_STATUS and 0, whatever the file holds; the CDK's `check` says the same."""
    with connector.running() as local:
        if content == "good":
            content = connector.config(local.url)
        path = "none.json" if content is None else connector.file(content)
        code, stdout, stderr = both_say(connector, ["check", "--config", path])
        (message,) = parsed(stdout)
        assert (code, stderr, message["type"]) == (0, "", "CONNECTION_STATUS")
        if isinstance(content, dict):
            status = CLASSES[connector.service]().check(logging.getLogger("airbyte"), content)
            assert message["connectionStatus"]["status"] == status.status.value
            assert message["connectionStatus"].get("message") == status.message
    assert ("SUCCEEDED" in stdout) == (isinstance(content, dict) and content != {})


@dataclass(frozen=True)
class Story:
    """One `write`: what comes in, what the service does, what comes of it."""

    #: Good records, records without an event's name, and then a state, as `g`, `b` and `s`.
    source: str = ""
    config: Json = field(default_factory=dict)
    options: Json = field(default_factory=dict)
    failure: str | None = None

    def lines(self, connector: Connector) -> list[bytes]:
        """What comes in."""
        made = {
            "g": lambda at: connector.record(connector.event(at)),
            "b": lambda at: connector.record({"who": f"person{at}@example.com"}),
            "s": connector.state,
        }
        return [made[kind](at) for at, kind in enumerate(self.source)]


AWAY = {"fail_rate": 1.0, "fail_kinds": ("503",)}
STORIES = {
    "nothing": Story(),
    "states": Story("gsggs"),
    "some rejected": Story("ggbsbs"),
    "all rejected": Story("bs", failure="config_error"),
    "a bad configuration": Story("gs", {"max_retry_seconds": 0}, failure="config_error"),
    "a folder that is none": Story(
        "gs",
        {"object_storage_config": {"storage_type": "Local", "path": "/proc/none"}},
        failure="config_error",
    ),
    "the service is away": Story("gs", {"max_retry_seconds": 1}, AWAY, "transient_error"),
    "dry run": Story("ggbs", {"dry_run": True}),
    "dry run, all rejected": Story("bs", {"dry_run": True}, failure="config_error"),
}


@both
@pytest.mark.parametrize("name", STORIES)
def test_write(connector: Connector, name: str) -> None:
    """States, log lines, the ledger and the plan; a failure's words and type."""
    story = STORIES[name]
    lines = story.lines(connector)
    with connector.running(**story.options) as local:
        config = connector.config(local.url, requests_in_flight=1, **story.config)
        files = connector.file(config), connector.file(connector.catalog())
        args = ["write", "--config", files[0], "--catalog", files[1]]
        code, stdout, stderr = both_say(connector, args, b"".join(lines))
        by_cdk, failure = by_write(connector, config, lines)
    assert stderr == ""
    assert code == (0 if story.failure is None else 1)
    traces = [line["trace"]["error"] for line in parsed(stdout) if line["type"] == "TRACE"]
    told = [(kind, _OF_ONE_RUN.sub("0", words)) for kind, words in failure]
    assert [(each["failure_type"], each["message"]) for each in traces] == told
    assert [kind for kind, _ in failure] == ([story.failure] if story.failure else [])
    states = [line["state"] for line in parsed(stdout) if line["type"] == "STATE"]
    assert [cursor_and_count(state) for state in states] == [
        cursor_and_count(state) for state in by_cdk
    ]


def by_write(
    connector: Connector, config: Json, lines: list[bytes]
) -> tuple[list[Json], list[tuple[str, str]]]:
    """The states that the CDK's `write` yields, and the type and words of its failure, if any."""
    catalog = ConfiguredAirbyteCatalogSerializer.load(connector.catalog())
    messages = [AirbyteMessageSerializer.load(json.loads(line)) for line in lines]
    states: list[Json] = []
    try:
        for message in CLASSES[connector.service]().write(config, catalog, messages):
            states.append(AirbyteMessageSerializer.dump(message)["state"])
    except AirbyteTracedException as error:
        return states, [(FailureType(error.failure_type).value, str(error.message))]
    return states, []


def cursor_and_count(state: Json) -> tuple[int, float]:
    """What the CDK's model keeps of a state."""
    return state["stream"]["stream_state"]["cursor"], state["destinationStats"]["recordCount"]


@dataclass(frozen=True)
class BrokenMapper:
    """A connector with an error of its own, by a text that must not be shown."""

    def __call__(self, config: object, stream: object) -> NoReturn:
        raise KeyError("".join(("sec", "ret")))  # no word of the line that the stack shows


def test_an_error_of_our_own(connector: Connector) -> None:
    """`system_error`, with the stack and without the error's text; the CDK's face lets it out."""
    broken = replace(HEAP, routes=BrokenMapper())

    class Broken(BulkDestination):
        service: ClassVar = broken

    config = connector.config("http://127.0.0.1:9")
    files = connector.file(config), connector.file(connector.catalog())
    args = ["write", "--config", files[0], "--catalog", files[1]]
    ways = [
        by_run(lambda args: command_line.run(broken, args), args, b""),
        by_run(Broken().run, args, b""),
    ]
    for code, stdout, stderr in ways:
        (message,) = parsed(stdout)
        error = message["trace"]["error"]
        assert (code, stderr) == (1, "")
        assert (error["failure_type"], error["internal_message"]) == ("system_error", "KeyError")
        assert "in __call__" in error["stack_trace"]
        assert "secret" not in stdout
    assert ways[0] == ways[1]
    catalog = ConfiguredAirbyteCatalogSerializer.load(connector.catalog())
    with pytest.raises(KeyError):
        list(Broken().write(config, catalog, []))


@both
def test_preview(connector: Connector) -> None:
    """Tables and JSON; 3 where a record would be rejected, 1 where a file is wrong."""
    lines = [*Story("ggb").lines(connector)]
    config = connector.file(connector.config("http://127.0.0.1:9"))
    # With a primary key an event's id is the same in each run.
    catalog = connector.file(connector.catalog(mode="append_dedup", key=[["who"]]))
    args = ["preview", "--config", config, "--catalog", catalog]
    assert both_say(connector, args, b"".join(lines))[0] == 3
    assert both_say(connector, [*args, "--json"], b"".join(lines[:2]))[0] == 0
    code, stdout, stderr = both_say(connector, [*args[:2], "none.json", *args[3:]])
    assert (code, stdout) == (1, "")
    assert stderr == "config: cannot read none.json: No such file or directory\n"


def test_stdout_is_closed(connector: Connector) -> None:
    """One line says so, also where the CDK was imported: its own handler wants to flush stdout."""
    script = "import sys, destination_heap_analytics as heap\n"
    script += "heap.DestinationHeapAnalytics().run(sys.argv[1:])"
    ends = [
        subprocess.run(
            f"{shlex.join(way)} spec >&-",
            shell=True,
            check=False,
            capture_output=True,
        )
        for way in (program("heap"), [sys.executable, "-c", script])
    ]
    by_program, by_class = ((end.returncode, end.stdout, end.stderr) for end in ends)
    assert by_program == by_class == (1, b"", b"destination-heap-analytics: stdout is closed\n")
