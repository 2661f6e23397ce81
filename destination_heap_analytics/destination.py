"""The Airbyte face: `spec`, `check` and `write`, and our errors as Airbyte's."""

import argparse
import io
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, Final

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

from destination_heap_analytics.binding import bind, bind_files, read_json
from destination_heap_analytics.command_line import parse_args
from destination_heap_analytics.config import Config, parse_config
from destination_heap_analytics.connection_check import failed_step
from destination_heap_analytics.dry_run import DryRun
from destination_heap_analytics.errors import (
    ConfigurationError,
    HeapUnavailableError,
    InterruptedSyncError,
    NotHeapError,
    NothingAcceptedError,
    ObjectStorageError,
    SyncError,
)
from destination_heap_analytics.messages import Message, classify, read_line, split_lines
from destination_heap_analytics.object_storage import ObjectStorage, open_object_storage
from destination_heap_analytics.progress_bar import progress_bar
from destination_heap_analytics.stdout import AirbyteLogHandler, MessageWriter
from destination_heap_analytics.sync import Surroundings, Sync

logger = logging.getLogger("airbyte")

#: Bytes asked of stdin at once; a pipe gives what it has.
_CHUNK: Final = 1 << 18

#: Who must act decides what Airbyte does next: it never retries a `config_error`.
_FAILURE_TYPES: Final[dict[type[SyncError], FailureType]] = {
    ConfigurationError: FailureType.config_error,
    NotHeapError: FailureType.config_error,
    NothingAcceptedError: FailureType.config_error,
    HeapUnavailableError: FailureType.transient_error,
    ObjectStorageError: FailureType.transient_error,
    InterruptedSyncError: FailureType.transient_error,
}


class DestinationHeapAnalytics(Destination):
    """Loads one stream into Heap by one of its three server-side APIs."""

    def __init__(self, surroundings: Surroundings | None = None) -> None:
        self._surroundings = surroundings or Surroundings()

    # -- the CDK's interface, for callers in the same process ----------------------------------

    def check(
        self,
        logger: logging.Logger,  # noqa: ARG002  # the CDK's signature
        config: Mapping[str, Any],
    ) -> AirbyteConnectionStatus:
        """Whether the configuration is sound and Heap answers; never raises."""
        try:
            failure = failed_step(parse_config(config))
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
            bound, stream = bind(config, catalog)
            walk = (
                DryRun(bound, stream, _read_message)
                if bound.dry_run
                else Sync(
                    *(bound, stream, _read_message, _line_of),
                    _open_storage(bound),
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
        writer = MessageWriter(sys.stdout.buffer)
        _log_to(writer)
        try:
            for line in self._lines(parsed):
                writer.write(line)
        except BrokenPipeError:
            _leave_broken_stdout()
        except SyncError as error:
            writer.write_error(str(error), _failure_type(error), error)
            sys.exit(1)
        except Exception as error:  # noqa: BLE001  # the last gate; it is reported
            writer.write_error(
                f"The connector failed on an error of its own ({type(error).__name__}). "
                "All that was accepted before is safe. Please report the stack trace",
                FailureType.system_error,
                error,
            )
            sys.exit(1)

    def run_cmd(self, parsed_args: argparse.Namespace) -> Iterator[AirbyteMessage]:
        """One command's messages, as the CDK's models."""
        for line in self._lines(parsed_args):
            yield AirbyteMessageSerializer.load(orjson.loads(line))

    def parse_args(self, args: list[str]) -> argparse.Namespace:
        """The command line; without a command, help and exit code 2."""
        return parse_args(args)

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
        config, stream = bind_files(parsed.config, parsed.catalog)
        lines = split_lines(_chunks(sys.stdin.buffer))
        if config.dry_run:
            rehearsal = DryRun(config, stream, read_line)
            _stop_on_signals(rehearsal)
            yield from rehearsal.run(lines)
            return
        sync = Sync(config, stream, read_line, bytes, _open_storage(config), self._surroundings)
        _stop_on_signals(sync)
        logger.info(f"Loading stream `{stream.name}` by {config.api.api_type}")
        if not parsed.progress:
            yield from sync.run(lines)
            return
        with progress_bar() as sync.watch:
            yield from sync.run(lines)

    @staticmethod
    def _preview(parsed: argparse.Namespace) -> int:
        # Only here: its tables take a while to import.
        from destination_heap_analytics.preview import Preview, show  # noqa: PLC0415

        try:
            preview = Preview(*bind_files(parsed.config, parsed.catalog), parsed.records)
            plan = preview.of(split_lines(_chunks(sys.stdin.buffer)))
        except ConfigurationError as error:
            print(error, file=sys.stderr)
            return 1
        return show(preview, plan, parsed.json)


def _stop_on_signals(walk: Sync[bytes] | DryRun[bytes]) -> None:
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: walk.interrupt(signal.Signals(number).name))


def _open_storage(config: Config) -> ObjectStorage | None:
    """Where rejected records go, proven to work; raises ConfigurationError."""
    storage = open_object_storage(config)
    if storage is not None:
        storage.prove()
    return storage


def _read_message(message: AirbyteMessage) -> Message:
    return classify(AirbyteMessageSerializer.dump(message))


def _line_of(message: AirbyteMessage) -> bytes:
    """The line of a message; a value that JSON does not know (a date) stands there as text."""
    return json.dumps(AirbyteMessageSerializer.dump(message), default=str).encode()


def _failure_type(error: SyncError) -> FailureType:
    return _FAILURE_TYPES.get(type(error), FailureType.system_error)


def _dumped(message: AirbyteMessage) -> bytes:
    return orjson.dumps(AirbyteMessageSerializer.dump(message)) + b"\n"


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


def _leave_broken_stdout() -> None:
    """Nobody reads our states any more: end, with an exit code that says so."""
    print("destination-heap-analytics: stdout was closed by its reader", file=sys.stderr)
    # Python flushes stdout on exit; into the void, lest it fail once more.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)
