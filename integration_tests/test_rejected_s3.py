"""Rejected records in S3: a real server process answers as S3, STS and IAM do (moto)."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import requests
from botocore.config import Config as ClientConfig
from botocore.session import Session

from sandbox.heap import SandboxOptions, running

if TYPE_CHECKING:
    from integration_tests.conftest import Connector, Json, Outcome, Serve

REGION = "eu-central-1"
BUCKET = "airbyte-rejected"
pytestmark = pytest.mark.xdist_group("moto")  # one server is enough


@dataclass(frozen=True)
class S3Server:
    """moto's process, and the keys that it knows."""

    popen: subprocess.Popen[str]
    url: str
    #: The key of a user who may write below `heap/` only, and one who may only assume `role_arn`.
    key: tuple[str, str]
    assuming_key: tuple[str, str]
    role_arn: str

    def storage(self, **fields: Any) -> Json:
        """A configuration of this server."""
        return {
            "storage_type": "S3",
            "s3_bucket_name": BUCKET,
            "s3_bucket_region": REGION,
            "bucket_path": "heap/rejected",
            "s3_endpoint": self.url,
            "access_key_id": self.key[0],
            "secret_access_key": self.key[1],
            **fields,
        }

    def objects(self) -> dict[str, bytes]:
        """All objects of the bucket."""
        self.asks_for_keys(False)
        s3 = client(self.url, "s3")
        found = {
            each["Key"]: s3.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read()
            for each in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        }
        self.asks_for_keys(True)
        return found

    def empty(self) -> None:
        """Removes all objects."""
        names = self.objects()
        self.asks_for_keys(False)
        for name in names:
            client(self.url, "s3").delete_object(Bucket=BUCKET, Key=name)
        self.asks_for_keys(True)

    def asks_for_keys(self, asks: bool) -> None:
        """Whether it refuses whom it does not know."""
        count = b"0" if asks else b"inf"
        requests.post(f"{self.url}/moto-api/reset-auth", data=count, timeout=10)


def client(url: str, service: str) -> Any:
    """AWS's own client of `service` at `url`."""
    session = Session()
    session.set_credentials("test", "test")
    config = ClientConfig(s3={"addressing_style": "path"})
    return session.create_client(service, region_name=REGION, endpoint_url=url, config=config)


def policy(*actions: str, on: str) -> str:
    """A policy that allows `actions`."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": on}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def started() -> tuple[subprocess.Popen[str], str]:
    """moto's server on a free port of loopback."""
    popen = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert popen.stderr is not None
    for line in popen.stderr:
        if found := re.search(r"Running on (http://127\.0\.0\.1:\d+)", line):
            return popen, found[1]
    pytest.fail(f"moto's server ended with {popen.wait()}")


def user(iam: Any, name: str, document: str) -> tuple[str, str]:
    """The key of a new user with a policy."""
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    """A server with a bucket, two users and a role; it refuses whom it does not know."""
    popen, url = started()
    # Its access log must not fill the pipe.
    drain = subprocess.Popen(["cat"], stdin=popen.stderr, stdout=subprocess.DEVNULL)
    try:
        client(url, "s3").create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        iam = client(url, "iam")
        below = policy("s3:PutObject", "s3:DeleteObject", on=f"arn:aws:s3:::{BUCKET}/heap/*")
        role = iam.create_role(
            RoleName="rejected", AssumeRolePolicyDocument=policy("sts:AssumeRole", on="*")
        )
        iam.put_role_policy(RoleName="rejected", PolicyName="all", PolicyDocument=below)
        found = S3Server(
            popen,
            url,
            user(iam, "writer", below),
            user(iam, "assuming", policy("sts:AssumeRole", on="*")),
            role["Role"]["Arn"],
        )
        found.asks_for_keys(True)
        yield found
    finally:
        popen.kill()
        popen.wait()
        drain.wait()


@pytest.fixture
def s3(server: S3Server) -> S3Server:
    """The server with an empty bucket."""
    server.empty()
    return server


@pytest.fixture(autouse=True)
def _no_aws_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials but those of the configuration."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def lines(connector: Connector) -> list[bytes]:
    """Good records, one that Heap refuses, one without an identity, and states."""
    refused = {**connector.event(1), "note": "venom"}
    return [
        connector.record(connector.event(0)),
        connector.record(refused),
        connector.state(1),
        connector.record({**connector.event(2), "who": None}),
        connector.state(2),
        connector.record(connector.event(3)),
        connector.state(3),
    ]


def rejected(content: bytes) -> list[int]:
    """The `n` of the records in an object."""
    return [json.loads(line)["record"]["data"]["n"] for line in content.splitlines()]


def write(connector: Connector, storage: Json, *, process: bool = False, **more: Any) -> Outcome:
    """One sync of `lines` into a Heap of its own."""
    with running(SandboxOptions(quotas=False, poison=("venom",))) as heap:
        config = connector.config(
            heap.url, requests_in_flight=1, object_storage_config=storage, **more
        )
        if process:
            return connector.write(config, lines(connector), log_level="DEBUG")
        return connector.write_here(config, lines(connector))


def status(connector: Connector, storage: Json) -> Json:
    """What `check` says."""
    with running() as heap:
        config = connector.config(heap.url, object_storage_config=storage)
        outcome = connector.run_here("check", "--config", connector.file(config))
        assert heap.events() == []
    assert outcome.code == 0
    (message,) = outcome.of_type("CONNECTION_STATUS")
    found: Json = message["connectionStatus"]
    return found


@pytest.mark.parametrize("by", ["key", "role", "environment"])
def test_rejected_records_become_an_object(
    connector: Connector, s3: S3Server, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a process: uploaded where Airbyte's UI looks, by a key, a role or the surroundings."""
    storage = s3.storage()
    if by == "role":
        key = {"access_key_id": s3.assuming_key[0], "secret_access_key": s3.assuming_key[1]}
        storage |= {**key, "role_arn": s3.role_arn}
    if by == "environment":
        storage |= {"access_key_id": "", "secret_access_key": ""}
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.key[0])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.key[1])
    outcome = write(connector, storage, process=True).succeeded()
    assert [state["id"] for state in outcome.states] == [1, 2, 3]
    ((name, content),) = s3.objects().items()
    assert re.fullmatch(r"heap/rejected/0/people/\d{4}_\d\d_\d\d_\d{19}_0\.jsonl", name)
    assert rejected(content) == [1, 2]
    reasons = {
        json.loads(line)["record"]["meta"]["rejection_reason"] for line in content.splitlines()
    }
    assert reasons == set(outcome.ledger["rejected_by_reason"])
    shown = outcome.stdout + outcome.stderr
    for secret in (s3.key[1], s3.assuming_key[1], "venom", "person1@"):
        assert secret.encode() not in shown


def test_an_object_is_replayed(connector: Connector, s3: S3Server) -> None:
    """What was uploaded is what `write` reads."""
    write(connector, s3.storage()).succeeded()
    (content,) = s3.objects().values()
    with running() as heap:
        right = connector.config(heap.url, api__identity_column="name")
        connector.write_here(right, [content]).succeeded()
        assert sorted(event["properties"]["n"] for event in heap.events()) == [1, 2]


def test_a_check_leaves_nothing(connector: Connector, s3: S3Server) -> None:
    """It writes an object and removes it."""
    assert status(connector, s3.storage()) == {"status": "SUCCEEDED"}
    assert s3.objects() == {}


def test_what_is_wrong_is_named(connector: Connector, s3: S3Server) -> None:
    """`check` fails with words; `write` ends as `config_error` before anything is sent."""
    for wrong, words in (
        ({"s3_bucket_name": "no-such-bucket"}, "access is denied"),
        ({"access_key_id": "AKIAUNKNOWN000000000"}, "access_key_id is not known"),
        ({"secret_access_key": "sesame-open"}, "secret_access_key does not fit"),
        ({"bucket_path": "elsewhere"}, "s3:PutObject"),
        ({"access_key_id": "", "secret_access_key": ""}, "no credentials were found"),
        ({"role_arn": s3.role_arn}, "sts:AssumeRole"),
    ):
        storage = s3.storage(**wrong)
        found = status(connector, storage)
        assert found["status"] == "FAILED"
        message = found["message"]
        assert message.startswith("object_storage_config: ")
        assert re.search(words, message), message
        assert "sesame" not in message
        outcome = write(connector, storage)
        assert outcome.error["failure_type"] == "config_error"
        assert outcome.error["message"] == message
        assert outcome.states == []
        assert b"sesame" not in outcome.stdout
    assert s3.objects() == {}


def test_a_bucket_that_is_not_there(connector: Connector, s3: S3Server) -> None:
    """Told by name where the key may know it."""
    s3.asks_for_keys(False)
    found = status(connector, s3.storage(s3_bucket_name="no-such-bucket"))
    s3.asks_for_keys(True)
    assert found["status"] == "FAILED"
    assert "Is s3_bucket_name right?" in found["message"]


def elsewhere(url: str, **fields: str) -> Json:
    """A configuration of some other server."""
    return {
        "storage_type": "S3",
        "s3_bucket_name": BUCKET,
        "s3_bucket_region": REGION,
        "bucket_path": "/",
        "s3_endpoint": url,
        "access_key_id": "a",
        "secret_access_key": "sesame",
        **fields,
    }


def test_nobody_answers(connector: Connector) -> None:
    """A closed port: `check` says so soon; `write` may be run again."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        storage = elsewhere(f"http://127.0.0.1:{bound.getsockname()[1]}")
        began = time.monotonic()
        found = status(connector, storage)
        assert time.monotonic() - began < 20
    assert found["status"] == "FAILED"
    assert "could not be reached" in found["message"]
    assert "object_storage_config" in found["message"]


@pytest.mark.parametrize("code", [200, 204, 301, 400, 403, 404, 500])
def test_something_that_is_not_s3(connector: Connector, serve: Serve, code: int) -> None:
    """Whatever a server answers is a failure with words; never a stack, never its page."""
    body = b"" if code == 204 else b"<html>zaphod</html>"
    asked: list[int] = []

    def script(number: int, _body: bytes) -> tuple[int, dict[str, str], bytes]:
        asked.append(number)
        return code, {}, body

    found = status(connector, elsewhere(serve(script)))
    assert asked
    assert found["status"] == "FAILED"
    assert "object_storage_config" in found["message"]
    assert "zaphod" not in found["message"]


def test_a_server_that_dies_midway(connector: Connector) -> None:
    """The upload fails: `transient_error`, and no state behind a rejected record leaves."""
    popen, url = started()
    try:
        client(url, "s3").create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        storage = elsewhere(url)
        with running() as heap:
            process = connector.start_write(
                connector.config(heap.url, object_storage_config=storage)
            )
            process.send(connector.state(1))
            process.wait_for(b'"STATE"')
            popen.kill()
            popen.wait()
            process.send(*lines(connector))
            process.end_input()
            outcome = process.finish()
            assert len(heap.events()) == 3
    finally:
        popen.kill()
        popen.wait()
    assert outcome.error["failure_type"] == "transient_error"
    assert "S3 could not be reached" in outcome.error["message"]
    assert [state["id"] for state in outcome.states] == [1, 1]
    assert b"sesame" not in outcome.stdout + outcome.stderr


def test_without_the_library(connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    """An install without the extra says which one is missing."""
    monkeypatch.delitem(sys.modules, "bulk_destination.rejected.s3_storage", raising=False)
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    assert "pip install botocore" in status(connector, elsewhere("http://127.0.0.1:9"))["message"]
