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
from pathlib import Path
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

from destination_heap_analytics.catalog import Stream, column_faults, parse_catalog
from destination_heap_analytics.config import Config, parse_config
from destination_heap_analytics.connection_check import failed_step
from destination_heap_analytics.errors import (
    ConfigurationError,
    Fault,
    HeapUnavailableError,
    InterruptedSyncError,
    NotHeapError,
    NothingAcceptedError,
    ObjectStorageError,
    SyncError,
)
from destination_heap_analytics.messages import Message, classify, read_line, split_lines
from destination_heap_analytics.object_storage import ObjectStorage, open_object_storage
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
            bound, stream, storage = _bind(config, catalog)
            sync = Sync(bound, stream, _read_message, _line_of, storage, self._surroundings)
            for line in sync.run([message] for message in input_messages):
                yield AirbyteMessageSerializer.load(orjson.loads(line))
        except SyncError as error:
            raise AirbyteTracedException(
                message=str(error), failure_type=_failure_type(error), exception=error
            ) from None

    # -- the command line ----------------------------------------------------------------------

    def run(self, args: list[str]) -> None:
        """Runs one command; ends the process with 1 after a TRACE ERROR if it fails."""
        parsed = self.parse_args(args)
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
        if not args:
            args = ["--help"] if not sys.argv[1:] else args
        if not args or args == ["--help"]:
            try:
                super().parse_args(["--help"])
            except SystemExit:
                raise SystemExit(0 if args and sys.argv[1:] else 2) from None
        return super().parse_args(args)

    def _lines(self, parsed: argparse.Namespace) -> Iterator[bytes]:
        match parsed.command:
            case "spec":
                message = AirbyteMessage(type=Type.SPEC, spec=self.spec(logger))
                yield _dumped(message)
            case "check":
                yield _dumped(self._check_file(parsed.config))
            case "write":
                yield from self._write_stdin(parsed.config, parsed.catalog)

    def _check_file(self, path: str) -> AirbyteMessage:
        try:
            status = self.check(logger, _read_json(path, "config"))
        except ConfigurationError as error:
            status = AirbyteConnectionStatus(status=Status.FAILED, message=str(error))
        return AirbyteMessage(type=Type.CONNECTION_STATUS, connectionStatus=status)

    def _write_stdin(self, config_path: str, catalog_path: str) -> Iterator[bytes]:
        config, stream, storage = _bind(
            _read_json(config_path, "config"), _read_json(catalog_path, "catalog")
        )
        sync = Sync(config, stream, read_line, bytes, storage, self._surroundings)
        if threading.current_thread() is threading.main_thread():
            self._stop_on_signals(sync)
        logger.info(f"Loading stream `{stream.name}` by {config.api.api_type}")
        yield from sync.run(split_lines(_chunks(sys.stdin.buffer)))

    @staticmethod
    def _stop_on_signals(sync: Sync[bytes]) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: sync.interrupt(signal.Signals(number).name))


def _bind(
    raw_config: Mapping[str, Any], raw_catalog: object
) -> tuple[Config, Stream, ObjectStorage | None]:
    """Configuration, stream and storage, fit for each other; raises with all faults of all."""
    faults: list[Fault] = []
    config: Config | None = None
    storage: ObjectStorage | None = None
    try:
        config = parse_config(raw_config)
        storage = open_object_storage(config)
        if storage is not None:
            storage.prove()
    except ConfigurationError as error:
        faults += error.faults
    stream = parse_catalog(raw_catalog)
    if isinstance(stream, Fault):
        faults.append(stream)
    elif config is not None:
        faults += column_faults(config.api, stream)
    if faults or config is None or isinstance(stream, Fault):
        raise ConfigurationError(faults)
    return config, stream, storage


def _read_message(message: AirbyteMessage) -> Message:
    return classify(AirbyteMessageSerializer.dump(message))


def _line_of(message: AirbyteMessage) -> bytes:
    """The line of a message; a value that JSON does not know (a date) stands there as text."""
    return json.dumps(AirbyteMessageSerializer.dump(message), default=str).encode()


def _read_json(path: str, what: str) -> Any:
    try:
        value = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise ConfigurationError([Fault(what, f"cannot read {path}: {error.strerror}")]) from None
    except ValueError:
        raise ConfigurationError([Fault(what, f"{path} is not valid JSON")]) from None
    if not isinstance(value, dict):
        raise ConfigurationError([Fault(what, f"{path} must hold a JSON object")])
    return value


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
