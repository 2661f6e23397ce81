"""docs/python.md and its reference; `integration_tests/recipes` runs what needs other packages."""

from __future__ import annotations

import ast
import inspect

import destination_hackle
import destination_heap_analytics
from integration_tests.docs.markdown import Text
from integration_tests.docs.python_reference import FUNCTIONS, PAGE, page

DOCUMENT = Text.of("docs/python.md")


def test_the_reference_is_current() -> None:
    """`make reference` would change nothing."""
    assert PAGE.read_text(encoding="utf-8") == page(), "say `make reference`"


def test_all_that_is_there_is_documented() -> None:
    """Every name of either package but the CDK's class is in the reference."""
    reference = Text.of("docs/python-reference.md")
    for package in (destination_heap_analytics, destination_hackle):
        for name in package.__all__:
            assert hasattr(package, name)
            if not name.startswith("Destination"):
                assert f"`{name}`" in reference.headings or name in reference.source
    for name in FUNCTIONS:
        assert inspect.getdoc(getattr(destination_hackle, name))


def test_examples_import_what_there_is() -> None:
    """No example names a function, or an argument, that a package does not have."""
    for block in DOCUMENT.blocks("python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module == "destination_heap_analytics":
                for alias in node.names:
                    assert alias.name in destination_heap_analytics.__all__
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in FUNCTIONS
            ):
                function = getattr(destination_heap_analytics, node.func.id)
                known = inspect.signature(function).parameters
                assert {each.arg for each in node.keywords} <= known.keys()
