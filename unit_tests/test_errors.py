"""What ends a sync, carried from one process to another."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

import destination_hackle
import destination_heap_analytics
from bulk_destination import errors
from bulk_destination.library.report import Report

EACH: list[errors.SyncError] = [
    errors.ConfigurationError(
        [errors.Fault("app_id", "is required"), errors.Fault("api", "is required")]
    ),
    errors.WrongServiceError("http://127.0.0.1", "status 404", "Heap", "https://heapanalytics.com"),
    errors.NothingAcceptedError("Heap", "identity_missing: 3", "Check the configuration"),
    errors.TooManyRejectedError("Heap", 150, "identity_missing: 50", 1.5, planned=False),
    errors.TooMuchHeldError("Heap"),
    errors.SourceFailedError("Heap", "a stream is not complete"),
    errors.UnavailableError("Heap", 600, 12, "status 503"),
    errors.JobFailedError("Heap", "deletion 7", "it failed"),
    errors.ObjectStorageError("no room"),
    errors.TemporaryFileError("no room"),
    errors.BrokenStateError(3, 16),
    errors.StreamsFailedError([("users", errors.UnavailableError("Heap", 600, 12, "status 503"))]),
    errors.InterruptedSyncError("The sync was stopped"),
    errors.LedgerError("1 is not 2"),
]
KINDS = {
    each
    for each in vars(errors).values()
    if inspect.isclass(each) and issubclass(each, errors.SyncError) and each is not errors.SyncError
}


@pytest.mark.parametrize("error", EACH, ids=lambda error: type(error).__name__)
def test_a_pool_of_processes_gets_it_whole(error: errors.SyncError) -> None:
    """It is pickled there; one that cannot be read again is waited for without end."""
    error.report = Report(read=7, settled=3)
    error.add_note("3 leading rows are safe")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)
        assert again.report.settled == 3
        assert again.failure_type == error.failure_type


def test_each_kind_is_above() -> None:
    assert {type(error) for error in EACH} == KINDS


@pytest.mark.parametrize("package", [destination_heap_analytics, destination_hackle])
def test_each_kind_is_in_the_package(package: object) -> None:
    """So that a caller can tell apart what to try again."""
    for kind in (*KINDS, errors.SyncError):
        assert getattr(package, kind.__name__) is kind
        assert kind.__name__ in dir(package)
