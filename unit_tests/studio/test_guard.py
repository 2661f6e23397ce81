"""Nobody gets in but the browser that opened the address."""

import pytest

from bulk_destination.studio.guard import objection

HOST = ["127.0.0.1:8090"]


def test_the_address_that_was_printed_is_answered() -> None:
    for host in ("127.0.0.1:8090", "localhost:8090"):
        assert objection(8090, "t0", "/t0/", [host], []) is None
        assert objection(8090, "t0", "/t0/plan", [host], [f"http://{host}"]) is None


@pytest.mark.parametrize(
    ("path", "hosts", "origins", "words"),
    [
        ("/t0/", ["evil.example:8090"], [], "127.0.0.1 and localhost only"),
        ("/t0/", ["127.0.0.1:8091"], [], "127.0.0.1 and localhost only"),
        ("/t0/", ["127.0.0.1"], [], "127.0.0.1 and localhost only"),
        ("/t0/", ["127.0.0.1:8090.evil.example"], [], "127.0.0.1 and localhost only"),
        ("/t0/", [], [], "127.0.0.1 and localhost only"),
        ("/t0/", [*HOST, *HOST], [], "127.0.0.1 and localhost only"),
        ("/t0/", HOST, ["http://evil.example"], "other sites"),
        ("/t0/", HOST, ["http://127.0.0.1:8087"], "other sites"),
        ("/t0/", HOST, ["https://127.0.0.1:8090"], "other sites"),
        ("/t0/", HOST, ["null"], "other sites"),
        ("/t0/", HOST, ["http://127.0.0.1:8090", "http://evil.example"], "other sites"),
        ("/", HOST, [], "token"),
        ("", HOST, [], "token"),
        ("/t0x/", HOST, [], "token"),
        ("/t/", HOST, [], "token"),
        ("/static/page.js", HOST, [], "token"),
        ("/\udcff/", HOST, [], "token"),
    ],
)
def test_all_others_are_not(path: str, hosts: list[str], origins: list[str], words: str) -> None:
    assert words in str(objection(8090, "t0", path, hosts, origins))
