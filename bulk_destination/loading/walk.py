"""The walk of records: what a source gives in, batches to the service, what is settled out."""

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

from bulk_destination.connection import Connection
from bulk_destination.delivery.deliveries import Deliveries
from bulk_destination.delivery.inbox import (
    Arrived,
    Failed,
    Inbox,
    OfEndpoint,
    QuotaWait,
    RequestSettled,
    Retries,
    Said,
    SourceEnded,
)
from bulk_destination.delivery.settlement import Rejection
from bulk_destination.errors import (
    InterruptedSyncError,
    LedgerError,
    SourceFailedError,
    StreamsFailedError,
    SyncError,
    TooMuchHeldError,
)
from bulk_destination.intake import Intake, Run
from bulk_destination.ledger import Ledger, Ledgers
from bulk_destination.loading.surroundings import Surroundings
from bulk_destination.loading.ways import Way, deliveries_by, files_of, ways_of
from bulk_destination.look.progress import Progress, by_stream
from bulk_destination.mapping.stream import Stream
from bulk_destination.mapping.values import CORRECTED, UNREADABLE, Rejected, Skipped
from bulk_destination.protocol.checkpoints import MOST_IN_MEMORY, Checkpoints
from bulk_destination.protocol.lines import LongLine
from bulk_destination.protocol.messages import Message, StateMessage, envelope, is_envelope
from bulk_destination.protocol.spool import Spool
from bulk_destination.rejected.object_storage import ObjectStorage
from bulk_destination.rejected.rejected_files import (
    MAX_KEPT_BYTES,
    RejectedFiles,
    save_fullest,
)
from bulk_destination.verdict import (
    Verdict,
    is_lost,
    is_refused,
    lost,
    nothing_accepted,
    too_many,
    verdict,
)

#: States that may wait; a source with more of them is slowed, as it is by `MOST_IN_MEMORY` bytes.
MAX_WAITING_STATES: Final = 10_000
#: Bytes of states that may wait on disk while nothing was accepted: to slow the source for those
#: would be a standstill.
MAX_PARKED_BYTES: Final = 1_000_000_000
#: Bytes in memory of what waits for the end of the source, where that is asked for.
MAX_HELD_BYTES: Final = 100_000_000

Item = TypeVar("Item")

#: Each stream's first record that is not settled; None if all are.
Firsts = Sequence[int | None]


class Log(Protocol):
    """Where a walk says what it does; a `logging.Logger` is one."""

    def info(self, words: str, /) -> None: ...

    def warning(self, words: str, /) -> None: ...


@dataclass(slots=True)
class Walk(Generic[Item]):
    """One load, until all that its source gave is settled.

    `read` turns what the source gives (lines, or the CDK's messages) into messages of ours, and
    `line_of` one of them into the line that it is or would be. With a `storage`, rejected records
    are saved there before a state behind them may leave.
    """

    connection: Connection
    read: Callable[[Sequence[Item]], Iterator[Message]]
    line_of: Callable[[Item], bytes]
    storage: ObjectStorage | None = None
    surroundings: Surroundings = field(default_factory=Surroundings)
    #: Shown the counts as they change.
    watch: Callable[[Ledger], None] | None = None
    #: Told when something waits for a quota: the service, for how many seconds, and whether only
    #: single identities do.
    waits: Callable[[str, float, bool], None] | None = None
    #: Told of each stream whether its quota holds it up, and for how many seconds.
    limited: Callable[[Stream, float | None], None] | None = None
    log: Log = field(default_factory=lambda: logging.getLogger("airbyte"))
    #: States that came, until they leave.
    checkpoints: Checkpoints = field(init=False)
    _ledgers: Ledgers = field(init=False)
    _intake: Intake[Item] = field(init=False)
    _inbox: Inbox[Item] = field(default_factory=Inbox)
    #: By stream; the last are of what belongs to none, of one stream alone the same.
    _files: list[RejectedFiles] = field(init=False)
    _ways: list[Way] = field(init=False)
    _delivery: Deliveries = field(init=False)
    _progress: Progress = field(init=False)
    #: Whether the source has ended, and nothing is under way.
    _all_settled: bool = False
    #: Of several streams those that were given up; None: as nothing of it was accepted.
    _given_up: dict[int, SyncError | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        catalog, routes = self.connection.catalog, self.connection.routes
        self._ledgers = Ledgers(len(routes))
        self.checkpoints = Checkpoints(len(routes), catalog.find, Spool())
        self._progress = Progress(self.surroundings.clock())
        self._files = files_of(routes, self.storage, self.surroundings)
        self._ways = ways_of(routes, self.surroundings.minute)
        self._delivery = deliveries_by(
            self._ways, self.connection, self.surroundings, self._inbox.report
        )
        mappers = [route.mapper for route in routes]
        self._intake = Intake(self.read, catalog, mappers, self._ledgers, self._delivery.endpoints)

    @property
    def ledgers(self) -> Ledgers:
        """The counts, stream by stream."""
        return self._ledgers

    @property
    def ledger(self) -> Ledger:
        """The counts of all streams."""
        return self._ledgers.all

    @property
    def position(self) -> int:
        """The number of the record taken last, from 1."""
        return self._intake.position

    def run(self, source: Iterable[list[Item]]) -> Generator[Firsts]:
        """Loads all of `source`; yields what is settled, whenever that may have changed.

        Raises a SyncError, or what the source raised; what is settled by then was told before it.
        """
        began = self.surroundings.clock()
        self._say_warnings()
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

    def _say_warnings(self) -> None:
        for words in self.connection.warnings:
            self.log.warning(words)
        routes = self.connection.routes
        for route in routes:
            of = f"Stream {route.stream}: " if len(routes) > 1 else ""
            for words in route.notices:
                self.log.warning(of + words)

    def interrupt(self, by: str) -> None:
        """Ends the sync early; callable from any thread and from a signal handler."""
        for files in self._files:
            files.hurry()
        self._inbox.report(
            Failed(InterruptedSyncError(f"The sync was stopped by {by}. Run it again"))
        )

    def _take_all(self) -> Iterator[Firsts]:
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

    def _make_room(self) -> Iterator[Firsts]:
        """Reads on only when what waits in memory has become less."""
        if (held := self._delivery.held_bytes) is not None:
            if held + self._kept_bytes >= MAX_HELD_BYTES or self._crowds_the_disk:
                raise TooMuchHeldError(self.connection.routes[0].endpoint.service)
            return
        if self._crowded:
            self._delivery.send_all()
        while self._delivery.under_way and not self._has_room:
            yield from self._wait()
        if not self._has_room:  # states behind rejected records
            self._save()
            yield from self._leaving()
            # One large state behind one rejected record is no reason to give up.
            if len(self.checkpoints) >= MAX_WAITING_STATES or self._crowds_the_disk:
                self._give_up_staying()

    def _give_up_staying(self) -> None:
        """Waits no longer for streams of which nothing could be accepted, for all their states."""
        if self._is_lost:
            self._raise_failures()
        for stream, stays in enumerate(self._staying):
            if stays:
                self._give_up(stream)
                self.checkpoints.discard(stream)

    def _give_up(self, stream: int, error: SyncError | None = None) -> None:
        """Sends no more of a stream, and goes on with the others; raises where there is none."""
        if stream in self._given_up:
            return
        self._given_up[stream] = error
        if len(self._given_up) == len(self.connection.routes):
            self._raise_failures()
        self._delivery.give_up(stream)
        self.checkpoints.close(stream)
        if self._files:
            self._files[stream].forget_kept()
        name = self.connection.routes[stream].stream
        self.log.warning(f"Stream {name} is given up, the others go on: {self._error_of(stream)}")

    def _error_of(self, stream: int) -> SyncError:
        """Why a stream was given up."""
        ledger, route = self._ledgers.of_streams[stream], self.connection.routes[stream]
        return self._given_up[stream] or nothing_accepted(ledger, route)

    def _finish(self) -> Iterator[Firsts]:
        if self._delivery.held_bytes is not None and (sign := self._intake.breaks_off):
            raise SourceFailedError(self.connection.routes[0].endpoint.service, sign)
        if self._delivery.held_bytes:
            yield from self._listen_once_more()
        self._delivery.end()
        while self._delivery.under_way:
            yield from self._wait()
        self._all_settled = True
        self._save()
        yield from self._leaving()
        if self._given_up:
            self._verify()  # What is under way of them still has its time to end.

    def _listen_once_more(self) -> Iterator[Firsts]:
        """Who ends a source by a signal ends this process, too, and may do so a moment later."""
        report = self._inbox.next_but_input(self.surroundings.patience.first)
        if report is not None:
            self._note(report)
        yield from self._leaving()

    def _wind_up(self) -> Iterator[Firsts]:
        """Lets requests under way finish, and what they settled leave."""
        self._delivery.stop()
        self._delivery.join()
        while (report := self._inbox.next(0)) is not None:
            if isinstance(report, OfEndpoint) and isinstance(report.report, RequestSettled):
                self._settle(report.endpoint, report.report)
        try:
            self._save()
        except SyncError as error:
            # What ended the sync is told; this only keeps states back.
            self.log.warning(str(error))
        yield self._firsts()

    def _wait(self) -> Iterator[Firsts]:
        """Takes the next report that is no input, if one comes in time."""
        report = self._inbox.next_but_input(self._progress.due_in(self.surroundings.clock()))
        if report is not None:
            self._note(report)
        yield from self._leaving()

    def _next_due(self) -> float:
        """Seconds until something is to be sent, saved or said."""
        due = [self._delivery.next_due(), self._progress.due_in(self.surroundings.clock())]
        due += [files.next_due() for files in self._files_to_save()]
        return min(seconds for seconds in due if seconds is not None)

    def _take(self, items: list[Item]) -> None:
        for taken in self._intake.take(items):
            if isinstance(taken, Run):
                self._take_run(taken)
            else:
                self._take_other(*taken)

    def _take_run(self, run: Run[Item]) -> None:
        taken = self._delivery.add(run.endpoint, run.payloads)
        if self._files:
            for position, stream in zip(taken.positions, taken.streams, strict=True):
                self._files[stream].keep(position, self.line_of(run.item(position)))

    def _take_other(self, item: Item, taken: Rejected | Skipped | StateMessage) -> None:
        position, stream = self._intake.position, self._intake.stream
        if isinstance(taken, StateMessage):
            self.checkpoints.arrived(taken, position, self._intake.records)
        elif isinstance(taken, Skipped):
            self._ledgers.of(stream).skip(taken.reason, empty=taken.empty)
            self._take_back(stream, taken.takes_back, taken.reason)
        else:
            self._take_back(stream, taken.takes_back, CORRECTED.reason)
            self._count_rejected(position, stream, taken.reason)
            if self._files:
                files = self._files[-1 if stream is None else stream]
                self._keep_rejected(files, item, position, taken)

    def _take_back(self, stream: int | None, key: str | None, reason: str) -> None:
        if stream is None or key is None:
            return
        for position in self._delivery.take_back(stream, key):
            self._ledgers.of(stream).skip(reason, empty=False)
            if self._files:
                self._files[stream].settled(position)

    def _keep_rejected(
        self, files: RejectedFiles, item: Item, position: int, rejected: Rejected
    ) -> None:
        if isinstance(item, LongLine):
            files.save_long(item)
            return
        line = self.line_of(item)
        if rejected is UNREADABLE and not is_envelope(line):
            # A record needs the name of a stream. It is judged by what is in it, so any will do.
            stream = self.connection.routes[0].stream
            line = envelope(line, stream.name, stream.namespace)
        files.reject(position, line, rejected.reason)

    def _count_rejected(self, position: int, stream: int | None, reason: str) -> None:
        self._ledgers.of(stream).reject(position, reason)
        self.checkpoints.rejected(position, stream)

    @property
    def _has_room(self) -> bool:
        return self._delivery.has_room and not self._crowded

    @property
    def _crowded(self) -> bool:
        """Whether what waits behind open batches is too much."""
        lines = self._kept_bytes >= MAX_KEPT_BYTES
        states = len(self.checkpoints) >= MAX_WAITING_STATES
        return lines or states or self.checkpoints.size >= MOST_IN_MEMORY

    @property
    def _kept_bytes(self) -> int:
        """Bytes of lines that are kept until their records are settled."""
        return sum(files.kept_bytes for files in self._files)

    @property
    def _crowds_the_disk(self) -> bool:
        return self.checkpoints.size >= MAX_PARKED_BYTES

    def _note(self, told: OfEndpoint | Failed) -> None:
        if isinstance(told, Failed):
            raise told.error
        match told.report:
            case RequestSettled() as report:
                self._settle(told.endpoint, report)
                self._give_up_refused()
                if self._ways[told.endpoint].throttling.is_over(self.surroundings.clock()):
                    self._announce(told.endpoint)
            case QuotaWait() as wait:
                self._say_wait(told.endpoint, wait)
            case Retries(cause, lasted, left):
                outages, now = self._ways[told.endpoint].outages, self.surroundings.clock()
                if words := outages.retried(cause, lasted, left, now):
                    self.log.warning(words)
            case Said(said):
                self.log.info(said)
            case report:
                self._give_up_endpoint(told.endpoint, report.error)

    def _give_up_endpoint(self, endpoint: int, error: BaseException) -> None:
        """Nothing more goes there. What is good of the others lands first, if that can be."""
        if self._delivery.has_ended(endpoint):
            return
        if not isinstance(error, SyncError):
            raise error
        for stream in self._ways[endpoint].streams:
            self._give_up(stream, error)

    def _give_up_refused(self) -> None:
        """A stream of which the service refused all is sent no more."""
        for stream, ledger in enumerate(self._ledgers.of_streams):
            if is_refused(ledger):
                self._give_up(stream)

    def _say_wait(self, endpoint: int, wait: QuotaWait) -> None:
        way = self._ways[endpoint]
        waiting = sum(self._ledgers.of_streams[stream].waiting for stream in way.streams)
        if self.waits is not None:
            self.waits(way.routes[0].endpoint.service, wait.seconds, wait.of_identities)
        now = self.surroundings.clock()
        if words := way.throttling.waits(wait.seconds, wait.of_identities, waiting, now):
            self.log.info(words)
            self._announce(endpoint, limited_for=wait.seconds)

    def _announce(self, endpoint: int, limited_for: float | None = None) -> None:
        if self.limited is not None:
            for route in self._ways[endpoint].routes:
                self.limited(route.stream, limited_for)

    def _settle(self, endpoint: int, report: RequestSettled) -> None:
        settlement = report.settlement
        refused = {rejection.position: rejection for rejection in settlement.rejections}
        for stream, positions in self._delivery.settled(endpoint, report).items():
            ledger = self._ledgers.of_streams[stream]
            rejected = [refused[each] for each in positions if each in refused] if refused else []
            ledger.accepted += len(positions) - len(rejected)
            ledger.refused += len(rejected)
            for rejection in rejected:
                self._count_rejected(rejection.position, stream, rejection.reason)
            if self._files and stream not in self._given_up:
                self._settle_lines(self._files[stream], positions, refused)
            elif self._files:
                for rejection in rejected:  # Its line is not kept: it is to be read again.
                    self._delivery.leave(stream, rejection.position)
            ledger.merged += settlement.merged_by_stream.get(stream, 0)
        if not settlement.streams:
            self._ledgers.of_streams[self._ways[endpoint].streams[0]].merged += settlement.merged

    def _settle_lines(
        self, files: RejectedFiles, positions: Sequence[int], refused: Mapping[int, Rejection]
    ) -> None:
        for position in positions:
            line = files.settled(position)
            if rejected := refused.get(position):
                files.reject(position, line, rejected.reason, rejected.answer)

    def _leaving(self) -> Iterator[Firsts]:
        save_fullest(self._files)
        for files in self._files_to_save():
            files.save_due()
        self._say_progress()
        yield self._firsts()

    def _say_progress(self) -> None:
        now = self.surroundings.clock()
        if self.watch is not None or not self._progress.due_in(now):
            self._count_requests()
            ledger = self.ledger
            if self.watch is not None:
                self.watch(ledger)
            if words := self._progress.line(ledger, now):
                self.log.info(words)
                if len(self.connection.routes) > 1:
                    names = (str(route.stream) for route in self.connection.routes)
                    self.log.info(by_stream(zip(names, self._ledgers.of_streams, strict=True)))

    def _firsts(self) -> Firsts:
        staying = self._staying
        # What belongs to no stream, and is in no file yet, holds all of them.
        lost = self._files[-1].first_unsaved if self._files else None
        return [self._first_unsettled(stream, lost, stays) for stream, stays in enumerate(staying)]

    def _first_unsettled(self, stream: int, lost: int | None, stays: bool) -> int | None:
        """The first record of a stream behind which no state may leave."""
        if stays:
            return 0
        unsaved = self._files[stream].first_unsaved if self._files else None
        firsts = (self._delivery.first_unsettled(stream), unsaved, lost)
        return min((each for each in firsts if each is not None), default=None)

    def _files_to_save(self) -> list[RejectedFiles]:
        """Those whose records will not be read again."""
        if not self._files:
            return []
        staying = self._staying
        if len(self._files) > len(staying):
            staying = [*staying, all(staying)]
        return [files for files, stays in zip(self._files, staying, strict=True) if not stays]

    def _save(self) -> None:
        """Saves all rejected records, unless they will be read again or saving has failed."""
        for files in self._files_to_save():
            if not files.failed:
                files.save()

    @property
    def _staying(self) -> list[bool]:
        """Of each stream, whether its states stay.

        While nothing could be accepted, the fault may be in the configuration. States stay then,
        so that a corrected run begins where this one did: until something is accepted, or all is
        settled and the verdict lets them go. Where files hold all that was rejected they may leave
        before, as long as the service is not asked.
        """
        return [self._stays(stream) for stream in range(len(self.connection.routes))]

    def _stays(self, stream: int) -> bool:
        ledger = self._ledgers.of_streams[stream]
        if not ledger.none_accepted:
            return self._is_lost
        if self._all_settled:
            return self._verdict(stream).states_stay
        is_asked = bool(ledger.waiting or ledger.refused)
        return not self._kept(stream) or ledger.empty > 0 or is_asked

    @property
    def _is_lost(self) -> bool:
        """Whether all that came so far belongs to no stream of several."""
        return is_lost(self._ledgers)

    def _kept(self, stream: int) -> bool:
        """Whether files hold, or will, all that was rejected."""
        rejected = self._ledgers.of_streams[stream].rejected.total()
        return bool(self._files) and self._files[stream].rejected == rejected

    def _verdict(self, stream: int) -> Verdict:
        most = self.connection.config.max_rejected_percent
        route, ledger = self.connection.routes[stream], self._ledgers.of_streams[stream]
        return verdict(ledger, route, most, kept=self._kept(stream))

    def _close_ledger(self, seconds: float) -> None:
        self._count_requests()
        several = len(self.connection.routes) > 1
        for route, ledger in zip(self.connection.routes, self._ledgers.of_streams, strict=True):
            of = f" of stream {route.stream}" if several else ""
            adjustments = route.mapper.adjustments
            ledger.truncated, ledger.left_out = adjustments.truncated, adjustments.left_out
            if ledger.accepted:
                for warning in route.mapper.warnings():
                    self.log.warning(f"Stream {route.stream}: {warning}" if several else warning)
            if ledger.rejected:
                self.log.warning(f"Rejected records{of}: {ledger.reasons()}")
            if ledger.skipped:
                self.log.info(f"Skipped records{of}: {ledger.skips()}")
            if several:
                self.log.info(ledger.line(seconds, str(route.stream)))
        if several and self._ledgers.elsewhere.rejected:
            self.log.warning(f"Rejected records of no stream: {self._ledgers.elsewhere.reasons()}")
        if files := sum(each.files for each in self._files):
            saved = sum(each.saved for each in self._files)
            self.log.info(f"Saved {saved} rejected records in {files} files")
        self.log.info(self.ledger.line(seconds))

    def _count_requests(self) -> None:
        ledger = self._ledgers.elsewhere
        ledger.requests = self._delivery.requests
        ledger.retries = self._delivery.retries
        ledger.throttled = self._delivery.throttled_seconds

    def _verify(self) -> None:
        for stream, ledger in enumerate(self._ledgers.of_streams):
            # Of one that was given up, the rest was read and left.
            if not ledger.balances and stream not in self._given_up:
                raise LedgerError("the counts do not add up: see the ledger in the log")
        self._raise_failures()

    def _raise_failures(self) -> None:
        """Raises the error of each stream that failed."""
        routes = self.connection.routes
        errors: list[tuple[str, SyncError]] = []
        for stream, route in enumerate(routes):
            given_up = stream in self._given_up
            judged = Verdict(self._error_of(stream)) if given_up else self._verdict(stream)
            if judged.warning is not None:
                several = f"Stream {route.stream}: " if len(routes) > 1 else ""
                self.log.warning(several + judged.warning)
            if judged.error is not None:
                errors.append((str(route.stream), judged.error))
        if errors and len(routes) == 1:
            raise errors[0][1]
        if errors:
            raise StreamsFailedError(errors)
        most = self.connection.config.max_rejected_percent
        if error := lost(self._ledgers, routes) or too_many(self._ledgers, routes, most):
            raise error
