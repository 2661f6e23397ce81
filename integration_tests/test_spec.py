"""spec: a form that Airbyte can show; unit_tests hold it against the configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema

if TYPE_CHECKING:
    from integration_tests.conftest import Connector

FORM = Path(__file__).parents[1] / "destination_heap_analytics" / "spec.json"


def test_the_message(connector: Connector) -> None:
    """By a process: one SPEC, a valid schema, the sync modes named."""
    process = connector.start("spec")
    process.end_input()
    outcome = process.finish()
    assert outcome.code == 0
    assert outcome.stderr == b""
    (message,) = outcome.of_type("SPEC")
    assert {"append", "append_dedup", "overwrite"} <= set(
        message["spec"]["supported_destination_sync_modes"]
    )
    assert message["spec"]["supportsIncremental"] is True
    form = message["spec"]["connectionSpecification"]
    jsonschema.Draft7Validator.check_schema(form)
    # What is true of the form in the tree (unit_tests) is true of what is printed.
    assert form == json.loads(FORM.read_bytes())["connectionSpecification"]
    assert "app_id" in form["required"]
    assert "default" not in form["properties"]["app_id"]
