"""Plans and reports as tables: whatever is in a cell is shown and does nothing."""

from __future__ import annotations

import pickle
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulk_destination.library.report import Reason, Report
from bulk_destination.library.tables import Table

HOSTILE = "<script>alert(1)</script>\x1b[2J\u202e</td>&amp;"


class Parsed(HTMLParser):
    """Its tags, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.said = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not attrs

    def handle_data(self, data: str) -> None:
        self.said += data


@pytest.mark.parametrize("place", ["title", "column", "cell", "note"])
def test_nothing_in_a_table_does_anything(place: str) -> None:
    """Neither in a notebook nor in a terminal."""
    parts = {
        each: HOSTILE if each == place else "x" for each in ("title", "column", "cell", "note")
    }
    table = Table(parts["title"], (parts["column"],), ((parts["cell"],),), (parts["note"],))
    parsed = Parsed(table.as_html())
    assert parsed.tags == {"table", "caption", "thead", "tr", "th", "tbody", "td", "ul", "li"}
    assert HOSTILE.replace("\x1b", "\\u001b").replace("\u202e", "\\u202e") in parsed.said
    text = table.as_text()
    assert "alert(1)" in text
    assert not {"\x1b", "\u202e"} & {*text}


@settings(deadline=None)
@given(st.text(st.characters(), max_size=40))
def test_any_text_can_be_shown(text: str) -> None:
    """Half a character, too."""
    table = Table(text, (text,), ((text,),), (text,))
    assert Parsed(table.as_html()).tags <= {
        *("table", "caption", "thead", "tr", "th", "tbody", "td", "ul", "li", "pre")
    }
    table.as_html().encode()
    assert "\x1b" not in table.as_text()


REPORT = Report(
    read=12_000,
    accepted=11_000,
    rejected_by_reason=(Reason("identity_missing", 900, 17), Reason("event_blank", 50, 3)),
    skipped_by_reason=(Reason("deleted_in_source", 50),),
    settled=12_000,
    requests=12,
    retries=1,
    seconds=3.25,
    property_names=("a", "b"),
    warnings=("`c` (property_columns) was in no record",),
)


def test_a_report() -> None:
    """In a terminal, to the letter."""
    assert REPORT.rejected == 950
    assert REPORT.skipped == 50
    lines = str(REPORT).splitlines()
    assert [line.strip("│ ").split("│") for line in lines if "identity_missing" in line] == [
        ["rejected: identity_missing (first: 17) ", " 900"]
    ]
    assert lines[-1] == "! `c` (property_columns) was in no record"
    parsed = Parsed(REPORT._repr_html_())
    assert "12,000" in parsed.said
    assert "identity_missing (first: 17)" in parsed.said


def test_reports_travel_and_add_up() -> None:
    """As those of tasks on other machines do."""
    assert pickle.loads(pickle.dumps(REPORT)) == REPORT
    other = Report(read=5, accepted=4, rejected_by_reason=(Reason("event_blank", 1, 2),), seconds=9)
    total = sum([REPORT, other], Report())
    assert (total.read, total.accepted, total.rejected, total.seconds) == (12_005, 11_004, 951, 9)
    assert total.rejected_by_reason == (
        Reason("identity_missing", 900, 17),
        Reason("event_blank", 51, 2),
    )
    assert sum([other, REPORT], Report()) == total
