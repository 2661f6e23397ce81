"""The console script `destination-hackle`."""

import sys

from bulk_destination import command_line
from destination_hackle.service import HACKLE


def run() -> None:
    """Runs the connector on the process's arguments."""
    command_line.run(HACKLE, sys.argv[1:])
