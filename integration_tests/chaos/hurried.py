"""A connector's command line with shorter waits: `hurried.py SERVICE READ_TIMEOUT ARGUMENT...`.

READ_TIMEOUT is the time for one answer of the service, in seconds.
"""

import sys
from typing import Any, Final

from bulk_destination import command_line
from bulk_destination.connection import Service
from bulk_destination.http.jobs import Patience
from bulk_destination.http.pacing import RetryPolicy
from bulk_destination.loading.surroundings import Surroundings
from destination_hackle.service import HACKLE
from destination_heap_analytics.service import HEAP

SERVICES: Final[dict[str, Service[Any]]] = {"heap": HEAP, "hackle": HACKLE}


def main() -> None:
    """Runs the command on the process's arguments."""
    service, read_timeout, *args = sys.argv[1:]
    hurried = Surroundings(
        retry_policy=RetryPolicy(first=0.01, longest=0.1),
        read_timeout=float(read_timeout),
        second=0.01,
        patience=Patience(first=0.01, longest=0.1),
    )
    command_line.run(SERVICES[service], args, hurried)


if __name__ == "__main__":
    main()
