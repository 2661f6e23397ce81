"""Which names of a plan go into a log. Pure.

Names of events and properties can be values of records: an event column may hold diagnoses, and
a source may key an object by the people that it is about. So a name goes into a log where

- the configuration or the catalog has it, or
- it looks like a name by count: the plan has few that are in neither, and it came often.

The others are counted. `preview`, on the user's own terminal, tells all.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from bulk_destination.connection import Route
from bulk_destination.mapping.columns import lists_properties
from bulk_destination.names import shown

#: Of more names than these that nothing lists, none is told.
FEW: Final = 50
#: A name that nothing lists is told if it came this often.
OFTEN: Final = 10

IsListed = Callable[[str], bool]


def told_in_a_log(counts: Mapping[str, int], is_listed: IsListed) -> set[str]:
    """The names that are told, given how often each came."""
    listed = {name for name in counts if is_listed(name)}
    others = counts.keys() - listed
    if len(others) > FEW:
        return listed
    return listed | {name for name in others if counts[name] >= OFTEN and shown(name) == name}


def properties_listed(route: Route) -> IsListed:
    """Whether a property's name stands in the configuration or in the catalog."""
    configured, schema = route.mapper.names, route.stream.schema
    return lambda name: name in configured or _in_schema(schema, name)


def _in_schema(schema: Any, name: str) -> bool:
    keys = name.split(".")
    while keys:
        if lists_properties(schema):
            properties = schema["properties"]
            if ".".join(keys) in properties:
                return True
            if keys[0] not in properties:
                return False
            schema = properties[keys.pop(0)]
        elif isinstance(schema, Mapping) and "items" in schema and _is_index(keys[0]):
            schema = schema["items"]
            keys.pop(0)
        else:
            return False
    return True


def _is_index(key: str) -> bool:
    """A short one: an object may be keyed by telephone numbers, whatever its schema says."""
    return key.isascii() and key.isdigit() and len(key) <= 3
