"""Airbyte's own tests of every connector, as its authors run them.

They need pytest 7, so they run in an environment of their own, and in a folder of the connector's
name. What they do with an image is done in `image`, with the image that `make image` builds.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from integration_tests.chaos.scenario import Service
from integration_tests.services import local_service

ROOT = Path(__file__).parents[1]
PROGRAM = ROOT / ".cache" / "airbyte-cdk" / "bin" / "airbyte-cdk"
#: Each connector, where its metadata.yaml stands, and the configurations that are good.
CONNECTORS: dict[Service, tuple[str, Path, list[str]]] = {
    "heap": (
        *("destination-heap-analytics", ROOT),
        ["config_track", "config_add_user_properties", "config_add_account_properties"],
    ),
    "hackle": ("destination-hackle", ROOT / "destination_hackle", ["config"]),
}
#: Where `make sandbox` and `make sandbox-hackle` listen.
PORT = re.compile(":808[78]")


def copy_of_the_checkout(service: Service, folder: Path, port: str) -> Path:
    """All that git would have of this project, in a folder of the connector's name.

    Its configurations lead to another port than that of `make sandbox`. Hackle's two files stand
    at the top, where Airbyte's tool looks for them.
    """
    name, files, _ = CONNECTORS[service]
    project = folder / name
    of_git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(of_git, cwd=ROOT, capture_output=True, text=True, check=True)
    for path in filter(None, listed.stdout.split("\0")):
        if (ROOT / path).is_file():  # not one that is deleted, and git has not been told yet
            (project / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, project / path)
    for file in ("metadata.yaml", "acceptance-test-config.yml"):
        shutil.copy(files / file, project / file)
    for config in project.rglob("config*.json"):
        config.write_text(PORT.sub(f":{port}", config.read_text()))
    return project


def run_in(project: Path, home: Path) -> Path:
    """Runs the tool in `project`, and gives it back; fails if any of its tests does."""
    done = subprocess.run(
        [PROGRAM, "connector", "test", "--pytest-arg=-m", "--pytest-arg=not image_tests"],
        cwd=project,
        # The path stands for an installation in that environment.
        env={"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6_000:]
    return project


@pytest.mark.parametrize("service", CONNECTORS)
def test_standard_tests(tmp_path: Path, service: Service) -> None:
    """`airbyte-cdk connector test` in a checkout, by our own settings of pytest.

    Each configuration fits the form, `check` is right; that of a configuration that lacks its
    columns has to fail.
    """
    if not PROGRAM.exists():
        pytest.fail("airbyte-cdk is not installed: run `make integration-tests`")
    _, _, configs = CONNECTORS[service]
    with local_service(service) as local:
        port = local.url.rpartition(":")[2]
        if service == "hackle":
            project = run_in(copy_of_the_checkout(service, tmp_path, port), tmp_path)
            # One request for each good configuration that was checked, and nothing kept of it.
            assert [request["status"] for request in local.requests()] == [400] * len(configs)
            assert not local.stats().get("events")
    if service == "heap":  # As the first command in a checkout: nobody listens there any more.
        project = run_in(copy_of_the_checkout(service, tmp_path, port), tmp_path)
    results = ET.parse(project / "build/test-results/standard-tests-junit.xml")
    passed = {
        case.attrib["name"]
        for case in results.iter("testcase")
        if case.find("skipped") is None and case.find("failure") is None
    }
    for config in [*configs, "config_without_columns"]:
        assert f"test_check['{config}' Test Scenario]" in passed
    for config in configs:
        assert f"test_config_matches_spec['{config}' Test Scenario]" in passed


def test_what_it_leaves_behind_is_ignored() -> None:
    """git is not shown the folders that the tool makes in a checkout."""
    made = [".tmp/integration_tests/test_airbyte_standards.py", "build/test-results/a.xml"]
    ignored = subprocess.run(
        ["git", "check-ignore", *made], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ignored.stdout.splitlines() == made
