"""No value of a record leaves on stdout or stderr, whatever goes wrong."""

from __future__ import annotations

import base64
import html
import json
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from integration_tests.services import APP_ID, EVENTS, SDK_KEY, both, every_api

if TYPE_CHECKING:
    from pathlib import Path

    from integration_tests.conftest import Connector, Outcome, Serve

#: Each stands in some value below, and nowhere else.
VALUES = (
    *("zaphod", "beeblebrox", "trillian", "4815162342", "magrathea", "vogsphere"),
    *(APP_ID, SDK_KEY),
)

RECORDS: list[dict[str, Any]] = [
    {"name": "zaphod signed up", "who": "zaphod@magrathea.example", "n": 4815162342},
    {"name": "E", "who": "trillian", "note": "venom", "by": "zaphod beeblebrox", "n": 4815162342},
    {"name": "E", "who": "beeblebrox " * 30},
    {"name": "E", "who": {"trillian": "magrathea"}},
    {"name": ["zaphod"], "who": "trillian"},
    {"name": "E", "who": "trillian", "at": "vogsphere o'clock"},
    {"name": "E", "who": "trillian", "beeblebrox@magrathea.example": "venom"},
    {"name": "E", "who": "trillian", "toxin": "zaphod"},
    {"name": "E", "who": "trillian@magrathea.example", "list": ["zaphod", {"x": "vogsphere"}]},
]

BROKEN = [
    b"zaphod beeblebrox\n",
    b'{"type":"RECORD","record":{"stream":"people","data":{"who":"zaphod\n',
    b'{"type":"RECORD","record":{"stream":"people","data":"trillian"}}\n',
    b'{"type":"RECORD","record":{"stream":"people","data":{"who":"trillian","n":NaN,"name":"E"}}}\n',
    b'{"type":"RECORD","record":{"stream":"people","data":{"who":"zaphod\\ud800","name":"E"}}}\n',
    b'{"type":"LOG","log":{"level":"INFO","message":"zaphod"}}\n',
    b'{"type":"zaphod"}\n',
]


def assert_silent(outcome: Outcome) -> None:
    """Looks for every value in everything but the echoed states."""
    shown = [line for line in outcome.stdout.split(b"\n") if b'"STATE"' not in line]
    text = b"\n".join([*shown, outcome.stderr]).decode().lower()
    assert [value for value in VALUES if value in text] == [], text


def everything(connector: Connector) -> list[bytes]:
    """Good, bad and broken lines."""
    return [*map(connector.record, RECORDS), *BROKEN, connector.state(1)]


@every_api
def test_refused_and_rejected(connector: Connector) -> None:
    """A service quotes the values that it refuses, and the connector does not pass them on."""
    poison = ("venom", "toxin", "zaphod beeblebrox", "zaphod@magrathea.example")
    with connector.running(quote_values=True, poison=poison) as local:
        fields = {"api__timestamp_column": "at"} if connector.api in EVENTS else {}
        config = connector.config(local.url, requests_in_flight=1, **fields)
        outcome = connector.write_here(config, everything(connector))
        assert any(entry["status"] == 400 for entry in local.requests())
    assert outcome.code == 0
    assert sum(outcome.ledger["rejected_by_reason"].values()) >= 5
    assert_silent(outcome)


@both
def test_a_process_with_debug_logs(connector: Connector) -> None:
    """LOG_LEVEL=DEBUG shows no more values, nor do the HTTP library's loggers."""
    poison = ("venom", "toxin")
    with connector.running(quote_values=True, poison=poison, fail_rate=0.3, seed=1) as local:
        config = connector.config(local.url)
        outcome = connector.write(config, everything(connector), log_level="DEBUG").succeeded()
    assert_silent(outcome)


@both
@pytest.mark.parametrize(
    "words",
    [
        "{item}",
        "Invalid user {values}",
        "app_id {secret} has no environment",
        "no such key: {secret}",
        "key_{secret}_",
        "value=4815162342;",
        "bad: 'zaphod@magrathea.example' \"trillian\" `vogsphere`",
        '{"error": "no such user zaphod@magrathea.example"}',
        '{"message": {"identity": "zaphod@magrathea.example"}}',
        '{"errors": [{"value": "trillian"}]}',
    ],
)
def test_everything_refused(connector: Connector, serve: Serve, words: str) -> None:
    """The error that ends the sync carries the service's words without what they quote."""
    events, _, _ = EVENTS[connector.api]

    def script(_: int, body: bytes) -> tuple[int, dict[str, str], bytes]:
        item = json.loads(body)[events][0]
        who = item["identity"] if connector.service == "heap" else item["userId"]
        values = ", ".join(map(str, [*item["properties"].values(), who]))
        text = words.replace("{item}", body.decode()).replace("{values}", values.upper())
        text = text.replace("{secret}", APP_ID if connector.service == "heap" else SDK_KEY.upper())
        return 400, {}, text.encode()

    config = connector.config(serve(script), api__timestamp_column="at")
    outcome = connector.write_here(config, everything(connector))
    assert outcome.error["failure_type"] == "config_error"
    assert_silent(outcome)


@both
def test_respelled_values(connector: Connector, serve: Serve, tmp_path: Path) -> None:
    """A service spells values in its own way: logs show none, the file has its whole answer."""
    spellings: list[Callable[[str], str]] = [
        lambda text: quote(text, ""),
        lambda text: html.escape(text.title()),
        lambda text: "".join(f"\\x{byte:02x}" for byte in text.encode()),
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: unicodedata.normalize("NFD", text),
        lambda text: text[:5],
        lambda text: "`" + text[::-1],
    ]
    events, _, _ = EVENTS[connector.api]
    said: list[str] = []

    def script(_: int, body: bytes) -> tuple[int, dict[str, str], bytes]:
        items = json.loads(body)[events]
        number = items[0]["properties"]["n"]
        if number == len(spellings):
            return 200, {}, b"{}"
        who = items[0]["identity" if connector.service == "heap" else "userId"]
        said.append(f"the {spellings[number](who)} is invalid")
        return 400, {}, json.dumps({"error": said[-1]}).encode()

    config = connector.config(
        serve(script),
        requests_in_flight=1,
        object_storage_config={"storage_type": "Local", "path": str(tmp_path)},
    )
    lines = [
        connector.record({"name": "E", "who": "zoë beeblebrøx@magrathea.example", "n": n})
        for n in range(len(spellings) + 1)
    ]
    outcome = connector.write_here(config, lines)
    assert_silent(outcome)
    reason = f"refused by {connector.service.title()}: the … is invalid"
    assert outcome.ledger["rejected_by_reason"] == {reason: len(spellings)}
    (file,) = tmp_path.rglob("*.jsonl")
    for line in file.read_bytes().splitlines():
        record = json.loads(line)["record"]
        answer = json.loads(record["meta"]["rejection_answer"])["error"]
        spelled = spellings[record["data"]["n"]](record["data"]["who"])
        assert answer == f"the {spelled} is invalid"


@both
def test_other_ends(connector: Connector, serve: Serve) -> None:
    """Wrong address, Heap away, records of the wrong stream, a state that is none."""
    web_page = serve(lambda _, body: (404, {}, b"<html>" + body))
    echo = serve(lambda _, body: (302, {"Location": "/zaphod?" + body.decode()[:100]}, body))
    for url in (web_page, echo):
        outcome = connector.write_here(connector.config(url), everything(connector))
        assert outcome.code != 0
        assert_silent(outcome)
    with connector.running() as local:
        lines = [connector.record(RECORDS[0]), connector.record(RECORDS[1], stream="zaphod")]
        odd = {"type": "STATE", "state": {"type": "zaphod", "x": ["trillian"]}}
        lines.append(json.dumps(odd).encode() + b"\n")
        outcome = connector.write_here(connector.config(local.url), lines).succeeded()
        assert_silent(outcome)
        for kind in (b'["zaphod"]', b'{"trillian": 1}', b"null", b"4815162342"):
            line = b'{"type":%b,"record":{"data":{"who":"zaphod"}}}\n' % kind
            outcome = connector.write_here(connector.config(local.url), [line])
            assert outcome.code != 0
            assert_silent(outcome)


def test_configuration_faults(connector: Connector) -> None:
    """A value of the configuration is not repeated where it may be a secret."""
    config = {"app_id": "zaphod", "base_url": "https://u:trillian@magrathea.example", "api": {}}
    outcome = connector.run_here("check", "--config", connector.file(config))
    assert outcome.code == 0
    assert_silent(outcome)
