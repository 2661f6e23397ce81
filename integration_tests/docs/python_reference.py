"""Makes docs/python-reference.md of the docstrings; `make reference` writes it, a test compares it.

A function's docstring has paragraphs, and lists under `Args:` and `Raises:`; a class of values has
a comment of the kind `#:` before each of its fields.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import bulk_destination.errors
import destination_heap_analytics
from bulk_destination.library.plan import LoadPlan, PropertyPlan, Sample
from bulk_destination.library.report import Reason, Report

PAGE = Path(__file__).parents[2] / "docs/python-reference.md"
FUNCTIONS = ("load", "preview", "check", "load_partition", "share")
VALUES = (Report, Reason, LoadPlan, PropertyPlan, Sample)

_LIST = re.compile(r"^(Args|Raises):\n((?:[ ]{4}.*\n?|\n)+)", re.MULTILINE)
#: What stands before a name in a signature.
_MODULES = re.compile(r"(?:collections\.abc|typing|bulk_destination[\w.]*)\.")
_TITLES = {"Args": "argument", "Raises": "error"}


def page() -> str:
    """The page, as it should be."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Reference of the functions for Python"
    yield ""
    yield "Made of the docstrings by `make reference`; [From Python](python.md) has examples."
    yield "All are in the package of each connector, `destination_heap_analytics` and"
    yield "`destination_hackle`; so are `Report`, `LoadPlan` and the errors."
    for name in FUNCTIONS:
        yield from _function(name, getattr(destination_heap_analytics, name))
    for value in VALUES:
        yield from _value(value)
    yield from ("", "## Errors", "", "```")
    yield from _tree(inspect.getdoc(bulk_destination.errors) or "")
    yield "```"


def _function(name: str, function: Callable[..., object]) -> Iterator[str]:
    signature = inspect.signature(function)
    yield from ("", f"## `{name}`", "", "```python", f"{name}(")
    parameters = [*signature.parameters.values()]
    for before, parameter in zip([None, *parameters], parameters, strict=False):
        named = parameter.kind is parameter.KEYWORD_ONLY
        if named and (before is None or before.kind is not parameter.KEYWORD_ONLY):
            yield "    *,"
        yield f"    {_MODULES.sub('', str(parameter))},"
    returned = inspect.formatannotation(signature.return_annotation)
    yield from (f") -> {_MODULES.sub('', returned)}", "```")
    yield from _documented(inspect.getdoc(function) or "")


def _documented(text: str) -> Iterator[str]:
    at = 0
    for found in _LIST.finditer(text):
        yield from _paragraphs(text[at : found.start()])
        yield from ("", f"| {_TITLES[found[1]]} | |", "|---|---|")
        for entry in re.split(r"\n(?=\S)", textwrap.dedent(found[2]).strip()):
            name, _, words = entry.partition(":")
            yield f"| `{name}` | {_one_line(words)} |"
        at = found.end()
    yield from _paragraphs(text[at:])


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.strip().split("\n\n"):
        if paragraph:
            yield from ("", _one_line(paragraph))


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _value(value: type) -> Iterator[str]:
    yield from ("", f"## `{value.__name__}`")
    yield from _paragraphs(inspect.getdoc(value) or "")
    yield from ("", "| field | | |", "|---|---|---|")
    source = textwrap.dedent(inspect.getsource(value))
    lines = source.splitlines()
    (tree,) = ast.parse(source).body
    assert isinstance(tree, ast.ClassDef)
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            words = _comment_before(lines, node.lineno - 1)
            kind = ast.unparse(node.annotation).replace("|", "\\|")
            yield f"| `{node.target.id}` | `{kind}` | {words} |"
        elif isinstance(node, ast.FunctionDef) and any(
            isinstance(each, ast.Name) and each.id == "property" for each in node.decorator_list
        ):
            assert node.returns is not None
            kind, words = ast.unparse(node.returns), _one_line(ast.get_docstring(node) or "")
            yield f"| `{node.name}` | `{kind}` | {words} |"


def _comment_before(lines: list[str], at: int) -> str:
    words: list[str] = []
    while (line := lines[at - 1].strip()).startswith("#:"):
        words.insert(0, line.removeprefix("#:").strip())
        at -= 1
    assert words, f"nothing is said of `{lines[at].strip()}`"
    return _one_line(" ".join(words))


def _tree(text: str) -> Iterator[str]:
    _, _, block = text.partition("::\n\n")
    for line in block.splitlines():
        if line and not line.startswith(" "):
            return
        if line:
            yield line.removeprefix("    ").rstrip()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
