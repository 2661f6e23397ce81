"""Airbyte destination for Heap: events, user properties and account properties.

From Python::

    from destination_heap_analytics import check, load, preview

    report = load(config, rows, stream="orders", primary_key="order_id")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bulk_destination.errors import (
        BrokenStateError,
        ConfigurationError,
        InterruptedSyncError,
        JobFailedError,
        LedgerError,
        NothingAcceptedError,
        ObjectStorageError,
        SourceFailedError,
        StreamsFailedError,
        SyncError,
        TemporaryFileError,
        TooManyRejectedError,
        TooMuchHeldError,
        UnavailableError,
        WrongServiceError,
    )
    from bulk_destination.library.plan import LoadPlan
    from bulk_destination.library.report import Report
    from destination_heap_analytics.destination import DestinationHeapAnalytics
    from destination_heap_analytics.library import check, load, load_partition, preview, share

__all__ = [
    "BrokenStateError",
    "ConfigurationError",
    "DestinationHeapAnalytics",
    "InterruptedSyncError",
    "JobFailedError",
    "LedgerError",
    "LoadPlan",
    "NothingAcceptedError",
    "ObjectStorageError",
    "Report",
    "SourceFailedError",
    "StreamsFailedError",
    "SyncError",
    "TemporaryFileError",
    "TooManyRejectedError",
    "TooMuchHeldError",
    "UnavailableError",
    "WrongServiceError",
    "check",
    "load",
    "load_partition",
    "preview",
    "share",
]

_ERRORS: Final = tuple(name for name in __all__ if name.endswith("Error"))
_OF_LIBRARY: Final = ("check", "load", "load_partition", "preview", "share")
#: Imported where somebody asks for them: a command must not wait for what it does not need.
_HOMES: Final = {
    **dict.fromkeys(_ERRORS, "bulk_destination.errors"),
    "LoadPlan": "bulk_destination.library.plan",
    "Report": "bulk_destination.library.report",
    "DestinationHeapAnalytics": "destination_heap_analytics.destination",
    **dict.fromkeys(_OF_LIBRARY, "destination_heap_analytics.library"),
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    # What a notebook completes.
    return sorted({*globals(), *__all__})
