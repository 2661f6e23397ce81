"""What leaves on stdout, and what does not."""

import io
import json
import logging

import pytest

from bulk_destination.protocol.stdout import AirbyteLogHandler, MessageWriter, StdoutError


def _logged(name: str, words: str) -> bytes:
    out = io.BytesIO()
    logger = logging.Logger(name)
    logger.addHandler(AirbyteLogHandler(MessageWriter(out)))
    logger.warning(words)
    return out.getvalue()


def test_our_words() -> None:
    """One LOG message a line."""
    log = {"level": "WARN", "message": "something"}
    assert json.loads(_logged("airbyte", "something")) == {"type": "LOG", "log": log}


def test_words_of_libraries() -> None:
    """They may hold values: urllib3 warns with the text of a header that it cannot read."""
    assert _logged("urllib3.connection", "unparsed data: 'Jane'") == b""


def test_half_a_character() -> None:
    """It is escaped, so that the line is UTF-8."""
    assert json.loads(_logged("airbyte", "\ud800"))["log"]["message"] == "\ud800"


def test_a_full_disk() -> None:
    """A state that cannot be written is an error; a log line is remembered."""

    class Full(io.BytesIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    writer = MessageWriter(Full())
    logger = logging.Logger("airbyte")
    logger.addHandler(AirbyteLogHandler(writer))
    logger.warning("something")
    assert writer.broken == "No space left on device"
    with pytest.raises(StdoutError, match="No space"):
        writer.write(b"{}\n")
