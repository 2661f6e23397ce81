"""Which of Heap's APIs each stream goes to, and by which columns. Pure.

- A stream that the connection maps to one of `objects.py` is that, whatever `api` says.
- Under `by_stream` an entry decides: one that names the stream's namespace before one that names
  none, which fits any.
- Under `by_object` each stream has to name its object.
- One of the three APIs alone is for one stream.
- Users are deleted by a stream that is for nothing else: it is mapped to no object.
"""

from dataclasses import dataclass
from typing import Final

from bulk_destination.errors import ConfigurationError, Fault
from bulk_destination.mapping.spelling import did_you_mean, nearest
from bulk_destination.mapping.stream import Stream
from bulk_destination.protocol.catalog import Catalog
from destination_heap_analytics.config import (
    ApiConfig,
    ByObject,
    ByStream,
    DeleteUsersConfig,
    HeapConfig,
    SimpleApi,
    StreamConfig,
    TrackConfig,
)
from destination_heap_analytics.objects import OBJECTS, object_config, object_stream

_OBJECT_NAMES: Final = "`event`, `user` or `account`"


@dataclass(frozen=True, slots=True)
class Choice:
    """What one stream becomes, and where that is said: a path of the configuration or catalog."""

    api: SimpleApi | DeleteUsersConfig
    path: str
    #: The stream as its object has it, where the connection maps it to one.
    mapped: Stream | None = None

    def located(self, fault: Fault) -> Fault:
        """A fault of an API's columns, where these are written."""
        if self.path.startswith("catalog."):
            return Fault(self.path, fault.message)
        return Fault(self.path + fault.path.removeprefix("api"), fault.message)


@dataclass(frozen=True, slots=True)
class Choices:
    """One for each stream of the catalog, in its order, and words about what is ignored."""

    of_streams: tuple[Choice, ...]
    warnings: tuple[str, ...] = ()


def choose(config: HeapConfig, catalog: Catalog) -> Choices:
    """What each stream of the catalog becomes. Raises ConfigurationError with all faults."""
    faults: list[Fault] = []
    warnings: list[str] = []
    choices: dict[int, Choice] = {}
    for number, stream in enumerate(catalog.streams):
        choice = _by_object(config.api, number, stream, faults, warnings)
        if choice is not None:
            choices[number] = choice
    left = {n: each for n, each in enumerate(catalog.streams) if n not in choices}
    match config.api:
        case ByStream() as api:
            choices |= _by_stream(api, catalog, left, faults, warnings)
        case ByObject():
            pass
        case simple:
            if len(left) > 1:
                deletes = isinstance(simple, DeleteUsersConfig)
                faults.append(Fault("catalog", _one_stream_only(len(left), deletes=deletes)))
            choices |= dict.fromkeys(left, Choice(simple, "api"))
    for number, choice in choices.items():
        path = f"catalog.streams.{number}.destination_sync_mode"
        if catalog.streams[number].updates and isinstance(choice.api, DeleteUsersConfig):
            faults.append(Fault(path, "`update` is for users and accounts, not to delete them"))
        if catalog.streams[number].updates and isinstance(choice.api, TrackConfig):
            faults.append(Fault(path, "`update` is for users and accounts: events do not change"))
    if faults:
        raise ConfigurationError(faults)
    return Choices(tuple(choices[n] for n in range(len(catalog.streams))), tuple(warnings))


def _by_object(
    api: ApiConfig, number: int, stream: Stream, faults: list[Fault], warnings: list[str]
) -> Choice | None:
    """What the connection's own mapping says of a stream, if it says anything."""
    path, name = f"catalog.streams.{number}.destination_object_name", stream.object_name
    if name is None:
        if isinstance(api, ByObject):
            faults.append(Fault(path, f"is required, and must be {_OBJECT_NAMES}"))
        return None
    if isinstance(api, DeleteUsersConfig):
        beside = (
            "must not be set: api says that this stream deletes users, and a mapping would say "
            "that it loads them. Load by another connection"
        )
        faults.append(Fault(path, beside))
        return None
    if name in OBJECTS:
        return Choice(object_config(name, stream.schema), path, object_stream(name, stream))
    unknown = f"must be {_OBJECT_NAMES}{did_you_mean(nearest(name, [*OBJECTS]))}"
    if isinstance(api, ByObject | ByStream):
        faults.append(Fault(path, unknown))
    else:
        warnings.append(f"`{path}` is ignored: it {unknown}")
    return None


def _by_stream(
    api: ByStream,
    catalog: Catalog,
    left: dict[int, Stream],
    faults: list[Fault],
    warnings: list[str],
) -> dict[int, Choice]:
    """What the entries say of the streams that are left."""
    entries = [_entry(api, stream) for stream in catalog.streams]
    if lacking := [str(stream) for number, stream in left.items() if entries[number] is None]:
        # Of a name that is misspelled, or of another namespace.
        idle = [str(entry) for at, entry in enumerate(api.streams) if at not in entries]
        for_none = f"; no stream has its entry for {', '.join(idle)}" if idle else ""
        faults.append(Fault("api.streams", f"has no entry for {', '.join(lacking)}{for_none}"))
    used = {entry for number, entry in enumerate(entries) if number in left}
    for at, entry in enumerate(api.streams):
        if at not in used:
            why = _not_used(entry, catalog, is_mapped=at in entries)
            warnings.append(f"`api.streams.{at}` is ignored: {why}")
    return {
        number: Choice(api.streams[at].api, f"api.streams.{at}.api")
        for number, at in enumerate(entries)
        if number in left and at is not None
    }


def _entry(api: ByStream, stream: Stream) -> int | None:
    """The number of the entry for a stream; blanks around its names do not count."""
    for namespace in ((stream.namespace or "").strip() or None, None):
        for at, entry in enumerate(api.streams):
            if (entry.stream, entry.namespace) == (stream.name.strip(), namespace):
                return at
    return None


def _not_used(entry: StreamConfig, catalog: Catalog, *, is_mapped: bool) -> str:
    """Why no stream becomes what its entry says."""
    if is_mapped:
        return f"the connection maps {entry} to an object by itself (`destination_object_name`)"
    names = [stream.name.strip() for stream in catalog.streams]
    if entry.stream not in names:
        return (
            f"{entry} is no stream of this connection{did_you_mean(nearest(entry.stream, names))}"
        )
    if entry.namespace is None:
        return f"each {entry} of this connection has an entry that names its namespace"
    found = ", ".join(str(each) for each in catalog.streams if each.name.strip() == entry.stream)
    return f"{entry} is no stream of this connection, which has {found}"


def _one_stream_only(count: int, *, deletes: bool) -> str:
    if deletes:
        return (
            f"must have exactly one stream, and has {count}: whose users are deleted is not left "
            "to chance. Choose the one, and load others by another connection"
        )
    return (
        f"must have exactly one stream, and has {count}: `api` says what one stream becomes. "
        "Choose one, or let `api` say it for each stream (`by_stream`)"
    )
