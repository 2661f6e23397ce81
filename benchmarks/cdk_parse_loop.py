"""Reads stdin as any Python destination does: the CDK's own loop, and nothing done with it."""

import io
import json
import sys
import time
from typing import Any

from airbyte_cdk.destinations import Destination


class Reading(Destination):
    """A destination that only reads."""

    def check(self, *_: Any) -> Any:
        """Not asked for."""

    def write(self, *_: Any) -> Any:
        """Not asked for."""


def main() -> None:
    """Prints `{"rows": n, "seconds": s}`."""
    stdin = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8")
    began = time.perf_counter()
    rows = sum(message.record is not None for message in Reading()._parse_input_stream(stdin))
    print(json.dumps({"rows": rows, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
