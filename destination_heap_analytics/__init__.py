"""Airbyte destination for Heap: events, user properties and account properties."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from destination_heap_analytics.destination import DestinationHeapAnalytics

__all__ = ["DestinationHeapAnalytics"]


def __getattr__(name: str) -> object:
    """The class for callers in the same process: the command line must not wait for the CDK."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from destination_heap_analytics.destination import DestinationHeapAnalytics  # noqa: PLC0415

    return DestinationHeapAnalytics
