"""The recipes of docs/python.md, run by what they are for: `make test-recipes`.

Each of the others' programs has an environment of its own, which `make` installs by a lock.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from integration_tests.chaos.process import inherited
from integration_tests.docs.markdown import Text
from sandbox.heap import SandboxOptions, running

ROOT: Final = Path(__file__).parents[2]
DOCUMENT: Final = Text.of("docs/python.md")
LOCAL: Final = "http://127.0.0.1:8087"
#: Seconds; a first start of Airflow compiles thousands of modules.
PATIENCE: Final = 300

Json = dict[str, Any]


def ran(
    environment: str, *command: str | Path, variables: Mapping[str, str | Path], stdin: str = ""
) -> str:
    """What a program of an environment says on stdout, with `variables`; it has to succeed."""
    program, *arguments = command
    given = {key: str(value) for key, value in variables.items()}
    done = subprocess.run(
        [ROOT / ".cache" / environment / "bin" / program, *arguments],
        input=stdin,
        cwd=variables["HOME"],
        env={**inherited(), "PYTHONPATH": str(ROOT), **given},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3_000:]
    return done.stdout


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> list[Json]:
    """The first four sections as the cells of one notebook, run: each with its outputs."""
    folder = tmp_path_factory.mktemp("notebook")
    lines = [f"{at},user{at},2026-01-05T11:{at % 60:02}:00Z,{at}.5,EUR" for at in range(100)]
    header = "order_id,user_id,created_at,amount,currency"
    (folder / "orders.csv").write_text("\n".join([header, *lines]) + "\n")
    cells = [
        block
        for heading in (
            *("Load rows", "Look first", "Go on after a failure"),
            "pandas, Polars, Arrow, DuckDB",
        )
        for block in DOCUMENT.below(heading).blocks("python")
    ]
    with running(SandboxOptions(quotas=False)) as heap:
        stdin = json.dumps([cell.replace(LOCAL, heap.url) for cell in cells])
        script = Path(__file__).with_name("run_notebook.py")
        out = ran("notebook", "python", script, stdin=stdin, variables={"HOME": folder})
        kept = {event["properties"]["order_id"]: event for event in heap.events()}
    assert kept.keys() == {*range(100), 1001, 1002}
    # pandas, Polars, Arrow and DuckDB load the same orders: each is known again.
    assert kept[7]["timestamp"] in {"2026-01-05T11:07:00Z", "2026-01-05T11:07:00+00:00"}
    assert kept[7]["properties"] == {"order_id": 7, "amount": 7.5, "currency": "EUR"}
    assert (folder / "settled.txt").read_text() == "3"
    # A notebook keeps its lines apart.
    return [{**cell, "source": "".join(cell["source"])} for cell in json.loads(out)["cells"]]


def shown(cell: Json) -> str:
    """All that a cell put out, HTML where it has such."""
    parts = []
    for output in cell["outputs"]:
        assert output["output_type"] != "error", output
        data = output.get("data", {})
        parts.append("".join(data.get("text/html", output.get("text", ""))))
    return "".join(parts)


def test_rows_and_plan_in_a_notebook(notebook: list[Json]) -> None:
    """A report is printed as a table, a plan is one of HTML, and Heap answers."""
    first = next(shown(cell) for cell in notebook if "print(report)" in cell["source"])
    assert "rejected: identity_missing (first: 3)" in first
    look = next(shown(cell) for cell in notebook if "preview(" in cell["source"])
    assert "Heap answers" in look
    assert "<caption>Nothing was sent to Heap</caption>" in look
    assert "<td>would be sent</td><td>2</td>" in look


@pytest.mark.parametrize("package", ["pandas", "polars", "duckdb"])
def test_tables_in_a_notebook(notebook: list[Json], package: str) -> None:
    """Each of them gives all of its rows."""
    html = next(shown(cell) for cell in notebook if f"import {package}\n" in cell["source"])
    assert "<td>accepted</td><td>100</td>" in html


def test_dagster(tmp_path: Path) -> None:
    """The asset is materialized, with its counts, and a second time adds nothing."""
    (block,) = DOCUMENT.below("Dagster").blocks("python")
    (tmp_path / "assets.py").write_text(block)
    select = ("--select", "orders_in_heap", "-f", "assets.py")
    with running(SandboxOptions(quotas=False)) as heap:
        for _ in range(2):
            home: dict[str, str | Path] = {"HOME": tmp_path, "DAGSTER_HOME": tmp_path}
            home["HEAP_URL"] = heap.url
            ran("dagster", "dagster", "asset", "materialize", *select, variables=home)
        assert len(heap.events()) == heap.stats()["repeats_absorbed"] == 1_000


def test_airflow(tmp_path: Path) -> None:
    """The task runs, and returns what was accepted; the DAG of the scheduler's page loads."""
    (tmp_path / "dags").mkdir()
    (block,) = DOCUMENT.below("Airflow").blocks("python")
    (tmp_path / "dags" / "orders.py").write_text(block)
    scheduled, _ = Text.of("docs/scheduler.md").blocks("python")
    (tmp_path / "dags" / "sync.py").write_text(scheduled)
    with running(SandboxOptions(quotas=False)) as heap:
        home: dict[str, str | Path] = {
            "HOME": tmp_path,
            "AIRFLOW_HOME": tmp_path,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "HEAP_URL": heap.url,
        }
        ran("airflow", "airflow", "db", "migrate", variables=home)
        said = ran("airflow", "airflow", "dags", "test", "orders_to_heap", variables=home)
        assert "Returned value was: 1000" in said
        assert len(heap.events()) == 1_000
    by_airflow = "import sync; [task] = sync.dag.tasks; print(task.bash_command, task.env['PATH'])"
    inside = {**home, "PYTHONPATH": tmp_path / "dags"}
    (command, path) = ran("airflow", "python", "-c", by_airflow, variables=inside).split()[-2:]
    assert command == "/srv/purchases-to-heap/sync.sh"
    assert path.startswith("/home/etl/")
