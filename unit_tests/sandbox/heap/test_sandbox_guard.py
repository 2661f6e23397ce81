"""Who may read the sandbox."""

from __future__ import annotations

import pytest
import requests

from sandbox.guard import objection
from sandbox.heap import SandboxOptions, running

MINE = ["127.0.0.1", "127.0.0.1:8087", "127.9.9.9", "localhost", "LocalHost:1", "[::1]:8087"]
MINE += ["a.localhost:8087", "localhost.:80"]
OTHERS: list[str | None] = [
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example:8087",
    "10.0.0.1",
]
OTHERS += ["", "[", "evil.example@127.0.0.1.evil.example", "xlocalhost", "0.0.0.0:8087", None]


@pytest.mark.parametrize("host", MINE)
def test_names_of_this_machine(host: str) -> None:
    """Loopback names and addresses are answered, with any port."""
    assert objection("127.0.0.1", host, None) is None
    assert objection("::1", host, f"http://{host}") is None


@pytest.mark.parametrize("host", OTHERS)
def test_names_of_others(host: str | None) -> None:
    """Any other name could be that of a site that points it at this machine."""
    assert objection("127.0.0.1", host, None) is not None
    assert objection("localhost", host, None) is not None


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://[", ""])
def test_pages_of_others(origin: str) -> None:
    """A page of another site may not have its browser empty the sandbox."""
    assert objection("127.0.0.1", "127.0.0.1:8087", origin) is not None


def test_bound_elsewhere_on_purpose() -> None:
    """Who listens to all names cannot tell them apart."""
    assert objection("0.0.0.0", "heap.example:8087", "http://heap.example:8087") is None


@pytest.mark.parametrize("path", ["/", "/events", "/stats", "/page/users", "/page/static/page.js"])
def test_over_http(path: str) -> None:
    """All that reads is guarded, and answers with headers that let nothing in or out."""
    with running() as heap:
        good = requests.get(heap.url + path, timeout=5)
        bad = requests.get(heap.url + path, headers={"Host": "evil.example"}, timeout=5)
        assert (good.status_code, bad.status_code) == (200, 403)
        for answer in (good, bad):
            assert answer.headers["content-security-policy"].startswith("default-src 'none'; ")
            assert "unsafe" not in answer.headers["content-security-policy"]
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "access-control-allow-origin" not in answer.headers


def test_reset_by_another_site() -> None:
    """A form on somebody's site does not empty the sandbox."""
    with running() as heap:
        heap.track(b'{"app_id": "11", "event": "E", "identity": "a"}')
        evil = {"Origin": "https://evil.example"}
        assert requests.post(f"{heap.url}/reset", headers=evil, timeout=5).status_code == 403
        assert len(heap.events()) == 1
        own = {"Origin": heap.url}
        assert requests.post(f"{heap.url}/reset", headers=own, timeout=5).status_code == 200
        assert heap.events() == []


def test_listening_to_all() -> None:
    """Bound elsewhere, other names are answered."""
    with running(SandboxOptions(host="0.0.0.0")) as heap:
        port = heap.url.rpartition(":")[2]
        url = f"http://127.0.0.1:{port}/"
        answer = requests.get(url, headers={"Host": f"heap.example:{port}"}, timeout=5)
        assert answer.status_code == 200
        assert "whoever reaches its port can read, add and delete" in answer.text
