"""Airbyte destination for Heap: see `destination.py` for its face, `sync.py` for its walk."""

from destination_heap_analytics.destination import DestinationHeapAnalytics

__all__ = ["DestinationHeapAnalytics"]
