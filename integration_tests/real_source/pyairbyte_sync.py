"""Syncs of `source-faker` into this connector, run by PyAirbyte.

Runs in an environment of its own that has PyAirbyte and nothing of this project: source and
destination are programs to it. `make real-source-environments` makes that environment.
"""

import argparse
import json
import os
from pathlib import Path

# Read while `airbyte` is imported: no registry is asked, no usage is reported.
os.environ |= {"AIRBYTE_OFFLINE_MODE": "1", "DO_NOT_TRACK": "1"}

import airbyte as ab  # type: ignore[import-not-found]
from airbyte.caches import DuckDBCache  # type: ignore[import-not-found]
from airbyte.strategies import WriteStrategy  # type: ignore[import-not-found]


def main() -> None:
    """Syncs once for each `--state`.

    A check or sync that fails raises: the process ends with another code than 0.
    """
    arguments = _parser().parse_args()
    source = ab.get_source(
        "source-faker",
        config={
            "count": arguments.count,
            "seed": 42,
            "records_per_slice": 100,
            "parallelism": 1,
            # Otherwise every sync is a first one, whatever the state says.
            "always_updated": False,
        },
        local_executable=arguments.source,
        streams=arguments.streams,
    )
    destination = ab.get_destination(
        "destination-heap-analytics",
        config=json.loads(arguments.config.read_bytes()),
        local_executable=arguments.destination,
    )
    if arguments.check:
        destination.check()
    for state in arguments.states:
        destination.write(
            source,
            # Records go straight from source to destination; only the state is kept.
            cache=False,
            state_cache=DuckDBCache(db_path=state),
            write_strategy=WriteStrategy(arguments.write_strategy),
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True, help="the program source-faker")
    parser.add_argument("--destination", type=Path, required=True, help="the connector's program")
    parser.add_argument("--config", type=Path, required=True, help="the connector's configuration")
    parser.add_argument("--check", action="store_true", help="check the destination first")
    parser.add_argument(
        "--stream",
        dest="streams",
        choices=["users", "purchases", "products"],
        action="append",
        required=True,
        help="what is read; each time it is given is one more stream",
    )
    parser.add_argument("--count", type=int, required=True, help="users that the source makes up")
    parser.add_argument(
        "--write-strategy",
        choices=["append", "merge", "replace", "auto"],
        required=True,
        help="sync mode of the destination; merge, and auto with a primary key, is append_dedup",
    )
    parser.add_argument(
        "--state",
        dest="states",
        type=Path,
        action="append",
        required=True,
        help="file that keeps the state between syncs; each time it is given is one more sync",
    )
    return parser


if __name__ == "__main__":
    main()
