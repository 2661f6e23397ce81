"""The page without a browser: what it shows, and that it shows no more."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.faults import KINDS, WORDS
from sandbox.heap import Sandbox, SandboxOptions, running
from sandbox.heap.page.views import VIEWS
from sandbox.page.loading import Load, reached_at
from sandbox.page.views import LONGEST_SEARCHED, ROWS, nearest

EVIL = "\"'><script>alert(1)</script>&amp;{{1009*997}}"


@pytest.fixture
def heap() -> Iterator[Sandbox]:
    with running() as sandbox:
        yield sandbox


def send(heap: Sandbox, path: str, **body: Any) -> int:
    sent = requests.post(f"{heap.url}/api/{path}", json={"app_id": "11", **body}, timeout=5)
    return sent.status_code


def page(heap: Sandbox, path: str, **query: Any) -> str:
    answer = requests.get(heap.url + path, params=query, timeout=5)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer.text


class _Shown(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def events(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"event": f"E{n}", "identity": f"u{n}", **fields} for n in range(count)]


def test_every_page_is_there_when_empty(heap: Sandbox) -> None:
    """A sandbox that was sent nothing has pages all the same."""
    for path in VIEWS.keys() - {"/page/event", "/page/user", "/page/account"}:
        assert "Local Heap" in page(heap, path)


@pytest.mark.parametrize(
    "path",
    [
        *("/page/event", "/page/event?sequence=7", "/page/event?sequence=" + "9" * 30),
        *("/page/user?app_id=11&identity=nobody", "/page/account"),
    ],
)
def test_what_is_not_there(heap: Sandbox, path: str) -> None:
    """A link to something that is gone is 404, in words."""
    answer = requests.get(heap.url + path, timeout=5)
    assert answer.status_code == 404
    assert "There is no such" in answer.text


def test_nothing_sent_becomes_markup(heap: Sandbox) -> None:
    """Whatever is sent shows as text, wherever it stands."""
    sent = {"properties": {EVIL: EVIL, "list": [EVIL]}}
    assert send(heap, "track", event=EVIL, identity=EVIL, idempotency_key=EVIL, **sent) == 200
    users = {"properties": {EVIL: EVIL}}
    assert send(heap, "add_user_properties", identity=EVIL, **users) == 200
    assert send(heap, "add_account_properties", account_id=EVIL, **users) == 200
    assert send(heap, "track", events=[{"event": "E", "identity": "a", "properties": {EVIL: {}}}])
    for path, query in (
        ("/", {}),
        ("/page/event", {"sequence": 1}),
        ("/page/users", {}),
        ("/page/user", {"app_id": "11", "identity": EVIL}),
        ("/page/accounts", {}),
        ("/page/account", {"app_id": "11", "account_id": EVIL}),
        ("/page/properties", {}),
        ("/page/requests", {"only": "refused"}),
        ("/page/search", {"identity": EVIL}),
    ):
        html = page(heap, path, **query)
        shown = _Shown(html)
        # Two of the page's own, and nothing that runs beside them.
        assert shown.tags.count("script") == html.count("<script") == 2
        assert EVIL in shown.text, path
        assert not [name for name, _ in shown.attributes if name.startswith("on")]
        assert "1005973" not in html


def test_newest_first_and_older(heap: Sandbox) -> None:
    """Fifty at a time, from the newest to the oldest, none twice."""
    send(heap, "track", events=events(120))
    found: list[str] = []
    path = "/"
    while path:
        html = page(heap, path)
        found += re.findall(r'id="event-(\d+)"', html)
        older = re.search(r'id="older" href="([^"]+)"', html)
        path = older[1] if older else ""
    assert found == [str(n) for n in range(120, 0, -1)]


def test_unchanged_is_no_content(heap: Sandbox) -> None:
    """A page that is open is sent again only when something on it has changed."""
    seen = re.search(r'hx-get="([^"]+)"', page(heap, "/page/users"))
    assert seen
    asked = {"HX-Request": "true"}
    assert requests.get(heap.url + seen[1], headers=asked, timeout=5).status_code == 204
    send(heap, "add_user_properties", identity="a")
    answer = requests.get(heap.url + seen[1], headers=asked, timeout=5)
    assert answer.status_code == 200
    # Only the part that lives, and with it the next question.
    assert answer.text.startswith('<div id="live"')
    assert seen[1] not in answer.text


def test_paused(heap: Sandbox) -> None:
    """A paused page asks for nothing, and can go on where it was."""
    html = page(heap, "/page/requests", only="refused", live="off")
    assert "hx-get" not in html
    assert 'href="/page/requests?only=refused">Go on' in html


def test_looking_is_not_counted(heap: Sandbox) -> None:
    """Who looks does not change what there is to see, and appears in no request log."""
    page(heap, "/")
    page(heap, "/page/search", identity="a")
    assert heap.stats()["requests"]["total"] == 0


def test_numbers(heap: Sandbox) -> None:
    """What is counted is on the first page."""
    send(heap, "track", events=events(1_000, idempotency_key="k"))
    send(heap, "track", events=[{}])
    html = page(heap, "/")
    for name, count in (("events", "1"), ("users", "1"), ("repeats", "999"), ("requests", "2")):
        assert f'id="count-{name}">{count}<' in html
    assert 'href="/page/requests?only=refused">1<' in html
    assert "1,000 of 15,000 events in the last 60 s" in html


def test_use_without_quotas() -> None:
    """Where no quota is kept there is a picture, and no limit in it."""
    with running(SandboxOptions(quotas=False)) as heap:
        send(heap, "track", events=events(3))
        html = page(heap, "/")
        assert "3 events in the last 60 s" in html
        assert "no limit is kept" in html


def test_over_the_quota() -> None:
    """What was refused for the quota is said, and marked in the picture."""
    with running(SandboxOptions(events_per_minute=10)) as heap:
        assert send(heap, "track", events=events(9)) == 200
        assert send(heap, "track", events=events(2)) == 429
        html = page(heap, "/")
        assert "9 of 10 events" in html
        assert "requests were refused" in html
        assert len(re.findall('class="refusal"', html)) == 1
        assert "over 10 events in 60 s for one app_id" in page(heap, "/page/requests")


def test_faults_on_purpose() -> None:
    """A fault that was ordered is told from a refusal."""
    with running(SandboxOptions(fail_rate=1, fail_kinds=("503",))) as heap:
        assert send(heap, "track", events=events(1)) == 503
        assert "A fault on purpose: 503: nothing was taken" in page(heap, "/page/requests")
        assert "None was refused." in page(heap, "/page/requests", only="refused")
        assert 'href="/page/requests?only=faults">1<' in page(heap, "/")
        assert "503" in page(heap, "/page/requests", only="faults")


def test_every_fault_has_words() -> None:
    """Whatever kind is ordered, the page can say what it did."""
    assert WORDS.keys() == set(KINDS)


def test_nowhere(heap: Sandbox) -> None:
    """A browser is shown a page with a way on, and a program what the service would say."""
    asked = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    shown = requests.get(f"{heap.url}/nowhere", headers=asked, timeout=5)
    assert shown.status_code == 404
    assert 'href="/page/users"' in shown.text
    assert shown.headers["content-security-policy"].startswith("default-src 'none'; ")
    evil = requests.get(f"{heap.url}/nowhere", headers={**asked, "Host": "evil.example"}, timeout=5)
    assert (evil.status_code, "href" in evil.text) == (403, False)
    assert heap.stats()["requests"]["total"] == 0
    told = requests.get(f"{heap.url}/nowhere", timeout=5)
    assert (told.status_code, told.text) == (404, "Not Found")


def test_a_form_forgets_and_leads_on(heap: Sandbox) -> None:
    """Who asks by a form sees the empty page; another site's form changes nothing."""
    send(heap, "track", events=events(3))
    asked = {"Accept": "text/html"}
    evil = {**asked, "Origin": "https://evil.example"}
    assert requests.post(f"{heap.url}/reset", headers=evil, timeout=5).status_code == 403
    assert len(heap.events()) == 3
    shown = requests.post(f"{heap.url}/reset", headers=asked, timeout=5)
    assert (shown.url, "No event yet" in shown.text) == (f"{heap.url}/", True)
    assert "There is nothing here to forget" in page(heap, "/page/forget")


def test_events_of_one_name(heap: Sandbox) -> None:
    """Fifty at a time, and none of another name; names count what is stored."""
    for name in ("A & B", "C"):
        send(heap, "track", events=[{"event": name, "identity": f"u{n}"} for n in range(60)])
    send(heap, "track", events=[{"event": "C", "identity": "u", "idempotency_key": "1"}] * 2)
    html = page(heap, "/", event="A & B")
    assert html.count('id="event-') == 50
    older = re.search(r'id="older" href="([^"]+)"', html)
    assert older
    assert page(heap, unescape(older[1])).count('id="event-') == 10
    assert "No event of that name" in page(heap, "/", event="D")
    assert heap.store.event_counts(limit=1) == ([("C", 61)], 1)
    assert (heap.store.event_count("A & B"), heap.store.event_count("D")) == (60, 0)
    heap.reset()
    assert heap.store.event_counts(limit=1) == ([], 0)


def test_names_of_an_older_file(tmp_path: Path) -> None:
    """A file from before names were counted is counted when it is opened, once."""
    file = tmp_path / "heap.db"
    with running(SandboxOptions(db=file)) as heap:
        send(heap, "track", events=events(3))
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("DROP TABLE event_counts")
    for _ in range(2):
        with running(SandboxOptions(db=file)) as heap:
            assert heap.store.event_count("E1") == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ann@", "ann"),
        ("Ann", "ann"),
        ("BOB", "bob"),
        ("carl", "CARL"),
        ("x", None),
        ("", None),
        ("x" * 100_000, None),
    ],
)
def test_nearest(text: str, found: str | None) -> None:
    """What begins nearly so, in whatever letters; none where nothing does, however long it is."""
    there = ("ann", "bob", "CARL")
    asked: list[str] = []

    def is_there(begun: str) -> bool:
        asked.append(begun)
        return any(each.startswith(begun) for each in there)

    assert nearest(text, is_there) == found
    assert len(asked) <= 4 * LONGEST_SEARCHED


def test_what_to_type() -> None:
    """The sample's own configuration where it fits, a changed copy elsewhere."""
    load = Load("heap", "c.json", "k.json", "r.jsonl", "http://127.0.0.1:8087")
    assert load.typed("http://127.0.0.1:8087") == (
        "heap write --config c.json \\\n    --catalog k.json < r.jsonl"
    )
    changed, rest = load.typed("http://127.0.0.1:9").split("\n", 1)
    assert changed == "sed 's|http://127.0.0.1:8087|http://127.0.0.1:9|' c.json > /tmp/local_9.json"
    assert rest.startswith("heap write --config /tmp/local_9.json")
    assert reached_at("http://0.0.0.0:8087") == "http://127.0.0.1:8087"
    assert reached_at("http://[::]:8087") == "http://[::1]:8087"
    assert reached_at("http://[::1]:8087") == "http://[::1]:8087"


def test_long_things_are_short_in_lists(heap: Sandbox) -> None:
    """A list shows the beginning; the page of the event shows it whole."""
    properties = {f"p{n}": "v" * 1_000 for n in range(9)}
    send(heap, "track", event="e" * 1_000, identity="a", properties=properties)
    listed = page(heap, "/")
    assert "v" * 49 not in listed
    assert "and 3 more" in listed
    whole = page(heap, "/page/event", sequence=1)
    assert whole.count("v" * 1_000) == 9
    assert "e" * 1_000 in whole


def test_bounded() -> None:
    """However much there is, a page has its rows and no more."""
    with running(SandboxOptions(quotas=False)) as heap:
        for at in range(3):
            sent = [
                {"event": "E", "identity": f"a{at}-{n}", "properties": {f"p{at}-{n}": 1}}
                for n in range(1_000)
            ]
            send(heap, "track", events=sent)
        for path in ("/", "/page/users", "/page/search?identity=a"):
            assert page(heap, path).count("<li") <= ROWS + 10
        assert "more than 50 users" in page(heap, "/page/search", identity="a")
        names = page(heap, "/page/properties")
        assert names.count("<tr") == 501 + len(("the head", "E"))
        assert "2,500 more names are not shown" in names


def test_vendored() -> None:
    """The script of others is the one that is named beside it, and has its licence."""
    static = files("sandbox.page").joinpath("static")
    script = static.joinpath("htmx.min.js").read_bytes()
    assert b'version:"2.0.11"' in script
    assert "htmx.org 2.0.11" in static.joinpath("VENDORED.md").read_text("utf-8")
    assert "Permission to use" in static.joinpath("htmx.LICENSE").read_text("utf-8")
    assert hashlib.sha256(script).hexdigest() == (
        "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"
    )


def test_size_and_colour_are_apart() -> None:
    """What depends on the one does not change the other, so a browser need not show all pairs."""
    style = files("sandbox.page").joinpath("static", "page.css").read_text("utf-8")
    ways = re.findall(r"@media \(([a-z-]+): [a-z0-9]+\) \{\n(.*?)\n\}", style, re.DOTALL)
    assert style.count("@media") == len(ways)
    for way, rules in ways:
        changed = set(re.findall(r"[{;]\s*([a-z-]+):", rules))
        assert changed
        if way == "prefers-color-scheme":
            assert all(name.startswith("--") for name in changed), changed
        else:
            assert not any("color" in name or name.startswith("--") for name in changed), changed
