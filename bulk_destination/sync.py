"""The walk of a sync: lines in, batches to the service, settled states out."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, Generic, TypeVar

from bulk_destination.connection import Connection
from bulk_destination.delivery.concurrency import ConcurrencyLimit
from bulk_destination.delivery.delivery import Delivery
from bulk_destination.delivery.inbox import (
    Arrived,
    Failed,
    Inbox,
    QuotaWait,
    Report,
    RequestSettled,
    Retries,
    SourceEnded,
)
from bulk_destination.delivery.outages import Outages, host_of
from bulk_destination.delivery.quotas import MINUTE
from bulk_destination.delivery.throttling import Throttling, running_status
from bulk_destination.errors import (
    InterruptedSyncError,
    LedgerError,
    SyncError,
)
from bulk_destination.http.client import READ_TIMEOUT, BulkClient
from bulk_destination.http.pacing import RetryPolicy
from bulk_destination.intake import UNREADABLE, Intake
from bulk_destination.ledger import Ledger
from bulk_destination.look.dry_run import DryRun
from bulk_destination.look.progress import Progress
from bulk_destination.mapping.record_mapper import Payload
from bulk_destination.mapping.values import Rejected, Skipped
from bulk_destination.protocol.checkpoints import MOST_IN_MEMORY, Checkpoints
from bulk_destination.protocol.lines import LongLine
from bulk_destination.protocol.messages import Message, StateMessage, envelope, is_envelope
from bulk_destination.protocol.spool import Spool
from bulk_destination.rejected.object_storage import ObjectStorage, open_object_storage
from bulk_destination.rejected.rejected_files import RejectedFiles
from bulk_destination.rejected.rejected_records import folder
from bulk_destination.verdict import Verdict, is_refused, nothing_accepted, verdict

logger = logging.getLogger("airbyte")

#: States that may wait; a source with more of them is slowed, as it is by `MOST_IN_MEMORY` bytes.
MAX_WAITING_STATES: Final = 10_000
#: Bytes of states that may wait on disk while nothing was accepted: to slow the source for those
#: would be a standstill.
MAX_PARKED_BYTES: Final = 1_000_000_000

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a sync takes from the world, so that a test can hand in another."""

    clock: Callable[[], float] = time.monotonic
    retry_policy: RetryPolicy | None = None
    #: The minute of a quota, in seconds.
    minute: float = MINUTE
    #: Unix time, in seconds.
    now: Callable[[], float] = time.time
    #: Seconds for one answer.
    read_timeout: float = READ_TIMEOUT


@dataclass(slots=True)
class Sync(Generic[Item]):
    """One run of `write`.

    `read` turns what the source gives (a line, or the CDK's message) into a message of ours, and
    `line_of` into the line that it is or would be. With a `storage`, rejected records are saved
    there before a state behind them leaves.
    """

    connection: Connection
    read: Callable[[Item], Message]
    line_of: Callable[[Item], bytes]
    storage: ObjectStorage | None = None
    surroundings: Surroundings = field(default_factory=Surroundings)
    #: Shown the counts as they change.
    watch: Callable[[Ledger], None] | None = None
    ledger: Ledger = field(default_factory=Ledger)
    _intake: Intake[Item] = field(init=False)
    _inbox: Inbox[Item] = field(default_factory=Inbox)
    _checkpoints: Checkpoints = field(init=False)
    _files: RejectedFiles | None = field(init=False, default=None)
    _delivery: Delivery = field(init=False)
    _throttling: Throttling = field(init=False)
    _outages: Outages = field(init=False)
    _progress: Progress = field(init=False)
    #: Whether the source has ended, and nothing is under way.
    _all_settled: bool = False
    #: Lines that leave before the next states.
    _announcements: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        config, catalog = self.connection.config, self.connection.catalog
        self._intake = Intake(self.read, catalog, self.connection.route.mapper, self.ledger)
        self._checkpoints = Checkpoints(len(catalog.streams), catalog.find, Spool())
        quotas = self.connection.route.quotas
        if quotas:
            quotas = replace(quotas, seconds=self.surroundings.minute)
        self._throttling = Throttling(quotas)
        there = self.connection.route.endpoint
        self._outages = Outages(f"{there.service} at {host_of(there.url)}")
        self._progress = Progress(self.surroundings.clock())
        if self.storage is not None:
            self._files = RejectedFiles(
                self.storage,
                folder(self.connection.route.stream),
                self.surroundings.clock,
                self.surroundings.now,
            )
        stopping = threading.Event()
        policy = self.surroundings.retry_policy or RetryPolicy(
            give_up_after=config.max_retry_seconds
        )
        route = self.connection.route
        self._delivery = Delivery(
            lambda: BulkClient(
                route.endpoint,
                policy,
                stopping.wait,
                now=self.surroundings.now,
                read_timeout=self.surroundings.read_timeout,
                tell=lambda *retry: self._inbox.report(Retries(*retry)),
            ),
            route.endpoint.max_items,
            _limit(config.requests_in_flight),
            merges=route.mapper.merges,
            report=self._inbox.report,
            clock=self.surroundings.clock,
            stopping=stopping,
            quotas=quotas,
        )

    def run(self, source: Iterable[list[Item]]) -> Iterator[bytes]:
        """Loads all of `source`; yields each state's line once all before it is safe.

        Between them are lines that say when the quota holds the sync up.
        Raises a SyncError, or what the source raised; what is settled by then has left as states
        before it.
        """
        began = self.surroundings.clock()
        for words in self.connection.warnings:
            logger.warning(words)
        try:
            self._inbox.read_from(source)
            yield from self._take_all()
            yield from self._finish()
        except Exception:
            yield from self._wind_up()
            raise
        finally:
            self._delivery.stop()
            self._inbox.close()
            self._close_ledger(self.surroundings.clock() - began)
        self._verify()

    def interrupt(self, signal_name: str) -> None:
        """Ends the sync early; callable from a signal handler."""
        if self._files is not None:
            self._files.hurry()
        self._inbox.report(
            Failed(InterruptedSyncError(f"The sync was stopped by {signal_name}. Run it again"))
        )

    def _take_all(self) -> Iterator[bytes]:
        while True:
            match self._inbox.next(self._next_due()):
                case SourceEnded():
                    return
                case Arrived(items):
                    self._take(items)
                    if not self._has_room:
                        yield from self._make_room()
                case None:
                    pass
                case report:
                    self._note(report)
            self._delivery.send_due()
            yield from self._leaving()

    def _make_room(self) -> Iterator[bytes]:
        """Reads on only when what waits in memory has become less."""
        if self._crowded:
            self._delivery.send_all()
        while self._delivery.under_way and not self._has_room:
            yield from self._wait()
        if not self._has_room:  # states behind rejected records
            self._save()
            yield from self._leaving()
            # One large state behind one rejected record is no reason to give up.
            waiting = self._checkpoints
            if self._states_stay and (
                len(waiting) >= MAX_WAITING_STATES or waiting.size >= MAX_PARKED_BYTES
            ):
                raise nothing_accepted(self.ledger, self.connection.route)

    def _finish(self) -> Iterator[bytes]:
        self._delivery.send_all()
        while self._delivery.under_way:
            yield from self._wait()
        self._all_settled = True
        self._save()
        yield from self._leaving()

    def _wind_up(self) -> Iterator[bytes]:
        """Lets requests under way finish, and what they settled leave."""
        self._delivery.stop()
        self._delivery.join()
        while (report := self._inbox.next(0)) is not None:
            if isinstance(report, RequestSettled):
                self._settle(report)
        try:
            self._save()
        except SyncError as error:
            # What ended the sync is told; this only keeps states back.
            logger.warning(str(error))
        yield from self._states_leaving()

    def _wait(self) -> Iterator[bytes]:
        """Takes the next report that is no input, if one comes in time."""
        report = self._inbox.next_but_input(self._progress.due_in(self.surroundings.clock()))
        if report is not None:
            self._note(report)
        yield from self._leaving()

    def _next_due(self) -> float:
        """Seconds until something is to be sent, saved or said."""
        due = [self._delivery.next_due(), self._progress.due_in(self.surroundings.clock())]
        if self._files is not None and not self._states_stay:
            due.append(self._files.next_due())
        return min(seconds for seconds in due if seconds is not None)

    def _take(self, items: list[Item]) -> None:
        # One loop with all it needs at hand, and payloads first: it turns for each record.
        ledger, files = self.ledger, self._files
        take, add = self._intake.take, self._delivery.add
        for item in items:
            taken = take(item)
            if type(taken) is tuple:
                if files is not None:
                    files.keep(ledger.read, self.line_of(item))
                identity, body, key = taken
                add(ledger.read, identity, body, key)
            elif taken is not None:
                self._take_other(item, taken)

    def _take_other(self, item: Item, taken: Payload | Rejected | Skipped | StateMessage) -> None:
        position = self.ledger.read
        if isinstance(taken, StateMessage):
            self._checkpoints.arrived(taken, position, self._intake.records)
        elif isinstance(taken, Skipped):
            self.ledger.skip(taken.reason, empty=taken.empty)
        elif isinstance(taken, Rejected):
            self._count_rejected(position, self._intake.stream, taken.reason)
            if self._files is None:
                return
            if isinstance(item, LongLine):
                self._files.save_long(item)
                return
            line = self.line_of(item)
            if taken is UNREADABLE and not is_envelope(line):
                stream = self.connection.route.stream
                line = envelope(line, stream.name, stream.namespace)
            self._files.reject(position, line, taken.reason)

    def _count_rejected(self, position: int, stream: int | None, reason: str) -> None:
        self.ledger.reject(position, reason)
        self._checkpoints.rejected(position, stream)

    @property
    def _has_room(self) -> bool:
        return self._delivery.has_room and not self._crowded

    @property
    def _crowded(self) -> bool:
        """Whether what waits behind open batches is too much."""
        lines = self._files is not None and not self._files.has_room
        states = len(self._checkpoints) >= MAX_WAITING_STATES
        return lines or states or self._checkpoints.size >= MOST_IN_MEMORY

    def _note(self, report: Report | Failed) -> None:
        match report:
            case RequestSettled():
                self._settle(report)
                if is_refused(self.ledger):
                    raise nothing_accepted(self.ledger, self.connection.route)
                if self._throttling.is_over(self.surroundings.clock()):
                    self._announce()
            case QuotaWait():
                self._say_wait(report)
            case Retries(cause, lasted, left):
                now = self.surroundings.clock()
                if words := self._outages.retried(cause, lasted, left, now):
                    logger.warning(words)
            case _:
                raise report.error

    def _say_wait(self, wait: QuotaWait) -> None:
        words = self._throttling.waits(
            wait.seconds, wait.of_identities, self.ledger.waiting, self.surroundings.clock()
        )
        if words:
            logger.info(words)
            self._announce(limited_for=wait.seconds)

    def _announce(self, limited_for: float | None = None) -> None:
        """Has the platform show the stream as rate limited, or as running again."""
        now = self.surroundings.now()
        reset = None if limited_for is None else int((now + limited_for) * 1000)
        stream = self.connection.route.stream
        self._announcements.append(running_status(stream, int(now * 1000), reset))

    def _settle(self, report: RequestSettled) -> None:
        settlement = report.settlement
        self.ledger.accepted += settlement.records - len(settlement.rejections)
        self.ledger.refused += len(settlement.rejections)
        self.ledger.merged += settlement.merged
        refused = {rejection.position: rejection for rejection in settlement.rejections}
        for position, rejection in refused.items():
            self._count_rejected(position, 0, rejection.reason)
        if self._files is not None:
            for position in settlement.positions:
                line = self._files.settled(position)
                if rejected := refused.get(position):
                    self._files.reject(position, line, rejected.reason, rejected.answer)
        self._delivery.request_settled(report)

    def _leaving(self) -> Iterator[bytes]:
        if self._files is not None:
            self._files.save_if_full()
            if not self._states_stay:
                self._files.save_due()
        self._say_progress()
        announcements, self._announcements = self._announcements, []
        yield from announcements
        yield from self._states_leaving()

    def _say_progress(self) -> None:
        now = self.surroundings.clock()
        if self.watch is not None or not self._progress.due_in(now):
            self._count_requests()
            if self.watch is not None:
                self.watch(self.ledger)
            if words := self._progress.line(self.ledger, now):
                logger.info(words)

    def _states_leaving(self) -> Iterator[bytes]:
        if self._states_stay:
            return iter(())
        unsaved = None if self._files is None else self._files.first_unsaved
        firsts = [each for each in (self._delivery.first_unsettled(), unsaved) if each is not None]
        return self._checkpoints.settled([min(firsts, default=None)])

    def _save(self) -> None:
        """Saves all rejected records, unless they will be read again or saving has failed."""
        if self._files is not None and not self._states_stay and not self._files.failed:
            self._files.save()

    @property
    def _states_stay(self) -> bool:
        """While nothing could be accepted, the fault may be in the configuration.

        States stay then, so that a corrected run begins where this one did: until something is
        accepted, or all is settled and the verdict lets them go. Where files hold all that was
        rejected they may leave before, as long as the service is not asked.
        """
        if not self.ledger.none_accepted:
            return False
        if self._all_settled:
            return self._verdict.states_stay
        return not self._kept or self.ledger.empty > 0 or self._delivery.begun

    @property
    def _kept(self) -> bool:
        """Whether files hold, or will, all that was rejected."""
        return self._files is not None and self._files.rejected == self.ledger.rejected.total()

    @property
    def _verdict(self) -> Verdict:
        most = self.connection.config.max_rejected_percent
        return verdict(self.ledger, self.connection.route, most, kept=self._kept)

    def _close_ledger(self, seconds: float) -> None:
        adjustments = self.connection.route.mapper.adjustments
        self.ledger.truncated, self.ledger.left_out = adjustments.truncated, adjustments.left_out
        self._count_requests()
        if self.ledger.accepted:
            for warning in self.connection.route.mapper.warnings():
                logger.warning(warning)
        if self.ledger.rejected:
            logger.warning(f"Rejected records: {self.ledger.reasons()}")
        if self.ledger.skipped:
            logger.info(f"Skipped records: {self.ledger.skips()}")
        if self._files is not None and self._files.files:
            logger.info(f"Saved {self._files.saved} rejected records in {self._files.files} files")
        logger.info(self.ledger.line(seconds))

    def _count_requests(self) -> None:
        self.ledger.requests = self._delivery.requests
        self.ledger.retries = self._delivery.retries
        self.ledger.throttled = self._delivery.throttled_seconds

    def _verify(self) -> None:
        if not self.ledger.balances:
            raise LedgerError("the counts do not add up: see the ledger in the log")
        judged = self._verdict
        if judged.warning is not None:
            logger.warning(judged.warning)
        if judged.error is not None:
            raise judged.error


def _limit(requests_in_flight: int | None) -> ConcurrencyLimit:
    """The number that was given, or one to be found."""
    if requests_in_flight is None:
        return ConcurrencyLimit()
    return ConcurrencyLimit(*[requests_in_flight] * 3)


def walk_of(
    connection: Connection,
    read: Callable[[Item], Message],
    line_of: Callable[[Item], bytes],
    program: str,
    surroundings: Surroundings | None = None,
) -> Sync[Item] | DryRun[Item]:
    """A sync, or a dry run where the configuration asks for one; `program` is who asks S3.

    Where rejected records go is proven to work. Raises ConfigurationError or ObjectStorageError.
    """
    if connection.config.dry_run:
        return DryRun(connection, read)
    storage = open_object_storage(connection.config.object_storage_config, program)
    if storage is not None:
        storage.prove()
    return Sync(connection, read, line_of, storage, surroundings or Surroundings())
