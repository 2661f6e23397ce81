"""`load` from Python, on the rows of stdin: as they come, or of a table in memory.

A caller has rows, and no JSON. So for its speed they are made before the time is taken, out of a
thousand that are parsed: each is about somebody new, as `write`'s are, and as Heap takes the same
user in few requests a minute, which the engine keeps to. For its memory all rows are parsed as
they come.
"""

import gc
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any

import orjson

from destination_heap_analytics import load

AHEAD = 1_000
#: The first of those that rows are about.
SOMEBODY = 10**9


def rows() -> Iterator[dict[str, Any]]:
    """The records of stdin."""
    messages = map(orjson.loads, sys.stdin.buffer)
    return (each["record"]["data"] for each in messages if each["type"] == "RECORD")


def table(ahead: Sequence[dict[str, Any]], column: str, length: int) -> list[dict[str, Any]]:
    """The same rows again and again, each time about somebody new."""
    somebodies = map(str, count(SOMEBODY))
    return [{**row, column: next(somebodies)} for row in islice(cycle(ahead), length)]


def main() -> None:
    """Loads them, and says how many a second."""
    config_path, catalog, most = sys.argv[1:]
    config = json.loads(Path(config_path).read_bytes())
    [configured] = json.loads(Path(catalog).read_bytes())["streams"]
    stream = configured["stream"]
    given: Iterable[dict[str, Any]] = rows()
    if most != "None":
        ahead = list(islice(given, AHEAD))
        given = table(ahead, config["api"]["identity_column"], int(most))
        gc.freeze()  # A table is as old as the program, and is not looked at once more.
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
