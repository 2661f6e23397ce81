"""The configured catalog: which streams come in, and how."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bulk_destination.errors import ConfigurationError, Fault
from bulk_destination.mapping.schema import read_schema
from bulk_destination.mapping.stream import Stream

#: Deduplicating modes; the destination keeps one event a primary key.
_DEDUPLICATING: Final = ("append_dedup", "overwrite_dedup")
#: Modes that begin anew. The platform gives `append` and generations in their place to a
#: destination that supports refreshes.
_REPLACING: Final = ("overwrite", "overwrite_dedup")


@dataclass(frozen=True)
class Catalog:
    """The streams of one connection, at least one, no two of one name and namespace."""

    streams: tuple[Stream, ...]
    #: The numbers and namespaces of those of one name.
    _by_name: dict[str, tuple[tuple[int, str | None], ...]] = field(
        init=False, repr=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        for number, stream in enumerate(self.streams):
            before = self._by_name.get(stream.name, ())
            self._by_name[stream.name] = (*before, (number, stream.namespace))

    def find(self, name: object, namespace: object) -> int | None:
        """The number of the stream that a message means; None: of none here.

        One that names no namespace fits a stream of any, if only one has its name; so does one
        that names any, where the catalog's has none. An exact match goes before those; what fits
        two streams is of neither.
        """
        if type(name) is not str:
            return None
        named, candidates = namespace or None, self._by_name.get(name, ())
        for number, own in candidates:
            if own == named:
                return number
        fitting = [number for number, own in candidates if own is None or named is None]
        return fitting[0] if len(fitting) == 1 else None


def parse_catalog(raw: object) -> Catalog:
    """The catalog's streams. Raises ConfigurationError with all that is wrong.

    Read from the raw JSON: the CDK's models refuse sync modes newer than themselves.
    """
    streams = raw.get("streams") if isinstance(raw, Mapping) else None
    if not isinstance(streams, list):
        raise ConfigurationError([Fault("catalog", "must be an object with a list `streams`")])
    if not streams:
        raise ConfigurationError([Fault("catalog", "must have at least one stream, and has 0")])
    faults: list[Fault] = []
    parsed = [_parse(f"catalog.streams.{at}", each, faults) for at, each in enumerate(streams)]
    found: dict[tuple[str, str | None], int] = {}
    for at, stream in enumerate(parsed):
        if stream is not None:
            first = found.setdefault((stream.name, stream.namespace), at)
            if first != at:
                same = (
                    f"is the same as catalog.streams.{first}; all {len(streams)} streams must "
                    "differ by name or namespace"
                )
                faults.append(Fault(f"catalog.streams.{at}.stream", same))
    if faults:
        raise ConfigurationError(faults)
    return Catalog(tuple(filter(None, parsed)))


def _parse(path: str, configured: object, faults: list[Fault]) -> Stream | None:
    stream = configured.get("stream") if isinstance(configured, Mapping) else None
    if (
        not isinstance(configured, Mapping)
        or not isinstance(stream, Mapping)
        or not isinstance(stream.get("name"), str)
    ):
        faults.append(Fault(f"{path}.stream", "must be an object with a `name`"))
        return None
    mode = configured.get("destination_sync_mode")
    if mode == "soft_delete":
        faults.append(
            Fault(f"{path}.destination_sync_mode", "`soft_delete` is not possible: choose `append`")
        )
    given = configured.get("primary_key") or stream.get("source_defined_primary_key")
    # In a mode that does not deduplicate it was never looked at, so an odd one there is none.
    deduplicates = mode in _DEDUPLICATING
    key = _primary_key(path, given or [], faults if deduplicates else [])
    schema, namespace = stream.get("json_schema"), stream.get("namespace")
    return Stream(
        name=stream["name"],
        namespace=namespace if isinstance(namespace, str) and namespace else None,
        schema=read_schema(schema),
        primary_key=key,
        deduplicates=deduplicates,
        replaces=mode in _REPLACING or _is_refresh(configured),
        sync_id=_sync_id(configured.get("sync_id")),
        object_name=_object_name(path, configured.get("destination_object_name"), faults),
        updates=mode == "update",
    )


def _is_refresh(stream: Mapping[str, object]) -> bool:
    """Whether older generations are to go: then this one's number is the least to be kept."""
    least = stream.get("minimum_generation_id")
    return type(least) is int and least > 0 and least == stream.get("generation_id")


def _sync_id(raw: object) -> int:
    return raw if type(raw) is int and raw >= 0 else 0


def _object_name(path: str, raw: object, faults: list[Fault]) -> str | None:
    if raw is None or isinstance(raw, str):
        return raw or None
    faults.append(Fault(f"{path}.destination_object_name", "must be text"))
    return None


def _primary_key(path: str, raw: object, faults: list[Fault]) -> tuple[tuple[str, ...], ...]:
    key: list[tuple[str, ...]] = []
    for part in raw if isinstance(raw, list | tuple) else [None]:
        keys = [part] if isinstance(part, str) else part
        if not isinstance(keys, list | tuple) or not all(isinstance(each, str) for each in keys):
            faults.append(Fault(f"{path}.primary_key", 'must be a list of paths, as [["id"]]'))
            return ()
        key.append(tuple(keys))
    return tuple(key)
