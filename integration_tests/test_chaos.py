"""A short chaos: seeded runs under all faults, some of them killed. The long one: `make chaos`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from integration_tests.chaos.deletion import delete_under_faults
from integration_tests.chaos.play import Figures, play
from integration_tests.chaos.scenario import KINDS, Service

SEED, LARGEST = 1, 1_200
RUNS: list[tuple[Service, int]] = [("heap", run) for run in range(12)]
RUNS += [("hackle", run) for run in (0, 2)]


def test_a_short_chaos() -> None:
    """Nothing lost, doubled, early or shown, whatever fails; what must hold is `chaos.verdict`."""
    met = Figures()
    with ThreadPoolExecutor(2) as pool:
        for figures in pool.map(lambda run: play(run[0], SEED, run[1], LARGEST), RUNS):
            met.add(figures)
    assert met.runs == len(RUNS)
    assert met.streams >= met.runs + 6  # six of Heap's load several
    assert met.deaths >= 3
    assert met.rejected > 0
    # Trouble of each kind is met, or the runs prove less than they say.
    kinds = {kind for kind, count in met.faults.items() if count}
    assert {"400", "413", "429", "500", "503", "reset-before", "reset-after"} <= kinds
    assert {"hang", "hang-after"} & kinds
    # How much of a request is still to come when it is answered early is a matter of moments.
    assert {*KINDS, "firewall"} - {"early"} <= kinds
    assert {"early", "unread"} & kinds


def test_a_short_chaos_of_deletions() -> None:
    """Nobody is deleted who was not asked for in the end, nor a state early, whatever fails."""
    with ThreadPoolExecutor(2) as pool:
        killed = sum(pool.map(delete_under_faults, range(12)))
    assert killed >= 3
