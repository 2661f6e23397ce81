"""Where files of rejected records are kept, as the rest of the connector knows it.

Who must act decides how a storage fails:

- `ConfigurationError`: what the user named refuses (no such folder or bucket, access denied)
- `ObjectStorageError`: everything that another try may cure (an outage, a full disk)
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

from bulk_destination.errors import ConfigurationError, Fault
from bulk_destination.rejected.local_storage import LocalFolder
from bulk_destination.rejected.object_storage_config import LocalStorage, NoStorage, S3Storage

logger = logging.getLogger("airbyte")


class ObjectStorage(Protocol):
    """Somewhere that objects can be put."""

    def put(self, name: str, content: bytes | BinaryIO) -> None:
        """Writes a new object `name` (folders divided by `/`), which is durable on return.

        Raises ConfigurationError or ObjectStorageError; there is no half an object then.
        """

    def prove(self) -> None:
        """Writes a small object and removes it; raises as `put` does."""


def open_object_storage(
    config: NoStorage | LocalStorage | S3Storage | None,
    program: str,
    *,
    tries: int = 5,
    warn: Callable[[str], object] = logger.warning,
) -> ObjectStorage | None:
    """The storage that the configuration names, None if it names none.

    `program` is who asks, for S3's own logs. `tries` bounds those of one request; 5 take 3
    minutes at most, far from Airbyte's 2 hours. `warn` is told why one has failed.
    Raises ConfigurationError or ObjectStorageError.
    """
    match config:
        case LocalStorage(path=path):
            return LocalFolder(Path(path))
        case S3Storage() as s3:
            return _s3_bucket(s3, program, tries, warn)
        case _:
            return None


def _s3_bucket(
    s3: S3Storage, program: str, tries: int, warn: Callable[[str], object]
) -> ObjectStorage:
    try:
        # Here: a start without S3 need not have botocore, nor wait for its import.
        from bulk_destination.rejected.s3_storage import S3Bucket  # noqa: PLC0415
    except ImportError:
        fault = "S3 needs one more package: pip install botocore"
        raise ConfigurationError([Fault("object_storage_config.storage_type", fault)]) from None
    return S3Bucket(s3, program, tries, warn)
