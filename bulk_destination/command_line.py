"""The command line of a connector: Airbyte's three commands, and two things for people."""

import argparse
import sys
from typing import Any, Final

from bulk_destination.connection import Service

_CONFIG: Final = "the configuration, a JSON file"
_CATALOG: Final = "the configured catalog, a JSON file"


def parse_args(service: Service[Any], args: list[str]) -> argparse.Namespace:
    """The arguments as `command` and its options; without a command, help and exit code 2."""
    parser = argparse.ArgumentParser(prog=service.program, description=service.summary)
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    commands.add_parser("spec", help="print the form of the configuration")
    check = commands.add_parser("check", help="see whether the configuration works; write nothing")
    check.add_argument("--config", required=True, metavar="FILE", help=_CONFIG)
    write = commands.add_parser("write", help=f"load the messages on stdin into {service.name}")
    write.add_argument("--config", required=True, metavar="FILE", help=_CONFIG)
    write.add_argument("--catalog", required=True, metavar="FILE", help=_CATALOG)
    write.add_argument("--progress", action="store_true", help="show a live bar on stderr")
    preview = commands.add_parser(
        "preview",
        help="show what the messages on stdin would become; send nothing",
        description="Shows what `write` would send, and sends nothing. Exit code 3 says that "
        "records would be rejected.",
    )
    preview.add_argument("--config", required=True, metavar="FILE", help=_CONFIG)
    preview.add_argument("--catalog", required=True, metavar="FILE", help=_CATALOG)
    preview.add_argument("--json", action="store_true", help="print one JSON object")
    preview.add_argument(
        "--records", type=int, default=3, metavar="N", help="how many to show (default: 3)"
    )
    if not args:
        parser.print_help(sys.stderr)
        raise SystemExit(2)
    return parser.parse_args(args)
