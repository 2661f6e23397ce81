"""The commands and configurations of the README and of the pages behind it do what they say."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sandbox.hackle
from destination_heap_analytics.config import HeapConfig
from integration_tests.docs.markdown import ROOT, Text
from sandbox.heap import running

README, TRY_IT, FAILURES = map(Text.of, ("README.md", "docs/try-it.md", "docs/failures.md"))
BY_HAND = [line for line in TRY_IT.below("A local Heap").commands if not line.startswith("make ")]
HACKLE_BY_HAND = [
    line for line in TRY_IT.below("A local Hackle").commands if not line.startswith("make ")
]
#: Where `make sandbox` and `make sandbox-hackle` listen.
HEAP, HACKLE = "http://127.0.0.1:8087", "http://127.0.0.1:8088"
MY_OWN = TRY_IT.below("Your own three records").commands
(REPLAY,) = FAILURES.below("Send them again").commands
EXAMPLES = [*README.blocks("json"), *FAILURES.blocks("json")]
#: What is shown but for `make`, which the tests do not call, and Docker's, which
#: `integration_tests/image` runs; test_scheduler.py has its own page.
ONE_TEST = [line for line in Text.of("CONTRIBUTING.md").commands if not line.startswith("make ")]
STREAMS = Text.of("docs/streams.md")
RUN = [*BY_HAND, *MY_OWN, *HACKLE_BY_HAND, REPLAY, *ONE_TEST, *STREAMS.commands]
PAGES = [
    *(page.name for page in sorted(ROOT.glob("*.md"))),
    *(f"docs/{page.name}" for page in sorted((ROOT / "docs").glob("*.md"))),
]


def samples(folder: Path, address: str, url: str) -> None:
    """The sample files in a folder, for another address than that of `make sandbox`."""
    shutil.copytree(ROOT / "sample_files", folder / "sample_files")
    for path in (folder / "sample_files").rglob("*.json"):
        path.write_text(path.read_text().replace(address, url))


def run(shown: str, folder: Path) -> str:
    """What a command as it is shown says on stdout, run with this Python in a folder."""
    command = shown.replace(".venv/bin", str(Path(sys.executable).parent))
    done = subprocess.run(
        command.replace("main.py", str(ROOT / "main.py")),
        shell=True,
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    # The preview says by its code that some of the samples are rejected.
    assert done.returncode == (3 if " preview " in shown else 0), done.stderr
    return done.stdout


def test_by_hand(tmp_path: Path) -> None:
    """What is shown works in that order, against a local Heap."""
    with running() as heap:
        samples(tmp_path, HEAP, heap.url)
        outputs = [run(shown.replace(HEAP, heap.url), tmp_path) for shown in BY_HAND]
        spec, check, preview, write, events = outputs
        assert json.loads(spec)["type"] == "SPEC"
        assert json.loads(check)["connectionStatus"]["status"] == "SUCCEEDED"
        assert "Ledger" in write.splitlines()[-1]
        assert len(json.loads(events)["events"]) == 2
        assert "1 identity_missing (record 331)" in preview


def test_my_own_records(tmp_path: Path) -> None:
    """Rows, records and catalog as they are shown: two would be sent, a guest would not."""
    shutil.copytree(ROOT / "sample_files", tmp_path / "sample_files")
    section = TRY_IT.below("Your own three records")
    (rows,) = section.blocks("csv")
    records, catalog = section.blocks("json")
    (tmp_path / "my_orders.csv").write_text(rows)
    (tmp_path / "my_orders.jsonl").write_text(records)
    (tmp_path / "my_catalog.json").write_text(catalog)
    of_rows, of_messages = (run(shown, tmp_path) for shown in MY_OWN)
    for preview in (of_rows, of_messages):
        assert re.search(r"would be sent\W+2\b", preview), preview
        assert "1 identity_of_no_single_person (record 3)" in preview
        assert 'identity_column: `user_id` held "guest"' in preview


def test_several_streams(tmp_path: Path) -> None:
    """The configuration that is shown is the sample's; its commands load all three streams."""
    (shown,) = STREAMS.below("By API, Terraform or a file").blocks("json")
    assert json.loads(shown) == json.loads((ROOT / "sample_files/config_shop.json").read_bytes())
    with running() as heap:
        samples(tmp_path, HEAP, heap.url)
        preview, write = (run(command, tmp_path) for command in STREAMS.commands)
        assert all(name in preview for name in ("orders", "users", "companies"))
        assert "Ledger of stream `companies`" in write
        assert (len(heap.events()), len(heap.accounts())) == (120, 12)


def test_objects_of_a_connection(tmp_path: Path) -> None:
    """The catalog and the records as they are shown, with a configuration that says no more."""
    catalog, records = STREAMS.below("Objects").blocks("json")
    with running() as heap:
        config = {"app_id": "11", "base_url": heap.url, "api": {"api_type": "by_object"}}
        (tmp_path / "config.json").write_text(json.dumps(config))
        (tmp_path / "catalog.json").write_text(catalog)
        (tmp_path / "records.jsonl").write_text(records + records)
        run(
            ".venv/bin/python main.py write --config config.json --catalog catalog.json"
            " < records.jsonl",
            tmp_path,
        )
        (event,), (user,) = heap.events(), heap.users()
    assert (event["event"], event["identity"]) == ("Order placed", "ann")
    assert event["properties"] == {"amount": 29.8}
    assert (user["identity"], user["properties"]) == ("ann", {"plan": "pro"})


def test_hackle_by_hand(tmp_path: Path) -> None:
    """So do the commands for a local Hackle; only the last one sends."""
    with sandbox.hackle.running() as hackle:
        samples(tmp_path, HACKLE, hackle.url)
        check, preview = (run(shown, tmp_path) for shown in HACKLE_BY_HAND[:2])
        assert json.loads(check)["connectionStatus"]["status"] == "SUCCEEDED"
        assert "1 user_id_missing (record 201)" in preview
        assert hackle.events() == []
        (write,) = HACKLE_BY_HAND[2:]
        assert "Ledger" in run(write, tmp_path).splitlines()[-1]
        # Four of the sample purchases are bad by themselves.
        records = (tmp_path / "sample_files/hackle/purchases.jsonl").read_text().count('"RECORD"')
        assert len(hackle.events()) == records - 4 > 0


def test_replay(tmp_path: Path) -> None:
    """Records that a wrong column had rejected land by the command shown for it."""
    with running() as heap:
        samples(tmp_path, HEAP, heap.url)
        (tmp_path / "rejected").mkdir()
        wrong = json.loads((tmp_path / "sample_files" / "config_track.json").read_text())
        wrong["api"]["identity_column"] = "shipping"
        wrong["object_storage_config"] = {"storage_type": "Local", "path": f"{tmp_path}/rejected"}
        (tmp_path / "wrong.json").write_text(json.dumps(wrong))
        write = f"{sys.executable} {ROOT}/main.py write --config"
        rest = "--catalog sample_files/configured_catalog_orders.json < sample_files/orders.jsonl"
        rejecting = subprocess.run(
            f"{write} wrong.json {rest}", shell=True, check=False, cwd=tmp_path, capture_output=True
        )
        assert rejecting.returncode == 0  # the files hold all of them
        assert heap.events() == []
        run(REPLAY, tmp_path)
        records = (tmp_path / "sample_files" / "orders.jsonl").read_text().count('"RECORD"')
        # Three of the samples are bad by themselves.
        assert len(heap.events()) == records - 3 > 0


@pytest.mark.parametrize("shown", ONE_TEST)
def test_one_test(shown: str) -> None:
    """So do those for who changes something."""
    done = subprocess.run(
        shown.replace(".venv/bin", str(Path(sys.executable).parent)).split(),
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2_000:]


def test_every_command_is_run() -> None:
    """What a page shows and no test here runs is `make`, or of a page with tests of its own."""
    for page in PAGES:
        own = {"docs/scheduler.md", "docs/image.md", "docs/python.md", "docs/studio.md"}
        if page in own:
            continue
        for command in Text.of(page).commands:
            assert not command or command.startswith("make ") or command in RUN, command


@pytest.mark.parametrize("page", PAGES)
def test_targets_exist(page: str) -> None:
    """Every `make` target that is named is in the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", Text.of(page).source, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("example", EXAMPLES)
def test_configurations(example: str) -> None:
    """Every configuration shown is accepted as it stands."""
    HeapConfig.parse(json.loads(example))


def test_the_readme_is_short() -> None:
    """At most 900 words, commands and configurations among them."""
    assert len(README.source.split()) <= 900
    assert README.commands == [line for line in README.commands if line.startswith("make ")]
    assert {line.split()[1] for line in README.commands} == {"demo", "test"}
