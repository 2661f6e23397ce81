"""Records of a real source: its command is asked for its catalog, and read until there are enough.

The source is a process of ours, and ends by its own pid. What it reads goes into a file without a
name; only the catalog that it is asked by stands in a folder for as long as that takes.
"""

import json
import shlex
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from bulk_destination.errors import ConfigurationError, Fault
from bulk_destination.protocol.spool import temporary_file

#: Records that are read.
ENOUGH: Final = 1_000
#: Seconds that a source has to end when it is told to.
_PATIENCE: Final = 5.0


def read_source(
    command: str, config: str, wanted: Sequence[str]
) -> tuple[BinaryIO, Mapping[str, Any]]:
    """The first records of the streams that are `wanted`, and the source's catalog of those.

    Raises ConfigurationError where the source cannot be started, fails, or lacks a stream.
    """
    catalog = _discover(command, config)
    known = {stream["name"]: stream for stream in catalog["streams"]}
    if not wanted or not known.keys() >= set(wanted):
        lacks = [name for name in wanted if name not in known]
        words = f"the source has no {', '.join(lacks)}" if lacks else "say which one"
        raise ConfigurationError([Fault("--stream", f"{words}; it has: {', '.join(known)}")])
    streams = [known[name] for name in dict.fromkeys(wanted)]
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "catalog.json"
        asked.write_text(json.dumps({"streams": [_configured(one) for one in streams]}))
        arguments = ["read", "--config", config, "--catalog", str(asked)]
        file, records = temporary_file(), 0
        with _running(command, arguments) as source:
            for line in _lines(source):
                if _kind(line) == "RECORD":
                    records += 1
                    file.write(line)
                if records == ENOUGH:
                    break
        if not records:
            file.close()
            raise ConfigurationError([Fault("--source", "gave no record")])
    file.flush()
    return file, {"streams": streams}


def _configured(stream: Mapping[str, Any]) -> dict[str, Any]:
    return {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}


def _discover(command: str, config: str) -> Mapping[str, Any]:
    with _running(command, ["discover", "--config", config]) as source:
        for line in _lines(source):
            if _kind(line) == "CATALOG":
                catalog: Mapping[str, Any] = orjson.loads(line)["catalog"]
                return catalog
    words = "gave no catalog when it was asked to `discover`: try it by itself"
    raise ConfigurationError([Fault("--source", words)])


@contextmanager
def _running(command: str, arguments: Sequence[str]) -> Iterator["subprocess.Popen[bytes]"]:
    try:
        process = subprocess.Popen(  # noqa: S603  # the user's own command, without a shell
            [*shlex.split(command), *arguments], stdout=subprocess.PIPE
        )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "its quotes do not match"
        raise ConfigurationError([Fault("--source", f"cannot be started: {why}")]) from None
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout is not None  # noqa: S101  # it is a pipe
        process.stdout.close()


def _lines(process: "subprocess.Popen[bytes]") -> Iterator[bytes]:
    assert process.stdout is not None  # noqa: S101  # it is a pipe
    yield from process.stdout


def _kind(line: bytes) -> object:
    try:
        message = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return message.get("type") if type(message) is dict else None
