"""The demo, and the sample files it loads."""

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


def test_sample_is_what_its_generator_makes() -> None:
    """`users.jsonl` can be made again, byte for byte."""
    users = ROOT / "sample_files" / "users.jsonl"
    script = (
        "import runpy; print(*runpy.run_path('sample_files/generate.py')['lines'](), sep='\\n')"
    )
    made = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True)
    assert made.stdout == users.read_bytes()
