"""What a source, a runner or a person may hand in that is not as it should be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sandbox.heap import SandboxOptions, running

if TYPE_CHECKING:
    from integration_tests.conftest import Connector, Serve

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "who": {"type": "string"},
        "n": {"type": "integer"},
        "email": {"type": "string"},
        "address": {"type": "object", "properties": {"city": {"type": "string"}}},
        "free": {"type": "object"},
        "list": {"type": "array"},
    },
}


def raw(data: str) -> bytes:
    """A RECORD line whose data is not made by a well-behaved serialiser."""
    return b'{"type":"RECORD","record":{"stream":"people","emitted_at":1,"data":%b}}\n' % (
        data.encode()
    )


def test_no_input(connector: Connector) -> None:
    """Nothing, or empty lines only: exit 0, no request, no warning about columns."""
    with running() as heap:
        columns = {"api__property_columns": "email", "api__event_id_column": "n"}
        config = connector.config(heap.url, **columns)
        for lines in ([], [b"\n", b"\r\n", b"  \n"]):
            outcome = connector.write_here(config, lines).succeeded()
            assert outcome.ledger["read"] == 0
            assert not [log for log in outcome.of_type("LOG") if log["log"]["level"] != "INFO"]
        assert heap.requests() == []


def test_states_alone(connector: Connector) -> None:
    """States without a record leave as they came, without a request."""
    with running() as heap:
        lines = [connector.state(1), connector.state(2)]
        outcome = connector.write_here(connector.config(heap.url), lines).succeeded()
        assert [connector.stats(state) for state in outcome.states] == [(0.0, 0.0)] * 2
        assert heap.requests() == []


def test_unreadable_lines_are_counted(connector: Connector) -> None:
    """What may have been a record counts as rejected, in its state, and its text is not shown."""
    unreadable = [
        b"xyzzy not json\n",
        b'{"type":"RECORD","record":{"stream":"people","data":{"who":"xyzzy"\n',
        b"[1, 2]\n",
        b'"xyzzy"\n',
        b"17\n",
        b"null\n",
        b"{}\n",
        b'{"type":"xyzzy"}\n',
        b'{"type":["RECORD"]}\n',
        b'{"type":{"a":1}}\n',
        b'{"type":"RECORD"}\n',
        b'{"type":"RECORD","record":null}\n',
        b'{"type":"RECORD","record":{"stream":"people","data":[1]}}\n',
        b"\xff\xfe xyzzy\n",
        b'{"type":"RECORD","record":{"stream":"people","data":{"who":"xyzzy\xff}}}\n',
        b'{"type":"LOG","log":{"message":"xyzzy"}}' + raw('{"who":"xyzzy"}'),
        b'{"type":"LOG","log":{"mess' + raw('{"who":"xyzzy"}'),
        b"[" * 200_000 + b"\n",
        b"\x00\n",
    ]
    good = connector.record(connector.event(1))
    with running() as heap:
        for line in unreadable:
            # Alone, so that the line at fault is named by the test.
            lines = [good, line, connector.state(1)]
            outcome = connector.write_here(connector.config(heap.url), lines)
            assert outcome.code == 0, line[:100]
            assert outcome.ledger["rejected_by_reason"] == {"unreadable": 1}, line[:100]
            assert [connector.stats(state) for state in outcome.states] == [(1.0, 1.0)]
            assert b"xyzzy" not in outcome.stdout
        lines = [good, *unreadable, connector.state(1)]
        outcome = connector.write_here(connector.config(heap.url), lines).succeeded()
        assert outcome.ledger["rejected_by_reason"] == {"unreadable": len(unreadable)}
        assert outcome.ledger["rejected_first_at"] == {"unreadable": 2}
        assert len(heap.events()) == 1


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"STATE"}\n',
        b'{"type":"STATE","state":3}\n',
        b'{"type":"STATE","state":{"data":{"cursor":"xyzzy"\n',
        b'xyzzy {"type":"STATE","state":{"data":{}}}\n',
        b'{"type":"LOG","log":{"message":"xyzzy"}}{"type":"STATE","state":{"data":{}}}\n',
        raw('{"who":"xyzzy"}')[:-1] + b'{"type":"STATE","state":{"data":{}}}\n',
        pytest.param(b'{"type":"STATE","state":{"data":"%b"}}\n' % (b"x" * 16_000_000), id="long"),
        pytest.param(b"x" * 16_000_001, id="a long line of who knows what"),
    ],
)
def test_a_state_is_never_dropped(connector: Connector, line: bytes) -> None:
    """What may be one and cannot be handed back ends the sync; what was safe has left."""
    with running() as heap:
        lines = [connector.record(connector.event(1)), connector.state(1), line, connector.state(2)]
        outcome = connector.write_here(connector.config(heap.url), lines)
        assert len(heap.events()) <= 1
    assert outcome.error["failure_type"] == "system_error"
    assert "is a state, or may be one" in outcome.error["message"]
    assert [state["id"] for state in outcome.states] in ([], [1])
    assert b"xyzzy" not in outcome.stdout


def test_states_that_no_parser_takes(connector: Connector) -> None:
    """Byte for byte, with their statistics."""
    values = (b"9" * 5_000, b'{"a":' * 2_000 + b"1" + b"}" * 2_000, b'"Zo\xeb"', b"[ NaN ]")
    states = [b'{"type":"STATE", "state":{"data":{"cursor":%b}}}\n' % value for value in values]
    with running() as heap:
        lines = [connector.record(connector.event(1)), *states]
        outcome = connector.write(connector.config(heap.url), lines)
    assert outcome.code == 0
    stats = [
        b',"destinationStats":{"recordCount":%b.0,"rejectedRecordCount":0.0}' % count
        for count in (b"1", b"0", b"0", b"0")
    ]
    expected = [state[:-3] + each + state[-3:] for state, each in zip(states, stats, strict=True)]
    assert [line + b"\n" for line in outcome.stdout.split(b"\n") if b'"STATE"' in line] == expected


def test_other_messages_are_passed_over(connector: Connector) -> None:
    """LOG, TRACE and the rest, with every null spelled out: neither counted nor echoed."""
    nulls: dict[str, Any] = dict.fromkeys(
        ["log", "spec", "connectionStatus", "catalog", "record", "state", "trace", "control"]
    )
    complete = {"stream_descriptor": {"name": "people"}, "status": "COMPLETE"}
    trace = {"type": "STREAM_STATUS", "emitted_at": 1, "stream_status": complete}
    lines = [
        json.dumps({**nulls, **message}).encode() + b"\n"
        for message in (
            {"type": "LOG", "log": {"level": "INFO", "message": "xyzzy"}},
            {"type": "TRACE", "trace": trace},
            {"type": "CONTROL", "control": {}},
            {"type": "CATALOG", "catalog": {"streams": []}},
            {"type": "CONNECTION_STATUS", "connectionStatus": {"status": "FAILED"}},
            {
                "type": "RECORD",
                "record": json.loads(connector.record(connector.event(1)))["record"],
            },
            {"type": "STATE", "state": json.loads(connector.state(1))["state"]},
        )
    ]
    with running() as heap:
        outcome = connector.write_here(connector.config(heap.url), lines).succeeded()
        assert len(heap.events()) == 1
    assert outcome.ledger["read"] == 1
    assert len(outcome.states) == 1
    assert b"xyzzy" not in outcome.stdout
    assert {message["type"] for message in outcome.messages} == {"LOG", "STATE"}


def test_values_that_are_no_json(connector: Connector) -> None:
    """NaN and infinities are left out, lone surrogates repaired, big numbers kept."""
    rows = [
        '{"name":"E","who":"gaps","a":NaN,"b":Infinity,"c":-Infinity,"d":[NaN,1],"ok":1}',
        r'{"name":"E \ud800 F","who":"half","text":"a\ud83d","k\udc00":1}',
        r'{"name":"E","who":"pair","text":"a\ud83d\ude00"}',
        '{"name":"E","who":123456789012345678901234567890,"big":123456789012345678901}',
        '{"name":"E","who":123456789012345678901234567891}',
        '{"name":"E","who":18446744073709551615}',
        '{"name":"E","who":18446744073709551616}',
        '{"name":"E","who":-9223372036854775809}',
        '{"name":"E","who":12.0}',
        '{"name":"E","who":"huge","big":1%s}' % ("0" * 400),
        '{"name":"E","who":"float","f":1e400,"g":1E-400}',
    ]
    with running() as heap:
        lines = [*map(raw, rows), connector.state(1)]
        outcome = connector.write_here(connector.config(heap.url), lines).succeeded()
        events = {event["identity"]: event for event in heap.events()}
    assert outcome.ledger["rejected_by_reason"] == {}
    assert set(events) == {
        *("gaps", "half", "pair", "12", "huge", "float"),
        "123456789012345678901234567890",
        "123456789012345678901234567891",
        "18446744073709551615",
        "18446744073709551616",
        "-9223372036854775809",
    }
    assert events["gaps"]["properties"] == {"name": "E", "who": "gaps", "d": "1", "ok": 1}
    assert events["half"]["event"] == "E \ufffd F"
    assert events["half"]["properties"]["text"] == "a\ufffd"
    assert events["pair"]["properties"]["text"] == "a😀"
    assert outcome.ledger["left_out"] >= 4


def test_an_identity_that_cannot_be_kept_is_rejected(connector: Connector) -> None:
    """Two people must not become one: half a character in an identity, nobody's names."""
    nobody: list[object] = ["Guest", " NULL ", "[object Object]", "", "  ", True, {}, ["a"]]
    rows = [
        r'{"name":"E","who":"a\ud800"}',
        *(json.dumps({"name": "E", "who": who}) for who in [*nobody, "i" * 256]),
        '{"name":"E","who":null}',
        '{"name":"E","who":NaN}',
        '{"name":"E"}',
        '{"name":"","who":"a"}',
        '{"name":"%s","who":"a"}' % ("e" * 1_025),
        '{"name":"E","who":"a","at":"yesterday"}',
        '{"name":"E","who":"a","at":true}',
    ]
    with running() as heap:
        lines = [connector.record(connector.event(1)), *map(raw, rows), connector.state(1)]
        config = connector.config(heap.url, api__timestamp_column="at")
        outcome = connector.write_here(config, lines).succeeded()
        assert len(heap.events()) == 1
    assert sum(outcome.ledger["rejected_by_reason"].values()) == len(rows)
    assert [connector.stats(state) for state in outcome.states] == [(1.0, float(len(rows)))]


def test_line_ends(connector: Connector) -> None:
    """CRLF, empty lines between, and a last line without its end are read all the same."""
    lines = [
        connector.record(connector.event(1)).replace(b"\n", b"\r\n"),
        b"\n\r\n",
        connector.state(1).replace(b"\n", b"\r\n"),
        connector.record(connector.event(2)),
        connector.state(2).rstrip(),
    ]
    with running() as heap:
        outcome = connector.write_here(connector.config(heap.url), lines).succeeded()
        assert len(heap.events()) == 2
    assert [state["id"] for state in outcome.states] == [1, 2]
    assert outcome.ledger["read"] == 2


def test_records_of_another_stream(connector: Connector) -> None:
    """They are rejected by name, not sent."""
    with running() as heap:
        lines = [
            connector.record(connector.event(1)),
            connector.record(connector.event(2), stream="orders"),
            connector.state(1),
        ]
        outcome = connector.write_here(connector.config(heap.url), lines).succeeded()
        assert len(heap.events()) == 1
    assert sum(outcome.ledger["rejected_by_reason"].values()) == 1
    assert [connector.stats(state) for state in outcome.states] == [(1.0, 1.0)]


def test_records_of_another_namespace(connector: Connector) -> None:
    """A stream of the same name elsewhere is another one; a record may leave the namespace out."""
    catalog = connector.catalog()
    catalog["streams"][0]["stream"]["namespace"] = "shop"
    lines = []
    for n, namespace in enumerate(["shop", None, "", "attic", {"odd": 1}]):
        message = json.loads(connector.record(connector.event(n)))
        message["record"]["namespace"] = namespace
        lines.append(json.dumps(message).encode() + b"\n")
    with running() as heap:
        outcome = connector.write_here(connector.config(heap.url), lines, catalog=catalog)
        assert connector.landed(heap) == [0, 1, 2]
    assert outcome.succeeded().ledger["rejected_by_reason"] == {"of_another_stream": 2}


def test_names_that_no_utf_8_carries(connector: Connector) -> None:
    """Half a character in a catalog or a column's name is told as what it is."""
    catalog = connector.catalog({"properties": {"name": {}, "who": {}}})
    config = connector.config("http://127.0.0.1:9", api__identity_column="wh\ud800")
    outcome = connector.write_here(config, [], catalog=catalog)
    assert outcome.error["failure_type"] == "config_error"
    assert "identity_column" in outcome.error["message"]


def test_deep_and_long_lines(connector: Connector) -> None:
    """Nesting beyond Python's recursion limit, a line of 5 MB, many properties: no crash."""
    deep = '{"name":"E","who":"deep","d":' + '{"a":' * 900 + "1" + "}" * 901
    deeper = '{"name":"E","who":"deeper","d":' + '{"a":' * 5_000 + "1" + "}" * 5_001
    strange = '{"name":"E","who":"strange","x":NaN,"d":' + "[" * 900 + "1" + "]" * 900 + "}"
    wide = json.dumps({"name": "E", "who": "wide", **{f"c{n}": n for n in range(5_000)}})
    long = json.dumps({"name": "E", "who": "long", "text": "t" * 5_000_000})
    with running() as heap:
        lines = [*map(raw, [deep, deeper, strange, wide, long]), connector.state(1)]
        outcome = connector.write_here(connector.config(heap.url), lines).succeeded()
        found = {event["identity"]: event["properties"] for event in heap.events()}
    assert {"deep", "strange", "wide", "long"} <= set(found)
    assert outcome.ledger["read"] == 5
    assert len(found["wide"]) == 5_002
    assert len(found["long"]["text"]) == 1_023


def test_all_faults_at_once(connector: Connector, serve: Serve) -> None:
    """One run names every fault of configuration and catalog, and sends nothing."""
    asked: list[int] = []

    def script(number: int, body: bytes) -> tuple[int, dict[str, str], bytes]:
        asked.append(number)
        return 200, {}, b"{}"

    url = serve(script)
    bad = {
        "app_id": "abc",
        "base_url": "http://heapanalytics.com",
        "api": {"api_type": "track", "event_column": ""},
    }
    outcome = connector.write_here(bad, [connector.record({})], {"streams": []})
    error = outcome.error
    assert error["failure_type"] == "config_error"
    for path in ("app_id", "base_url", "api.event_column", "api.identity_column", "catalog"):
        assert f"{path}: " in error["message"], error["message"]
    misspelt = connector.config(
        url,
        api__event_column="nmae",
        api__identity_column="emial",
        api__timestamp_column="address.ctiy",
        api__property_columns="free.anything, list.0.x, address_city, wo, n as number",
    )
    outcome = connector.write_here(misspelt, [connector.record({})], connector.catalog(SCHEMA))
    message = outcome.error["message"]
    assert outcome.error["failure_type"] == "config_error"
    for path, meant in (
        ("api.event_column", "`name`"),
        ("api.identity_column", "`email`"),
        ("api.timestamp_column", "`address.city`"),
        ("api.property_columns", "`who`"),
    ):
        (line,) = [line for line in message.splitlines() if line.startswith(f"{path}: ")]
        assert "did you mean" in line
        assert meant in line
    assert outcome.states == []
    assert asked == []


@pytest.mark.parametrize("streams", [0, 2])
def test_not_one_stream(connector: Connector, streams: int) -> None:
    """None or several streams are an error of configuration that says so."""
    catalog = {"streams": connector.catalog()["streams"] * streams}
    config = connector.config("http://127.0.0.1:1")
    error = connector.write_here(config, [], catalog).error
    assert error["failure_type"] == "config_error"
    assert "stream" in error["message"]
    assert str(streams) in error["message"]


def test_files_that_cannot_be_read(connector: Connector) -> None:
    """Missing, not JSON, not an object, of the wrong shape: config_error, never a stack alone."""
    config = connector.config("http://127.0.0.1:1")
    good = connector.file(config)
    catalog = connector.file(connector.catalog())
    contents: list[object] = [
        b"{",
        b"",
        b"\xff",
        [],
        "text",
        None,
        {"streams": None},
        {"streams": {}},
    ]
    wrong = [connector.file(content) for content in contents]
    wrong += [connector.file({"streams": [1]}), connector.file({"streams": [{"stream": {}}]})]
    missing = str(connector.folder / "missing.json")
    for path in [missing, str(connector.folder), *wrong]:
        for files in ((path, catalog), (good, path)):
            outcome = connector.run_here("write", "--config", files[0], "--catalog", files[1])
            assert outcome.error["failure_type"] == "config_error", files
            assert outcome.error["message"]


def test_a_column_of_no_record_is_named(connector: Connector) -> None:
    """`property_columns` that nothing filled are named once at the end, with the nearest names."""
    with running() as heap:
        columns = {"api__property_columns": "n, email, emial", "api__event_id_column": "n"}
        config = connector.config(heap.url, **columns)
        rows = [connector.event(n) | {"email": "a@example.com"} for n in range(5)]
        outcome = connector.write_here(config, map(connector.record, rows)).succeeded()
        assert len(heap.events()) == 5
    warnings = [log["log"] for log in outcome.of_type("LOG") if log["log"]["level"] == "WARN"]
    assert len(warnings) == 1
    assert "`emial`" in warnings[0]["message"]
    assert "`email`" in warnings[0]["message"]


def test_strange_streams_and_schemas(connector: Connector) -> None:
    """A stream named with quotes, dots and slashes, and schemas that say little, are loaded."""
    name = 'a "b".c/d\\é'
    schemas: list[dict[str, Any]] = [{}, {"type": "object"}, {"properties": {}}, SCHEMA]
    with running(SandboxOptions(quotas=False)) as heap:
        for number, schema in enumerate(schemas):
            lines = [connector.record(connector.event(number), stream=name)]
            catalog = connector.catalog(schema, stream=name)
            connector.write_here(connector.config(heap.url), lines, catalog).succeeded()
        assert len(heap.events()) == len(schemas)
