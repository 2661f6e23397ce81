"""docs/scheduler.md: `sync.sh` as it is, with a source that others wrote and one that can die."""

from __future__ import annotations

import ast
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from integration_tests.chaos.process import program
from integration_tests.docs.markdown import ROOT, Text
from sandbox.heap import Sandbox, SandboxOptions, running

DOCUMENT = Text.of("docs/scheduler.md")
SOURCE_FAKER = ROOT / ".cache/source-faker/bin"
#: Where the document puts the sync.
FOLDER = "/srv/purchases-to-heap"
#: Seconds; on a slow machine too, nothing here takes as long.
PATIENCE = 120

Json = dict[str, Any]


@dataclass(frozen=True)
class Folder:
    """A folder set up as the document says, and the programs that its script finds."""

    path: Path
    programs: Path

    @property
    def connector(self) -> Path:
        """The program that the script calls."""
        return self.programs / "destination-heap-analytics"

    @property
    def pid(self) -> Path:
        """Where its pid is left behind, for who wants to kill it."""
        return self.programs / "destination-heap-analytics.pid"

    def run(self, command: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command of the document, to its end; with a `PATH` of its own if it has one."""
        return subprocess.run(
            command.replace(FOLDER, str(self.path)),
            shell=True,
            cwd=self.path,
            env=self._environment if path is None else {**self._environment, "PATH": path},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    @contextmanager
    def under_way(self) -> Iterator[subprocess.Popen[str]]:
        """The script in a process group of its own, as schedulers start it."""
        run = subprocess.Popen(
            ["./sync.sh"],
            cwd=self.path,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            yield run
        finally:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)
            run.communicate()

    @property
    def _environment(self) -> dict[str, str]:
        return {"PATH": f"{self.programs}:/usr/bin:/bin", "HOME": str(self.path)}

    @property
    def state(self) -> Json | None:
        """The state that is kept; it is whole at any moment."""
        file = self.path / "state.json"
        if not file.exists():
            return None
        (state,) = json.loads(file.read_bytes())
        assert isinstance(state, dict)
        return state

    @property
    def position(self) -> int:
        """How far the source below got; 0 without a state."""
        state = self.state
        return 0 if state is None else state["stream"]["stream_state"]["position"]

    def wait_for_a_state(self) -> None:
        """Waits until the script has kept one."""
        patience = time.monotonic() + PATIENCE
        while self.state is None:
            assert time.monotonic() < patience
            time.sleep(0.01)


def executable(folder: Path, name: str, script: str) -> None:
    """An executable."""
    file = folder / name
    file.write_text(script)
    file.chmod(0o755)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """`sync.sh` beside the files of the document, and the connector as the program it calls."""
    made = Folder(tmp_path / "sync", tmp_path / "programs")
    made.path.mkdir()
    made.programs.mkdir()
    shutil.copy(ROOT / "sample_files/sync.sh", made.path)
    names = ["source.json", "heap.json", "catalog.json"]
    for name, block in zip(names, DOCUMENT.blocks("json"), strict=True):
        json.loads(block)
        (made.path / name).write_text(block)
    script = f'#!/bin/sh\necho $$ > {made.pid}\nexec {shlex.join(program("heap"))} "$@"\n'
    executable(made.programs, made.connector.name, script)
    return made


def point(folder: Folder, heap: Sandbox, **fields: Any) -> None:
    """The connector's configuration leads to a local Heap."""
    file = folder.path / "heap.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"base_url": heap.url} | fields))


# -- the document, word for word ----------------------------------------------------------------


def test_by_the_document(folder: Folder) -> None:
    """Set up and run as it says: all is loaded once, the second run finds nothing new."""
    if not (SOURCE_FAKER / "source-faker").exists():
        pytest.fail("source-faker is not installed: run `make real-source-environments` first")
    (folder.programs / "source-faker").symlink_to(SOURCE_FAKER / "source-faker")
    install, set_up, run = map(str.splitlines, DOCUMENT.blocks("sh"))
    # What needs the package index is not run here.
    assert all("pip install" in line or line.startswith("export PATH=") for line in install)
    shutil.rmtree(folder.path / "again", ignore_errors=True)
    for command in set_up:
        where = str(folder.path / "again")
        subprocess.run(command.replace(FOLDER, where), shell=True, cwd=ROOT, check=True)
    assert os.access(folder.path / "again" / "sync.sh", os.X_OK)
    with running() as heap:
        point(folder, heap)
        outputs = [folder.run(command) for command in run]
        assert [done.returncode for done in outputs] == [0, 0, 0]
        assert '"SUCCEEDED"' in outputs[1].stdout
        first = folder.state
        assert first is not None
        assert first["stream"]["stream_descriptor"]["name"] == "purchases"
        assert len(heap.events()) == 1_000
        requests = len(heap.requests())
        again = folder.run(run[-1])
        assert again.returncode == 0
        assert len(heap.requests()) == requests
        assert heap.stats()["repeats_absorbed"] == 0
        state = folder.state
        assert state is not None
        assert state["stream"] == first["stream"]
        # What both programs log can be read, and nothing else is on stdout.
        assert "Read 1000 records" in outputs[-1].stderr
        assert "Ledger" in outputs[-1].stderr
        assert outputs[-1].stdout == ""
        # Without its state it loads all again, and doubles nothing.
        (folder.path / "state.json").unlink()
        assert folder.run(run[-1]).returncode == 0
        assert heap.stats()["repeats_absorbed"] == len(heap.events()) == 1_000


#: Where the document has the two programs.
PROGRAMS = "/home/etl"


def scheduled() -> dict[str, tuple[str, str]]:
    """The command that each scheduler of the document runs, and the `PATH` that it gives."""
    (cron,) = DOCUMENT.blocks("cron")
    airflow, dagster = map(ast.parse, DOCUMENT.blocks("python"))
    (command,) = [
        ast.literal_eval(node.value)
        for node in ast.walk(airflow)
        if isinstance(node, ast.keyword) and node.arg == "bash_command"
    ]
    (arguments,) = [
        ast.literal_eval(node)
        for node in ast.walk(dagster)
        if isinstance(node, ast.List) and all(isinstance(e, ast.Constant) for e in node.elts)
    ]
    return {
        "cron": (cron.strip().split(maxsplit=5)[5], "/usr/bin:/bin"),
        "Airflow": (command, path_in(airflow)),
        "Dagster": (shlex.join(arguments), path_in(dagster)),
    }


def path_in(module: ast.Module) -> str:
    """What a module puts into the environment as `PATH`."""
    (programs,) = [
        ast.literal_eval(node.value)
        for node in module.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PROGRAMS"
    ]
    (path,) = [
        value
        for node in ast.walk(module)
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and key.value == "PATH"
    ]
    found: str = eval(ast.unparse(path), {"PROGRAMS": programs})
    return found


@pytest.mark.parametrize("scheduler", scheduled())
def test_scheduled(folder: Folder, scheduler: str) -> None:
    """What cron, Airflow and Dagster are told to run is a sync, with the PATH that they set."""
    paged_source(folder, 300)
    for environment in ("source-faker", "heap-analytics"):
        (folder.path / environment).mkdir()
        (folder.path / environment / "bin").symlink_to(folder.programs)
    command, path = scheduled()[scheduler]
    with running() as heap:
        point(folder, heap)
        done = folder.run(command, path.replace(PROGRAMS, str(folder.path)))
        assert done.returncode == 0, done.stderr
        assert len(heap.events()) == folder.position == 300


def test_with_docker(folder: Folder) -> None:
    """The two lines for Docker take the place of those in the script, and it is still one."""
    (lines,) = [block.splitlines() for block in DOCUMENT.blocks("") if block]
    script = (folder.path / "sync.sh").read_text()
    for line in lines:
        name = line.partition("()")[0]
        (old,) = [before for before in script.splitlines() if before.startswith(f"{name}() ")]
        script = script.replace(old, line)
        # The same arguments behind another program.
        assert line.endswith(old.partition(" --config")[2])
    assert script.count("docker run") == 2
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)


# -- what it promises ---------------------------------------------------------------------------

#: Numbered records from where the state says, 100 a state; may end early, by an exit code.
PAGED_SOURCE = """#!{python}
import json, sys, time
at = 0
if "--state" in sys.argv:
    (state,) = json.load(open(sys.argv[sys.argv.index("--state") + 1]))
    at = state["stream"]["stream_state"]["position"]
def say(**message):
    print(json.dumps(message, separators=(",", ":")), flush=True)
say(type="LOG", log={{"level": "INFO", "message": "begins"}})
while at < {total}:
    for number in range(at, at + 100):
        data = {{"id": number, "product_id": f"p{{number % 7}}", "user_id": f"u{{number}}"}}
        say(type="RECORD", record={{"stream": "purchases", "data": data, "emitted_at": 1}})
    at += 100
    stream = {{"stream_descriptor": {{"name": "purchases"}}, "stream_state": {{"position": at}}}}
    state = {{"type": "STREAM", "stream": stream, "sourceStats": {{"recordCount": 100.0}}}}
    say({fields})
    time.sleep({pause})
    if at == {fails_at}:
        sys.exit(3)
"""


def paged_source(
    folder: Folder,
    total: int,
    *,
    pause: float = 0,
    fails_at: int = -1,
    fields: str = 'type="STATE", state=state',
) -> None:
    """A source in place of source-faker, which cannot go on from the middle."""
    script = PAGED_SOURCE.format(
        python=sys.executable, total=total, pause=pause, fails_at=fails_at, fields=fields
    )
    executable(folder.programs, "source-faker", script)
    config = json.loads((folder.path / "heap.json").read_text())
    config["api"] = {key: value for key, value in config["api"].items() if "_type" in key} | {
        "event_column": "product_id",
        "identity_column": "user_id",
    }
    (folder.path / "heap.json").write_text(json.dumps(config))


def numbers(heap: Sandbox) -> list[int]:
    """The events that Heap holds, by number."""
    return sorted(event["properties"]["id"] for event in heap.events())


SLOW = SandboxOptions(quotas=False, latency_ms=60)


def slowed(folder: Folder, heap: Sandbox) -> None:
    """The connector sends one small request after the other, so that a sync has a middle."""
    point(folder, heap, requests_in_flight=1, events_per_minute=0)


def test_the_destination_dies(folder: Folder) -> None:
    """Killed midway, three times: the next run goes on, and every event ends up there once."""
    random_ = random.Random(7)
    total = 12_000
    paged_source(folder, total, pause=0.05)
    with running(SLOW) as heap:
        slowed(folder, heap)
        for _ in range(3):
            before = folder.position
            with folder.under_way() as run:
                # Until then the pid is that of the run before.
                _wait_for_more(folder, before)
                time.sleep(random_.random() * 0.4)
                os.kill(int(folder.pid.read_text()), signal.SIGKILL)
                assert run.wait(PATIENCE) == 128 + signal.SIGKILL
            assert before < folder.position < total
            assert set(range(folder.position)) <= set(numbers(heap))
        assert folder.run("./sync.sh").returncode == 0
        assert folder.position == total
        assert numbers(heap) == list(range(total))


def _wait_for_more(folder: Folder, before: int) -> None:
    patience = time.monotonic() + PATIENCE
    while folder.position <= before:
        assert time.monotonic() < patience
        time.sleep(0.01)


def test_asked_to_stop(folder: Folder) -> None:
    """SIGTERM to all of it: what is under way lands and its state is kept, the code is not 0."""
    total = 4_000
    paged_source(folder, total, pause=0.03)
    with running(SandboxOptions(quotas=False, latency_ms=500)) as heap:
        slowed(folder, heap)
        with folder.under_way() as run:
            folder.wait_for_a_state()
            os.killpg(run.pid, signal.SIGTERM)
            assert run.wait(PATIENCE) != 0
            # It waited for all of its parts: nobody holds the lock any more.
            assert folder.run("flock -n lock true").returncode == 0
        assert 0 < folder.position < total
        # Nothing that landed is without its state, but for the last records before one.
        assert numbers(heap)[: folder.position] == list(range(folder.position))
        assert len(numbers(heap)) < folder.position + 100
        assert folder.run("./sync.sh").returncode == 0
        assert numbers(heap) == list(range(total))


def test_one_at_a_time(folder: Folder) -> None:
    """A second run ends with 75 at once and changes nothing; a later one is let in."""
    paged_source(folder, 1_000, pause=0.2)
    with running() as heap:
        point(folder, heap)
        with folder.under_way() as run:
            patience = time.monotonic() + PATIENCE
            while not folder.pid.exists():
                assert time.monotonic() < patience
                time.sleep(0.01)
            second = folder.run("./sync.sh")
            assert second.returncode == 75
            assert "still under way" in second.stderr
            assert run.wait(PATIENCE) == 0
        assert folder.position == 1_000
        assert folder.run("./sync.sh").returncode == 0
        assert heap.stats()["repeats_absorbed"] == 0


def test_the_source_dies(folder: Folder) -> None:
    """Its exit code is the script's; what it gave is loaded and its state kept."""
    paged_source(folder, 1_000, fails_at=600)
    with running() as heap:
        point(folder, heap)
        assert folder.run("./sync.sh").returncode == 3
        assert folder.position == 600
        assert numbers(heap) == list(range(600))
        paged_source(folder, 1_000)
        point(folder, heap)
        assert folder.run("./sync.sh").returncode == 0
        assert numbers(heap) == list(range(1_000))
        assert heap.stats()["repeats_absorbed"] == 0


def test_the_destination_refuses(folder: Folder) -> None:
    """Its exit code comes before that of a source that lost its reader; no state is made up."""
    paged_source(folder, 1_000)
    with running() as heap:
        point(folder, heap, app_id="eleven")
        done = folder.run("./sync.sh")
        assert done.returncode == 1
        assert "config_error" in done.stderr
        assert folder.state is None
        assert heap.requests() == []


def test_a_program_that_is_not_there(folder: Folder) -> None:
    """The shell's own code for it, and no state."""
    with running() as heap:
        point(folder, heap)
        done = folder.run("./sync.sh")
    assert done.returncode == 127
    assert folder.state is None


def test_a_state_of_another_form(folder: Folder) -> None:
    """Nothing is guessed: the run fails and says so, and the state before is kept."""
    paged_source(folder, 200)
    with running() as heap:
        point(folder, heap)
        assert folder.run("./sync.sh").returncode == 0
        kept = folder.state
        paged_source(folder, 400, fields='log=None, type="STATE", state=state')
        point(folder, heap)
        done = folder.run("./sync.sh")
    assert done.returncode != 0
    assert "a state of a form that is not known" in done.stderr
    assert folder.state == kept


#: Ten records of each stream from where its state says; then a state of each, or of all.
SOURCE_OF_SEVERAL = """#!{python}
import json, sys
states = json.load(open(sys.argv[sys.argv.index("--state") + 1])) if "--state" in sys.argv else []
at = dict.fromkeys({streams}, 0)
for state in states:
    parts = [state["stream"]] if "stream" in state else state["global"]["stream_states"]
    for part in parts:
        at[part["stream_descriptor"]["name"]] = part["stream_state"]["position"]
def say(**message):
    print(json.dumps(message, separators=(",", ":")), flush=True)
parts = []
for name in at:
    for number in range(at[name], at[name] + 10):
        data = {{"user_id": f"{{name}} {{number}}", "n": number}}
        say(type="RECORD", record={{"stream": name, "data": data, "emitted_at": 1}})
    at[name] += 10
    said = {{"stream_descriptor": {{"name": name}}, "stream_state": {{"position": at[name]}}}}
    parts.append(said)
    if not {of_all}:
        say(type="STATE", state={{"type": "STREAM", "stream": said}})
if {of_all}:
    say(type="STATE", state={{"type": "GLOBAL", "global": {{"stream_states": parts}}}})
"""


@pytest.mark.parametrize("of_all", [False, True])
def test_each_stream_keeps_its_state(folder: Folder, of_all: bool) -> None:
    """Of several streams none is read again, however alike their names are."""
    names = ["users", "user", "users, old", '"users"', "us[er]s.*", r"us\\ers"]
    entry = {"api_type": "add_user_properties", "identity_column": "user_id"}
    api = {"api_type": "by_stream", "streams": [{"stream": n, "api": entry} for n in names]}
    mode = {"sync_mode": "incremental", "destination_sync_mode": "append"}
    streams = [{"stream": {"name": name, "json_schema": {}}, **mode} for name in names]
    (folder.path / "catalog.json").write_text(json.dumps({"streams": streams}))
    source = SOURCE_OF_SEVERAL.format(python=sys.executable, streams=names, of_all=of_all)
    executable(folder.programs, "source-faker", source)
    with running() as heap:
        point(folder, heap, api=api)
        for count in (1, 2, 3):
            assert folder.run("./sync.sh").returncode == 0
            assert len(heap.users()) == 10 * count * len(names)
            states = json.loads((folder.path / "state.json").read_bytes())
            assert len(states) == (1 if of_all else len(names))
        # Not one was sent twice.
        assert sum(request["items"] for request in heap.requests()) == 30 * len(names)


def test_what_it_keeps_is_the_owners(folder: Folder) -> None:
    """Nobody else reads the state; a stream's own fields come back as they were."""
    paged_source(folder, 200)
    with running() as heap:
        point(folder, heap)
        assert folder.run("./sync.sh").returncode == 0
    assert (folder.path / "state.json").stat().st_mode & 0o077 == 0
    assert folder.state is not None
    assert folder.state["type"] == "STREAM"
