"""Airbyte destination for Hackle: records become user events."""

from destination_hackle.destination import DestinationHackle

__all__ = ["DestinationHackle"]
