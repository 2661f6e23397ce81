"""Airbyte destination for Hackle: records become user events."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from destination_hackle.destination import DestinationHackle

__all__ = ["DestinationHackle"]


def __getattr__(name: str) -> object:
    """The class for callers in the same process: the command line must not wait for the CDK."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from destination_hackle.destination import DestinationHackle  # noqa: PLC0415

    return DestinationHackle
