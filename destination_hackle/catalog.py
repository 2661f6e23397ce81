"""Whether the stream has the columns that the configuration names."""

from destination_hackle.config import Config
from destination_heap_analytics.catalog import Stream
from destination_heap_analytics.columns import did_you_mean, nearest, resolve, schema_paths
from destination_heap_analytics.errors import Fault


def column_faults(config: Config, stream: Stream) -> list[Fault]:
    """Every configured column that the stream's schema does not have, with the nearest names."""
    schema = stream.schema
    if schema is None:
        return []
    paths = list(schema_paths(schema))
    return [
        Fault(
            field,
            f"the stream `{stream.name}` has no column `{column}`"
            f"{did_you_mean(nearest(column, paths))}",
        )
        for field, column in config.columns()
        if resolve(schema, column) is None
    ]
