"""The long run on the command line; see the package's words."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

from chaos.play import FailedRunError, Figures, play
from chaos.quotas import load_at_full_speed
from chaos.scenario import LARGEST
from chaos.verdict import BrokenPromiseError


def main() -> int:
    """Exit code 0 if every promise held."""
    options = _options()
    began = time.monotonic()
    try:
        if options.run is None:
            # By itself: its figure is about waiting, and not about a busy machine.
            print(load_at_full_speed(), flush=True)
            figures = _all(options)
        else:
            figures = play(options.seed, options.run, options.largest)
    except (BrokenPromiseError, FailedRunError) as problem:
        print(problem, file=sys.stderr)
        return 1
    counts = {name: getattr(figures, name) for name in Figures.__slots__ if name != "faults"}
    counts |= {f"met {kind}": count for kind, count in sorted(figures.faults.items())}
    for name, count in counts.items():
        print(f"{name:<20}{count:>12,}")
    print(f"{'seconds':<20}{time.monotonic() - began:>12,.0f}")
    if options.run is None and figures.deaths < options.deaths:
        print(f"Only {figures.deaths} deaths: they prove too little", file=sys.stderr)
        return 1
    return 0


def _all(options: argparse.Namespace) -> Figures:
    """All runs, some at once."""
    total = Figures()
    with ThreadPoolExecutor(options.jobs) as pool:
        runs = [
            pool.submit(play, options.seed, run, options.largest) for run in range(options.runs)
        ]
        try:
            for done in as_completed(runs):
                total.add(done.result())
                if total.runs % 20 == 0:
                    print(f"{total.runs} of {options.runs} runs", flush=True)
            return total
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--run", type=int, help="this run of the seed alone")
    parser.add_argument("--runs", type=int, default=220, help="default: %(default)s")
    parser.add_argument("--deaths", type=int, default=20, help="at least; default: %(default)s")
    parser.add_argument(
        "--largest", type=int, default=LARGEST, help="rows of a run, at most; default: %(default)s"
    )
    parser.add_argument("--jobs", type=int, default=2, help="at once; default: %(default)s")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
