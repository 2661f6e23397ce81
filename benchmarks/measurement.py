"""One run of one case: a process, and what it took."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from benchmarks.cases import Case
from benchmarks.inputs import SEED, Input

ROOT: Final = Path(__file__).parents[1]
#: A shell that sets these makes every start slow, or every line a write of its own.
_SLOWING: Final = {"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True, slots=True)
class Measurement:
    """What one run took.

    `load_seconds` is the program's own clock, from the first byte read to the last row settled,
    so without the start (which `spec` shows by itself). CPU and peak memory
    (resident, in units of 1,000,000 bytes) are the whole process's, as the kernel counts them.
    """

    rows: int
    load_seconds: float
    wall_seconds: float
    cpu_seconds: float
    peak_mb: float
    requests: int | None = None
    service_cpu_seconds: float | None = None
    #: Rows that the service counted, where it counts them; and how many were to land.
    landed: int | None = None
    to_land: int | None = None
    #: Rows that are there twice, where a service tells.
    doubled: int | None = None
    #: How the program ended.
    exit_code: int = 0
    #: After the case's seconds of warm-up: rows a second that the service took, and how many of
    #: 100 answers were 429. None where the run was shorter.
    late_rows_per_second: float | None = None
    late_refused_percent: float | None = None

    @property
    def rows_per_second(self) -> float:
        """Rows a second of loading."""
        return self.rows / self.load_seconds if self.rows else 0.0

    @property
    def landed_per_second(self) -> float | None:
        """Those of them that the service counted."""
        return None if self.landed is None else self.landed / self.load_seconds

    @property
    def lost(self) -> int | None:
        """Rows that should have landed and did not."""
        return None if self.landed is None or self.to_land is None else self.to_land - self.landed


def resized(case: Case, scale: float, at_most: int | None) -> Case:
    """The case with its records and rows times `scale`, then `at_most` so many."""

    def size(full: int) -> int:
        return max(1, min(round(full * scale), at_most or full))

    return replace(
        case,
        input=case.input and Input(case.input.kind, size(case.input.records)),
        rows=case.rows and size(case.rows),
    )


def configuration(api: dict[str, Any], base_url: str) -> dict[str, Any]:
    """The connector's, with the quotas of events lifted: they are Heap's, and not what is measured.

    For users and accounts alone nothing is configured.
    """
    if "event_key_column" in api:
        return {"sdk_key": "bench", "base_url": base_url, **api}
    quotas = {"events_per_minute": 0, "events_per_identity_per_minute": 0}
    lifted = quotas if api["api_type"] in {"track", "by_stream"} else {}
    return {"app_id": "11", "base_url": base_url, "api": api, **lifted}


def measure(case: Case, directory: Path, base: Path = ROOT) -> Measurement:
    """Runs the case once; raises RuntimeError if its program fails, unless that is looked at.

    `base` is the checkout that cases of another one take.
    """
    measurement = _measure(case, directory, base)
    if case.start_aside is None:
        return measurement
    start = _measure(replace(case, input=case.start_aside), directory, base)
    return replace(measurement, cpu_seconds=measurement.cpu_seconds - start.cpu_seconds)


def _measure(case: Case, directory: Path, base: Path) -> Measurement:
    if case.service_fails:
        service_of_case = ("benchmarks.failing_service", str(SEED))
    elif case.answers_after is not None:
        rate = ("--takes", str(case.takes)) if case.takes else ()
        warm_up = ("--warm-up", str(case.warm_up))
        service_of_case = ("benchmarks.service", str(case.answers_after), *rate, *warm_up)
    else:
        return _run(case, "", directory, base)
    with _Service.running(*service_of_case) as service:
        measurement = _run(case, f"http://127.0.0.1:{service.port}", directory, base)
    measurement = replace(
        measurement, requests=service.requests, service_cpu_seconds=service.cpu_seconds
    )
    if case.warm_up and service.late["seconds"] > 0:
        late, rows_a_byte = service.late, measurement.rows / service.bytes
        measurement = replace(
            measurement,
            late_rows_per_second=late["bytes"] * rows_a_byte / late["seconds"],
            late_refused_percent=100 * late["refused"] / late["requests"],
        )
    if case.service_fails and case.input:
        landed, doubled = service.distinct, service.events - service.distinct
        to_land = case.input.records - case.input.refused
        return replace(measurement, landed=landed, to_land=to_land, doubled=doubled)
    if case.part == "hackle":
        return replace(measurement, landed=service.events, to_land=measurement.rows)
    return measurement


def _run(case: Case, base_url: str, directory: Path, base: Path) -> Measurement:
    stdin = case.input.path(directory) if case.input else Path(os.devnull)
    config, catalog = directory / "config.json", directory / "catalog.json"
    if case.api and case.input:
        config.write_text(json.dumps(configuration(case.api, base_url)))
        catalog.write_text(json.dumps(case.input.catalog()))
    fill = {"base_url": base_url, "config": config, "catalog": catalog, "records": case.rows}
    root = base if case.of_base else ROOT
    command = [_python(case, root), *(part.format(**fill) for part in case.command)]
    # A file, not a pipe: nobody has to write into it while the process runs.
    output, errors = directory / "output.jsonl", directory / "errors.txt"
    began = time.perf_counter()
    with stdin.open("rb") as source, output.open("wb") as target, errors.open("wb") as told_errors:
        process = subprocess.Popen(
            command,
            stdin=source,
            stdout=target,
            # How a program fails takes pages of some.
            stderr=told_errors if case.service_fails else None,
            cwd=root,
            env=_environment(),
        )
        # wait4, because it tells of this one process. What it says of memory is at least what
        # the parent had when it started it, so this module imports little.
        _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    told = output.read_text(encoding="utf-8")
    if process.returncode and not case.service_fails:
        raise RuntimeError(f"{case.name} ended with {process.returncode}: {told[-2000:]}")
    expected = case.rows or (case.input.records if case.input else 0)
    rows, seconds = _rows_and_seconds(told) if expected else (0, wall)
    if rows != expected and not case.service_fails:
        raise RuntimeError(f"{case.name}: {rows} of {expected} rows")
    return Measurement(
        rows=rows,
        load_seconds=seconds,
        wall_seconds=wall,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_mb=usage.ru_maxrss * 1024 / 1e6,
        exit_code=process.returncode,
    )


def _python(case: Case, root: Path) -> str:
    if case.of_base:
        return str(root / ".venv" / "bin" / "python")
    if case.environment is None:
        return sys.executable
    return str(ROOT / ".cache" / case.environment / "bin" / "python")


def _rows_and_seconds(told: str) -> tuple[int, float]:
    """From the last line: the connector's ledger, or `{"rows": n, "seconds": s}`."""
    last = json.loads(told.splitlines()[-1])
    if "log" in last:
        ledger = json.loads(last["log"]["message"].removeprefix("Ledger: "))
        return int(ledger["accepted"]), float(ledger["seconds"])
    return int(last["rows"]), float(last["seconds"])


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key not in _SLOWING}


@dataclass(slots=True)
class _Service:
    port: int
    requests: int = 0
    bytes: int = 0
    events: int = 0
    distinct: int = 0
    cpu_seconds: float = 0.0
    late: dict[str, float] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def running(cls, module: str, *arguments: str) -> Iterator["_Service"]:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=_environment(),
        )
        assert process.stdin is not None
        assert process.stdout is not None
        service = cls(int(process.stdout.readline()))
        try:
            yield service
        finally:
            process.stdin.close()
            counted = json.loads(process.stdout.read())
            service.requests, service.events = counted["requests"], counted["events"]
            service.bytes, service.late = counted["bytes"], counted.get("late", {})
            service.distinct = counted.get("distinct", 0)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            process.stdout.close()
            service.cpu_seconds = usage.ru_utime + usage.ru_stime
