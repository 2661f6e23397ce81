"""The demo, and the sample files it loads."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("demo", "expected"),
    [
        (
            "sandbox.heap.demo",
            [
                "Heap now holds 330 events",
                "Heap now holds 301 users",
                "rejected: identity_of_no_single_person",
                "rejected: timestamp_not_readable",
                "it still holds 330",
            ],
        ),
        (
            "sandbox.hackle.demo",
            [
                "Hackle now holds 200 events",
                "│ purchase │ ae2182e0 │ null │",
                "│ purchase │ ae2182e0 │ 13200 │",
                '"pay_method": "CARD"',
                '"discount_amount": 800',
                '"is_discount": true',
                "have none",
                "rejected: user_id_of_no_single_person",
                "it still holds 200",
            ],
        ),
    ],
)
def test_demo(demo: str, expected: list[str]) -> None:
    """It loads the samples, shows what landed, and proves that nothing doubled."""
    done = subprocess.run(
        [sys.executable, "-m", demo],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = " ".join(done.stdout.split())  # lines break where the width ends
    for text in expected:
        assert text in said
    assert "\x1b[" not in done.stdout


def test_samples_are_what_their_generator_makes() -> None:
    """Each can be made again, byte for byte."""
    generate = runpy.run_path(str(ROOT / "sample_files/generate.py"))
    assert generate["FILES"]
    for name in generate["FILES"]:
        assert generate["content"](name) == (ROOT / "sample_files" / name).read_text("utf-8")
