"""Runs the recipe for Spark as its driver: two executors, each a process of its own.

It is given files with the two parts of the recipe, the local Heap's address, a folder of its own,
and how many users and events there are. It prints a line for each part: what its reports come to.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession  # type: ignore[import-not-found]  # of its own environment

from destination_heap_analytics import Report


def main(parts: list[Path], url: str, folder: Path, users_count: int, events_count: int) -> None:
    """Makes the tables that the recipe speaks of, and runs its parts on them."""
    spark = SparkSession.builder.master("local-cluster[2,1,1024]").appName("recipe")
    for key, value in {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        # Without it the small tables of a test would become one partition.
        "spark.sql.adaptive.enabled": "false",
        "spark.executorEnv.PYTHONPATH": os.environ["PYTHONPATH"],
        "spark.local.dir": str(folder),
    }.items():
        spark = spark.config(key, value)
    session = spark.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    orders = session.range(events_count).selectExpr(
        "id AS order_id",
        f"concat('user', id % {users_count}) AS user_id",
        "timestamp_seconds(1767600000 + id) AS created_at",
        "CAST(id % 997 AS DECIMAL(9, 2)) AS amount",
    )
    # Of each tenth user there are five versions, the latest first, in parts of the table far apart.
    users = (
        session.range(5 * users_count)
        .selectExpr(
            f"id % {users_count} AS number",
            f"concat('user', id % {users_count}) AS user_id",
            f"5 - id DIV {users_count} AS updated_at",
        )
        .where("number % 10 = 0 OR updated_at = 1")
        .drop("number")
    )
    common = {"app_id": "11", "base_url": url, "max_retry_seconds": 60}
    columns = {"event_column": "'Order placed'", "timestamp_column": "created_at"}
    names: dict[str, Any] = {
        "orders": orders,
        "users": users,
        "config": {
            **common,
            "events_per_minute": 4_000_000,
            "api": {"api_type": "track", "identity_column": "user_id", **columns},
        },
        "user_config": {
            **common,
            "events_per_identity_per_minute": 0,
            "api": {"api_type": "add_user_properties", "identity_column": "user_id"},
        },
    }
    for part in parts:
        exec(part.read_text(), names)
        total = sum(names["reports"], Report())
        counts = {"read": total.read, "accepted": total.accepted, "rejected": total.rejected}
        print(json.dumps({"parts": len(names["reports"]), **counts}), flush=True)
    session.stop()


if __name__ == "__main__":
    *files, url, folder, users_count, events_count = sys.argv[1:]
    main([*map(Path, files)], url, Path(folder), int(users_count), int(events_count))
