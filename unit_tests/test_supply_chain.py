"""What is installed is what the locks name, by version and by hash."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCKS = sorted(
    lock
    for folder in (".", "integration_tests/*", "benchmarks/*")
    for lock in ROOT.glob(f"{folder}/*.lock")
)
IMAGE, DEV, BUILD = (ROOT / f"requirements{part}.lock" for part in ("", "-dev", "-build"))
OWN = canonicalize_name("destination-heap-analytics")


def entries(lock: Path) -> list[Requirement]:
    """The requirements of a lock; each has its hashes behind it."""
    text = lock.read_text(encoding="utf-8").replace("\\\n", " ")
    found = []
    for line in text.splitlines():
        requirement, *hashes = line.split(" --hash=")
        assert hashes, f"{requirement} in {lock.name} has no hash"
        for digest in hashes:
            assert re.fullmatch(r"sha256:[0-9a-f]{64}", digest.strip()), requirement
        found.append(Requirement(requirement.strip()))
    return found


def versions(lock: Path) -> dict[str, str]:
    """What a lock has this machine install, by name."""
    return {
        canonicalize_name(entry.name): str(entry.specifier).removeprefix("==")
        for entry in entries(lock)
        if entry.marker is None or entry.marker.evaluate()
    }


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_each_is_pinned(lock: Path) -> None:
    """By one version and by at least one hash."""
    assert entries(lock)
    for entry in entries(lock):
        assert re.fullmatch(r"==[^,*]+", str(entry.specifier)), entry


def test_image_and_tests_agree() -> None:
    """What is tested is what an image holds."""
    assert versions(IMAGE).items() <= versions(DEV).items()
    assert {"pip", "setuptools", "uv"} <= versions(BUILD).keys()
    assert versions(BUILD)["setuptools"] == versions(DEV)["setuptools"]


def test_nothing_else_is_installed() -> None:
    """Everything in this environment is in a lock, at that version."""
    installed = {
        canonicalize_name(found.name): found.version for found in importlib.metadata.distributions()
    }
    assert installed.pop(OWN)
    others = installed.items() - (versions(DEV) | versions(BUILD)).items()
    assert not others, f"{dict(others)} are in no lock; `make unit-tests` installs what is"


@pytest.mark.parametrize(("lock", "extras"), [(IMAGE, ["s3"]), (DEV, ["s3", "sandbox", "tests"])])
def test_a_lock_holds_what_is_asked_for(lock: Path, extras: list[str]) -> None:
    """All that the package and these extras of it ask for, in a version that they take."""
    locked = versions(lock)
    for text in importlib.metadata.requires(OWN) or []:
        asked = Requirement(text)
        wanted = [
            asked.marker is None or asked.marker.evaluate({"extra": extra}) for extra in extras
        ]
        if any(wanted):
            assert asked.specifier.contains(locked[canonicalize_name(asked.name)]), asked


def test_an_image_holds_nothing_else() -> None:
    """None of what only tests, the stand-ins or an installation need."""
    assert not versions(IMAGE).keys() & {"pytest", "mypy", "ruff", "starlette", "uv", "pip"}


def test_everything_is_installed_by_hash() -> None:
    """In the image, and by make: no step asks an index for what no lock names."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    installs = re.findall(r"bin/pip\S*(?: --python \S+)? (?:install|wheel)[^&\n]*", dockerfile)
    assert len(installs) == 4
    for command in installs:
        assert "--require-hashes" in command or "--no-index" in command, command
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    installs = re.findall(r"pip (?:install|sync) .*", makefile)
    assert len(installs) == 3
    for command in installs:
        constraints = ("--constraint $(DEV_LOCK)", "--build-constraint $(BUILD_LOCK)")
        assert "--require-hashes" in command or all(part in command for part in constraints)


def test_the_base_is_named_once() -> None:
    """With a tag, and with the digest of it as soon as somebody has pinned it."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    (base,) = re.findall(r"^ARG BASE=(.*)$", dockerfile, re.MULTILINE)
    assert re.fullmatch(r"[\w./-]+:[\w.-]+(@sha256:[0-9a-f]{64})?", base)


#: A Docker whose registry knows one image.
DOCKER = """#!/bin/sh
case $1 in
    pull) test "$3" = docker.io/airbyte/python-connector-base:4.0.0 ;;
    image) echo "airbyte/python-connector-base@{digest}" ;;
esac
"""


@pytest.mark.parametrize("before", ["", f"@sha256:{'0' * 64}"])
def test_the_base_is_pinned(tmp_path: Path, before: str) -> None:
    """`make base-digest` writes the digest that the registry has into the Dockerfile."""
    dockerfile = tmp_path / "Dockerfile"
    base = "docker.io/airbyte/python-connector-base:4.0.0"
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").partition("\nFROM")[0]
    named, changed = re.subn(r"(?m)^ARG BASE=.*$", f"ARG BASE={base}", text)
    assert changed == 1
    dockerfile.write_text(named.replace(f"{base}\n", f"{base}{before}\n"))
    digest = f"sha256:{'ab' * 32}"
    docker = tmp_path / "docker"
    docker.write_text(DOCKER.format(digest=digest))
    docker.chmod(0o755)
    pin = ["bash", str(ROOT / "integration_tests/image/pin_base.sh"), str(dockerfile)]
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(pin, env=environment, capture_output=True, check=True)
    assert dockerfile.read_text() == named.replace(f"{base}\n", f"{base}@{digest}\n")
    docker.write_text(DOCKER.format(digest="sha1:none"))
    refused = subprocess.run(pin, env=environment, capture_output=True, check=False)
    assert refused.returncode == 1
    assert digest in dockerfile.read_text()


def wheel(folder: Path) -> str:
    """A package that no index has, and its hash."""
    path = folder / "of_no_index-1.0-py3-none-any.whl"
    info = "of_no_index-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: of-no-index\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_another_file_is_refused(tmp_path: Path) -> None:
    """As make calls uv: what is not the file that the lock names is not installed."""
    digest = wheel(tmp_path)
    (options,) = re.findall(
        r"^INSTALL = .*uv (pip install .*) --build-constraint",
        (ROOT / "Makefile").read_text(),
        re.M,
    )
    lock = tmp_path / "some.lock"
    command = options.replace("$(DEV_LOCK)", str(lock)).split()
    uv = Path(sys.executable).with_name("uv")
    for written, code in ((digest, 0), ("0" * 64, 1)):
        lock.write_text(f"of-no-index==1.0 --hash=sha256:{written}\n")
        target = tmp_path / written
        offline = f"--no-index --find-links {tmp_path} --target {target} --no-cache".split()
        done = subprocess.run(
            [uv, *command, *offline, "of-no-index"], capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stderr
        assert any(target.glob("of_no_index*")) == (code == 0)
    assert "Hash mismatch" in done.stderr
