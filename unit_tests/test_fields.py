"""Addresses are judged by the host that would be connected to. Nothing is sent."""

import pytest
from pydantic_core import PydanticCustomError

from bulk_destination.fields import address


@pytest.mark.parametrize(
    "text",
    [
        *("https://heapanalytics.com", "https://bücher.test", "https://host.test:8443/path"),
        *("http://127.0.0.1:80", "http://[::1]:80", "http://localhost", "http://a.localhost:1"),
    ],
)
def test_addresses(text: str) -> None:
    """Over TLS any host, in plain text this machine."""
    assert address(f" {text}/ ", "https://x.test") == text


@pytest.mark.parametrize(
    "text",
    [
        *("http://evil.test\\.localhost", "https://evil.test\\@good.test", "http://evil.test"),
        *("http://evil.test#.localhost", "http://evil.test?.localhost", "http://a@localhost"),
        *("http://localhost@evil.test", "https://evil.test\x00", "https://evil.test\ud800"),
        *("http://evil.test/.localhost", "https://a b.test", "https://host.test:99999", "https://"),
        *("ftp://localhost", "http://127.0.0.1.evil.test", "http://localhost.evil.test"),
    ],
    ids=ascii,
)
def test_what_is_no_address(text: str) -> None:
    """Of urllib3, which sends, `evil.test\\\\.localhost` is evil.test."""
    with pytest.raises(PydanticCustomError):
        address(text, "https://x.test")


@pytest.mark.parametrize("path", ["/api/track", "/API/Track/", "/behind/a/proxy/api/track"])
def test_an_address_with_the_path_of_a_request(path: str) -> None:
    """The path would stand there twice; what only looks like it is an address."""
    with pytest.raises(PydanticCustomError, match="without /api/track"):
        address(f"https://x.test{path}", "https://x.test", ("/api/users", "/api/track"))
    assert address(f"https://x.test{path}s", "https://x.test", ("/api/track",))
