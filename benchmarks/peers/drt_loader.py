"""drt with its REST destination, by its README and `drt destinations --detailed`.

A project as `drt init --template duckdb_to_rest` makes one, with requests of 1,000 rows, no limit
of requests a second (10 by default) and `on_error: skip`. DuckDB reads the messages themselves, so
that no table has to be filled before.
"""

import json
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

# Told before it starts that it is not to be tracked.
os.environ["DO_NOT_TRACK"] = "1"

import duckdb  # type: ignore[import-not-found]
from drt.cli.main import app  # type: ignore[import-not-found]

from benchmarks.peers.payloads import ITEMS, KINDS

#: The columns of a row, as DuckDB reads them, and what is selected of them.
_COLUMNS: Final = {
    "users": """user_id VARCHAR, identities STRUCT(provider VARCHAR), created_at VARCHAR,
        nickname VARCHAR""",
    "events": 'name VARCHAR, who VARCHAR, "at" VARCHAR, path VARCHAR, price DOUBLE, id BIGINT',
}
_SELECTED: Final = {
    "users": """user_id AS identity, identities.provider AS identities_provider, created_at,
        nickname""",
    "events": 'name AS event, who AS identity, "at" AS timestamp, path, price, id',
}
_ITEMS: Final = {
    "users": """{"identity": {{ row.identity | tojson }}, "properties": {
        "identities_provider": {{ row.identities_provider | tojson }},
        "created_at": {{ row.created_at | tojson }}, "nickname": {{ row.nickname | tojson }}}}""",
    "events": """{"event": {{ row.event | tojson }}, "identity": {{ row.identity | tojson }},
        "timestamp": {{ row.timestamp | tojson }}, "properties": {
        "path": {{ row.path | tojson }}, "price": {{ row.price }}, "id": {{ row.id }}}}""",
}


def main() -> None:
    """Sends all of stdin."""
    kind, messages = sys.argv[2], Path("/dev/stdin").resolve()
    columns = f"type: 'VARCHAR', record: 'STRUCT(data STRUCT({_COLUMNS[kind]}))'"
    table = f"read_ndjson('{messages}', columns = {{{columns}}})"
    model = f"SELECT unnest(record.data) FROM {table} WHERE type = 'RECORD'"  # noqa: S608  # a file of our own
    read = duckdb.sql(model).count("*").fetchall()[0][0]
    items = "{% for row in rows %}" + _ITEMS[kind] + '{{ "," if not loop.last }}{% endfor %}'
    body = f'{{"app_id": "11", "{KINDS[kind].items}": [{items}]}}'
    sync = {
        "name": "peer",
        "model": f"SELECT {_SELECTED[kind]} FROM ({model})",  # noqa: S608
        "destination": {
            "type": "rest_api",
            "url": sys.argv[1] + KINDS[kind].path,
            "method": "POST",
            "headers": {"Content-Type": "application/json"},
            "body_mode": "batch",
            "batch_template": body,
        },
        "sync": {
            "mode": "full",
            "batch_size": ITEMS,
            "rate_limit": {"requests_per_second": 1_000_000},
            "on_error": "skip",
        },
    }
    with TemporaryDirectory() as folder:
        project = Path(folder)
        os.environ["HOME"] = folder
        (project / ".drt").mkdir()
        (project / "syncs").mkdir()
        # JSON is YAML.
        (project / ".drt" / "profiles.yml").write_text('{"default": {"type": "duckdb"}}')
        (project / "drt_project.yml").write_text('{"name": "peer", "profile": "default"}')
        (project / "syncs" / "peer.yml").write_text(json.dumps(sync))
        os.chdir(project)
        began = time.perf_counter()
        try:
            app(["run", "--quiet"], standalone_mode=False)
        finally:
            print(json.dumps({"rows": read, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
