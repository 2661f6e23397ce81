"""What follows behind: the newest piece of work wins, and an old one ends."""

import threading

from bulk_destination.studio.behind import Behind, Told

PATIENCE = 30


def test_newer_work_ends_what_is_under_way() -> None:
    """And what is shown is its outcome alone."""
    behind, begun, goes_on = Behind(), threading.Event(), threading.Event()
    ended: list[str] = []

    def slow(told: Told) -> str:
        begun.set()
        assert goes_on.wait(PATIENCE)
        told(1)
        ended.append("slow")
        return "slow"

    done = threading.Event()

    def quick(told: Told) -> str:
        told(7)
        done.set()
        return "quick"

    first = behind.start(slow)
    assert begun.wait(PATIENCE)
    second = behind.start(quick)
    goes_on.set()
    assert done.wait(PATIENCE)
    assert second.finished.wait(PATIENCE)
    assert (second.done, second.result, second.at) == (True, "quick", 7)
    assert (first.result, ended) == (None, [])


def test_an_error_is_kept_for_who_waits() -> None:
    def fails(told: Told) -> None:
        raise ValueError("no")

    behind = Behind()
    job = behind.start(fails)
    assert job.finished.wait(PATIENCE)
    assert isinstance(job.error, ValueError)
