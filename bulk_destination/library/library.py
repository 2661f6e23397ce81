"""A connector's functions for callers in Python: `load`, `preview`, `check`."""

import logging
import queue
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import orjson

from bulk_destination.connection import Connection, Service, connect
from bulk_destination.connection_check import failed_check
from bulk_destination.delivery import threads
from bulk_destination.errors import ConfigurationError, Fault, SyncError
from bulk_destination.ledger import Ledger
from bulk_destination.library.feed import Feed, Taken
from bulk_destination.library.partitions import PartitionLoad, shared
from bulk_destination.library.plan import LoadPlan, Sample, plan_of
from bulk_destination.library.report import Report, reasons, report_of
from bulk_destination.library.rows import Item, RowReader, primary_key_of
from bulk_destination.loading.surroundings import Surroundings
from bulk_destination.loading.walk import Walk
from bulk_destination.look.dry_run import DryRun
from bulk_destination.mapping.record_mapper import Payload
from bulk_destination.mapping.spelling import did_you_mean, nearest
from bulk_destination.mapping.stream import Stream
from bulk_destination.mapping.values import Rejected, Skipped
from bulk_destination.rejected.object_storage import open_object_storage

#: What a table's rows are got by, in place of the table itself; it is known by what it has.
_TABLES: Final = {
    ("iter_rows",): "its `iter_rows(named=True)`",
    ("to_pylist",): "its `to_pylist()`, or that of each of its batches",
    ("to_dict", "columns"): 'its `to_dict("records")`',
    ("foreachPartition",): "them by `foreachPartition(load_partition(config))`",
}
#: Seconds between two reports of progress.
_PROGRESS_EVERY: Final = 0.2
#: Seconds for which the caller's thread waits without looking whether a signal came.
_LOOK_EVERY: Final = 0.5

Key = str | Sequence[str | Sequence[str]]


@dataclass(frozen=True, slots=True)
class Library:
    """The functions of the connector of one service; they share nothing but that."""

    service: Service[Any]
    surroundings: Surroundings = field(default_factory=Surroundings)

    def load(
        self,
        config: Mapping[str, Any],
        rows: Iterable[Mapping[str, Any]],
        *,
        stream: str = "rows",
        namespace: str | None = None,
        schema: Mapping[str, Any] | None = None,
        primary_key: Key | None = None,
        progress: Callable[[Report], object] | None = None,
        settled: Callable[[int], object] | None = None,
    ) -> Report:
        """Loads rows into the service, and returns when each of them is settled.

        It keeps the promises of Airbyte's `write`, by the same code: quotas, order of one user's
        updates, retries, rejected records in files if the configuration says so.

        Args:
            config: what Airbyte's form asks for, as the same JSON.
            rows: mappings of column to value; any iterable, also one that never is in memory as a
                whole. It is read in the calling thread. What becomes of values is in
                docs/python.md.
            stream: a name for the rows. It is part of what an event is known by, so name a table
                the same each time, and as Airbyte does if both load it.
            namespace: the same, where streams of several schemas or databases have one name.
            schema: the JSON schema of a row, if a misspelled column shall be an error at once.
            primary_key: a column, or several, by which events are known: a row that is loaded once
                more adds nothing, even if it has changed. Without it that is the whole row.
            progress: called with a report of what is known so far, some times a second.
            settled: called with the number of leading rows that are safe: accepted, or rejected and
                written down. A load that ends early is gone on with from there.

        Both are called in the calling thread, between two rows and while the last requests are
        waited for. What they raise ends the load.

        Raises:
            ConfigurationError: before anything is sent; with all faults that were found.
            SyncError: another of its kinds, as `write` fails. Its `report` has the counts, and a
                note of the exception how many leading rows are safe.
            TypeError: `rows` are no rows, but a table, a mapping or a text.

        What `rows` raise ends the load: requests under way are waited for, `settled` is called for
        the last time, and the error goes on, with the same note.
        """
        _refuse_tables(rows)
        reader = RowReader(stream, namespace)
        connection = self._connect(config, stream, namespace, schema, primary_key)
        _refuse_dry_run(connection)
        log = _Log(self.package)
        storage = open_object_storage(
            connection.config.object_storage_config, self.service.program, warn=log.warning
        )
        if storage is not None:
            storage.prove()
        walk: Walk[Item] = Walk(
            *(connection, reader.read, reader.line_of, storage, self.surroundings), log=log
        )
        return _Load(walk, reader, log, progress, settled).run(rows)

    def preview(
        self,
        config: Mapping[str, Any],
        rows: Iterable[Mapping[str, Any]],
        *,
        stream: str = "rows",
        namespace: str | None = None,
        schema: Mapping[str, Any] | None = None,
        primary_key: Key | None = None,
        samples: int = 3,
    ) -> LoadPlan:
        """What `load` would do with these rows. Reads all of them, sends nothing, asks nobody.

        The arguments are those of `load`; `samples` says how many of the first rows, and of the
        first rejected ones, are shown with what becomes of them.

        Raises:
            ConfigurationError: with all faults that were found.
            TypeError: `rows` are no rows, but a table, a mapping or a text.
        """
        _refuse_tables(rows)
        reader = RowReader(stream, namespace)
        connection = self._connect(config, stream, namespace, schema, primary_key)
        walk: DryRun[Item] = DryRun(connection, reader.read, tells_all=True)
        shown: list[Sample] = []
        rejected = 0
        for row in rows:
            for item, taken in walk.take([reader.item(row)]):
                is_rejected = isinstance(taken, Rejected)
                rejected += is_rejected
                if walk.position <= samples or (is_rejected and rejected <= samples):
                    shown.append(_sample(walk.position, reader.shown(item), taken))
        walk.finish()
        ledger = walk.ledgers.all
        return plan_of(
            self.service.name,
            walk.as_json(),
            rejected=reasons(ledger.rejected, ledger.first_position),
            skipped=reasons(ledger.skipped),
            samples=tuple(shown),
            warnings=tuple(reader.warnings()),
        )

    def check(self, config: Mapping[str, Any]) -> str | None:
        """Nothing if the configuration is sound and all that it names answers.

        Else the step that failed, and the way out. It adds nothing to the service's data, takes a
        minute at most and never raises.
        """
        return failed_check(self.service, config)

    def load_partition(
        self,
        config: Mapping[str, Any],
        *,
        stream: str = "rows",
        namespace: str | None = None,
        schema: Mapping[str, Any] | None = None,
        primary_key: Key | None = None,
    ) -> PartitionLoad:
        """`load` as a function of the rows of one partition, which can be pickled.

        It is for Spark's `mapPartitions`, which then gives a report for each, or
        `foreachPartition`. The arguments are those of `load`; divide the quota by `share` first.
        All rows of one user or account must be in one partition, in order.

        Raises:
            ConfigurationError: at once, not on the machines that load.
        """
        connection = self._connect(config, stream, namespace, schema, primary_key)
        _refuse_dry_run(connection)
        if connection.route.hold is not None:
            words = "acts when the last row is read, so it cannot be done in parts: use `load`"
            raise ConfigurationError([Fault("api", words)])
        options = {
            "stream": stream,
            "namespace": namespace,
            "schema": schema,
            "primary_key": primary_key,
        }
        return PartitionLoad.of(self.package, config, options)

    def share(self, config: Mapping[str, Any], of: int) -> dict[str, Any]:
        """The configuration for each of so many loads at once, which share the app's quota.

        Of `events_per_minute` each has that part; 0, which lifts it, stays. The limit of one
        identity stays whole, as all rows of one go by one load.

        Raises:
            ConfigurationError: the configuration has faults, or fewer events a minute than loads.
        """
        return shared(self.service.config.parse(config), config, of)

    @property
    def package(self) -> str:
        """The connector's, by which it is imported; its logger has this name, too."""
        return self.service.program.replace("-", "_")

    def _connect(
        self,
        config: Mapping[str, Any],
        stream: str,
        namespace: str | None,
        schema: Mapping[str, Any] | None,
        primary_key: Key | None,
    ) -> Connection:
        key = primary_key_of(primary_key)
        configured = {
            "stream": {"name": stream, "namespace": namespace, "json_schema": schema or {}},
            "destination_sync_mode": "append_dedup" if key else "append",
            "primary_key": key,
        }
        connection = connect(self.service, config, {"streams": [configured]})
        _refuse_unlisted(connection.route.stream)
        return connection


@dataclass(slots=True)
class _Log:
    """Says what a walk says to a logger that nobody set up, and keeps warnings for the report."""

    name: str
    warnings: list[str] = field(default_factory=list)

    def info(self, words: str, /) -> None:
        logging.getLogger(self.name).info(words)

    def warning(self, words: str, /) -> None:
        self.warnings.append(words)
        logging.getLogger(self.name).warning(words)


@dataclass(frozen=True, slots=True)
class _Ended:
    """The walk has, by an error if there is one."""

    error: BaseException | None


@dataclass(slots=True)
class _Load:
    """One load: the caller's side of it, and the walk's."""

    walk: Walk[Item]
    reader: RowReader
    log: _Log
    progress: Callable[[Report], object] | None
    settled: Callable[[int], object] | None
    _news: queue.SimpleQueue[object] = field(default_factory=queue.SimpleQueue)
    _feed: Feed[Item] = field(init=False)
    #: How the walk has ended: at once, and when the news before it are taken. Ctrl-C may come
    #: after news are taken and before anything is made of them.
    _over: _Ended | None = None
    _is_begun: bool = False
    _ended: _Ended | None = None
    #: Leading rows that are safe, as the walk knows, and as the caller was told.
    _safe: int = 0
    _told: int = 0
    _began: float = 0.0
    _reported_at: float = 0.0

    def run(self, rows: Iterable[object]) -> Report:
        """Hands on the caller's rows, and tells it what comes back."""
        self._feed = Feed(self._news)
        self._began = self.walk.surroundings.clock()
        if self.progress is not None:
            self.walk.watch = self._watch
        try:
            threads.begin(self._walk, "load")
            self._is_begun = True
            self._feed.put(map(self.reader.item, rows), self._may_go_on)
            self._feed.end()
            while self._ended is None:
                self._take_news()
        except BaseException as error:
            self._stop(error)
            raise
        report = self._report()
        if self._ended.error is not None:
            self._fail(self._ended.error, report)
        if self.progress is not None:
            try:
                self.progress(report)
            except BaseException as error:
                _note(error, report)
                raise
        return report

    def _may_go_on(self) -> bool:
        """Takes all news, and waits until there is room; false where the walk has ended."""
        while self._ended is None and not (self._feed.has_room and self._news.empty()):
            self._take_news()
        return self._ended is None

    def _take_news(self) -> None:
        """The next of it; waits for one, or for a while."""
        match self._next_news():
            case int(safe):
                self._tell(safe)
            case Report() as report if self.progress is not None:
                self.progress(report)
            case _Ended() as ended:
                self._ended = ended
            case Taken() | None:
                pass

    def _next_news(self) -> object:
        """None if there is none for a while.

        A signal may wake another thread of the caller's process (signal(7)). Python handles it in
        the main one, which looks only when it wakes.
        """
        try:
            return self._news.get(timeout=_LOOK_EVERY)
        except queue.Empty:
            return None

    def _tell(self, safe: int) -> None:
        self._told = safe
        settled, self.settled = self.settled, None  # One that raises is not called again.
        if settled is not None:
            settled(safe)
            self.settled = settled

    def _stop(self, error: BaseException) -> None:
        """The caller's rows or functions raised: what is under way is waited for."""
        if self._ended is None:
            self._feed.end(error)  # The source has not ended well.
            self.walk.interrupt("its caller")
            try:
                # Ctrl-C may come while the walk begins: then no row has been read.
                while self._is_begun and self._over is None:
                    self._next_news()
            except BaseException as another:  # a second Ctrl-C: it is not waited for any longer
                _note(another, self._report())
                raise
        _note(error, self._report())
        if self._told != self._safe:
            with suppress(Exception):  # what is raised already goes on
                self._tell(self._safe)

    def _fail(self, error: BaseException, report: Report) -> NoReturn:
        _note(error, report)
        if isinstance(error, SyncError):
            error.report = report
        raise error

    # -- for the walk's thread

    def _walk(self) -> None:
        error: BaseException | None = None
        try:
            with closing(self.walk.run(self._feed.lists())) as settled:
                for (first,) in settled:
                    safe = self.walk.position if first is None else max(0, first - 1)
                    if safe != self._safe:
                        self._safe = safe
                        self._news.put(safe)
        except BaseException as raised:  # noqa: BLE001  # raised in the caller's thread
            error = raised
        self._over = _Ended(error)
        self._news.put(self._over)

    def _watch(self, ledger: Ledger) -> None:
        now = self.walk.surroundings.clock()
        if now - self._reported_at >= _PROGRESS_EVERY:
            self._reported_at = now
            self._news.put(self._report(ledger))

    def _report(self, ledger: Ledger | None = None) -> Report:
        [route] = self.walk.connection.routes
        is_over = ledger is None
        return report_of(
            self.walk.ledger if ledger is None else ledger,
            route.mapper.adjustments,
            settled=self._safe,
            seconds=self.walk.surroundings.clock() - self._began,
            names=route.mapper.sent_names,
            warnings=(*self.log.warnings, *self.reader.warnings()) if is_over else (),
        )


def _note(error: BaseException, report: Report) -> None:
    error.add_note(
        f"{report.settled:,} leading rows are safe; {report.read:,} were read, "
        f"{report.accepted:,} accepted, {report.rejected:,} rejected, {report.skipped:,} skipped"
    )


def _sample(position: int, row: object, taken: Payload | Rejected | Skipped) -> Sample:
    match taken:
        case Rejected(reason):
            return Sample(position, row, rejected=reason)
        case Skipped(reason):
            return Sample(position, row, skipped=reason)
        case _, body, _:
            return Sample(position, row, orjson.loads(body))


def _refuse_unlisted(stream: Stream) -> None:
    """A catalog has its primary key from the source; here somebody wrote it."""
    if stream.schema is None:
        return
    names = [*stream.schema["properties"]]
    unlisted = [key for key, *_ in stream.primary_key if key not in names]
    if unlisted:
        raise ConfigurationError(
            Fault(
                "primary_key",
                f"the stream has no column `{key}`{did_you_mean(nearest(key, names))}",
            )
            for key in unlisted
        )


def _refuse_dry_run(connection: Connection) -> None:
    if connection.config.dry_run:
        words = "must be false to load; `preview(config, rows)` tells what would be sent"
        raise ConfigurationError([Fault("dry_run", words)])


def _refuse_tables(rows: object) -> None:
    """A table is no iterable of its rows: most give the names of their columns."""
    if isinstance(rows, Mapping | str | bytes):
        raise TypeError(f"rows must be an iterable of mappings, and is one {type(rows).__name__}")
    for names, instead in _TABLES.items():
        if all(hasattr(rows, name) for name in names):
            raise TypeError(f"rows must be an iterable of mappings: give {instead}")
    if not hasattr(rows, "__iter__"):
        raise TypeError(f"rows must be an iterable of mappings, and is {type(rows).__name__}")
