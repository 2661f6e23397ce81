"""Where rejected records go: taken as the form gives it, or every fault with its path."""

from typing import Any

import pytest

from bulk_destination.errors import ConfigurationError
from bulk_destination.rejected.object_storage_config import LocalStorage, NoStorage, S3Storage
from destination_heap_analytics.config import HeapConfig

S3 = {
    "storage_type": "S3",
    "s3_bucket_name": "rejected",
    "s3_bucket_region": "eu-central-1",
    "bucket_path": "heap/rejected",
}
KEY = {"access_key_id": "AKIAEXAMPLE", "secret_access_key": "wJalrXUtn"}


def config(storage: object) -> HeapConfig:
    """A configuration with `storage`."""
    api = {"api_type": "add_user_properties", "identity_column": "email"}
    return HeapConfig.parse({"app_id": "11", "api": api, "object_storage_config": storage})


def s3(**fields: object) -> S3Storage:
    """What `S3` with `fields` becomes."""
    storage = config({**S3, **fields}).object_storage_config
    assert isinstance(storage, S3Storage)
    return storage


def faults(storage: object) -> dict[str, str]:
    """Each fault's message by its path."""
    with pytest.raises(ConfigurationError) as raised:
        config(storage)
    return {fault.path: fault.message for fault in raised.value.faults}


def test_none_local_and_s3() -> None:
    """The three choices; without any, nothing is stored."""
    assert config(None).object_storage_config is None
    assert isinstance(config({"storage_type": "None"}).object_storage_config, NoStorage)
    local = config({"storage_type": "Local", "path": "/rejected"}).object_storage_config
    assert isinstance(local, LocalStorage)
    assert local.path == "/rejected"
    assert s3().s3_bucket_name == "rejected"


def test_what_the_form_leaves_blank_is_not_set() -> None:
    """Empty texts are no key, no role and no endpoint; blanks around a value do not count."""
    blank = s3(access_key_id="", secret_access_key=" ", role_arn="", s3_endpoint=" ")
    assert blank.access_key_id is None
    assert blank.secret_access_key is None
    assert blank.role_arn is None
    assert blank.s3_endpoint is None
    assert s3(s3_bucket_name=" rejected ").s3_bucket_name == "rejected"
    assert s3(s3_endpoint="http://localhost:9000/").s3_endpoint == "http://localhost:9000"


@pytest.mark.parametrize(("path", "means"), [("/a//b/", "a/b"), ("/", ""), ("a", "a")])
def test_slashes_around_the_bucket_path_do_not_count(path: str, means: str) -> None:
    """So that no object's key begins with a slash."""
    assert s3(bucket_path=path).bucket_path == means


def test_a_secret_is_not_shown() -> None:
    """Not even in the configuration's own text."""
    storage = s3(**KEY)
    assert storage.secret_access_key is not None
    assert storage.secret_access_key.get_secret_value() == KEY["secret_access_key"]
    assert KEY["secret_access_key"] not in f"{storage!r} {storage}"


@pytest.mark.parametrize(
    ("storage", "path"),
    [
        ({}, "storage_type"),
        ({"storage_type": "GCS"}, "storage_type"),
        ({"storage_type": "Local"}, "path"),
        ({"storage_type": "Local", "path": "rejected"}, "path"),
        ({"storage_type": "Local", "path": "/a\0b"}, "path"),
        ({"storage_type": "Local", "path": 1}, "path"),
        ({**S3, "s3_bucket_name": "s3://rejected"}, "s3_bucket_name"),
        ({**S3, "s3_bucket_name": ""}, "s3_bucket_name"),
        ({**S3, "s3_bucket_region": "EU (Frankfurt)"}, "s3_bucket_region"),
        ({**S3, "bucket_path": " "}, "bucket_path"),
        ({**S3, "bucket_path": "a/../b"}, "bucket_path"),
        ({**S3, "s3_endpoint": "minio.example.com"}, "s3_endpoint"),
        ({**S3, "s3_endpoint": "http://minio.example.com"}, "s3_endpoint"),
        ({**S3, "s3_endpoint": "https://u:sesame@minio.example.com"}, "s3_endpoint"),
        ({**S3, "role_arn": "sesame"}, "role_arn"),
        ({**S3, "access_key_id": "sesame"}, "secret_access_key"),
        ({**S3, "secret_access_key": "sesame"}, "secret_access_key"),
        ({**S3, "access_key_id": 1, "secret_access_key": "sesame"}, "access_key_id"),
    ],
)
def test_one_fault(storage: dict[str, Any], path: str) -> None:
    """Each fault has its field's path and no value in its words."""
    (found,) = faults(storage).items()
    assert found[0] == f"object_storage_config.{path}"
    assert "sesame" not in found[1]


@pytest.mark.parametrize("storage", ["S3", 1, [], True])
def test_a_storage_that_is_no_object(storage: object) -> None:
    """A text in its place is a fault and no crash."""
    assert list(faults(storage)) == ["object_storage_config"]


def test_all_faults_of_a_storage_at_once() -> None:
    """One round of corrections is enough."""
    found = faults({"storage_type": "S3", "role_arn": "x"})
    assert set(found) == {
        f"object_storage_config.{name}"
        for name in ("s3_bucket_name", "s3_bucket_region", "bucket_path", "role_arn")
    }
