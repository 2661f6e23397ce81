"""Rejected records as files below a folder of this machine."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import BinaryIO

from bulk_destination.errors import ConfigurationError, Fault, ObjectStorageError


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """An `ObjectStorage` below `root`, which must be there: a missing mount is no new folder.

    Only the connector's own user may read the files, for they hold personal data.
    """

    root: Path

    def put(self, name: str, content: bytes | BinaryIO) -> None:
        """As `ObjectStorage.put`; on the disk, and not only in its cache."""
        try:
            _keep(self.root, name, content)
        except OSError as error:
            raise ObjectStorageError(
                f"a file could not be written below {self.root}: {error.strerror}"
            ) from None

    def prove(self) -> None:
        """As `ObjectStorage.prove`, by all that `put` does: a folder may be half usable."""
        try:
            with tempfile.TemporaryDirectory(dir=self.root, prefix=".airbyte_") as folder:
                _keep(self.root, f"{Path(folder).name}/0/stream/check.jsonl", b"{}\n")
        except OSError as error:
            fault = (
                f"no file can be kept in this folder: {error.strerror}. It must be there (in a "
                "container: mounted), and the connector's user must be allowed to read it and to "
                "write in it"
            )
            raise ConfigurationError([Fault("object_storage_config.path", fault)]) from None


def _keep(root: Path, name: str, content: bytes | BinaryIO) -> None:
    path = root / name
    # It gets its name once it is whole: the folder may be replayed at any moment.
    unfinished = path.with_name(f".{path.name}.unfinished")
    *below, top = path.parents[: len(path.relative_to(root).parts)]
    for folder in reversed(below):
        folder.mkdir(exist_ok=True)
    try:
        _write(unfinished, content)
        _name(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    for folder in [*below, top]:
        _sync(folder)


def _write(path: Path, content: bytes | BinaryIO) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        shutil.copyfileobj(BytesIO(content) if isinstance(content, bytes) else content, file)
        file.flush()
        os.fsync(file.fileno())


def _name(unfinished: Path, path: Path) -> None:
    """Gives a file its name, or the next that is free: a clock may stand still, or go back."""
    for more in count():
        free = path if not more else path.with_name(f"{path.stem}_{more}{path.suffix}")
        try:
            free.hardlink_to(unfinished)
        except FileExistsError:
            continue
        except OSError:  # a file system without links
            if free.exists():
                continue
            unfinished.rename(free)
        return


def _sync(folder: Path) -> None:
    """The new name in it survives a crash of the machine, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
