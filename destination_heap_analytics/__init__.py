"""Airbyte destination for Heap: events, user properties and account properties."""

from destination_heap_analytics.destination import DestinationHeapAnalytics

__all__ = ["DestinationHeapAnalytics"]
