"""dlt with a custom destination, by https://dlthub.com/docs/dlt-ecosystem/destinations/destination.

Its client retries, as its documents advise (`dlt.sources.helpers.requests`); files of 12,500 rows
are what makes it load in parallel (https://dlthub.com/docs/reference/performance).
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from tempfile import TemporaryDirectory
from typing import Any

# It reads its environment as it starts.
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["RUNTIME__LOG_LEVEL"] = "CRITICAL"
os.environ["DATA_WRITER__FILE_MAX_ITEMS"] = "12500"

import dlt  # type: ignore[import-not-found]
from dlt.common.json import json as dlt_json  # type: ignore[import-not-found]
from dlt.sources.helpers import requests  # type: ignore[import-not-found]

from benchmarks.peers.payloads import ITEMS, KINDS, Json, item, rows


def main() -> None:
    """Sends all of stdin."""
    kind, read = sys.argv[2], 0
    url, name = sys.argv[1] + KINDS[kind].path, KINDS[kind].items

    @dlt.destination(batch_size=ITEMS, name="heap", naming_convention="direct")  # type: ignore[untyped-decorator]
    def heap(items: list[Json], table: Any) -> None:  # noqa: ARG001  # dlt hands it in
        body = dlt_json.dumpb({"app_id": "11", name: items})
        requests.post(url, data=body, headers={"Content-Type": "application/json"})

    def source() -> Iterator[Json]:
        nonlocal read
        for row in rows(sys.stdin.buffer):
            read += 1
            yield item(kind, row)

    began = time.perf_counter()
    with TemporaryDirectory() as folder:
        pipeline = dlt.pipeline("peer", destination=heap, pipelines_dir=folder)
        try:
            pipeline.run(source(), table_name=kind)
        finally:
            print(json.dumps({"rows": read, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
