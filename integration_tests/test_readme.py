"""The README's commands and configurations do what it says."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hackle_sandbox
from destination_heap_analytics.config import HeapConfig
from heap_sandbox import running

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.replace("\\\n", " ").splitlines()
]
BY_HAND = [line for line in COMMANDS if line.startswith((".venv/bin/python", "curl"))]
REPLAY = next(line for line in COMMANDS if line.startswith("cat rejected/"))
EXAMPLES = re.findall(r"```json\n(.*?)```", README, re.DOTALL)


def test_by_hand(tmp_path: Path) -> None:
    """What is shown under "Try it by hand" works in that order, against a local Heap."""
    with running() as heap:
        port = heap.url.rpartition(":")[2]
        shutil.copytree(ROOT / "sample_files", tmp_path / "sample_files")
        for path in (tmp_path / "sample_files").glob("*.json"):
            path.write_text(path.read_text().replace("8087", port))
        outputs = []
        for shown in BY_HAND:
            command = (
                shown.replace(".venv/bin/python", sys.executable)
                .replace("main.py", str(ROOT / "main.py"))
                .replace("8087", port)
            )
            done = subprocess.run(
                command,
                shell=True,
                check=False,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=60,
            )
            # The preview says by its code that some of the sample users are rejected.
            assert done.returncode == (3 if " preview " in shown else 0), done.stderr
            outputs.append(done.stdout)
        spec, check, write, events, preview = outputs
        assert json.loads(spec)["type"] == "SPEC"
        assert json.loads(check)["connectionStatus"]["status"] == "SUCCEEDED"
        assert "Ledger" in write.splitlines()[-1]
        assert len(json.loads(events)["events"]) == 2
        assert "rejected: identity_missing" in preview


def test_hackle_by_hand(tmp_path: Path) -> None:
    """So do the commands under "Hackle", against a local Hackle."""
    commands = [line for line in COMMANDS if line.startswith(".venv/bin/destination-hackle")]
    with hackle_sandbox.running() as hackle:
        shutil.copytree(ROOT / "sample_files", tmp_path / "sample_files")
        config = tmp_path / "sample_files/hackle/config.json"
        config.write_text(config.read_text().replace("http://127.0.0.1:8088", hackle.url))
        outputs = {}
        for shown in commands:
            done = subprocess.run(
                shown.replace(".venv/bin", str(Path(sys.executable).parent)),
                shell=True,
                check=False,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=60,
            )
            verb = shown.split()[1]
            assert done.returncode == (3 if verb == "preview" else 0), done.stderr
            outputs[verb] = done.stdout
            if verb != "write":
                assert hackle.events() == []
        assert json.loads(outputs["check"])["connectionStatus"]["status"] == "SUCCEEDED"
        assert "rejected: user_id_missing" in outputs["preview"]
        assert "Ledger" in outputs["write"].splitlines()[-1]
        # Four of the sample purchases are bad by themselves.
        records = (tmp_path / "sample_files/hackle/purchases.jsonl").read_text().count('"RECORD"')
        assert len(hackle.events()) == records - 4 > 0


def test_replay(tmp_path: Path) -> None:
    """Records that a wrong column had rejected land by the command shown for it."""
    with running() as heap:
        port = heap.url.rpartition(":")[2]
        shutil.copytree(ROOT / "sample_files", tmp_path / "sample_files")
        for path in (tmp_path / "sample_files").glob("*.json"):
            path.write_text(path.read_text().replace("8087", port))
        (tmp_path / "rejected").mkdir()
        wrong = json.loads((tmp_path / "sample_files" / "config_track.json").read_text())
        wrong["api"]["identity_column"] = "blocked"
        wrong["object_storage_config"] = {"storage_type": "Local", "path": f"{tmp_path}/rejected"}
        (tmp_path / "wrong.json").write_text(json.dumps(wrong))
        write = f"{sys.executable} {ROOT}/main.py write --config"
        rest = "--catalog sample_files/configured_catalog.json < sample_files/users.jsonl"
        rejecting = subprocess.run(
            f"{write} wrong.json {rest}", shell=True, check=False, cwd=tmp_path, capture_output=True
        )
        assert rejecting.returncode == 1
        assert heap.events() == []
        shown = REPLAY.replace(".venv/bin/python", sys.executable)
        subprocess.run(
            shown.replace("main.py", str(ROOT / "main.py")), shell=True, check=True, cwd=tmp_path
        )
        records = (tmp_path / "sample_files" / "users.jsonl").read_text().count('"RECORD"')
        # Three of the samples are bad by themselves.
        assert len(heap.events()) == records - 3 > 0


def test_targets_exist() -> None:
    """Every `make` target that the README names is in the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))
    assert named >= {"demo", "test", "sandbox"}
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("example", EXAMPLES)
def test_configurations(example: str) -> None:
    """Every configuration shown is accepted as it stands."""
    HeapConfig.parse(json.loads(example))
