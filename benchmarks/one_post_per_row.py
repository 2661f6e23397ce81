"""What users have today, as short as it can be said: one POST a record, a new connection each.

    python -m benchmarks.one_post_per_row BASE_URL ROWS < users.jsonl

It runs as the published connector's pattern does: the CDK parses, a few columns are picked, and
`requests.post` sends them. Nothing is batched, retried or checked.
"""

import io
import itertools
import json
import sys
import time
from collections.abc import Mapping
from typing import Any

import requests

from benchmarks.cdk_parse_loop import Reading


def payload(user: Mapping[str, Any]) -> dict[str, Any]:
    """The README's second example: three properties of a user."""
    return {
        "app_id": "11",
        "identity": user["user_id"],
        "properties": {
            "identities_provider": user["identities"]["provider"],
            "created_at": user["created_at"],
            "nickname": user["nickname"],
        },
    }


def main() -> None:
    """Prints `{"rows": n, "seconds": s}`."""
    base_url, rows = sys.argv[1], int(sys.argv[2])
    stdin = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8")
    messages = Reading()._parse_input_stream(stdin)
    records = (message.record for message in messages if message.record is not None)
    sent = 0
    began = time.perf_counter()
    for record in itertools.islice(records, rows):
        requests.post(f"{base_url}/api/add_user_properties", json=payload(record.data), timeout=60)
        sent += 1
    print(json.dumps({"rows": sent, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
