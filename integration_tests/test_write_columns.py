"""What may be written for a column, and what comes with it, from stdin to the local service."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from integration_tests.services import both, every_api
from integration_tests.test_preview import preview
from sandbox.heap import Sandbox as Heap

if TYPE_CHECKING:
    from integration_tests.conftest import Connector

DELETED = {"n": 0, "_ab_cdc_deleted_at": "2026-01-02T03:04:05Z"}


# -- records that are skipped --------------------------------------------------------------------


@every_api
def test_only_deleted_rows_and_a_state(connector: Connector) -> None:
    """Nothing is wrong, and the state leaves: it says how many records are behind it."""
    lines = [connector.record(DELETED), connector.record(DELETED), connector.state(1)]
    with connector.running() as local:
        outcome = connector.write_here(connector.config(local.url), lines).succeeded()
        assert connector.landed(local) == []
    assert [connector.stats(state) for state in outcome.states] == [(2.0, 0.0)]
    assert (outcome.ledger["skipped"], outcome.ledger["accepted"]) == (2, 0)
    assert outcome.ledger["skipped_by_reason"] == {"deleted_in_source": 2}
    assert "Skipped records: deleted_in_source: 2" in outcome.logs


@every_api
def test_deleted_rows_between_others(connector: Connector) -> None:
    """Skipped ones are records of the platform's sum, rejected ones are told apart."""
    good = [connector.record(connector.event(n)) for n in range(3)]
    lines = [good[0], connector.record(DELETED), connector.state(1), good[1]]
    lines += [connector.record({"n": 9}), connector.record(DELETED), good[2], connector.state(2)]
    with connector.running() as local:
        outcome = connector.write_here(connector.config(local.url), lines).succeeded()
        assert connector.landed(local) == [0, 1, 2]
    assert [connector.stats(state) for state in outcome.states] == [(2.0, 0.0), (3.0, 1.0)]
    ledger = outcome.ledger
    counts = [ledger[name] for name in ("read", "accepted", "rejected", "skipped")]
    assert counts == [6, 3, 1, 2]


@pytest.mark.parametrize(
    "connector", ["add_user_properties", "add_account_properties"], indirect=True
)
def test_updates_that_have_nothing_to_say(connector: Connector) -> None:
    """They are not sent; if all are so, a property column is misspelled, and the states stay."""
    lines = [connector.record({**connector.event(n), "plan": None}) for n in range(3)]
    lines += [connector.record(DELETED), connector.state(1)]
    with connector.running() as local:
        misspelled = connector.config(local.url, api__property_columns="pln")
        outcome = connector.write_here(misspelled, lines)
        assert outcome.error["failure_type"] == "config_error"
        assert "no_property_to_send: 3" in outcome.error["message"]
        assert "property_columns" in outcome.error["message"]
        assert outcome.states == []
        paid = connector.record({**connector.event(7), "plan": "pro"})
        right = connector.config(local.url, api__property_columns="plan")
        outcome = connector.write_here(right, [paid, *lines]).succeeded()
        assert isinstance(local, Heap)
        assert len([*local.users(), *local.accounts()]) == 1
    assert [connector.stats(state) for state in outcome.states] == [(5.0, 0.0)]
    assert outcome.ledger["skipped_by_reason"] == {"no_property_to_send": 3, "deleted_in_source": 1}


# -- seen before and after -----------------------------------------------------------------------


@both
def test_what_a_preview_shows(connector: Connector) -> None:
    """By which alternative, from when to when, twins in case, what was cut and skipped."""
    rows: list[dict[str, Any]] = [
        {"who": "ann", "at": "2026-01-02T00:00:00Z", "bio": "x" * 2_000},
        {"who": "Ann", "at": 1_767_225_600},
        {"mail": "Bob@x.com"},
        {"who": "guest", "mail": "Bob@x.com", "at": "2026-03-04"},
        DELETED,
    ]
    lines = [connector.record({"name": "Seen", **row}) for row in rows]
    who = "identity_column" if connector.api == "track" else "user_id_column"
    config = connector.config(
        "http://127.0.0.1:9",
        **{f"api__{who}": "who, lower(mail)", "api__timestamp_column": "at"},
    )
    shown = json.loads(preview(connector, lines, "--json", config=config).stdout)
    assert shown["found_by"] == {who: {"who": 2, "lower(mail)": 2}}
    assert shown["times"] == {"first": "2026-01-01T00:00:00Z", "last": "2026-03-04T00:00:00Z"}
    assert shown["without_a_time"] == 1
    assert shown["identities_that_differ_only_in_case"] == 1
    assert shown["cut"] == {"bio": 1}
    assert shown["skipped_by_reason"] == {"deleted_in_source": 1}
    assert shown["property_names"] == len(shown["properties"]) == 5
    assert any("No key of these events is known" in words for words in shown["warnings"])
    table = preview(connector, lines, config=config).stdout
    for words in ("was `lower(mail)`", "time ", "texts cut: bio", "Properties (5 names)"):
        assert words in table
    full = preview(connector, lines, "--full", config=config).stdout
    for words in ("was `lower(mail)`", "first time", "texts cut: bio", "property names"):
        assert words in full


@both
def test_what_is_told_before_anything_is_sent(connector: Connector) -> None:
    """That no key is known; and that nothing goes, where the sync is to replace what was there."""
    lines = [connector.record(connector.event(1))]
    with connector.running() as local:
        config = connector.config(local.url)
        told = connector.write_here(config, lines).succeeded().logs
        assert "No key of these events is known" in told
        assert told.index("No key of these") < told.index("Ledger")
        keyed = connector.catalog(key=[["n"]])
        assert "No key" not in connector.write_here(config, lines, keyed).succeeded().logs
        for mode, generations in (
            ("overwrite", {}),
            ("append", {"generation_id": 4, "minimum_generation_id": 4}),
        ):
            catalog = connector.catalog(key=[["n"]], mode=mode)
            catalog["streams"][0] |= generations
            told = connector.write_here(config, lines, catalog).succeeded().logs
            assert "can delete nothing: all that it has stays" in told


def test_what_is_told_at_the_end(connector: Connector) -> None:
    """Names without end, with a way out; another spelling of `email`; what was cut."""
    items = [{f"f{n}": n for n in range(10)} for _ in range(400)]
    row = {**connector.event(1), "items": items, "Email": "a@x.com", "bio": "x" * 2_000}
    with connector.running() as local:
        users = connector.config(local.url, "add_user_properties")
        told = connector.write_here(users, [connector.record(row)]).succeeded().logs
        assert "There are at least 4,005 names of properties, 4,000 of them below `items`" in told
        assert "write `* except (items)`" in told
        assert "json(items)" not in told, "it would not fit"
        assert "`Email` is another property than Heap's own `email`" in told
        assert "Texts were cut to what fits a property: `bio` (1)" in told
        small = {**connector.event(1), "items": {f"f{n:03}": 1 for n in range(300)}}
        small["items"] = [dict.fromkeys((f"{n}" for n in range(99)), 1) for _ in range(3)]
        told = connector.write_here(users, [connector.record(small)]).succeeded().logs
        assert "There are at least 300 names of properties, 297 of them below `items`" in told


# -- faults that were seen -----------------------------------------------------------------------

ORDERS = [
    {"who": "ann", "name": "Paid", "day": "2026-01-02", "amount": 20, "n": n} for n in range(3)
]


@both
@pytest.mark.parametrize("key", [None, [["n"]]], ids=["no key", "a key"])
def test_orders_that_only_look_alike(connector: Connector, key: list[list[str]] | None) -> None:
    """One customer, one day, one amount: three events, and three again when they are read again."""
    lines = [connector.record(order) for order in ORDERS]
    with connector.running() as local:
        config = connector.config(
            local.url, api__property_columns="amount", api__timestamp_column="day"
        )
        for _ in range(2):
            connector.write_here(config, lines, connector.catalog(key=key)).succeeded()
        assert len({_key_of(event) for event in local.events()}) == 3


def _key_of(event: dict[str, Any]) -> str:
    key: str = event["insert_id"] if "insert_id" in event else event["idempotency_key"]
    return key


@both
def test_a_row_is_read_again(connector: Connector) -> None:
    """With its key's parts in another order, and other numbers of its source's own."""
    row = {**connector.event(1), "b": 2}
    book = ("_ab_cdc_lsn", "_ab_source_file_last_modified", "_airbyte_extracted_at")
    with connector.running() as local:
        config = connector.config(local.url)
        for number, key in enumerate(([["n"], ["b"]], [["b"], ["n"]])):
            lines = [connector.record({**row, **dict.fromkeys(book, f"{number}")})]
            for mode in ("append", "append_dedup"):
                catalog = connector.catalog(key=key, mode=mode)
                connector.write_here(config, lines, catalog).succeeded()
        # One by its key alone, and one by its key and all that is sent.
        assert len({_key_of(event) for event in local.events()}) == 2
        for event in local.events():
            assert not [name for name in event["properties"] if name.startswith("_")]


@both
def test_one_table_under_two_names(connector: Connector) -> None:
    """Deduplicating: two events a row."""
    lines = [connector.record(connector.event(1))]
    field = "event_column" if connector.api == "track" else "event_key_column"
    with connector.running() as local:
        for name in ("'Order placed'", "'Order shipped'"):
            config = connector.config(local.url, **{f"api__{field}": name})
            catalog = connector.catalog(key=[["n"]], mode="append_dedup")
            connector.write_here(config, lines, catalog).succeeded()
        assert len(local.events()) == 2


def test_blanks_at_the_ends_of_an_identity(connector: Connector) -> None:
    """Two spellings of one user are one; of one account they are two, as written."""
    rows = [{"who": who, "n": 1} for who in (" ann@x.com ", "ann@x.com")]
    for api, count in (("add_user_properties", 1), ("add_account_properties", 2)):
        with connector.running() as local:
            config = connector.config(local.url, api)
            connector.write_here(config, map(connector.record, rows)).succeeded()
            assert isinstance(local, Heap)
            assert len([*local.users(), *local.accounts()]) == count


@both
def test_headers_of_a_spreadsheet(connector: Connector) -> None:
    """Each can be named; what nobody sees is spelled out, and may be written so."""
    row = {"Company ": "a", "Amount, EUR": 1, "Same as billing?": True, "\ufeffemail": "ann@x.com"}
    schema = {"type": "object", "properties": {name: {} for name in [*row, "name"]}}
    who = "identity_column" if connector.api == "track" else "user_id_column"
    columns = 'Company, "Amount, EUR", Same as billing?'
    with connector.running() as local:
        catalog = connector.catalog(schema, key=[["name"]])
        lines = [connector.record({**row, "name": "Seen"})]
        config = connector.config(
            local.url, **{f"api__{who}": "email", "api__property_columns": columns}
        )
        refused = connector.write_here(config, lines, catalog)
        assert "did you mean `\\ufeffemail`?" in refused.error["message"]
        config = connector.config(
            local.url, **{f"api__{who}": "\\ufeffemail", "api__property_columns": columns}
        )
        connector.write_here(config, lines, catalog).succeeded()
        (event,) = local.events()
        assert event["properties"] == {
            **{"Company": "a", "Amount, EUR": 1},
            **{"Same as billing?": True},
        }


@both
def test_names_of_a_query(connector: Connector) -> None:
    """A column that the stream has is that column, also where it reads like something else."""
    row = {"lower(email)": "ann@x.com", "'kind'": "Seen", "json(": 1}
    schema = {"type": "object", "properties": {name: {} for name in row}}
    who = "identity_column" if connector.api == "track" else "user_id_column"
    what = "event_column" if connector.api == "track" else "event_key_column"
    with connector.running() as local:
        config = connector.config(
            local.url,
            **{
                f"api__{who}": "lower(email)",
                f"api__{what}": "'kind'",
                "api__property_columns": "lower(email), json(, 'kind'",
            },
        )
        lines = [connector.record(row)]
        connector.write_here(config, lines, connector.catalog(schema)).succeeded()
        (event,) = local.events()
        assert event["properties"] == row
        other = connector.catalog({"type": "object", "properties": {"email": {}}})
        refused = connector.write_here(config, lines, other).error["message"]
        assert "`json(` has no `)`" in refused
        assert 'a column called so is written `"lower(email)"`' not in refused


@both
def test_a_byte_order_mark_before_the_first_line(connector: Connector) -> None:
    """The first message counts."""
    lines = [b"\xef\xbb\xbf" + connector.record(connector.event(0)), connector.state(1)]
    with connector.running() as local:
        outcome = connector.write_here(connector.config(local.url), lines).succeeded()
        assert connector.landed(local) == [0]
    assert outcome.ledger["read"] == 1


@both
def test_what_a_schema_says_of_the_columns(connector: Connector) -> None:
    """Closed, it binds `*`; a column that stands only in a `oneOf` is found."""
    schema = {
        "type": "object",
        "additionalProperties": False,
        "oneOf": [{"properties": {"who": {}, "n": {}}}, {"properties": {"name": {}}}],
    }
    with connector.running() as local:
        lines = [connector.record({**connector.event(0), "ssn": "123-45"})]
        catalog = connector.catalog(schema, key=[["n"]])
        outcome = connector.write_here(connector.config(local.url), lines, catalog).succeeded()
        (event,) = local.events()
        assert "ssn" not in event["properties"]
    assert "these were not sent: `ssn`" in outcome.logs


# -- names that nothing has ----------------------------------------------------------------------


@both
def test_a_fixed_name_in_double_quotes(connector: Connector) -> None:
    """Sync and preview say how it is written; the state stays."""
    field = "api__event_column" if connector.service == "heap" else "event_key_column"
    lines = [connector.record(connector.event(n)) for n in range(3)]
    words = "for a fixed name write 'Order placed' in single quotes."
    with connector.running() as local:
        config = connector.config(local.url, **{field: '"Order placed"'})
        outcome = connector.write_here(config, [*lines, connector.state(1)])
        assert connector.landed(local) == []
    assert words in outcome.error["message"]
    assert outcome.states == []
    shown = preview(connector, lines, "--json", config=config)
    assert words in json.loads(shown.stdout)["would_fail"]


@both
def test_an_event_id_that_no_record_has(connector: Connector) -> None:
    """It is misspelled, so the state stays."""
    field = "api__event_id_column" if connector.service == "heap" else "event_id_column"
    lines = [connector.record(connector.event(1) | {"order": 7}), connector.state(1)]
    with connector.running() as local:
        config = connector.config(local.url, **{field: "ordr"})
        outcome = connector.write_here(config, lines)
    assert "`ordr` was in no record; did you mean `order`?" in outcome.error["message"]
    assert outcome.states == []


@both
def test_a_file_without_messages(connector: Connector) -> None:
    """A table, say: no column is blamed, and nothing of it is shown."""
    lines = [b"name,who\n", b"Signed Up,ann@example.com\n"]
    words = "stdin holds no Airbyte records (one JSON message a line, as a source prints them); the"
    with connector.running() as local:
        outcome = connector.write_here(connector.config(local.url), lines)
    assert words in outcome.error["message"]
    assert "the first line that it holds instead is no JSON" in outcome.error["message"]
    assert not any(text in outcome.logs + outcome.error["message"] for text in ("ann@", "name,"))
    shown = preview(connector, lines, "--json")
    assert "stdin holds no Airbyte messages; the first line begins `name,who`" in shown.stderr
    assert (shown.returncode, shown.stdout) == (1, "")


# -- times that name no zone ---------------------------------------------------------------------


@both
@pytest.mark.parametrize("zone", [None, "", "UTC", "Europe/Riga"])
def test_times_without_a_zone(connector: Connector, zone: str | None) -> None:
    """How many were read as UTC is said once, by sync, dry run and preview, if nobody chose it."""
    prefix = "api__" if connector.service == "heap" else ""
    at = [
        "2026-01-02 03:04",
        "20260102",
        "2026-01-02T05:04:05+02:00",
        1767323046,
        "1970-01-01",
        "x",
    ]
    lines = [
        connector.record(connector.event(n) | {"placed_at": each}) for n, each in enumerate(at)
    ]
    fields = {f"{prefix}timestamp_column": "placed_at", f"{prefix}time_zone": zone}
    words = "`placed_at` names no zone in 2 records; read as UTC (time_zone)"
    with connector.running() as local:
        config = connector.config(local.url, **fields)
        outcome = connector.write_here(config, lines).succeeded()
        assert connector.landed(local) == [0, 1, 2, 3]
        dry = connector.write_here({**config, "dry_run": True}, lines)
        found = json.loads(preview(connector, lines, "--json", config=config).stdout)
    times = 0 if zone else 1
    assert outcome.logs.count(words) == times
    assert dry.logs.count(f"Look at this: {words}") == times
    assert found["warnings"].count(words) == times


@both
def test_a_fixed_time_without_a_zone(connector: Connector) -> None:
    """It is one of each record, and of no other."""
    field = "api__timestamp_column" if connector.service == "heap" else "timestamp_column"
    lines = [connector.record(connector.event(n)) for n in range(3)]
    with connector.running() as local:
        config = connector.config(local.url, **{field: "'2026-01-02'"})
        outcome = connector.write_here(config, lines).succeeded()
    assert "`'2026-01-02'` names no zone in 3 records" in outcome.logs
