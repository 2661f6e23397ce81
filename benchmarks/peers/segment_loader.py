"""Segment's SDK, by https://segment.com/docs/connections/sources/catalog/libraries/server/python.

One call a row, as its documents say. They name the settings that are set here for speed: eight
threads, requests of 1,000 rows, and a queue for all of them. Where the queue is full the SDK drops
a row and says so; here the row is offered again.
"""

import json
import sys
import time
from datetime import datetime

from segment.analytics.client import Client  # type: ignore[import-not-found]

from benchmarks.peers.payloads import ITEMS, Json, item, rows

#: Until a row is offered again. Seconds.
_PAUSE = 0.001


def main() -> None:
    """Sends all of stdin."""
    kind, read, began = sys.argv[2], 0, time.perf_counter()
    client = Client(
        "bench", host=sys.argv[1], thread=8, upload_size=ITEMS, max_queue_size=20 * ITEMS
    )

    def offer(what: Json) -> bool:
        if kind == "users":
            taken, _ = client.identify(what["identity"], what["properties"])
        else:
            taken, _ = client.track(
                what["identity"],
                what["event"],
                what["properties"],
                timestamp=datetime.fromisoformat(what["timestamp"]),
            )
        return bool(taken)

    for row in rows(sys.stdin.buffer):
        read += 1
        while not offer(item(kind, row)):
            time.sleep(_PAUSE)
    client.shutdown()
    print(json.dumps({"rows": read, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
