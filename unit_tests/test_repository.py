"""What a stranger meets: folders, licence, and what GitHub runs and asks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
SETUP = (ROOT / "setup.py").read_text(encoding="utf-8")
#: The newest Python that anybody will have asked for.
NEWEST = 20


def test_few_folders() -> None:
    """At most ten at the root, hidden ones aside, and twelve modules beside the engine's rooms."""
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if tracked.returncode:
        pytest.skip("this is no checkout")
    paths = [Path(line) for line in tracked.stdout.splitlines()]
    folders = {path.parts[0] for path in paths if len(path.parts) > 1}
    assert len({name for name in folders if not name.startswith(".")}) <= 10
    modules = [path for path in paths if path.parent == Path("bulk_destination")]
    assert len({path.stem for path in modules if path.suffix == ".py"} - {"__init__"}) <= 12


def test_one_licence() -> None:
    """LICENSE, the package and each connector's metadata name the same."""
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License\n")
    assert 'license="MIT"' in SETUP
    for metadata in (ROOT / "metadata.yaml", ROOT / "destination_hackle/metadata.yaml"):
        assert yaml.safe_load(metadata.read_text(encoding="utf-8"))["data"]["license"] == "MIT"


def commands(workflow: Path) -> list[str]:
    """What a workflow runs."""
    jobs = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]
    return [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_make(workflow: Path) -> None:
    """They call what people call, and nothing else, and may write nothing."""
    assert commands(workflow)
    for command in commands(workflow):
        target = re.match(r"make ([a-z-]+)", command)
        assert target, command
        assert re.search(rf"^{target[1]}:", MAKEFILE, re.MULTILINE), command
    read = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    assert read["permissions"] == {"contents": "read"}


def test_all_that_is_tested_is_tested_there() -> None:
    """Each part of `make test`, the browser and the image, and each Python that is supported."""
    run = {command.split()[1] for workflow in WORKFLOWS for command in commands(workflow)}
    (parts,) = re.findall(r"^test: (.*?) ##", MAKEFILE, re.MULTILINE)
    assert run >= {*parts.split(), "test-browser", "image-test", "demo", "demo-hackle"}
    (supported,) = re.findall(r'python_requires="([^"]+)"', SETUP)
    pythons = [f"3.{minor}" for minor in range(NEWEST) if f"3.{minor}" in SpecifierSet(supported)]
    jobs = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text("utf-8"))["jobs"]
    assert jobs["quick"]["strategy"]["matrix"]["python"] == pythons


def test_each_commit_may_be_linted() -> None:
    """The hooks are what `make lint` runs of Python, from the same environment."""
    (lint,) = re.findall(r"^lint:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    linted = re.findall(r"\$\(BIN\)/((?:ruff|mypy)[^\n.]*)", lint)
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (local,) = config["repos"]
    assert local["repo"] == "local"
    hooks = [hook["entry"].removeprefix(".venv/bin/") for hook in local["hooks"]]
    assert [hook.replace(" --force-exclude", "") for hook in hooks] == [
        command.strip() for command in linted
    ]


def test_every_target_is_explained() -> None:
    """`make help` names all that people may say."""
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    told = re.findall(r"^([a-z-]+):.*##", MAKEFILE, re.MULTILINE)
    assert sorted(told) == sorted(phony.split())


def test_a_commit_is_linted(tmp_path: Path) -> None:
    """The hooks stop a file that `make lint` would not let pass, and say which."""
    (tmp_path / ".pre-commit-config.yaml").write_bytes(
        (ROOT / ".pre-commit-config.yaml").read_bytes()
    )
    (tmp_path / "pyproject.toml").write_text('[tool.mypy]\nstrict = true\nfiles = ["bad.py"]\n')
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])
    (tmp_path / "bad.py").write_text("import os\ndef f(x): return x\n")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "bad.py", ".pre-commit-config.yaml"], cwd=tmp_path, check=True)
    done = subprocess.run(
        [Path(sys.executable).with_name("pre-commit"), "run"],
        cwd=tmp_path,
        # Git sets its own variables where a hook of ours runs the tests.
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert [line.split(".")[0] for line in done.stdout.splitlines() if line.endswith("Failed")] == [
        *("ruff check", "ruff format", "mypy"),
    ]
