"""The local Hackle's page, as people use it; what it has in common with Heap's is tested there."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import requests
from playwright.sync_api import expect

from integration_tests.browser.browsing import ROOT, SHAPES, Windows, connector, json_file
from sandbox.hackle import Sandbox, SandboxOptions, running
from sandbox.hackle.app import EVENTS_PATH
from sandbox.hackle.sandbox import workspace_of

pytest_plugins = ["integration_tests.browser.browsing"]

SAMPLES: Final = ROOT / "sample_files" / "hackle"
KEY: Final = "local"
EVIL: Final = "<script>document.title = 'broken in'</script><img src=x onerror=alert(1)>"
PAGES: Final = {
    "events": "/",
    "event": "/page/event?sequence=3",
    "users": "/page/users",
    "user": f"/page/user?workspace={workspace_of(KEY)}&user_id=user1",
    "properties": "/page/properties",
    "requests": "/page/requests",
    "search": "/page/search?user_id=user",
    "named": "/?event=purchase",
    "forget": "/page/forget",
    "nothing found": "/page/search?user_id=USER5",
    "missing": "/page/event?sequence=999",
}


@pytest.fixture
def hackle() -> Iterator[Sandbox]:
    with running() as sandbox:
        yield sandbox


def event(number: int, user: str = "user1", **fields: Any) -> dict[str, Any]:
    """An event as Hackle's SDK has it."""
    return {
        "insertId": f"id-{number}",
        "timestamp": 1_767_600_660_001 + number,
        "userId": user,
        "identifiers": {"$id": user},
        "userProperties": {},
        "hackleProperties": {},
        "eventTypeId": 0,
        "eventTypeKey": "purchase",
        "value": None,
        "properties": {},
        **fields,
    }


def post(hackle: Sandbox, *events: dict[str, Any]) -> int:
    """Sends one request as the SDK does; the status of its answer."""
    sent = {"exposureEvents": [], "trackEvents": list(events), "remoteConfigEvents": []}
    headers = {
        "X-HACKLE-SDK-KEY": KEY,
        "X-HACKLE-SDK-NAME": "python-sdk",
        "X-HACKLE-SDK-VERSION": "3.9.0",
        "X-HACKLE-SDK-TIME": "1767600660001",
    }
    url = f"{hackle.url}{EVENTS_PATH}"
    return requests.post(url, json=sent, headers=headers, timeout=10).status_code


def furnished(hackle: Sandbox) -> None:
    """A little of everything: events with and without a value, a repeat, a refusal."""
    properties = {"pay_method": "CARD", "is_discount": True, "note": "n" * 300}
    properties |= {f"column_{n}": n for n in range(9)}
    events = [
        event(n, f"user{n % 9}", value=n if n % 2 else None, properties=properties)
        for n in range(80)
    ]
    assert post(hackle, *events) == 200
    assert post(hackle, *events[:5]) == 200
    assert post(hackle, event(80, value=float(2**54))) == 400


def test_a_sync_while_the_page_is_open(hackle: Sandbox, windows: Windows, tmp_path: Path) -> None:
    """Purchases come up by themselves as a sync loads them; a second one adds nothing."""
    window = windows.open(hackle.url)
    page = window.page
    expect(page.get_by_text("No event yet")).to_be_visible()
    config = json.loads((SAMPLES / "config.json").read_text(encoding="utf-8"))
    for _ in range(2):
        connector(
            "write",
            *("--config", json_file(tmp_path, "c.json", config | {"base_url": hackle.url})),
            *("--catalog", str(SAMPLES / "configured_catalog.json")),
            stdin=(SAMPLES / "purchases.jsonl").read_bytes(),
            service="hackle",
        )
        stored = hackle.events()
        newest = stored[-1]
        row = page.locator(f"#event-{newest['sequence']}")
        expect(row).to_contain_text(newest["event_key"])
        expect(row).to_contain_text(newest["user_id"])
        expect(page.locator("#count-events")).to_have_text(str(len(stored)))
    expect(page.locator("#count-repeats")).to_have_text(str(len(stored)))
    window.picture("hackle-after-a-sync", whole=False)


def test_search_and_open_a_user(hackle: Sandbox, windows: Windows) -> None:
    """From the beginning of a user ID to the user's events, and to all that one of them holds."""
    furnished(hackle)
    page = windows.open(hackle.url).page
    box = page.get_by_role("searchbox")
    box.fill("user3")
    box.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("1 user")
    page.get_by_role("main").get_by_role("link", name="user3").click()
    expect(page.get_by_role("heading", name="User")).to_be_visible()
    expect(page.locator("ol.rows > li")).to_have_count(9)
    page.get_by_role("link", name="purchase").first.click()
    expect(page.locator("dd", has_text="user3").first).to_be_visible()
    expect(page.get_by_role("cell", name="n" * 300)).to_be_visible()


def test_a_refused_request(hackle: Sandbox, windows: Windows) -> None:
    """A refusal shows up while the page is open, and its reason is one click away."""
    page = windows.open(hackle.url).page
    expect(page.locator("#count-refused")).to_contain_text("0")
    assert post(hackle, event(1, value="plenty of it")) == 400
    expect(page.locator("#refused")).to_have_text(re.compile("^1"))
    page.locator("#refused").click()
    refused = page.locator("li.refused")
    expect(refused).to_have_count(1)
    expect(refused).to_contain_text("value")
    expect(page.get_by_text("plenty of it")).to_have_count(0)


def test_names_a_way_on_and_an_end(hackle: Sandbox, windows: Windows) -> None:
    """Event keys with counts, a search that missed, and a button that forgets all."""
    furnished(hackle)
    page = windows.open(hackle.url).page
    names = page.get_by_role("region", name="Event names").get_by_role("listitem")
    expect(names).to_have_text(["purchase 80"])
    names.get_by_role("link").click()
    expect(page.get_by_role("status")).to_contain_text("Only those named “purchase”: 80")
    page.get_by_role("searchbox").fill("USER55")
    page.get_by_role("button", name="Find").click()
    page.locator("#instead").click()
    expect(page.get_by_role("status")).to_contain_text("“user5”: 1 user")
    page.get_by_role("link", name="Forget all").click()
    page.get_by_role("button", name="Forget all").click()
    expect(page.get_by_text("No event yet")).to_be_visible()
    assert hackle.events() == []


@pytest.mark.parametrize("place", ["events", "users"])
def test_an_empty_page_says_what_to_type(hackle: Sandbox, windows: Windows, place: str) -> None:
    """Its address, and a command that loads something as it stands."""
    page = windows.open(hackle.url + PAGES[place]).page
    typed = page.locator("#load").inner_text()
    assert hackle.url in typed
    done = subprocess.run(typed, shell=True, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    expect(page.locator("ol.rows > li").first).to_be_visible()


def test_what_is_sent_is_text(hackle: Sandbox, windows: Windows) -> None:
    """Markup in keys, users, names and values is shown, never run."""
    assert post(hackle, event(1, EVIL, eventTypeKey=EVIL, properties={EVIL[:99]: EVIL})) == 200
    page = windows.open(hackle.url).page
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    page.locator("ol.rows a").first.click()
    expect(page.get_by_role("cell", name=EVIL)).to_be_visible()
    page.goto(f"{hackle.url}/page/properties")
    expect(page.get_by_text(EVIL[:99]).first).to_be_visible()
    page.goto(hackle.url)
    assert page.title() == "Events · Local Hackle"
    assert dialogs == []


def test_repeats_that_are_kept(windows: Windows) -> None:
    """A Hackle that keeps repeats says so, and has no count of those that it ignored."""
    with running(SandboxOptions(deduplicate=False)) as hackle:
        page = windows.open(hackle.url).page
        assert post(hackle, event(1), event(1)) == 200
        expect(page.locator("#count-events")).to_have_text("2")
        expect(page.get_by_text("Repeats are kept")).to_be_visible()
        expect(page.locator("#count-repeats")).to_have_count(0)
        page.goto("about:blank")


@SHAPES
def test_accessible(
    hackle: Sandbox, windows: Windows, size: tuple[int, int], dark: bool, shape: str
) -> None:
    """Every page is for everybody, in both colours and sizes."""
    furnished(hackle)
    window = windows.open(hackle.url, size=size, dark=dark)
    window.assert_accessible(hackle.url, PAGES, f"hackle-{{}}-{shape}")
