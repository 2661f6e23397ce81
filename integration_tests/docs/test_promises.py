"""Each promise of the documents names the test that holds it, and the test is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import chain

import pytest

from integration_tests.docs.markdown import ROOT, Text
from integration_tests.docs.promises import NO_PROMISE, PROMISES

SECTIONS = [(file, heading) for file, headings in PROMISES.items() for heading in headings]


def section(file: str, heading: str) -> Text:
    """What stands below a heading, or before the first one."""
    document = Text.of(file)
    return document.below(heading) if heading else Text(document.source.partition("\n## ")[0])


@pytest.mark.parametrize(("file", "heading"), SECTIONS)
def test_each_is_held(file: str, heading: str) -> None:
    """Every row and sentence has a test, and nothing has one that is not said."""
    text = section(file, heading)
    said = [*(Text(row[0]).words for row in text.rows), *text.sentences]
    assert [promise for promise in said if promise not in NO_PROMISE] == list(
        PROMISES[file][heading]
    )
    assert all(PROMISES[file][heading].values())


def test_no_section_is_left_out() -> None:
    """A new section of the page about failures needs its tests, too."""
    assert Text.of("docs/failures.md").headings[1:] == list(PROMISES["docs/failures.md"])[1:]


def test_what_promises_nothing_is_said() -> None:
    """What is excused stands somewhere."""
    said = chain.from_iterable(section(*place).sentences for place in SECTIONS)
    assert set(said) >= NO_PROMISE


def test_the_tests_are_there() -> None:
    """pytest itself finds each test that is named, and would run it."""
    named = {
        test
        for headings in PROMISES.values()
        for promises in headings.values()
        for test in chain.from_iterable(promises.values())
    }
    collected = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *named],
        cwd=ROOT,
        # Of the tests that run this one: they are xdist's and pytest's own.
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    missing = re.findall(r"not found: (.*)", collected.stdout + collected.stderr)
    assert collected.returncode == 0, missing or collected.stdout[-2_000:]
