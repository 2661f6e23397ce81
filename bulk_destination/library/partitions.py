"""A load in parts, side by side on other machines, as Spark has it. Pure.

Each part is a load of its own. It is a function that can be pickled, and takes the rows of one
partition; what it gives back is its report.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from bulk_destination.config import DeliveryConfig
from bulk_destination.errors import ConfigurationError, Fault
from bulk_destination.library.report import Report


@dataclass(frozen=True, slots=True)
class PartitionLoad:
    """Loads the rows of one partition by the `load` of a connector's `package`."""

    package: str
    #: Not shown: it may hold a key.
    config: Mapping[str, Any] = field(repr=False)
    #: The other arguments of `load`.
    options: Mapping[str, Any]

    @classmethod
    def of(
        cls, package: str, config: Mapping[str, Any], options: Mapping[str, Any]
    ) -> "PartitionLoad":
        """One that keeps what it was made of, though the caller changes that later."""
        return cls(package, _copied(config), _copied(options))

    def __call__(self, rows: Iterable[Any]) -> list[Report]:
        """The one report, in a list: `mapPartitions` and `foreachPartition` both take that."""
        # The package is imported where the rows are, and does not travel.
        report: Report = import_module(self.package).load(self.config, rows, **self.options)
        return [report]


def shared(config: DeliveryConfig, raw: Mapping[str, Any], of: int) -> dict[str, Any]:
    """`raw` with the part of the app's quota that one of so many loads at once has.

    Raises ConfigurationError where a part would be less than one event a minute.
    """
    if not isinstance(of, int) or of < 1:
        words = "must be a whole number of at least 1: so many loads run at once"
        raise ConfigurationError([Fault("of", words)])
    own: dict[str, Any] = _copied(raw)
    name = config.app_quota
    most: int = getattr(config, name) if name is not None else 0
    if name is None or not most:  # 0 is no limit
        return own
    if most < of:
        words = (
            f"{most:,} events a minute are too few for {of:,} loads at once: let at most "
            f"{most:,} run"
        )
        raise ConfigurationError([Fault(name, words)])
    return {**own, name: most // of}


def _copied(value: Any) -> Any:
    """The same JSON, in objects that can be pickled and that nobody else has."""
    if isinstance(value, Mapping):
        return {name: _copied(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(each) for each in value]
    return value
