"""Everything that a sync does but sending: what `dry_run` and `preview` walk through."""

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, NoReturn, TypeVar

from bulk_destination.connection import Connection
from bulk_destination.errors import InterruptedSyncError
from bulk_destination.intake import UNREADABLE, Intake
from bulk_destination.ledger import Ledger
from bulk_destination.look.plan import Plan
from bulk_destination.mapping.record_mapper import Payload
from bulk_destination.mapping.values import Rejected, Skipped
from bulk_destination.protocol.messages import Message, StateMessage

logger = logging.getLogger("airbyte")

Item = TypeVar("Item")


class DryRun(Generic[Item]):
    """One run of `write` with `dry_run`; `read` is as for a sync, `tells_all` as for a plan."""

    def __init__(
        self,
        connection: Connection,
        read: Callable[[Item], Message],
        *,
        tells_all: bool = False,
    ) -> None:
        self._connection = connection
        self._ledger = Ledger()
        self._intake = Intake(read, connection.catalog, connection.route.mapper, self._ledger)
        self.plan = Plan(connection, self._ledger, tells_all=tells_all)

    def run(self, source: Iterable[list[Item]]) -> Iterator[bytes]:
        """Logs the plan for all of `source`; yields nothing.

        Raises the error that a real sync would end with, as far as it can be known.
        """
        logger.info(self._nothing_sent)
        for items in source:
            for item in items:
                self.take(item)
        self.plan.finish()
        for line in self.plan.lines():
            logger.info(line)
        logger.info(f"Plan: {json.dumps(self.plan.as_json())}")
        logger.info(self._nothing_sent)
        if (error := self.plan.verdict.error) is not None:
            raise error
        return iter(())

    def take(self, item: Item) -> Payload | Rejected | Skipped | None:
        """What would become of `item`, and counts it; None if it is no record."""
        taken = self._intake.take(item)
        if isinstance(taken, tuple):
            self.plan.add(taken)
        elif isinstance(taken, Skipped):
            self._ledger.skip(taken.reason, empty=taken.empty)
        elif isinstance(taken, Rejected):
            self._ledger.reject(self._ledger.read, taken.reason)
            if taken is UNREADABLE:
                self.plan.keeps_all = False
        return None if isinstance(taken, StateMessage) else taken

    @property
    def _nothing_sent(self) -> str:
        return (
            f"This is a dry run: nothing is sent to {self.plan.service}, and no state is passed "
            "on. Set dry_run to false to load"
        )

    def interrupt(self, signal_name: str) -> NoReturn:
        """Ends the run; for a signal handler."""
        raise InterruptedSyncError(f"The dry run was stopped by {signal_name}")
