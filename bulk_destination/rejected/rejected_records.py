"""What a rejected record becomes: one RECORD line that can be piped into `write` again. Pure.

The line holds all that came in, with the reason put into the record's `meta`::

    {"type": "RECORD", "record": {…, "meta": {…, "rejection_reason": "identity_missing"}}}

Where the service refused the record, `rejection_answer` is what it answered, or the beginning of
that. It may quote the record, so it goes where the record goes, and nowhere else.

The protocol's `meta.changes` is for values that were nulled or truncated, with reasons out of a
fixed list. Here no value was changed, so the reason stands beside it (airbyte-protocol 0.18:
`meta` takes further fields, and readers that do not know them pass over them).

Files lie where Airbyte's UI links to and are named as Airbyte's own::

    {sync_id}/{namespace}/{stream}/{date}_{timestamp}_{part}.jsonl

The timestamp is the time of writing in nanoseconds, so that no attempt overwrites a file of
another, and files in the order of their names are in the order of their writing.
"""

import json
import re
import unicodedata
from datetime import UTC, datetime
from typing import Final

from bulk_destination.mapping.stream import Stream
from bulk_destination.protocol.splicing import member, with_members

#: Bytes of a folder's name; file systems take 255.
_LONGEST_NAME: Final = 200
_NOT_IN_A_NAME: Final = re.compile(r"[^\w.\-]")


def rejected_line(line: bytes, reason: str, answer: str = "") -> bytes:
    """The RECORD `line` with `reason` and `answer` (earlier ones are replaced), and a newline.

    All its other bytes stay as they came.
    """
    line = line.strip()
    notes = {"rejection_reason": json.dumps(reason).encode()}
    if answer:
        notes["rejection_answer"] = json.dumps(answer).encode()
    there = member(line, ("record", "meta"))
    if there is None or not there.startswith(b"{"):
        empty = with_members(line, ("record",), {"meta": b"{}"})
    else:  # an earlier answer is not this one's
        empty = with_members(line, ("record", "meta"), {}, without={"rejection_answer"})
    noted = None if empty is None else with_members(empty, ("record", "meta"), notes)
    assert noted is not None  # noqa: S101  # it was a record before
    return noted + b"\n"


def folder(stream: Stream) -> str:
    """Where the files of one sync of `stream` lie; a missing namespace has no folder."""
    names = [stream.namespace, stream.name] if stream.namespace else [stream.name]
    return "/".join([str(stream.sync_id), *map(safe_name, names)])


def folder_of_no_stream(stream: Stream) -> str:
    """Where the records of a sync lie that belong to none of several streams, `stream` among them.

    No stream's name becomes this one: `safe_name` leaves no dot at the beginning.
    """
    return f"{stream.sync_id}/.of_no_stream"


def file_name(now: float, part: int) -> str:
    """The name of part `part` (from 0) of a sync, written at `now`, in seconds of Unix time."""
    return f"{datetime.fromtimestamp(now, UTC):%Y_%m_%d}_{int(now * 1e9)}_{part}.jsonl"


def safe_name(name: str) -> str:
    """`name` as the name of one folder: letters, digits, `_`, `-` and inner dots, never empty.

    Two streams may get the same name by that; their files do not, and each record names its own.
    """
    safe = _NOT_IN_A_NAME.sub("_", unicodedata.normalize("NFC", name))
    safe = re.sub(r"^\.+", lambda dots: "_" * len(dots[0]), safe)
    return safe.encode()[:_LONGEST_NAME].decode(errors="ignore") or "_"
