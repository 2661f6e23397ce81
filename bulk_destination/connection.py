"""A service, and one connection to it: configuration and stream, fit for each other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic

from bulk_destination.config import Config, DeliveryConfig
from bulk_destination.errors import ConfigurationError, Fault
from bulk_destination.http.endpoint import Endpoint
from bulk_destination.http.replies import Accepted, Refused, TooLarge
from bulk_destination.mapping.columns import listed_names
from bulk_destination.mapping.record_mapper import RecordMapper
from bulk_destination.mapping.stream import Stream
from bulk_destination.protocol.arguments import Samples
from bulk_destination.protocol.catalog import Catalog, parse_catalog


@dataclass(frozen=True, slots=True)
class Service(Generic[Config]):
    """All that is special to one service, as its connector hands it to the engine."""

    #: As in a sentence.
    name: str
    #: The name of the command.
    program: str
    #: What the command does, for `--help`.
    summary: str
    #: Files that its examples name.
    samples: Samples
    #: Where the form of the configuration stands, for Airbyte.
    spec: Path
    config: type[Config]
    endpoint: Callable[[Config], Endpoint]
    #: Raises a ConfigurationError where columns cannot be read, or the stream lacks them.
    mapper: Callable[[Config, Stream], RecordMapper]
    #: For `check`: where to ask, and items by which the service shows itself and stores nothing.
    probe: Callable[[Config], tuple[Endpoint, bytes]]
    #: What is wrong if it answers so, and the way out; None if all is well.
    probe_fault: Callable[[Config, Accepted | Refused | TooLarge], str | None]


@dataclass(frozen=True, slots=True)
class Connection:
    """What one run of `write` works by."""

    config: DeliveryConfig
    catalog: Catalog
    endpoint: Endpoint
    mapper: RecordMapper

    @property
    def stream(self) -> Stream:
        """The one stream."""
        return self.catalog.streams[0]


def connect(
    service: Service[Config], raw_config: Mapping[str, Any], raw_catalog: object
) -> Connection:
    """Configuration and stream, fit for each other.

    Raises ConfigurationError with all faults of both. Asks nobody: no request is sent.
    """
    faults: list[Fault] = []
    config: Config | None = None
    mapper: RecordMapper | None = None
    catalog: Catalog | None = None
    try:
        catalog = _of_one_stream(parse_catalog(raw_catalog))
    except ConfigurationError as error:
        faults += error.faults
    try:
        config = service.config.parse(raw_config)
        if catalog is not None:
            mapper = service.mapper(config, catalog.streams[0])
    except ConfigurationError as error:
        faults[:0] = error.faults
    if config is None or mapper is None or catalog is None:
        raise ConfigurationError(faults)
    endpoint = service.endpoint(config)
    schema = catalog.streams[0].schema
    names = {*mapper.names, *(listed_names(schema) if schema is not None else ())}
    endpoint = replace(endpoint, words=endpoint.words.and_names(names))
    return Connection(config, catalog, endpoint, mapper)


def _of_one_stream(catalog: Catalog) -> Catalog:
    if len(catalog.streams) != 1:
        fault = (
            f"must have exactly one stream, and has {len(catalog.streams)}: one connection loads "
            "one stream. Choose one, and make a connection for each other one"
        )
        raise ConfigurationError([Fault("catalog", fault)])
    return catalog
