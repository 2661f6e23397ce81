"""`load` from Python, on the rows of stdin: as they come, or on some that were read ahead.

A caller has rows, and no JSON. So for its speed a thousand are parsed before the time is taken, as
many as a cursor gives at once. They are given again and again until there are as many as the
command line says, each time about somebody new: as `write`'s are, and as Heap takes the same user
in few requests a minute, which the engine keeps to. For its memory all rows are parsed as they
come.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

import orjson

from destination_heap_analytics import load

AHEAD = 1_000
#: The first of those that rows are about: to count on from here costs next to nothing.
SOMEBODY = 10**9


def rows() -> Iterator[dict[str, Any]]:
    """The records of stdin."""
    messages = map(orjson.loads, sys.stdin.buffer)
    return (each["record"]["data"] for each in messages if each["type"] == "RECORD")


def again(ahead: Sequence[dict[str, Any]], column: str) -> Iterator[dict[str, Any]]:
    """The same rows without end, each time about somebody new."""
    for row, somebody in zip(cycle(ahead), map(str, count(SOMEBODY)), strict=False):
        row[column] = somebody
        yield row


def main() -> None:
    """Loads them, and says how many a second."""
    config_path, catalog, most = sys.argv[1:]
    config = json.loads(Path(config_path).read_bytes())
    [configured] = json.loads(Path(catalog).read_bytes())["streams"]
    stream = configured["stream"]
    given = rows()
    if most != "None":
        ahead = list(islice(given, AHEAD))
        given = islice(again(ahead, config["api"]["identity_column"]), int(most))
    report = load(
        config,
        given,
        stream=stream["name"],
        namespace=stream["namespace"],
        schema=stream["json_schema"],
    )
    print(json.dumps({"rows": report.accepted, "seconds": report.seconds}))


if __name__ == "__main__":
    main()
