"""The demo, and the sample files it loads."""

import runpy
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_demo() -> None:
    """It loads by all three APIs, shows what landed, and proves that nothing doubled."""
    done = subprocess.run(
        [sys.executable, "-m", "heap_sandbox.demo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for expected in (
        "Heap now holds 330 events",
        "Heap now holds 301 users",
        "rejected: identity_of_no_single_person",
        "rejected: timestamp_not_readable",
        "it still holds 330",
    ):
        assert expected in done.stdout
    assert "\x1b[" not in done.stdout


def test_samples_are_what_their_generator_makes() -> None:
    """Each can be made again, byte for byte."""
    generate = runpy.run_path(str(ROOT / "sample_files/generate.py"))
    assert generate["FILES"]
    for name in generate["FILES"]:
        assert generate["content"](name) == (ROOT / "sample_files" / name).read_text("utf-8")
