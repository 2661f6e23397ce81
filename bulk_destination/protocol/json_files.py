"""The files of the command line: configuration and catalog."""

import json
from pathlib import Path
from typing import Any

from bulk_destination.errors import ConfigurationError, Fault


def read_json(path: str, what: str) -> dict[str, Any]:
    """The JSON object in the file at `path`; raises ConfigurationError, calling it `what`."""
    try:
        value = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise ConfigurationError([Fault(what, f"cannot read {path}: {error.strerror}")]) from None
    except (ValueError, RecursionError):
        raise ConfigurationError([Fault(what, f"{path} is not valid JSON")]) from None
    if not isinstance(value, dict):
        raise ConfigurationError([Fault(what, f"{path} must hold a JSON object")])
    return value


def read_both(config_path: str, catalog_path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Configuration and catalog; a file that cannot be read does not hide the other's faults."""
    faults: list[Fault] = []
    found: list[dict[str, Any]] = []
    for path, what in ((config_path, "config"), (catalog_path, "catalog")):
        try:
            found.append(read_json(path, what))
        except ConfigurationError as error:
            faults += error.faults
    if faults:
        raise ConfigurationError(faults)
    config, catalog = found
    return config, catalog
