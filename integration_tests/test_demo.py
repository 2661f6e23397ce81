"""The demos, what they print to be typed, and the sample files they load."""

import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path

import pytest

import sandbox.hackle
import sandbox.heap

ROOT = Path(__file__).parents[1]
DEMOS = {"heap": sandbox.heap.running, "hackle": sandbox.hackle.running}
#: A terminal's lines and columns.
SCREEN = (24, 80)
#: The address in the sample files.
ADDRESS = re.compile(r"http://127\.0\.0\.1:808[78]")


@cache
def printed(service: str) -> str:
    """What a demo prints."""
    done = subprocess.run(
        [sys.executable, "-m", f"sandbox.{service}.demo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        (
            "heap",
            [
                "orders 122 read, 120 accepted, 2 rejected",
                "users 61 read, 60 accepted, 1 rejected",
                "companies 13 read, 12 accepted, 1 rejected",
                "Heap holds 120 events",
                "Heap holds 60 users",
                "Heap holds 12 accounts",
                "rejected identity_of_no_single_person: `guest` is many people",
                "rejected timestamp_not_readable: `last Tuesday` is no time",
                "it still holds 120",
            ],
        ),
        (
            "hackle",
            [
                "Hackle now holds 200 events, 147 of them with a value",
                "event_key purchase user_id ae2182e0 value 13200",
                "discount_amount: 800, is_discount: true, pay_method: CARD",
                "rejected user_id_of_no_single_person: `guest` is many people",
                "it still holds 200",
            ],
        ),
    ],
)
def test_demo(service: str, expected: list[str]) -> None:
    """It loads the samples, shows what landed, and proves that nothing doubled."""
    said = " ".join(printed(service).split())  # lines break where the width ends
    for text in expected:
        assert text in said
    assert "\x1b[" not in said


@pytest.mark.parametrize("service", DEMOS)
def test_a_step_is_a_screen(service: str) -> None:
    """Of a small terminal; only a command may be wider, as it has to be whole."""
    steps = re.split(r"(?m)^(?=.* ─+$)", printed(service))
    assert len(steps) >= 4
    for step in steps:
        lines = step.splitlines()
        assert len(lines) <= SCREEN[0], step
        typed = [line for line in lines if line.startswith(("$ ", "    --", "Next: "))]
        assert all(len(line) <= SCREEN[1] for line in lines if line not in typed), step


@pytest.mark.parametrize("service", DEMOS)
def test_what_is_counted_is_explained(service: str) -> None:
    """Each count stands with a word and what it means."""
    counts = re.findall(r"(?m)^ *\d+  (\w+) +(\S.*\S) *$", printed(service))
    assert {name for name, _ in counts} == {
        *("read", "accepted", "merged", "skipped", "truncated", "requests", "retries"),
        *("rejected", "states"),
    }
    assert all(len(meaning.split()) > 2 for _, meaning in counts)


@pytest.mark.parametrize(("service", "running"), DEMOS.items())
def test_what_is_printed_can_be_typed(
    tmp_path: Path,
    service: str,
    running: Callable[[], AbstractContextManager[sandbox.heap.Sandbox]],
) -> None:
    """Each command as it stands, in the folder that the demo ran in, but for another local port."""
    commands = re.findall(r"(?m)^\$ (.*(?<!\\)(?:\\\n.*)*)$", printed(service))
    assert len(commands) >= 3
    for name in ("main.py", ".venv"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name in ("bulk_destination", "destination_heap_analytics", "sandbox"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "sample_files", tmp_path / "sample_files")
    with running() as local:
        for path in (tmp_path / "sample_files").rglob("*.json"):
            path.write_text(ADDRESS.sub(local.url, path.read_text(encoding="utf-8")))
        for command in dict.fromkeys(commands):
            if "-m sandbox." in command:
                serves(f"{command} --port 0", tmp_path)
                continue
            done = subprocess.run(
                command, shell=True, cwd=tmp_path, capture_output=True, timeout=60, check=False
            )
            assert done.returncode == 0, (command, done.stdout, done.stderr)
        assert local.events()
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (target,) = re.findall(r"Next: `make ([a-z-]+)`", printed(service))
    assert re.search(rf"^{target}:.*##.*until Ctrl-C", makefile, re.MULTILINE)


def serves(command: str, folder: Path) -> None:
    """A stand-in begins to listen, and ends when it is asked to."""
    with subprocess.Popen(
        f"exec {command}", shell=True, cwd=folder, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert "listening on" in process.stdout.readline()
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.parametrize(
    "module", ["sandbox.heap", "sandbox.hackle", "integration_tests.chaos", "benchmarks"]
)
def test_help_is_called_as_it_says(module: str) -> None:
    """The command that `--help` shows gives that help again."""
    first = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    usage = re.match(r"usage: (.* -m [\w.]+) ", first)
    assert usage
    again = subprocess.run(
        f"{usage[1]} --help", shell=True, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert again.stdout == first


def test_samples_are_what_their_generator_makes() -> None:
    """Each can be made again, byte for byte."""
    generate = runpy.run_path(str(ROOT / "sample_files/generate.py"))
    assert generate["FILES"]
    for name in generate["FILES"]:
        assert generate["content"](name) == (ROOT / "sample_files" / name).read_text("utf-8")
