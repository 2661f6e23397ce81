"""The console script `destination-heap-analytics`."""

import sys

from destination_heap_analytics.destination import DestinationHeapAnalytics


def run() -> None:
    """Runs the connector on the process's arguments."""
    DestinationHeapAnalytics().run(sys.argv[1:])
