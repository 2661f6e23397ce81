"""Users are deleted under all faults, and the connector is killed meanwhile.

A run is a table of requests out of a seed: rows are written, changed, withdrawn and written once
more, some name nobody, or nobody any more. A state that comes out before Heap has completed what is
before it fails the run, and so does anybody who is deleted and was not asked for in the end. A
process that was killed begins again with all of its input, as no state had left.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from signal import SIGKILL
from typing import Final

from integration_tests.chaos.leaks import leaks
from integration_tests.chaos.process import Connector, Ended
from integration_tests.chaos.relay import relayed
from integration_tests.chaos.scenario import APP_ID, KINDS, Trouble
from integration_tests.chaos.source import STREAM, Json
from integration_tests.chaos.verdict import must
from sandbox.faults import DEFAULT_KINDS
from sandbox.heap import Sandbox, SandboxOptions, running

#: Kinds that cost no second each.
_KINDS: Final = tuple(kind for kind in DEFAULT_KINDS if not kind.startswith("429-"))
_KEY: Final = "api-key-of-chaos-5e1d"
#: Rows of the table, and lines about them.
_ROWS, _LINES = 60, 200


@dataclass(frozen=True)
class Requests:
    """What the source says, and who is to be deleted by it."""

    lines: tuple[bytes, ...]
    meant: frozenset[str]
    #: Lines that name nobody, or were taken back.
    rejected: int
    poisoned: frozenset[str]


def requests_of(seed: int) -> Requests:
    """The table of one run."""
    dice = Random(f"requests/{seed}")
    poisoned = frozenset({"person3@example.com", "person31@example.com"} if seed % 3 == 0 else ())
    lines: list[bytes] = []
    rows: dict[int, str] = {}
    rejected = 0
    for _ in range(dice.randint(1, _LINES)):
        row, chance = dice.randrange(_ROWS), dice.random()
        data: Json = {"id": row}
        if chance < 0.1:
            rejected += 1
            data["email"] = dice.choice(["guest", None, "  ", True])
            rows.pop(row, None)
        elif chance < 0.25:
            data["_ab_cdc_deleted_at"] = "2026-01-31T09:30:00Z"
            rows.pop(row, None)
        else:
            data["email"] = rows[row] = f"person{dice.randrange(40)}@example.com"
        message = {"stream": STREAM, "data": data, "emitted_at": 1_700_000_000_000}
        lines.append(json.dumps({"type": "RECORD", "record": message}).encode() + b"\n")
    meant = frozenset(rows.values())
    return Requests(tuple(lines), meant - poisoned, rejected, poisoned)


def delete_under_faults(seed: int) -> int:
    """One run; how often the connector was killed. Raises a BrokenPromiseError."""
    dice, asked = Random(f"deletion/{seed}"), requests_of(seed)
    options = SandboxOptions(
        fail_rate=dice.choice((0.0, 0.2, 0.4)),
        seed=seed,
        fail_kinds=_KINDS,
        api_key=_KEY,
        # Tokens end midway, and some deletions outlast them.
        token_seconds=dice.choice((0.15, 300.0)),
        deletion_seconds=dice.choice((0.0, 0.3)),
        poison=tuple(asked.poisoned),
        quote_values=True,
    )
    trouble = Trouble(KINDS, dice.choice((0.0, 0.2)), seed) if seed % 2 else Trouble()
    deaths = [dice.random() * 0.9 for _ in range(dice.choice((0, 1, 2)))]
    killed = 0
    with (
        running(options) as heap,
        relayed(trouble, heap.url) as (url, _),
        tempfile.TemporaryDirectory() as folder,
    ):
        for death in (*deaths, None):
            ended, states = _live_once(heap, url, asked, Path(folder), death)
            secrets = [APP_ID, _KEY]
            found = leaks(asked.lines, secrets, [*ended.stdout, ended.stderr])
            must(not found, "no value is shown", *found[:5])
            deleted = {row["identity"] for row in heap.deletions()}
            must(deleted <= asked.meant, "nobody is deleted who was not asked for", len(deleted))
            if ended.code == -SIGKILL:
                killed += 1
                time.sleep(0.1)  # What it had sent has arrived by then.
                continue
            must(ended.code == 0, "the connector ends with 0", ended.code)
            must(deleted == asked.meant, "all are deleted", len(deleted), len(asked.meant))
            must(states == 2, "every state leaves", states)
            must(ended.ledger["read"] == len(asked.lines), "the ledger is right")
            return killed
    return killed


def _live_once(
    heap: Sandbox, url: str, asked: Requests, folder: Path, death: float | None
) -> tuple[Ended, int]:
    api = {
        **{"api_type": "delete_users", "identity_column": "email", "api_key": _KEY},
        **{"most_users": 1_000, "confirm": APP_ID},
    }
    stream = {"name": STREAM, "json_schema": {}, "supported_sync_modes": ["incremental"]}
    catalog = {
        "streams": [
            {
                **{"stream": stream, "sync_mode": "incremental", "primary_key": [["id"]]},
                "destination_sync_mode": "append_dedup",
            }
        ]
    }
    # All that is rejected is kept, so that such a run is none that could send nothing.
    kept = {"storage_type": "Local", "path": str(folder)}
    config = {"app_id": APP_ID, "base_url": url, "api": api, "object_storage_config": kept}
    connector = Connector("heap", config, catalog, folder, patient=False)
    states = 0

    def on_state(message: Json) -> None:
        nonlocal states
        states += 1
        if message["id"] == 1:
            pending = [
                row
                for row in heap.deletions()
                if row["asked_at"] + heap.options.deletion_seconds > time.time()
            ]
            must(not pending or _all_complete(heap, asked), "no state leaves before its users")
            deleted = {row["identity"] for row in heap.deletions()}
            must(asked.meant <= deleted, "no state leaves before all users are deleted")

    if death is not None:
        threading.Timer(death, connector.kill).start()
    return connector.run(_chunks(asked), on_state), states


def _all_complete(heap: Sandbox, asked: Requests) -> bool:
    """Whether each user is in a request that is complete; an answer that was lost leaves others."""
    done = {
        row["identity"]
        for row in heap.deletions()
        if row["asked_at"] + heap.options.deletion_seconds <= time.time()
    }
    return asked.meant <= done


def _chunks(asked: Requests) -> Iterator[bytes]:
    half = len(asked.lines) // 2
    yield _state(0) + b"".join(asked.lines[:half])
    yield b"".join(asked.lines[half:]) + _state(1)


def _state(number: int) -> bytes:
    stream = {"stream_descriptor": {"name": STREAM}, "stream_state": {"cursor": number}}
    state = {"type": "STREAM", "stream": stream}
    return json.dumps({"type": "STATE", "state": state, "id": number}).encode() + b"\n"
