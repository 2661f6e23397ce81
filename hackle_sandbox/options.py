"""Everything that can be set, as one frozen value; a value that exists is legal."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.options import ServiceOptions


@dataclass(frozen=True, kw_only=True)
class SandboxOptions(ServiceOptions):
    """What a local Hackle can be told beyond what any stand-in can.

    - `deduplicate`: whether an event whose `insertId` was seen before is absorbed. Hackle does
      not publish what it does; clients should be tried against both
    - `poison`: an event with a property key or value equal to one of these is refused
    - `quote_values`: whether the text of a 400 quotes the offending value, to prove that
      clients do not pass it on
    """

    deduplicate: bool = True
    poison: tuple[str, ...] = ()
    quote_values: bool = False
