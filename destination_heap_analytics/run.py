"""The console script `destination-heap-analytics`."""

import sys

from bulk_destination import command_line
from destination_heap_analytics.service import HEAP


def run() -> None:
    """Runs the connector on the process's arguments."""
    command_line.run(HEAP, sys.argv[1:])
