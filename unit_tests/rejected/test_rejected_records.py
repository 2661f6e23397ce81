"""What a rejected record becomes, and where its file lies."""

import json
import string
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulk_destination.mapping.stream import Stream
from bulk_destination.mapping.values import INEXACT
from bulk_destination.protocol.messages import read_exactly, read_line
from bulk_destination.rejected.rejected_records import (
    file_name,
    folder,
    rejected_line,
    safe_name,
)
from destination_heap_analytics.apis import make_api
from destination_heap_analytics.config import HeapConfig

LAW = settings(derandomize=True, max_examples=150, deadline=None)

#: Numbers as a source may write them, not as Python would.
NUMBERS = st.one_of(
    st.integers(-(10**40), 10**40).map(str),
    st.floats().map(json.dumps),
    st.from_regex(r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
)
#: Lone surrogates included.
TEXTS = st.text(st.characters(), max_size=8).map(json.dumps)
VALUES = st.recursive(
    st.one_of(NUMBERS, TEXTS, st.sampled_from(["null", "true", "false"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[ {','.join(items)}]"),
        st.lists(st.tuples(TEXTS, inner), max_size=3).map(
            lambda items: "{" + ",".join(f"{key} :{value}" for key, value in items) + "}"
        ),
    ),
    max_leaves=6,
)


def line_of(data: str, rest: str = "") -> bytes:
    """A RECORD line with `data` and `rest` as they stand."""
    inner = f'{{"stream":"people","emitted_at":1,"data":{data}{rest}}}'
    return f'{{"type":"RECORD", "record":{inner}}}\r'.encode("utf-8", "surrogatepass")


@given(st.dictionaries(TEXTS, VALUES, max_size=4), st.text(max_size=20))
@example({'"n"': "12345678901234567890.0", '"m"': "1e400", '"o"': "-0.0", '"p"': "NaN"}, "why")
@LAW
def test_only_the_reason_is_new(data: dict[str, str], reason: str) -> None:
    """One line, read as the same record; beside it the reason."""
    line = line_of("{" + ",".join(f"{key}:{value}" for key, value in data.items()) + "}")
    rejected = rejected_line(line, reason)
    assert rejected.count(b"\n") == 1
    assert rejected.endswith(b"}\n")
    before: Any = read_exactly(line)
    after: Any = read_exactly(rejected)
    assert after["record"].pop("meta") == {"rejection_reason": reason}
    assert repr(after) == repr(before)


@given(st.dictionaries(st.sampled_from(["a", "b"]).map(json.dumps), VALUES, max_size=2))
@LAW
def test_a_replayed_record_is_the_same_event(data: dict[str, str]) -> None:
    """What is piped in again gets the same payload, so the same idempotency key."""
    fixed = {'"who"': '"ann@example.com"', '"name"': '"e"', '"at"': '"2026-01-02T03:04:05Z"'}
    line = line_of(
        "{" + ",".join(f"{key}:{value}" for key, value in {**data, **fixed}.items()) + "}"
    )
    assert payload(rejected_line(line, "why")) == payload(line)


def payload(line: bytes) -> object:
    """The payload of a RECORD line, as a walk makes it."""
    columns = {"event_column": "name", "identity_column": "who", "timestamp_column": "at"}
    config = HeapConfig.parse({"app_id": "11", "api": {"api_type": "track", **columns}})
    api = make_api(config.api, Stream("people"))
    message = read_line(line)
    assert isinstance(message, dict)
    made = api.payload(message["data"], message.get("emitted_at"))
    if made is INEXACT:
        exact: Any = read_exactly(line)
        made = api.payload(exact["record"]["data"], message.get("emitted_at"))
    return made


@pytest.mark.parametrize("who", ["123456789012345679.0", "9007199254740993.0", "1.0E+17"])
def test_a_person_stays_the_same(who: str) -> None:
    """An id that a double would round is the same person when it is piped in again."""
    line = line_of(f'{{"who":{who},"name":"e","at":"2026-01-02T03:04:05Z"}}')
    rejected = rejected_line(line, "why")
    assert who.encode() in rejected
    assert payload(rejected) == payload(line)


def test_what_is_known_of_a_record_stays() -> None:
    """Other fields and other notes stay; an earlier reason goes."""
    meta = ',"namespace":"crm","meta":{"changes":[],"rejection_reason":"old"}'
    rejected = json.loads(rejected_line(line_of('{"a":1}', meta), "identity_missing"))
    assert rejected == {
        "type": "RECORD",
        "record": {
            "stream": "people",
            "emitted_at": 1,
            "data": {"a": 1},
            "namespace": "crm",
            "meta": {"changes": [], "rejection_reason": "identity_missing"},
        },
    }
    odd = json.loads(rejected_line(line_of('{"a":1}', ',"meta":null'), "why"))
    assert odd["record"]["meta"] == {"rejection_reason": "why"}


@pytest.mark.parametrize("depth", [10, 900, 990, 1_000, 1_010, 1_020])
def test_what_is_nested_too_deeply_stays_as_it_came(depth: int) -> None:
    """Python's stack ends before orjson's limit: such a record is saved without the reason."""
    line = line_of('{"a":' * depth + "1" + "}" * depth)
    rejected = rejected_line(line, "why")
    assert rejected.endswith(b"}\n")
    if b"why" not in rejected:
        assert depth > 900
        assert rejected == line.strip() + b"\n"


@given(st.text(max_size=300), st.text(max_size=300) | st.none(), st.integers(0, 10**12))
@example("../x", "..", 7)
@example("/etc/passwd", "a/../../b", 7)
@example("a\0b\n", "C:\\x", 7)
@example("", None, 0)
@LAW
def test_no_name_leaves_its_folder(name: str, namespace: str | None, sync_id: int) -> None:
    """Whatever a stream is called, its folder lies below the sync's, and a disk takes it."""
    path = PurePosixPath(folder(Stream(name, namespace, sync_id=sync_id)))
    assert path.parts[0] == str(sync_id)
    assert len(path.parts) == (3 if namespace else 2)
    for part in path.parts:
        assert 0 < len(part.encode()) <= 255
        assert not part.startswith(".")
        assert not set(part) & set("/\\\0\n:*?\"<>| '%#&")


@given(st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=200))
@LAW
def test_plain_names_stay(name: str) -> None:
    """Names as sources have them are the folders' names, dots inside included."""
    assert safe_name(name) == name
    assert safe_name(f"{name[:90]}.{name[:90]}") == f"{name[:90]}.{name[:90]}"


def test_file_name() -> None:
    """Date and time of writing, in UTC, and the part."""
    now = datetime(2026, 11, 21, 23, 59, 59, 500_000, UTC).timestamp()
    assert file_name(now, 3) == "2026_11_21_1795305599500000000_3.jsonl"
