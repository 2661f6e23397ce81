"""What can end a sync, sorted by who must act.

A bad record never raises: it becomes a `Rejected` value (`values.py`) and the sync goes on.
Only these end one, and each carries Airbyte's failure type::

    SyncError
    + ConfigurationError    the user, in the configuration or the catalog    config_error
    + WrongServiceError     the user: something else answers at base_url     config_error
    + NothingAcceptedError  the user: not one record could be sent           config_error
    + TooManyRejectedError  the user: more were rejected than may be         config_error
    + TooMuchHeldError      the user: more than can wait for the end         config_error
    + StreamsFailedError    of several streams, some failed: as they did
    + SourceFailedError     nobody; what must come whole did not, run again  transient_error
    + UnavailableError      nobody; no answer in time, run again later       transient_error
    + JobFailedError        nobody; what was taken was not done, run again   transient_error
    + ObjectStorageError    nobody; rejected records could not be saved      transient_error
    + TemporaryFileError    nobody; what waits found no room on the disk     transient_error
    + BrokenStateError      the source; a state that cannot be handed back   system_error
    + InterruptedSyncError  nobody; a signal ended the process, run again    transient_error
    + LedgerError           us: the counts do not add up                     system_error

No message may hold a value of a record. Names of columns, streams and hosts are fine.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

#: Who must act decides what Airbyte does next: it never retries a `config_error`.
FailureType = Literal["config_error", "transient_error", "system_error"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with the configuration or the catalog: where it is and the way out."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class SyncError(Exception):
    """The base of all that ends a sync on purpose. Its text is for the user."""

    failure_type: FailureType = "system_error"
    #: Of a load from Python: its `Report` up to here.
    report: Any = None

    def __reduce__(self) -> tuple[Callable[..., object], tuple[Any, ...], dict[str, Any]]:
        # A pool of processes pickles what its tasks raise, and waits for ever for what cannot be
        # read again. The kinds have arguments of their own; they are in the text.
        return _again, (type(self), *self.args), self.__dict__


class ConfigurationError(SyncError):
    """The configuration or the catalog cannot work as it stands.

    Carries every fault found, not only the first, so that one round of corrections is enough.
    """

    failure_type = "config_error"

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


class WrongServiceError(SyncError):
    """The address answers, but not as the service does; `sign` is by what it shows."""

    failure_type = "config_error"

    def __init__(self, url: str, sign: str, service: str, addresses: str) -> None:
        super().__init__(
            f"{url} answered with {sign}. Set base_url to {service}'s address: {addresses}"
        )


class NothingAcceptedError(SyncError):
    """Records came in and not one could land; a column or the address is most likely wrong."""

    failure_type = "config_error"

    def __init__(self, service: str, reasons: str, way_out: str) -> None:
        super().__init__(
            f"No record could be sent to {service}: {reasons}. {way_out}; no state was saved, so "
            "the next sync reads these records again"
        )


class TooManyRejectedError(SyncError):
    """All that is good has landed, but more was rejected than the user wants to pass over.

    The user has to act: tried again, the sync would find nothing to read and be a success.
    """

    failure_type = "config_error"

    def __init__(
        self, service: str, judged: int, reasons: str, most_percent: float, *, planned: bool
    ) -> None:
        what_now = (
            f"a sync would load all others into {service} and pass the states on, and then fail"
            if planned
            else f"all others are in {service} and the states were passed on, so the next sync "
            "goes on behind them"
        )
        super().__init__(
            f"More than {most_percent:g} % of {judged:,} records were rejected "
            f"(max_rejected_percent): {reasons}; {what_now}"
        )


class TooMuchHeldError(SyncError):
    """What waits for the end of the source takes too much memory."""

    failure_type = "config_error"

    def __init__(self, service: str) -> None:
        super().__init__(
            "There are more records than can wait until the source has ended, so nothing was sent "
            f"to {service}. Load fewer at a time: by an incremental sync, or a view in the source"
        )


class SourceFailedError(SyncError):
    """The source did not give all, where nothing is sent before it has."""

    failure_type = "transient_error"

    def __init__(self, service: str, sign: str) -> None:
        super().__init__(
            f"The source did not end well: {sign}. So nothing was sent to {service}, as what "
            "cannot be taken back waits for all that the source says. Run the sync again"
        )


class UnavailableError(SyncError):
    """No answer to a request in the time allowed for it; `cause` is how the last try ended."""

    failure_type = "transient_error"

    def __init__(self, service: str, seconds: float, tries: int, cause: str) -> None:
        self.cause = cause
        super().__init__(
            f"{service} did not accept a request within {seconds:g} s ({tries} tries; the last "
            f"ended with: {cause}). All that was accepted before is safe; run the sync again later"
        )


class JobFailedError(SyncError):
    """The service took a request as a job and did not do it; `job` names it by its number."""

    failure_type = "transient_error"

    def __init__(self, service: str, job: str, why: str) -> None:
        super().__init__(
            f"{service} has taken {job} and did not complete it: {why}. No state behind it is "
            "passed on, so the next sync asks for the same again"
        )


class ObjectStorageError(SyncError):
    """Rejected records could not be saved; another try may cure it."""

    failure_type = "transient_error"

    def __init__(self, cause: str) -> None:
        super().__init__(
            f"Rejected records cannot be saved: {cause}. No state behind them is passed on; try "
            "again later, or look at object_storage_config"
        )


class TemporaryFileError(SyncError):
    """What is too much for the memory could not wait on the disk."""

    failure_type = "transient_error"

    def __init__(self, cause: str) -> None:
        super().__init__(
            f"A temporary file cannot be written: {cause}. States, and lines that are too long to "
            "be held, wait there: make room in the folder for temporary files (TMPDIR), and run "
            "the sync again"
        )


class BrokenStateError(SyncError):
    """A line came in that is a state, or may be one, and cannot be handed back."""

    def __init__(self, line: int, longest: int) -> None:
        super().__init__(
            f"The message behind record {line} is a state, or may be one, and cannot be handed "
            f"back: it is no whole JSON, has no `state`, or has more than {longest:,} bytes. All "
            "before it is safe. The next sync begins there; if it ends here again, the source "
            "writes what no destination can read"
        )


class StreamsFailedError(SyncError):
    """Of several streams some could not be loaded; what is good of the others has landed."""

    def __init__(self, errors: Iterable[tuple[str, SyncError]]) -> None:
        streams: dict[str, list[str]] = {}
        types: set[FailureType] = set()
        for stream, error in errors:
            streams.setdefault(str(error), []).append(stream)
            types.add(error.failure_type)
        #: Where one of them needs the user, another try alone cures nothing.
        by_weight: tuple[FailureType, ...] = ("config_error", "system_error", "transient_error")
        self.failure_type = next(each for each in by_weight if each in types)
        super().__init__(
            "\n".join(
                f"Stream{'s' * (len(names) > 1)} {', '.join(names)}: {words}"
                for words, names in streams.items()
            )
        )


class InterruptedSyncError(SyncError):
    """The process was asked to stop."""

    failure_type = "transient_error"


class LedgerError(SyncError):
    """Records read do not equal records accepted plus rejected."""


def _again(kind: type[SyncError], *args: object) -> SyncError:
    return kind.__new__(kind, *args)
