"""Where rejected records go: nowhere, into a folder, or into an S3 bucket.

The fields of S3 are those of Airbyte's own `object_storage_config`, by which its UI finds the
files.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, SecretStr, StringConstraints, ValidationInfo
from pydantic_core import PydanticCustomError

from bulk_destination.fields import Frozen, OptionalText, address, blank_as_unset


def _s3_endpoint(text: str | None) -> str | None:
    text = blank_as_unset(text)
    return None if text is None else address(text, "https://minio.example.com")


def _absolute_path(text: str) -> str:
    if not text.startswith("/") or "\0" in text:
        raise PydanticCustomError(
            "path", "must be the absolute path of a folder, such as /rejected"
        )
    return text


def _bucket_path(text: str) -> str:
    """Without slashes around it; empty for the bucket's root, as the form's `/` means."""
    segments = text.strip().split("/")
    if not text.strip() or {".", ".."} & set(segments):
        raise PydanticCustomError("path", "must be a path in the bucket, such as airbyte/rejected")
    return "/".join(filter(None, segments))


def _role_arn(text: str | None) -> str | None:
    text = blank_as_unset(text)
    # Not only `arn:aws:iam::123456789012:role/name`: AWS has partitions, and MinIO no accounts.
    if text is not None and not re.fullmatch(r"arn:[a-z-]+:iam::[0-9]*:role/\S+", text):
        raise PydanticCustomError(
            "role_arn", "must be the ARN of a role, such as arn:aws:iam::123456789012:role/name"
        )
    return text


def _secret_of_a_key(secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
    if secret is not None and not secret.get_secret_value().strip():
        secret = None
    # A key that is no text is a fault of its own, and not in `data`.
    if "access_key_id" in info.data and (info.data["access_key_id"] is None) != (secret is None):
        raise PydanticCustomError(
            "half_a_key", "access_key_id and secret_access_key go together: set both, or neither"
        )
    return secret


class NoStorage(Frozen):
    """Rejected records are counted only."""

    storage_type: Literal["None"]


class LocalStorage(Frozen):
    """Rejected records become files on this machine."""

    storage_type: Literal["Local"]
    path: Annotated[str, AfterValidator(_absolute_path)]


class S3Storage(Frozen):
    """Rejected records become objects of an S3 bucket."""

    storage_type: Literal["S3"]
    s3_bucket_name: Annotated[
        str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9._-]{3,255}$")
    ]
    s3_bucket_region: Annotated[
        str, StringConstraints(strip_whitespace=True, pattern=r"^[a-z0-9-]+$")
    ]
    bucket_path: Annotated[str, AfterValidator(_bucket_path)]
    s3_endpoint: Annotated[str | None, AfterValidator(_s3_endpoint)] = None
    access_key_id: OptionalText = None
    secret_access_key: Annotated[SecretStr | None, AfterValidator(_secret_of_a_key)] = None
    role_arn: Annotated[str | None, AfterValidator(_role_arn)] = None
