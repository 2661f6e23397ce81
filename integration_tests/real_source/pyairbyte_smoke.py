"""PyAirbyte's smoke tests of a destination, one after another in one process.

What `pyab destination-smoke-test` does, without a start of PyAirbyte and two of its source for each
scenario: the source runs in this process. Runs in PyAirbyte's own environment and knows nothing of
this project; the destination is a program to it.

On stdin: a JSON array of `{"scenarios", "config", "preflight"}`; the first is one name or several
with commas, the second the configuration. On stdout: for each a line with `scenarios`,
`records` (of the source), `success`, `error`, `records_delivered` and `preflight_passed`.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Read while `airbyte` is imported: no registry is asked, no usage is reported.
os.environ |= {"AIRBYTE_OFFLINE_MODE": "1", "DO_NOT_TRACK": "1"}

import airbyte as ab  # type: ignore[import-not-found]
from airbyte._executors.base import Executor  # type: ignore[import-not-found]
from airbyte._util import destination_smoke_tests  # type: ignore[import-not-found]
from airbyte.cli.smoke_test_source._scenarios import (  # type: ignore[import-not-found]
    PREDEFINED_SCENARIOS,
    get_scenario_records,
)
from airbyte.cli.smoke_test_source.source import SourceSmokeTest  # type: ignore[import-not-found]
from airbyte_cdk.entrypoint import AirbyteEntrypoint

SCENARIOS = {scenario["name"]: scenario for scenario in PREDEFINED_SCENARIOS}


class SourceInThisProcess(Executor):  # type: ignore[misc]
    """Runs a command of the smoke-test source where PyAirbyte would start its program."""

    def execute(self, args: list[str], **_: Any) -> Iterator[str]:
        entrypoint = AirbyteEntrypoint(SourceSmokeTest())
        yield from entrypoint.run(entrypoint.parse_args(args))

    def _cli(self) -> list[str]:
        return []

    def ensure_installation(self, *, auto_fix: bool = True) -> None:
        """It is part of PyAirbyte."""

    def install(self) -> None:
        """Nothing to do either."""

    def uninstall(self) -> None:
        """Nor here."""


def get_source(name: str, *, local_executable: str, **options: Any) -> ab.Source:
    """Stands in for PyAirbyte's function of this name."""
    assert name == local_executable == "source-smoke-test"
    return ab.Source(executor=SourceInThisProcess(name=name), name=name, **options)


def main() -> None:
    """Runs what stdin asks for, which has to name every scenario that there is, or some of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--destination", type=Path, required=True, help="the connector's program")
    parser.add_argument("--some", action="store_true", help="others than those named are left out")
    arguments = parser.parse_args()
    # PyAirbyte prints its progress; the results must stand alone.
    results, sys.stdout = sys.stdout, sys.stderr
    destination_smoke_tests.get_source = get_source
    plan = json.load(sys.stdin)
    named = {name for test in plan for name in test["scenarios"].split(",")}
    if unknown := named - SCENARIOS.keys() if arguments.some else named ^ SCENARIOS.keys():
        sys.exit(f"only asked for, or not asked for: {sorted(unknown)}")
    for test in plan:
        destination = ab.get_destination(
            arguments.destination.name,
            config=test["config"],
            local_executable=arguments.destination,
        )
        found = destination_smoke_tests.run_destination_smoke_test(
            destination=destination,
            scenarios=test["scenarios"],
            skip_preflight=not test["preflight"],
        )
        line = found.model_dump(
            include={"success", "error", "records_delivered", "preflight_passed"}
        )
        line["scenarios"] = test["scenarios"]
        line["records"] = [
            record
            for name in test["scenarios"].split(",")
            for record in get_scenario_records(SCENARIOS[name])
        ]
        print(json.dumps(line), file=results, flush=True)


if __name__ == "__main__":
    main()
