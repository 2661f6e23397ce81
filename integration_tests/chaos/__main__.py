"""The long run on the command line; see the package's words."""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

from integration_tests.chaos.play import FailedRunError, Figures, play
from integration_tests.chaos.quotas import load_at_full_speed
from integration_tests.chaos.scenario import APIS, LARGEST, Service
from integration_tests.chaos.verdict import BrokenPromiseError
from sandbox import typed

#: Runs of each service.
RUNS: dict[Service, int] = {"heap": 160, "hackle": 60}


def main() -> int:
    """Exit code 0 if every promise held."""
    options = _options()
    began = time.monotonic()
    figures: dict[Service, Figures]
    try:
        if options.run is not None:
            service: Service = options.service or "heap"
            figures = {service: play(service, options.seed, options.run, options.largest)}
        else:
            if options.service != "hackle":
                # By itself: its figure is about waiting, and not about a busy machine.
                print(load_at_full_speed(), flush=True)
            figures = _all(options)
    except (BrokenPromiseError, FailedRunError) as problem:
        print(problem, file=sys.stderr)
        return 1
    _print(figures)
    print(f"{'seconds':<20}{time.monotonic() - began:>12,.0f}")
    few = {service for service, met in figures.items() if met.deaths < options.deaths}
    if options.run is None and few:
        print(f"Too few deaths to prove much: {', '.join(sorted(few))}", file=sys.stderr)
        return 1
    return 0


def _print(figures: dict[Service, Figures]) -> None:
    """A column for each service."""
    names = [name for name in Figures.__slots__ if name != "faults"]
    kinds = sorted(set(itertools.chain(*(met.faults for met in figures.values()))))
    print(f"{'':<20}" + "".join(f"{service:>12}" for service in figures))
    for name in names:
        print(f"{name:<20}" + "".join(f"{getattr(met, name):>12,}" for met in figures.values()))
    for kind in kinds:
        print(f"met {kind:<16}" + "".join(f"{met.faults[kind]:>12,}" for met in figures.values()))


def _all(options: argparse.Namespace) -> dict[Service, Figures]:
    """All runs, some at once."""
    services: list[Service] = [options.service] if options.service else list(APIS)
    total = {service: Figures() for service in services}
    with ThreadPoolExecutor(options.jobs) as pool:
        runs = {
            pool.submit(play, service, options.seed, run, options.largest): service
            for service in services
            for run in range(options.runs or RUNS[service])
        }
        try:
            for count, done in enumerate(as_completed(runs), start=1):
                total[runs[done]].add(done.result())
                if count % 20 == 0:
                    print(f"{count} of {len(runs)} runs", flush=True)
            return total
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=typed.module("integration_tests.chaos"), description=__doc__
    )
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--service", choices=list(APIS), help="default: each in its turn")
    parser.add_argument("--run", type=int, help="this run of the seed alone")
    parser.add_argument("--runs", type=int, help=f"of each service; default: {RUNS}")
    parser.add_argument(
        "--deaths", type=int, default=10, help="of each, at least; default: %(default)s"
    )
    parser.add_argument(
        "--largest", type=int, default=LARGEST, help="rows of a run, at most; default: %(default)s"
    )
    # Most of a run is waiting: two for each core of a small machine.
    parser.add_argument("--jobs", type=int, default=4, help="at once; default: %(default)s")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
