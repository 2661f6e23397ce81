"""The command line of a connector: `spec`, `check`, `write` and `preview`.

It speaks Airbyte's protocol by itself. The CDK's face (`destination.py`) is for callers in the
same process: to import the CDK takes four times as long as all of this, and twice the memory.
A command imports what it alone needs when it begins: of a short one, the start is the most.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import orjson

from bulk_destination import __version__
from bulk_destination.connection import Service, connect
from bulk_destination.errors import ConfigurationError, InterruptedSyncError, SyncError
from bulk_destination.look.dry_run import DryRun
from bulk_destination.protocol.arguments import Program
from bulk_destination.protocol.json_files import read_both, read_json
from bulk_destination.protocol.messages import read_lines
from bulk_destination.protocol.stdin import say_what_is_awaited, stdin_lines
from bulk_destination.protocol.stdout import (
    MessageWriter,
    Output,
    StdoutError,
    dumped,
    leave_broken_stdout,
    log_to,
    why_broken,
)

if TYPE_CHECKING:
    from rich.console import Console

    from bulk_destination.loading.surroundings import Surroundings

logger = logging.getLogger("airbyte")


def run(service: Service[Any], args: list[str], surroundings: Surroundings | None = None) -> None:
    """Runs one command; ends the process with 1 after a TRACE ERROR if it fails."""
    parsed = parse_args(service, args)
    try:
        if parsed.command == "preview":
            sys.exit(_preview(service, parsed))
        if parsed.command == "studio":
            sys.exit(_studio(service, parsed))
        if sys.stdout is None:
            sys.exit(f"{service.program}: stdout is closed")
        console = _watching(parsed)
        writer = MessageWriter(_output(console))
        log_to(writer)
        failed = False
        with contextlib.suppress(StdoutError):  # The writer knows of it.
            failed = not _succeeds(lines(service, parsed, surroundings, console), writer)
        if writer.broken:
            leave_broken_stdout(service.program, writer.broken)
        if failed:
            sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def _watching(parsed: argparse.Namespace) -> Console | None:
    """The terminal of a person who watches."""
    if parsed.command != "write" or not parsed.progress:
        return None
    # Only here: it takes a while to import, and most runs have no terminal.
    from bulk_destination.look.terminal import watching_console  # noqa: PLC0415

    return watching_console()


def _output(console: Console | None) -> Output:
    """Where messages go: a person who watches on the same terminal is told them in words."""
    if console is None or not sys.stdout.isatty():
        return sys.stdout.buffer
    from bulk_destination.look.terminal import ReadableOutput  # noqa: PLC0415

    return ReadableOutput(console)


def parse_args(service: Service[Any], args: list[str]) -> argparse.Namespace:
    """The arguments as `command` and its options; without a command, help and exit code 2."""
    program = Program(
        service.program,
        __version__,
        service.summary,
        service.name,
        service.samples,
        discovers=service.objects is not None,
    )
    return program.parse(args)


def lines(
    service: Service[Any],
    parsed: argparse.Namespace,
    surroundings: Surroundings | None,
    console: Console | None = None,
) -> Iterator[bytes]:
    """What a command but `preview` says on stdout, line by line. Raises a SyncError.

    `write` shows on the `console` how far it is.
    """
    match parsed.command:
        case "spec":
            yield dumped({"type": "SPEC", "spec": orjson.loads(service.spec.read_bytes())})
        case "check":
            status = _check(service, parsed.config)
            yield dumped({"type": "CONNECTION_STATUS", "connectionStatus": status})
        case "discover":
            # By itself: the CDK's message has no such field, and its serializer would empty it.
            read_json(parsed.config, "config")
            assert service.objects is not None  # noqa: S101  # else there is no such command
            yield dumped({"type": "DESTINATION_CATALOG", "destination_catalog": service.objects()})
        case "write":
            yield from _write(service, parsed, surroundings, console)


def _succeeds(said: Iterator[bytes], writer: MessageWriter) -> bool:
    """Writes all that a command says; a failure is written as a TRACE ERROR."""
    try:
        for line in said:
            writer.write(line)
    except StdoutError:
        raise
    except SyncError as error:
        writer.write_error(str(error), error.failure_type, error)
        return False
    except Exception as error:  # noqa: BLE001  # the last gate; it is reported
        writer.write_error(
            f"The connector failed on an error of its own ({type(error).__name__}). "
            "All that was accepted before is safe. Please report the stack trace",
            "system_error",
            error,
        )
        return False
    return True


def _check(service: Service[Any], path: str) -> dict[str, str]:
    from bulk_destination.connection_check import failed_check, said_of_success  # noqa: PLC0415

    try:
        config = read_json(path, "config")
        failure = failed_check(service, config)
    except ConfigurationError as error:
        failure = str(error)
    if failure is not None:
        return {"status": "FAILED", "message": failure}
    if said := said_of_success(service, config):
        logger.warning(said)
        return {"status": "SUCCEEDED", "message": said}
    return {"status": "SUCCEEDED"}


def _write(
    service: Service[Any],
    parsed: argparse.Namespace,
    surroundings: Surroundings | None,
    console: Console | None,
) -> Iterator[bytes]:
    from bulk_destination.delivery.threads import share_memory  # noqa: PLC0415
    from bulk_destination.write import walk_of  # noqa: PLC0415

    share_memory()
    _stop_on_signals(_stopped)
    connection = connect(service, *read_both(parsed.config, parsed.catalog))
    walk = walk_of(connection, read_lines, bytes, service.program, surroundings)
    keeps = not isinstance(walk, DryRun) and walk.keeps_rejected
    source = stdin_lines(keeps_long_lines=keeps)
    _stop_on_signals(walk.interrupt)
    say_what_is_awaited("Airbyte messages")
    if isinstance(walk, DryRun):
        yield from walk.run(source)
        return
    for route in connection.routes:
        logger.info(f"Loading stream {route.stream} by {route.mapper.kind}")
    if console is None:
        yield from walk.run(source)
        return
    from bulk_destination.look.terminal import Watched, shown  # noqa: PLC0415

    watched = Watched([str(route.stream) for route in connection.routes])
    with shown(console, watched, sums_up=not sys.stdout.isatty()):
        yield from walk.run(source, watched)


def _stop_on_signals(stop: Callable[[str], object]) -> None:
    """Has `stop` called with a signal's name."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: stop(signal.Signals(number).name))


def _stopped(signal_name: str) -> NoReturn:
    """Before there is anything that could be wound up."""
    raise InterruptedSyncError(f"The sync was stopped by {signal_name}. Run it again")


def _preview(service: Service[Any], parsed: argparse.Namespace) -> int:
    from bulk_destination.look.folded import Folded  # noqa: PLC0415
    from bulk_destination.look.preview import Preview, show  # noqa: PLC0415
    from bulk_destination.look.samples import SampleError  # noqa: PLC0415
    from bulk_destination.look.stdin_sample import StdinSample  # noqa: PLC0415

    try:
        connection = connect(service, *_described(parsed))
        sample = StdinSample(connection, parsed.rows)
        folds = not parsed.full and not parsed.json
        preview = Preview(connection, parsed.records, folded=Folded(connection) if folds else None)
        what = "Airbyte messages" if parsed.rows is None else "rows (JSON lines or CSV)"
        say_what_is_awaited(what)
        walk = preview.of(sample.lines())
        sample.judge(walk.ledgers.all)
    except SyncError as error:
        print(error, file=sys.stderr)
        return 1
    except SampleError as error:
        print(f"stdin {error}", file=sys.stderr)
        return 1
    try:
        return show(preview, walk, parsed.json)
    except OSError as error:
        leave_broken_stdout(service.program, why_broken(error))


def _studio(service: Service[Any], parsed: argparse.Namespace) -> int:
    if (parsed.source is None) != (parsed.source_config is None):
        print("--source and --source-config belong together", file=sys.stderr)
        return 2
    try:
        from bulk_destination.studio.command import run  # noqa: PLC0415
    except ImportError as error:
        print(
            f"The studio needs more than is installed here ({error.name}): "
            f"pip install '{service.distribution}[studio]'",
            file=sys.stderr,
        )
        return 1
    return run(service, parsed)


def _described(parsed: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """Configuration and catalog; rows that bring no catalog have the smallest one."""
    from bulk_destination.look.stdin_sample import catalog_of  # noqa: PLC0415

    if parsed.catalog is None:
        return read_json(parsed.config, "config"), catalog_of(parsed.rows)
    return read_both(parsed.config, parsed.catalog)
