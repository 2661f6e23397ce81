"""The local Hackle as its clients meet it: over HTTP, as a command, and as pages."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.hackle import Sandbox, SandboxOptions, running
from sandbox.hackle.cli import main
from sandbox.hackle.page.views import VIEWS
from sandbox.hackle.sandbox import workspace_of

ROOT = Path(__file__).parents[3]
EVIL = "\"'><script>alert(1)</script>&amp;{{1009*997}}"
HEADERS = {
    "X-HACKLE-SDK-KEY": "s3cret-key",
    "X-HACKLE-SDK-NAME": "python-sdk",
    "X-HACKLE-SDK-VERSION": "3.9.0",
    "X-HACKLE-SDK-TIME": "1700000000000",
}
Json = dict[str, Any]


def event(number: int, **fields: Any) -> Json:
    user = fields.pop("user", f"u{number}")
    return {
        "insertId": f"id-{number}",
        "timestamp": 1_700_000_000_000 + number,
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


def send(hackle: Sandbox, *events: Json, **headers: str) -> requests.Response:
    body = {"exposureEvents": [], "trackEvents": [*events], "remoteConfigEvents": []}
    return requests.post(
        f"{hackle.url}/api/v2/events", json=body, headers=HEADERS | headers, timeout=5
    )


@pytest.fixture
def hackle() -> Iterator[Sandbox]:
    with running() as sandbox:
        yield sandbox


def get(hackle: Sandbox, path: str, **query: Any) -> requests.Response:
    return requests.get(hackle.url + path, params=query, timeout=5)


def test_what_lands(hackle: Sandbox) -> None:
    """An event is kept as it came, beside what it is found by."""
    sent = event(1, value=13200, properties={"pay_method": "CARD", "is_discount": True})
    assert send(hackle, sent).ok
    (kept,) = get(hackle, "/events").json()["events"]
    assert kept["sent"] == sent
    assert (kept["user_id"], kept["event_key"], kept["value"]) == ("u1", "purchase", 13200)
    assert [user["user_id"] for user in get(hackle, "/users").json()["users"]] == ["u1"]
    assert get(hackle, "/stats").json()["events"] == 1


@pytest.mark.parametrize(("deduplicate", "kept"), [(True, 2), (False, 4)])
def test_repeats(deduplicate: bool, kept: int) -> None:
    """An insert id counts once, or each time, as the sandbox was told."""
    with running(SandboxOptions(deduplicate=deduplicate)) as hackle:
        for value in (1, 2):
            assert send(hackle, event(1, value=value), event(2, value=value)).ok
        events = hackle.events()
        assert len(events) == kept
        assert [one["value"] for one in events[:2]] == [1, 1]
        assert hackle.stats()["repeats_absorbed"] == 4 - kept


def test_a_repeat_changes_no_user(hackle: Sandbox) -> None:
    """What is absorbed leaves nothing behind."""
    for plan in ("free", "pro"):
        assert send(hackle, event(1, userProperties={"plan": plan})).ok
    assert hackle.users()[0]["properties"] == {"plan": "free"}
    names, _ = hackle.store.property_counts(limit=5)
    assert [(one["source"], one["count"]) for one in names] == [("users", 1)]


def test_workspaces(hackle: Sandbox) -> None:
    """Each key has its own data; the key itself is nowhere to be seen."""
    assert send(hackle, event(1)).ok
    assert send(hackle, event(1), **{"X-HACKLE-SDK-KEY": "another"}).ok
    assert len(hackle.events()) == 2
    mine = hackle.events(workspace=workspace_of("s3cret-key"))
    assert len(mine) == 1
    for path in ("/events", "/users", "/requests", "/stats", "/", "/page/event?sequence=1"):
        assert "s3cret-key" not in get(hackle, path).text


def test_refusals(hackle: Sandbox) -> None:
    """A bad event refuses its request whole; no key is 401; other paths are 404."""
    answer = send(hackle, event(1), event(2, value="secret"))
    assert (answer.status_code, hackle.events()) == (400, [])
    assert answer.text.startswith("trackEvents[1].value is not null and no finite number")
    assert send(hackle, event(1), **{"X-HACKLE-SDK-KEY": ""}).status_code == 401
    assert get(hackle, "/api/v2/events").status_code == 405
    assert get(hackle, "/api/v2/workspaces/s3cret-key/config").status_code == 404
    shown = get(hackle, "/page/requests", only="refused").text
    assert "trackEvents[1].value" in shown
    assert "secret" not in shown


def test_poison_and_quotes() -> None:
    """Told so, it refuses more, and quotes what it refuses."""
    with running(SandboxOptions(poison=("bad",), quote_values=True)) as hackle:
        answer = send(hackle, event(1, properties={"p": "bad"}))
        assert answer.status_code == 400
        assert answer.text == 'trackEvents[0].properties.p is not valid: "bad"'
        assert send(hackle, event(1, properties={"p": "good"})).ok


def test_faults() -> None:
    """Faults are those of any stand-in."""
    with running(SandboxOptions(fail_rate=1, fail_kinds=("503",))) as hackle:
        assert send(hackle, event(1)).status_code == 503
        assert hackle.stats()["faults"] == {"503": 1}


def test_reset_and_file(tmp_path: Path) -> None:
    """A file outlasts the sandbox; a reset empties it."""
    options = SandboxOptions(db=tmp_path / "hackle.db")
    with running(options) as hackle:
        assert send(hackle, event(1)).ok
    with running(options) as hackle:
        assert hackle.stats()["events"] == 1
        assert requests.post(f"{hackle.url}/reset", timeout=5).ok
        assert hackle.stats()["events"] == hackle.stats()["users"] == 0


class _Shown(HTMLParser):
    """The text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_every_page(hackle: Sandbox) -> None:
    """Every page is there when nothing is; what is not there is said in words."""
    for path in VIEWS:
        answer = get(hackle, path)
        assert "Local Hackle" in answer.text
        assert "Local Heap" not in answer.text
        assert answer.status_code == (404 if path in {"/page/event", "/page/user"} else 200)


def test_nothing_sent_becomes_markup(hackle: Sandbox) -> None:
    """Whatever is sent shows as text, wherever it stands."""
    fields = {"eventTypeKey": EVIL, "insertId": EVIL, "properties": {EVIL: EVIL, "l": [EVIL]}}
    assert send(hackle, event(1, user=EVIL, userProperties={EVIL: EVIL}, **fields)).ok
    assert not send(hackle, event(2, properties={EVIL: {}})).ok
    for path, query in (
        ("/", {}),
        ("/page/event", {"sequence": 1}),
        ("/page/users", {}),
        ("/page/user", {"workspace": workspace_of("s3cret-key"), "user_id": EVIL}),
        ("/page/properties", {}),
        ("/page/requests", {"only": "refused"}),
        ("/page/search", {"user_id": EVIL}),
    ):
        answer = get(hackle, path, **query)
        assert answer.status_code == 200
        # Two of the page's own, and nothing that runs beside them.
        assert answer.text.count("<script") == 2
        assert EVIL in _Shown(answer.text).text, path
        assert "1005973" not in answer.text


def test_the_page_is_bounded_and_live(hackle: Sandbox) -> None:
    """Fifty at a time, from the newest to the oldest; the first page asks for what is new."""
    for first in (1, 61):
        assert send(hackle, *(event(number) for number in range(first, first + 60))).ok
    found: list[str] = []
    path = "/"
    while path:
        html = get(hackle, path).text
        found += re.findall(r'id="event-(\d+)"', html)
        older = re.search(r'id="older" href="([^"]+)"', html)
        path = older[1] if older else ""
    assert found == [str(number) for number in range(120, 0, -1)]
    seen = re.search(r'hx-get="([^"]+)"', get(hackle, "/").text)
    assert seen
    asked = {"HX-Request": "true"}
    assert requests.get(hackle.url + seen[1], headers=asked, timeout=5).status_code == 204
    assert send(hackle, event(200)).ok
    assert "event-121" in requests.get(hackle.url + seen[1], headers=asked, timeout=5).text


def test_times_and_values(hackle: Sandbox) -> None:
    """Milliseconds show as a date, a value beside its event; a time beyond dates as itself."""
    assert send(hackle, event(1, value=13200.5), event(2, timestamp=2**53)).ok
    html = get(hackle, "/").text
    assert "2023-11-14T22:13:20.001Z" in html
    assert "13200.5" in html
    assert str(2**53) in html


def test_command() -> None:
    """It says where it listens, in one line, keeps repeats if told to, and ends on a signal."""
    command = [sys.executable, "-m", "sandbox.hackle", "--port", "0", "--keep-repeats"]
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("Hackle sandbox listening on http://127.0.0.1:")
            stats = requests.get(f"{line.split()[-1]}/stats", timeout=5).json()
            assert stats["deduplicates"] is False
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=5)
        finally:
            process.kill()
    assert (process.returncode, out, err) == (0, "", "")


def test_bad_options(capsys: pytest.CaptureFixture[str]) -> None:
    """What makes no sense is one line and exit code 2."""
    assert main(["--fail", "2"]) == 2
    assert capsys.readouterr().err == "Hackle sandbox: the rate of faults must be 0 to 1\n"


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """The help names the path and the choice that nobody knows."""
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert "/api/v2/events" in said
    assert "--keep-repeats" in said
