"""Everything that a sync does but sending: what `dry_run` and `preview` walk through."""

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Generic, NoReturn, TypeVar

from destination_heap_analytics.apis import Payload, make_api
from destination_heap_analytics.catalog import Stream
from destination_heap_analytics.config import Config
from destination_heap_analytics.errors import InterruptedSyncError
from destination_heap_analytics.intake import Intake, nothing_accepted
from destination_heap_analytics.ledger import Ledger
from destination_heap_analytics.messages import Message, StateMessage
from destination_heap_analytics.plan import Plan
from destination_heap_analytics.values import Rejected

logger = logging.getLogger("airbyte")

NOTHING_SENT: Final = (
    "This is a dry run: nothing is sent to Heap, and no state is passed on. Set dry_run to false "
    "to load"
)

Item = TypeVar("Item")


class DryRun(Generic[Item]):
    """One run of `write` with `dry_run`; `read` is as for a sync."""

    def __init__(self, config: Config, stream: Stream, read: Callable[[Item], Message]) -> None:
        self._config = config
        self._ledger = Ledger()
        api = make_api(config.api, stream)
        self._intake = Intake(read, stream.name, api, self._ledger)
        self.plan = Plan(config.app_id, api, config.requests_in_flight, config.quotas, self._ledger)

    def run(self, source: Iterable[list[Item]]) -> Iterator[bytes]:
        """Logs the plan for all of `source`; yields nothing.

        Raises NothingAcceptedError where a real sync would.
        """
        logger.info(NOTHING_SENT)
        for items in source:
            for item in items:
                self.take(item)
        self.plan.finish()
        for line in self.plan.lines():
            logger.info(line)
        logger.info(f"Plan: {json.dumps(self.plan.as_json())}")
        logger.info(NOTHING_SENT)
        if self._ledger.none_accepted:
            raise nothing_accepted(self._ledger, self._config.api)
        return iter(())

    def take(self, item: Item) -> Payload | Rejected | None:
        """What would become of `item`, and counts it; None if it is no record."""
        taken = self._intake.take(item)
        if isinstance(taken, tuple):
            self.plan.add(taken)
        elif isinstance(taken, Rejected):
            self._ledger.reject(self._ledger.read, taken.reason)
        return None if isinstance(taken, StateMessage) else taken

    def interrupt(self, signal_name: str) -> NoReturn:
        """Ends the run; for a signal handler."""
        raise InterruptedSyncError(f"The dry run was stopped by {signal_name}")
