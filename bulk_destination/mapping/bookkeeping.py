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


def is_deleted(record: Record) -> bool:
    """Whether its source says that the row is gone."""
    return not is_nothing(record.get(DELETED_AT))


def without_bookkeeping(record: Record) -> Record:
    """The record's own columns."""
    if not any(name.startswith(PREFIXES) for name in record):
        return record
    return {name: value for name, value in record.items() if not name.startswith(PREFIXES)}
