"""`make bench` still runs, and what it feeds the connector is what it says."""

import json
import os
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cases import CASES, Case
from benchmarks.inputs import REFUSED, Input
from benchmarks.machine import Watch, share
from benchmarks.measurement import Measurement, configuration, resized
from benchmarks.report import results, table
from benchmarks.service import Answered, Rate, counted
from bulk_destination.connection import Service
from bulk_destination.protocol.catalog import parse_catalog
from bulk_destination.protocol.messages import StateMessage, read_line
from destination_hackle.service import HACKLE
from destination_heap_analytics.service import HEAP

ROOT = Path(__file__).parents[1]


def bench(folder: Path, *arguments: str) -> tuple[str, dict[str, Any]]:
    """One turn: the table that it prints, and the results that it writes."""
    results = folder / "results.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks", "--runs", "1", *arguments),
            *("--directory", str(folder), "--results", str(results)),
        ],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(results.read_text())


def test_a_run(tmp_path: Path) -> None:
    """The connector, the pattern it replaces and both readers, on few records."""
    names = ["users", "accounts", "post", "cdk", "orjson"]
    stdout, written = bench(tmp_path, "--rows", "3000", "--scale", "0.01", "--cases", *names)
    assert "\nFewer records than the goals are set for.\n" in stdout
    table = [line for line in stdout.splitlines() if line.startswith("|")]
    assert len({len(line) for line in table}) == 1
    # The users are held against two goals.
    assert len(table) == 2 + len(names) + 1
    medians = {name: case["median"] for name, case in written["cases"].items()}
    rows = dict.fromkeys(names, 3_000) | {"post": 20}
    assert {name: figures["rows"] for name, figures in medians.items()} == rows
    # Full ones; the slow way asks once a row, and readers never.
    assert medians["users"]["requests"] == 3
    assert medians["accounts"]["requests"] == 3
    assert medians["post"]["requests"] == 20
    assert "requests" not in medians["cdk"]
    for figures in medians.values():
        assert figures["cpu_seconds"] > 0
        assert figures["peak_mb"] > 10
    told = [(ratio["case"], ratio["over"]) for ratio in written["ratios"]]
    assert told == [("users", "post"), ("users", "cdk"), ("accounts", "cdk")]


def test_the_start(tmp_path: Path) -> None:
    """In a folder that is not there yet. Memory and processor time are those that are promised."""
    stdout, written = bench(tmp_path / "new", "--parts", "start")
    assert stdout.count("| met") >= 2
    cases = {name: case["median"] for name, case in written["cases"].items()}
    assert cases["spec"]["cpu_seconds"] <= 0.3 * cases["import"]["cpu_seconds"]
    assert cases["spec"]["peak_mb"] <= 45
    assert cases["thousand"]["rows"] == 1_000
    assert cases["thousand"]["peak_mb"] <= 55


def test_hackles_own_sdk(tmp_path: Path) -> None:
    """The connector lands all that both are offered; the SDK drops what its queue cannot hold."""
    names = ["hackle-250ms", "hackle-sdk-250ms"]
    stdout, written = bench(tmp_path, "--rows", "20000", "--cases", *names)
    cases = written["cases"]
    ours, theirs = (cases[name]["median"] for name in names)
    assert ours["rows"] == theirs["rows"] == ours["landed"] == 20_000
    assert ours["lost"] == 0
    assert theirs["landed"] >= 1_000
    assert theirs["lost"] > 0
    assert stdout.count("events lost") == 2


def test_a_service_that_fails(tmp_path: Path) -> None:
    """What ten lines lose where the connector loses nothing; how each ended is told."""
    names = ["ours-failing", "script-failing"]
    stdout, written = bench(tmp_path, "--rows", "20000", "--cases", *names)
    ours, script = (written["cases"][name]["median"] for name in names)
    assert (ours["rows"], ours["to_land"], ours["landed"]) == (19_996, 19_996, 19_996)
    assert (ours["lost"], ours["doubled"], ours["exit_code"]) == (0, 0, 0)
    # Four requests of its twenty hold a row that is refused.
    assert script["lost"] >= 4 * 999
    assert script["exit_code"] == 1
    assert stdout.count("events doubled") == 2


def test_a_rate(tmp_path: Path) -> None:
    """A service that takes 20 requests a second: nearly all of those, and soon next to no 429."""
    _, written = bench(tmp_path, "--rows", "700000", "--cases", "line-rate")
    rate = written["cases"]["line-rate"]["median"]
    assert rate["rows"] == 700_000
    assert rate["requests"] > 700  # Some were refused until the rate was found.
    assert rate["late_rows_per_second"] >= 0.9 * 20 * 1_000
    assert rate["late_refused_percent"] < 2


def test_another_checkout(tmp_path: Path) -> None:
    """Its own Python runs it, and the start is taken off both; without one, nothing is compared."""
    names = ["million", "million-base"]
    arguments = ("--rows", "30000", "--base", str(ROOT), "--cases", *names)
    _, written = bench(tmp_path, *arguments)
    ours, other = (written["cases"][name]["median"] for name in names)
    assert ours["rows"] == other["rows"] == 30_000
    # A start takes a third of a second.
    assert 0 < ours["cpu_seconds"] < 5
    [ratio] = written["ratios"]
    assert 0.2 < ratio["measured"] < 5


def test_the_service_that_fails_counts() -> None:
    """An event with a known key is ignored, one without is there again, a refused one never."""
    events = [
        {"event": "Left", "properties": {"id": 1}, "idempotency_key": "a"},
        {"event": "Left", "properties": {"id": 2}},
    ]
    command = [sys.executable, "-m", "benchmarks.failing_service", "1"]
    statuses = []
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as service:
        assert service.stdout is not None
        port = int(service.stdout.readline())
        for bad in [False] * 200 + [True] * 20:
            refused = [{"event": REFUSED, "properties": {"id": 3}}] if bad else []
            connection = HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("POST", "/api/track", json.dumps({"events": events + refused}))
            try:
                statuses.append(connection.getresponse().status)
            except ConnectionResetError:
                statuses.append(0)
            connection.close()
        told, _ = service.communicate(timeout=10)
    taken = statuses.count(200) + statuses[:200].count(0)
    assert {200, 503, 400, 0} == set(statuses)
    assert statuses.count(200) < taken
    totals = json.loads(told)
    assert (totals["requests"], totals["distinct"]) == (220, 2)
    # The one with a key once, the other as often as it was taken.
    assert totals["events"] == 1 + taken


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/track", b"{}"),
        ("/api/add_user_properties", b"{}"),
        ("/api/add_account_properties", b"OK"),
    ],
)
def test_the_service_answers_as_heap_does(path: str, body: bytes) -> None:
    """Over one connection, and after the time it is told; it counts what it was sent."""
    command = [sys.executable, "-m", "benchmarks.service", "0.05"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as service:
        assert service.stdout is not None
        port = int(service.stdout.readline())
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        for _ in range(2):
            began = time.perf_counter()
            connection.request("POST", path, body=b"x" * 3_000_000)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, body)
            assert time.perf_counter() - began >= 0.05
        connection.close()
        told, _ = service.communicate(timeout=10)
    totals = json.loads(told)
    late = totals.pop("late")
    assert totals == {"requests": 2, "bytes": 6_000_000, "events": 0}
    assert (late["requests"], late["bytes"], late["refused"]) == (2, 6_000_000, 0)
    assert late["seconds"] >= 0.1


def test_what_comes_late_is_counted_once_more() -> None:
    """From the warm-up's end on; what is refused has taken no bytes."""
    answered = [
        Answered(11.0, 100, 0, taken=True),
        Answered(15.0, 200, 0, taken=True),
        Answered(16.0, 400, 0, taken=False),
        Answered(20.0, 800, 0, taken=True),
    ]
    told = counted(answered, began=10.0, warm_up=5.0)
    assert (told["requests"], told["bytes"]) == (4, 1_100)
    assert told["late"] == {"seconds": 5.0, "bytes": 1_000, "refused": 1, "requests": 3}
    assert counted(answered[:1], began=10.0, warm_up=5.0)["late"]["seconds"] <= 0


def test_a_rate_is_taken_and_no_more() -> None:
    """Of a hundred at once, those of one second."""
    rate = Rate(20)
    assert 20 <= sum(rate.take() for _ in range(100)) <= 22


@pytest.mark.parametrize("case", [case for case in CASES if case.api], ids=lambda case: case.name)
def test_configurations(case: Case) -> None:
    """Every configuration names columns that its input has; the quotas of events are lifted."""
    assert case.input is not None
    assert case.api is not None
    catalog = parse_catalog(case.input.catalog())
    assert catalog.streams[0].schema is not None
    service: Service[Any] = HACKLE if case.part == "hackle" else HEAP
    config = service.config.parse(configuration(case.api, "http://127.0.0.1:1"))
    for route in service.routes(config, catalog).of_streams:
        assert route.quotas is None or not route.quotas.counts_events


@pytest.mark.parametrize(
    ("kind", "size"),
    [(Input("users", 900), 550), (Input("clicks", 900), 300), (Input("contacts", 900), 4_000)],
    ids=["users", "clicks", "contacts"],
)
def test_inputs(kind: Input, size: int, tmp_path: Path) -> None:
    """Records of the size that the table says, a state behind them, the same on every run."""
    lines = kind.path(tmp_path).read_bytes().splitlines(keepends=True)
    assert lines == list(kind.lines())
    messages = [read_line(line) for line in lines]
    assert sum(isinstance(message, dict) for message in messages) == kind.records
    assert isinstance(messages[-1], StateMessage)
    assert abs(sum(map(len, lines[:-1])) / kind.records - size) < size * 0.05


def test_one_event_in_5000_is_refused() -> None:
    """And the input knows how many, whatever its size."""
    for size in (2_499, 2_500, 7_499, 12_345):
        made = Input("events", size)
        assert sum(REFUSED.encode() in line for line in made.lines()) == made.refused


def test_sizes() -> None:
    """`--scale` keeps the inputs' proportion, `--rows` cuts them."""
    cases = {case.name: case for case in CASES}
    assert resized(cases["clicks"], 0.01, None).input == Input("clicks", 10_000)
    assert resized(cases["few-clicks"], 0.01, None).input == Input("clicks", 1_000)
    assert resized(cases["clicks"], 1.0, 500).input == Input("clicks", 500)
    assert resized(cases["post"], 1.0, 5_000).rows == cases["post"].rows
    assert resized(cases["spec"], 0.01, 500) == cases["spec"]


def test_medians_and_ratios() -> None:
    """Figures are medians of three turns, ratios medians of the turns' own, told with the goal."""

    def measured(load_seconds: float) -> Measurement:
        return Measurement(100, load_seconds, 9.0, 1.0, 80.0)

    runs = {
        "users": [measured(seconds) for seconds in (1.0, 50.0, 2.0)],
        "cdk": [measured(seconds) for seconds in (0.5, 0.5, 0.5)],
        "post": [measured(seconds) for seconds in (300.0, 200.0, 100.0)],
    }
    assert results(runs)["cases"]["users"]["median"]["rows_per_second"] == 50.0
    lines = table(runs).splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[:7] for row in cells] == [
        ["add_user_properties, three properties", "100", "2.00", "50", "1.0", "80", ""],
        [""] * 7,
        ["one POST a row, as users have today", "100", "200.00", "0", "1.0", "80", ""],
        ["the CDK's parse loop, reading only", "100", "0.50", "200", "1.0", "80", ""],
    ]
    assert [row[7:] for row in cells] == [
        ["speed ÷ one POST a row", "50", "≥ 100", "not met"],
        ["speed ÷ the CDK's parse loop", "0.25", "≥ 0.5", "not met"],
        [""] * 4,
        [""] * 4,
    ]


def test_a_run_too_short_for_a_figure_is_not_judged() -> None:
    """What came after the first seconds is not known of one that was over by then."""

    def measured(late: float | None) -> Measurement:
        return Measurement(100, 1.0, 9.0, 1.0, 80.0, late_rows_per_second=late)

    short = {"line-50ms": [measured(None)] * 2, "line": [measured(50.0)] * 2}
    assert results(short)["ratios"] == []
    assert results({**short, "line-50ms": [measured(40.0), measured(None)]})["ratios"] == []
    [ratio] = results({**short, "line-50ms": [measured(40.0)] * 2})["ratios"]
    assert (ratio["measured"], ratio["met"]) == (0.8, False)


def test_other_work_is_told_from_our_own() -> None:
    """What was busy and not ours, of all that the cores could have done."""
    assert share(busy=15.0, own=10.0, elapsed=10.0, cores=2) == 0.25
    # The two clocks tick apart.
    assert share(busy=9.9, own=10.0, elapsed=10.0, cores=2) == 0.0


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="only Linux tells")
def test_other_work_is_seen() -> None:
    """A process that nobody has waited for counts as another's."""
    endless = "print(flush=True)\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", endless], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        watch = Watch()
        time.sleep(1)
        seen = watch.others_share()
        other.kill()
    assert seen is not None
    assert seen * (os.cpu_count() or 1) > 0.3
