"""docs/studio.md: its commands and its recipe, from a CSV to a local Heap."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest

from integration_tests.docs.markdown import ROOT, Text
from integration_tests.studios import PATIENCE, RunningStudio
from sandbox.heap import running

DOCUMENT = Text.of("docs/studio.md")
INSTALL, OPEN = DOCUMENT.below("Open it").commands
CHECK, PREVIEW, WRITE = DOCUMENT.below("Take it along").commands
(FROM_SOURCE,) = DOCUMENT.below("From a source").commands
(RECIPE,) = DOCUMENT.blocks("python")
ENVIRONMENTS = ROOT / ".cache"


def _programs(folder: Path) -> dict[str, str]:
    """An environment in which the commands are found that are shown."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    connector = programs / "destination-heap-analytics"
    connector.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT / "main.py"} "$@"\n')
    connector.chmod(0o755)
    faker = ENVIRONMENTS / "source-faker" / "bin"
    # Nobody's browser is opened.
    return {"PATH": f"{programs}:{faker}:/usr/bin:/bin", "HOME": str(folder), "BROWSER": "true"}


@contextmanager
def _opened(command: str, folder: Path) -> Iterator[RunningStudio]:
    """The studio that a command opens."""
    with subprocess.Popen(
        f"exec {command}",
        shell=True,
        cwd=folder,
        env=_programs(folder),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            assert found
            yield RunningStudio(found[0], process)
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=_programs(folder),
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )


def test_what_is_installed_is_an_extra_of_ours() -> None:
    (extra,) = re.findall(r"\[(\w+)\]", INSTALL)
    needed = [one for one in requires("destination-heap-analytics") or [] if f'"{extra}"' in one]
    assert {re.split(r"\W", one)[0].lower() for one in needed} == {"jinja2", "starlette", "uvicorn"}


def test_from_a_csv_to_heap(tmp_path: Path) -> None:
    """As the page says: the mapping is made, the files are saved, and what is right lands."""
    (tmp_path / "sample_files").symlink_to(ROOT / "sample_files")
    with running() as heap, _opened(OPEN, tmp_path) as page:
        typed = {"app_id": "11", "base_url": heap.url, "api": "track"}
        columns = {
            "event_column": "'Order placed'",
            "identity_column": "customer_email",
            "timestamp_column": "ordered_at",
            "property_columns": "*",
        }
        typed |= {f"api.track.{name}": text for name, text in columns.items()}
        shown = page.type(**typed)
        assert "10 would be sent" in shown
        assert "soon" in shown
        for name in ("config.json", "configured_catalog.json", "records.jsonl"):
            (tmp_path / name).write_bytes(page.download(name, typed))
        assert json.loads(_run(CHECK, tmp_path).stdout)["connectionStatus"]["status"] == "SUCCEEDED"
        assert _run(PREVIEW, tmp_path).returncode == 3
        assert heap.events() == []
        assert _run(WRITE, tmp_path).returncode == 0
        assert len(heap.events()) == 10


def test_from_a_source(tmp_path: Path) -> None:
    (config,) = re.findall(r"here `(\{.*?\})`", DOCUMENT.source)
    (tmp_path / "faker.json").write_text(config)
    with _opened(FROM_SOURCE, tmp_path) as page:
        typed = {"app_id": "11", "api": "add_user_properties"}
        typed |= {"api.add_user_properties.identity_column": "email"}
        assert "20 would be sent" in page.type(**typed)


def test_the_recipe(tmp_path: Path) -> None:
    """It is as short as it says, and every user lands."""
    python = ENVIRONMENTS / "pyairbyte" / "bin" / "python"
    if not python.exists():
        pytest.fail("pyairbyte is not installed: run `make real-source-environments` first")
    with running() as heap:
        api = {"api_type": "add_user_properties", "identity_column": "email"}
        config: dict[str, Any] = {"app_id": "11", "base_url": heap.url, "api": api}
        (tmp_path / "config.json").write_text(json.dumps(config))
        (tmp_path / "recipe.py").write_text(RECIPE)
        quiet = {"AIRBYTE_OFFLINE_MODE": "1", "DO_NOT_TRACK": "1"}
        done = subprocess.run(
            [python, "recipe.py"],
            cwd=tmp_path,
            env=_programs(tmp_path) | quiet | {"AIRBYTE_LOGGING_ROOT": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=3 * PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3_000:]
        assert len(heap.users()) > 900
