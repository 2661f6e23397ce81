"""What a long sync says of itself."""

from bulk_destination.ledger import Ledger
from bulk_destination.look.progress import EVERY, Progress, by_stream


def test_every_ten_seconds() -> None:
    """Not before it is time; then the counts, and the rate of the last while."""
    progress = Progress(100.0)
    ledger = Ledger(read=5_000, accepted=4_000, retries=2, throttled=1.5)
    assert progress.line(ledger, 109.9) is None
    assert progress.due_in(109.0) == 1.0
    assert progress.line(ledger, 110.0) == (
        "So far: 5,000 records read (500/s), 4,000 accepted, 0 rejected, 2 retries, "
        "2 s held up by the quota"
    )
    ledger.read = 6_000
    line = progress.line(ledger, 120.0)
    assert line is not None
    assert "(100/s)" in line


def test_no_news_is_not_said() -> None:
    """A source that is silent for an hour fills no log."""
    progress, ledger = Progress(0.0), Ledger(read=1)
    assert progress.line(ledger, EVERY)
    assert progress.line(ledger, 2 * EVERY) is None
    ledger.accepted = 1
    assert progress.line(ledger, 3 * EVERY)


def test_each_of_several_streams_is_told() -> None:
    """By name; what has not begun is left out, and a long list ends."""
    one, two = Ledger(read=1_200, accepted=1_000), Ledger(read=3)
    two.reject(1, "why")
    assert by_stream([("`a`", one), ("`b`", Ledger()), ("`c`", two)]) == (
        "By stream: `a` 1,200 read, 1,000 accepted; `c` 3 read, 0 accepted, 1 rejected"
    )
    assert by_stream([(f"`{n}`", one) for n in range(40)]).endswith("; and 30 more")
