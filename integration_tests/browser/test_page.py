"""The sandbox's page, as people use it: a sync while it is open, a search, a refusal."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
import requests
from playwright.sync_api import Page, Request, expect

from integration_tests.browser.browsing import CACHE, ROOT, SHAPES, Windows, connector, json_file
from sandbox.heap import Sandbox, SandboxOptions, running
from sandbox.heap.demo import LOADS
from sandbox.heap.store import Store

pytest_plugins = ["integration_tests.browser.browsing"]

EVIL: Final = "<script>document.title = 'broken in'</script><img src=x onerror=alert(1)>"
PROC: Final = Path("/proc/self/status")
MILLION: Final = 1_000_000


@pytest.fixture
def heap() -> Iterator[Sandbox]:
    with running() as sandbox:
        yield sandbox


def post(heap: Sandbox, path: str, **body: Any) -> int:
    """Sends one request as any client does; the status of its answer."""
    sent = {"app_id": "11", **body}
    return requests.post(f"{heap.url}/api/{path}", json=sent, timeout=10).status_code


def sync(heap: Sandbox, folder: Path, api_type: str) -> None:
    """A real sync of a sample into the sandbox."""
    sample, _, _ = LOADS[api_type]
    config = json.loads((ROOT / sample.config).read_text(encoding="utf-8"))
    connector(
        "write",
        *("--config", json_file(folder, api_type, config | {"base_url": heap.url})),
        *("--catalog", str(ROOT / sample.catalog)),
        stdin=(ROOT / sample.rows).read_bytes(),
    )


def count(page: Page, name: str) -> str:
    """One of the figures on the first page."""
    return page.locator(f"#count-{name}").inner_text().split()[0]


def furnished(heap: Sandbox) -> None:
    """A little of everything: events, users, accounts, a repeat, a refusal, a fault."""
    properties = {"plan": "pro", "seats": 3, "trial": False, "tags": ["a", "b"], "note": "n" * 300}
    properties |= {f"column_{n}": n for n in range(9)}
    events = [
        {
            "event": f"Ordered {n % 4}",
            "identity": f"person{n % 9}@example.com",
            "properties": properties,
            "idempotency_key": f"key-{n}",
        }
        for n in range(80)
    ]
    assert post(heap, "track", events=events) == 200
    assert post(heap, "track", events=events[:5]) == 200
    assert post(heap, "track", events=[{"event": "Ordered", "properties": {}}]) == 400
    assert post(heap, "track", event="Seen", user_id="17", properties={"seats": "three"}) == 200
    del properties["tags"]  # Heap takes lists of events only
    users = [{"identity": f"person{n}@example.com", "properties": properties} for n in range(9)]
    assert post(heap, "add_user_properties", users=users) == 200
    accounts = [{"account_id": f"acme-{n}", "properties": {"plan": "pro"}} for n in range(3)]
    assert post(heap, "add_account_properties", accounts=accounts) == 200


PAGES: Final = {
    "events": "/",
    "event": "/page/event?sequence=3",
    "users": "/page/users",
    "user": "/page/user?app_id=11&identity=person1%40example.com",
    "accounts": "/page/accounts",
    "account": "/page/account?app_id=11&account_id=acme-1",
    "properties": "/page/properties",
    "requests": "/page/requests",
    "search": "/page/search?identity=person",
    "missing": "/page/event?sequence=999",
}


def test_a_sync_while_the_page_is_open(heap: Sandbox, windows: Windows, tmp_path: Path) -> None:
    """Rows and counts come up by themselves as a sync loads them, repeats and all."""
    window = windows.open(heap.url)
    page = window.page
    expect(page.get_by_text("No event yet")).to_be_visible()
    sync(heap, tmp_path, "track")
    expect(page.locator("ol.rows > li").first).to_be_visible()
    stored = heap.events()
    newest = stored[-1]
    row = page.locator(f"#event-{newest['sequence']}")
    expect(row).to_contain_text(newest["event"])
    expect(row).to_contain_text(newest["identity"])
    expect(page.locator("#count-events")).to_have_text(str(len(stored)))
    sync(heap, tmp_path, "track")
    expect(page.locator("#count-repeats")).to_have_text(str(len(stored)))
    expect(page.locator("#count-events")).to_have_text(str(len(stored)))
    sync(heap, tmp_path, "add_user_properties")
    expect(page.locator("#count-users")).to_have_text(str(len(heap.users())))
    window.picture("page-after-a-sync", whole=False)


def test_search_and_open_a_user(heap: Sandbox, windows: Windows) -> None:
    """From the beginning of an identity to the user's properties and events."""
    furnished(heap)
    page = windows.open(heap.url).page
    box = page.get_by_role("searchbox", name="Find an identity")
    box.fill("person3@")
    box.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("1 user, 0 accounts")
    page.get_by_role("link", name="person3@example.com").click()
    expect(page.get_by_role("heading", name="User")).to_be_visible()
    row = page.get_by_role("row", name="seats")
    expect(row.get_by_role("cell").last).to_have_text("number")
    expect(page.locator("ol.rows > li")).to_have_count(9)
    page.get_by_role("link", name="Ordered 3").first.click()
    expect(page.locator("dd", has_text="person3@example.com")).to_be_visible()
    expect(page.get_by_role("cell", name="n" * 300)).to_be_visible()


def test_search_finds_nothing(heap: Sandbox, windows: Windows) -> None:
    """That nothing begins so is said."""
    furnished(heap)
    page = windows.open(heap.url).page
    page.get_by_role("searchbox").fill("Person")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("status")).to_contain_text("0 users, 0 accounts")


def test_a_refused_request(heap: Sandbox, windows: Windows) -> None:
    """A refusal shows up while the page is open, and its reason is one click away."""
    page = windows.open(heap.url).page
    expect(page.locator("#count-refused")).to_contain_text("0")
    post(heap, "track", events=[{"event": "E", "identity": "a", "timestamp": "yesterday"}])
    expect(page.locator("#refused")).to_have_text(re.compile("^1"))
    page.locator("#refused").click()
    refused = page.locator("li.refused")
    expect(refused).to_have_count(1)
    expect(refused).to_contain_text("400")
    expect(refused).to_contain_text("postBody.events[0].timestamp is not a valid unix,iso8601")
    expect(page.get_by_text("yesterday")).to_have_count(0)


def test_property_names(heap: Sandbox, windows: Windows) -> None:
    """Names are there with types and counts; one name of several types stands out."""
    furnished(heap)
    page = windows.open(f"{heap.url}/page/properties").page
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="seats")).first
    expect(row).to_contain_text("number 80")
    expect(row).to_contain_text("string 1")
    expect(row).to_contain_text("several types")
    expect(row.get_by_role("cell").last).to_have_text("81")


def test_what_is_sent_is_text(heap: Sandbox, windows: Windows) -> None:
    """Markup in names and values is shown, never run, on every page."""
    sent = {"properties": {EVIL: EVIL}}
    assert post(heap, "track", event=EVIL, identity=EVIL, **sent) == 200
    assert post(heap, "add_user_properties", identity=EVIL, **sent) == 200
    window = windows.open(heap.url)
    page = window.page
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    page.locator("ol.rows a").first.click()
    expect(page.get_by_role("cell", name=EVIL)).to_be_visible()
    page.get_by_role("link", name="<script>").click()
    expect(page.get_by_role("cell", name=EVIL)).to_be_visible()
    page.goto(f"{heap.url}/page/properties")
    expect(page.get_by_text(EVIL).first).to_be_visible()
    post(heap, "track", event=EVIL, identity=EVIL, **sent)
    page.goto(heap.url)
    post(heap, "track", event=EVIL, identity=EVIL, **sent)
    expect(page.locator("#event-3")).to_contain_text("<script>")  # by the script that renews
    assert page.title() == "Events · Local Heap"
    assert dialogs == []


def test_nothing_from_elsewhere(heap: Sandbox, windows: Windows) -> None:
    """Every request of every page goes to the sandbox itself."""
    furnished(heap)
    page = windows.open(heap.url).page
    asked: list[str] = []

    def note(request: Request) -> None:
        asked.append(request.url)

    page.on("request", note)
    for path in PAGES.values():
        if path != PAGES["missing"]:  # the console tells of a 404
            page.goto(heap.url + path)
            expect(page.get_by_text("No data leaves this machine")).to_be_visible()
    post(heap, "add_user_properties", identity="new")
    with page.expect_request(lambda request: "seen=" in request.url):
        pass
    assert asked
    assert all(url.startswith(heap.url) for url in asked)


@SHAPES
def test_accessible(
    heap: Sandbox, windows: Windows, size: tuple[int, int], dark: bool, shape: str
) -> None:
    """Every page is for everybody, in both colours and sizes."""
    furnished(heap)
    window = windows.open(heap.url, size=size, dark=dark)
    window.assert_accessible(heap.url, PAGES, f"page-{{}}-{shape}")


def test_by_keyboard(heap: Sandbox, windows: Windows) -> None:
    """The first tab leads past the navigation, and the focus survives what comes in."""
    furnished(heap)
    page = windows.open(heap.url).page
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Pause")).to_be_focused()
    row = page.locator("#open-81")
    row.focus()
    post(heap, "track", event="Later", identity="a")
    expect(page.locator("#event-82")).to_contain_text("Later")
    expect(row).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Event 81")).to_be_visible()


def test_paused(heap: Sandbox, windows: Windows) -> None:
    """A paused page stays as it is until it is told to go on."""
    page = windows.open(heap.url).page
    page.get_by_role("link", name="Pause").click()
    expect(page.get_by_text("Paused")).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    post(heap, "track", event="Later", identity="a")
    page.wait_for_timeout(2_500)
    assert asked == []
    assert count(page, "events") == "0"
    page.get_by_role("link", name="Go on").click()
    expect(page.locator("#count-events")).to_have_text("1")


def test_the_sandbox_ends(windows: Windows) -> None:
    """A page whose sandbox is gone says so, and takes it back when it answers again."""
    with running() as heap:
        window = windows.open(heap.url)
        expect(window.page.get_by_role("heading", name="Events")).to_be_visible()
        port = int(heap.url.rpartition(":")[2])
    lost = window.page.get_by_text("The sandbox does not answer")
    expect(lost).to_be_visible()
    with running(SandboxOptions(port=port)) as heap:
        post(heap, "track", event="Again", identity="a")
        expect(lost).to_be_hidden()
        expect(window.page.locator("#count-events")).to_have_text("1")
        window.page.goto("about:blank")
    window.complaints.clear()  # the browser tells of every request that failed


def million_events(file: Path) -> None:
    """A sandbox's database with a million events of 50,000 people."""
    with closing(Store(file)):
        pass
    properties = {"plan": "pro", "seats": 3, "country": "DE", "note": "x" * 60}
    names = [("events", name, "string", MILLION) for name in properties]
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers"
            " WHERE n < ?) INSERT INTO events SELECT n, '11', 'Ordered ' || (n % 20),"
            " 'person' || (n % 50000) || '@example.com', NULL, '2026-01-31T09:30:00.000Z', ?,"
            " printf('%064x', n), 1750000000 + n / 100 FROM numbers",
            (MILLION, json.dumps(properties)),
        )
        database.execute(
            "INSERT INTO users SELECT min(sequence), app_id, identity, '{}', 0, 0 FROM events"
            " GROUP BY identity"
        )
        database.executemany("INSERT INTO property_counts VALUES (?, ?, ?, ?)", names)


@contextmanager
def sandbox_process(*options: str) -> Iterator[tuple[str, int]]:
    """The sandbox as a process of its own; its address and the process's number."""
    command = [sys.executable, "-m", "sandbox.heap", "--port", "0", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().split()[-1], process.pid
        finally:
            process.terminate()
            process.wait(30)


def peak_memory(process: int) -> int:
    """In bytes; https://man7.org/linux/man-pages/man5/proc_pid_status.5.html."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


def painted(page: Page, url: str) -> float:
    """Seconds from asking for a page to its first contentful paint."""
    page.goto(url)
    # Playwright's wait_for_function would evaluate text now and then, which the page forbids.
    return float(page.evaluate(_FIRST_CONTENTFUL_PAINT)) / 1_000


#: https://developer.mozilla.org/docs/Web/API/PerformancePaintTiming; in milliseconds.
_FIRST_CONTENTFUL_PAINT: Final = """() => new Promise(tell => new PerformanceObserver(list => {
    for (const one of list.getEntriesByName("first-contentful-paint")) tell(one.startTime);
}).observe({type: "paint", buffered: true}))"""


@pytest.mark.skipif(not PROC.exists(), reason="reads memory from /proc")
def test_a_million_events(windows: Windows, tmp_path: Path) -> None:
    """Every page paints in under a second, and the sandbox stays small."""
    file = tmp_path / "heap.db"
    million_events(file)
    with sandbox_process("--db", str(file), "--no-quotas") as (url, process):
        page = windows.open("about:blank").page
        for path in (
            *("/", "/?before=500000", "/page/event?sequence=777777", "/page/users"),
            "/page/user?app_id=11&identity=person777%40example.com",
            *("/page/properties", "/page/requests", "/page/search?identity=person7"),
        ):
            took = [painted(page, url + path)]
            if took[0] >= 1:  # something else may have had the processor
                took += [painted(page, url + path), painted(page, url + path)]
            print(f"{path}: first paint after {[f'{one:.2f} s' for one in took]}")
            assert sorted(took)[len(took) // 2] < 1, path
        page.goto(url)
        expect(page.locator("#count-events")).to_have_text(f"{MILLION:,}")
        begun = time.monotonic()
        event = {"event": "Now", "identity": "a", "idempotency_key": "new"}
        requests.post(f"{url}/api/track", json={"app_id": "11", **event}, timeout=10)
        expect(page.locator(f"#event-{MILLION + 1}")).to_contain_text("Now")
        print(f"a new event is there after {time.monotonic() - begun:.1f} s")
        page.goto("about:blank")
        print(f"memory: {peak_memory(process) / 2**20:.0f} MiB at most")
        assert peak_memory(process) < 150 * 2**20


@pytest.mark.skipif(not PROC.exists(), reason="reads memory from /proc")
def test_memory_while_loading() -> None:
    """What arrives goes to disk: a hundred thousand events more weigh nothing."""
    with sandbox_process("--no-quotas") as (url, process), requests.Session() as session:
        peaks = []
        for at in range(200):
            events = [
                {
                    "event": "Ordered",
                    "identity": f"person{n}@example.com",
                    "idempotency_key": f"{at}-{n}",
                    "properties": {"note": f"{at} {n} " + "x" * 500},
                }
                for n in range(1_000)
            ]
            sent = {"app_id": "11", "events": events}
            assert session.post(f"{url}/api/track", json=sent, timeout=60).status_code == 200
            if at in {99, 199}:
                peaks.append(peak_memory(process))
        half, whole = (peak / 2**20 for peak in peaks)
        print(f"memory: {half:.0f} MiB after 100,000 events, {whole:.0f} after 200,000")
        assert whole < half + 10


def test_the_script_is_the_published_one() -> None:
    """What the sandbox ships is what the npm registry has under that name."""
    published = CACHE / "node_modules" / "htmx.org" / "dist" / "htmx.min.js"
    shipped = ROOT / "sandbox" / "page" / "static" / "htmx.min.js"
    assert shipped.read_bytes() == published.read_bytes()
