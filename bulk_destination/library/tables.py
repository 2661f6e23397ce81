"""Tables that values show themselves as: text for a terminal, HTML for a notebook. Pure.

Whatever is in a cell is shown and does nothing: HTML is escaped, and so are characters that a
terminal obeys.
"""

import html
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

#: Characters of a line, where nobody says how wide the terminal is.
_WIDTH: Final = 100


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a title; `notes` stand below it."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def as_text(self) -> str:
        """For a terminal."""
        # Here: it takes a while to import, and nothing else of a load needs it.
        from rich import box  # noqa: PLC0415
        from rich.console import Console  # noqa: PLC0415
        from rich.table import Table as RichTable  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        shown = RichTable(
            box=box.ROUNDED,
            show_header=bool(self.columns),
            show_lines=any("\n" in cell for row in self.rows for cell in row),
        )
        for column in self.columns or ("",) * max(map(len, self.rows), default=0):
            shown.add_column(Text(visible(column)), overflow="fold")
        for row in self.rows:
            shown.add_row(*(Text(visible(cell)) for cell in row))
        out = io.StringIO()
        console = Console(file=out, width=_WIDTH, color_system=None, legacy_windows=False)
        console.print(Text(visible(self.title)))
        if self.rows:
            console.print(shown)
        for note in self.notes:
            console.print(Text(f"! {visible(note)}"))
        return out.getvalue()

    def as_html(self) -> str:
        """For a notebook."""
        head = "".join(f"<th>{_escaped(each)}</th>" for each in self.columns)
        body = "".join(
            f"<tr>{''.join(f'<td>{_escaped(cell)}</td>' for cell in row)}</tr>" for row in self.rows
        )
        notes = "".join(f"<li>{_escaped(note)}</li>" for note in self.notes)
        return (
            f"<table><caption>{_escaped(self.title)}</caption>"
            + (f"<thead><tr>{head}</tr></thead>" if head else "")
            + f"<tbody>{body}</tbody></table>"
            + (f"<ul>{notes}</ul>" if notes else "")
        )


class Shown:
    """A value that shows itself as tables."""

    __slots__ = ()

    def tables(self) -> Iterator[Table]:
        """As what."""
        raise NotImplementedError

    def __str__(self) -> str:
        return "".join(table.as_text() for table in self.tables()).rstrip("\n")

    def _repr_html_(self) -> str:
        return "".join(table.as_html() for table in self.tables())


def visible(text: str) -> str:
    """`text` without what a terminal would obey, but for line ends."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each == "\n" else f"\\u{ord(each):04x}" for each in text
    )


def _escaped(text: str) -> str:
    shown = html.escape(visible(text).encode(errors="backslashreplace").decode())
    return f"<pre>{shown}</pre>" if "\n" in text else shown
