"""Reads Markdown as far as the documents of this project use it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_CELL = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True)
class Text:
    """A document, or the part of it below a heading."""

    source: str

    @classmethod
    def of(cls, file: str) -> Text:
        """A document of the project, by its path."""
        return cls((ROOT / file).read_text(encoding="utf-8"))

    def below(self, heading: str) -> Text:
        """What stands below a heading, the sections within it included."""
        plain = _FENCE.sub(lambda block: " " * len(block[0]), self.source)
        found = [match for match in _HEADING.finditer(plain) if match[2] == heading]
        assert len(found) == 1, f"{len(found)} headings {heading!r}"
        (begin,) = found
        ends = (
            match.start()
            for match in _HEADING.finditer(plain, begin.end())
            if len(match[1]) <= len(begin[1])
        )
        return Text(self.source[begin.end() : next(ends, None)])

    @property
    def headings(self) -> list[str]:
        """All headings, top first."""
        return [match[2] for match in _HEADING.finditer(_FENCE.sub("", self.source))]

    def blocks(self, language: str) -> list[str]:
        """The fenced blocks of one language."""
        return [match[2] for match in _FENCE.finditer(self.source) if match[1] == language]

    @property
    def words(self) -> str:
        """As it reads: links by their texts, without the marks of code and bold."""
        return re.sub(r"`|\*\*", "", _LINK.sub(r"\1", self.source)).strip()

    @property
    def sentences(self) -> list[str]:
        """The sentences of the paragraphs, as they read; tables, blocks and headings are none."""
        plain = _HEADING.sub("", _FENCE.sub("", self.source))
        lines = [line for line in plain.splitlines() if not line.startswith(("|", "!["))]
        paragraphs = "\n".join(lines).split("\n\n")
        return [
            sentence
            for paragraph in paragraphs
            for sentence in re.split(r"(?<=\.)\s+", " ".join(Text(paragraph).words.split()))
            if sentence
        ]

    @property
    def commands(self) -> list[str]:
        """The shell commands, one a line."""
        blocks = "".join(self.blocks("sh")).replace("\\\n", " ")
        return blocks.splitlines()

    @property
    def rows(self) -> list[list[str]]:
        """The rows of all tables, without their heads, each a list of cells."""
        lines = _FENCE.sub("", self.source).splitlines()
        return [
            _cells(line)
            for before, line in zip(["", *lines], lines, strict=False)
            if line.startswith("|") and before.startswith("|") and not _is_rule(line)
        ]

    @property
    def table(self) -> dict[str, list[str]]:
        """The rows by their first cells, which differ."""
        table = {row[0]: row[1:] for row in self.rows}
        assert len(table) == len(self.rows), "two rows begin alike"
        assert table
        return table


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in _CELL.split(line.strip())[1:-1]]


def _is_rule(line: str) -> bool:
    return set(line) <= set("|-: ")


def code(cell: str) -> str:
    """What stands between the backticks of a cell that has nothing else."""
    found = re.fullmatch(r"`([^`]*)`|`` (.*) ``", cell)
    assert found, f"{cell} is not `code`"
    return found[1] if found[1] is not None else found[2]
