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


def copy_of_the_project(service: Service, folder: Path, port: str) -> Path:
    """The files that the tests read, in a folder of the connector's name, for another port."""
    name, files, _ = CONNECTORS[service]
    project = folder / name
    for part in ("bulk_destination", name.replace("-", "_"), "sample_files"):
        shutil.copytree(ROOT / part, project / part)
    shutil.copytree(ROOT / "integration_tests/standards", project / "integration_tests/standards")
    for file in ("metadata.yaml", "acceptance-test-config.yml"):
        shutil.copy(files / file, project / file)
    for config in project.rglob("config*.json"):
        config.write_text(PORT.sub(f":{port}", config.read_text()))
    return project


@pytest.mark.parametrize("service", CONNECTORS)
def test_standard_tests(tmp_path: Path, service: Service) -> None:
    """`airbyte-cdk connector test`: each configuration fits the form, `check` is right.

    The check of a configuration that lacks its columns has to fail.
    """
    if not PROGRAM.exists():
        pytest.fail("airbyte-cdk is not installed: run `make integration-tests`")
    _, _, configs = CONNECTORS[service]
    with local_service(service) as local:
        project = copy_of_the_project(service, tmp_path, local.url.rpartition(":")[2])
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
        assert [request["status"] for request in local.requests()] == [400] * len(configs)
        assert not any(local.stats().get(what) for what in ("events", "users", "accounts"))
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
