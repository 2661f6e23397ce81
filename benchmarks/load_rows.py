"""`load` from Python, on the rows of stdin: as they come, or on some that were read ahead.

A caller has rows, and no JSON. So for its speed 20,000 are parsed before the time is taken, and
given again and again until there are as many as the command line says; for its memory all rows are
parsed as they come.
"""

import json
import sys
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import orjson

from destination_heap_analytics import load

AHEAD = 20_000


def rows() -> Iterator[dict[str, Any]]:
    """The records of stdin."""
    messages = map(orjson.loads, sys.stdin.buffer)
    return (each["record"]["data"] for each in messages if each["type"] == "RECORD")


def main() -> None:
    """Loads them, and says how many a second."""
    config, catalog, count = sys.argv[1:]
    [configured] = json.loads(Path(catalog).read_bytes())["streams"]
    stream = configured["stream"]
    given = rows()
    if count != "None":
        ahead = list(islice(given, AHEAD))
        given = islice(cycle(ahead), int(count))
    report = load(
        json.loads(Path(config).read_bytes()),
        given,
        stream=stream["name"],
        namespace=stream["namespace"],
        schema=stream["json_schema"],
    )
    print(json.dumps({"rows": report.accepted, "seconds": report.seconds}))


if __name__ == "__main__":
    main()
