"""The configuration as a form, filled by a person who reads nothing but the form."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

import sandbox.hackle
from integration_tests.browser.browsing import CACHE, PHONE, ROOT, Windows, connector
from integration_tests.browser.forms import (
    assert_explained,
    assert_missing,
    assert_told,
    check,
    field,
    submit,
    submitted,
)
from integration_tests.chaos.scenario import Service
from sandbox.heap import running

pytest_plugins = ["integration_tests.browser.browsing"]

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
def form_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the form's script is, made once."""
    folder = tmp_path_factory.mktemp("form")
    subprocess.run(
        [
            str(CACHE / "node_modules" / ".bin" / "esbuild"),
            str(ROOT / "integration_tests/browser" / "form.jsx"),
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
    return folder


@pytest.fixture(scope="session")
def heap_form(form_folder: Path) -> str:
    """The address of a page with the form of the Heap connector's specification."""
    return _page(form_folder, "heap")


@pytest.fixture(scope="session")
def hackle_form(form_folder: Path) -> str:
    """The same for Hackle."""
    return _page(form_folder, "hackle")


def _page(folder: Path, service: Service) -> str:
    (message,) = connector("spec", service=service)
    shown = json.dumps(message["spec"]).replace("</", "<\\/")
    page = (ROOT / "integration_tests/browser" / "form.html").read_text(encoding="utf-8")
    path = folder / f"{service}.html"
    path.write_text(page.replace("SPECIFICATION", shown), encoding="utf-8")
    return path.as_uri()


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


@pytest.mark.parametrize("api_type", FILLED)
def test_filled_by_a_person(
    heap_form: str, windows: Windows, tmp_path: Path, api_type: str
) -> None:
    """What comes out of the form passes the check, against a local Heap."""
    window = windows.open(heap_form)
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


def test_users_to_delete(heap_form: str, windows: Windows, tmp_path: Path) -> None:
    """What comes out of the form passes the check; a wrong key, or another ID, says so."""
    page = windows.open(heap_form).page
    with running() as heap:
        field(page, "Environment ID").fill("3000610572")
        field(page, "Heap's address").fill(heap.url)
        choice(page).select_option(label="Delete users (privacy requests)")
        submit(page)
        assert_missing(page, "Identity column", "API key", "Environment ID, once more")
        field(page, "Identity column").fill("email")
        field(page, "API key").fill(heap.options.api_key)
        field(page, "Environment ID, once more").fill("3000610572")
        configuration = submitted(page)
        assert check(tmp_path, configuration) == {"status": "SUCCEEDED"}
        api = configuration["api"]
        wrong = {**configuration, "api": {**api, "api_key": "another"}}
        assert "gets no token from Heap" in check(tmp_path, wrong)["message"]
        other = {**configuration, "api": {**api, "confirm": "11"}}
        assert check(tmp_path, other)["message"].startswith("api.confirm: must be")
        assert heap.deletions() == []
    assert api == {
        **{"api_type": "delete_users", "identity_column": "email", "most_users": 100},
        **{"api_key": heap.options.api_key, "confirm": "3000610572"},
    }


def test_only_what_is_required(heap_form: str, windows: Windows, tmp_path: Path) -> None:
    """Who fills the required fields and nothing else gets Heap's address and all defaults."""
    window = windows.open(heap_form, size=PHONE)
    page = window.page
    field(page, "Environment ID").fill(" 3000610572 ")  # as pasted
    field(page, "Event column").fill("event")
    field(page, "Identity column").fill("user_id")
    configuration = submitted(page)
    window.picture("form-phone")
    assert configuration["base_url"] == "https://heapanalytics.com"
    with running() as heap:
        assert check(tmp_path, configuration | {"base_url": heap.url})["status"] == "SUCCEEDED"


def test_choosing_another(heap_form: str, windows: Windows) -> None:
    """Each choice shows its own fields, and leaves none of another's behind."""
    page = windows.open(heap_form).page
    with running() as heap:
        fill(page, heap.url, "track")
        fill(page, heap.url, "add_account_properties")
        expect(page.get_by_label("Event column")).to_have_count(0)
        assert set(submitted(page)["api"]) == {
            *("api_type", "account_id_column", "property_columns")
        }


# -- several streams

SEVERAL = "Something else for each stream (by_stream)"
#: What a person picks and types for each of three streams.
STREAMS: list[tuple[str, str, dict[str, str]]] = [
    ("orders", "An event (track)", {"Event column": "'Order placed'", "Identity column": "email"}),
    ("users", FILLED["add_user_properties"][0], {"Identity column": "email"}),
    ("companies", FILLED["add_account_properties"][0], {"Account ID column": "id"}),
]


def entry(page: Page, number: int) -> Locator:
    """One of the streams, counted from 1."""
    return page.get_by_role("group", name=f"Stream {number}", exact=True)


def fill_entry(at: Locator, name: str, title: str, columns: dict[str, str]) -> None:
    """Says what one stream becomes."""
    at.get_by_label("Stream name").fill(name)
    becomes = at.get_by_role("group", name="What each record of this stream becomes")
    becomes.get_by_role("combobox").first.select_option(label=title)
    for label, text in columns.items():
        at.get_by_label(label).locator("visible=true").fill(text)


def fill_streams(page: Page, url: str) -> None:
    """Fills the form for all three."""
    field(page, "Environment ID").fill("3000610572")
    field(page, "Heap's address").fill(url)
    choice(page).select_option(label=SEVERAL)
    for number, (name, title, columns) in enumerate(STREAMS, start=1):
        if not entry(page, number).count():
            page.get_by_role("button", name="Add Stream").click()
        fill_entry(entry(page, number), name, title, columns)


def test_three_streams(heap_form: str, windows: Windows, tmp_path: Path) -> None:
    """One entry after another, by the words of the form: the check takes what comes out."""
    window = windows.open(heap_form)
    with running() as heap:
        fill_streams(window.page, heap.url)
        assert_explained(window.page)
        configuration = submitted(window.page)
        window.picture("form-streams")
        assert check(tmp_path, configuration) == {"status": "SUCCEEDED"}
    entries = configuration["api"]["streams"]
    assert [each["stream"] for each in entries] == ["orders", "users", "companies"]
    for each, api_type, (_, _, columns) in zip(entries, FILLED, STREAMS, strict=True):
        assert each["api"] == {
            "api_type": api_type,
            "property_columns": "*",
            **{label.lower().replace(" ", "_"): text for label, text in columns.items()},
            **({"time_zone": "UTC"} if api_type == "track" else {}),
        }
        assert "namespace" not in each


def test_a_stream_with_a_namespace_and_one_taken_away(
    heap_form: str, windows: Windows, tmp_path: Path
) -> None:
    """Two of one name in two schemas; the one between them goes, and nothing of it stays."""
    window = windows.open(heap_form, size=PHONE)
    page = window.page
    with running() as heap:
        fill_streams(page, heap.url)
        entry(page, 1).get_by_label("Namespace").fill("shop_eu")
        page.get_by_role("button", name="Remove Stream 2").click()
        fill_entry(entry(page, 2), "orders", *STREAMS[2][1:])
        configuration = submitted(page)
        window.picture("form-streams-phone")
        assert check(tmp_path, configuration) == {"status": "SUCCEEDED"}
    first, second = configuration["api"]["streams"]
    assert (first["stream"], first["namespace"]) == ("orders", "shop_eu")
    assert (second["stream"], second["api"]["api_type"]) == ("orders", "add_account_properties")


def test_a_stream_without_a_name(heap_form: str, windows: Windows) -> None:
    """It is told in its own entry; so are its columns."""
    window = windows.open(heap_form)
    page = window.page
    fill_streams(page, "https://heapanalytics.com")
    entry(page, 2).get_by_label("Stream name").fill("  ")
    entry(page, 3).get_by_label("Account ID column").fill("")
    submit(page)
    expect(entry(page, 2).get_by_role("alert")).to_have_text(
        "The value must match: the name of a stream"
    )
    expect(entry(page, 3).get_by_role("alert")).to_have_text("Required")
    expect(page.get_by_role("alert")).to_have_count(2)
    expect(page.locator("#result")).to_be_empty()
    window.picture("form-streams-wrong")


def test_as_the_connection_maps_it(heap_form: str, windows: Windows, tmp_path: Path) -> None:
    """Nothing more is asked, and nothing of another choice is left."""
    window = windows.open(heap_form)
    with running() as heap:
        fill_streams(window.page, heap.url)
        choice(window.page).select_option(
            label="As the connection maps it, for data activation (by_object)"
        )
        configuration = submitted(window.page)
        window.picture("form-objects")
        assert configuration["api"] == {"api_type": "by_object"}
        assert check(tmp_path, configuration) == {"status": "SUCCEEDED"}


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
def test_wrong_input(
    heap_form: str, windows: Windows, label: str, typed: str, message: str
) -> None:
    """What is wrong is said at the field, in words, and nothing is submitted."""
    window = windows.open(heap_form)
    fill(window.page, "https://heapanalytics.com", "track")
    field(window.page, label).fill(typed)
    submit(window.page)
    assert_told(window.page, label, message)
    if typed == "my-project":
        window.picture("form-wrong")


def test_nothing_filled(heap_form: str, windows: Windows) -> None:
    """An empty form names each field that is missing."""
    window = windows.open(heap_form)
    submit(window.page)
    assert_missing(window.page, "Environment ID", "Event column", "Identity column")
    window.picture("form-empty")


def test_every_field_explains_itself(heap_form: str, windows: Windows) -> None:
    """Whatever the form shows has a label that is no bare key, and a description."""
    page = windows.open(heap_form).page
    for title, _ in FILLED.values():
        choice(page).select_option(label=title)
        assert_explained(page)


# -- Hackle ---------------------------------------------------------------------------------------

#: What a person types where, in the order of the form.
PURCHASES = {
    "SDK key": "abcdefGHIJKL0123456789",
    "Event key column": "event",
    "User ID column": "user_id",
    "Value column": "amount",
    "Property columns": "pay_method, discount.amount as discount_amount",
    "Timestamp column": "happened_at",
}
REQUIRED = ("SDK key", "Event key column", "User ID column")


def fill_purchases(page: Page) -> None:
    """Fills Hackle's form."""
    for label, text in PURCHASES.items():
        field(page, label).fill(text)


def test_hackle_filled_by_a_person(hackle_form: str, windows: Windows, tmp_path: Path) -> None:
    """What comes out of Hackle's form passes the check, against a local Hackle."""
    window = windows.open(hackle_form)
    page = window.page
    with sandbox.hackle.running() as hackle:
        fill_purchases(page)
        field(page, "Hackle's address").fill(hackle.url)
        configuration = submitted(page)
        window.picture("form-hackle")
        assert check(tmp_path, configuration, "hackle") == {"status": "SUCCEEDED"}
        assert hackle.events() == []
    assert set(PURCHASES.values()) <= {
        value for value in configuration.values() if isinstance(value, str)
    }
    assert configuration["dry_run"] is False
    assert configuration["events_per_minute"] == 0


def test_hackle_only_what_is_required(hackle_form: str, windows: Windows, tmp_path: Path) -> None:
    """Who fills the three required fields gets Hackle's address and all defaults."""
    window = windows.open(hackle_form, size=PHONE)
    page = window.page
    for label in REQUIRED:
        field(page, label).fill(f" {PURCHASES[label]} ")  # as pasted
    configuration = submitted(page)
    window.picture("form-hackle-phone")
    assert configuration["base_url"] == "https://event.hackle.io"
    assert configuration["property_columns"] == "*"
    with sandbox.hackle.running() as hackle:
        local = configuration | {"base_url": hackle.url}
        assert check(tmp_path, local, "hackle") == {"status": "SUCCEEDED"}


@pytest.mark.parametrize(
    ("label", "typed", "message"),
    [
        ("SDK key", "two words", "the key alone, without blanks"),
        ("SDK key", "", "Required"),
        ("Hackle's address", "http://event.hackle.io", "an address that begins with https://"),
        ("Event key column", "  ", "the name of a column"),
        ("User ID column", "", "Required"),
        ("Events a minute", "-1", "must be >= 0"),
    ],
)
def test_hackle_wrong_input(
    hackle_form: str, windows: Windows, label: str, typed: str, message: str
) -> None:
    """What is wrong is said at the field, in words, and nothing is submitted."""
    window = windows.open(hackle_form)
    fill_purchases(window.page)
    field(window.page, label).fill(typed)
    submit(window.page)
    assert_told(window.page, label, message)
    if typed == "two words":
        window.picture("form-hackle-wrong")


def test_hackle_nothing_filled(hackle_form: str, windows: Windows) -> None:
    """An empty form names each field that is missing, and explains every one."""
    page = windows.open(hackle_form).page
    assert_explained(page)
    submit(page)
    assert_missing(page, *REQUIRED)
