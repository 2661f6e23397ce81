"""The connector for Hackle."""

from typing import ClassVar

from bulk_destination.destination import BulkDestination
from destination_hackle.service import HACKLE


class DestinationHackle(BulkDestination):
    """Loads one stream into Hackle as user events."""

    service: ClassVar = HACKLE
