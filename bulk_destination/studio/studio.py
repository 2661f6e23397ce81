"""One studio: its sample, what was typed, and the plan that follows behind it.

All of it is in memory and in a file without a name, and ends with the process.
"""

import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from bulk_destination.connection import Service
from bulk_destination.errors import SyncError
from bulk_destination.look.samples import SampleError
from bulk_destination.protocol.lines import LongLine
from bulk_destination.studio.behind import Behind, Told
from bulk_destination.studio.chart import bars
from bulk_destination.studio.form import Part, inputs
from bulk_destination.studio.judging import (
    FIRST,
    KEY,
    MODE,
    STREAM,
    Judged,
    first,
    form_of,
    judge,
    rejection,
    suggestions,
    sync_modes,
    whole,
)
from bulk_destination.studio.rendering import described
from bulk_destination.studio.sample import Sample, Streams, catalog_in
from bulk_destination.studio.suggestions import Suggestion
from bulk_destination.studio.takeaway import commands, fields, has_secrets

#: Columns that stand in the table; all are offered while one types.
MOST_COLUMNS = 200
#: The field by which the stream of rows is called.
NAME = "_name"


@dataclass(slots=True)
class Studio:
    """What the page of one service shows."""

    service: Service[Any]
    sample: Sample | None = None
    given: dict[str, str] = field(default_factory=dict)
    why: dict[str, Suggestion] = field(default_factory=dict)
    behind: Behind = field(default_factory=Behind)
    _catalog: Mapping[str, Any] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    # -- the sample ------------------------------------------------------------------------------

    def take(self, name: str, file: BinaryIO) -> None:
        """Takes a file as the sample, or as the catalog of the one that is there.

        Raises SampleError; then all is as before.
        """
        size = os.fstat(file.fileno()).st_size
        catalog = catalog_in(file, size)
        with self._lock:
            if catalog is not None:
                file.close()
                self._catalog = catalog
                if self.sample is None:
                    return
                old = self.sample
                sample = Sample(old.name, old.file, old.size, stream=old.stream, catalog=catalog)
            else:
                sample = Sample(name, file, size, catalog=self._catalog)
                if self.sample is not None:
                    self.behind.stop()
            self._show(sample)

    def _show(self, sample: Sample) -> None:
        self.sample = sample
        kept = {
            one.name: self.given[one.name]
            for one in inputs(form_of(self.service, sample))
            if one.name in self.given and "." not in one.name and not one.takes_columns
        }
        suggested, self.why = suggestions(self.service, sample)
        self.given = kept | suggested

    def describe(self, catalog: Mapping[str, Any]) -> None:
        """Takes a catalog before there is a sample."""
        self._catalog = catalog

    @property
    def waits_for_records(self) -> bool:
        """Whether there is a catalog, and no record yet."""
        return self.sample is None and self._catalog is not None

    # -- what the page shows ---------------------------------------------------------------------

    def page(self) -> dict[str, Any]:
        """The whole page, as it is before anything was judged."""
        return {
            "service": self.service.name,
            "program": self.service.program,
            "sample": self.sample,
            "waits": self.waits_for_records,
            "modes": sync_modes(self.service),
            "mode": self.given.get(MODE, self._configured("destination_sync_mode") or ""),
            "key": self.given.get(KEY, self._configured_key()),
            **self._form(),
            **self.columns(),
        }

    def _form(self) -> dict[str, Any]:
        parts: tuple[Part, ...] = form_of(self.service, self.sample)
        return {
            "parts": parts,
            "given": self.given,
            "why": self.why,
            "described": described,
            "NAME": NAME,
            "STREAM": STREAM,
            "MODE": MODE,
            "KEY": KEY,
        }

    def _configured(self, key: str) -> Any:
        if self.sample is None:
            return None
        stream = next(iter(self.sample.streams.found.values()))
        return stream.configured.get(key) if "stream" in stream.configured else None

    def _configured_key(self) -> str:
        if self.sample is None:
            return ""
        stream = next(iter(self.sample.streams.found.values()))
        key = self._configured("primary_key") or stream.described.get("source_defined_primary_key")
        return ", ".join(".".join(part) for part in key or () if isinstance(part, list))

    def columns(self) -> dict[str, Any]:
        """The columns of the stream that it is about; of all, where it is about several."""
        if self.sample is None:
            return {"streams": [], "columns": [], "more": 0, "records": 0, "stream_at": 0}
        streams: Streams = self.sample.streams
        names = list(streams.found)
        number = self.given.get(STREAM, "0")
        at = int(number) if number in map(str, range(len(names))) else 0
        seen = streams.of(names[at]).columns
        columns = list(seen.leaves())
        return {
            "streams": names,
            "stream_at": at,
            "columns": columns[:MOST_COLUMNS],
            "names": [column.written for column in columns],
            "more": max(0, len(columns) - MOST_COLUMNS),
            "records": seen.records,
            "whole": self.sample.whole,
            "long": self.sample.long,
            "broken": self.sample.broken,
        }

    def typed(self, given: Mapping[str, str]) -> dict[str, Any] | None:
        """What the first records become by that; the plan for all of them is begun.

        None where there is no sample.
        """
        with self._lock:
            sample = self.sample
            if sample is None:
                return None
            self.given = dict(given)
            name = given.get(NAME, "").strip()
            if name and name != sample.stream:
                catalog = sample.streams.catalog
                sample = Sample(sample.name, sample.file, sample.size, stream=name, catalog=catalog)
                self.sample = sample
        judged = judge(self.service, sample, given)
        self.behind.start(lambda told: self._plan(judged, sample, told))
        return {**self._outcome(judged, sample), **self._take_along(judged), **self.plan()}

    def _outcome(self, judged: Judged, sample: Sample) -> dict[str, Any]:
        found = first(judged, sample)
        shown = found[0] if found is not None else []
        rejections = {
            one.position: blame for one in shown if (blame := rejection(judged, one)) is not None
        }
        problems = {name: list(words) for name, words in judged.problems.items()}
        counted: dict[tuple[str, str], int] = {}
        for blame in rejections.values():
            if blame.field is not None:
                key = (blame.field.name, blame.reason)
                counted[key] = counted.get(key, 0) + 1
        for (name, reason), count in counted.items():
            words = f"{count} of the first {len(shown)} would be rejected: {reason}"
            problems.setdefault(name, []).append(words.replace("_", " "))
        return {
            "fields": [(one.name, problems.get(one.name, [])) for one in inputs(judged.parts)],
            "others": judged.others,
            "works": judged.connection is not None,
            "shown": shown,
            "rejections": rejections,
            "first": FIRST,
            "service": self.service.name,
        }

    def _take_along(self, judged: Judged) -> dict[str, Any]:
        return {
            "given": judged.given,
            "typed": list(fields(judged.parts, judged.given)),
            "commands": commands(self.service.program),
            "secrets": has_secrets(judged.parts, judged.given),
            "ready": not judged.problems and not judged.others,
        }

    def _plan(self, judged: Judged, sample: Sample, told: Told) -> dict[str, Any]:
        before, was_whole = judged, sample.whole
        sample.read_all(told)
        if not was_whole:
            # Columns that came later may be what was taken for a slip before.
            judged = judge(self.service, sample, judged.given)
        found = {"grew": not was_whole, "differs": judged.problems != before.problems}
        if judged.connection is None:
            return {**found, "all": None}
        shown, walk = whole(judged, sample, told)
        plans = [
            {
                "stream": str(plan.stream),
                "found": plan.as_json(),
                "bars": bars(plan.days),
                "requests": plan.requests,
            }
            for plan in walk.plans
        ]
        rejected = [(one, blame) for one in shown if (blame := rejection(judged, one)) is not None]
        first_rejected = rejected[:FIRST]
        return {
            **found,
            "all": walk.as_json(),
            "plans": plans,
            "rejected_first": first_rejected,
            "seconds": _duration(walk.quota_seconds),
        }

    def plan(self) -> dict[str, Any]:
        """The plan as far as it is known."""
        job, sample = self.behind.job, self.sample
        if job.error is not None and not isinstance(job.error, SampleError | SyncError):
            failed = f"The plan failed on an error of its own ({type(job.error).__name__})."
        else:
            failed = "" if job.error is None else f"The sample {job.error}"
        size = sample.size if sample is not None else 0
        return {
            "job": job,
            "plan": job.result,
            "failed": failed,
            "share": round(100 * job.at / size) if size else 0,
            "service": self.service.name,
        }

    # -- what is taken along ---------------------------------------------------------------------

    def judged(self, given: Mapping[str, str]) -> Judged | None:
        """What was typed, for files."""
        return None if self.sample is None else judge(self.service, self.sample, given)

    def records(self) -> Iterator[bytes]:
        """The sample as messages, for a file."""
        assert self.sample is not None  # noqa: S101  # who calls has looked
        for lines in self.sample.read():
            whole = [line for line in lines if not isinstance(line, LongLine)]
            if whole:
                yield b"\n".join(whole) + b"\n"

    def close(self) -> None:
        """Ends what is under way, and forgets the sample."""
        self.behind.stop()
        if self.sample is not None:
            self.sample.file.close()


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:,.0f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 7_200 else f"{seconds / 3_600:,.1f} h"
