"""What users of Hackle have today: its own SDK for Python, called once a record.

    python benchmarks/hackle_sdk_loader.py BASE_URL < purchases.jsonl

Runs in an environment of its own that has hackle-sdk and nothing of this project
(`make real-peer-environment`). It offers the records as fast as they can be read, closes the
client, which sends what it still has, and prints how many it offered: `{"rows": n, "seconds": s}`.
How many of them landed only the service knows.
"""

import json
import logging
import sys
import time

from hackle.config import HackleConfig  # type: ignore[import-not-found]
from hackle.hackle import Client  # type: ignore[import-not-found]
from hackle.model import Hackle  # type: ignore[import-not-found]


def main() -> None:
    """Offers all records of stdin."""
    # A warning for each event that it drops would slow it down.
    logging.disable(logging.CRITICAL)
    url = sys.argv[1]
    config = HackleConfig.builder().sdk_url(url).event_url(url).monitoring_enabled(False).build()
    client = Client("bench", config=config)
    offered = 0
    began = time.perf_counter()
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if message["type"] != "RECORD":
            continue
        data = message["record"]["data"]
        event = Hackle.event(
            key=data["event"],
            value=data["amount"],
            pay_method=data["pay_method"],
            discount_amount=data["discount_amount"],
            is_discount=data["is_discount"],
        )
        client.track(event, Hackle.user(data["user_id"]))
        offered += 1
    client.close()
    print(json.dumps({"rows": offered, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
