"""The connector for Heap."""

from typing import ClassVar

from bulk_destination.destination import BulkDestination
from destination_heap_analytics.service import HEAP


class DestinationHeapAnalytics(BulkDestination):
    """Loads one stream into Heap by one of its three server-side APIs."""

    service: ClassVar = HEAP
