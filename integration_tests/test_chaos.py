"""A short chaos: seeded runs under all faults, some of them killed. The long one: `make chaos`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from chaos.play import Figures, play

SEED, RUNS, LARGEST = 6, 12, 1_200


def test_a_short_chaos() -> None:
    """Nothing lost, doubled, early or shown, whatever fails; what must hold is `chaos.verdict`."""
    met = Figures()
    with ThreadPoolExecutor(2) as pool:
        for figures in pool.map(lambda run: play(SEED, run, LARGEST), range(RUNS)):
            met.add(figures)
    assert met.runs == RUNS
    assert met.deaths >= 3
    assert met.rejected > 0
    # Trouble of each kind is met, or the runs prove less than they say.
    kinds = {kind for kind, count in met.faults.items() if count}
    assert {"400", "413", "429", "500", "503", "reset-before", "reset-after"} <= kinds
    assert {"hang", "hang-after"} & kinds
