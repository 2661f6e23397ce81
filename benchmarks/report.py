"""Runs become medians, and medians one table. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import zip_longest
from statistics import median
from typing import Any, Final

from benchmarks.cases import CASES, RATIOS, Case, Ratio
from benchmarks.measurement import Measurement

#: Measurements of each case, by its name.
Runs = Mapping[str, Sequence[Measurement]]

#: A column's title, and whether it is set to the right.
_COLUMNS: Final = (
    *(("work", False), ("records", True), ("seconds", True), ("rows/s", True), ("CPU s", True)),
    *(("peak MB", True), ("requests", True)),
    *(("what counts", False), ("measured", True), ("goal", True), ("", False)),
)


def results(runs: Runs) -> dict[str, Any]:
    """All that was measured, as JSON takes it."""
    return {
        "cases": {
            name: {"median": _median(measured), "runs": [asdict(each) for each in measured]}
            for name, measured in runs.items()
        },
        "ratios": [
            {
                "case": ratio.case,
                "words": ratio.words,
                "over": ratio.over,
                "measured": value,
                "at_least": ratio.at_least,
                "at_most": ratio.at_most,
                "met": _met(ratio, value),
            }
            for ratio, value in _ratios(runs)
        ],
    }


def table(runs: Runs) -> str:
    """The medians in Markdown; a case that is held against two goals takes two rows."""
    rows = [[title for title, _ in _COLUMNS]]
    for case in CASES:
        if measured := runs.get(case.name):
            goals = [_goal_cells(*each) for each in _ratios(runs) if each[0].case == case.name]
            figures = [_figure_cells(case, _median(measured))]
            for left, right in zip_longest(figures, goals or [[""] * 4]):
                rows.append([*(left or [""] * 7), *right])
    return _markdown(rows)


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(3, *map(len, column)) for column in zip(*rows, strict=True)]
    rule = [
        "-" * (width - right) + ":" * right
        for width, (_, right) in zip(widths, _COLUMNS, strict=True)
    ]
    lines = []
    for row in (rows[0], rule, *rows[1:]):
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, (_, right) in zip(row, widths, _COLUMNS, strict=True)
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _figure_cells(case: Case, figures: Mapping[str, float]) -> list[str]:
    return [
        case.words,
        f"{figures['rows']:,.0f}" if case.input else "",
        f"{figures['load_seconds']:.2f}",
        f"{figures['rows_per_second']:,.0f}" if case.input else "",
        f"{figures['cpu_seconds']:.1f}",
        f"{figures['peak_mb']:.0f}",
        f"{figures['requests']:,.0f}" if "requests" in figures else "",
    ]


def _goal_cells(ratio: Ratio, value: float) -> list[str]:
    goal = ""
    if ratio.at_least is not None:
        goal = f"≥ {ratio.at_least:,g}"
    elif ratio.at_most is not None:
        goal = f"≤ {ratio.at_most:,g}"
    verdict = {True: "met", False: "not met", None: ""}[_met(ratio, value)]
    return [ratio.words, f"{value:,.0f}" if value >= 20 else f"{value:.2f}", goal, verdict]


def _ratios(runs: Runs) -> Iterator[tuple[Ratio, float]]:
    """Those whose cases were run, each the median over the turns."""
    for ratio in RATIOS:
        over = (ratio.over,) if isinstance(ratio.over, str) else ratio.over or ()
        if {ratio.case, *over} <= runs.keys():
            values = _values(runs[ratio.case], ratio.figure)
            of_each = [_values(runs[name], ratio.figure) for name in over]
            if not values or any(len(other) < len(values) for other in of_each):
                continue  # A run too short for it.
            if of_each:
                others = [sum(turn) for turn in zip(*of_each, strict=True)]
                # Turn by turn: a machine that slows down between two turns slows both cases.
                values = [
                    value - other if ratio.difference else value / other
                    for value, other in zip(values, others, strict=True)
                ]
            yield ratio, median(values)


def _values(measured: Sequence[Measurement], figure: str) -> list[float]:
    """One of each turn, if all have it."""
    values = [_figures(each).get(figure) for each in measured]
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else []


def _met(ratio: Ratio, value: float) -> bool | None:
    if ratio.at_least is not None:
        return value >= ratio.at_least
    return value <= ratio.at_most if ratio.at_most is not None else None


def _median(measured: Sequence[Measurement]) -> dict[str, float]:
    """The median of each figure by itself."""
    columns = [_figures(each) for each in measured]
    known = set[str].intersection(*map(set, columns))
    return {key: median(column[key] for column in columns) for key in columns[0] if key in known}


def _figures(measurement: Measurement) -> dict[str, float]:
    """Those that there are."""
    more = ("rows_per_second", "landed_per_second", "lost")
    figures = asdict(measurement) | {name: getattr(measurement, name) for name in more}
    return {key: value for key, value in figures.items() if value is not None}
