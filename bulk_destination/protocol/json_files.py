"""The files of the command line: configuration and catalog."""

import errno
import json
import os
import select
import time
from typing import Any, Final

from bulk_destination.errors import ConfigurationError, Fault

#: In bytes. A catalog of a thousand streams with all their columns has a few millions.
LONGEST: Final = 32_000_000
#: Seconds in which a pipe that is named in a file's place has to be written to its end.
PATIENCE: Final = 30.0
_CHUNK: Final = 1 << 20


def read_json(path: str, what: str) -> dict[str, Any]:
    """The JSON object in the file at `path`; raises ConfigurationError, calling it `what`."""
    try:
        value = json.loads(_content(path))
    except OSError as error:
        raise ConfigurationError([Fault(what, f"cannot read {path}: {error.strerror}")]) from None
    except (ValueError, RecursionError):
        raise ConfigurationError([Fault(what, f"{path} is not valid JSON")]) from None
    if not isinstance(value, dict):
        raise ConfigurationError([Fault(what, f"{path} must hold a JSON object")])
    return value


def _content(path: str) -> bytearray:
    """All that is in a file, or comes out of a pipe; an OSError if that has no end."""
    # Not blocking: to open a pipe that nobody writes into would wait for ever.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        ends = time.monotonic() + PATIENCE
        content = bytearray()
        while len(content) <= LONGEST:
            if not select.select([fd], [], [], max(0.0, ends - time.monotonic()))[0]:
                words = f"it is a pipe that was not written to its end in {PATIENCE:g} s"
                raise TimeoutError(errno.ETIMEDOUT, words)
            part = os.read(fd, _CHUNK)
            if not part:
                return content
            content += part
    finally:
        os.close(fd)
    raise OSError(errno.EFBIG, f"it has more than {LONGEST:,} bytes")


def read_both(config_path: str, catalog_path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Configuration and catalog; a file that cannot be read does not hide the other's faults."""
    faults: list[Fault] = []
    found: list[dict[str, Any]] = []
    for path, what in ((config_path, "config"), (catalog_path, "catalog")):
        try:
            found.append(read_json(path, what))
        except ConfigurationError as error:
            faults += error.faults
    if faults:
        raise ConfigurationError(faults)
    config, catalog = found
    return config, catalog
