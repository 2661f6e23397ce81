"""Everything that can be set, as one frozen value; a value that exists is legal."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.options import ServiceOptions


@dataclass(frozen=True, kw_only=True)
class SandboxOptions(ServiceOptions):
    """What a local Hackle can be told beyond what any stand-in can.

    - `deduplicate`: whether an event whose `insertId` was seen before is absorbed. Hackle does
      not publish what it does; clients should be tried against both
    """

    deduplicate: bool = True
