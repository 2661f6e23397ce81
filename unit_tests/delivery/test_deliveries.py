"""What goes to several endpoints, and what of each stream is not settled."""

import threading
from typing import NoReturn

from hypothesis import given, settings
from hypothesis import strategies as st

from bulk_destination.delivery.batches import Batch
from bulk_destination.delivery.concurrency import ConcurrencyLimit
from bulk_destination.delivery.deliveries import Deliveries
from bulk_destination.delivery.delivery import Delivery

STREAMS = 4
#: The streams of records that come together, or one stream to give up.
STEPS = st.lists(
    st.lists(st.integers(0, STREAMS - 1), min_size=1, max_size=6) | st.integers(0, STREAMS - 1),
    max_size=10,
)


def _nobody() -> NoReturn:
    raise AssertionError("nothing is full, so nothing is sent")


def _deliveries(endpoints: tuple[int, ...]) -> Deliveries:
    def delivery(number: int) -> Delivery:
        return Delivery(
            _nobody,
            1_000,
            ConcurrencyLimit(),
            merges=True,
            report=lambda _: None,
            clock=lambda: 0.0,
            stopping=threading.Event(),
            streams=[stream for stream, by in enumerate(endpoints) if by == number],
        )

    return Deliveries([delivery(number) for number in range(max(endpoints) + 1)], endpoints)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(STEPS, st.sampled_from([(0, 1, 2, 3), (0, 0, 1, 1), (0, 1, 0, 0), (0, 0, 0, 0)]))
def test_what_is_given_up_is_left_and_no_other(
    steps: list[list[int] | int], endpoints: tuple[int, ...]
) -> None:
    """Nothing of it is taken in, and it holds its states from the first record on that was not
    settled; so does each other stream, whichever shares its endpoint.
    """
    deliveries, came, given_up = _deliveries(endpoints), list[int](), set[int]()
    for step in steps:
        if isinstance(step, int):
            if step not in given_up:
                deliveries.give_up(step)
                given_up.add(step)
            continue
        records = [*enumerate(step, len(came) + 1)]
        came += step
        for endpoint in {endpoints[stream] for stream in step}:
            own = [each for each in records if endpoints[each[1]] == endpoint]
            positions, streams = zip(*own, strict=True)
            names = tuple(f"p{at}" for at in positions)
            batch = Batch(positions, names, tuple(b"{}" for _ in own), names, streams)
            taken = deliveries.add(endpoint, batch)
            assert [*zip(taken.positions, taken.streams, strict=True)] == [
                each for each in own if each[1] not in given_up
            ]
        for stream in range(STREAMS):
            first = came.index(stream) + 1 if stream in came else None
            assert deliveries.first_unsettled(stream) == first
