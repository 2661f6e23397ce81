"""A connector's form in a window, and a person's hands and eyes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

from integration_tests.browser.browsing import connector, json_file
from integration_tests.chaos.scenario import Service


def field(page: Page, label: str) -> Locator:
    """The box that belongs to a label."""
    return page.get_by_label(label).locator("visible=true").first


def submit(page: Page) -> None:
    """Presses the button."""
    page.get_by_role("button", name="Set up destination").click()


def submitted(page: Page) -> dict[str, Any]:
    """Presses the button; the configuration that comes out."""
    submit(page)
    expect(page.locator("#result")).not_to_be_empty()
    configuration: dict[str, Any] = json.loads(page.locator("#result").inner_text())
    return configuration


def check(
    folder: Path, configuration: Mapping[str, Any], service: Service = "heap"
) -> dict[str, Any]:
    """What the connector says of a configuration."""
    file = json_file(folder, "config.json", configuration)
    found = connector("check", "--config", file, service=service)
    (status,) = [one["connectionStatus"] for one in found if one["type"] == "CONNECTION_STATUS"]
    return dict(status)


def assert_told(page: Page, label: str, message: str) -> None:
    """The field says what is wrong, nothing else complains, and nothing is submitted."""
    told = page.locator(".field", has=field(page, label)).get_by_role("alert")
    expect(told.first).to_contain_text(message)
    expect(page.locator("#result")).to_be_empty()
    expect(page.get_by_role("alert")).to_have_count(told.count())


def assert_missing(page: Page, *labels: str) -> None:
    """Each of the fields says that it is required, and no other says anything."""
    for label in labels:
        at = page.locator(".field", has=field(page, label))
        expect(at.get_by_role("alert")).to_have_text("Required")
    expect(page.get_by_role("alert")).to_have_count(len(labels))


def assert_explained(page: Page) -> None:
    """Whatever the form shows has a label that is no bare key, and a description."""
    shown = page.locator(".field:visible")
    assert shown.count() >= 5
    for at in range(shown.count()):
        label = shown.nth(at).locator("label").first.inner_text()
        assert label, shown.nth(at).inner_html()
        assert "_" not in label.split("\n")[0]
        assert len(shown.nth(at).locator("p").first.inner_text()) > 20, label
