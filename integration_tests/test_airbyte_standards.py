"""Airbyte's own tests of every connector, as its authors run them.

They need pytest 7, so they run in an environment of their own, and in a folder of the connector's
name. What they do with an image is done in image_tests, with the image that `make image` builds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from heap_sandbox import running

ROOT = Path(__file__).parents[1]
PROGRAM = ROOT / ".cache" / "airbyte-cdk" / "bin" / "airbyte-cdk"
CONFIGS = ["config_track", "config_add_user_properties", "config_add_account_properties"]
#: Where `make sandbox` listens.
PORT = "8087"


def copy_of_the_project(folder: Path, port: str) -> Path:
    """The files that the tests read, in a folder of the connector's name, for another port."""
    project = folder / "destination-heap-analytics"
    for part in ("destination_heap_analytics", "sample_files", "integration_tests/standards"):
        shutil.copytree(ROOT / part, project / part)
    for name in ("metadata.yaml", "acceptance-test-config.yml"):
        shutil.copy(ROOT / name, project / name)
    for config in project.rglob("config_*.json"):
        config.write_text(config.read_text().replace(PORT, port))
    return project


def test_standard_tests(tmp_path: Path) -> None:
    """`airbyte-cdk connector test`: each configuration fits the form, `check` is right.

    The check of a configuration that lacks its columns has to fail.
    """
    if not PROGRAM.exists():
        pytest.fail("airbyte-cdk is not installed: run `make integration-tests`")
    with running() as heap:
        project = copy_of_the_project(tmp_path, heap.url.rpartition(":")[2])
        done = subprocess.run(
            [PROGRAM, "connector", "test", "--pytest-arg=-m", "--pytest-arg=not image_tests"],
            cwd=project,
            # The path stands for an installation in that environment.
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(project)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-6_000:]
        # One bad event for each good configuration that was checked, and nothing kept of it.
        assert [request["status"] for request in heap.requests()] == [400] * len(CONFIGS)
        assert heap.events() == heap.users() == heap.accounts() == []
    results = ET.parse(project / "build/test-results/standard-tests-junit.xml")
    passed = {
        case.attrib["name"]
        for case in results.iter("testcase")
        if case.find("skipped") is None and case.find("failure") is None
    }
    for config in [*CONFIGS, "config_without_columns"]:
        assert f"test_check['{config}' Test Scenario]" in passed
    for config in CONFIGS:
        assert f"test_config_matches_spec['{config}' Test Scenario]" in passed
