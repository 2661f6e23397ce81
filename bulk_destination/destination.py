"""The Airbyte face of a connector: `spec`, `check` and `write`, and our errors as Airbyte's."""

import argparse
import contextlib
import io
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, ClassVar, Final, NoReturn

import orjson
from airbyte_cdk.destinations import Destination
from airbyte_cdk.models import (
    AirbyteConnectionStatus,
    AirbyteMessage,
    AirbyteMessageSerializer,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
    FailureType,
    Status,
    Type,
)
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from bulk_destination.command_line import parse_args
from bulk_destination.connection import Connection, Service, connect
from bulk_destination.connection_check import failed_step
from bulk_destination.errors import (
    ConfigurationError,
    Fault,
    InterruptedSyncError,
    NothingAcceptedError,
    ObjectStorageError,
    SyncError,
    UnavailableError,
    WrongServiceError,
)
from bulk_destination.look.dry_run import DryRun
from bulk_destination.look.progress_bar import progress_bar
from bulk_destination.protocol.json_files import read_both, read_json
from bulk_destination.protocol.messages import Message, classify, read_line, split_lines
from bulk_destination.protocol.stdout import (
    AirbyteLogHandler,
    MessageWriter,
    StdoutError,
    dumped,
    why_broken,
)
from bulk_destination.rejected.object_storage import ObjectStorage, open_object_storage
from bulk_destination.sync import Surroundings, Sync

logger = logging.getLogger("airbyte")

#: Bytes asked of stdin at once; a pipe gives what it has.
_CHUNK: Final = 1 << 18

#: Who must act decides what Airbyte does next: it never retries a `config_error`.
_FAILURE_TYPES: Final[dict[type[SyncError], FailureType]] = {
    ConfigurationError: FailureType.config_error,
    WrongServiceError: FailureType.config_error,
    NothingAcceptedError: FailureType.config_error,
    UnavailableError: FailureType.transient_error,
    ObjectStorageError: FailureType.transient_error,
    InterruptedSyncError: FailureType.transient_error,
}


class BulkDestination(Destination):
    """Loads one stream into `service`. A connector is a subclass that names its service."""

    service: ClassVar[Service[Any]]

    def __init__(self, surroundings: Surroundings | None = None) -> None:
        self._surroundings = surroundings or Surroundings()

    # -- the CDK's interface, for callers in the same process ----------------------------------

    def check(
        self,
        logger: logging.Logger,  # noqa: ARG002  # the CDK's signature
        config: Mapping[str, Any],
    ) -> AirbyteConnectionStatus:
        """Whether the configuration is sound and the service answers; never raises."""
        try:
            failure = failed_step(self.service, self.service.config.parse(config))
        except ConfigurationError as error:
            failure = str(error)
        if failure is None:
            return AirbyteConnectionStatus(status=Status.SUCCEEDED)
        return AirbyteConnectionStatus(status=Status.FAILED, message=failure)

    def write(
        self,
        config: Mapping[str, Any],
        configured_catalog: ConfiguredAirbyteCatalog,
        input_messages: Iterable[AirbyteMessage],
    ) -> Iterator[AirbyteMessage]:
        """Loads `input_messages` and yields the states that are safe, with their statistics.

        The CDK's state model has no `id`; where it matters (on Airbyte), use `run`.
        """
        catalog = ConfiguredAirbyteCatalogSerializer.dump(configured_catalog)
        try:
            connection = connect(self.service, config, catalog)
            walk = (
                DryRun(connection, _read_message)
                if connection.config.dry_run
                else Sync(
                    *(connection, _read_message, _line_of),
                    self._open_storage(connection),
                    self._surroundings,
                )
            )
            for line in walk.run([message] for message in input_messages):
                yield AirbyteMessageSerializer.load(orjson.loads(line))
        except SyncError as error:
            raise AirbyteTracedException(
                message=str(error), failure_type=_failure_type(error), exception=error
            ) from None

    # -- the command line ----------------------------------------------------------------------

    def run(self, args: list[str]) -> None:
        """Runs one command; ends the process with 1 after a TRACE ERROR if it fails."""
        parsed = self.parse_args(args)
        if parsed.command == "preview":
            sys.exit(self._preview(parsed))
        if sys.stdout is None:
            logging.raiseExceptions = False  # At the end the CDK's handler wants to flush it.
            sys.exit(f"{self.service.program}: stdout is closed")
        writer = MessageWriter(sys.stdout.buffer)
        _log_to(writer)
        failed = False
        with contextlib.suppress(StdoutError):  # The writer knows of it.
            failed = not self._succeeds(parsed, writer)
        if writer.broken:
            _leave_broken_stdout(self.service.program, writer.broken)
        if failed:
            sys.exit(1)

    def _succeeds(self, parsed: argparse.Namespace, writer: MessageWriter) -> bool:
        """Runs one command; a failure is written as a TRACE ERROR."""
        try:
            for line in self._lines(parsed):
                writer.write(line)
        except StdoutError:
            raise
        except SyncError as error:
            writer.write_error(str(error), _failure_type(error), error)
            return False
        except Exception as error:  # noqa: BLE001  # the last gate; it is reported
            writer.write_error(
                f"The connector failed on an error of its own ({type(error).__name__}). "
                "All that was accepted before is safe. Please report the stack trace",
                FailureType.system_error,
                error,
            )
            return False
        return True

    def run_cmd(self, parsed_args: argparse.Namespace) -> Iterator[AirbyteMessage]:
        """One command's messages, as the CDK's models."""
        for line in self._lines(parsed_args):
            yield AirbyteMessageSerializer.load(orjson.loads(line))

    def parse_args(self, args: list[str]) -> argparse.Namespace:
        """The command line; without a command, help and exit code 2."""
        return parse_args(self.service, args)

    def _lines(self, parsed: argparse.Namespace) -> Iterator[bytes]:
        match parsed.command:
            case "spec":
                message = AirbyteMessage(type=Type.SPEC, spec=self.spec(logger))
                yield _dumped(message)
            case "check":
                yield _dumped(self._check_file(parsed.config))
            case "write":
                yield from self._write_stdin(parsed)

    def _check_file(self, path: str) -> AirbyteMessage:
        try:
            status = self.check(logger, read_json(path, "config"))
        except ConfigurationError as error:
            status = AirbyteConnectionStatus(status=Status.FAILED, message=str(error))
        return AirbyteMessage(type=Type.CONNECTION_STATUS, connectionStatus=status)

    def _write_stdin(self, parsed: argparse.Namespace) -> Iterator[bytes]:
        connection = connect(self.service, *read_both(parsed.config, parsed.catalog))
        lines = split_lines(_chunks(_stdin()))
        if connection.config.dry_run:
            rehearsal = DryRun(connection, read_line)
            _stop_on_signals(rehearsal)
            yield from rehearsal.run(lines)
            return
        storage = self._open_storage(connection)
        sync = Sync(connection, read_line, bytes, storage, self._surroundings)
        _stop_on_signals(sync)
        logger.info(f"Loading stream `{connection.stream.name}` by {connection.mapper.kind}")
        if not parsed.progress:
            yield from sync.run(lines)
            return
        with progress_bar() as sync.watch:
            yield from sync.run(lines)

    def _open_storage(self, connection: Connection) -> ObjectStorage | None:
        """Where rejected records go, proven to work; raises ConfigurationError."""
        storage = open_object_storage(connection.config.object_storage_config, self.service.program)
        if storage is not None:
            storage.prove()
        return storage

    def _preview(self, parsed: argparse.Namespace) -> int:
        # Only here: its tables take a while to import.
        from bulk_destination.look.preview import Preview, show  # noqa: PLC0415

        try:
            connection = connect(self.service, *read_both(parsed.config, parsed.catalog))
            preview = Preview(connection, parsed.records)
            plan = preview.of(split_lines(_chunks(_stdin())))
        except ConfigurationError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 128 + signal.SIGINT
        try:
            return show(preview, plan, parsed.json)
        except OSError as error:
            _leave_broken_stdout(self.service.program, why_broken(error))


def _stop_on_signals(walk: Sync[bytes] | DryRun[bytes]) -> None:
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: walk.interrupt(signal.Signals(number).name))


def _read_message(message: AirbyteMessage) -> Message:
    return classify(AirbyteMessageSerializer.dump(message))


def _line_of(message: AirbyteMessage) -> bytes:
    """The line of a message; a value that JSON does not know (a date) stands there as text."""
    return json.dumps(AirbyteMessageSerializer.dump(message), default=str).encode()


def _failure_type(error: SyncError) -> FailureType:
    return _FAILURE_TYPES.get(type(error), FailureType.system_error)


def _dumped(message: AirbyteMessage) -> bytes:
    return dumped(AirbyteMessageSerializer.dump(message))


def _stdin() -> BinaryIO:
    if sys.stdin is None:
        raise ConfigurationError([Fault("stdin", "is closed: pipe the source's messages into it")])
    return sys.stdin.buffer


def _chunks(stdin: BinaryIO) -> Iterator[bytes]:
    try:
        fd = stdin.fileno()
    except (OSError, io.UnsupportedOperation):  # stdin of a test, in memory
        return iter(lambda: stdin.read(_CHUNK), b"")
    # The bare descriptor: a thread that waits inside a buffered stdin blocks Python's exit.
    return iter(lambda: os.read(fd, _CHUNK), b"")


def _log_to(writer: MessageWriter) -> None:
    """All loggers as Airbyte messages, in place of the CDK's handler, which buffers."""
    logging.root.handlers = [AirbyteLogHandler(writer)]
    level = os.environ.get("LOG_LEVEL", "INFO").upper()
    logger.setLevel(level if level in logging.getLevelNamesMapping() else "INFO")


def _leave_broken_stdout(program: str, cause: str) -> NoReturn:
    """States, or what was to be told, are lost: end, with an exit code that says so."""
    print(f"{program}: cannot write to stdout: {cause}", file=sys.stderr)
    # Python flushes stdout on exit; into the void, lest it fail once more.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)
