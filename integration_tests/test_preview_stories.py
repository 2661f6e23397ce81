"""What a person reads in the terminal, story by story, to the letter.

`golden/` has each one as it is shown, 80 columns wide. Where one is meant to change: run with
`GOLDEN=write`, and read what git tells.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from integration_tests.chaos.process import inherited, program
from integration_tests.chaos.scenario import Service

ROOT: Final = Path(__file__).parents[1]
GOLDEN: Final = Path(__file__).with_name("golden")
SAMPLES: Final = ROOT / "sample_files"
ORDERS: Final = (SAMPLES / "orders.jsonl").read_bytes()
CATALOG: Final = "sample_files/configured_catalog_orders.json"
CSV: Final = b"""order_id,user_id,amount,currency,coupon,shipping.country,created_at
1,ann,9.5,EUR,,FR,2026-01-05T11:17:19Z
2,bob,20,EUR,WELCOME,FR,2026-01-05T12:00:00Z
3,guest,7,EUR,,DE,2026-01-05T12:30:00Z
4,,7,EUR,,DE,2026-01-05T12:30:00Z
5,anonymous,7,EUR,,DE,2026-01-05T12:30:00Z
6,carl,7,EUR,,DE,last Tuesday
"""
JSON_LINES: Final = (
    b'{"order_id": 1, "user_id": "ann", "amount": 9.5, "created_at": "2026-01-05T11:17:19Z"}\n'
    b'{"order_id": 2, "user_id": ["x"], "amount": 9.5, "created_at": "2026-01-05T11:17:19Z"}\n'
)
#: Orders that each have a property of their own.
SPARSE: Final = b"".join(
    b'{"order_id": %d, "user_id": "ann", "created_at": "2026-01-05", "p%d": "\\u001b[2J"}\n'
    % (n, n)
    for n in range(1, 7)
)
PARQUET: Final = b"PAR1\x15\x04\x15"


@dataclass(frozen=True)
class Story:
    """What stands on stdin, and what is typed behind the sample's configuration."""

    stdin: bytes
    typed: tuple[str, ...] = ("--catalog", CATALOG)
    code: int = 0
    service: Service = "heap"
    config: str = "sample_files/config_track.json"


EVERYTHING: Final = (
    '{"app_id": "1", "base_url": "http://127.0.0.1:9", "api": {"api_type": "track", '
)
EVERYTHING_SPARSE: Final = (
    EVERYTHING + '"event_column": "\'Order placed\'", "identity_column": "user_id", '
    '"timestamp_column": "created_at", "event_id_column": "order_id"}}'
)
SEVERAL: Final = """{"app_id": "1", "base_url": "http://127.0.0.1:9", "api": {
"api_type": "by_stream", "streams": [{"stream": "orders", "api": {"api_type": "track",
"event_column": "'Order placed'", "identity_column": "user_id", "property_columns": "amount",
"timestamp_column": "created_at"}},
{"stream": "users", "api": {"api_type": "add_user_properties", "identity_column": "id"}}]}}"""
TWO: Final = """{"streams": [
{"stream": {"name": "orders"}, "destination_sync_mode": "append_dedup", "primary_key": [["id"]]},
{"stream": {"name": "users"}}]}"""
OF_TWO: Final = b"".join(
    b'{"type": "RECORD", "record": {"stream": "%s", "emitted_at": 1, "data": %s}}\n' % each
    for each in (
        (b"orders", b'{"id": 1, "user_id": "ann", "amount": 3, "created_at": "2026-01-05"}'),
        (b"users", b'{"id": "ann", "plan": "pro"}'),
        (b"users", b'{"id": null, "plan": "pro"}'),
        (b"userz", b'{"id": "bob", "plan": "pro"}'),
    )
)

STORIES: Final = {
    "orders": Story(ORDERS, code=3),
    "purchases": Story(
        (SAMPLES / "hackle" / "purchases.jsonl").read_bytes(),
        ("--catalog", "sample_files/hackle/configured_catalog.json"),
        3,
        "hackle",
        "sample_files/hackle/config.json",
    ),
    "csv": Story(CSV, ("--rows", "orders"), 3),
    "json-lines": Story(JSON_LINES, ("--rows", "orders", "--catalog", CATALOG), 3),
    "sparse": Story(SPARSE, ("--rows", "orders"), config=EVERYTHING_SPARSE),
    "several-streams": Story(OF_TWO, ("--catalog", TWO), 3, config=SEVERAL),
    "csv-without-rows": Story(CSV, code=1),
    "json-lines-without-rows": Story(JSON_LINES, code=1),
    "parquet": Story(PARQUET, ("--rows", "orders"), 1),
    "empty": Story(b"", code=1),
    "blank": Story(b"\n \n", ("--rows", "orders"), 1),
    "messages-as-rows": Story(ORDERS, ("--rows", "orders"), 1),
    "rows-of-another-stream": Story(CSV, ("--rows", "order", "--catalog", CATALOG), 1),
    "no-catalog": Story(ORDERS, (), 2),
}


@pytest.mark.parametrize("name", STORIES)
def test_story(name: str, tmp_path: Path) -> None:
    """It reads as it did."""
    story = STORIES[name]

    def file(text: str) -> str:
        if not text.startswith("{"):
            return text
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.json"
        path.write_text(text, encoding="utf-8")
        return str(path)

    done = subprocess.run(
        [
            *(*program(story.service), "preview", "--config", file(story.config)),
            *map(file, story.typed),
        ],
        input=story.stdin,
        capture_output=True,
        cwd=ROOT,
        env={**inherited(), "COLUMNS": "80"},
        timeout=60,
        check=False,
    )
    said = f"{done.stdout.decode()}{done.stderr.decode()}"
    shown = "".join(f"{line.rstrip()}\n" for line in said.splitlines())
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")
    assert done.returncode == story.code
    assert max(map(len, shown.splitlines())) <= 80 or story.code in {1, 2}


def test_every_golden_file_is_a_story() -> None:
    """None is left over."""
    assert {path.stem for path in GOLDEN.iterdir()} == STORIES.keys()
