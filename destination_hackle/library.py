"""The connector for callers in Python."""

from typing import Final

from bulk_destination.library.library import Library
from destination_hackle.service import HACKLE

LIBRARY: Final = Library(HACKLE)

load = LIBRARY.load
preview = LIBRARY.preview
check = LIBRARY.check
load_partition = LIBRARY.load_partition
share = LIBRARY.share
