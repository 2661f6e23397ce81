"""check: proves what can be proved, adds nothing, and says what to do."""

from __future__ import annotations

import json
import os
import socket
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bulk_destination import connection_check
from bulk_destination.http.pacing import RetryPolicy
from bulk_destination.protocol import json_files
from integration_tests.chaos.hurried import SERVICES
from integration_tests.services import both
from sandbox.heap import running

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@both
@pytest.mark.parametrize("end", ["", "/", "/ "])
def test_an_address_with_the_path_of_a_request(connector: Connector, end: str) -> None:
    """As an API's page shows it: the path would stand there twice."""
    path = {"heap": "/api/track", "hackle": "/api/v2/events"}[connector.service]
    message = failure(connector, connector.config(f"http://127.0.0.1:9{path}{end}"))
    assert message == f"base_url: must be the address only, without {path}"


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


def _of_digits(count: int) -> bytes:
    return b'{"app_id": %b}' % (b"7" * count)


AWFUL = {
    "nested": b'{"api": %b' % (b"[" * 100_000),
    "nested and whole": b'{"api": %b%b}' % (b"[" * 100_000, b"]" * 100_000),
    "nested as far as it is read": b'{"api": %b%b}' % (b"[" * 900, b"]" * 900),
    "not UTF-8": b'{"app_id": "\xff\xfe"}',
    "UTF-16": '{"app_id": "11"}'.encode("utf-16"),
    "a mark alone": b"\xef\xbb\xbf",
    "blanks": b" \n" * 10_000,
    "zeros": b"\0" * 10_000,
    "5,000 digits": _of_digits(5_000),
    "4,000 digits": _of_digits(4_000),
    "no number": b'{"max_rejected_percent": NaN, "max_retry_seconds": 1e999}',
    "null": b"null",
    "a list": b'[{"app_id": "11"}]',
    "a key twice": b'{"api": {}, "api": 1}',
}


@both
@pytest.mark.parametrize("content", AWFUL.values(), ids=AWFUL)
def test_files_that_hold_no_configuration(connector: Connector, content: bytes) -> None:
    """Whatever stands in it: one status, exit code 0."""
    assert failure(connector, content)


HALF = "\ud800"


def _halves(value: object) -> Iterator[object]:
    """`value` with half a character in place of each text in it, one after the other."""
    if isinstance(value, str):
        yield HALF
        yield value + HALF
    elif isinstance(value, dict):
        for name, each in value.items():
            for half in _halves(each):
                yield {**value, name: half}
            yield {**value, name + HALF: each}


STORAGES = [
    {"storage_type": "Local", "path": "/rejected"},
    {
        **{"storage_type": "S3", "s3_bucket_name": "rejected", "s3_bucket_region": "eu-central-1"},
        **{"bucket_path": "a/b", "access_key_id": "someone", "secret_access_key": "secret"},
        **{"role_arn": "arn:aws:iam::123456789012:role/name", "s3_endpoint": "http://127.0.0.1:9"},
    },
]


@both
@pytest.mark.parametrize("storage", STORAGES, ids=["folder", "S3"])
def test_half_a_character(connector: Connector, storage: dict[str, str]) -> None:
    """Wherever it stands, in a value or in a name: a fault, though the service answers."""
    with connector.running() as local:
        config = connector.config(
            local.url,
            api__property_columns="plan",
            api__timestamp_column="at",
            api__time_zone="UTC",
        )
        for half in _halves({**config, "object_storage_config": storage}):
            assert failure(connector, half)
        assert local.requests() == []


@both
@pytest.mark.parametrize("address", ["https://minio.test\\.localhost", "https://a\\b", "\\\\a\\b"])
def test_backslashes_in_addresses(connector: Connector, address: str) -> None:
    """Of the service, and of the object storage: both are named, and nobody is asked."""
    config = connector.config(address)
    config["object_storage_config"] = {**STORAGES[1], "s3_endpoint": address}
    message = failure(connector, config)
    assert "base_url: must be an address" in message
    assert "object_storage_config.s3_endpoint: must be an address" in message


def test_places_that_are_no_file(connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder, a device without end, a socket, a pipe that nobody writes into."""
    monkeypatch.setattr(json_files, "PATIENCE", 0.2)
    pipe = str(connector.folder / "pipe")
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path := str(connector.folder / "socket"))
        for place in (str(connector.folder), "/dev/zero", "/dev/null", path, pipe):
            found = status(connector.run_here("check", "--config", place))
            assert found["status"] == "FAILED", place
            assert found["message"].startswith("config: "), place


def test_a_large_file(connector: Connector) -> None:
    """200 MB are not read: the limit is said. The memory is that of any other check."""
    path = connector.folder / "large.json"
    with path.open("wb") as file:
        file.truncate(200_000_000)
    process = connector.start("check", "--config", str(path))
    process.end_input()
    outcome = process.finish()
    assert "more than 32,000,000 bytes" in status(outcome)["message"]
    assert outcome.peak_bytes < 120_000_000


def test_a_pipe_in_a_files_place(connector: Connector) -> None:
    """As `--config <(...)` of a shell, which may take its time to write."""
    pipe = connector.folder / "pipe"
    os.mkfifo(pipe)
    process = connector.start("check", "--config", str(pipe))
    process.end_input()
    # Waits until it is opened to be read.
    with pipe.open("wb", buffering=0) as end:
        end.write(b'{"app_id": ')
        end.write(b'"none"}')
    assert "api: is required" in status(process.finish())["message"]


def test_a_file_whose_name_is_no_text(connector: Connector) -> None:
    """A name of bytes that are no UTF-8 is one of the disk's: it is read, or told."""
    name = os.fsdecode(b"\xff.json")
    assert status(connector.run_here("check", "--config", name))["status"] == "FAILED"
    outcome = connector.run_here("write", "--config", name, "--catalog", name)
    assert outcome.error["failure_type"] == "config_error"
    assert all(f"{what}: cannot read" in outcome.error["message"] for what in ("config", "catalog"))
    path = connector.folder / name
    path.write_bytes(b"{}")
    found = status(connector.run_here("check", "--config", str(path)))
    assert "is required" in found["message"]


def test_an_error_of_its_own_is_an_answer_too(connector: Connector) -> None:
    """The platform waits for a status: what broke, and where, stands in it, and no value."""

    def broken(config: Any) -> Any:
        raise KeyError(config.base_url)

    service = replace(SERVICES["heap"], probe=broken)
    message = connection_check.failed_check(service, connector.config("https://secret.test"))
    assert message is not None
    assert "error of its own (KeyError in test_check.py, line" in message
    assert "secret" not in message
