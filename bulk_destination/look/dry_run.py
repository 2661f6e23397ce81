"""Everything that a sync does but sending: what `dry_run` and `preview` walk through."""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, NoReturn, TypeVar

from bulk_destination.connection import Connection
from bulk_destination.errors import (
    InterruptedSyncError,
    StreamsFailedError,
    SyncError,
)
from bulk_destination.intake import Intake, Run
from bulk_destination.ledger import Ledgers
from bulk_destination.look.plan import Plan, quota_seconds
from bulk_destination.mapping.record_mapper import Payload
from bulk_destination.mapping.stream import Stream
from bulk_destination.mapping.values import CORRECTED, UNREADABLE, Rejected, Skipped
from bulk_destination.protocol.messages import Message, StateMessage
from bulk_destination.verdict import lost, too_many

logger = logging.getLogger("airbyte")

Item = TypeVar("Item")


class DryRun(Generic[Item]):
    """One run of `write` with `dry_run`; `read` is as for a sync, `tells_all` as for a plan."""

    def __init__(
        self,
        connection: Connection,
        read: Callable[[Sequence[Item]], Iterator[Message]],
        *,
        tells_all: bool = False,
    ) -> None:
        self._routes = routes = connection.routes
        self.warnings = connection.warnings
        self._most_percent = connection.config.max_rejected_percent
        self.ledgers = Ledgers(len(routes))
        mappers = [route.mapper for route in routes]
        # As if all went to one endpoint: they stay in order.
        self._intake = Intake(read, connection.catalog, mappers, self.ledgers, [0] * len(routes))
        #: The number of the record or line taken last, and that of its stream; None: of none in
        #: the catalog.
        self.position = 0
        self.stream: int | None = None
        #: One for each stream.
        self.plans = [
            Plan(connection, ledger, number=number, tells_all=tells_all)
            for number, ledger in enumerate(self.ledgers.of_streams)
        ]
        self.service = routes[0].endpoint.service

    def run(self, source: Iterable[list[Item]]) -> Iterator[bytes]:
        """Logs the plan for all of `source`; yields nothing.

        Raises the error that a real sync would end with, as far as it can be known.
        """
        logger.info(self._nothing_sent)
        for items in source:
            for _ in self.take(items):
                pass
        self.finish()
        for plan in self.plans:
            if len(self.plans) > 1:
                logger.info(f"Stream {plan.stream}:")
            for line in plan.lines():
                logger.info(line)
        if len(self.plans) > 1:
            for line in self._lines_of_all():
                logger.info(line)
        logger.info(f"Plan: {json.dumps(self.as_json())}")
        logger.info(self._nothing_sent)
        if error := self._error:
            raise error
        return iter(())

    def _lines_of_all(self) -> Iterator[str]:
        """The sum of several streams, as lines of a log."""
        yield "All streams:"
        ledger = self.ledgers.all
        yield ledger.planned()
        if reasons := self.ledgers.elsewhere.reasons():
            yield f"Rejected, of no stream: {reasons}"
        if seconds := self.quota_seconds:
            yield f"{self.service}'s quota would hold the sync up for {seconds:,.0f} s"
        for words in self.warnings:
            yield f"Look at this: {words}"

    @property
    def _error(self) -> SyncError | None:
        """What a sync would end with."""
        errors = [
            (str(plan.stream), error)
            for plan in self.plans
            if (error := plan.verdict.error) is not None
        ]
        if errors:
            return errors[0][1] if len(self.plans) == 1 else StreamsFailedError(errors)
        return self.error_of_all

    @property
    def error_of_all(self) -> SyncError | None:
        """What a sync of several streams would end with, though none of them would fail."""
        if len(self.plans) == 1 or any(plan.verdict.error for plan in self.plans):
            return None
        most = self._most_percent
        return lost(self.ledgers, self._routes) or too_many(
            self.ledgers, self._routes, most, planned=True
        )

    @property
    def would_fail(self) -> str | None:
        """With what words a sync would then fail."""
        return None if self._error is None else f"A sync would fail: {self._error}"

    @property
    def one_of_several(self) -> Stream | None:
        """Of several, the one that the record taken last is of; None where it is of none."""
        number = self.stream
        return None if number is None or len(self.plans) == 1 else self._routes[number].stream

    def finish(self) -> None:
        """No more comes."""
        for plan in self.plans:
            plan.finish()

    @property
    def quota_seconds(self) -> float:
        """For how long the quotas would hold the sync up; streams share them."""
        return quota_seconds(self.plans)

    def as_json(self) -> dict[str, Any]:
        """The plan for machines; of several streams the sums, and each one's by its name."""
        found = [plan.as_json() for plan in self.plans]
        if len(found) == 1:
            return found[0]
        ledger = self.ledgers.all
        names = [plan.stream for plan in self.plans]
        return {
            "nothing_was_sent": True,
            "read": ledger.read,
            "would_be_sent": ledger.accepted,
            "rejected": ledger.rejected.total(),
            "rejected_by_reason": dict(ledger.rejected.most_common()),
            "rejected_first_at": ledger.first_position,
            "skipped": ledger.skipped.total(),
            "skipped_by_reason": dict(ledger.skipped.most_common()),
            "requests": sum(plan["requests"] for plan in found),
            "bytes": sum(plan["bytes"] for plan in found),
            "quota_seconds": round(self.quota_seconds, 1),
            "warnings": list(self.warnings),
            "would_fail": self.would_fail,
            "streams": [
                {"stream": stream.name, "namespace": stream.namespace, **plan}
                for stream, plan in zip(names, found, strict=True)
            ],
        }

    def take(self, items: Sequence[Item]) -> Iterator[tuple[Item, Payload | Rejected | Skipped]]:
        """What would become of each record among `items`, in order; counts it."""
        for item in items:
            # One by one: what the mapper has counted by then is of no later record.
            for found in self._intake.take((item,)):
                if isinstance(found, Run):
                    of = found.payloads
                    [self.position], [self.stream] = of.positions, of.streams
                    payload = of.identities[0], of.bodies[0], of.keys[0]
                    self.plans[self.stream].add(payload)
                    yield item, payload
                elif not isinstance(found[1], StateMessage):
                    self.position, self.stream = self._intake.position, self._intake.stream
                    self._count(found[1])
                    yield item, found[1]

    def _count(self, taken: Rejected | Skipped) -> None:
        stream = self.stream
        ledger = self.ledgers.of(stream)
        if isinstance(taken, Skipped):
            ledger.skip(taken.reason, empty=taken.empty)
            self.plans[stream or 0].take_back(taken.takes_back, taken.reason)
            return
        self.plans[stream or 0].take_back(taken.takes_back, CORRECTED.reason)
        ledger.reject(self.position, taken.reason)
        if taken is UNREADABLE:
            for plan in self.plans:
                plan.keeps_all = False

    @property
    def _nothing_sent(self) -> str:
        return (
            f"This is a dry run: nothing is sent to {self.service}, and no state is passed "
            "on. Set dry_run to false to load"
        )

    def interrupt(self, signal_name: str) -> NoReturn:
        """Ends the run; for a signal handler."""
        raise InterruptedSyncError(f"The dry run was stopped by {signal_name}")
