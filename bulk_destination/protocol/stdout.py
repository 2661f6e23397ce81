"""Everything that leaves on stdout: one message a line, whole, and flushed at once.

Airbyte reads states from here. The CDK prints without a flush, so that a state could sit in a
buffer when the process is killed; and its loggers write beside it, so that lines could mix.
"""

import contextlib
import json
import logging
import os
import sys
import threading
import time
import traceback
from typing import Any, Final, NoReturn, Protocol

import orjson

from bulk_destination.errors import FailureType

logger = logging.getLogger("airbyte")

_LEVELS: Final = {
    logging.CRITICAL: "FATAL",
    logging.ERROR: "ERROR",
    logging.WARNING: "WARN",
    logging.INFO: "INFO",
    logging.DEBUG: "DEBUG",
}


class StdoutError(Exception):
    """A line could not be written, for a reason in words."""


def why_broken(error: OSError) -> str:
    """Why stdout takes no more."""
    if isinstance(error, BrokenPipeError):
        return "it was closed by its reader"
    return error.strerror or "it failed"


def dumped(message: dict[str, Any]) -> bytes:
    """A message as a line; text that no UTF-8 can carry, of a name in a catalog, is escaped."""
    try:
        return orjson.dumps(message) + b"\n"
    except orjson.JSONEncodeError:
        return json.dumps(message).encode() + b"\n"


class Output(Protocol):
    """What takes lines: stdout, or who tells them to a person."""

    def write(self, line: bytes, /) -> object:
        """One whole line."""

    def flush(self) -> object:
        """Nothing of it may wait."""


class MessageWriter:
    """Writes lines to a binary stream; safe to call from any thread."""

    def __init__(self, stream: Output) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        #: Why a line is lost, if one is.
        self.broken: str | None = None

    def write(self, line: bytes) -> None:
        """One message with its newline, in one write, flushed. Raises a StdoutError."""
        try:
            with self._lock:
                self._stream.write(line)
                self._stream.flush()
        except OSError as error:
            self.broken = why_broken(error)
            raise StdoutError(self.broken) from None

    def write_error(self, message: str, failure_type: FailureType, error: BaseException) -> None:
        """A TRACE ERROR. Of `error` only its kind and its stack leave: its text may hold values."""
        trace = {
            "type": "ERROR",
            "emitted_at": time.time_ns() // 1_000_000,
            "error": {
                "message": message,
                "internal_message": type(error).__name__,
                "failure_type": failure_type,
                "stack_trace": "".join(traceback.format_tb(error.__traceback__)),
            },
        }
        self.write(dumped({"type": "TRACE", "trace": trace}))


class AirbyteLogHandler(logging.Handler):
    """Log records as Airbyte LOG messages, on the same stdout and under the same lock.

    Only those of our logger, whose name is the CDK's: what other libraries log may hold values.
    urllib3 warns with the text of a header that it cannot read.
    """

    def __init__(self, writer: MessageWriter) -> None:
        super().__init__()
        self._writer = writer
        self.addFilter(logging.Filter("airbyte"))

    def emit(self, record: logging.LogRecord) -> None:
        # Only the message: a formatted exception may hold values.
        log = {"level": _LEVELS.get(record.levelno, "INFO"), "message": record.getMessage()}
        # A lost log line need not end the sync; the exit code tells of it.
        with contextlib.suppress(StdoutError):
            self._writer.write(dumped({"type": "LOG", "log": log}))


def log_to(writer: MessageWriter) -> None:
    """All loggers as Airbyte messages, in place of the CDK's handler, which buffers."""
    logging.root.handlers = [AirbyteLogHandler(writer)]
    level = os.environ.get("LOG_LEVEL", "INFO").upper()
    logger.setLevel(level if level in logging.getLevelNamesMapping() else "INFO")


def leave_broken_stdout(program: str, cause: str) -> NoReturn:
    """States, or what was to be told, are lost: end, with an exit code that says so."""
    print(f"{program}: cannot write to stdout: {cause}", file=sys.stderr)
    # Python flushes stdout on exit; into the void, lest it fail once more.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(1)
