"""Rejected records as objects of an S3 bucket. botocore is known here and in `s3_session.py`."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, ClassVar, Final
from urllib.parse import urlsplit

from botocore.config import Config as ClientConfig
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)
from botocore.session import Session

from bulk_destination.errors import ConfigurationError, Fault, ObjectStorageError
from bulk_destination.rejected.object_storage_config import S3Storage
from bulk_destination.rejected.s3_session import send_by_ours

#: Seconds to connect, and to wait for an answer.
_CONNECT_TIMEOUT: Final = 5
_READ_TIMEOUT: Final = 20
#: Refusals that pass by themselves
#: (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
_PASSING: Final = {
    *("SlowDown", "RequestTimeout", "OperationAborted", "ExpiredToken", "RequestTimeTooSkewed"),
    *("Throttling", "ThrottlingException", "TooManyRequests", "RequestLimitExceeded"),
}
_ELSEWHERE: Final = "the bucket is elsewhere. Are s3_bucket_region and s3_endpoint right?"
_UNKNOWN_KEY: Final = "the access_key_id is not known"
_WAYS_OUT: Final = {
    "NoSuchBucket": "there is no bucket of this name. Is s3_bucket_name right?",
    "AccessDenied": "access is denied. It takes s3:PutObject and s3:DeleteObject below "
    "bucket_path (the connection check removes what it wrote), and with a role_arn "
    "sts:AssumeRole",
    "InvalidAccessKeyId": _UNKNOWN_KEY,
    "InvalidClientTokenId": _UNKNOWN_KEY,
    "SignatureDoesNotMatch": "the secret_access_key does not fit the access_key_id",
    "PermanentRedirect": _ELSEWHERE,
    "AuthorizationHeaderMalformed": _ELSEWHERE,
}


class S3Bucket:
    """An `ObjectStorage` below `bucket_path` of a bucket.

    Credentials are the key of the configuration, else what botocore finds in its surroundings
    (the environment, the pod's or the machine's role); with `role_arn`, that role assumed by
    them. AWS logs a role's session as `program`. A request is tried `tries` times; why a try has
    failed is told to `warn`.
    """

    def __init__(
        self, s3: S3Storage, program: str, tries: int, warn: Callable[[str], object]
    ) -> None:
        self._s3 = s3
        self._tries = tries
        self._warn = warn
        host = urlsplit(s3.s3_endpoint or "").netloc.rpartition("@")[2]
        self._where = host or f"amazonaws.com ({s3.s3_bucket_region})"
        config = ClientConfig(
            region_name=s3.s3_bucket_region,
            connect_timeout=_CONNECT_TIMEOUT,
            read_timeout=_READ_TIMEOUT,
            retries={"total_max_attempts": tries, "mode": "standard"},
            # Not every service compatible with S3 knows the newer checksums, or has a host name
            # for each bucket.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path" if s3.s3_endpoint else "auto"},
        )
        session = Session()
        send_by_ours(session, config)
        # "needs-retry" is asked after each try; this answers for nobody, and listens.
        session.register("needs-retry", self._look_at_try)
        self._told: str | None = None
        if s3.access_key_id is not None and s3.secret_access_key is not None:
            session.set_credentials(s3.access_key_id, s3.secret_access_key.get_secret_value())
        with _our_errors():
            if s3.role_arn is not None:
                endpoint = _sts_endpoint(s3.s3_endpoint)
                session = _in_role(s3.role_arn, program, session, endpoint, config)
            self._client: Any = session.create_client(
                "s3", endpoint_url=s3.s3_endpoint, config=config
            )

    def put(self, name: str, content: bytes | BinaryIO) -> None:
        """As `ObjectStorage.put`."""
        with _our_errors():
            reply = self._client.put_object(
                Bucket=self._s3.s3_bucket_name, Key=self._key(name), Body=content
            )
        if "ETag" not in reply:
            raise _wrong("what answers there is not S3. Is s3_endpoint right?")

    def prove(self) -> None:
        """As `ObjectStorage.prove`."""
        name = f"airbyte_connection_check_{time.time_ns()}"
        self.put(name, b"{}\n")
        with _our_errors():
            self._client.delete_object(Bucket=self._s3.s3_bucket_name, Key=self._key(name))

    def _look_at_try(
        self, response: Any = None, caught_exception: Exception | None = None, **_: Any
    ) -> None:
        """Tells why a try has failed, when another follows: at once, and when it is another."""
        status = response[0].status_code if response is not None else 200
        if caught_exception is None and status < 500 and status != 429:
            self._told = None
            return
        cause = f"status {status}"
        if caught_exception is not None:
            cause = type(caught_exception).__name__  # EndpointConnectionError: words enough
        if cause != self._told:
            self._told = cause
            self._warn(f"S3 at {self._where}: {cause}. Trying again, {self._tries} times in all")

    def _key(self, name: str) -> str:
        return f"{self._s3.bucket_path}/{name}".lstrip("/")


@dataclass(frozen=True, slots=True)
class _AssumedRole:
    """A provider in botocore's chain of credentials; botocore renews what it gives."""

    fetcher: AssumeRoleCredentialFetcher
    METHOD: ClassVar = "assumed-role"
    CANONICAL_NAME: ClassVar = None

    def load(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(self.fetcher.fetch_credentials, self.METHOD)


def _in_role(
    role_arn: str, program: str, session: Session, endpoint: str | None, config: ClientConfig
) -> Session:
    """A session whose credentials are those of the role, assumed by `session` as `program`."""
    credentials = session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    # The variable by which Airbyte's own S3 destinations get their external id.
    external_id = os.environ.get("AWS_ASSUME_ROLE_EXTERNAL_ID")
    fetcher = AssumeRoleCredentialFetcher(
        partial(session.create_client, endpoint_url=endpoint, config=config),
        credentials,
        role_arn,
        {
            "RoleSessionName": program,
            **({"ExternalId": external_id} if external_id else {}),
        },
    )
    assumed = Session()
    send_by_ours(assumed, config)
    assumed.get_component("credential_provider").insert_before("env", _AssumedRole(fetcher))
    return assumed


def _sts_endpoint(s3_endpoint: str | None) -> str | None:
    """AWS's own for AWS; other services (MinIO) assume roles at the address of their S3."""
    host = urlsplit(s3_endpoint or "").hostname or ""
    return None if host.endswith((".amazonaws.com", ".amazonaws.com.cn")) else s3_endpoint


@contextmanager
def _our_errors() -> Iterator[None]:
    """botocore's errors as ours. Their texts stay behind: they may quote the request."""
    try:
        yield
    except ClientError as error:
        raise _refusal(error) from None
    except (NoCredentialsError, PartialCredentialsError):
        raise _wrong(
            "no credentials were found: set access_key_id and secret_access_key, or give the "
            "machine a role"
        ) from None
    except ParamValidationError:
        raise _wrong("S3 can have no bucket or object of this name") from None
    except BotoCoreError as error:
        # The classes' names are words enough: EndpointConnectionError, ReadTimeoutError.
        raise ObjectStorageError(f"S3 could not be reached ({type(error).__name__})") from None


def _refusal(error: ClientError) -> ConfigurationError | ObjectStorageError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    # Anything else than a code may be a page of something that is not S3.
    name = code if code.isascii() and code.isalnum() and len(code) < 50 else "(no code of S3)"
    if status >= 500 or status == 429 or code in _PASSING:
        return ObjectStorageError(f"S3 answered {status} {name}")
    way_out = _WAYS_OUT.get(code, "is the configuration right?")
    return _wrong(f"S3 refused with {status} {name}: {way_out}")


def _wrong(fault: str) -> ConfigurationError:
    return ConfigurationError([Fault("object_storage_config", fault)])
