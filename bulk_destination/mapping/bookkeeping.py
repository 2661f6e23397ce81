"""What a source keeps in a record for itself, and is no data of the user's. Pure.

Airbyte's database sources put `_ab_cdc_lsn`, `_ab_cdc_updated_at` and the like beside the columns
of a table, file sources `_ab_source_file_last_modified`, and a warehouse that Airbyte filled has
`_airbyte_extracted_at`. They change when a row is read again, though the row has not.
"""

from typing import Final

from bulk_destination.mapping.columns import Record
from bulk_destination.mapping.lookups import is_nothing

PREFIXES: Final = ("_ab_", "_airbyte_")
#: Set by sources with change data capture where the row is gone; the record may then have its
#: key alone (https://docs.airbyte.com/understanding-airbyte/cdc).
DELETED_AT: Final = "_ab_cdc_deleted_at"
#: Names that are remembered.
_MOST_NAMES: Final = 10_000


def is_deleted(record: Record) -> bool:
    """Whether its source says that the row is gone."""
    return not is_nothing(record.get(DELETED_AT))


class OwnColumns:
    """A record's own columns; remembers names, as most records have the same ones."""

    def __init__(self) -> None:
        #: Names of such columns.
        self.known: set[str] = set()

    def __call__(self, record: Record) -> Record:
        """The record without its source's bookkeeping."""
        if self.known.issuperset(record):
            return record
        own = {name: value for name, value in record.items() if not name.startswith(PREFIXES)}
        if len(self.known) < _MOST_NAMES:
            self.known.update(own)
        return own
