"""check: proves what can be proved, adds nothing, and says what to do."""

from __future__ import annotations

import json
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from bulk_destination import connection_check
from bulk_destination.http.pacing import RetryPolicy
from integration_tests.services import both
from sandbox.heap import running

if TYPE_CHECKING:
    from integration_tests.conftest import Connector, Outcome, Serve


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process a check gives up sooner; a process keeps the real times."""
    policy = RetryPolicy(first=0.05, longest=0.1, give_up_after=0.8)
    monkeypatch.setattr(connection_check, "CHECK_POLICY", policy)


def status(outcome: Outcome) -> dict[str, Any]:
    """The one CONNECTION_STATUS; exit code 0 whatever it says."""
    assert outcome.code == 0
    assert outcome.stderr == b""
    assert {message["type"] for message in outcome.messages} <= {"CONNECTION_STATUS", "LOG"}
    (message,) = outcome.of_type("CONNECTION_STATUS")
    found: dict[str, Any] = message["connectionStatus"]
    return found


def checked(connector: Connector, config: object) -> dict[str, Any]:
    """The status of a configuration, by the command in this process."""
    return status(connector.run_here("check", "--config", connector.file(config)))


def failure(connector: Connector, config: object) -> str:
    """The message of a check that has to fail."""
    found = checked(connector, config)
    assert found["status"] == "FAILED"
    assert isinstance(found["message"], str)
    # A person reads this, not a stack or the name of a class.
    assert "Traceback" not in found["message"]
    assert "Error(" not in found["message"]
    return str(found["message"])


def test_heap_answers(connector: Connector) -> None:
    """By a process: succeeded, and nothing is stored; one request, refused as Heap refuses it."""
    with running() as heap:
        config = connector.file(connector.config(heap.url + "/"))
        process = connector.start("check", "--config", config)
        process.end_input()
        assert status(process.finish())["status"] == "SUCCEEDED"
        for api in ("track", "add_user_properties", "add_account_properties"):
            assert checked(connector, connector.config(heap.url, api))["status"] == "SUCCEEDED"
        assert heap.events() == heap.users() == heap.accounts() == []
        assert [entry["status"] for entry in heap.requests()] == [400] * 4


@both
def test_a_field_that_nobody_reads_is_told(connector: Connector) -> None:
    """It fails no check, as a platform may add its own; a misspelled dry run sends everything."""
    with connector.running() as local:
        misspelled = {**connector.config(local.url), "dry_rum": True}
        found = checked(connector, misspelled)
    assert found["status"] == "SUCCEEDED"
    assert found["message"] == (
        "`dry_rum` is no field of the configuration, and is ignored; did you mean `dry_run`?"
    )


@both
def test_passing_trouble_is_survived(connector: Connector) -> None:
    """A 503 on the way does not fail a check."""
    kinds = ("503", "reset-before")
    with connector.running(fail_rate=0.5, seed=2, fail_kinds=kinds) as local:
        for _ in range(5):
            assert checked(connector, connector.config(local.url))["status"] == "SUCCEEDED"
        assert local.events() == local.users() == []


@both
def test_closed_port(connector: Connector) -> None:
    """The connection is refused, and the message says where to look."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        message = failure(connector, connector.config(url))
    assert url in message
    assert "refused" in message
    assert "firewall" in message


@both
def test_unknown_host(connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name does not resolve, and the message says that."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    message = failure(connector, connector.config("https://nosuch.invalid"))
    assert "nosuch.invalid" in message
    assert "resolve" in message


@pytest.mark.parametrize(
    ("code", "headers", "body"),
    [
        (200, {"Content-Type": "text/html"}, b"<html>Welcome</html>"),
        (200, {"Content-Type": "application/json"}, b"{}"),
        (204, {}, b""),
        (400, {"Content-Type": "text/html"}, b"<html>Bad Request</html>"),
        (404, {}, b"not found"),
        (403, {}, b"{}"),
        (302, {"Location": "https://example.com/"}, b""),
        (413, {}, b""),
    ],
)
def test_something_else_answers(
    connector: Connector, serve: Serve, code: int, headers: dict[str, str], body: bytes
) -> None:
    """What does not refuse as Heap refuses is not taken for Heap."""
    url = serve(lambda _number, _body: (code, headers, body))
    message = failure(connector, connector.config(url))
    assert url in message
    assert "base_url" in message


@both
def test_a_server_without_http(connector: Connector) -> None:
    """A port that speaks something else fails the check with words."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        port = listener.getsockname()[1]

        def greet() -> None:
            try:
                while True:
                    talk, _ = listener.accept()
                    with talk:
                        talk.recv(65_536)
                        talk.sendall(b"220 mail.example.com ESMTP\r\n")
            except OSError:
                pass

        threading.Thread(target=greet, daemon=True).start()
        message = failure(connector, connector.config(f"http://127.0.0.1:{port}"))
        # TLS asked of a port that has none.
        over_tls = failure(connector, connector.config(f"https://127.0.0.1:{port}"))
    assert str(port) in message
    assert "TLS" in over_tls


def test_the_event_sent_cannot_be_stored(connector: Connector, serve: Serve) -> None:
    """Whatever answers: what is sent lacks what Heap demands, and names nobody."""
    bodies: list[Any] = []

    def script(_: int, body: bytes) -> tuple[int, dict[str, str], bytes]:
        bodies.append(json.loads(body))
        return 400, {}, b"postBody.events[0] does not have exactly one of identity, user_id"

    assert checked(connector, connector.config(serve(script)))["status"] == "SUCCEEDED"
    (body,) = bodies
    items = body.get("events", [body])
    assert all("identity" not in item and "user_id" not in item for item in items)


def test_all_faults_of_the_configuration(connector: Connector) -> None:
    """Each fault with its path, none of the values, in one message."""
    message = failure(
        connector,
        {
            "app_id": 11,
            "base_url": "ftp://secret.example.com",
            "api": {"api_type": "track", "identity_column": " ", "property_columns": 5},
            "max_retry_seconds": "secret",
        },
    )
    for path in (
        *("app_id", "base_url", "api.event_column", "api.identity_column"),
        *("api.property_columns", "max_retry_seconds"),
    ):
        assert f"{path}: " in message, message
    assert "secret" not in message


@pytest.mark.parametrize(
    "config",
    [
        *({}, [], "text", None, 7, b"", b"{", b"\xff", b"[" * 100_000),
        {"app_id": "11"},
        {"app_id": "11", "api": None},
        {"app_id": "11", "api": "track"},
        {"app_id": "11", "api": {}},
        {"app_id": "11", "api": {"api_type": "other"}},
        {"app_id": "11", "api": {"api_type": ["track"]}},
        {"app_id": "1١", "api": {"api_type": "add_user_properties", "identity_column": "a"}},
        {"app_id": "11\n", "base_url": "https://", "api": {"api_type": "track"}},
        {"app_id": "11", "base_url": "https://a b", "api": {"api_type": "track"}},
        {"app_id": "11", "base_url": "https://[::1", "api": {"api_type": "track"}},
        {"app_id": "11", "base_url": "https://u:p@heapanalytics.com", "api": {}},
        {"app_id": "11", "base_url": "http://127.0.0.1.example.com", "api": {}},
    ],
)
def test_configurations_that_are_none(connector: Connector, config: object) -> None:
    """Whatever the file holds: one status, exit code 0."""
    assert failure(connector, config)


@both
def test_missing_file(connector: Connector) -> None:
    """A file that is not there is a failed check too."""
    found = status(connector.run_here("check", "--config", str(connector.folder / "none.json")))
    assert found["status"] == "FAILED"
