"""The console script `destination-hackle`."""

import sys

from destination_hackle.destination import DestinationHackle


def run() -> None:
    """Runs the connector on the process's arguments."""
    DestinationHackle().run(sys.argv[1:])
