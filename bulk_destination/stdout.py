"""Everything that leaves on stdout: one message a line, whole, and flushed at once.

Airbyte reads states from here. The CDK prints without a flush, so that a state could sit in a
buffer when the process is killed; and its loggers write beside it, so that lines could mix.
"""

import contextlib
import logging
import threading
import time
import traceback
from typing import BinaryIO, Final

import orjson
from airbyte_cdk.models import FailureType

_LEVELS: Final = {
    logging.CRITICAL: "FATAL",
    logging.ERROR: "ERROR",
    logging.WARNING: "WARN",
    logging.INFO: "INFO",
    logging.DEBUG: "DEBUG",
}


class MessageWriter:
    """Writes lines to a binary stream; safe to call from any thread."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def write(self, line: bytes) -> None:
        """One message with its newline, in one write, flushed."""
        with self._lock:
            self._stream.write(line)
            self._stream.flush()

    def write_error(self, message: str, failure_type: FailureType, error: BaseException) -> None:
        """A TRACE ERROR. Of `error` only its kind and its stack leave: its text may hold values."""
        trace = {
            "type": "ERROR",
            "emitted_at": time.time_ns() // 1_000_000,
            "error": {
                "message": message,
                "internal_message": type(error).__name__,
                "failure_type": failure_type.value,
                "stack_trace": "".join(traceback.format_tb(error.__traceback__)),
            },
        }
        self.write(orjson.dumps({"type": "TRACE", "trace": trace}) + b"\n")


class AirbyteLogHandler(logging.Handler):
    """Log records as Airbyte LOG messages, on the same stdout and under the same lock."""

    def __init__(self, writer: MessageWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        # Only the message: a formatted exception may hold values.
        log = {"level": _LEVELS.get(record.levelno, "INFO"), "message": record.getMessage()}
        # A reader that is gone is found out by the next state; a log line need not end the sync.
        with contextlib.suppress(OSError):
            self._writer.write(orjson.dumps({"type": "LOG", "log": log}) + b"\n")
