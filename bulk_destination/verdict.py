"""What a sync of one stream comes to, judged when all of it is settled. Pure.

A sync that could send nothing is a failure if its configuration may be the reason: then no state
leaves, so that a corrected one reads the same records again. But an hour in which two guests came
by is no wrong configuration, and would fail again with every hour that follows. So where all that
was rejected was so for what its rows hold, and the columns are there, it is a success, with a
warning. It is one, too, where files hold all that was rejected, as nothing is lost then.

A sync of several streams is judged stream by stream: it fails if one of them does. Where none
does, what of all was rejected is held against the share that may be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bulk_destination.connection import Route
from bulk_destination.errors import NothingAcceptedError, SyncError, TooManyRejectedError
from bulk_destination.ledger import ENOUGH_TO_JUDGE, Ledger, Ledgers
from bulk_destination.mapping.values import NO_MAPPING, OF_ANOTHER_STREAM, UNREADABLE

#: Streams of a catalog that an error names.
_MOST_STREAMS: Final = 10


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a stream ends, and whether its states may leave."""

    error: SyncError | None = None
    warning: str | None = None
    states_stay: bool = False


def verdict(
    ledger: Ledger, route: Route, most_percent: float, *, kept: bool, planned: bool = False
) -> Verdict:
    """The end of a stream with these counts, or of one that is only `planned`.

    `most_percent` of it may be rejected; `kept` says that files hold all that was.
    """
    if ledger.none_accepted and not _is_quiet(ledger, route, kept):
        return Verdict(nothing_accepted(ledger, route), states_stay=True)
    service = route.endpoint.service
    if _is_beyond(ledger, most_percent):
        counts = ledger.judged, ledger.reasons()
        return Verdict(TooManyRejectedError(service, *counts, most_percent, planned=planned))
    return Verdict(warning=_quiet_words(ledger, service, kept) if ledger.none_accepted else None)


def _is_beyond(ledger: Ledger, most_percent: float) -> bool:
    """Whether more than `most_percent` of what was read were rejected, skipped records aside."""
    if ledger.judged < ENOUGH_TO_JUDGE:
        return False
    return ledger.rejected.total() * 100 > ledger.judged * most_percent


def is_refused(ledger: Ledger) -> bool:
    """Whether the service refused so much, and accepted nothing, that no end is waited for."""
    return not ledger.accepted and ledger.refused >= ENOUGH_TO_JUDGE


def nothing_accepted(ledger: Ledger, route: Route) -> NothingAcceptedError:
    """The error of a sync that could send no record."""
    columns = [f"{field} `{column}`" for field, column in route.columns]
    if ledger.empty:
        columns.append("property_columns")
    hints = route.mapper.presence.hints(ledger.lacking)
    way_out = nothing_found(ledger, [route]) or " ".join(
        [*hints, f"Check the configuration ({', '.join(columns)})"]
    )
    reasons = ", ".join(filter(None, (ledger.reasons(), ledger.skips())))
    return NothingAcceptedError(route.endpoint.service, reasons, way_out)


def nothing_found(ledger: Ledger, routes: Sequence[Route]) -> str | None:
    """What to do where nothing that was read is a record of these streams; None if some was."""
    if ledger.skipped or not ledger.rejected:
        return None
    if ledger.rejected.keys() == {UNREADABLE.reason}:
        holds = "stdin holds no Airbyte records (one JSON message a line, as a source prints them)"
        kind = ledger.first_unreadable
        return holds if kind is None else f"{holds}; the first line that it holds instead is {kind}"
    if ledger.rejected.keys() == {NO_MAPPING.reason}:
        return "No row is a mapping: give a dict of columns for each"
    if ledger.rejected.keys() <= {UNREADABLE.reason, OF_ANOTHER_STREAM.reason}:
        names = ", ".join(str(route.stream) for route in routes[:_MOST_STREAMS])
        more = f" and {len(routes) - _MOST_STREAMS} more" if len(routes) > _MOST_STREAMS else ""
        return f"No record is of a stream of the catalog, which has {names}{more}"
    return None


def lost(ledgers: Ledgers, routes: Sequence[Route]) -> NothingAcceptedError | None:
    """The error of a sync of several streams, if all that came belongs to none of them."""
    if not is_lost(ledgers):
        return None
    way_out = nothing_found(ledgers.elsewhere, routes)
    return NothingAcceptedError(
        routes[0].endpoint.service,
        ledgers.elsewhere.reasons(),
        way_out or "Check the configuration (names and namespaces of its streams)",
    )


def too_many(
    ledgers: Ledgers, routes: Sequence[Route], most_percent: float, *, planned: bool = False
) -> TooManyRejectedError | None:
    """The error of a sync of several streams, none of which fails, if more of all is rejected.

    What belongs to no stream is in no other verdict.
    """
    ledger = ledgers.all
    if not _is_beyond(ledger, most_percent):
        return None
    service = routes[0].endpoint.service
    counts = ledger.judged, ledger.reasons()
    return TooManyRejectedError(service, *counts, most_percent, planned=planned)


def is_lost(ledgers: Ledgers) -> bool:
    """Whether all that came so far belongs to no stream of several."""
    return (
        len(ledgers.of_streams) > 1
        and ledgers.elsewhere.none_accepted
        and not any(ledger.read for ledger in ledgers.of_streams)
    )


def _is_quiet(ledger: Ledger, route: Route, kept: bool) -> bool:
    """Whether nothing says that the configuration is the reason."""
    rejected = ledger.rejected.total()
    if ledger.refused or not rejected:
        return False
    return kept or (
        rejected == ledger.of_rows
        and rejected < ENOUGH_TO_JUDGE
        and not any(map(route.mapper.presence.is_nowhere, ledger.lacking))
    )


def _quiet_words(ledger: Ledger, service: str, kept: bool) -> str:
    reason = (
        "They are in the files of rejected records"
        if kept
        else "They were rejected for what they hold, and the columns are there"
    )
    return (
        f"No record could be sent to {service}: {ledger.reasons()}. {reason}, "
        "so this is no failure, and the next sync goes on behind them"
    )
