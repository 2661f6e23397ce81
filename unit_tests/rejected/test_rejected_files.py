"""Rejected records gather, and are saved when it is time; folders keep what they are given."""

import errno
import json
import os
import stat
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulk_destination.errors import ConfigurationError, ObjectStorageError
from bulk_destination.rejected import rejected_files
from bulk_destination.rejected.local_storage import LocalFolder
from bulk_destination.rejected.rejected_files import RejectedFiles

ROOT = Path(__file__).parents[2]
LAW = settings(derandomize=True, max_examples=80, deadline=None)


class Shelf:
    """A storage in memory that fails when told to."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.broken = False

    def put(self, name: str, content: bytes | BinaryIO) -> None:
        if self.broken:
            raise ObjectStorageError("the disk is full")
        assert name not in self.files
        self.files[name] = content if isinstance(content, bytes) else content.read()

    def prove(self) -> None:
        raise NotImplementedError

    @property
    def numbers(self) -> list[list[int]]:
        """The records in each file."""
        return [
            [json.loads(line)["record"]["data"]["n"] for line in content.splitlines()]
            for content in self.files.values()
        ]


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def line(number: int, size: int = 0) -> bytes:
    """A RECORD line."""
    record = {"stream": "s", "data": {"n": number, "pad": "x" * size}}
    return json.dumps({"type": "RECORD", "record": record}).encode()


def made() -> tuple[RejectedFiles, Shelf, Clock]:
    """Files on an empty shelf."""
    shelf, clock = Shelf(), Clock()
    return RejectedFiles(shelf, "7/people", clock, lambda: 1.7e9 + clock()), shelf, clock


def test_the_first_waits_ten_seconds_for_others() -> None:
    """One file for what comes within them."""
    files, shelf, clock = made()
    assert files.next_due() is None
    files.reject(5, line(5), "why")
    clock.seconds += 4
    files.reject(3, line(3), "why")
    assert files.next_due() == 6.0
    files.save_due()
    assert shelf.files == {}
    assert files.first_unsaved == 3
    clock.seconds += 6
    assert files.next_due() == 0.0
    files.save_due()
    assert shelf.numbers == [[3, 5]]
    assert list(shelf.files) == ["7/people/2023_11_14_1700000110000000000_0.jsonl"]
    assert files.next_due() is None
    assert (files.saved, files.files) == (2, 1)
    files.save()
    assert len(shelf.files) == 1, "no empty file"


def test_a_full_file_does_not_wait() -> None:
    """Bounded memory: so many bytes are saved at once."""
    files, shelf, _ = made()
    for number in range(1, 9):
        files.reject(number, line(number, rejected_files.MAX_UNSAVED_BYTES // 6), "why")
        rejected_files.save_fullest([files])
    assert shelf.numbers == [[1, 2, 3, 4, 5, 6]]
    assert files.first_unsaved == 7


def test_all_streams_share_what_may_wait() -> None:
    """Memory is the same for any number of streams; the fullest is saved, the others wait on."""
    made_files = [made() for _ in range(40)]
    all_files = [files for files, _, _ in made_files]
    for number in range(1, 1_001):
        files = all_files[number % 3 or number % 40]
        files.reject(number, line(number, rejected_files.MAX_UNSAVED_BYTES // 100), "why")
        rejected_files.save_fullest(all_files)
        waiting = sum(each.unsaved_bytes for each in all_files)
        assert waiting < rejected_files.MAX_UNSAVED_BYTES
    # No file is a scrap: each is the fullest of 40 that fill the limit together.
    least = min(len(numbers) for _, shelf, _ in made_files for numbers in shelf.numbers)
    assert least > 100 // 40


def test_lines_on_their_way_take_room() -> None:
    """What is kept for records that are not settled slows the source, until they are."""
    files, shelf, _ = made()
    numbers = range(1, 18)
    for number in numbers:
        assert (files.kept_bytes < rejected_files.MAX_KEPT_BYTES) is (number < 17)
        files.keep(number, line(number, rejected_files.MAX_KEPT_BYTES // 16))
    assert files.kept_bytes >= rejected_files.MAX_KEPT_BYTES
    assert [len(files.settled(number)) for number in numbers] > [1_000_000] * 17
    assert files.kept_bytes == 0
    assert shelf.files == {}


def test_a_failure_leaves_everything_unsaved() -> None:
    """No state may pass what could not be written."""
    files, shelf, _ = made()
    files.reject(2, line(2), "why")
    shelf.broken = True
    with pytest.raises(ObjectStorageError):
        files.save()
    assert (files.failed, files.first_unsaved, files.saved, files.files) == (True, 2, 0, 0)


@given(st.lists(st.tuples(st.integers(1, 60), st.sampled_from(["", "wait", "save"])), max_size=60))
@LAW
def test_what_stands_before_the_first_unsaved_is_saved(steps: list[tuple[int, str]]) -> None:
    """In any order of rejections: each is in one file, in order, or not before `first_unsaved`."""
    files, shelf, clock = made()
    rejected: set[int] = set()
    for number, then in steps:
        if number not in rejected:
            files.reject(number, line(number), "why")
            rejected.add(number)
        clock.seconds += 11 if then == "wait" else 1
        files.save() if then == "save" else files.save_due()
        saved = [number for numbers in shelf.numbers for number in numbers]
        assert len(saved) == len(set(saved)) == files.saved
        unsaved = rejected - set(saved)
        assert files.first_unsaved == min(unsaved, default=None)
    assert all(numbers == sorted(numbers) for numbers in shelf.numbers)
    assert files.rejected == len(rejected)


def test_a_folder_keeps_a_file(tmp_path: Path) -> None:
    """Whole, below the folder, readable by its owner alone; nothing else is left."""
    LocalFolder(tmp_path).put("7/crm/people/x.jsonl", b"a\nb\n")
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert file == tmp_path / "7" / "crm" / "people" / "x.jsonl"
    assert file.read_bytes() == b"a\nb\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    """Missing, or a file: the user's to mend before a sync, and no new folder is made."""
    file = tmp_path / "file"
    file.touch()
    for root in (tmp_path / "missing", file):
        with pytest.raises(ConfigurationError, match=r"object_storage_config\.path"):
            LocalFolder(root).prove()
        with pytest.raises(ObjectStorageError):
            LocalFolder(root).put("7/people/x.jsonl", b"a\n")
    assert not (tmp_path / "missing").exists()
    LocalFolder(tmp_path).prove()
    assert list(tmp_path.iterdir()) == [file]


_PROVED_AND_PUT = """
import os, sys
from pathlib import Path
from bulk_destination.errors import SyncError
from bulk_destination.rejected.local_storage import LocalFolder

if not os.getuid():  # no mode binds root
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
folder = LocalFolder(Path(sys.argv[1]))
for ask in (folder.prove, lambda: folder.put("7/people/x.jsonl", b"{}")):
    try:
        ask()
        print("yes")
    except SyncError:
        print("no")
"""


@pytest.mark.parametrize("mode", [0o000, 0o100, 0o200, 0o300, 0o400, 0o500, 0o600, 0o700], ids=oct)
def test_what_is_proved_can_be_put(mode: int) -> None:
    """For whoever is not root: a folder that may be written and not be read is not usable."""
    # Below a folder that every user may enter, unlike pytest's.
    with tempfile.TemporaryDirectory() as above:
        folder = Path(above, "rejected")
        folder.mkdir()
        if not os.getuid():
            for path in (Path(above), folder):
                os.chown(path, 65534, 65534)
        folder.chmod(mode)
        command = [sys.executable, "-c", _PROVED_AND_PUT, str(folder)]
        asked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        folder.chmod(0o700)
        left = {path.name for path in folder.iterdir()}
    assert asked.stdout.split() == ["yes" if mode == 0o700 else "no"] * 2
    assert left <= {"7"}, "of the proof"


class _HalfReadable(BytesIO):
    """Gives its first bytes, and then the disk fails."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell():
            raise OSError(errno.EIO, "Input/output error")
        return super().read(3)


def test_half_a_file_is_no_file(tmp_path: Path) -> None:
    """A disk that fails while it is written leaves nothing behind."""
    with pytest.raises(ObjectStorageError) as raised:
        LocalFolder(tmp_path).put("7/people/x.jsonl", _HalfReadable(b"secret\n"))
    assert "secret" not in str(raised.value)
    assert list((tmp_path / "7" / "people").iterdir()) == []


def test_a_file_is_never_replaced(tmp_path: Path) -> None:
    """A clock that stands still gives one name twice: the second file gets another."""
    folder = LocalFolder(tmp_path)
    for content in (b"1\n", b"2\n", b"3\n"):
        folder.put("7/people/a_0.jsonl", content)
    held = {file.name: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert held == {"a_0.jsonl": b"1\n", "a_0_1.jsonl": b"2\n", "a_0_2.jsonl": b"3\n"}
