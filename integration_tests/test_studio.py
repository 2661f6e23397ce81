"""The studio over its socket: who gets in, what is shown of any sample, and what is taken along."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir

import pytest
import requests

from integration_tests.chaos.process import inherited, program
from integration_tests.studios import PATIENCE, RunningStudio, studio
from sandbox.heap import running

ROOT = Path(__file__).parents[1]
FAKER = ROOT / ".cache" / "source-faker" / "bin" / "source-faker"
EVIL = "<script>document.title='in'</script><img src=x onerror=alert(1)>"
ORDERS = (
    b"order_id,customer_id,email,amount,ordered_at\n"
    b"1,c-1,ada@example.com,29.80,2026-01-05T11:17:19Z\n"
    b"2,c-2,ben@example.com,12.50,2026-01-06T09:01:00Z\n"
    b"3,guest,,54.00,2026-01-06T12:40:11Z\n"
    b"4,c-1,ada@example.com,7.25,soon\n"
)
MAPPING = {
    "app_id": "11",
    "api": "track",
    "api__track__event_column": "'Order placed'",
    "api__track__identity_column": "customer_id",
    "api__track__property_columns": "*",
    "api__track__timestamp_column": "ordered_at",
}


@pytest.fixture
def empty() -> Iterator[RunningStudio]:
    with studio() as running_studio:
        yield running_studio


def _raw(port: int, *lines: str, body: bytes = b"") -> bytes:
    """The answer to a request of any shape."""
    head = "\r\n".join([*lines, "Connection: close", f"Content-Length: {len(body)}", "", ""])
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        client.sendall(head.encode("latin-1") + body)
        return b"".join(iter(lambda: client.recv(65_536), b""))


# -- who gets in -----------------------------------------------------------------------------------


def test_nobody_gets_in_but_who_has_the_address(empty: RunningStudio) -> None:
    """By raw HTTP, at every path; and no answer lacks what binds the browser."""
    port, token = empty.port, empty.token
    host = f"Host: 127.0.0.1:{port}"
    empty.send("orders.csv", ORDERS)
    good = _raw(port, f"GET /{token}/ HTTP/1.1", host)
    assert good.startswith(b"HTTP/1.1 200")
    assert b"ada@example.com" in good
    paths = ("", "plan", "static/page.js", "config.json")
    for refused in (
        *(_raw(port, f"GET /{path} HTTP/1.1", host) for path in paths),
        *(_raw(port, f"GET /{token[:-1]}x/{path} HTTP/1.1", host) for path in paths),
        *(_raw(port, f"GET /{token}/{path} HTTP/1.1", "Host: evil.example") for path in paths),
        *(_raw(port, f"GET /{token}/{path} HTTP/1.1", host, "Origin: null") for path in paths),
        _raw(port, f"GET /{token}/ HTTP/1.1", "Host: 127.0.0.1:1"),
        _raw(port, f"GET /{token}/ HTTP/1.1", host, "Origin: http://127.0.0.1:1"),
        _raw(port, f"PUT /{token}/sample HTTP/1.1", host, "Origin: http://evil.example", body=b"a"),
        _raw(port, f"POST /{token}/outcome HTTP/1.1", host, "Origin: https://evil.example"),
        _raw(port, f"POST /{token}/records.jsonl HTTP/1.1", host, "Origin: null"),
    ):
        assert refused.startswith(b"HTTP/1.1 403"), refused[:80]
        assert b"example.com" not in refused
    for answer in (good, refused):
        head = answer.partition(b"\r\n\r\n")[0].lower()
        assert b"script-src 'self'" in head
        assert b"default-src 'none'" in head
        assert b"unsafe" not in head
        assert b"cache-control: no-store" in head


def test_it_listens_on_this_machine_alone(empty: RunningStudio) -> None:
    listening = Path("/proc/net/tcp").read_text().splitlines()[1:]
    at = [line.split()[1] for line in listening if line.split()[3] == "0A"]
    assert f"0100007F:{empty.port:04X}" in at


# -- a sample --------------------------------------------------------------------------------------


def test_what_is_wrong_is_seen_before_it_is_sent(empty: RunningStudio) -> None:
    """A guest, a wrong date, and a column that there is none of."""
    assert empty.send("orders.csv", ORDERS).status_code == 204
    shown = empty.type(**MAPPING)
    assert "2 would be sent" in shown
    assert "identity of no single person" in shown
    assert "timestamp not readable" in shown
    assert "soon" in shown
    plan = empty.planned()
    assert "Order placed" in plan
    wrong = empty.type(**MAPPING | {"api__track__identity_column": "custmer_id"})
    assert "did you mean `customer_id`?" in wrong
    assert "Nothing can be shown" in wrong
    # Nor is that hidden by what is not known yet.
    assert "did you mean `customer_id`?" in empty.type(
        **MAPPING | {"api__track__identity_column": "custmer_id", "app_id": ""}
    )


def test_a_sample_that_is_none_leaves_the_one_before(empty: RunningStudio) -> None:
    empty.send("orders.csv", ORDERS)
    answer = empty.send("orders.xlsx", b"PK\x03\x04" + bytes(100))
    assert (answer.status_code, "save the table as CSV" in answer.text) == (422, True)
    assert "2 would be sent" in empty.type(**MAPPING)


def test_a_catalog_says_what_is_known_of_a_stream(empty: RunningStudio) -> None:
    """Its schema, its primary key and its mode; before the records, or after them."""
    described = {
        "stream": {
            "name": "orders",
            "json_schema": {"properties": {"order_id": {"type": "integer"}}},
            "supported_sync_modes": ["incremental"],
        },
        "sync_mode": "incremental",
        "destination_sync_mode": "append_dedup",
        "primary_key": [["order_id"]],
    }
    assert empty.send("catalog.json", json.dumps({"streams": [described]}).encode()).ok
    assert empty.send("orders.csv", ORDERS).ok
    page = requests.get(empty.url, timeout=PATIENCE).text
    assert "<option selected>append_dedup</option>" in page
    assert 'value="order_id"' in page
    # The catalog's schema lists no such column.
    assert "is no column" in empty.type(**MAPPING) or "did you mean" in empty.type(**MAPPING)


def test_one_of_several_streams_is_looked_at(empty: RunningStudio) -> None:
    rows = [{"id": n, "who": "guest"} for n in range(5)]
    lines = [
        {"type": "RECORD", "record": {"stream": name, "data": row, "emitted_at": 1}}
        for row in rows
        for name in ("users", "orders")
    ]
    empty.send("read.jsonl", "\n".join(map(json.dumps, lines)).encode())
    mapping = {
        "app_id": "11",
        "api": "track",
        "api__track__event_column": "'Seen'",
        "api__track__identity_column": "id",
        "_stream": "1",
    }
    assert "5 would be sent" in empty.type(**mapping)
    by_stream = {
        "app_id": "11",
        "api": "by_stream",
        **{
            f"api__by_stream__streams__{at}__{key}": text
            for at, name in enumerate(("users", "orders"))
            for key, text in (
                ("stream", name),
                ("api", "track"),
                ("api__track__event_column", "'Seen'"),
                ("api__track__identity_column", "id"),
            )
        },
    }
    assert "10 would be sent" in empty.type(**by_stream)
    assert "Stream" in empty.planned()
    # The second stream's field is to blame for its records, and the first one's is not.
    by_stream["api__by_stream__streams__1__api__track__identity_column"] = "who"
    outcome = empty.type(**by_stream)
    assert "5 rejected" in outcome
    blamed = re.findall(r'href="#f-([^"]+)"', outcome)
    assert blamed == ["api-by_stream-streams-1-api-track-identity_column"] * 5


# -- hostile samples -------------------------------------------------------------------------------


def test_markup_in_keys_and_values_is_text(empty: RunningStudio) -> None:
    row = {EVIL: EVIL, "user_id": "u1", "nested": {EVIL: [EVIL]}}
    empty.send(f"{EVIL}.jsonl", json.dumps(row).encode())
    shown = [requests.get(empty.url, timeout=PATIENCE).text]
    given = MAPPING | {"api__track__identity_column": "user_id", "api__track__timestamp_column": ""}
    quoted = "'" + EVIL.replace("'", "''") + "'"
    shown += [empty.type(**given | {"api__track__event_column": quoted}), empty.planned()]
    shown += [empty.type(**given | {"api__track__event_column": EVIL})]
    for page in shown:
        assert "<script>document" not in page
        assert "<img" not in page
        assert "&lt;script&gt;" in page


def test_thousands_of_columns(empty: RunningStudio) -> None:
    row = {"user_id": "u1", **{f"column {at}": at for at in range(5_000)}}
    empty.send("wide.jsonl", json.dumps(row).encode())
    page = requests.get(empty.url, timeout=PATIENCE)
    assert "and 4,801 more columns" in page.text
    given = MAPPING | {"api__track__identity_column": "user_id", "api__track__timestamp_column": ""}
    shown = empty.type(**given)
    assert "1 would be sent" in shown
    assert "more properties" in shown
    assert "the first 60 of 5,001" in empty.planned()


def test_rows_that_are_too_long_are_told(empty: RunningStudio) -> None:
    """One of 20 MB is rejected as a sync would; neither is shown."""
    rows = [
        json.dumps({"user_id": "u1", "blob": "x" * size}).encode() for size in (20_000_000, 10, 10)
    ]
    assert empty.send("long.jsonl", b"\n".join(rows)).ok
    given = MAPPING | {"api__track__identity_column": "user_id", "api__track__timestamp_column": ""}
    assert "2 would be sent" in empty.type(**given)
    assert "too long" in requests.get(empty.url, timeout=PATIENCE).text
    plan = empty.planned()
    assert "too long" in plan
    assert len(plan) < 100_000


def test_bytes_that_are_no_utf8(empty: RunningStudio) -> None:
    """Shown as what they are, not as a fault of the page; as an identity they are rejected."""
    empty.send(
        "latin.csv", "customer_id,name\nM\xfcller,M\xfcller\nc-2,B\xf6ll\n".encode("latin-1")
    )
    shown = empty.type(**MAPPING | {"api__track__timestamp_column": ""})
    assert "identity not valid unicode" in shown
    assert "1 would be sent" in shown
    assert requests.get(empty.url, timeout=PATIENCE).ok


def test_nobody_is_suggested_to_be_deleted(empty: RunningStudio) -> None:
    """What tells of people comes first, whatever else the form can do to them."""
    empty.send("users.csv", b"id,email\n1,a@b.example\n")
    page = requests.get(empty.url, timeout=PATIENCE).text
    assert 'value="add_user_properties" selected' in page
    assert 'value="delete_users" selected' not in page


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b"\0\1\2", "is no text"), (b"[{}]", "one object a line")],
)
def test_what_is_no_sample_is_told(empty: RunningStudio, content: bytes, words: str) -> None:
    assert words in empty.send("x", content).text


# -- what is taken along ---------------------------------------------------------------------------


def test_the_files_are_what_check_and_write_take(empty: RunningStudio, tmp_path: Path) -> None:
    """The commands that the page shows, in the folder with its three files, into a local Heap."""
    with running() as heap:
        empty.send("orders.csv", ORDERS)
        given = MAPPING | {"base_url": heap.url}
        shown = empty.type(**given)
        fields = {name.replace("__", "."): text for name, text in given.items()}
        for name in ("config.json", "configured_catalog.json", "records.jsonl"):
            answer = requests.post(f"{empty.url}{name}", data=fields, timeout=PATIENCE)
            assert "attachment" in answer.headers["content-disposition"]
            (tmp_path / name).write_bytes(answer.content)
        for command in ("check", "preview", "write"):
            line = next(
                line.partition("</code>")[0].replace("&lt;", "<")
                for line in shown.split("<code>")
                if line.startswith(f"destination-heap-analytics {command} ")
            )
            done = subprocess.run(
                line.replace("destination-heap-analytics", " ".join(program("heap"))),
                shell=True,
                cwd=tmp_path,
                env=inherited(),
                capture_output=True,
                check=False,
            )
            assert done.returncode == {"preview": 3}.get(command, 0), done.stdout + done.stderr
            if command == "check":
                assert b'"SUCCEEDED"' in done.stdout
        assert [one["event"] for one in heap.events()] == ["Order placed"] * 2
        assert {one["identity"] for one in heap.events()} == {"c-1", "c-2"}


def test_a_secret_is_written_where_it_is_asked_for() -> None:
    with studio(str(ROOT / "sample_files" / "orders.jsonl"), service="hackle") as hackle:
        given = {"sdk_key": "s3cret", "event_key_column": "'order'", "user_id_column": "user_id"}
        shown = hackle.type(**given)
        assert "s3cret" not in shown
        plain = requests.post(f"{hackle.url}config.json", data=given, timeout=PATIENCE)
        assert "s3cret" not in plain.text
        asked = {**given, "_secrets": "on"}
        whole = requests.post(f"{hackle.url}config.json", data=asked, timeout=PATIENCE)
        assert whole.json()["sdk_key"] == "s3cret"


def test_nothing_is_left_on_the_disk() -> None:
    """What is dropped onto the page has no name, while it is there and afterwards."""
    before = set(Path(gettempdir()).iterdir())
    with studio() as one:
        one.send("orders.csv", ORDERS)
        one.type(**MAPPING)
        one.planned()
        opened = []
        for fd in Path(f"/proc/{one.process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # a connection that ends meanwhile
                opened.append(str(fd.readlink()))
        assert any("airbyte_" in name or "(deleted)" in name for name in opened)
        new = set(Path(gettempdir()).iterdir()) - before
        assert not [path for path in new if path.name.startswith("airbyte_")]


# -- the command -----------------------------------------------------------------------------------


@pytest.mark.skipif(not FAKER.exists(), reason="`make real-source-environments` makes it")
def test_a_real_source(tmp_path: Path) -> None:
    """Its own schema and primary key come with its records, and its process has ended."""
    config = tmp_path / "c.json"
    config.write_text(json.dumps({"count": 5_000, "parallelism": 1}))
    arguments = ("--source", str(FAKER), "--source-config", str(config), "--stream", "users")
    with studio(*arguments) as one:
        page = requests.get(one.url, timeout=PATIENCE).text
        assert "1,000 records" in page
        assert "with a catalog" in page
        assert 'value="add_user_properties" selected' in page
        children = Path(f"/proc/{one.process.pid}/task/{one.process.pid}/children").read_text()
        assert children == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.csv"], "nowhere.csv: No such file"),
        (["/bin/true"], "is no text"),
        (["--source", "/bin/true"], "belong together"),
        (["--source", "no-such-source", "--source-config", "c.json"], "cannot be started"),
        (["--source", "/bin/true", "--source-config", "c.json"], "gave no catalog"),
    ],
)
def test_what_cannot_begin_says_why(arguments: list[str], words: str) -> None:
    done = subprocess.run(
        [*program("heap"), "studio", "--no-browser", *arguments],
        env=inherited(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode in {1, 2}
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_not_installed_is_named() -> None:
    """As in the image, which has none of it."""
    without = (
        "import sys; sys.modules['starlette'] = None; sys.modules['uvicorn'] = None; "
        "from destination_heap_analytics.run import run; sys.argv[1:] = ['studio']; run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", without], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "pip install 'destination-heap-analytics[studio]'" in done.stderr
