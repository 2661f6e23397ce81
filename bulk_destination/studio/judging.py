"""What the form says of the sample, judged by the code that a sync goes through."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from bulk_destination.connection import Connection, Service, connect
from bulk_destination.errors import ConfigurationError, Fault, SyncError
from bulk_destination.look.dry_run import DryRun
from bulk_destination.look.preview import Preview
from bulk_destination.look.preview import Sample as Shown
from bulk_destination.mapping.columns import find
from bulk_destination.mapping.reading import Reading
from bulk_destination.mapping.values import MISSING
from bulk_destination.protocol.lines import Line
from bulk_destination.protocol.messages import read_line
from bulk_destination.studio.form import (
    Choice,
    Given,
    Group,
    Input,
    Option,
    Part,
    blamed,
    entry_of,
    inputs,
    mended,
    parts_of,
    read,
)
from bulk_destination.studio.sample import Sample, StreamName
from bulk_destination.studio.suggestions import (
    Seen,
    Suggestion,
    kind_of_field,
    kind_of_stream,
    look_at,
    suggest,
)

#: Records of which the page shows what they become.
FIRST: Final = 20
#: Bytes of those: what is computed for each letter that is typed.
_MOST_BYTES: Final = 100_000
#: Fields of the page that are none of the configuration: which stream it is about, and how that is
#: synced.
STREAM: Final = "_stream"
MODE: Final = "_mode"
KEY: Final = "_key"
APPEND: Final = "append"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that would not be sent: why, the field to blame, and what its columns held."""

    reason: str
    field: Input | None
    held: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """The configuration as it was typed, and what is wrong with it."""

    parts: tuple[Part, ...]
    given: Given
    config: Mapping[str, Any]
    catalog: Mapping[str, Any]
    #: What is wrong, by the names of fields, and what belongs to none of them.
    problems: Mapping[str, tuple[str, ...]]
    others: tuple[str, ...]
    #: None where the mapping itself cannot work.
    connection: Connection | None
    streams: tuple[StreamName, ...]


def form_of(service: Service[Any], sample: Sample | None) -> tuple[Part, ...]:
    """The service's form, with an entry for each stream of the sample where it asks for those."""
    spec = orjson.loads(service.spec.read_bytes())
    streams = tuple(sample.streams.found) if sample is not None else ()
    return parts_of(spec["connectionSpecification"], streams)


def sync_modes(service: Service[Any]) -> tuple[str, ...]:
    """The destination's modes, as its `spec.json` lists them."""
    spec = orjson.loads(service.spec.read_bytes())
    return tuple(spec["supported_destination_sync_modes"])


def judge(service: Service[Any], sample: Sample, given: Given) -> Judged:
    """What is wrong with what was typed. Asks nobody."""
    parts = form_of(service, sample)
    config = read(parts, given)
    streams = _streams(parts, given, sample)
    catalog = catalog_of(sample, streams, given)
    faults: dict[Fault, None] = {}
    connection: Connection | None = None
    try:
        connection = connect(service, config, catalog)
    except ConfigurationError as error:
        faults = dict.fromkeys(error.faults)
        # Columns are held against the stream only where the rest can be read.
        passable = mended(parts, config, [fault.path for fault in error.faults])
        try:
            connection = connect(service, passable, catalog)
        except ConfigurationError as error_of_columns:
            faults |= dict.fromkeys(error_of_columns.faults)
    names = {field.path: field.name for field in inputs(parts, given)}
    problems: dict[str, tuple[str, ...]] = {}
    for fault in faults:
        if name := names.get(fault.path):
            problems[name] = (*problems.get(name, ()), fault.message)
    others = [str(fault) for fault in faults if fault.path not in names]
    return Judged(parts, given, config, catalog, problems, tuple(others), connection, streams)


def _streams(parts: Sequence[Part], given: Given, sample: Sample) -> tuple[StreamName, ...]:
    """All streams where the form has a list of them, else the one that was chosen."""
    found = tuple(sample.streams.found)
    if any(_lists(part, given) for part in parts):
        return found
    number = given.get(STREAM, "0")
    return (found[int(number)] if number in map(str, range(len(found))) else found[0],)


def _lists(part: Part, given: Given) -> bool:
    match part:
        case Group():
            return part.listed or any(_lists(each, given) for each in part.parts)
        case Choice():
            return any(_lists(each, given) for each in part.chosen(given).parts)
    return False


def catalog_of(
    sample: Sample, streams: Sequence[StreamName], given: Given
) -> dict[str, list[dict[str, Any]]]:
    """The configured catalog: the sample's, where it has one, but for what was typed."""
    entries = []
    for key in streams:
        stream = sample.streams.of(key)
        name, namespace = key
        told = {
            "supported_sync_modes": ["full_refresh"],
            **stream.described,
            "name": name,
            "json_schema": stream.json_schema,
        }
        if namespace is not None:
            told["namespace"] = namespace
        configured = dict(stream.configured) if "stream" in stream.configured else {}
        entry = {"sync_mode": "full_refresh", **configured, "stream": told}
        entry["destination_sync_mode"] = (
            given.get(MODE) or configured.get("destination_sync_mode") or APPEND
        )
        if keys := primary_key(given.get(KEY, ""), told["json_schema"]):
            entry["primary_key"] = keys
        entries.append(entry)
    return {"streams": entries}


def primary_key(text: str, schema: Mapping[str, Any]) -> list[list[str]]:
    """A primary key as a catalog has it, of names that were typed with commas between them.

    >>> primary_key("order_id, shop.id", {})
    [['order_id'], ['shop', 'id']]
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    top = schema.get("properties", {})
    return [[name] if name in top else name.split(".") for name in names]


def first(judged: Judged, sample: Sample) -> tuple[list[Shown], DryRun[Line]] | None:
    """What the first records become; None where the mapping cannot work."""
    if judged.connection is None:
        return None
    lines = _of_streams([sample.lines], sample, judged.streams)
    preview = Preview(judged.connection, FIRST)
    try:
        walk = preview.of([_beginning(lines)])
    except SyncError:
        return None
    return preview.samples, walk


def _beginning(lists: Iterable[Sequence[Line]]) -> list[Line]:
    """The first records, fewer where they are large, and what stands between them."""
    found: list[Line] = []
    records = size = 0
    for line in (line for lines in lists for line in lines):
        if records == FIRST or size > _MOST_BYTES:
            break
        found.append(line)
        size += len(bytes(line))
        records += type(read_line(line)) is dict
    return found


def whole(
    judged: Judged, sample: Sample, told: Callable[[int], None]
) -> tuple[list[Shown], DryRun[Line]]:
    """The plan for all of the sample, and what is rejected in it first.

    Raises SampleError, SyncError, and what `told` raises.
    """
    assert judged.connection is not None  # noqa: S101  # who calls has looked
    preview = Preview(judged.connection, FIRST)
    walk = preview.of(_of_streams(sample.read(told), sample, judged.streams))
    return preview.samples, walk


def _of_streams(
    lists: Iterable[Sequence[Line]], sample: Sample, streams: Sequence[StreamName]
) -> Iterator[Sequence[Line]]:
    """Without the records of other streams, where it is about one of several."""
    others = sample.streams.found.keys() - set(streams)
    if not others:
        yield from lists
        return
    for lines in lists:
        yield [line for line in lines if _stream(line) not in others]


def _stream(line: Line) -> tuple[object, object]:
    message = read_line(line)
    if type(message) is not dict:
        return None, None
    return message.get("stream"), message.get("namespace") or None


def rejection(judged: Judged, shown: Shown) -> Rejection | None:
    """Why a record is rejected, as far as the form has to do with it."""
    if shown.rejected is None:
        return None
    parts = judged.parts
    if shown.stream is not None:
        parts = entry_of(parts, judged.given, (shown.stream.name, shown.stream.namespace))
    field = blamed(parts, judged.given, shown.rejected)
    return Rejection(shown.rejected, field, tuple(_held(judged, field, shown.record)))


def _held(judged: Judged, field: Input | None, record: Any) -> Iterator[tuple[str, str]]:
    """What a record has in the columns of a field."""
    if field is None or type(record) is not dict:
        return
    reading = Reading(None)
    reading.identity(field.path, judged.given.get(field.name, ""))
    for path in sorted(reading.columns):
        value = find(record, path)
        if value is MISSING:
            yield path, "missing"
        else:
            yield path, value if type(value) is str else _json(value)


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except (TypeError, ValueError):
        return repr(value)


def suggestions(
    service: Service[Any], sample: Sample
) -> tuple[dict[str, str], dict[str, Suggestion]]:
    """A first filling of the form, and why: both by the names of fields."""
    parts = form_of(service, sample)
    given: dict[str, str] = {}
    why: dict[str, Suggestion] = {}
    seen = {
        name: look_at(list(stream.columns.leaves()), sample.records.get(name, []))
        for name, stream in sample.streams.found.items()
    }
    _fill(parts, seen, next(iter(seen)), given, why)
    if len(sample.streams.found) > 1:
        given.update(_listing(parts))
    return given, why


def _fill(
    parts: Sequence[Part],
    seen: Mapping[StreamName, Sequence[Seen]],
    stream: StreamName,
    given: dict[str, str],
    why: dict[str, Suggestion],
) -> None:
    for part in parts:
        match part:
            case Group(listed=True):
                at = int(part.path.rpartition(".")[2])
                _fill(part.parts, seen, [*seen, stream][min(at, len(seen))], given, why)
            case Group():
                _fill(part.parts, seen, stream, given, why)
            case Choice():
                kind = kind_of_stream(stream[0])
                for option in part.options:
                    # The first that fits tells of them; one behind it may delete them.
                    if kind is not None and _is_about(option, kind):
                        given.setdefault(part.name, option.value)
                    _fill(option.parts, seen, stream, given, why)
            case Input(takes_columns=True):
                found = suggest(part.key, stream[0], seen[stream])
                if found is not None:
                    given[part.name] = found.text
                    why[part.name] = found


def _is_about(option: Option, kind: str) -> bool:
    """Whether an option is for records that tell of a `person`, or an `account`."""
    kinds = {kind_of_field(field.key) for field in option.parts if isinstance(field, Input)}
    return kind in kinds and "event" not in kinds


def _listing(parts: Sequence[Part]) -> Iterator[tuple[str, str]]:
    """The choice of a list of streams, by its name."""
    for part in parts:
        if isinstance(part, Choice):
            for option in part.options:
                if any(isinstance(one, Group) and one.listed for one in option.parts):
                    yield part.name, option.value
