"""The configuration as a form, filled by a person who reads nothing but the form."""

from __future__ import annotations

import html
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from browser_tests.browsing import CACHE, PHONE, ROOT, Windows, connector, json_file
from heap_sandbox import running

pytest_plugins = ["browser_tests.browsing"]

CHOICE = "What each record becomes"
#: What a person picks, and types where, in the order of the form. A blank leaves what is there.
FILLED: dict[str, tuple[str, dict[str, str]]] = {
    "track": (
        "An event (track)",
        {
            "Event column": "identities.connection",
            "Identity column": "email",
            "Property columns": "blocked, plan as plan_name",
            "Timestamp column": "updated_at",
        },
    ),
    "add_user_properties": (
        "Properties of a user (add_user_properties)",
        {"Identity column": "user_id"},
    ),
    "add_account_properties": (
        "Properties of an account (add_account_properties)",
        {"Account ID column": "organization.id", "Property columns": "*"},
    ),
}


@pytest.fixture(scope="session")
def form(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a page with the form of the specification that `spec` prints."""
    folder = tmp_path_factory.mktemp("form")
    subprocess.run(
        [
            str(CACHE / "node_modules" / ".bin" / "esbuild"),
            str(ROOT / "browser_tests" / "form.jsx"),
            "--bundle",
            "--minify",
            "--jsx=automatic",
            "--log-level=warning",
            '--define:process.env.NODE_ENV="production"',
            f"--outfile={folder / 'form.js'}",
        ],
        check=True,
        env={**os.environ, "NODE_PATH": str(CACHE / "node_modules")},
    )
    (message,) = connector("spec")
    shown = json.dumps(message["spec"]).replace("</", "<\\/")
    page = (ROOT / "browser_tests" / "form.html").read_text(encoding="utf-8")
    (folder / "form.html").write_text(page.replace("SPECIFICATION", shown), encoding="utf-8")
    return (folder / "form.html").as_uri()


def field(page: Page, label: str) -> Locator:
    """The box that belongs to a label."""
    return page.get_by_label(label).locator("visible=true").first


def choice(page: Page) -> Locator:
    """Where the API type is picked."""
    return page.get_by_role("group", name=CHOICE).get_by_role("combobox").first


def fill(page: Page, url: str, api_type: str) -> None:
    """Fills the form as a person does: top to bottom, by what the labels say."""
    title, columns = FILLED[api_type]
    field(page, "Environment ID").fill("3000610572")
    field(page, "Heap's address").fill(url)
    choice(page).select_option(label=title)
    for label, text in columns.items():
        field(page, label).fill(text)


def submit(page: Page) -> None:
    """Presses the button."""
    page.get_by_role("button", name="Set up destination").click()


def submitted(page: Page) -> dict[str, Any]:
    """Presses the button; the configuration that comes out."""
    submit(page)
    expect(page.locator("#result")).not_to_be_empty()
    configuration: dict[str, Any] = json.loads(page.locator("#result").inner_text())
    return configuration


def check(folder: Path, configuration: Mapping[str, Any]) -> dict[str, Any]:
    """What the connector says of a configuration."""
    found = connector("check", "--config", json_file(folder, "config.json", configuration))
    (status,) = [one["connectionStatus"] for one in found if one["type"] == "CONNECTION_STATUS"]
    return dict(status)


@pytest.mark.parametrize("api_type", FILLED)
def test_filled_by_a_person(form: str, windows: Windows, tmp_path: Path, api_type: str) -> None:
    """What comes out of the form passes the check, against a local Heap."""
    window = windows.open(form)
    with running() as heap:
        fill(window.page, heap.url, api_type)
        configuration = submitted(window.page)
        window.picture(f"form-{api_type}")
        assert check(tmp_path, configuration) == {"status": "SUCCEEDED"}
    title, columns = FILLED[api_type]
    assert title in choice(window.page).inner_text()
    api = configuration["api"]
    assert api["api_type"] == api_type
    assert set(columns.values()) <= set(api.values())
    assert api["property_columns"] == columns.get("Property columns", "*")


def test_only_what_is_required(form: str, windows: Windows, tmp_path: Path) -> None:
    """Who fills the required fields and nothing else gets Heap's address and all defaults."""
    window = windows.open(form, size=PHONE)
    page = window.page
    field(page, "Environment ID").fill(" 3000610572 ")  # as pasted
    field(page, "Event column").fill("event")
    field(page, "Identity column").fill("user_id")
    configuration = submitted(page)
    window.picture("form-phone")
    assert configuration["base_url"] == "https://heapanalytics.com"
    with running() as heap:
        assert check(tmp_path, configuration | {"base_url": heap.url})["status"] == "SUCCEEDED"


def test_choosing_another(form: str, windows: Windows) -> None:
    """Each choice shows its own fields, and leaves none of another's behind."""
    page = windows.open(form).page
    with running() as heap:
        fill(page, heap.url, "track")
        fill(page, heap.url, "add_account_properties")
        expect(page.get_by_label("Event column")).to_have_count(0)
        assert set(submitted(page)["api"]) == {
            *("api_type", "account_id_column", "property_columns")
        }


@pytest.mark.parametrize(
    ("label", "typed", "message"),
    [
        ("Environment ID", "my-project", "digits only, such as 3000610572"),
        ("Environment ID", "", "Required"),
        ("Heap's address", "http://heapanalytics.com", "an address that begins with https://"),
        ("Heap's address", "heapanalytics.com", "an address that begins with https://"),
        ("Heap's address", "https://", "an address that begins with https://"),
        ("Event column", "", "Required"),
        ("Event column", "  ", "the name of a column"),
        ("Requests at once", "99", "must be <= 16"),
        ("Longest retry, in seconds", "0.5", "must be integer"),
    ],
)
def test_wrong_input(form: str, windows: Windows, label: str, typed: str, message: str) -> None:
    """What is wrong is said at the field, in words, and nothing is submitted."""
    window = windows.open(form)
    fill(window.page, "https://heapanalytics.com", "track")
    box = field(window.page, label)
    box.fill(typed)
    submit(window.page)
    told = window.page.locator(".field", has=box).get_by_role("alert")
    expect(told.first).to_contain_text(message)
    expect(window.page.locator("#result")).to_be_empty()
    expect(window.page.get_by_role("alert")).to_have_count(told.count())
    if typed == "my-project":
        window.picture("form-wrong")


def test_nothing_filled(form: str, windows: Windows) -> None:
    """An empty form names each field that is missing."""
    window = windows.open(form)
    submit(window.page)
    for label in ("Environment ID", "Event column", "Identity column"):
        at = window.page.locator(".field", has=field(window.page, label))
        expect(at.get_by_role("alert")).to_have_text("Required")
    window.picture("form-empty")


def test_every_field_explains_itself(form: str, windows: Windows) -> None:
    """Whatever the form shows has a label that is no bare key, and a description."""
    page = windows.open(form).page
    for title, _ in FILLED.values():
        choice(page).select_option(label=title)
        shown = page.locator(".field:visible")
        assert shown.count() >= 5
        for at in range(shown.count()):
            label = shown.nth(at).locator("label").first.inner_text()
            assert label, html.escape(shown.nth(at).inner_html())
            assert "_" not in label.split("\n")[0]
            assert len(shown.nth(at).locator("p").first.inner_text()) > 20, label
