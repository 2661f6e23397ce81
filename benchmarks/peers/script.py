"""The ten lines that a good engineer writes: orjson, requests, eight threads; no promises."""

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import orjson
import requests

from benchmarks.peers.payloads import ITEMS, KINDS, Json, item


def main() -> None:
    """Sends all of stdin."""
    kind, read, began = sys.argv[2], 0, time.perf_counter()
    url, name, thread = sys.argv[1] + KINDS[kind].path, KINDS[kind].items, threading.local()

    def post(items: list[Json]) -> None:
        if not hasattr(thread, "session"):
            thread.session = requests.Session()
        body = orjson.dumps({"app_id": "11", name: items})
        headers = {"Content-Type": "application/json"}
        thread.session.post(url, body, headers=headers, timeout=60).raise_for_status()

    messages = map(orjson.loads, sys.stdin.buffer)
    records = (each["record"]["data"] for each in messages if each["type"] == "RECORD")
    items = (item(kind, row) for row in records)
    try:
        with ThreadPoolExecutor(8) as pool:
            sent = []
            while batch := list(islice(items, ITEMS)):
                sent.append(pool.submit(post, batch))
                read += len(batch)
            for each in sent:
                each.result()
    finally:
        print(json.dumps({"rows": read, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
