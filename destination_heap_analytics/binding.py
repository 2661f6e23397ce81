"""Configuration and catalog, read and fit for each other, or all that is wrong with both."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from destination_heap_analytics.catalog import Stream, column_faults, parse_catalog
from destination_heap_analytics.config import Config, parse_config
from destination_heap_analytics.errors import ConfigurationError, Fault


def read_json(path: str, what: str) -> dict[str, Any]:
    """The JSON object in the file at `path`; raises ConfigurationError, calling it `what`."""
    try:
        value = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise ConfigurationError([Fault(what, f"cannot read {path}: {error.strerror}")]) from None
    except ValueError:
        raise ConfigurationError([Fault(what, f"{path} is not valid JSON")]) from None
    if not isinstance(value, dict):
        raise ConfigurationError([Fault(what, f"{path} must hold a JSON object")])
    return value


def bind_files(config_path: str, catalog_path: str) -> tuple[Config, Stream]:
    """As `bind`, for files; a file that cannot be read does not hide the other's faults."""
    faults: list[Fault] = []
    found: list[dict[str, Any]] = []
    for path, what in ((config_path, "config"), (catalog_path, "catalog")):
        try:
            found.append(read_json(path, what))
        except ConfigurationError as error:
            faults += error.faults
    if faults:
        raise ConfigurationError(faults)
    return bind(*found)


def bind(raw_config: Mapping[str, Any], raw_catalog: object) -> tuple[Config, Stream]:
    """Configuration and stream, fit for each other; raises with all faults of both."""
    faults: list[Fault] = []
    config: Config | None = None
    try:
        config = parse_config(raw_config)
    except ConfigurationError as error:
        faults += error.faults
    stream = parse_catalog(raw_catalog)
    if isinstance(stream, Fault):
        faults.append(stream)
    elif config is not None:
        faults += column_faults(config.api, stream)
    if faults or config is None or isinstance(stream, Fault):
        raise ConfigurationError(faults)
    return config, stream
