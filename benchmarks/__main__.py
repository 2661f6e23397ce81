"""`python -m benchmarks`: runs the cases in turn, prints one table, writes it as JSON."""

import argparse
import json
import sys
from pathlib import Path

from benchmarks.cases import CASES, PARTS
from benchmarks.machine import Watch, machine
from benchmarks.measurement import ROOT, Measurement, measure, resized
from benchmarks.report import results, table
from sandbox import typed

DIRECTORY = ROOT / ".cache" / "benchmarks"
READING = (
    "Seconds and rows/s count from the first line read, after the start of Python; "
    "CPU and peak memory are the whole process's; a MB is 1,000,000 bytes. "
    "What counts is compared turn by turn."
)
#: Above this share of all cores, times are not to be trusted.
MUCH_OTHER_WORK = 0.1


def main() -> None:
    """Runs what the command line asks for."""
    asked = _arguments()
    parts = asked.parts or [part for part in PARTS if part != "base" or asked.base]
    names = asked.cases or [case.name for case in CASES if case.part in parts]
    cases = [resized(case, asked.scale, asked.rows) for case in CASES if case.name in names]
    # Also for cases that read nothing: what a program says is kept there, too.
    asked.directory.mkdir(parents=True, exist_ok=True)
    for case in cases:
        for given in (case.input, case.start_aside):
            if given:
                given.path(asked.directory)
    _say(f"inputs in {asked.directory}")
    runs: dict[str, list[Measurement]] = {case.name: [] for case in cases}
    watch = Watch()
    # In turn, so that whatever else the machine does meets all of them.
    for number in range(1, asked.runs + 1):
        for case in cases:
            measured = measure(case, asked.directory, asked.base or ROOT)
            runs[case.name].append(measured)
            speed = f"{measured.rows_per_second:,.0f} rows/s, " if measured.rows else ""
            _say(f"run {number} of {asked.runs}: {case.name}: {speed}{measured.wall_seconds:.1f} s")
    others = watch.others_share()
    print(f"{table(runs)}\n\n{READING} Medians of {asked.runs} turn(s). {machine()}")
    for words in _not_as_it_should(asked, others):
        print(words)
    asked.results.parent.mkdir(parents=True, exist_ok=True)
    asked.results.write_text(
        json.dumps(
            {"machine": machine(), "others_share": others, "runs": asked.runs, **results(runs)},
            indent=2,
        )
    )
    _say(f"written to {asked.results}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=typed.module("benchmarks"), description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, help="all by default")
    parser.add_argument("--cases", nargs="+", choices=[case.name for case in CASES])
    parser.add_argument("--runs", type=_one_or_more, default=3, help="of each case, in turn: 3")
    parser.add_argument("--rows", type=_one_or_more, help="records of each case, at most")
    parser.add_argument("--scale", type=float, default=1.0, help="0.01 takes 1 %% of the records")
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help="for the input files")
    parser.add_argument("--results", type=Path, default=DIRECTORY / "results.json")
    parser.add_argument("--base", type=Path, help="another checkout, with a .venv, to compare with")
    asked = parser.parse_args()
    named = asked.cases or asked.parts or ()
    if asked.base is None and any(
        case.of_base and {case.name, case.part} & {*named} for case in CASES
    ):
        parser.error("--base is needed for these")
    return asked


def _one_or_more(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("1 or more")
    return number


def _not_as_it_should(asked: argparse.Namespace, others: float | None) -> list[str]:
    """Why the figures say less than they could."""
    said = []
    if asked.scale != 1 or asked.rows:
        said.append("Fewer records than the goals are set for.")
    if others is not None and others > MUCH_OTHER_WORK:
        said.append(f"Other work took {others:.0%} of the machine: repeat it when that is over.")
    return said


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
