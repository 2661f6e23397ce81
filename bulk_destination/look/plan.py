"""What a sync would do, counted from the payloads that it would send. Pure.

A plan goes into logs: it tells no value of a record, and names as far as `told_names.py` lets.
"""

import contextlib
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from bulk_destination.connection import Connection
from bulk_destination.delivery.batches import OpenBatch
from bulk_destination.delivery.held import Held
from bulk_destination.errors import ConfigurationError
from bulk_destination.ledger import Ledger
from bulk_destination.look.told_names import IsListed, properties_listed, told_in_a_log
from bulk_destination.mapping.record_mapper import Payload
from bulk_destination.verdict import Verdict, verdict

#: More property names than this are hard to find one's way in.
MANY_PROPERTIES: Final = 200
#: More event names than this, most likely, come from a column that holds no event names.
MANY_EVENTS: Final = 100
#: An identity with a larger share of at least so many records is most likely no single person.
UNLIKELY_SHARE: Final = 0.05
ENOUGH_TO_JUDGE: Final = 100
#: Names told apart, and identities counted at a time: what bounds the memory of a plan.
_MOST_NAMES: Final = 10_000
_MOST_IDENTITIES: Final = 1_000
#: Identities of which the spelling is remembered.
_MOST_SPELLINGS: Final = 50_000
_MOST_DAYS: Final = 20_000
_OTHERS: Final = "(others)"
#: Of what would be sent when the source has ended, so many are shown.
FIRST: Final = 10

_JSON_TYPES: Final = {str: "string", bool: "boolean", int: "number", float: "number"}


@dataclass(slots=True)
class PropertyUse:
    """A property name: how often it is there, and its JSON types."""

    count: int = 0
    types: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class FrequentIdentities:
    """The most frequent identities in bounded memory, by the algorithm of Misra and Gries.

    An identity's count is too low by at most a thousandth of all records.
    """

    counts: Counter[str] = field(default_factory=Counter)

    def add(self, identity: str) -> None:
        """One more record of `identity`."""
        self.counts[identity] += 1
        if len(self.counts) > _MOST_IDENTITIES:
            self.counts = Counter({each: n - 1 for each, n in self.counts.items() if n > 1})

    def most(self) -> int:
        """Records of the most frequent one."""
        return max(self.counts.values(), default=0)


def _most_of_one(counted: Sequence[FrequentIdentities]) -> int:
    """Records of the identity that is most frequent in all of these together."""
    together: Counter[str] = Counter()
    for each in counted:
        together += each.counts
    return max(together.values(), default=0)


@dataclass(slots=True)
class CaseTwins:
    """How many identities differ from another one only in case, of the first of them."""

    #: Hashes: of an identity in lower case, and as it is first spelled.
    _spelled: dict[int, int] = field(default_factory=dict)
    _twins: set[int] = field(default_factory=set)

    def add(self, identity: str) -> None:
        """One more record of `identity`."""
        folded = hash(identity.casefold())
        if folded in self._spelled:
            if self._spelled[folded] != hash(identity):
                self._twins.add(folded)
        elif len(self._spelled) < _MOST_SPELLINGS:
            self._spelled[folded] = hash(identity)

    def __len__(self) -> int:
        return len(self._twins)


@dataclass(slots=True)
class TimeSpan:
    """The first and the last time that records say of events."""

    first: datetime | None = None
    last: datetime | None = None
    #: Events of each day, by its ordinal (`date.toordinal`); of days beyond a number nothing.
    days: Counter[int] = field(default_factory=Counter)
    _defaulted: int = 0

    def add(self, item: dict[str, Any], defaulted: int) -> None:
        """One more payload; `defaulted` of them so far had no time of their own."""
        had_none, self._defaulted = defaulted > self._defaulted, defaulted
        if had_none or "timestamp" not in item:
            return
        time = item["timestamp"]
        when = (
            datetime.fromisoformat(time)
            if isinstance(time, str)
            else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time)
        )
        day = when.toordinal()
        if day in self.days or len(self.days) < _MOST_DAYS:
            self.days[day] += 1
        self.first = when if self.first is None else min(self.first, when)
        self.last = when if self.last is None else max(self.last, when)

    def as_json(self) -> dict[str, str] | None:
        """Both in UTC, or None where no record has one."""
        if self.first is None or self.last is None:
            return None
        return {"first": _shown_time(self.first), "last": _shown_time(self.last)}


def _shown_time(moment: datetime) -> str:
    with contextlib.suppress(OverflowError):  # beyond the years that Python has
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


class Plan:
    """The plan for stream `number`; with `tells_all`, it is for nobody but the user's own eyes."""

    def __init__(
        self,
        connection: Connection,
        ledger: Ledger,
        *,
        number: int = 0,
        tells_all: bool = False,
    ) -> None:
        route = connection.routes[number]
        self.ledger = ledger
        self.stream = route.stream
        #: Whether files would hold all that was rejected so far.
        self.keeps_all = connection.config.keeps_rejected
        self._connection = connection
        self._tells_all = tells_all
        self._route = route
        self._is_listed = properties_listed(route)
        #: Requests and bytes that would be sent.
        self.requests = 0
        self.bytes = 0
        # By the names as they are: which of them are told hangs on all counts.
        self._events: Counter[str] = Counter()
        self._properties: dict[str, PropertyUse] = {}
        self.service = route.endpoint.service
        self._mapper = route.mapper
        # Those of the configuration are no matter of one stream of several.
        of_all = connection.warnings if len(connection.routes) == 1 else ()
        self._notices = [*of_all, *route.notices]
        self.endpoint = route.endpoint
        self._keeps_for_ever = route.endpoint.keeps_for_ever
        self.quotas = route.quotas
        self._open = OpenBatch(self.endpoint.max_items)
        self._hold = route.hold
        self._held = Held(route.hold, self.endpoint.max_items) if route.hold else None
        #: Who is held in the end: how many, the first of them, and what is wrong with so many.
        self._meant: tuple[int, list[str]] = 0, []
        self._too_many: ConfigurationError | None = None
        self.identities = FrequentIdentities()
        self._case = CaseTwins()
        self._times = TimeSpan()

    def add(self, payload: Payload) -> None:
        """One more payload that would be sent."""
        identity, body, key = payload
        if self._held is not None:
            self._held.add(self.ledger.read, identity, body, key)
            self.ledger.accepted += 1
            return
        if not self._open.add(self.ledger.read, identity, body, key):
            self._close()
            self._open.add(self.ledger.read, identity, body, key)
        self.ledger.accepted += 1
        self.identities.add(identity)
        self._case.add(identity)
        item = orjson.loads(body)
        self._times.add(item, self._mapper.defaulted)
        if self._mapper.event is not None:
            event = item[self._mapper.event[0]]
            self._events[_bounded(event, self._events)] += 1
        for name, value in item["properties"].items():
            self._count_property(name, value)

    def take_back(self, key: str | None, reason: str) -> None:
        """What was to be sent by the same key is not."""
        if self._held is not None and key is not None:
            for _ in self._held.take_back(key):
                self.ledger.accepted -= 1
                self.ledger.skip(reason, empty=False)

    def finish(self) -> None:
        """No more comes."""
        if self._held is not None:
            self._finish_held(self._held)
        if self._open:
            self._close()

    def events(self) -> Iterator[tuple[str, int]]:
        """Records by event name, as far as names are told; the most frequent first."""
        told = self._told(self._events, self._mapper.names.__contains__)
        yield from (each for each in self._events.most_common() if each[0] in told)
        if others := sum(count for name, count in self._events.items() if name not in told):
            yield _OTHERS, others

    def properties(self) -> Iterator[tuple[str, PropertyUse]]:
        """Property names, as far as they are told, and their use; the most frequent first."""
        told, others = self._told_properties(), PropertyUse()
        for name, use in sorted(
            self._properties.items(), key=lambda each: (-each[1].count, each[0])
        ):
            if name in told:
                yield name, use
            else:
                others.count += use.count
                others.types += use.types
        if others.count:
            yield _OTHERS, others

    @property
    def quota_seconds(self) -> float:
        """For how long the quotas would hold the sync up, if the stream were alone."""
        return quota_seconds([self])

    def dangers(self) -> Iterator[str]:
        """What to look at before it cannot be taken back, one sentence each."""
        if not self.ledger.read:
            yield "There was no record in the input"
        if len(self._properties) > MANY_PROPERTIES:
            stays = f". Each exists in {self.service} for ever" if self._keeps_for_ever else ""
            yield (
                f"There are {len(self._properties):,} property names{stays}: choose some by "
                "property_columns"
            )
        if self._mapper.event is not None and len(self._events) > MANY_EVENTS:
            yield (
                f"There are {len(self._events):,} event names. Does {self._mapper.event[1]} hold "
                "what happened?"
            )
        yield from self._dangerous_names()
        if count := len(self._case):
            yield (
                f"Identities that differ only in case: {count:,}, each two users or more. "
                "`lower(...)` makes them one"
            )
        share = self.identities.most() / max(1, self.ledger.accepted)
        if share > UNLIKELY_SHARE and self.ledger.accepted >= ENOUGH_TO_JUDGE:
            stays = ", for ever" if self._keeps_for_ever else ""
            yield (
                f"One identity has {share:.0%} of the records. If several people share it, "
                f"{self.service} makes them one{stays}"
            )

    @property
    def days(self) -> Mapping[int, int]:
        """Events of each day, by its ordinal, as far as records say a time."""
        return self._times.days

    @property
    def verdict(self) -> Verdict:
        """How a sync would end, if the service took all that it is sent."""
        if self._too_many is not None:
            return Verdict(self._too_many, states_stay=True)
        most = self._connection.config.max_rejected_percent
        return verdict(self.ledger, self._route, most, kept=self.keeps_all, planned=True)

    def warnings(self) -> list[str]:
        """What a sync would warn of: fields that nobody reads, and columns that never came."""
        # Of a record that is rejected, not all columns are looked at.
        found = self._notices + (self._mapper.warnings() if self.ledger.accepted else [])
        return found if self.verdict.warning is None else [*found, self.verdict.warning]

    @property
    def would_fail(self) -> str | None:
        """With what words a sync would fail."""
        error = self.verdict.error
        return None if error is None else f"A sync would fail: {error}"

    def as_json(self) -> dict[str, Any]:
        """The plan for machines."""
        ledger = self.ledger
        return {
            "nothing_was_sent": True,
            "read": ledger.read,
            "would_be_sent": ledger.accepted,
            "rejected": ledger.rejected.total(),
            "rejected_by_reason": dict(ledger.rejected.most_common()),
            "rejected_first_at": ledger.first_position,
            "skipped": ledger.skipped.total(),
            "skipped_by_reason": dict(ledger.skipped.most_common()),
            "merged": ledger.merged,
            "truncated": self._mapper.adjustments.truncated,
            "left_out": self._mapper.adjustments.left_out,
            "requests": self.requests,
            "bytes": self.bytes,
            "quota_seconds": round(self.quota_seconds, 1),
            "found_by": {
                name: dict(zip(found.values, found.counts, strict=True))
                for name, found in self._mapper.found
            },
            "times": self._times.as_json(),
            "without_a_time": self._mapper.defaulted,
            "identities_that_differ_only_in_case": len(self._case),
            "cut": self._cut(),
            "event_names": len(self._events),
            "events": dict(self.events()),
            **self._held_as_json(),
            "property_names": len(self._properties),
            "properties": {
                name: {"count": use.count, "types": dict(use.types.most_common())}
                for name, use in self.properties()
            },
            "dangers": list(self.dangers()),
            "warnings": self.warnings(),
            "would_fail": self.would_fail,
        }

    def lines(self) -> Iterator[str]:
        """The plan for people, as lines of a log."""
        ledger, adjustments = self.ledger, self._mapper.adjustments
        yield ledger.planned()
        if self.held is not None:
            yield f"{self.held}, when the source has ended"
        if ledger.rejected:
            yield f"Rejected: {ledger.reasons()}"
        if ledger.skipped:
            yield f"Skipped: {ledger.skips()}"
        yield (
            f"Requests: {self.requests:,} with {self.bytes:,} bytes; updates merged: "
            f"{ledger.merged:,}; values cut: {adjustments.truncated:,}, left out: "
            f"{adjustments.left_out:,}"
        )
        if self.quotas is not None and self.quotas.counts_events:
            yield f"{self.service}'s quota would hold the sync up for {self.quota_seconds:,.0f} s"
        for name, found in self._mapper.found:
            counts = zip(found.values, found.counts, strict=True)
            yield f"{name} was: {', '.join(f'`{value}` {count:,}' for value, count in counts)}"
        if times := self._times.as_json():
            yield f"Times of events: {times['first']} to {times['last']}"
        if self._mapper.defaulted:
            yield f"Events without a time, dated by the sync: {self._mapper.defaulted:,}"
        for event, count in self.events():
            yield f"Event: {event}: {count:,}"
        for name, use in self.properties():
            types = ", ".join(f"{kind} {count:,}" for kind, count in use.types.most_common())
            yield f"Property: {name}: {use.count:,} ({types})"
        for words in (*self.dangers(), *self.warnings()):
            yield f"Look at this: {words}"
        if self.would_fail is not None:
            yield self.would_fail

    @property
    def held(self) -> str | None:
        """What would be sent when the source has ended, in words; None where nothing waits."""
        if self._hold is None:
            return None
        return f"{self._meant[0]:,} {self._hold.unit} would be {self._hold.deed}"

    @property
    def first_held(self) -> list[str]:
        """The first of them: for the user's own eyes, and nobody else's."""
        return self._meant[1] if self._tells_all else []

    def _held_as_json(self) -> dict[str, Any]:
        if self._hold is None:
            return {}
        found: dict[str, Any] = {self._hold.unit: self._meant[0]}
        return {f"would_be_{self._hold.deed}": found | {"first": self.first_held}}

    def _finish_held(self, held: Held) -> None:
        self._meant = len(held), held.identities()[:FIRST]
        self.ledger.merged += self.ledger.accepted - len(held)
        try:
            batches = held.batches()
        except ConfigurationError as error:
            self._too_many = error
            return
        self.requests += len(batches)
        self.bytes += sum(len(self.endpoint.body(each.batch.bodies)) for each in batches)

    def _cut(self) -> dict[str, int]:
        """Texts that are cut, by property, as far as names are told."""
        told, cut = self._told_properties(), self._mapper.adjustments.cut
        return {name: count for name, count in cut.items() if name in told}

    def _close(self) -> None:
        closed = self._open.close()
        items = closed.merged() if self._mapper.merges else list(closed.bodies)
        self.requests += 1
        self.bytes += len(self.endpoint.body(items))
        self.ledger.merged += len(closed) - len(items)

    def _count_property(self, name: str, value: object) -> None:
        name = _bounded(name, self._properties)
        use = self._properties.setdefault(name, PropertyUse())
        use.count += 1
        use.types[_JSON_TYPES[type(value)]] += 1

    def _told(self, counts: Mapping[str, int], is_listed: IsListed) -> set[str]:
        return {*counts} if self._tells_all else told_in_a_log(counts, is_listed)

    def _told_properties(self) -> set[str]:
        counts = {name: use.count for name, use in self._properties.items()}
        return self._told(counts, self._is_listed)

    def _dangerous_names(self) -> Iterator[str]:
        told = self._told_properties()
        numbered = [name for name in self._properties if any(map(str.isdigit, name))]
        if numbered:
            yield f"Digits or ids in property names: {_some(numbered, told)}"
        mixed = [name for name, use in self._properties.items() if len(use.types) > 1]
        if mixed:
            yield f"Properties with several types: {_some(mixed, told)}"
        spellings: dict[str, list[str]] = {}
        for name in self._properties:
            spellings.setdefault(name.casefold(), []).append(name)
        alike = [names for names in spellings.values() if len(names) > 1]
        if alike:
            told = {" and ".join(names) for names in alike if told.issuperset(names)}
            words = _some([" and ".join(names) for names in alike], told)
            yield f"Property names that differ only in case: {words}"


def quota_seconds(plans: Sequence[Plan]) -> float:
    """For how long the quotas would hold up a sync of all these; what goes to one place shares."""
    places: dict[str, list[Plan]] = {}
    for plan in plans:
        places.setdefault(plan.endpoint.url, []).append(plan)
    return max(map(_held_up, places.values()), default=0.0)


def _held_up(plans: Sequence[Plan]) -> float:
    quotas = plans[0].quotas
    if quotas is None:
        return 0.0
    waits = [
        (count - 1) // limit
        for count, limit in (
            (sum(plan.ledger.accepted for plan in plans), quotas.per_app),
            (_most_of_one([plan.identities for plan in plans]), quotas.per_identity),
        )
        if limit and count
    ]
    return max(waits, default=0) * quotas.seconds


def _bounded(name: str, known: Counter[str] | dict[str, PropertyUse]) -> str:
    return name if name in known or len(known) < _MOST_NAMES else _OTHERS


def _some(names: list[str], told: Container[str], most: int = 10) -> str:
    first = [f"`{name}`" for name in names if name in told][:most]
    more = len(names) - len(first)
    return ", ".join(first) + (
        f"{' and ' if first else ''}{more:,} {'more' if first else 'of them'}" if more else ""
    )
