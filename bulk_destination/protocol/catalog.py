"""The configured catalog: which one stream comes in, and how."""

from collections.abc import Mapping

from bulk_destination.errors import Fault
from bulk_destination.mapping.columns import lists_properties
from bulk_destination.mapping.stream import Stream

#: Deduplicating modes; the destination keeps one event a primary key.
_DEDUPLICATING = ("append_dedup", "overwrite_dedup")


def parse_catalog(raw: object) -> Stream | Fault:
    """The catalog's only stream, or what is wrong.

    Read from the raw JSON: the CDK's models refuse sync modes newer than themselves.
    """
    streams = raw.get("streams") if isinstance(raw, Mapping) else None
    if not isinstance(streams, list):
        return Fault("catalog", "must be an object with a list `streams`")
    if len(streams) != 1:
        return Fault(
            "catalog",
            f"must have exactly one stream, and has {len(streams)}: one connection loads one "
            "stream. Choose one, and make a connection for each other one",
        )
    stream = streams[0].get("stream") if isinstance(streams[0], Mapping) else None
    if not isinstance(stream, Mapping) or not isinstance(stream.get("name"), str):
        return Fault("catalog.streams.0.stream", "must be an object with a `name`")
    schema, namespace = stream.get("json_schema"), stream.get("namespace")
    key: tuple[tuple[str, ...], ...] | Fault = ()
    if streams[0].get("destination_sync_mode") in _DEDUPLICATING:
        key = _primary_key(
            streams[0].get("primary_key") or stream.get("source_defined_primary_key") or []
        )
    if isinstance(key, Fault):
        return key
    return Stream(
        name=stream["name"],
        namespace=namespace if isinstance(namespace, str) else None,
        schema=schema if lists_properties(schema) else None,
        primary_key=key,
        sync_id=_sync_id(streams[0].get("sync_id")),
    )


def _sync_id(raw: object) -> int:
    return raw if type(raw) is int and raw >= 0 else 0


def _primary_key(raw: object) -> tuple[tuple[str, ...], ...] | Fault:
    key: list[tuple[str, ...]] = []
    for path in raw if isinstance(raw, list | tuple) else [None]:
        keys = [path] if isinstance(path, str) else path
        if not isinstance(keys, list | tuple) or not all(isinstance(each, str) for each in keys):
            return Fault("catalog.streams.0.primary_key", 'must be a list of paths, as [["id"]]')
        key.append(tuple(keys))
    return tuple(key)
