"""The connector for callers in Python."""

import logging
from typing import Final

from bulk_destination.library.library import Library
from destination_heap_analytics.service import HEAP

LIBRARY: Final = Library(HEAP)

load = LIBRARY.load
preview = LIBRARY.preview
check = LIBRARY.check
load_partition = LIBRARY.load_partition
share = LIBRARY.share

# Else Python writes warnings to stderr where nobody has set up logging.
logging.getLogger(LIBRARY.package).addHandler(logging.NullHandler())
