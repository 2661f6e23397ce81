"""A service, and one connection to it: configuration and stream, fit for each other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic

from bulk_destination.config import Config, DeliveryConfig, unknown_fields
from bulk_destination.delivery.held import Hold
from bulk_destination.delivery.quotas import Quotas
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
    #: What pip installs it by.
    distribution: str
    #: What the command does, for `--help`.
    summary: str
    #: Files that its examples name.
    samples: Samples
    #: Where the form of the configuration stands, for Airbyte.
    spec: Path
    config: type[Config]
    #: Raises a ConfigurationError where columns cannot be read, or a stream lacks them.
    routes: Callable[[Config, Catalog], "Routes"]
    #: For `check`: where to ask, and items by which the service shows itself and stores nothing.
    probe: Callable[[Config], tuple[Endpoint, bytes]]
    #: What is wrong if it answers so, and the way out; None if all is well.
    probe_fault: Callable[[Config, Accepted | Refused | TooLarge], str | None]
    #: What a connection may map streams to, as a destination's catalog; None if there is nothing.
    objects: Callable[[], dict[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Where the records of one stream go, and what they become."""

    stream: Stream
    endpoint: Endpoint
    mapper: RecordMapper
    #: What to keep of all that goes to this endpoint.
    quotas: Quotas | None = None
    #: The fields that ask for one value, and what they say.
    columns: tuple[tuple[str, str], ...] = ()
    #: Where what is sent cannot be taken back, and so waits until the source has ended.
    hold: Hold | None = None

    @property
    def notices(self) -> list[str]:
        """What the user should know of the stream before anything of it is sent."""
        keeps = (
            f"This sync is to take the place of what {self.stream} loaded before, and "
            f"{self.endpoint.service} can delete nothing: all that it has stays"
        )
        replaces = self.stream.replaces and self.hold is None
        return [keeps] * replaces + self.mapper.notices()


@dataclass(frozen=True, slots=True)
class Routes:
    """One for each stream of the catalog, in its order, and words about what is ignored."""

    of_streams: tuple[Route, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Connection:
    """What one run of `write` works by."""

    config: DeliveryConfig
    catalog: Catalog
    #: One for each stream of the catalog, in its order.
    routes: tuple[Route, ...]
    #: Of the configuration; what is to be said of a stream, its route has.
    warnings: tuple[str, ...] = ()

    @property
    def route(self) -> Route:
        """That of the one stream."""
        [route] = self.routes
        return route


def connect(
    service: Service[Config], raw_config: Mapping[str, Any], raw_catalog: object
) -> Connection:
    """Configuration and stream, fit for each other.

    Raises ConfigurationError with all faults of both. Asks nobody: no request is sent.
    """
    faults: list[Fault] = []
    config: Config | None = None
    catalog: Catalog | None = None
    routes: Routes | None = None
    try:
        catalog = parse_catalog(raw_catalog)
    except ConfigurationError as error:
        faults += error.faults
    try:
        streams = catalog.streams if catalog is not None else ()
        # What one is mapped to is read by columns of its own.
        schemas = [stream.schema for stream in streams if stream.object_name is None]
        config = service.config.parse(raw_config, schemas)
        if catalog is not None:
            routes = service.routes(config, catalog)
    except ConfigurationError as error:
        faults[:0] = error.faults
    if config is None or catalog is None or routes is None:
        raise ConfigurationError(faults)
    warnings = (*unknown_fields(config), *routes.warnings)
    return Connection(config, catalog, tuple(map(_with_names, routes.of_streams)), warnings)


def one_stream(catalog: Catalog) -> Stream:
    """The catalog's only stream; raises ConfigurationError where it has several."""
    if len(catalog.streams) != 1:
        fault = (
            f"must have exactly one stream, and has {len(catalog.streams)}: one connection loads "
            "one stream. Choose one, and make a connection for each other one"
        )
        raise ConfigurationError([Fault("catalog", fault)])
    return catalog.streams[0]


def _with_names(route: Route) -> Route:
    """What a service says of the stream's columns may be shown."""
    schema = route.stream.schema
    names = {*route.mapper.names, *(listed_names(schema) if schema is not None else ())}
    return replace(
        route, endpoint=replace(route.endpoint, words=route.endpoint.words.and_names(names))
    )
